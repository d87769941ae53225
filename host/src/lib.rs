//! The `lunlab` command's library.

pub mod initiator;
