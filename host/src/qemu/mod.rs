//! QEMU: its command line as a fold over devices, its process, its monitor.

pub mod command_line;
pub mod device;
pub mod disk;
pub mod network;
pub mod process;
pub mod program;
pub mod qmp;
pub mod trial;
