//! The spec: what a run is to boot, provision and measure.
//!
//! [`Spec::parse`] turns TOML into plain, checked data. Everything wrong with a text is found in
//! one go; the rules that tie values together live in [`Spec::check`], which also holds for a spec
//! that the command line has changed since.

mod benchmark;
mod check;
mod fault;
mod job;
mod kernel;
mod memory;
mod name;
mod portal;
mod quantity;
mod reader;
mod rules;
mod secret;
mod sections;
mod session;
mod storage;
mod syntax;
mod target;
#[cfg(test)]
mod tests;
mod workload;

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

pub use crate::accelerator::AcceleratorChoice;
pub use crate::transport::choice::TransportChoice;
pub use benchmark::{
    BLOCK_SIZES, Benchmark, HostCommand, IscsiDigest, IscsiRandread, Login, QUEUE_DEPTHS, SECONDS,
    Via, WORKLOADS,
};
pub use check::{
    Check, CheckError, Comparison, Dimension, ISCSI_RANDREAD_METRICS, Metric, Outcome, format_value,
};
pub use fault::{Fault, Faults, KeyPath, Position, Segment, nearest};
pub use kernel::{Base, CMDLINE_MAX, CPUS, Channel, Kernel, KernelChoice, MEMORY, Machine};
pub use name::NameError;
pub use portal::PortalError;
pub use quantity::{QuantityError, format_duration, format_size, parse_duration, parse_size};
pub use secret::{Secret, SecretSource};
#[cfg(test)]
pub(crate) use sections::keys::TABLES;
pub use session::{SeenLun, Session};
pub use storage::{
    ALUA_GROUP_IDS, ALUA_SUPPORT, AccessState, AccessType, AluaGroup, Backstore, Bus, Delay,
    Device, DeviceKind, Disk, DiskAio, DiskCache, DiskContent, FileioMode, Flakey, FlakeyFault,
    ImageFormat, STORAGE_OBJECT_SIZE, StorageObject,
};
pub use target::{
    Acl, CMDSN_DEPTHS, Chap, DemoMode, Discovery, Fabric, ISCSI_PORT, LOOPBACK_TPG_TAGS, LUNS, Lun,
    MAX_RECV_DATA_SEGMENT_LENGTH, MappedLun, MutualChap, Network, PortalSpec, TPG_TAGS, Target,
    Tpg, USER_NETWORK_ADDRESS,
};
pub use workload::{Access, CONTENTS, Measured};

/// The text of the spec that a run uses when it is given none.
pub const DEFAULT_SPEC: &str = include_str!("default.toml");

/// One MiB in bytes.
const MIB: u64 = 1 << 20;

/// How long a run may take unless the spec says.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The longest deadline, so that adding it to a clock cannot overflow.
pub const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);

/// What a run is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The kernel under test.
    pub kernel: Kernel,
    /// The virtual machine.
    pub machine: Machine,
    /// How host and guest talk.
    pub channel: Channel,
    /// How the guest is on a network.
    pub network: Network,
    /// QEMU's disks.
    pub disks: Vec<Disk>,
    /// The devices that can be exported.
    pub storage_objects: Vec<StorageObject>,
    /// Who may ask which targets there are.
    pub discovery: Discovery,
    /// What exports them; none when the kernel is only to boot.
    pub targets: Vec<Target>,
    /// What is measured, in this order.
    pub benchmarks: Vec<Benchmark>,
    /// The table that each benchmark came of: a table with lists in it makes several.
    pub benchmark_tables: Vec<usize>,
    /// Deadlines.
    pub run: Run,
    /// What was understood differently from how it was written, or has no effect: for the user to
    /// know, not to mend.
    pub notes: Vec<String>,
}

/// Shows what a value looks like where a fault names no other way out.
fn add_example(fault: &mut Fault) {
    if fault.hint.is_none() {
        let name = fault.key.table_name();
        let mut around = std::iter::successors(Some(name.as_str()), |name| {
            name.rsplit_once('.').map(|(table, _)| table)
        });
        let example = around.find_map(|name| {
            let general = sections::examples::example_of(name).map(str::to_owned);
            general.or_else(|| workload::example_of(name.strip_prefix("benchmark.")?))
        });
        let word = if fault.message.starts_with("missing") { "add" } else { "such as" };
        fault.hint = example.map(|example| format!("{word} {example}"));
    }
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
        Self::parse_with_copy(text, base).map(|(spec, _)| spec)
    }

    /// Reads and checks a spec; with a copy of its text that means the same wherever it is read,
    /// its paths being absolute.
    ///
    /// # Errors
    /// As for [`Spec::parse`].
    pub fn parse_with_copy(text: &str, base: Base<'_>) -> Result<(Self, String), Faults> {
        let (root, broken) = syntax::parse(text);
        let mut reader = reader::Reader::new(text);
        let mut spec = sections::read(&root, base, &mut reader);
        if !broken.is_empty() {
            return Err(Faults(syntax::with_sound(text, broken, reader.into_faults())));
        }
        let (unread, copy) = (reader.unread(), reader.anchored());
        let mut faults = reader.into_faults();
        let found = rules::find_faults(&spec, &unread).into_iter();
        let place = |path: &KeyPath| Some(reader::locate(text, &root, path));
        faults.extend(found.map(|found| found.into_fault(place)));
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.position);
            // What is wrong with a swept table is so for each of its benchmarks.
            let mut told = Vec::new();
            faults.retain(|fault| {
                let new = !told.contains(fault);
                told.extend(new.then(|| fault.clone()));
                new
            });
            faults.iter_mut().for_each(add_example);
            return Err(Faults(faults));
        }
        spec.notes.extend(rules::find_notes(&spec));
        Ok((spec, copy))
    }

    /// The spec of a run that is given none.
    ///
    /// # Errors
    /// Never, unless its text is wrong, which a test would have shown.
    pub fn builtin() -> Result<Self, Faults> {
        let base = Base { directory: Path::new("."), home: None, environment: |_| None };
        Self::parse(DEFAULT_SPEC, base)
    }

    /// Checks the rules that tie values together, for a spec that was changed after it was read.
    ///
    /// # Errors
    /// Every rule that is broken, without places.
    pub fn check(&self) -> Result<(), Faults> {
        let found = rules::find_faults(self, &[]);
        let mut faults: Vec<Fault> =
            found.into_iter().map(|finding| finding.into_fault(|_| None)).collect();
        faults.iter_mut().for_each(add_example);
        if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
    }

    /// The storage object of this name.
    #[must_use]
    pub fn storage_object(&self, name: &str) -> Option<&StorageObject> {
        self.storage_objects.iter().find(|object| object.name == name)
    }

    /// The disk of this serial.
    #[must_use]
    pub fn disk(&self, serial: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.serial == serial)
    }

    /// The disk under a storage object, where there is one.
    #[must_use]
    pub fn disk_of(&self, object: &StorageObject) -> Option<&Disk> {
        let device = object.device.as_ref().filter(|device| device.kind == DeviceKind::Disk)?;
        self.disk(device.disk.as_deref()?)
    }

    /// Every secret it refers to.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        let tpgs = self.targets.iter().flat_map(|target| &target.tpgs);
        let of_tpgs = tpgs.flat_map(|tpg| {
            tpg.chap.iter().chain(tpg.acls.iter().filter_map(|acl| acl.chap.as_ref()))
        });
        let logins = self.benchmarks.iter().filter_map(Benchmark::login);
        let of_benchmarks = logins.filter_map(|login| login.chap.as_ref());
        let all = self.discovery.chap.iter().chain(of_tpgs).chain(of_benchmarks);
        all.flat_map(Chap::secrets).collect()
    }

    /// Whether what a storage object holds is the user's: an image file that writes would reach.
    #[must_use]
    pub fn keeps_contents(&self, object: &StorageObject) -> bool {
        let disk = self.disk_of(object);
        disk.is_some_and(|disk| matches!(disk.content, DiskContent::Image { snapshot: false, .. }))
    }

    /// Whether nobody can write to a storage object.
    #[must_use]
    pub fn is_read_only(&self, object: &StorageObject) -> bool {
        object.read_only || self.disk_of(object).is_some_and(|disk| disk.read_only)
    }
}
