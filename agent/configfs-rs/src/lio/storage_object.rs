//! Storage objects and the backstores they live in.

use crate::invalid::Invalid;
use crate::lio::attributes::Attributes;
use crate::lio::name::{BackingPath, StorageObjectName, UnitSerial};

/// The size of a page of the ramdisk backstore, in bytes; LIO means the machine's `PAGE_SIZE`.
const PAGE: u64 = 4096;

/// The smallest unit any initiator is offered.
const SECTOR: u64 = 512;

/// Smaller than this is a mistake of units.
const MIN_SIZE: u64 = 1 << 20;

/// One named device, exported by any number of LUNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageObject {
    /// Its name, unique among all storage objects.
    pub name: StorageObjectName,
    /// What it stores on.
    pub backstore: Backstore,
    /// What initiators know it by.
    pub serial: UnitSerial,
    /// Set after it is enabled, before it is exported: enabling overwrites some, and some crash older kernels before.
    pub attributes: Attributes,
}

/// The kind of a storage object and what that kind needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backstore {
    /// Pages of kernel memory (plugin `rd_mcp`), allocated and cleared when enabled.
    Ramdisk(Ramdisk),
    /// A file (plugin `fileio`), which the plan creates, sparse.
    Fileio(Fileio),
}

impl Backstore {
    /// Gives the name of the kernel's plugin.
    pub fn plugin(&self) -> &'static str {
        match self {
            Backstore::Ramdisk(_) => "rd_mcp",
            Backstore::Fileio(_) => "fileio",
        }
    }

    /// Gives the size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Backstore::Ramdisk(ramdisk) => u64::from(ramdisk.pages) * PAGE,
            Backstore::Fileio(fileio) => fileio.size.0,
        }
    }

    /// Gives what is written to `control`. The kernel ignores keys it does not know, and says nothing.
    pub(crate) fn control(&self) -> String {
        match self {
            Backstore::Ramdisk(ramdisk) => format!("rd_pages={}", ramdisk.pages),
            Backstore::Fileio(Fileio { path, size, buffered }) => {
                let mode = if *buffered { ",fd_buffered_io=1" } else { "" };
                format!("fd_dev_name={path},fd_dev_size={}{mode}", size.0)
            }
        }
    }
}

/// A ramdisk's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    pages: u32,
}

impl Ramdisk {
    /// Checks a size in bytes: whole pages of 4096 bytes, at least 1 MiB, fewer than 2^31 pages.
    ///
    /// The kernel reads the page count as a signed integer, ignores its failure to, and allocates what it has.
    pub fn new(size: u64) -> Result<Ramdisk, Invalid> {
        check_size("ramdisk size", size, PAGE)?;
        match i32::try_from(size / PAGE) {
            Ok(pages) => Ok(Ramdisk { pages: pages.unsigned_abs() }),
            Err(_) => Err(Invalid::new("ramdisk size", &size.to_string(), "is 2^31 pages or more")),
        }
    }
}

/// A file that stores a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fileio {
    /// Where the file is; its directory must exist, the file must not.
    pub path: BackingPath,
    /// Its size.
    pub size: FileSize,
    /// Whether writes may stay in the page cache until a flush; else each one is synchronous.
    pub buffered: bool,
}

/// The size of a backing file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize(u64);

impl FileSize {
    /// Checks a size in bytes: whole sectors of 512 bytes, at least 1 MiB, at most 2^63 - 1.
    ///
    /// LIO takes 0 for a size, and then serves a capacity that wrapped around.
    pub fn new(bytes: u64) -> Result<FileSize, Invalid> {
        check_size("file size", bytes, SECTOR)?;
        match i64::try_from(bytes) {
            Ok(_) => Ok(FileSize(bytes)),
            Err(_) => Err(Invalid::new("file size", &bytes.to_string(), "is 2^63 or more")),
        }
    }
}

fn check_size(what: &'static str, bytes: u64, unit: u64) -> Result<(), Invalid> {
    let problem = if bytes < MIN_SIZE {
        format!("is less than {MIN_SIZE} bytes")
    } else if !bytes.is_multiple_of(unit) {
        format!("is not a multiple of {unit} bytes")
    } else {
        return Ok(());
    };
    Err(Invalid::new(what, &bytes.to_string(), problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramdisk_is_told_in_pages() {
        let ramdisk = Backstore::Ramdisk(Ramdisk::new(64 << 20).unwrap());
        assert_eq!(ramdisk.control(), "rd_pages=16384");
        assert_eq!(ramdisk.size(), 64 << 20);
    }

    #[test]
    fn a_file_is_told_in_bytes_in_one_value() {
        let path = BackingPath::new("/var/target/disk0").unwrap();
        let size = FileSize::new(64 << 20).unwrap();
        let control =
            |buffered| Backstore::Fileio(Fileio { path: path.clone(), size, buffered }).control();
        assert_eq!(control(false), "fd_dev_name=/var/target/disk0,fd_dev_size=67108864");
        assert!(control(true).ends_with("=67108864,fd_buffered_io=1"));
    }

    #[test]
    fn sizes_the_kernel_would_misread_are_refused() {
        for size in [0, 1, 4096, (1 << 20) + 512, (1 << 31) * PAGE, u64::MAX] {
            assert!(Ramdisk::new(size).is_err(), "ramdisk of {size}");
        }
        assert!(Ramdisk::new(((1 << 31) - 1) * PAGE).is_ok());
        for size in [0, 512, (1 << 20) + 1, 1 << 63, u64::MAX] {
            assert!(FileSize::new(size).is_err(), "file of {size}");
        }
        assert!(FileSize::new((1 << 63) - 512).is_ok());
    }
}
