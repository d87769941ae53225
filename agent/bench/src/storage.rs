//! Workload `storage`: requests to a block device, at random or in sequence.
//!
//! What is decided without a device is here: which request comes next, what a block holds, and how
//! latencies were distributed. The driver with io_uring is in `lunlab-workloads`.

pub mod access;
pub mod latency;
pub mod stamp;

use crate::unit;
use crate::workload::{Kind, Parameter, Run, VIA, Workload};

/// The least and the greatest size of a request.
const BLOCK: Kind = Kind::Size { least: 512, most: 4 << 20 };

/// The most bytes of all requests in flight: a guest has little memory.
pub const MEMORY: u64 = 64 << 20;

/// The most blocks that can be verified: their generations are kept in memory.
pub const VERIFIED_BLOCKS: u64 = 1 << 24;

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "storage",
    about: "requests to a storage object from within the guest, with io_uring and O_DIRECT",
    parameters: &[
        Parameter::new("storage_object", "the name of one", Kind::StorageObject, ""),
        Parameter::new("via", "through a loopback target, or past LIO", Kind::Word(VIA), ""),
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
    series: &[
        ("iops", unit::PER_SECOND),
        ("mb_per_s", unit::MEGABYTES),
        ("cpu_per_io", unit::NANOSECONDS),
        ("p50", unit::NANOSECONDS),
        ("p90", unit::NANOSECONDS),
        ("p99", unit::NANOSECONDS),
        ("p99.9", unit::NANOSECONDS),
        ("p99.99", unit::NANOSECONDS),
        ("max", unit::NANOSECONDS),
        ("read_p50", unit::NANOSECONDS),
        ("read_p90", unit::NANOSECONDS),
        ("read_p99", unit::NANOSECONDS),
        ("read_p99.9", unit::NANOSECONDS),
        ("read_p99.99", unit::NANOSECONDS),
        ("read_max", unit::NANOSECONDS),
        ("write_p50", unit::NANOSECONDS),
        ("write_p90", unit::NANOSECONDS),
        ("write_p99", unit::NANOSECONDS),
        ("write_p99.9", unit::NANOSECONDS),
        ("write_p99.99", unit::NANOSECONDS),
        ("write_max", unit::NANOSECONDS),
    ],
    run: Run::Driver,
};

const PERCENT: Kind = Kind::Number { least: 0, most: 100 };
const DEPTH: Kind = Kind::Number { least: 1, most: 1024 };
const REGION: Kind = Kind::Size { least: 0, most: 1 << 50 };
