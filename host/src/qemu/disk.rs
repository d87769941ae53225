//! QEMU's disks, which the guest finds by their serials.

use crate::error::Error;
use crate::qemu::device::{Device, value};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// A virtio device of its own.
    VirtioBlk,
    /// The virtio SCSI host, see [`ScsiHost`].
    VirtioScsi,
    /// An NVMe controller of its own.
    Nvme,
}

/// A disk and the file under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// What it is found by.
    pub serial: String,
    /// What it hangs on.
    pub bus: Bus,
    /// The file, an absolute path: a relative one with a colon would be taken for a protocol.
    pub file: PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
    /// QEMU's cache mode.
    pub cache: &'static str,
    /// QEMU's way to do I/O.
    pub aio: &'static str,
    /// Whether the guest may only read.
    pub read_only: bool,
    /// Whether writes go to a temporary file.
    pub snapshot: bool,
}

/// The SCSI host that all [`Bus::VirtioScsi`] disks share.
pub struct ScsiHost;

impl Device for ScsiHost {
    fn qemu_args(&self) -> Vec<String> {
        vec!["-device".into(), "virtio-scsi-pci,id=scsi".into()]
    }
}

impl Drive {
    /// Where the file of a scratch disk is in a run's directory.
    #[must_use]
    pub fn scratch(directory: &Path, serial: &str) -> PathBuf {
        directory.join(format!("disk-{serial}"))
    }

    /// The value of `-drive`.
    ///
    /// What cannot be written is an error for the guest: QEMU's own way with a full host is to
    /// stop the machine.
    #[must_use]
    pub fn drive_value(&self) -> String {
        let Self { serial, format, cache, aio, .. } = self;
        let file = value(&self.file);
        let mut text = format!(
            "if=none,id=disk-{serial},file={file},format={format},cache={cache},aio={aio},werror=report"
        );
        if self.read_only {
            text.push_str(",readonly=on");
        } else if self.snapshot {
            text.push_str(",snapshot=on");
        }
        text
    }

    /// Makes the sparse file of a scratch disk, which must not be there.
    ///
    /// # Errors
    /// Environment, when it cannot be made.
    pub fn create_scratch(&self, size: u64) -> Result<(), Error> {
        let created = File::options().write(true).create_new(true).mode(0o600).open(&self.file);
        created.and_then(|file| file.set_len(size)).map_err(|error| {
            let Self { serial, file, .. } = self;
            Error::environment(format!("disk {serial}: make {}: {error}", file.display()))
                .with_hint(
                    "its file system limits the size of files; XDG_RUNTIME_DIR names another",
                )
        })
    }
}

impl Device for Drive {
    fn qemu_args(&self) -> Vec<String> {
        let driver = match self.bus {
            Bus::VirtioBlk => "virtio-blk-pci",
            Bus::VirtioScsi => "scsi-hd,bus=scsi.0",
            Bus::Nvme => "nvme",
        };
        let serial = &self.serial;
        let device = format!("{driver},drive=disk-{serial},serial={serial}");
        vec!["-drive".into(), self.drive_value(), "-device".into(), device]
    }
}

/// The devices that a list of disks needs.
#[must_use]
pub fn devices(drives: &[Drive]) -> Vec<Box<dyn Device>> {
    let mut all: Vec<Box<dyn Device>> = Vec::new();
    if drives.iter().any(|drive| drive.bus == Bus::VirtioScsi) {
        all.push(Box::new(ScsiHost));
    }
    all.extend(drives.iter().map(|drive| Box::new(drive.clone()) as Box<dyn Device>));
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::Category;
    use std::os::unix::fs::MetadataExt;

    pub(crate) fn drive(serial: &str, bus: Bus, file: &Path) -> Drive {
        let (serial, file) = (serial.to_owned(), file.to_owned());
        let (read_only, snapshot) = (false, false);
        let (format, cache, aio) = ("raw", "writeback", "threads");
        Drive { serial, bus, file, format, cache, aio, read_only, snapshot }
    }

    #[test]
    fn a_scratch_file_is_sparse_private_and_new() {
        let directory = tempfile::tempdir().unwrap();
        let file = Drive::scratch(directory.path(), "s.0");
        assert_eq!(file, directory.path().join("disk-s.0"));
        let drive = drive("s.0", Bus::Nvme, &file);
        drive.create_scratch(1 << 30).unwrap();
        let made = file.metadata().unwrap();
        assert_eq!((made.len(), made.blocks(), made.mode() & 0o777), (1 << 30, 0, 0o600));
        let again = drive.create_scratch(1 << 30).unwrap_err();
        assert_eq!(again.category(), Category::Environment);
        assert!(again.to_string().starts_with("disk s.0: make "), "{again}");
    }
}
