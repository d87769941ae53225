//! The host side of lunlab: what a run is asked to do, what the kernel under test did, and what
//! that amounts to.

pub mod detect;
pub mod escape;
pub mod result;
pub mod spec;
pub mod verdict;
