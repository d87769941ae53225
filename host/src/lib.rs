//! The `lunlab` command as a library: finds a kernel, builds its image, boots it, judges it.

pub mod accelerator;
pub mod agent_image;
pub mod cache;
pub mod cli;
pub mod commands;
pub mod detect;
pub mod digest;
pub mod error;
pub mod escape;
pub mod guardian;
pub mod image;
pub mod initiator;
pub mod kernel;
pub mod output;
pub mod portal;
pub mod qemu;
pub mod report;
pub mod result;
pub mod run;
pub mod runtime_directory;
pub mod saveconfig;
pub mod spec;
mod sys;
pub mod target;
pub mod transport;
pub mod verdict;
pub mod withheld;
