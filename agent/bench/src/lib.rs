//! Workload kernels, their sampling, and the statistics of one run.
//!
//! No device, no network, no foreign code: the same kernels run in a guest as PID 1 and on the host itself.
//!
//! ```
//! use lunlab_bench::workload::{Run, Told, Values};
//!
//! let of_a_spec = |name: &'static str| match name {
//!     "size" => "32",
//!     "warm_up" | "budget" => "0",
//!     "precision" => "1%",
//!     _ => "2",
//! };
//! let workload = lunlab_bench::WORKLOADS.iter().find(|each| each.name == "hash").expect("it is there");
//! let value = |(name, _): (&'static str, _)| (name.to_owned(), of_a_spec(name).to_owned());
//! let values: Values = workload.defaults().into_iter().map(value).collect();
//! let Run::Here(run) = workload.run else { unreachable!("hashing needs no device") };
//! run(&values, &mut |told: Told<'_>| {
//!     if let Told::Sample { series, unit, value } = told {
//!         assert!(value > 0.0, "{series}: {value} {unit}");
//!     }
//! })?;
//! # Ok::<(), lunlab_bench::workload::Stopped>(())
//! ```

pub mod blocks;
pub mod boot;
pub mod calibration;
pub mod channel;
pub mod compiled;
pub mod digest;
pub mod fio;
pub mod hash;
pub mod htlc;
pub mod iblt;
pub mod machine;
pub mod pattern;
pub mod relay;
pub mod sampling;
pub mod sighash;
pub mod smb;
pub mod statistics;
pub mod storage;
pub mod transaction;
pub mod txid48;
pub mod unit;
pub mod workload;

#[cfg(test)]
mod trial;

/// Whether PID 1 runs a workload by itself: `hash` as the default spec has it, so that a run of that
/// starts no other program. What needs more than [`hash::in_rounds`] is left to the program for
/// workloads.
#[must_use]
pub fn is_of_the_agent<'a>(workload: &str, value: impl Fn(&str) -> &'a str) -> bool {
    let plain = [("size", "32"), ("precision", "0%"), ("count", "false")];
    workload == hash::WORKLOAD.name && plain.iter().all(|(key, plain)| value(key) == *plain)
}

/// Every workload that a spec can name and that runs in the guest, or with `--local` on the host.
///
/// A new one is a file here and a line in this list; one that needs devices or sockets has its
/// driver in `lunlab-workloads` beside that.
pub const WORKLOADS: &[workload::Workload] = &[
    pattern::WORKLOAD,
    digest::WORKLOAD,
    storage::WORKLOAD,
    calibration::WORKLOAD,
    hash::WORKLOAD,
    txid48::WORKLOAD,
    iblt::WORKLOAD,
    sighash::WORKLOAD,
    blocks::WORKLOAD,
    htlc::WORKLOAD,
    fio::WORKLOAD,
    relay::WORKLOAD,
    channel::WORKLOAD,
    boot::WORKLOAD,
    smb::WORKLOAD,
];
