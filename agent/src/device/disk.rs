//! A disk of the machine's, by its serial number and never by its letter: letters follow the order
//! in which drivers finish, which is another one on every boot.

use super::DeviceError;
use super::system::{Node, System};
use crate::uevent::Uevents;
use std::time::Instant;

/// Waits for the disk.
pub(super) fn find(
    system: &System,
    serial: &str,
    deadline: Instant,
) -> Result<Node, Box<DeviceError>> {
    // Before the first look, so that nothing that comes after it is missed.
    let uevents = Uevents::listen();
    let found = uevents.wait_for(deadline, || match matching(system, serial).as_slice() {
        [] => None,
        [one] => system.block_device(one).map(Ok),
        several => Some(Err(several.join(" and "))),
    });
    let error = |cause| DeviceError::because("find", &format!("the disk {serial}"), cause);
    match found {
        Some(Ok(node)) => Ok(node),
        Some(Err(several)) => Err(error(format!("{several} have this serial number"))),
        None => Err(error(what_is_there(system))
            .with_hint("is the driver of its bus in the kernel or among the modules?")),
    }
}

fn matching(system: &System, serial: &str) -> Vec<String> {
    disks(system).into_iter().filter(|(_, found)| found == serial).map(|(name, _)| name).collect()
}

/// Every block device that has a serial number, with it.
fn disks(system: &System) -> Vec<(String, String)> {
    // The paths of an NVMe disk are hidden devices with the disk's own serial (block/genhd.c).
    let hidden =
        |name: &str| system.read(&format!("block/{name}/hidden")).is_ok_and(|hidden| hidden == "1");
    system
        .names("block")
        .into_iter()
        .filter(|name| !hidden(name))
        .filter_map(|name| system.serial(&name).map(|serial| (name, serial)))
        .collect()
}

fn what_is_there(system: &System) -> String {
    let disks = disks(system);
    if disks.is_empty() {
        return "no block device has a serial number".to_owned();
    }
    let list: Vec<String> =
        disks.iter().map(|(name, serial)| format!("{name} is {serial:?}")).collect();
    format!("it did not appear; {}", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::device::system::{Node, System};
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    fn device(root: &Path, name: &str, files: &[(&str, &[u8])]) {
        for (file, content) in files {
            let path = root.join("sys/block").join(name).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::create_dir_all(root.join("dev")).unwrap();
        fs::write(root.join("dev").join(name), "").unwrap();
    }

    const SIZE: (&str, &[u8]) = ("size", b"2048\n");

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        device(at, "vda", &[SIZE, ("ro", b"0\n"), ("serial", b"scratch0")]);
        device(at, "vdb", &[SIZE, ("ro", b"0\n"), ("serial", b"scratch00")]);
        device(at, "sda", &[SIZE, ("ro", b"1\n"), ("device/vpd_pg80", b"\0\x80\0\x08scratch1")]);
        device(at, "nvme0n1", &[SIZE, ("device/serial", b"scratch2            \n")]);
        device(at, "nvme0c0n1", &[("hidden", b"1\n"), ("device/serial", b"scratch2   \n")]);
        device(at, "ram0", &[SIZE]);
        root
    }

    #[test]
    fn each_bus_shows_the_serial_in_its_own_place() {
        let root = machine();
        let system = System::below(root.path());
        let find = |serial| find(&system, serial, Instant::now()).unwrap();
        let node = |name: &str, read_only| Node { name: name.to_owned(), size: 1 << 20, read_only };
        assert_eq!(find("scratch0"), node("vda", false));
        assert_eq!(find("scratch1"), node("sda", true));
        assert_eq!(find("scratch2"), node("nvme0n1", false));
    }

    #[test]
    fn an_absent_disk_is_told_with_those_that_are_there() {
        let root = machine();
        let error = find(&System::below(root.path()), "scratch", Instant::now()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "find the disk scratch: it did not appear; nvme0n1 is \"scratch2\", \
             sda is \"scratch1\", vda is \"scratch0\", vdb is \"scratch00\""
        );
        assert!(error.hint().unwrap().contains("driver"));
    }

    #[test]
    fn two_disks_of_one_serial_are_refused() {
        let root = machine();
        device(root.path(), "vdc", &[SIZE, ("serial", b"scratch1")]);
        let error = find(&System::below(root.path()), "scratch1", Instant::now()).unwrap_err();
        assert!(error.to_string().ends_with(": sda and vdc have this serial number"), "{error}");
    }

    #[test]
    fn a_disk_without_a_size_or_a_node_is_not_there_yet() {
        let root = machine();
        device(root.path(), "vdd", &[("size", b"0\n"), ("serial", b"empty")]);
        device(root.path(), "vde", &[SIZE, ("serial", b"nodeless")]);
        fs::remove_file(root.path().join("dev/vde")).unwrap();
        let system = System::below(root.path());
        assert!(find(&system, "empty", Instant::now()).is_err());
        assert!(find(&system, "nodeless", Instant::now()).is_err());
    }
}
