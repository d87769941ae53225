//! The `lunlab` command as a library: finds a kernel, builds its image, boots it, judges it.

pub mod accelerator;
pub mod agent_image;
pub mod cache;
pub mod digest;
pub mod error;
pub mod image;
pub mod kernel;
pub mod qemu;
