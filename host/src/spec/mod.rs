//! The spec: what a run is to boot, provision and measure.
//!
//! [`Spec::parse`] turns TOML into plain, checked data. Everything wrong with a text is found in
//! one go; the rules that tie values together live in [`Spec::check`], which also holds for a spec
//! that the command line has changed since.

mod check;
mod fault;
mod name;
mod quantity;
mod reader;
mod rules;
mod sections;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::accelerator::AcceleratorChoice;
pub use crate::transport::choice::TransportChoice;
pub use check::{
    Check, CheckError, Comparison, Dimension, HASH_METRICS, ISCSI_RANDREAD_METRICS, Metric,
    Outcome, format_value,
};
pub use fault::{Fault, Faults, KeyPath, Position, Segment, nearest};
pub use name::NameError;
pub use quantity::{QuantityError, format_duration, format_size, parse_duration, parse_size};

/// The text of the spec that a run uses when it is given none.
pub const DEFAULT_SPEC: &str = include_str!("default.toml");

/// One MiB in bytes.
const MIB: u64 = 1 << 20;

/// How many CPUs a machine may have.
pub const CPUS: RangeInclusive<u32> = 1..=64;

/// How much memory a machine may have, in bytes.
pub const MEMORY: RangeInclusive<u64> = 128 * MIB..=1 << 40;

/// How much memory a machine has before storage is counted, in bytes.
const MEMORY_BASE: u64 = 512 * MIB;

/// What kernel, image and agent need for themselves, in bytes: not to be had for ramdisks.
const MEMORY_RESERVE: u64 = 128 * MIB;

/// The most that sparse files add to the memory of a machine, in bytes.
const MEMORY_FOR_FILES_MAX: u64 = 2048 * MIB;

/// How large a storage object may be, in bytes.
pub const STORAGE_OBJECT_SIZE: RangeInclusive<u64> = MIB..=16 << 40;

/// The tags LIO takes for a TPG.
pub const TPG_TAGS: RangeInclusive<u16> = 1..=u16::MAX;

/// The numbers LIO takes for a LUN of a TPG.
pub const LUNS: RangeInclusive<u8> = 0..=u8::MAX;

/// How many requests a benchmark may keep in flight.
pub const QUEUE_DEPTHS: RangeInclusive<u16> = 1..=1024;

/// How large one request of a benchmark may be, in bytes.
pub const BLOCK_SIZES: RangeInclusive<u64> = 512..=MIB;

/// How long a benchmark may measure, in seconds.
pub const SECONDS: RangeInclusive<u32> = 1..=3600;

/// How much of a LUN a benchmark reads unless the spec says, in bytes.
const REGION: u64 = 16 * MIB;

/// How long a run may take unless the spec says.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The longest deadline, so that adding it to a clock cannot overflow.
pub const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);

/// The most a spec may add to the kernel's command line, in bytes: x86 has 2048
/// (`COMMAND_LINE_SIZE`), and lunlab's own part must fit too.
pub const CMDLINE_MAX: usize = 1536;

/// What a run is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The kernel under test.
    pub kernel: Kernel,
    /// The virtual machine.
    pub machine: Machine,
    /// How host and guest talk.
    pub channel: Channel,
    /// The devices that can be exported.
    pub storage_objects: Vec<StorageObject>,
    /// What exports them; nothing when the kernel is only to boot.
    pub target: Option<Target>,
    /// What is measured, in this order.
    pub benchmarks: Vec<Benchmark>,
    /// Deadlines.
    pub run: Run,
    /// What was understood differently from how it was written, or has no effect: for the user to
    /// know, not to mend.
    pub notes: Vec<String>,
}

/// The kernel under test and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Which one.
    pub image: KernelChoice,
    /// Modules to load beyond those the spec implies.
    pub modules: Vec<String>,
    /// What is appended to the kernel's command line; empty for nothing.
    pub cmdline: String,
}

/// How a kernel is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelChoice {
    /// `debian`, or a release to be looked for where kernels are installed.
    Name(String),
    /// An image or a build tree; absolute unless the base directory was not.
    Path(PathBuf),
}

/// What relative paths and `~` of a spec refer to.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The directory of the spec.
    pub directory: &'a Path,
    /// The user's home directory, where it is known.
    pub home: Option<&'a Path>,
}

impl KernelChoice {
    /// Tells paths from names: what has a slash or exists is a path. `debian` never is, because
    /// many source trees have a directory of that name; that one is `./debian`.
    #[must_use]
    pub fn resolve(text: &str, base: Base<'_>) -> Self {
        let path = base.join(text);
        let is_path = text.contains('/') || text == "~" || path.exists();
        if is_path && text != "debian" { Self::Path(path) } else { Self::Name(text.to_owned()) }
    }
}

impl Base<'_> {
    fn join(&self, text: &str) -> PathBuf {
        match (text.strip_prefix('~'), self.home) {
            (Some(""), Some(home)) => home.to_owned(),
            (Some(rest), Some(home)) if rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => self.directory.join(text),
        }
    }
}

/// The virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many CPUs.
    pub cpus: u32,
    /// Its memory in bytes; [`Spec::memory_bytes`] says what it is when this is nothing.
    pub memory: Option<u64>,
    /// What runs it.
    pub accelerator: AcceleratorChoice,
}

/// How host and guest talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Over what.
    pub transport: TransportChoice,
}

/// One device that a target can export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageObject {
    /// Its name, its directory in configfs.
    pub name: String,
    /// What holds its data.
    pub backstore: Backstore,
    /// Its size in bytes.
    pub size: u64,
}

/// What holds the data of a storage object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backstore {
    /// Pages of the guest's memory, all of them taken at once.
    Ramdisk,
    /// A sparse file on the guest's tmpfs.
    Fileio,
}

impl Backstore {
    /// Its name in specs and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ramdisk => "ramdisk",
            Self::Fileio => "fileio",
        }
    }

    /// The words for it in specs.
    pub const WORDS: [(&'static str, Self); 2] =
        [("ramdisk", Self::Ramdisk), ("fileio", Self::Fileio)];

    /// What its size must be a multiple of: a ramdisk is made of pages.
    #[must_use]
    pub const fn granularity(self) -> u64 {
        match self {
            Self::Ramdisk => 4096,
            Self::Fileio => 512,
        }
    }
}

/// An iSCSI target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, in lower case.
    pub wwn: String,
    /// Its only TPG.
    pub tpg: Tpg,
}

/// A target portal group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpg {
    /// Its tag.
    pub tag: u16,
    /// What it exports, as the spec orders it.
    pub luns: Vec<Lun>,
}

/// An exported storage object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lun {
    /// Its number.
    pub lun: u8,
    /// The name of what it exports.
    pub storage_object: String,
}

/// One benchmark.
#[derive(Clone, Debug, PartialEq)]
pub enum Benchmark {
    /// Random reads from the host through the target.
    IscsiRandread(IscsiRandread),
    /// Hashes of short inputs, in the guest.
    Hash(Hash),
}

/// The names of the workloads.
pub const WORKLOADS: [&str; 2] = ["iscsi-randread", "hash"];

impl Benchmark {
    /// The workload's name.
    #[must_use]
    pub fn workload(&self) -> &'static str {
        match self {
            Self::IscsiRandread(_) => WORKLOADS[0],
            Self::Hash(_) => WORKLOADS[1],
        }
    }

    /// What its results must satisfy.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        match self {
            Self::IscsiRandread(IscsiRandread { checks, .. }) | Self::Hash(Hash { checks }) => {
                checks
            }
        }
    }
}

/// Parameters of `iscsi-randread`.
#[derive(Clone, Debug, PartialEq)]
pub struct IscsiRandread {
    /// Bytes per request.
    pub block_size: u64,
    /// Requests in flight.
    pub queue_depth: u16,
    /// How long to measure, in seconds.
    pub seconds: u32,
    /// How many bytes from the LUN's start are read; [`Spec::region_bytes`] says what it is when
    /// this is nothing.
    pub region: Option<u64>,
    /// Which LUN; the lowest when this is nothing.
    pub lun: Option<u8>,
    /// What the results must satisfy.
    pub checks: Vec<Check>,
}

/// Parameters of `hash`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hash {
    /// What the results must satisfy.
    pub checks: Vec<Check>,
}

/// Deadlines of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// From QEMU's start to the agent's hello; by accelerator when this is nothing.
    pub boot_timeout: Option<Duration>,
    /// From start to end.
    pub timeout: Duration,
}

impl Spec {
    /// Reads and checks a spec.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines.
    pub fn parse(text: &str, base: Base<'_>) -> Result<Self, Faults> {
        let root = reader::parse_toml(text)?;
        let mut reader = reader::Reader::new(text);
        let mut spec = sections::read(&root, base, &mut reader);
        let unread = reader.unread();
        let mut faults = reader.into_faults();
        let found = rules::find_faults(&spec).into_iter().filter(|found| found.stands(&unread));
        let place = |path: &KeyPath| Some(reader::locate(text, &root, path));
        faults.extend(found.map(|found| found.into_fault(place)));
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.position);
            return Err(Faults(faults));
        }
        spec.notes.extend(rules::find_notes(&spec));
        Ok(spec)
    }

    /// The spec of a run that is given none.
    ///
    /// # Errors
    /// Never, unless its text is wrong, which a test would have shown.
    pub fn builtin() -> Result<Self, Faults> {
        Self::parse(DEFAULT_SPEC, Base { directory: Path::new("."), home: None })
    }

    /// Checks the rules that tie values together, for a spec that was changed after it was read.
    ///
    /// # Errors
    /// Every rule that is broken, without places.
    pub fn check(&self) -> Result<(), Faults> {
        let found = rules::find_faults(self);
        let faults: Vec<Fault> =
            found.into_iter().map(|finding| finding.into_fault(|_| None)).collect();
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    /// The memory of the machine in bytes: what the spec says, or else 512 MiB, plus all ramdisks
    /// and a 32nd of them, because their pages are taken at once, plus what the files of `fileio` have together beyond
    /// 128 MiB, up to 2 GiB of it, because they are sparse and few runs fill them.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let computed = MEMORY_BASE
            .saturating_add(self.ramdisk_footprint())
            .saturating_add(self.fileio_bytes().saturating_sub(128 * MIB).min(MEMORY_FOR_FILES_MAX))
            .checked_next_multiple_of(MIB)
            .unwrap_or(u64::MAX);
        self.machine.memory.unwrap_or(computed)
    }

    /// The LUN a benchmark reads: the one it names, or else the lowest; and how large it is.
    #[must_use]
    pub fn lun_of(&self, benchmark: &IscsiRandread) -> Option<(&Lun, &StorageObject)> {
        let luns = &self.target.as_ref()?.tpg.luns;
        let lun = match benchmark.lun {
            Some(number) => luns.iter().find(|lun| lun.lun == number)?,
            None => luns.iter().min_by_key(|lun| lun.lun)?,
        };
        Some((lun, self.storage_object(&lun.storage_object)?))
    }

    /// How many bytes from its LUN's start a benchmark reads: what it says, or else 16 MiB or all
    /// there is, in whole blocks.
    #[must_use]
    pub fn region_bytes(&self, benchmark: &IscsiRandread) -> u64 {
        let size = self.lun_of(benchmark).map_or(REGION, |(_, object)| object.size);
        let region = benchmark.region.unwrap_or(size.min(REGION));
        region - region % benchmark.block_size.max(1)
    }

    /// The storage object of this name.
    #[must_use]
    pub fn storage_object(&self, name: &str) -> Option<&StorageObject> {
        self.storage_objects.iter().find(|object| object.name == name)
    }

    /// What ramdisks take of the memory: their pages, and for each page a scatterlist entry of 32
    /// bytes and the kernel's own 64 (drivers/target/target_core_rd.c), rounded up to a 32nd.
    fn ramdisk_footprint(&self) -> u64 {
        let bytes = self.ramdisk_bytes();
        bytes.saturating_add(bytes / 32)
    }

    fn ramdisk_bytes(&self) -> u64 {
        self.bytes_on(Backstore::Ramdisk)
    }

    fn fileio_bytes(&self) -> u64 {
        self.bytes_on(Backstore::Fileio)
    }

    fn bytes_on(&self, backstore: Backstore) -> u64 {
        let sizes = self.storage_objects.iter().filter(|object| object.backstore == backstore);
        sizes.fold(0, |total, object| object.size.saturating_add(total))
    }
}
