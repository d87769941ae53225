//! The image a guest starts from: agent, modules and mount points, then what one run adds.

use crate::elf;
use crate::modules::Module;
use crate::newc::{Archive, Node, WriteError, append};

/// Directories that the kernel, the agent or LIO expect, and their permissions.
const DIRECTORIES: [(&str, u32); 9] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("lib", 0o755),
    ("lib/modules", 0o755),
    ("proc", 0o555),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
];

/// Nodes that are needed before devtmpfs is mounted: the kernel opens the console as PID 1's standard
/// streams (`init/main.c`, `console_on_rootfs`), and where there is none, a program opens `null`.
const DEVICES: [(&str, u32, u32, u32); 2] =
    [("dev/console", 0o600, 5, 1), ("dev/null", 0o666, 1, 3)];

/// A module ready for the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedModule {
    /// Canonical name, with `_` and never `-`.
    pub name: String,
    /// What finit_module(2) is given.
    pub bytes: Vec<u8>,
}

impl LoadedModule {
    /// Where the module is in the guest.
    #[must_use]
    pub fn guest_path(&self) -> String {
        format!("/lib/modules/{}.ko", self.name)
    }
}

impl From<Module> for LoadedModule {
    /// Drops the debug information of a module that is not signed.
    fn from(module: Module) -> Self {
        let stripped = match elf::strip_debug(&module.bytes) {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(bytes) => Some(bytes),
        };
        Self { name: module.name, bytes: stripped.unwrap_or(module.bytes) }
    }
}

/// What the base segment is made of: the same in every run with one kernel and one set of modules.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The agent's program, which becomes `/init`.
    pub agent: &'a [u8],
    /// The modules, in the order they are to be loaded.
    pub modules: &'a [LoadedModule],
    /// Other files: programs and the libraries they need. Directories on the way to them are made.
    pub files: &'a [GuestFile<'a>],
}

/// An image, or its base segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// A newc archive, or several.
    pub bytes: Vec<u8>,
    /// Paths of the modules in the guest, in the order they are to be loaded.
    pub load_order: Vec<String>,
}

/// A file that one run adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestFile<'a> {
    /// Path in the guest.
    pub path: &'a str,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub bytes: &'a [u8],
}

impl Base<'_> {
    /// Builds the base segment; equal inputs give equal bytes.
    ///
    /// # Errors
    ///
    /// Two modules of one name, or a file too large for newc.
    pub fn build(&self) -> Result<Image, WriteError> {
        let load_order: Vec<_> = self.modules.iter().map(LoadedModule::guest_path).collect();
        let mut archive = Archive::new();
        for (path, mode) in DIRECTORIES {
            archive.add(path, mode, Node::Directory)?;
        }
        for (path, mode, major, minor) in DEVICES {
            archive.add(path, mode, Node::CharacterDevice { major, minor })?;
        }
        archive.add("init", 0o755, Node::File(self.agent))?;
        for (path, module) in load_order.iter().zip(self.modules) {
            archive.add(path, 0o644, Node::File(&module.bytes))?;
        }
        let mut made: Vec<&str> = DIRECTORIES.iter().map(|(path, _)| *path).collect();
        for file in self.files {
            let path = file.path.trim_start_matches('/');
            for parent in parents(path) {
                if !made.contains(&parent) {
                    archive.add(parent, 0o755, Node::Directory)?;
                    made.push(parent);
                }
            }
            archive.add(path, file.mode, Node::File(file.bytes))?;
        }
        Ok(Image { bytes: archive.to_bytes(), load_order })
    }
}

/// The directories on the way to a path, the outermost first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| path.get(..end).unwrap_or(""))
}

/// Builds the archive that one run appends to its base segment.
///
/// # Errors
///
/// A file that cannot be in an archive, or stands twice in the list.
pub fn per_run_segment(files: &[GuestFile<'_>]) -> Result<Vec<u8>, WriteError> {
    let mut archive = Archive::new();
    // A directory in a later archive changes the mode of the one that is there.
    let is_used = |directory: &str| {
        files.iter().any(|file| {
            let path = file.path.strip_prefix('/').unwrap_or(file.path);
            path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    for (path, mode) in DIRECTORIES.into_iter().filter(|(path, _)| is_used(path)) {
        archive.add(path, mode, Node::Directory)?;
    }
    for file in files {
        archive.add(file.path, file.mode, Node::File(file.bytes))?;
    }
    Ok(archive.to_bytes())
}

impl Image {
    /// Appends a run's segment.
    pub fn append(&mut self, segment: &[u8]) {
        append(&mut self.bytes, segment);
    }
}
