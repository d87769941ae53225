//! One directory, one attribute, one link of configfs; every error keeps operation, path, value and errno.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::errno::Errno;
use crate::invalid::Invalid;
use crate::path::TreePath;
use crate::value::Value;

/// Where configfs is mounted on every distribution.
pub const CONFIGFS: &str = "/sys/kernel/config";

/// An attribute shows at most one page; the largest page of any architecture bounds what is read.
const MAX_READ: usize = 64 * 1024;

/// More entries than any sane directory of configfs has; a listing stops with an error there.
const MAX_ENTRIES: usize = 65_536;

/// What was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `mkdir(2)` of a group.
    Mkdir,
    /// `rmdir(2)` of a group.
    Rmdir,
    /// One `write(2)` to an attribute.
    Write,
    /// Reading an attribute.
    Read,
    /// `symlink(2)`.
    Link,
    /// `unlink(2)` of a link.
    Unlink,
    /// Listing a group.
    List,
    /// Making a backing file.
    Create,
    /// Removing a backing file.
    Remove,
}

impl Operation {
    /// Finds the operation that errors call `name`.
    pub fn from_name(name: &str) -> Option<Operation> {
        use Operation::{Create, Link, List, Mkdir, Read, Remove, Rmdir, Unlink, Write};
        let all = [Mkdir, Rmdir, Write, Read, Link, Unlink, List, Create, Remove];
        all.into_iter().find(|operation| operation.name() == name)
    }

    /// Gives the word errors use.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Mkdir => "mkdir",
            Operation::Rmdir => "rmdir",
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::Link => "link",
            Operation::Unlink => "unlink",
            Operation::List => "list",
            Operation::Create => "create",
            Operation::Remove => "remove",
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel's answer.
    Errno(Errno),
    /// The kernel took only part of a value; writing the rest would have been a second store.
    ShortWrite {
        /// Bytes taken.
        written: usize,
        /// Bytes offered.
        length: usize,
    },
    /// What exists is set up in another way, and cannot be set up anew.
    Differs,
    /// There is more than this crate reads.
    TooLarge {
        /// The limit, in bytes or entries.
        limit: usize,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Errno(errno) => errno.fmt(f),
            Cause::ShortWrite { written, length } => {
                write!(f, "only {written} of {length} bytes were taken")
            }
            Cause::Differs => f.write_str("it exists and is set up in another way"),
            Cause::TooLarge { limit } => write!(f, "more than {limit}"),
        }
    }
}

impl<E: Into<Errno>> From<E> for Cause {
    fn from(errno: E) -> Cause {
        Cause::Errno(errno.into())
    }
}

/// A failed operation: what, on which path, with which value, and the cause.
///
/// Prints like `write 1 to /sys/kernel/config/…/enable: ENOENT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was attempted.
    pub operation: Operation,
    /// The absolute path it was attempted on.
    pub path: PathBuf,
    /// The value written, the target of a link or the size of a file; `…` where it is secret.
    pub value: Option<String>,
    /// Why it failed.
    pub cause: Cause,
}

impl Error {
    /// Gives the kernel's error number, where the kernel gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::Errno(errno) => Some(errno),
            Cause::ShortWrite { .. } | Cause::Differs | Cause::TooLarge { .. } => None,
        }
    }

    fn new(operation: Operation, path: &Path, cause: impl Into<Cause>) -> Error {
        Error { operation, path: path.to_owned(), value: None, cause: cause.into() }
    }

    fn with_value(self, value: impl fmt::Display) -> Error {
        Error { value: Some(value.to_string()), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "{} ", self.operation.name())?;
        match (&self.value, self.operation) {
            (None, _) => write!(f, "{path}")?,
            (Some(target), Operation::Link) => write!(f, "{target} at {path}")?,
            (Some(size), Operation::Create) => write!(f, "{path} of {size} bytes")?,
            (Some(value), _) => write!(f, "{value} to {path}")?,
        }
        write!(f, ": {}", self.cause)
    }
}

impl std::error::Error for Error {}

/// What an entry of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A group: a directory.
    Group,
    /// An attribute: a file.
    Attribute,
    /// A link.
    Link,
}

/// One entry of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// A mounted configfs, or any directory that stands for one.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Takes the mount point, which must be absolute: configfs resolves the target of a link when it is made, relative
    /// to the caller's working directory.
    pub fn new(root: impl Into<PathBuf>) -> Result<Tree, Invalid> {
        let root = root.into();
        if root.is_absolute() {
            return Ok(Tree { root });
        }
        Err(Invalid::new("configfs root", &root.to_string_lossy(), "is not absolute"))
    }

    /// Gives the absolute path of `path`.
    pub fn absolute(&self, path: &TreePath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// Makes a group.
    pub fn make_group(&self, path: &TreePath) -> Result<(), Error> {
        let path = self.absolute(path);
        rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755))
            .map_err(|errno| Error::new(Operation::Mkdir, &path, errno))
    }

    /// Removes a group; its attributes and default groups go with it.
    pub fn remove_group(&self, path: &TreePath) -> Result<(), Error> {
        let path = self.absolute(path);
        rustix::fs::rmdir(&path).map_err(|errno| Error::new(Operation::Rmdir, &path, errno))
    }

    /// Writes a whole value with one `write(2)`.
    ///
    /// Without `O_CREAT`, so that an attribute this kernel does not have is `ENOENT`.
    pub fn write(&self, path: &TreePath, value: &Value) -> Result<(), Error> {
        let path = self.absolute(path);
        write_once(&path, value.expose().as_bytes())
            .map_err(|cause| Error::new(Operation::Write, &path, cause).with_value(value))
    }

    /// Reads an attribute, at most 64 KiB, without the NUL bytes and the newline at its end.
    pub fn read(&self, path: &TreePath) -> Result<String, Error> {
        let path = self.absolute(path);
        match read_bounded(&path) {
            Ok(bytes) => Ok(to_text(&bytes)),
            Err(cause) => Err(Error::new(Operation::Read, &path, cause)),
        }
    }

    /// Makes a link at `at` to the group `target` of the same tree.
    pub fn link(&self, target: &TreePath, at: &TreePath) -> Result<(), Error> {
        let (target, at) = (self.absolute(target), self.absolute(at));
        rustix::fs::symlink(&target, &at)
            .map_err(|errno| Error::new(Operation::Link, &at, errno).with_value(target.display()))
    }

    /// Gives the absolute path a link points at.
    pub fn read_link(&self, at: &TreePath) -> Result<PathBuf, Error> {
        let at = self.absolute(at);
        fs::read_link(&at).map_err(|error| Error::new(Operation::Read, &at, error))
    }

    /// Removes a link.
    pub fn unlink(&self, at: &TreePath) -> Result<(), Error> {
        let at = self.absolute(at);
        rustix::fs::unlink(&at).map_err(|errno| Error::new(Operation::Unlink, &at, errno))
    }

    /// Says whether there is a link at `at` that leads to `target`. Configfs shows links relative to where they are.
    pub fn points_at(&self, at: &TreePath, target: &TreePath) -> bool {
        let (at, target) = (self.absolute(at), self.absolute(target));
        let is_link = fs::symlink_metadata(&at).is_ok_and(|found| found.is_symlink());
        let same = fs::canonicalize(at).ok().zip(fs::canonicalize(target).ok());
        is_link && same.is_some_and(|(at, target)| at == target)
    }

    /// Gives the error of a write that was not even tried.
    pub(crate) fn untried(&self, path: &TreePath, value: &Value, cause: Cause) -> Error {
        Error::new(Operation::Write, &self.absolute(path), cause).with_value(value)
    }

    /// Lists a group, sorted by name.
    pub fn list(&self, path: &TreePath) -> Result<Vec<Entry>, Error> {
        let path = self.absolute(path);
        list(&path).map_err(|cause| Error::new(Operation::List, &path, cause))
    }
}

fn write_once(path: &Path, value: &[u8]) -> Result<(), Cause> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let written = rustix::io::write(&file, value)?;
    if written == value.len() {
        return Ok(());
    }
    Err(Cause::ShortWrite { written, length: value.len() })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Cause> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = rustix::io::read(&file, &mut chunk)?;
        text.extend_from_slice(&chunk[..count]);
        if count == 0 {
            return Ok(text);
        }
        if text.len() > MAX_READ {
            return Err(Cause::TooLarge { limit: MAX_READ });
        }
    }
}

/// Some attributes (`dynamic_sessions`) separate or end their lines with NUL bytes too.
fn to_text(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| *c != '\0').collect();
    text.trim_end().to_owned()
}

fn list(path: &Path) -> Result<Vec<Entry>, Cause> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entries.len() == MAX_ENTRIES {
            return Err(Cause::TooLarge { limit: MAX_ENTRIES });
        }
        let kind = match entry.file_type()? {
            kind if kind.is_symlink() => EntryKind::Link,
            kind if kind.is_dir() => EntryKind::Group,
            _ => EntryKind::Attribute,
        };
        let name = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
        entries.push(Entry { name, kind });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Makes a sparse backing file of `size` bytes, readable by its owner only; one that exists already is `EEXIST`.
pub(crate) fn create_file(path: &Path, size: u64) -> Result<(), Error> {
    let fail = |errno| Error::new(Operation::Create, path, Cause::Errno(errno)).with_value(size);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|e| fail(e.into()))?;
    rustix::fs::ftruncate(&file, size).map_err(|errno| match rustix::fs::unlink(path) {
        // The file is ours, and the error worth telling is the first.
        Ok(()) | Err(_) => fail(errno.into()),
    })
}

/// Says whether there is a regular file of `size` bytes.
pub(crate) fn has_size(path: &Path, size: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
}

/// Removes a backing file.
pub(crate) fn remove_file(path: &Path) -> Result<(), Error> {
    rustix::fs::unlink(path).map_err(|errno| Error::new(Operation::Remove, path, errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::new(directory.path()).unwrap();
        (directory, tree)
    }

    fn path(path: &str) -> TreePath {
        TreePath::new(path).unwrap()
    }

    #[test]
    fn a_missing_attribute_is_enoent_and_is_not_created() {
        let (directory, tree) = tree();
        let error = tree.write(&path("enable"), &Value::from(true)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENOENT));
        let shown = directory.path().display();
        assert_eq!(error.to_string(), format!("write 1 to {shown}/enable: ENOENT"));
        assert!(!directory.path().join("enable").exists());
    }

    #[test]
    fn a_secret_is_masked_in_the_error() {
        let (_directory, tree) = tree();
        let value = Value::secret("twelve-bytes-or-more").unwrap();
        let error = tree.write(&path("password"), &value).unwrap_err();
        assert!(error.to_string().starts_with("write … to "));
        assert!(!format!("{error:?}").contains("twelve"));
    }

    #[test]
    fn groups_attributes_and_links_are_told_apart() {
        let (directory, tree) = tree();
        tree.make_group(&path("b")).unwrap();
        tree.link(&path("b"), &path("c")).unwrap();
        fs::write(directory.path().join("a"), "one\0two\n\0").unwrap();
        let kinds: Vec<_> = tree.list(&TreePath::new("b").unwrap()).unwrap();
        assert!(kinds.is_empty());
        let listed = list(directory.path()).unwrap();
        let listed: Vec<_> = listed.iter().map(|e| (e.name.as_str(), e.kind)).collect();
        let expected =
            [("a", EntryKind::Attribute), ("b", EntryKind::Group), ("c", EntryKind::Link)];
        assert_eq!(listed, expected);
        assert_eq!(tree.read(&path("a")).unwrap(), "onetwo");
        assert_eq!(tree.read_link(&path("c")).unwrap(), directory.path().join("b"));
    }

    #[test]
    fn mkdir_of_an_existing_group_is_eexist() {
        let (directory, tree) = tree();
        tree.make_group(&path("core")).unwrap();
        let error = tree.make_group(&path("core")).unwrap_err();
        let shown = directory.path().display();
        assert_eq!(error.to_string(), format!("mkdir {shown}/core: EEXIST"));
    }

    #[test]
    fn a_read_is_bounded() {
        let (directory, tree) = tree();
        fs::write(directory.path().join("huge"), vec![b'x'; MAX_READ + 1]).unwrap();
        let error = tree.read(&path("huge")).unwrap_err();
        assert_eq!(error.cause, Cause::TooLarge { limit: MAX_READ });
    }

    #[test]
    fn a_relative_root_is_refused() {
        assert!(Tree::new("sys/kernel/config").is_err());
    }

    #[test]
    fn a_backing_file_is_never_overwritten_and_never_left_behind_unsized() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("disk0");
        let error = create_file(&file, u64::MAX).unwrap_err();
        assert_eq!(error.operation, Operation::Create);
        assert!(!file.exists(), "left behind after {error}");
        create_file(&file, 1 << 40).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), 1 << 40);
        let error = create_file(&file, 5).unwrap_err();
        let shown = file.display();
        assert_eq!(error.to_string(), format!("create {shown} of 5 bytes: EEXIST"));
        assert_eq!(fs::metadata(&file).unwrap().len(), 1 << 40);
    }
}
