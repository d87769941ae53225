//! Block devices that the target stands on: found, or set up by whatever the kernel has for it,
//! and known from then on as `/dev/lunlab/<name>`.

mod device_mapper;
mod disk;
mod error;
mod ioctl;
mod loop_device;
mod null_blk;
pub(crate) mod system;
mod zram;

pub use error::DeviceError;

use crate::mounts::{CONFIGFS, mount_one};
use configfs_rs::TreePath;
use lunlab_protocol::target::{self, DeviceKind};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::time::Instant;
use system::{Node, System};

/// A device that the host asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, and the name of its link.
    pub name: String,
    /// What it is.
    pub(crate) kind: DeviceKind,
    over: String,
    /// Bytes; 0 where the device itself knows.
    pub(crate) size: u64,
    read_only: bool,
    parameters: Vec<(String, String)>,
}

impl Device {
    /// Keeps a request.
    ///
    /// # Errors
    /// A kind this agent does not know, or a name that cannot be that of a file.
    pub fn new(device: &target::Device<'_>) -> Result<Self, Box<DeviceError>> {
        let kind = DeviceKind::from_code(device.kind).ok_or_else(|| {
            let cause = format!("this agent knows no kind {}", device.kind);
            DeviceError::because("set up", device.name, cause)
        })?;
        check_name(device.name)?;
        let own = |each: &lunlab_protocol::request::Parameter<'_>| {
            (each.key.to_owned(), each.value.to_owned())
        };
        Ok(Self {
            name: device.name.to_owned(),
            kind,
            over: device.over.to_owned(),
            size: device.size,
            read_only: device.read_only,
            parameters: device.parameters.iter().map(own).collect(),
        })
    }

    /// Whether it keeps what is written, as all do but a `null_blk` that is not told to.
    pub(crate) fn stores_data(&self) -> bool {
        self.kind != DeviceKind::NullBlk
            || self.parameter("memory_backed").is_some_and(|value| value != "0")
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn no_parameter(&self, key: &str, value: &str) -> Box<DeviceError> {
        let what = format!("the {} {}", self.kind.name(), self.name);
        DeviceError::because("set up", &what, format!("it cannot have {key} = {value}"))
    }
}

/// One name of one file: it becomes a part of paths.
pub(crate) fn check_name(name: &str) -> Result<(), Box<DeviceError>> {
    let path = TreePath::new(name)?;
    match path.parent() {
        None => Ok(()),
        Some(_) => Err(DeviceError::because("take", name, "no name of a device")),
    }
}

/// A device that stands, and what takes it down.
#[derive(Debug)]
pub struct StandingDevice {
    /// Its name.
    pub name: String,
    /// Its node, such as `/dev/vda`.
    pub node: String,
    /// Bytes.
    pub size: u64,
    /// Whether the kernel refuses to write it.
    pub read_only: bool,
    undo: Undo,
}

/// How a device is undone.
#[derive(Debug)]
enum Undo {
    Nothing,
    NullBlk { directory: String },
    Zram { number: String },
    File { path: String },
    Loop { node: String, undo: Box<Undo> },
    DeviceMapper { name: String },
}

impl Undo {
    fn run(&self, system: &System) -> Result<(), Box<DeviceError>> {
        match self {
            Self::Nothing => Ok(()),
            Self::NullBlk { directory } => null_blk::take_down(system, directory),
            Self::Zram { number } => zram::take_down(system, number),
            Self::File { path } => rustix::fs::unlink(path.as_str())
                .map_err(|errno| DeviceError::call("remove", path, errno)),
            Self::Loop { node, undo } => loop_device::take_down(node).and(undo.run(system)),
            Self::DeviceMapper { name } => device_mapper::take_down(system, name),
        }
    }

    /// Undoes at once what was begun, if what came after it failed.
    fn on_failure<T>(
        self,
        system: &System,
        outcome: Result<T, Box<DeviceError>>,
    ) -> Result<(T, Self), Box<DeviceError>> {
        match outcome {
            Ok(done) => Ok((done, self)),
            Err(error) => {
                // The first error is the one worth telling.
                let _undone = self.run(system);
                Err(error)
            }
        }
    }
}

/// Finds or sets up a device and links its name to it.
///
/// # Errors
/// What was attempted and failed; nothing of the device is left then.
pub fn set_up(device: &Device, deadline: Instant) -> Result<StandingDevice, Box<DeviceError>> {
    if device.kind == DeviceKind::NullBlk {
        mount_one(&CONFIGFS)
            .map_err(|error| DeviceError::because("set up", &device.name, error.to_string()))?;
    }
    set_up_in(&System::real()?, device, deadline)
}

fn set_up_in(
    system: &System,
    device: &Device,
    deadline: Instant,
) -> Result<StandingDevice, Box<DeviceError>> {
    let (node, undo) = match device.kind {
        DeviceKind::Disk => (disk::find(system, &device.over, deadline)?, Undo::Nothing),
        DeviceKind::NullBlk => null_blk::set_up(system, device)?,
        DeviceKind::Brd => (brd(system, device)?, Undo::Nothing),
        DeviceKind::Zram => zram::set_up(system, device)?,
        DeviceKind::Loop => loop_device::set_up(system, device)?,
        DeviceKind::Delay | DeviceKind::Flakey => device_mapper::set_up(system, device)?,
    };
    let name = node.name.clone();
    let (read_only, undo) = undo.on_failure(system, finish(system, device, &node))?;
    let node_path = system.node(&name);
    Ok(StandingDevice {
        name: device.name.clone(),
        node: node_path,
        size: node.size,
        read_only,
        undo,
    })
}

/// The module's parameters have made it; the host says which of them it is.
fn brd(system: &System, device: &Device) -> Result<Node, Box<DeviceError>> {
    system
        .expect(&format!("ram{}", device.parameter("index").unwrap_or("0")))
        .map_err(|error| error.with_hint("brd makes as many as its parameter rd_nr says"))
}

/// What all kinds have in common: the size, whether it can be written, the link.
fn finish(system: &System, device: &Device, node: &Node) -> Result<bool, Box<DeviceError>> {
    let path = system.node(&node.name);
    if device.kind != DeviceKind::Disk && device.size != 0 && device.size != node.size {
        let cause = format!("it has {} bytes, not {}", node.size, device.size);
        return Err(DeviceError::because("set up", &path, cause));
    }
    if device.read_only && !node.read_only {
        ioctl::set_read_only(&open(&path, OFlags::RDONLY)?)
            .map_err(|errno| DeviceError::call("BLKROSET on", &path, errno))?;
    }
    make_link(system, &device.name, &path)?;
    Ok(device.read_only || node.read_only)
}

/// Makes `/dev/lunlab/<name>`.
pub(crate) fn make_link(system: &System, name: &str, node: &str) -> Result<(), Box<DeviceError>> {
    check_name(name)?;
    let directory = system.node("lunlab");
    match rustix::fs::mkdir(directory.as_str(), Mode::from(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(DeviceError::call("mkdir", &directory, errno)),
    }
    let at = link(system, name);
    rustix::fs::symlink(node, at.as_str())
        .map_err(|errno| DeviceError::call("link", &at, errno).with_value(node))
}

/// Where the device of that name is reached.
pub(crate) fn link(system: &System, name: &str) -> String {
    system.node(&format!("lunlab/{name}"))
}

/// Removes `/dev/lunlab/<name>`; one that is gone will do.
pub(crate) fn remove_link(system: &System, name: &str) -> Result<(), Box<DeviceError>> {
    let at = link(system, name);
    match rustix::fs::unlink(at.as_str()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(DeviceError::call("unlink", &at, errno)),
    }
}

/// Takes a device down: the last set up first, and after all that uses it.
///
/// # Errors
/// What could not be removed; `EBUSY` where something still uses the device.
pub fn take_down(device: &StandingDevice) -> Result<(), Box<DeviceError>> {
    let system = System::real()?;
    device.undo.run(&system)?;
    remove_link(&system, &device.name)
}

/// Bounds what a zram may take of the memory, in bytes; another device is left as it is.
///
/// # Errors
/// When the kernel does not take the bound.
pub fn bound_zram(device: &StandingDevice, most: u64) -> Result<(), Box<DeviceError>> {
    match &device.undo {
        Undo::Zram { number } => zram::bound(&System::real()?, number, most),
        _ => Ok(()),
    }
}

/// Makes sure that a file or device can be read and written past the page cache; a file need not be
/// there yet.
///
/// fileio's asynchronous mode does so unasked, and a file system that cannot takes the kernel down
/// with it (mm/filemap.c, `generic_file_direct_write`, calls `->direct_IO` unchecked).
///
/// # Errors
/// `EINVAL` where it cannot.
pub fn probe_direct(path: &str) -> Result<(), Box<DeviceError>> {
    let flags = OFlags::RDWR | OFlags::DIRECT;
    let opened = match (open(path, flags), std::path::Path::new(path).parent()) {
        // What is yet to be made will be on the file system of its directory.
        (Err(error), Some(parent)) if error.errno == Errno::NOENT.raw_os_error() => {
            open(&parent.display().to_string(), flags | OFlags::TMPFILE)
        }
        (opened, _) => opened,
    };
    match opened {
        Ok(_) => Ok(()),
        Err(error) if error.errno == Errno::INVAL.raw_os_error() => {
            let error = DeviceError::call("open with O_DIRECT", path, Errno::INVAL);
            Err(error.with_hint(
                "asynchronous fileio needs a block device, or a file system with direct I/O",
            ))
        }
        Err(error) => Err(error),
    }
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd, Box<DeviceError>> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| DeviceError::call("open", path, errno))
}

#[cfg(test)]
mod tests {
    use super::{Device, Undo, link, make_link, probe_direct, remove_link, set_up_in};
    use crate::device::system::System;
    use lunlab_protocol::request::Parameter;
    use lunlab_protocol::target::{self, DeviceKind};
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    pub(super) fn device(kind: DeviceKind, over: &str, parameters: &[(&str, &str)]) -> Device {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let parameters = parameters.iter().map(own).collect();
        let (name, over, size) = ("disk0".to_owned(), over.to_owned(), 1 << 20);
        Device { name, kind, over, size, read_only: false, parameters }
    }

    fn request(name: &str, kind: u32) -> target::Device<'_> {
        let mut parameters = heapless::Vec::new();
        parameters.push(Parameter { key: "index", value: "3" }).unwrap();
        target::Device { name, kind, over: "", size: 7, read_only: true, parameters }
    }

    fn put(root: &Path, file: &str, content: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn ram(root: &Path, sectors: &str) -> System {
        put(root, "sys/block/ram3/size", sectors);
        put(root, "sys/block/ram3/ro", "0");
        put(root, "dev/ram3", "");
        System::below(root)
    }

    #[test]
    fn a_request_is_kept_and_what_cannot_be_is_refused() {
        let kept = Device::new(&request("disk0", DeviceKind::Brd.code())).unwrap();
        assert_eq!((kept.size, kept.read_only, kept.parameter("index")), (7, true, Some("3")));
        assert!(Device::new(&request("disk0", 99)).unwrap_err().to_string().contains("kind 99"));
        for name in ["", ".", "..", "a/b", "/dev/vda", "a\n"] {
            assert!(Device::new(&request(name, DeviceKind::Brd.code())).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_ramdisk_is_found_by_its_index_and_linked() {
        let root = tempfile::tempdir().unwrap();
        let system = ram(root.path(), "2048");
        let brd = device(DeviceKind::Brd, "", &[("index", "3")]);
        let standing = set_up_in(&system, &brd, Instant::now()).unwrap();
        assert_eq!(standing.node, root.path().join("dev/ram3").display().to_string());
        assert_eq!(standing.size, 1 << 20);
        assert_eq!(fs::read_link(link(&system, "disk0")).unwrap(), Path::new(&standing.node));
        remove_link(&system, "disk0").unwrap();
        remove_link(&system, "disk0").unwrap();
    }

    #[test]
    fn a_wrong_size_is_refused_and_leaves_no_link() {
        let root = tempfile::tempdir().unwrap();
        let system = ram(root.path(), "2056");
        let brd = device(DeviceKind::Brd, "", &[("index", "3")]);
        let error = set_up_in(&system, &brd, Instant::now()).unwrap_err().to_string();
        assert!(error.ends_with("it has 1052672 bytes, not 1048576"), "{error}");
        assert!(fs::read_link(link(&system, "disk0")).is_err());
    }

    #[test]
    fn a_device_that_is_not_there_is_told_by_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let system = ram(root.path(), "2048");
        let brd = device(DeviceKind::Brd, "", &[("index", "4")]);
        let error = set_up_in(&system, &brd, Instant::now()).unwrap_err();
        assert!(error.to_string().contains("ram4"), "{error}");
        assert!(error.hint().unwrap().contains("rd_nr"));
    }

    #[test]
    fn a_null_blk_that_the_kernel_refuses_is_removed_again() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/kernel/config/nullb")).unwrap();
        let system = System::below(root.path());
        // A plain directory has no attribute `blocksize`: the first write fails.
        let null_blk = device(DeviceKind::NullBlk, "", &[("blocksize", "4096")]);
        let error = set_up_in(&system, &null_blk, Instant::now()).unwrap_err().to_string();
        assert!(error.starts_with("write 4096 to "), "{error}");
        assert!(error.ends_with("/lunlab0/blocksize: ENOENT"), "{error}");
        assert!(!root.path().join("sys/kernel/config/nullb/lunlab0").exists());
    }

    #[test]
    fn a_link_is_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        let system = ram(root.path(), "2048");
        make_link(&system, "disk0", "/dev/ram3").unwrap();
        let error = make_link(&system, "disk0", "/dev/ram4").unwrap_err().to_string();
        assert!(error.starts_with("link /dev/ram4 to ") && error.ends_with("EEXIST"), "{error}");
        assert!(make_link(&system, "../x", "/dev/ram3").is_err());
    }

    #[test]
    fn a_failure_undoes_what_was_begun() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let undo = Undo::File { path: file.display().to_string() };
        let error = super::DeviceError::because("try", "this", "no");
        let outcome = undo.on_failure::<()>(&System::below(root.path()), Err(error.clone()));
        assert_eq!(outcome.err(), Some(error));
        assert!(!file.exists());
    }

    #[test]
    fn what_is_not_there_is_probed_where_it_will_be() {
        let error = probe_direct("/nowhere/at/all").unwrap_err();
        assert_eq!(error.to_string(), "open /nowhere/at: ENOENT");
        // No file system of any kernel has direct I/O here, or lets anybody make a file.
        let error = probe_direct("/proc/self/file").unwrap_err();
        assert!(error.to_string().starts_with("open"), "{error}");
        let directory = tempfile::tempdir().unwrap();
        let _either = probe_direct(&directory.path().join("file").display().to_string());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
