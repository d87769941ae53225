//! Initramfs images for kernels under test: newc archives and what goes into them.

pub mod closure;
pub mod decompress;
pub mod elf;
pub mod image;
pub mod modules;
pub mod newc;
