//! A disk of the loopback fabric: a LUN of a target in this guest, seen by this guest.

use crate::device::system::{Node, System};
use crate::device::{self, DeviceError, check_name};
use crate::uevent::Uevents;
use configfs_rs::TreePath;
use configfs_rs::plan::Step;
use lunlab_protocol::target;
use std::time::Instant;

/// The disk to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopbackDisk {
    /// Its name, and the name of its link.
    pub name: String,
    tpg: TreePath,
    lun: u16,
    serial: String,
}

impl LoopbackDisk {
    /// Keeps a request.
    ///
    /// # Errors
    /// A name that cannot be that of a file, or a path that leaves configfs.
    pub fn new(disk: &target::LoopbackDisk<'_>) -> Result<Self, Box<DeviceError>> {
        check_name(disk.name)?;
        let target::LoopbackDisk { tpg, lun, serial, name } = *disk;
        let tpg = TreePath::new(tpg)?;
        Ok(Self { name: name.into(), tpg, lun, serial: serial.into() })
    }

    /// Whether its LUN is made by one of these steps, so that it is another disk then.
    pub fn is_made_by(&self, steps: &[Step]) -> bool {
        let group = format!("{}/lun/lun_{}", self.tpg, self.lun);
        let makes =
            |step: &Step| matches!(step, Step::MakeDirectory { path } if path.as_str() == group);
        steps.iter().any(makes)
    }
}

/// A disk that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its node, such as `/dev/sda`.
    pub node: String,
    /// Bytes.
    pub size: u64,
}

/// Waits for the disk, makes sure that it is the one, and links its name to it.
///
/// # Errors
/// How far it came: no LUN, no disk, no size, or another serial number.
pub fn find(disk: &LoopbackDisk, deadline: Instant) -> Result<Found, Box<DeviceError>> {
    find_in(&System::real()?, disk, deadline)
}

/// Removes the link; the disk goes with its LUN.
///
/// # Errors
/// When the link stays.
pub fn forget(name: &str) -> Result<(), Box<DeviceError>> {
    device::remove_link(&System::real()?, name)
}

fn find_in(
    system: &System,
    disk: &LoopbackDisk,
    deadline: Instant,
) -> Result<Found, Box<DeviceError>> {
    // `H:0:T`: the SCSI host, and the TPG as the SCSI target (drivers/target/loopback/tcm_loop.c).
    let address = system.read(&format!("kernel/config/{}/address", disk.tpg))?;
    let place = format!("{address}:{}", disk.lun);
    let device = format!("class/scsi_device/{place}/device");
    let uevents = Uevents::listen();
    let node = uevents
        .wait_for(deadline, || block_device(system, &device))
        .ok_or_else(|| absent(system, &place, &device))?;
    let serial = system.unit_serial(&device).unwrap_or_default();
    let path = system.node(&node.name);
    if serial != disk.serial {
        let cause = format!("{path} has the serial number {serial:?}, not {:?}", disk.serial);
        return Err(DeviceError::because("find", &format!("the SCSI disk {place}"), cause));
    }
    device::make_link(system, &disk.name, &path)?;
    Ok(Found { node: path, size: node.size })
}

/// sd probes in its own time: the device has no disk at first, and the disk no size.
fn block_device(system: &System, device: &str) -> Option<Node> {
    let names = system.names(&format!("{device}/block"));
    names.first().and_then(|name| system.block_device(name))
}

fn absent(system: &System, place: &str, device: &str) -> Box<DeviceError> {
    let error =
        |cause: String| DeviceError::because("find", &format!("the SCSI disk {place}"), cause);
    if system.names(device).is_empty() {
        let others = system.names("class/scsi_device");
        return error(format!("no such SCSI device; there are: {}", others.join(" ")))
            .with_hint("a LUN that is linked before its TPG has a nexus never appears");
    }
    match system.names(&format!("{device}/block")).first() {
        Some(name) => error(format!("{name} has no size or no node")),
        None => error("the SCSI device has no disk".into())
            .with_hint("is sd_mod loaded? (CONFIG_BLK_DEV_SD)"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, LoopbackDisk, find_in};
    use crate::device::system::System;
    use configfs_rs::TreePath;
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    const DEVICE: &str = "sys/class/scsi_device/2:0:1:7/device";
    const TPG: &str = "target/loopback/naa.5001405000000001/tpgt_1";

    fn put(root: &Path, file: &str, content: &[u8]) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn guest() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        put(at, &format!("sys/kernel/config/{TPG}/address"), b"2:0:1\n");
        put(at, &format!("{DEVICE}/vpd_pg80"), b"\0\x80\0\x04abcd");
        put(at, &format!("{DEVICE}/block/sdb/dev"), b"8:16\n");
        put(at, "sys/block/sdb/size", b"2048\n");
        put(at, "dev/sdb", b"");
        root
    }

    fn find(root: &Path, lun: u16, serial: &str) -> Result<Found, String> {
        let (name, tpg, serial) = ("disk0".into(), TreePath::new(TPG).unwrap(), serial.into());
        let disk = LoopbackDisk { name, tpg, lun, serial };
        find_in(&System::below(root), &disk, Instant::now()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_disk_of_a_lun_is_found_and_linked() {
        let root = guest();
        let node = root.path().join("dev/sdb").display().to_string();
        assert_eq!(find(root.path(), 7, "abcd"), Ok(Found { node: node.clone(), size: 1 << 20 }));
        assert_eq!(fs::read_link(root.path().join("dev/lunlab/disk0")).unwrap(), Path::new(&node));
    }

    #[test]
    fn another_serial_is_another_disk() {
        let root = guest();
        let error = find(root.path(), 7, "abce").unwrap_err();
        assert!(error.contains("has the serial number \"abcd\", not \"abce\""), "{error}");
        assert!(!root.path().join("dev/lunlab/disk0").exists());
    }

    #[test]
    fn the_error_says_how_far_it_came() {
        let root = guest();
        let error = find(root.path(), 8, "abcd").unwrap_err();
        assert!(error.ends_with("2:0:1:8: no such SCSI device; there are: 2:0:1:7"), "{error}");
        put(root.path(), "sys/block/sdb/size", b"0\n");
        let error = find(root.path(), 7, "abcd").unwrap_err();
        assert!(error.ends_with("sdb has no size or no node"), "{error}");
        fs::remove_dir_all(root.path().join(DEVICE).join("block")).unwrap();
        let error = find(root.path(), 7, "abcd").unwrap_err();
        assert!(error.ends_with("the SCSI device has no disk"), "{error}");
    }
}
