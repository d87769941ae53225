//! Real kernels in real QEMU, from outside: the `lunlab` command and what it leaves.
//!
//! One program, so that all tests share one bound on how many machines run at once.

mod run;
mod transports;
