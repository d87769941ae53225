//! Workload `channel`: how long a message takes to the guest and back, and how fast bytes go either way.
//!
//! The guest's end does what it is told ([`exchange::serve`]); the host's end measures, by its own clock ([`measure`]).

pub mod exchange;
mod meter;

pub use meter::{Path, measure};

use crate::storage::latency::PARTS;
use crate::unit;
use crate::workload::{Kind, Parameter, Run, Series, Values, Workload, independent};

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
    series: Series::Of(series_of),
    rule: independent,
    run: Run::Across,
};

fn series_of(values: &Values) -> Vec<(String, &'static str)> {
    let sizes = values.numbers("size").unwrap_or_default();
    let given = |path: &&str| values.words("paths").any(|word| [ALL, *path].contains(&word));
    let of_path = |path: &str| {
        let trips = sizes.iter().map(|size| meter::trips(path, *size)).flat_map(|trips| {
            let parts = PARTS.map(|part| (format!("{trips}_{part}"), unit::NANOSECONDS));
            std::iter::once((trips, unit::NANOSECONDS)).chain(parts)
        });
        let bulk = ["to guest", "to host"].map(|way| (format!("{path}/{way}"), unit::MEGABYTES));
        trips.chain(bulk).collect::<Vec<_>>()
    };
    [STREAM, PORTAL, NIC].iter().filter(|path| given(path)).flat_map(|path| of_path(path)).collect()
}

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
