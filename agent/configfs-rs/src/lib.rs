#![doc = include_str!("../README.md")]

pub mod apply;
mod difference;
mod errno;
mod invalid;
pub mod kernel_log;
pub mod lio;
mod path;
pub mod plan;
pub mod read_back;
pub mod tree;
mod value;

pub use difference::{Change, Refusal, difference};
pub use errno::Errno;
pub use invalid::Invalid;
pub use path::TreePath;
pub use value::{MAX_VALUE, Value};
