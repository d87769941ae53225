//! Steps as data: what is to be done to a tree, and what takes it back.

use std::fmt;

use crate::invalid::Invalid;
use crate::path::TreePath;
use crate::value::Value;

/// One thing to do. Paths are relative to the root of the tree, but for backing files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a sparse backing file, which must not exist.
    CreateFile {
        /// The absolute path.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Make a group.
    MakeDirectory {
        /// The group.
        path: TreePath,
    },
    /// Set an attribute.
    WriteAttribute {
        /// The attribute.
        path: TreePath,
        /// What to write.
        value: Value,
        /// What to write to take it back; most need not be, they go with their group.
        undo: Option<Value>,
    },
    /// Link to a group.
    Link {
        /// The group pointed at.
        target: TreePath,
        /// The link.
        at: TreePath,
    },
}

/// One thing that takes a step back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Remove a backing file.
    RemoveFile {
        /// The absolute path.
        path: String,
    },
    /// Remove a group.
    RemoveDirectory {
        /// The group.
        path: TreePath,
    },
    /// Set an attribute back.
    WriteAttribute {
        /// The attribute.
        path: TreePath,
        /// What to write.
        value: Value,
    },
    /// Remove a link.
    Unlink {
        /// The link.
        at: TreePath,
    },
}

impl Step {
    /// Checks a step that makes a group.
    pub fn make_directory(path: &str) -> Result<Step, Invalid> {
        TreePath::new(path).map(|path| Step::MakeDirectory { path })
    }

    /// Checks a step that sets an attribute; `undo` is what to write to take it back.
    pub fn write(
        path: &str,
        value: &str,
        secret: bool,
        undo: Option<&str>,
    ) -> Result<Step, Invalid> {
        let path = TreePath::new(path)?;
        let value = if secret { Value::secret(value) } else { Value::new(value) }?;
        let undo = undo.map(Value::new).transpose()?;
        Ok(Step::WriteAttribute { path, value, undo })
    }

    /// Checks a step that links to a group of the same tree.
    pub fn link(target: &str, at: &str) -> Result<Step, Invalid> {
        Ok(Step::Link { target: TreePath::new(target)?, at: TreePath::new(at)? })
    }

    /// Checks a step that makes a backing file: an absolute path without `.`, `..`, doubled slashes or control
    /// characters.
    pub fn create_file(path: &str, size: u64) -> Result<Step, Invalid> {
        match path.strip_prefix('/') {
            Some(relative) => TreePath::new(relative)?,
            None => return Err(Invalid::new("backing file", path, "is not absolute")),
        };
        Ok(Step::CreateFile { path: path.to_owned(), size })
    }

    /// Gives what takes this step back, where anything must.
    pub fn undo(&self) -> Option<Undo> {
        match self.clone() {
            Step::CreateFile { path, .. } => Some(Undo::RemoveFile { path }),
            Step::MakeDirectory { path } => Some(Undo::RemoveDirectory { path }),
            Step::WriteAttribute { path, undo, .. } => {
                undo.map(|value| Undo::WriteAttribute { path, value })
            }
            Step::Link { at, .. } => Some(Undo::Unlink { at }),
        }
    }
}

/// Gives what takes `steps` back: their exact reverse, naming only what they made.
pub fn undo(steps: &[Step]) -> Vec<Undo> {
    steps.iter().rev().filter_map(Step::undo).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::CreateFile { path, size } => write!(f, "create {path} of {size} bytes"),
            Step::MakeDirectory { path } => write!(f, "mkdir {path}"),
            Step::WriteAttribute { path, value, .. } => write!(f, "write {value} to {path}"),
            Step::Link { target, at } => write!(f, "link {target} at {at}"),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undo::RemoveFile { path } => write!(f, "remove {path}"),
            Undo::RemoveDirectory { path } => write!(f, "rmdir {path}"),
            Undo::WriteAttribute { path, value } => write!(f, "write {value} to {path}"),
            Undo::Unlink { at } => write!(f, "unlink {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_from_outside_are_checked() {
        assert!(Step::make_directory("../etc").is_err());
        assert!(Step::write("a/b", "", false, None).is_err());
        assert!(Step::write("a/b", "1", false, Some("")).is_err());
        assert!(Step::link("/etc", "a").is_err());
        for path in ["", "disk0", "/", "/a/../b", "/a//b", "/a\nb"] {
            assert!(Step::create_file(path, 1).is_err(), "{path:?}");
        }
        let secret = Step::write("a/password", "twelve-bytes", true, Some("NULL")).unwrap();
        assert_eq!(secret.to_string(), "write … to a/password");
        let null = Value::new("NULL").unwrap();
        let path = TreePath::new("a/password").unwrap();
        assert_eq!(secret.undo(), Some(Undo::WriteAttribute { path, value: null }));
        assert_eq!(Step::create_file("/a/b", 1).unwrap().to_string(), "create /a/b of 1 bytes");
    }
}
