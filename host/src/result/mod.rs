//! The result of a run: a directory with everything that happened, and its forms for people,
//! scripts and CI.

mod capped_log;
mod case;
pub(crate) mod document;
mod junit;
mod ktap;
mod load;
pub mod locate;
mod percentile;
mod repro;
mod store;
pub(crate) mod telling;

pub use capped_log::{CappedLog, LogSummary};
pub use case::{Case, Outcome, cases};
#[cfg(test)]
pub(crate) use document::tests::passed;
pub use document::{
    Benchmark, CheckResult, Choice, Conditions, Counter, DeviceFound, Difference, Document, Gauge,
    Histogram, Host, Kernel, Kmsg, Lun, ModuleLoad, OneTarget, OneTpg, Phase, Qemu, SCHEMA, Series,
    SpecChange, SpecChangeOutcome, Summary, TaintChange, Target, Transport, VerdictRecord,
    timestamp,
};
pub use junit::to_junit;
pub use ktap::to_ktap;
pub use load::{LoadError, Loaded, load};
pub use percentile::{PERCENTILES, percentile};
pub use repro::{Reproduction, shell_line};
pub(crate) use store::new_run_id;
pub use store::{ResultDirectory, StoreError};
