//! LIO, the kernel's SCSI target, in rtslib's words: what is wanted as data, and the plan that brings it about.
//!
//! A [`Configuration`] is built from checked parts and checked as a whole; [`plan`] and [`teardown`] turn it into steps
//! for [`crate::apply`].

mod attributes;
mod configuration;
mod hint;
mod iscsi;
mod name;
mod planner;
mod storage_object;

pub use attributes::Attributes;
pub use configuration::{Configuration, Fault};
pub use hint::{hidden_cause, hint};
pub use iscsi::{Portal, Target, Tpg, TpgLun};
pub use name::{AttributeName, BackingPath, IscsiName, Lun, StorageObjectName, TpgTag, UnitSerial};
pub use planner::{plan, teardown};
pub use storage_object::{Backstore, FileSize, Fileio, Ramdisk, StorageObject};
