//! Steps as data: what is to be done to a tree, and what takes it back.

use std::fmt;

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
