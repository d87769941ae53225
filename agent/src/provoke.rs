//! Makes things go wrong on purpose, so that whoever relies on lunlab can see it notice.

use configfs_rs::tree::Tree;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// Panics the kernel (Documentation/admin-guide/sysrq.rst, `c`).
///
/// # Errors
/// When the kernel has no sysrq.
pub fn panic_kernel() -> io::Result<()> {
    OpenOptions::new().write(true).open("/proc/sysrq-trigger")?.write_all(b"c")
}
