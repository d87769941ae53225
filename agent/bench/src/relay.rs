//! Workload `relay`: a block sent to several peers behind one slow uplink.
//!
//! A miner at home whose uplink has 1 Mbit/s needs more than a minute to give 1 MB to eight peers, and blocks of others win meanwhile.
//! Sent to all at once, every peer waits for nearly all copies; one after the other, the first has it after an eighth of that time; as the
//! difference of two mempools, [`difference`], all have it almost at once.

pub mod difference;
mod uplink;

pub use uplink::{BURST, Uplink, orphan_rate};

use crate::unit;
use crate::workload::{Kind, Parameter, Run, Series, Values, Workload, independent};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "relay",
    about: "a block sent to peers in network namespaces, behind an uplink with a token bucket filter",
    parameters: &[
        Parameter::new("peers", "who gets it", Kind::Number { least: 1, most: 64 }, "8"),
        Parameter::new("rate", "of the uplink, in bit/s", RATE, "10000000"),
        Parameter::new("block_size", "about so many bytes of transactions", BLOCK_SIZE, "128K"),
        Parameter {
            many: true,
            ..Parameter::new("mode", "how it is sent", Kind::Word(MODES), "all-at-once,serial,iblt")
        },
        Parameter::new("lacking", "of a block's transactions, what a peer has not", PART, "1%"),
        Parameter::new("surplus", "of as many, what it has and no block took", PART, "1%"),
    ],
    series: Series::Of(series_of),
    rule: independent,
    run: Run::Driver,
};

fn series_of(values: &Values) -> Vec<(String, &'static str)> {
    let peers = values.number("peers").unwrap_or_default();
    let of_mode = |mode: &str| {
        let all = ["first", "last"].map(|which| format!("{mode}/{which} peer"));
        let each = (1..=peers).map(|number| format!("{mode}/peer {number}"));
        all.into_iter().chain(each).collect::<Vec<_>>()
    };
    values.words("mode").flat_map(of_mode).map(|series| (series, unit::MILLISECONDS)).collect()
}

/// Whole copies by turns of the network's, whole copies one after the other, and what peers lack.
pub const MODES: &[&str] = &["all-at-once", "serial", "iblt"];

const RATE: Kind = Kind::Number { least: 100_000, most: 10_000_000_000 };
const BLOCK_SIZE: Kind = Kind::Size { least: 4096, most: 16 << 20 };
const PART: Kind = Kind::Percent;
