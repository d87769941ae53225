//! What the kernel shows of its block devices.

use super::{DeviceError, open};
use configfs_rs::tree::Tree;
use configfs_rs::{TreePath, Value};
use rustix::fs::OFlags;
use std::path::PathBuf;

/// The unit of every `size` in sysfs, whatever the device's own blocks are (block/genhd.c).
pub(super) const SECTOR: u64 = 512;

/// sysfs and /dev; in tests, directories that stand for them.
pub(crate) struct System {
    sys: Tree,
    dev: PathBuf,
}

/// A block device that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name in /sys/block.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Whether the kernel refuses to write it.
    pub(crate) read_only: bool,
}

impl System {
    /// The guest's own.
    ///
    /// # Errors
    /// Never: both paths are absolute.
    pub(crate) fn real() -> Result<Self, Box<DeviceError>> {
        Ok(Self { sys: Tree::new("/sys")?, dev: PathBuf::from("/dev") })
    }

    #[cfg(test)]
    pub(crate) fn below(root: &std::path::Path) -> Self {
        Self { sys: Tree::new(root.join("sys")).unwrap(), dev: root.join("dev") }
    }

    /// Reads an attribute; the path is below /sys.
    pub(crate) fn read(&self, path: &str) -> Result<String, Box<DeviceError>> {
        Ok(self.sys.read(&TreePath::new(path)?)?)
    }

    /// Writes an attribute with one write(2).
    pub(super) fn write(&self, path: &str, value: &str) -> Result<(), Box<DeviceError>> {
        Ok(self.sys.write(&TreePath::new(path)?, &Value::new(value)?)?)
    }

    /// Makes a group of configfs.
    pub(super) fn make_group(&self, path: &str) -> Result<(), Box<DeviceError>> {
        Ok(self.sys.make_group(&TreePath::new(path)?)?)
    }

    /// Removes a group of configfs.
    pub(super) fn remove_group(&self, path: &str) -> Result<(), Box<DeviceError>> {
        Ok(self.sys.remove_group(&TreePath::new(path)?)?)
    }

    /// The names in a directory, sorted; none where there is no such directory.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = TreePath::new(path).ok().and_then(|path| self.sys.list(&path).ok());
        entries.into_iter().flatten().map(|entry| entry.name).collect()
    }

    /// The path of a node or link in /dev.
    pub(crate) fn node(&self, name: &str) -> String {
        self.dev.join(name).display().to_string()
    }

    /// The device, once it has a size and a node.
    pub(crate) fn block_device(&self, name: &str) -> Option<Node> {
        let read = |file: &str| self.read(&format!("block/{name}/{file}")).ok();
        let sectors: u64 = read("size")?.parse().ok()?;
        let there = sectors > 0 && self.dev.join(name).exists();
        there.then(|| Node {
            name: name.to_owned(),
            size: sectors.saturating_mul(SECTOR),
            read_only: read("ro").as_deref() == Some("1"),
        })
    }

    /// The device, which has to be there by now.
    pub(super) fn expect(&self, name: &str) -> Result<Node, Box<DeviceError>> {
        self.block_device(name).ok_or_else(|| {
            let cause = "the kernel shows no such device, or one without a size";
            DeviceError::because("find", &self.node(name), cause)
        })
    }

    /// The serial number of a disk, wherever its driver shows it: virtio-blk beside the device,
    /// NVMe as the controller's (or the subsystem's, where multipath is on), SCSI as VPD page 0x80.
    pub(crate) fn serial(&self, name: &str) -> Option<String> {
        let read = |file: &str| self.read(&format!("block/{name}/{file}")).ok();
        let serial = read("serial")
            .or_else(|| self.unit_serial(&format!("block/{name}/device")))
            .or_else(|| read("device/serial"))?;
        Some(serial.trim().to_owned())
    }

    /// The unit serial number of a SCSI device: VPD page 0x80 after its header of four bytes
    /// (SPC-4, 7.8.17).
    pub(crate) fn unit_serial(&self, device: &str) -> Option<String> {
        let path = self.sys.absolute(&TreePath::new(&format!("{device}/vpd_pg80")).ok()?);
        let file = open(&path.display().to_string(), OFlags::RDONLY).ok()?;
        // sysfs gives what there is of it in one go.
        let mut page = [0; 4 + 255];
        let length = rustix::io::read(&file, &mut page).ok()?;
        let text = String::from_utf8_lossy(page.get(4..length)?);
        Some(text.trim_matches([' ', '\0']).to_owned())
    }
}
