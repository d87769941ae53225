//! The newc archive format, which the kernel unpacks into its root file system.
//!
//! Source: `Documentation/driver-api/early-userspace/buffer-format.rst` and `init/initramfs.c`.
//! An entry is a 110-byte ASCII header, the path with its NUL, the data; path and data each padded
//! to 4 bytes. `TRAILER!!!` ends an archive; archives may follow one another.

mod reader;
mod writer;

pub use reader::{Entry, Kind, ReadError, ReadProblem, Reader, read};
pub use writer::{Archive, Node, WriteError, append};

const MAGIC: &[u8; 6] = b"070701";
/// The magic number and 13 fields of 8 hexadecimal digits.
const HEADER_LEN: usize = 6 + 13 * 8;
const ALIGNMENT: usize = 4;
const TRAILER: &[u8] = b"TRAILER!!!";
/// Longest path with its NUL, and longest symlink target: the kernel skips what is longer.
const PATH_MAX: usize = 4096;

/// The bits of a mode that give the kind of file.
const KIND_MASK: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
