//! Workload `channel`: how long a message takes to the guest and back, and how fast bytes go either way.
//!
//! The guest's end does what it is told ([`exchange::serve`]); the host's end measures, by its own clock ([`measure`]).

pub mod exchange;
mod meter;

pub use meter::{Path, measure};

use crate::unit;
use crate::workload::{Kind, Parameter, Run, Workload};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "channel",
    about: "round trips and throughput between host and guest: a stream, the portal, a user-mode NIC",
    parameters: &[
        Parameter { many: true, ..Parameter::new("paths", "which ways", Kind::Word(PATHS), ALL) },
        Parameter { many: true, ..Parameter::new("size", "bytes of a message", MESSAGE, "1,4K") },
        Parameter::new("bulk", "bytes of one transfer, which its receiver answers", BULK, "1M"),
        Parameter::new("block_size", "bytes of a transfer that are written at once", BLOCK, "64K"),
    ],
    series: &[
        ("stream/round trip", unit::NANOSECONDS),
        ("stream/round trip_p50", unit::NANOSECONDS),
        ("stream/round trip_p99", unit::NANOSECONDS),
        ("stream/to guest", unit::MEGABYTES),
        ("stream/to host", unit::MEGABYTES),
        ("portal/round trip", unit::NANOSECONDS),
        ("portal/round trip_p50", unit::NANOSECONDS),
        ("portal/round trip_p99", unit::NANOSECONDS),
        ("portal/to guest", unit::MEGABYTES),
        ("portal/to host", unit::MEGABYTES),
        ("nic/round trip", unit::NANOSECONDS),
        ("nic/round trip_p50", unit::NANOSECONDS),
        ("nic/round trip_p99", unit::NANOSECONDS),
        ("nic/to guest", unit::MEGABYTES),
        ("nic/to host", unit::MEGABYTES),
    ],
    run: Run::Across,
};

/// A stream of the run's transport.
pub const STREAM: &str = "stream";
/// TCP on the host, a stream, TCP in the guest.
pub const PORTAL: &str = "portal";
/// TCP through QEMU's user network.
pub const NIC: &str = "nic";

/// All ways that there are in this run.
pub const ALL: &str = "all";

const PATHS: &[&str] = &[ALL, STREAM, PORTAL, NIC];
const MESSAGE: Kind = Kind::Size { least: 1, most: 64 << 10 };
const BULK: Kind = Kind::Size { least: 4096, most: exchange::MOST };
const BLOCK: Kind = Kind::Size { least: 1, most: 1 << 20 };
