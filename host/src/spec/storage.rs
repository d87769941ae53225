//! What a target can export: storage objects, what is under them, and QEMU's disks.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::MIB;

/// How large a storage object or disk may be, in bytes.
pub const STORAGE_OBJECT_SIZE: RangeInclusive<u64> = MIB..=16 << 40;

/// The identifiers of ALUA groups; 0 is the kernel's own.
pub const ALUA_GROUP_IDS: RangeInclusive<u16> = 1..=u16::MAX;

/// A disk of QEMU's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What it is found by in the guest.
    pub serial: String,
    /// What it hangs on.
    pub bus: Bus,
    /// Its data.
    pub content: DiskContent,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the guest may write to it.
    pub read_only: bool,
    /// How the host caches it.
    pub cache: DiskCache,
    /// How the host does its I/O.
    pub aio: DiskAio,
}

/// What a disk's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskContent {
    /// A sparse file of the run's own, gone with it.
    Scratch,
    /// An image that stays.
    Image {
        /// Its path; absolute unless the base directory was not.
        path: PathBuf,
        /// Its format.
        format: ImageFormat,
        /// Whether writes go to a temporary file instead.
        snapshot: bool,
    },
}

/// Gives an enum its words in specs and results.
macro_rules! words {
    ($name:ident, $count:literal: $($word:literal => $variant:ident),+ $(,)?) => {
        impl $name {
            /// The words for it in specs.
            pub const WORDS: [(&'static str, Self); $count] = [$(($word, Self::$variant)),+];

            /// Its name in specs and results.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}
pub(super) use words;

/// What a disk of QEMU's hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// A virtio device of its own.
    VirtioBlk,
    /// A virtio SCSI host.
    VirtioScsi,
    /// An NVMe controller.
    Nvme,
}

words!(Bus, 3: "virtio-blk" => VirtioBlk, "virtio-scsi" => VirtioScsi, "nvme" => Nvme);

/// The format of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// The data and nothing else.
    Raw,
    /// QEMU's own.
    Qcow2,
}

words!(ImageFormat, 2: "raw" => Raw, "qcow2" => Qcow2);

/// QEMU's cache modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCache {
    /// Through the host's page cache, flushed when the guest asks.
    Writeback,
    /// Past the host's page cache.
    None,
    /// Through the host's page cache, every write flushed.
    Writethrough,
    /// Past the host's page cache, every write flushed.
    Directsync,
    /// Flushes are ignored.
    Unsafe,
}

words!(DiskCache, 5: "writeback" => Writeback, "none" => None, "writethrough" => Writethrough,
    "directsync" => Directsync, "unsafe" => Unsafe);

/// QEMU's ways to do I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAio {
    /// A pool of threads.
    Threads,
    /// Linux AIO, which needs a cache mode that goes past the page cache.
    Native,
    /// `io_uring`.
    IoUring,
}

words!(DiskAio, 3: "threads" => Threads, "native" => Native, "io_uring" => IoUring);

/// One device that a target can export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageObject {
    /// Its name, its directory in configfs.
    pub name: String,
    /// What holds its data.
    pub backstore: Backstore,
    /// Its size in bytes; on a disk, the disk's.
    pub size: u64,
    /// `ramdisk`: whether it has no pages, so that writes are dropped and reads bring anything.
    pub nullio: bool,
    /// `fileio`: how it writes.
    pub mode: FileioMode,
    /// `block`, and `fileio` where it has no file: the device under it.
    pub device: Option<Device>,
    /// A device-mapper delay on top of the device.
    pub delay: Option<Delay>,
    /// A device-mapper flakey on top of the device, and of the delay where there is one.
    pub flakey: Option<Flakey>,
    /// `block`: whether it is opened for reading only.
    pub read_only: bool,
    /// Its unit serial number; drawn when this is nothing.
    pub serial: Option<String>,
    /// Its vendor in INQUIRY; the kernel's when this is nothing.
    pub vendor: Option<String>,
    /// Its product in INQUIRY; the kernel's when this is nothing.
    pub product: Option<String>,
    /// Its revision in INQUIRY; the kernel's when this is nothing.
    pub revision: Option<String>,
    /// What is written to its `attrib` group: name and value, as the spec orders them.
    pub attributes: Vec<(String, String)>,
    /// Whether attributes that lunlab does not know are left to the kernel.
    pub allow_unknown_attributes: bool,
    /// Its ALUA groups beyond the kernel's own.
    pub alua_groups: Vec<AluaGroup>,
}

impl StorageObject {
    /// What is written to one of its attributes, where the spec says.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }

    /// The block size initiators will see, in bytes: what the spec says, or else the device's.
    #[must_use]
    pub fn block_size(&self) -> u64 {
        self.attribute("block_size")
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| self.device.as_ref().map_or(512, Device::block_size))
    }

    /// Whether it goes past the page cache to a file, all of which are on a tmpfs of the guest's.
    #[must_use]
    pub fn needs_tmpfs_direct_io(&self) -> bool {
        match &self.device {
            None => self.mode == FileioMode::Async,
            Some(device) => {
                device.kind == DeviceKind::Loop
                    && device.parameter("direct_io").is_some_and(is_true)
            }
        }
    }

    /// Whether what is written can be read again.
    #[must_use]
    pub fn stores_data(&self) -> bool {
        !self.nullio && self.device.as_ref().is_none_or(Device::stores_data)
    }
}

/// What is written to the attribute `name` of a list.
pub(super) fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Whether a text is a boolean that the kernel takes for true (`kstrtobool`).
pub(super) fn is_true(text: &str) -> bool {
    matches!(text.as_bytes(), [b'y' | b'Y' | b't' | b'T' | b'1', ..])
        || matches!(text.as_bytes(), [b'o' | b'O', b'n' | b'N', ..])
}

/// What holds the data of a storage object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backstore {
    /// Pages of the guest's memory, all of them taken at once.
    Ramdisk,
    /// A sparse file on the guest's tmpfs, or a device through the page cache.
    Fileio,
    /// A block device.
    Block,
}

words!(Backstore, 3: "ramdisk" => Ramdisk, "fileio" => Fileio, "block" => Block);

impl Backstore {
    /// What its size must be a multiple of: a ramdisk is made of pages.
    #[must_use]
    pub const fn granularity(self) -> u64 {
        match self {
            Self::Ramdisk => 4096,
            Self::Fileio | Self::Block => 512,
        }
    }
}

/// How `fileio` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileioMode {
    /// Into the page cache; initiators see a write cache.
    Buffered,
    /// Every write to the end (`O_DSYNC`).
    WriteThrough,
    /// Past the page cache, asynchronously.
    Async,
}

words!(FileioMode, 3:
    "buffered" => Buffered, "write-through" => WriteThrough, "async" => Async);

/// A device of the guest's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which.
    pub kind: DeviceKind,
    /// The serial of the [`Disk`], for [`DeviceKind::Disk`] alone.
    pub disk: Option<String>,
    /// What it is set up with: name and value, as the spec orders them.
    pub parameters: Vec<(String, String)>,
}

/// The kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// Blocks that are dropped, or kept in memory when asked.
    NullBlk,
    /// A ramdisk of the block layer's.
    Brd,
    /// A compressed ramdisk.
    Zram,
    /// A loop device over a sparse file.
    Loop,
    /// A disk of QEMU's.
    Disk,
}

words!(DeviceKind, 5: "null_blk" => NullBlk, "brd" => Brd, "zram" => Zram, "loop" => Loop,
    "disk" => Disk);

impl Device {
    /// What it is set up with, where the spec says.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        attribute(&self.parameters, name)
    }

    /// Its logical block size in bytes: `null_blk` and `loop` are told, `zram` has pages.
    #[must_use]
    pub fn block_size(&self) -> u64 {
        let told = |name| self.parameter(name).and_then(|text| text.parse().ok());
        match self.kind {
            DeviceKind::NullBlk => told("blocksize").unwrap_or(512),
            DeviceKind::Loop => told("block_size").unwrap_or(512),
            DeviceKind::Zram => 4096,
            DeviceKind::Brd | DeviceKind::Disk => 512,
        }
    }

    /// Whether what is written can be read again.
    #[must_use]
    pub fn stores_data(&self) -> bool {
        self.kind != DeviceKind::NullBlk || self.parameter("memory_backed").is_some_and(is_true)
    }
}

/// How long device-mapper keeps requests back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Reads.
    pub read: Duration,
    /// Writes and flushes.
    pub write: Duration,
}

/// When a device fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flakey {
    /// How long it works, in whole seconds.
    pub up: Duration,
    /// How long it does not, in whole seconds.
    pub down: Duration,
    /// What happens meanwhile.
    pub fault: FlakeyFault,
}

/// What a flakey device does while it is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlakeyFault {
    /// All requests fail.
    ErrorAll,
    /// Writes fail.
    ErrorWrites,
    /// Writes are lost and reported as done.
    DropWrites,
}

/// An ALUA target port group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AluaGroup {
    /// Its name, its directory in configfs.
    pub name: String,
    /// Its identifier.
    pub id: u16,
    /// How initiators reach what is in it.
    pub access_state: AccessState,
    /// Who may change that.
    pub access_type: AccessType,
    /// Whether it is the preferred one.
    pub preferred: bool,
    /// How long a request takes longer in the state active/non-optimized, in milliseconds.
    pub nonop_delay_msecs: Option<u32>,
    /// How long a transition takes, in milliseconds.
    pub trans_delay_msecs: Option<u32>,
    /// How long initiators are told that an implicit transition may take, in seconds.
    pub implicit_trans_secs: Option<u32>,
    /// Whether its state is written to `/var/target/alua`.
    pub write_metadata: Option<bool>,
    /// Which states it says it supports, by their words in the kernel's `alua_support_*`.
    pub support: Vec<(&'static str, bool)>,
}

/// The kernel's `alua_support_*` attributes, without that prefix.
pub const ALUA_SUPPORT: [&str; 7] = [
    "transitioning",
    "offline",
    "lba_dependent",
    "unavailable",
    "standby",
    "active_optimized",
    "active_nonoptimized",
];

/// ALUA access states (SPC-4 section 5.15.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessState {
    /// All works, as fast as can be.
    ActiveOptimized,
    /// All works, more slowly.
    ActiveNonoptimized,
    /// Only a few commands work.
    Standby,
    /// Hardly any does.
    Unavailable,
    /// It depends on the block.
    LbaDependent,
    /// The port is not there.
    Offline,
}

words!(AccessState, 6: "active-optimized" => ActiveOptimized,
    "active-nonoptimized" => ActiveNonoptimized, "standby" => Standby,
    "unavailable" => Unavailable, "lba-dependent" => LbaDependent, "offline" => Offline);

impl AccessState {
    /// The kernel's number for it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::ActiveOptimized => 0,
            Self::ActiveNonoptimized => 1,
            Self::Standby => 2,
            Self::Unavailable => 3,
            Self::LbaDependent => 4,
            Self::Offline => 14,
        }
    }

    /// Its word in the kernel's `alua_support_*`.
    #[must_use]
    pub const fn support(self) -> &'static str {
        match self {
            Self::ActiveOptimized => "active_optimized",
            Self::ActiveNonoptimized => "active_nonoptimized",
            Self::Standby => "standby",
            Self::Unavailable => "unavailable",
            Self::LbaDependent => "lba_dependent",
            Self::Offline => "offline",
        }
    }
}

/// Who may change an ALUA state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessType {
    /// Nobody: initiators see no ALUA.
    None,
    /// The target.
    Implicit,
    /// Initiators.
    Explicit,
    /// Both.
    ImplicitAndExplicit,
}

words!(AccessType, 4: "none" => None, "implicit" => Implicit, "explicit" => Explicit,
    "implicit-and-explicit" => ImplicitAndExplicit);

impl AccessType {
    /// The kernel's number for it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Implicit => 1,
            Self::Explicit => 2,
            Self::ImplicitAndExplicit => 3,
        }
    }
}
