//! The kernel under test, the machine, and how a spec names files.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::{AcceleratorChoice, MIB, TransportChoice};

/// How many CPUs a machine may have.
pub const CPUS: RangeInclusive<u32> = 1..=64;

/// How much memory a machine may have, in bytes.
pub const MEMORY: RangeInclusive<u64> = 128 * MIB..=1 << 40;

/// The most a spec may add to the kernel's command line, in bytes: x86 has 2048
/// (`COMMAND_LINE_SIZE`), and lunlab's own part must fit too.
pub const CMDLINE_MAX: usize = 1536;

/// The kernel under test and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Which one.
    pub image: KernelChoice,
    /// Modules to load beyond those the spec implies.
    pub modules: Vec<String>,
    /// Parameters by module, as modprobe would take them.
    pub module_parameters: Vec<(String, String)>,
    /// What is appended to the kernel's command line; empty for nothing.
    pub cmdline: String,
}

/// How a kernel is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelChoice {
    /// `debian`, or a release to be looked for where kernels are installed.
    Name(String),
    /// An image or a build tree; absolute unless the base directory was not.
    Path(PathBuf),
}

/// What relative paths, `~` and variables of a spec refer to.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The directory of the spec.
    pub directory: &'a Path,
    /// The user's home directory, where it is known.
    pub home: Option<&'a Path>,
    /// A variable of the environment; [`Base::process_environment`] is the process's own.
    pub environment: fn(&str) -> Option<OsString>,
}

impl KernelChoice {
    /// Tells paths from names: what has a slash or exists is a path. `debian` never is, because
    /// many source trees have a directory of that name; that one is `./debian`.
    #[must_use]
    pub fn resolve(text: &str, base: Base<'_>) -> Self {
        let path = base.join(text);
        let is_path = text.contains('/') || text == "~" || path.exists();
        if is_path && text != "debian" { Self::Path(path) } else { Self::Name(text.to_owned()) }
    }
}

impl Base<'_> {
    /// Looks a variable up in the process's own environment.
    #[must_use]
    pub fn process_environment(name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    pub(super) fn join(&self, text: &str) -> PathBuf {
        match (text.strip_prefix('~'), self.home) {
            (Some(""), Some(home)) => home.to_owned(),
            (Some(rest), Some(home)) if rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => self.directory.join(text),
        }
    }
}

/// The virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many CPUs.
    pub cpus: u32,
    /// Its memory in bytes; `Spec::memory_bytes` says what it is when this is nothing.
    pub memory: Option<u64>,
    /// What runs it.
    pub accelerator: AcceleratorChoice,
}

/// How host and guest talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Over what.
    pub transport: TransportChoice,
}
