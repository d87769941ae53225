//! LIO, the kernel's SCSI target, in rtslib's words: what is wanted as data, and the plan that brings it about.
//!
//! A [`Configuration`] is built from checked parts and checked as a whole; [`plan`] turns it into steps for
//! [`crate::apply`]. What LIO takes for each attribute, and what it has by itself, is in [`rule`].

mod alua;
mod attributes;
mod chap;
mod check;
mod configuration;
mod hint;
pub mod iscsi;
pub mod loopback;
mod name;
mod planner;
pub mod rule;
mod storage_object;

pub use alua::{AluaAccessState, AluaAccessType, AluaGroup};
pub use attributes::Attributes;
pub use chap::{Chap, Credentials};
pub use configuration::{Configuration, Fault, Parts, Place, UnknownAttributes};
pub use hint::{hidden_cause, hint};
pub use name::{
    AclTag, AluaGroupName, AttributeName, BackingPath, CmdsnDepth, CompanyId, InquiryText,
    IscsiName, LoopbackTag, Lun, Naa, Product, Revision, StorageObjectName, TpgTag, UnitSerial,
    Vendor,
};
pub use planner::plan;
pub use storage_object::{
    Backing, Backstore, Block, FileMode, FileSize, Fileio, Ramdisk, StorageObject,
};
