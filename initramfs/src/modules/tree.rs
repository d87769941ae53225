//! The directory that holds the modules of one kernel, as installed or as built.

use super::modinfo::records;
use super::{Error, Presence, canonical_name};
use crate::decompress::{Compression, decompress};
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Deepest directory that is looked into; the kernel's own trees have less than ten levels.
const DEPTH_MAX: usize = 32;
/// Largest module, decompressed, in bytes: amdgpu.ko with its debug information has some 500 MB.
const MODULE_MAX: u64 = 1 << 30;
/// Largest list of modules in bytes: modules.builtin.modinfo of a full kernel has some 200 kB.
const LIST_MAX: u64 = 64 << 20;
/// Module suffixes, as `make modules_install` gives them.
const SUFFIXES: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// The modules of one kernel, by name.
#[derive(Debug)]
pub struct ModuleTree {
    root: PathBuf,
    modules: Modules,
    /// Canonical names from `modules.builtin`.
    builtin: HashSet<String>,
    /// Canonical names and aliases from `modules.builtin.modinfo`.
    builtin_aliases: HashSet<String>,
}

#[derive(Debug)]
enum Modules {
    /// All there are.
    Walked(HashMap<String, PathBuf>),
    /// What `modules.order` of a build tree lists: files that it does not list are left over from
    /// another configuration, unless an external build (`make M=…`) made them.
    Listed { listed: HashMap<String, PathBuf>, external: OnceLock<HashMap<String, PathBuf>> },
}

impl ModuleTree {
    /// Opens a directory of modules (`/lib/modules/RELEASE`) or the tree a kernel was built in.
    ///
    /// Reads names only, no module. `modules.order` is believed only in a build tree;
    /// `modules.dep` is never read.
    ///
    /// # Errors
    ///
    /// A directory, or a list in it, that cannot be read.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let builtin = read_list(&root.join("modules.builtin"))?.unwrap_or_default();
        let modinfo = read_list(&root.join("modules.builtin.modinfo"))?.unwrap_or_default();
        Ok(Self {
            root: root.to_owned(),
            modules: Modules::open(root)?,
            builtin: text_lines(&builtin).filter_map(module_name).collect(),
            builtin_aliases: builtin_aliases(&modinfo),
        })
    }

    /// What the kernel has under `name`, where `-` and `_` are the same.
    ///
    /// Names of code that cannot be a module, and exact aliases of built-in modules, count as built
    /// in where `modules.builtin.modinfo` has them.
    #[must_use]
    pub fn presence(&self, name: &str) -> Presence {
        let name = canonical_name(name);
        if self.builtin.contains(&name) {
            return Presence::Builtin;
        }
        match self.modules.find(&self.root, &name) {
            Some(path) => Presence::Module(path),
            None if self.builtin_aliases.contains(&name) => Presence::Builtin,
            None => Presence::Absent,
        }
    }

    /// Whether the tree says what is built in; if not, an absent name may still be there.
    #[must_use]
    pub fn lists_builtin(&self) -> bool {
        !(self.builtin.is_empty() && self.builtin_aliases.is_empty())
    }

    pub(super) fn absent(&self, name: String, needed_by: Option<String>) -> Error {
        let listed = match &self.modules {
            Modules::Walked(_) => false,
            Modules::Listed { listed, .. } => listed.contains_key(&name),
        };
        Error::Absent { name, needed_by, root: self.root.clone(), listed }
    }
}

impl Modules {
    fn open(root: &Path) -> Result<Self, Error> {
        let built = is_build_tree(root);
        if built && let Some(order) = read_list(&root.join("modules.order"))? {
            let listed = text_lines(&order).filter_map(|line| Some((module_name(line)?, line)));
            let listed = listed.map(|(name, line)| (name, PathBuf::from(line))).collect();
            return Ok(Self::Listed { listed, external: OnceLock::new() });
        }
        let walk = if built { WalkKind::BuildTree } else { WalkKind::ModulesDirectory };
        walk_tree(root, walk).map(Self::Walked).map_err(|cause| read_error(root, cause))
    }

    fn find(&self, root: &Path, name: &str) -> Option<PathBuf> {
        match self {
            Self::Walked(modules) => modules.get(name).cloned(),
            Self::Listed { listed, external } => {
                let listed = listed.get(name).and_then(|line| find_listed(root, line));
                // Expensive, and seldom needed: it looks into all of a kernel's source tree.
                let external = || {
                    let walk = || walk_tree(root, WalkKind::External).unwrap_or_default();
                    external.get_or_init(walk).get(name).cloned()
                };
                listed.or_else(external)
            }
        }
    }
}

/// Reads a module whole and decompresses it.
pub(super) fn read_module(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = read_bounded(path, MODULE_MAX).map_err(|cause| read_error(path, cause))?;
    match Compression::detect(&bytes) {
        Compression::None => Ok(bytes),
        kind => decompress(kind, &bytes, MODULE_MAX)
            .map_err(|cause| Error::Decompress { path: path.to_owned(), cause }),
    }
}

fn read_error(path: &Path, cause: io::Error) -> Error {
    Error::Read { path: path.to_owned(), cause }
}

fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(bytes)
}

/// A list that the kernel's build may have left, `None` where there is none.
fn read_list(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match read_bounded(path, LIST_MAX) {
        Ok(list) => Ok(Some(list)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(read_error(path, cause)),
    }
}

fn text_lines(list: &[u8]) -> impl Iterator<Item = &str> {
    list.split(|byte| *byte == b'\n').filter_map(|line| Some(str::from_utf8(line).ok()?.trim()))
}

/// `NAME.alias=ALIAS`, `NAME.license=…`, each ended by a NUL (`Documentation/kbuild/kbuild.rst`).
/// Aliases are often patterns; those never equal a name.
fn builtin_aliases(modinfo: &[u8]) -> HashSet<String> {
    let mut aliases = HashSet::new();
    let mut last = "";
    for (key, value) in records(modinfo) {
        let Some((name, key)) = key.split_once('.') else { continue };
        if name != last {
            aliases.insert(canonical_name(name));
            last = name;
        }
        if key == "alias" {
            aliases.insert(canonical_name(value));
        }
    }
    aliases
}

/// The canonical name of the module in a file, `None` where the file is none. Since Linux 6.2
/// `modules.order` has the object that a module is made from.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let mut suffixes = SUFFIXES.iter().chain([&".o"]);
    let name = suffixes.find_map(|suffix| file.strip_suffix(suffix))?;
    (!name.is_empty()).then(|| canonical_name(name))
}

/// Finds the file that a line of `modules.order` means. Lines began with `kernel/` until 5.2, and do
/// so still in installed trees.
fn find_listed(root: &Path, line: &Path) -> Option<PathBuf> {
    let short = line.strip_prefix("kernel").ok();
    let paths = [Some(line), short].into_iter().flatten().map(|path| root.join(path));
    let mut candidates = paths.flat_map(|path| {
        SUFFIXES.iter().map(move |suffix| path.with_extension(suffix.trim_start_matches('.')))
    });
    candidates.find(|path| path.is_file())
}

/// What only a tree that a kernel is built in has.
fn is_build_tree(root: &Path) -> bool {
    let has = |name: &str| root.join(name).exists();
    has(".config") || has("include/config") || (has("vmlinux") && !has("modules.dep"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WalkKind {
    ModulesDirectory,
    BuildTree,
    /// A build tree, of which only external builds count.
    External,
}

/// A directory to be looked into.
struct Directory {
    path: PathBuf,
    depth: usize,
    /// At or below one that an external build was made in.
    external: bool,
}

/// Collects all modules below `root`. Links to directories are not followed, or `build` and `source`
/// would lead into kernel sources and loops. Directories below the root that cannot be read are
/// left out.
fn walk_tree(root: &Path, kind: WalkKind) -> io::Result<HashMap<String, PathBuf>> {
    let mut modules = HashMap::new();
    let top = Directory { path: root.to_owned(), depth: 0, external: false };
    let mut queue = list_directory(&top, kind, root, &mut modules)?;
    while let Some(directory) = queue.pop() {
        queue.extend(list_directory(&directory, kind, root, &mut modules).unwrap_or_default());
    }
    Ok(modules)
}

/// Adds the modules in one directory to `modules` and returns the directories in it.
fn list_directory(
    directory: &Directory,
    kind: WalkKind,
    root: &Path,
    modules: &mut HashMap<String, PathBuf>,
) -> io::Result<Vec<Directory>> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let mut external = directory.external;
    for entry in fs::read_dir(&directory.path)? {
        let (entry, file_type) = match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
            Ok((file_type, entry)) => (entry, file_type),
            Err(_) => continue,
        };
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if file_type.is_dir() || (file_type.is_symlink() && is_followed(directory, kind, name)) {
            if is_walked(directory, kind, name) {
                directories.push(directory.path.join(name));
            }
        } else if let Some(module) = module_file_name(name) {
            files.push((module, directory.path.join(name)));
        } else if name == "Module.symvers" && directory.depth > 0 {
            external = true;
        }
    }
    if kind != WalkKind::External || external {
        files.into_iter().for_each(|(name, path)| insert_preferred(modules, root, name, path));
    }
    let depth = directory.depth + 1;
    Ok(directories.into_iter().map(|path| Directory { path, depth, external }).collect())
}

fn module_file_name(name: &str) -> Option<String> {
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix)).then(|| module_name(name)).flatten()
}

/// Some distributions assemble the modules directory of links into several packages.
fn is_followed(directory: &Directory, kind: WalkKind, name: &str) -> bool {
    let package = matches!(name, "kernel" | "updates" | "extra");
    kind == WalkKind::ModulesDirectory && directory.depth == 0 && package
}

fn is_walked(directory: &Directory, kind: WalkKind, name: &str) -> bool {
    let headers = kind == WalkKind::ModulesDirectory
        && directory.depth == 0
        && matches!(name, "build" | "source");
    directory.depth < DEPTH_MAX && !name.starts_with('.') && !headers
}

/// Of two modules with one name keeps the one that depmod would (`depmod.d(5)`), else the one nearer
/// to the root: others are copies, such as a build tree's `INSTALL_MOD_PATH`.
fn insert_preferred(
    modules: &mut HashMap<String, PathBuf>,
    root: &Path,
    name: String,
    path: PathBuf,
) {
    match modules.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(path);
        }
        Entry::Occupied(mut entry) => {
            if preference(root, &path) > preference(root, entry.get()) {
                entry.insert(path);
            }
        }
    }
}

fn preference<'a>(root: &Path, path: &'a Path) -> (u8, Reverse<usize>, Reverse<&'a Path>) {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let group = match relative.iter().next().and_then(|first| first.to_str()) {
        Some("updates") => 4,
        Some("extra") => 3,
        Some("kernel") => 1,
        Some("weak-updates") => 0,
        _ => 2,
    };
    (group, Reverse(relative.iter().count()), Reverse(path))
}
