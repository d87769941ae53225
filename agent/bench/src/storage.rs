//! Workload `storage`: requests to a block device, at random or in sequence.
//!
//! What is decided without a device is here: which request comes next, what a block holds, when
//! there are enough samples, and how latencies were distributed. What carries requests out is an
//! [`Engine`]: with io_uring in `lunlab-workloads`, with libiscsi in the host's initiator.

pub mod access;
pub mod latency;
pub mod marks;
pub mod measure;
pub mod source;
pub mod stamp;

use access::Access;
use latency::PARTS;
use measure::{Measure, Processors};
use source::{Engine, Pass};

use crate::sampling::Budget;
use crate::unit;
use crate::workload::{
    Kind, Observer, Parameter, Run, Series, Stopped, Told, Values, Workload, independent,
};

/// The least and the greatest size of a request.
const BLOCK: Kind = Kind::Size { least: 512, most: 4 << 20 };

/// The most bytes of all requests in flight: a guest has little memory.
pub const MEMORY: u64 = 64 << 20;

/// The most blocks that can be verified: their generations are kept in memory.
pub const VERIFIED_BLOCKS: u64 = 1 << 24;

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "storage",
    about: "requests to a storage object: in the guest with io_uring and O_DIRECT, or over iSCSI",
    parameters: &[
        Parameter::new("storage_object", "the name of one", Kind::StorageObject, ""),
        Parameter::new("via", "through a target, or past LIO", Kind::Word(VIA), ""),
        Parameter::new(
            "access",
            "where requests go",
            Kind::Word(&["random", "sequential"]),
            "random",
        ),
        Parameter::new("read_percent", "of a hundred requests, how many read", PERCENT, "100"),
        Parameter::new("block_size", "bytes of a request", BLOCK, "4K"),
        Parameter::new("queue_depth", "requests in flight", DEPTH, "32"),
        Parameter::new("offset", "where its use begins", REGION, ""),
        Parameter::new("length", "how much is used; all that follows when left out", REGION, ""),
        Parameter::new(
            "verify",
            "write every block first, then check each that is read",
            Kind::Flag,
            "false",
        ),
    ],
    series: Series::Of(series_of),
    rule: independent,
    run: Run::Driver,
};

fn series_of(values: &Values) -> Vec<(String, &'static str)> {
    let own = [
        ("iops", unit::PER_SECOND),
        ("mb_per_s", unit::MEGABYTES),
        ("cpu_per_io", unit::NANOSECONDS),
    ];
    let (reads, writes) = match values.text("read_percent") {
        "0" => (false, true),
        "100" => (true, false),
        _ => (true, true),
    };
    let requests = [("", true), ("read_", reads), ("write_", writes)];
    let made = requests.into_iter().filter(|(_, made)| *made);
    let times = made.flat_map(|(prefix, _)| PARTS.map(|part| format!("{prefix}{part}")));
    let times = times.map(|series| (series, unit::NANOSECONDS));
    own.map(|(series, unit)| (series.to_owned(), unit)).into_iter().chain(times).collect()
}

/// How requests get at a storage object: in the guest as of all workloads, or from the host.
const VIA: &[&str] = &["loopback", "backing", OVER_ISCSI];

/// The `via` for which the host's initiator sends the requests.
pub const OVER_ISCSI: &str = "iscsi";

const PERCENT: Kind = Kind::Number { least: 0, most: 100 };
const DEPTH: Kind = Kind::Number { least: 1, most: 1024 };
const REGION: Kind = Kind::Size { least: 0, most: 1 << 50 };

/// How large requests are, and how many are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of each.
    pub size: u32,
    /// How many.
    pub depth: u32,
}

impl Shape {
    fn of(values: &Values) -> Result<Self, Stopped> {
        let (size, depth) = (values.number("block_size")?, values.number("queue_depth")?);
        let shape = u32::try_from(size).ok().zip(u32::try_from(depth).ok());
        let fits = size.saturating_mul(depth) <= MEMORY && size > 0 && depth > 0;
        let refusal = || Stopped::Failed(format!("{depth} requests of {size} bytes in flight"));
        shape.filter(|_| fits).map(|(size, depth)| Self { size, depth }).ok_or_else(refusal)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The requests.
    pub shape: Shape,
    /// From which byte on.
    pub offset: u64,
    /// How many bytes; 0 for all that follow.
    pub length: u64,
    random: bool,
    read_percent: u64,
    verify: bool,
    budget: Budget,
}

impl Plan {
    /// Of a benchmark's values.
    ///
    /// # Errors
    /// A value that is none, or more than may be in flight.
    pub fn of(values: &Values) -> Result<Self, Stopped> {
        Ok(Self {
            shape: Shape::of(values)?,
            offset: values.number_or_zero("offset")?,
            length: values.number_or_zero("length")?,
            random: values.text("access") == "random",
            read_percent: values.number("read_percent")?,
            verify: values.flag("verify"),
            budget: values.budget()?,
        })
    }

    /// Whether anything is written.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.verify || self.read_percent < 100
    }
}

/// The same requests in every run: what differs between two kernels is not the order of addresses.
const SEED: u64 = 0x6c75_6e6c_6162;

/// Has an engine do what is asked for, and tells what comes of it.
///
/// # Errors
/// The engine's; what was measured before is told as well.
pub fn conduct<E: Engine>(
    plan: &Plan,
    engine: &mut E,
    processors: Processors,
    observer: &mut dyn Observer,
) -> Result<(), E::Error> {
    let blocks = engine.marks().blocks();
    if plan.verify {
        engine.marks().begin()?;
        engine.drive(&mut Pass::new(blocks, false, observer))?;
    }
    let access = Access::new(blocks, plan.random, plan.read_percent, SEED);
    let mut measure = Measure::new(access, plan.shape.size, plan.budget, processors, observer);
    let outcome = engine.drive(&mut measure);
    measure.conclude();
    outcome?;
    if plan.verify {
        engine.drive(&mut Pass::new(blocks, true, observer))?;
        let text = format!("{} reads held what was written there", engine.marks().checked());
        observer.tell(Told::Finding { name: "verified", text: &text });
    }
    Ok(())
}
