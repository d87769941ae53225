//! The result of a run: a directory with everything that happened, and its forms for people,
//! scripts and CI.

mod capped_log;
mod case;
mod document;
mod junit;
mod ktap;
mod repro;
mod store;

pub use capped_log::{CappedLog, LogSummary};
pub use case::{Case, Outcome, cases};
pub use document::{
    Benchmark, CheckResult, Choice, DeviceFound, Difference, Document, Host, Kernel, Kmsg, Lun,
    ModuleLoad, OneTarget, OneTpg, Phase, Qemu, SCHEMA, Series, Summary, TaintChange, Target,
    Transport, VerdictRecord, timestamp,
};
pub use junit::to_junit;
pub use ktap::to_ktap;
pub use repro::{Reproduction, shell_line};
pub use store::{ResultDirectory, StoreError};
