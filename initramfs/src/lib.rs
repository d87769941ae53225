//! Initramfs images for kernels under test: newc archives and what goes into them.

pub mod decompress;
