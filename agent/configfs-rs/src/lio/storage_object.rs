//! Storage objects and the backstores they live in.

use crate::invalid::Invalid;
use crate::lio::alua::AluaGroup;
use crate::lio::attributes::Attributes;
use crate::lio::name::{
    BackingPath, CompanyId, Product, Revision, StorageObjectName, UnitSerial, Vendor,
};
use crate::path::TreePath;

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
    /// The vendor initiators see; else `LIO-ORG`.
    pub vendor: Option<Vendor>,
    /// The product initiators see; else the backstore's name.
    pub product: Option<Product>,
    /// The revision initiators see; else the backstore's version.
    pub revision: Option<Revision>,
    /// Who gave the NAA identifier out; else 0x001405.
    pub company_id: Option<CompanyId>,
    /// Set after it is enabled, before it is exported: enabling overwrites some, and some crash older kernels before.
    pub attributes: Attributes,
    /// Its ALUA groups, besides LIO's own.
    pub alua_groups: Vec<AluaGroup>,
}

impl StorageObject {
    /// Gives a storage object with nothing else set.
    pub fn new(name: StorageObjectName, backstore: Backstore, serial: UnitSerial) -> StorageObject {
        StorageObject {
            name,
            backstore,
            serial,
            vendor: None,
            product: None,
            revision: None,
            company_id: None,
            attributes: Attributes::new(),
            alua_groups: Vec::new(),
        }
    }

    /// Gives its place in the tree.
    ///
    /// All storage objects of a backstore share one directory `<plugin>_0`, so that the place depends on nothing else.
    pub fn group(&self) -> TreePath {
        self.backstore.group().join(&self.name)
    }
}

/// The kind of a storage object and what that kind needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backstore {
    /// Pages of kernel memory (plugin `rd_mcp`), allocated and cleared when enabled.
    Ramdisk(Ramdisk),
    /// A file or a block device opened as one (plugin `fileio`).
    Fileio(Fileio),
    /// A block device (plugin `iblock`).
    Block(Block),
}

impl Backstore {
    /// Gives the name of the kernel's plugin.
    pub fn plugin(&self) -> &'static str {
        match self {
            Backstore::Ramdisk(_) => "rd_mcp",
            Backstore::Fileio(_) => "fileio",
            Backstore::Block(_) => "iblock",
        }
    }

    /// Gives the size in bytes, where it is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Backstore::Ramdisk(ramdisk) => Some(u64::from(ramdisk.pages) * PAGE),
            Backstore::Fileio(fileio) => Some(fileio.backing.size().0),
            Backstore::Block(block) => block.size,
        }
    }

    /// Gives the file or device it stores on.
    pub fn path(&self) -> Option<&BackingPath> {
        match self {
            Backstore::Ramdisk(_) => None,
            Backstore::Fileio(fileio) => Some(fileio.backing.path()),
            Backstore::Block(block) => Some(&block.path),
        }
    }

    /// Gives the group all of its kind are in.
    pub(crate) fn group(&self) -> TreePath {
        let hba = match self {
            Backstore::Ramdisk(_) => "rd_mcp_0",
            Backstore::Fileio(_) => "fileio_0",
            Backstore::Block(_) => "iblock_0",
        };
        TreePath::start("target").join("core").join(hba)
    }

    /// Gives what is written to `control`. The kernel ignores keys it does not know, and says nothing.
    pub(crate) fn control(&self) -> String {
        match self {
            Backstore::Ramdisk(Ramdisk { pages, nullio }) => {
                format!("rd_pages={pages}{}", if *nullio { ",rd_nullio=1" } else { "" })
            }
            Backstore::Fileio(Fileio { backing, mode }) => {
                let mode = match mode {
                    FileMode::Buffered => ",fd_buffered_io=1",
                    FileMode::WriteThrough => "",
                    FileMode::Async => ",fd_async_io=1",
                };
                format!("fd_dev_name={},fd_dev_size={}{mode}", backing.path(), backing.size().0)
            }
            Backstore::Block(Block { path, read_only, .. }) => {
                format!("udev_path={path}{}", if *read_only { ",readonly=1" } else { "" })
            }
        }
    }
}

/// What a ramdisk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    pages: u32,
    nullio: bool,
}

impl Ramdisk {
    /// Checks a size in bytes: whole pages of 4096 bytes, at least 1 MiB, fewer than 2^31 pages.
    ///
    /// The kernel reads the page count as a signed integer, ignores its failure to, and allocates what it has.
    pub fn new(size: u64) -> Result<Ramdisk, Invalid> {
        check_size("ramdisk size", size, PAGE)?;
        match i32::try_from(size / PAGE) {
            Ok(pages) => Ok(Ramdisk { pages: pages.unsigned_abs(), nullio: false }),
            Err(_) => Err(Invalid::new("ramdisk size", &size.to_string(), "is 2^31 pages or more")),
        }
    }

    /// Makes it keep nothing: writes are dropped, and reads give whatever was in the kernel's pages.
    pub fn nullio(self) -> Ramdisk {
        Ramdisk { nullio: true, ..self }
    }
}

/// A file, or a device opened as one, that stores a storage object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fileio {
    /// What it stores on.
    pub backing: Backing,
    /// When a write is done.
    pub mode: FileMode,
}

/// What a fileio stores on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// A file, which the plan creates, sparse; its directory must exist.
    File {
        /// Where.
        path: BackingPath,
        /// How large.
        size: FileSize,
    },
    /// A block device that exists when the plan is applied; LIO asks it for its size itself.
    Device {
        /// Where.
        path: BackingPath,
        /// How large it is.
        size: FileSize,
    },
}

impl Backing {
    fn path(&self) -> &BackingPath {
        let (Backing::File { path, .. } | Backing::Device { path, .. }) = self;
        path
    }

    fn size(&self) -> FileSize {
        let (Backing::File { size, .. } | Backing::Device { size, .. }) = self;
        *size
    }
}

/// When a write to a fileio is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// In the page cache; a flush makes it durable.
    Buffered,
    /// On the medium (`O_DSYNC`), as LIO has it.
    WriteThrough,
    /// Handed to the medium without the page cache. Only on a file system or device that takes `O_DIRECT`: on ramfs and
    /// tmpfs 6.1 jumps to a null pointer, so whoever applies the plan has to try that first.
    Async,
}

/// A block device that stores a storage object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it is when the plan is applied.
    pub path: BackingPath,
    /// How large it is, where that is known.
    pub size: Option<u64>,
    /// Whether it is only read; every LUN of it then is.
    pub read_only: bool,
}

/// The size of a backing file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize(u64);

impl FileSize {
    /// Gives the number of bytes.
    pub fn get(self) -> u64 {
        self.0
    }

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
        assert_eq!(ramdisk.size(), Some(64 << 20));
        let nullio = Backstore::Ramdisk(Ramdisk::new(64 << 20).unwrap().nullio());
        assert_eq!(nullio.control(), "rd_pages=16384,rd_nullio=1");
    }

    #[test]
    fn a_file_is_told_in_bytes_in_one_value() {
        let path = BackingPath::new("/var/target/disk0").unwrap();
        let size = FileSize::new(64 << 20).unwrap();
        let backing = Backing::File { path: path.clone(), size };
        let control = |mode| Backstore::Fileio(Fileio { backing: backing.clone(), mode }).control();
        let written = control(FileMode::WriteThrough);
        assert_eq!(written, "fd_dev_name=/var/target/disk0,fd_dev_size=67108864");
        assert!(control(FileMode::Buffered).ends_with("=67108864,fd_buffered_io=1"));
        assert!(control(FileMode::Async).ends_with("=67108864,fd_async_io=1"));
    }

    #[test]
    fn a_block_device_is_told_by_its_path() {
        let path = BackingPath::new("/dev/disk0").unwrap();
        let control = |read_only| {
            Backstore::Block(Block { path: path.clone(), size: None, read_only }).control()
        };
        assert_eq!(control(false), "udev_path=/dev/disk0");
        assert_eq!(control(true), "udev_path=/dev/disk0,readonly=1");
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
