//! QEMU's disks, which the guest finds by their serials.

use crate::error::Error;
use crate::qemu::device::{Device, value};
use crate::spec::{Bus, Disk, DiskContent, ImageFormat};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A disk and the file under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// What the spec says of it.
    pub disk: Disk,
    /// The file, an absolute path: a relative one with a colon would be taken for a protocol.
    pub file: PathBuf,
}

/// The SCSI host that all disks on virtio-scsi share.
struct ScsiHost;

impl Device for ScsiHost {
    fn qemu_args(&self) -> Vec<String> {
        vec!["-device".into(), "virtio-scsi-pci,id=scsi".into()]
    }
}

impl Drive {
    /// A disk of the run that has this directory.
    #[must_use]
    pub fn new(disk: &Disk, directory: &Path) -> Self {
        let file = match &disk.content {
            DiskContent::Scratch => directory.join(format!("disk-{}", disk.serial)),
            DiskContent::Image { path, .. } => {
                std::path::absolute(path).unwrap_or_else(|_| path.clone())
            }
        };
        Self { disk: disk.clone(), file }
    }

    /// The value of `-drive`.
    ///
    /// What cannot be written is an error for the guest: QEMU's own way with a full host is to
    /// stop the machine.
    #[must_use]
    pub fn drive_value(&self) -> String {
        let Disk { serial, content, read_only, cache, aio, .. } = &self.disk;
        let (format, snapshot) = match content {
            DiskContent::Scratch => (ImageFormat::Raw, false),
            DiskContent::Image { format, snapshot, .. } => (*format, *snapshot),
        };
        let [format, cache, aio] = [format.name(), cache.name(), aio.name()];
        let file = value(&self.file);
        let mode = match (read_only, snapshot) {
            (true, _) => ",readonly=on",
            (false, true) => ",snapshot=on",
            (false, false) => "",
        };
        format!(
            "if=none,id=disk-{serial},file={file},format={format},cache={cache},aio={aio},werror=report{mode}"
        )
    }

    /// Makes the sparse file of a scratch disk, which must not be there; an image is left as it is.
    ///
    /// # Errors
    /// Environment, when it cannot be made.
    pub fn create(&self) -> Result<(), Error> {
        let Self { disk: Disk { serial, content, size, .. }, file } = self;
        if *content != DiskContent::Scratch {
            return Ok(());
        }
        let created = File::options().write(true).create_new(true).mode(0o600).open(file);
        created.and_then(|file| file.set_len(*size)).map_err(|error| {
            Error::environment(format!("disk {serial}: make {}: {error}", file.display()))
                .with_hint(
                    "its file system limits the size of files; XDG_RUNTIME_DIR names another",
                )
        })
    }
}

impl Device for Drive {
    fn qemu_args(&self) -> Vec<String> {
        let driver = match self.disk.bus {
            Bus::VirtioBlk => "virtio-blk-pci",
            Bus::VirtioScsi => "scsi-hd,bus=scsi.0",
            Bus::Nvme => "nvme",
        };
        let serial = &self.disk.serial;
        let device = format!("{driver},drive=disk-{serial},serial={serial}");
        vec!["-drive".into(), self.drive_value(), "-device".into(), device]
    }
}

/// The disks of the run that has this directory.
#[must_use]
pub fn drives(disks: &[Disk], directory: &Path) -> Vec<Drive> {
    disks.iter().map(|disk| Drive::new(disk, directory)).collect()
}

/// The devices that drives need.
#[must_use]
pub fn devices(drives: Vec<Drive>) -> Vec<Box<dyn Device>> {
    let mut all: Vec<Box<dyn Device>> = Vec::new();
    if drives.iter().any(|drive| drive.disk.bus == Bus::VirtioScsi) {
        all.push(Box::new(ScsiHost));
    }
    all.extend(drives.into_iter().map(|drive| Box::new(drive) as Box<dyn Device>));
    all
}

/// What the guest is not told of read-only disks: QEMU's NVMe controller has no word for it, and
/// the guest's writes fail.
#[must_use]
pub fn unprotected(disks: &[Disk]) -> Option<String> {
    let disks = disks.iter().filter(|disk| disk.bus == Bus::Nvme && disk.read_only);
    let serials: Vec<_> = disks.map(|disk| disk.serial.as_str()).collect();
    let list = serials.join(", ");
    (!list.is_empty()).then(|| {
        format!(
            "the guest takes {list} for writable, as NVMe in QEMU has no read-only; writes fail"
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::Category;
    use crate::spec::{DiskAio, DiskCache};
    use std::os::unix::fs::MetadataExt;

    pub(crate) fn scratch(serial: &str, bus: Bus) -> Disk {
        let (serial, content) = (serial.to_owned(), DiskContent::Scratch);
        let (cache, aio) = (DiskCache::Writeback, DiskAio::Threads);
        Disk { serial, bus, content, size: 1 << 30, read_only: false, cache, aio }
    }

    pub(crate) fn image(serial: &str, bus: Bus, path: &Path, format: ImageFormat) -> Disk {
        let content = DiskContent::Image { path: path.to_owned(), format, snapshot: true };
        Disk { content, ..scratch(serial, bus) }
    }

    #[test]
    fn a_scratch_file_is_sparse_private_and_new() {
        let directory = tempfile::tempdir().unwrap();
        let drive = Drive::new(&scratch("s.0", Bus::Nvme), directory.path());
        drive.create().unwrap();
        let made = directory.path().join("disk-s.0").metadata().unwrap();
        assert_eq!((made.len(), made.blocks(), made.mode() & 0o777), (1 << 30, 0, 0o600));
        let again = drive.create().unwrap_err();
        assert_eq!(again.category(), Category::Environment);
        assert!(again.to_string().starts_with("disk s.0: make "), "{again}");
    }

    #[test]
    fn an_image_is_never_made() {
        let path = Path::new("/nowhere/at/all");
        let drive = Drive::new(&image("i", Bus::Nvme, path, ImageFormat::Raw), Path::new("/r"));
        assert_eq!((drive.file.as_path(), drive.create()), (path, Ok(())));
    }

    #[test]
    fn only_nvme_hides_that_a_disk_is_read_only() {
        let disk = |serial, bus, read_only| Disk { read_only, ..scratch(serial, bus) };
        let disks = [
            disk("a", Bus::Nvme, true),
            disk("b", Bus::VirtioScsi, true),
            disk("c", Bus::Nvme, false),
        ];
        assert!(unprotected(&disks).unwrap().starts_with("the guest takes a for writable"));
        assert_eq!(unprotected(&disks[1..]), None);
    }
}
