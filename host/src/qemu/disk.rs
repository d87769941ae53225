//! QEMU's disks, which the guest finds by their serials.

use crate::error::Error;
use crate::qemu::device::{Device, value};
use crate::spec::{Bus, Disk, DiskContent, ImageFormat};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What QEMU's disks are made of, in bytes.
const SECTOR: u64 = 512;

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

/// Checks what the spec's own rules, which know no files beyond one, leave open: no image is used twice, none ends within a sector.
///
/// # Errors
/// Usage; environment, when an image is gone since the spec was read.
pub fn check_images(disks: &[Disk]) -> Result<(), Error> {
    let mut used = HashMap::new();
    for disk in disks {
        let DiskContent::Image { path, format, .. } = &disk.content else { continue };
        let about = format!("disk {}: image {}", disk.serial, path.display());
        let meta =
            path.metadata().map_err(|error| Error::environment(format!("{about}: {error}")))?;
        // Two nodes may be one block device.
        let block = meta.file_type().is_block_device();
        let same = if block { (0, meta.rdev()) } else { (meta.dev(), meta.ino()) };
        if let Some(other) = used.insert((block, same), &disk.serial) {
            return Err(Error::usage(format!("{about}: disk {other} uses it, too")));
        }
        let whole = meta.len().next_multiple_of(SECTOR).max(SECTOR);
        if *format == ImageFormat::Raw && !block && meta.len() != whole {
            let message = format!("{about}: {} bytes are no whole sectors of {SECTOR}", meta.len());
            let hint = format!("truncate -s {whole} {}", path.display());
            return Err(Error::usage(message).with_hint(hint));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::error::Category;
    use crate::spec::{DiskAio, DiskCache};
    use std::fs;

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
    fn an_image_is_used_once_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&file, [0; 512]).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let disk = |serial, path| image(serial, Bus::VirtioBlk, path, ImageFormat::Raw);
        check_images(&[disk("one", &file), scratch("two", Bus::Nvme)]).unwrap();
        let error = check_images(&[disk("one", &file), disk("two", &link)]).unwrap_err();
        let expected = format!("disk two: image {}: disk one uses it, too", link.display());
        assert_eq!((error.category(), error.to_string()), (Category::Usage, expected));
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

    #[test]
    fn a_raw_image_is_whole_sectors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let check = |format| check_images(&[image("s", Bus::VirtioBlk, &path, format)]);
        for (size, whole) in [(0, 512), (513, 1024)] {
            fs::write(&path, vec![0; size]).unwrap();
            let error = check(ImageFormat::Raw).unwrap_err();
            let ending = format!(": {size} bytes are no whole sectors of 512");
            assert!(error.to_string().ends_with(&ending), "{error}");
            let hint = format!("truncate -s {whole} {}", path.display());
            assert_eq!(error.hint(), Some(hint.as_str()));
        }
        check(ImageFormat::Qcow2).unwrap();
        fs::write(&path, [0; 1024]).unwrap();
        check(ImageFormat::Raw).unwrap();
    }
}
