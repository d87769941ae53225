//! Kernel modules of one kernel: which there are, and which others they need.
//!
//! Everything is taken from the modules themselves (`depends=` and `softdep=` in `.modinfo`) and
//! from what the kernel's build says is built in. No depmod, no `modules.dep`.

mod closure;
mod modinfo;
mod tree;

pub use tree::ModuleTree;

use crate::decompress;
use std::io;
use std::path::PathBuf;

/// What a kernel has under a module's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is part of the kernel image.
    Builtin,
    /// It is the module in this file.
    Module(PathBuf),
    /// The kernel has nothing of that name.
    Absent,
}

/// A module that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Canonical name, with `_` and never `-`.
    pub name: String,
    /// The file it was read from.
    pub path: PathBuf,
    /// The module, decompressed.
    pub bytes: Vec<u8>,
}

impl Module {
    /// The release of the kernel it was built for: the first word of its `vermagic`
    /// (include/linux/vermagic.h), which the kernel compares with its own.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        let modinfo = crate::elf::modinfo(&self.bytes).ok()?;
        let (_, vermagic) = modinfo::records(modinfo).find(|(key, _)| *key == "vermagic")?;
        vermagic.split_ascii_whitespace().next()
    }
}

/// Why modules cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read.
    #[error("read {}: {cause}", .path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A module could not be decompressed.
    #[error("read module {}: {cause}", .path.display())]
    Decompress {
        /// The module's file.
        path: PathBuf,
        /// What the decompressor said.
        cause: decompress::Error,
    },
    /// A file is not a kernel module.
    #[error("read module {}: {problem}", .path.display())]
    NotAModule {
        /// The module's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A module is asked for, or needed by another one, that the kernel has not got.
    #[error("find module {name}{} in {}: neither a module nor built in",
        .needed_by.as_ref().map(|module| format!(", which {module} needs,")).unwrap_or_default(),
        .root.display())]
    Absent {
        /// The canonical name of what is missing.
        name: String,
        /// The module that depends on it, `None` where the caller asked for it.
        needed_by: Option<String>,
        /// Where it was looked for.
        root: PathBuf,
        /// Whether a kernel's build lists it as a module, though there is no such file.
        listed: bool,
    },
}

impl Error {
    /// The way out, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { name, root, listed: true, .. } => Some(format!(
                "modules.order lists {name}, but it is not built: make -C {} modules",
                root.display()
            )),
            _ => None,
        }
    }
}

/// The canonical form of a module's name: to the kernel, `-` and `_` are the same there.
#[must_use]
pub fn canonical_name(name: &str) -> String {
    name.replace('-', "_")
}
