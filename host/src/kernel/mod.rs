//! The kernel under test.

pub mod bzimage;
pub mod elf;
