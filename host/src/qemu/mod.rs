//! QEMU.

pub mod program;
