//! Real kernels in real QEMU, from outside: the `lunlab` command and what it leaves.
//!
//! One program, so that all tests share one bound on how many machines run at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod access;
mod bench;
mod boot;
mod busy_writers;
mod changes;
mod channel;
mod chap;
mod cli;
mod compare;
mod configfs;
mod conformance;
mod fio;
mod image;
mod initiator;
mod integrity;
mod interrupts;
mod kernels;
mod leftovers;
mod over_iscsi;
mod pages;
mod plain_chap;
mod plain_initiator;
mod provisioning;
mod relay;
mod results;
mod run;
mod saveconfig;
mod secrets;
mod smb;
mod specs;
mod storage;
mod transports;
mod verdicts;
mod workloads;
