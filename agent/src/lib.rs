//! PID 1 of the guest.
//!
//! [`boot`] reads as the list of what happens, in order. [`serve`] then does what the host asks
//! until it is told to finish. Whatever happens, [`power`] ends it: sync, power off.
//!
//! What may hit a bug of the kernel under test runs in worker threads: an oops ends the thread
//! that met it, and PID 1 lives on to tell of it.

pub mod boot;
pub mod channel;
pub mod command;
pub mod device;
pub mod kmsg;
pub mod loopback_disk;
pub mod modules;
pub mod mounts;
pub mod network;
pub mod portal;
pub mod power;
pub mod provision;
pub mod provoke;
pub mod segment;
pub mod serve;
pub mod signals;
mod uevent;
pub mod workload;
