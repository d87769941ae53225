//! A directory that behaves as configfs does where it matters.

use std::fs;
use std::path::{Path, PathBuf};

use configfs_rs::TreePath;
use configfs_rs::apply::Progress;
use configfs_rs::plan::{Step, Undo};
use configfs_rs::tree::Tree;

/// Groups the kernel makes by itself inside those we make.
const DEFAULT_GROUPS: [&str; 7] = ["attrib", "param", "wwn", "lun", "np", "acls", "auth"];

/// A temporary directory in which attributes appear with their group and go with it.
pub(crate) struct FakeRoot {
    directory: tempfile::TempDir,
    /// Attributes this kernel does not have, by the end of their path.
    pub(crate) missing: Vec<&'static str>,
}

impl FakeRoot {
    pub(crate) fn new() -> FakeRoot {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("config/target/core/alua")).unwrap();
        fs::create_dir_all(directory.path().join("files")).unwrap();
        FakeRoot { directory, missing: Vec::new() }
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::new(self.root()).unwrap()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Where backing files go.
    pub(crate) fn file(&self, name: &str) -> String {
        self.directory.path().join("files").join(name).to_str().unwrap().to_owned()
    }

    /// Plays the kernel's part just before each step.
    pub(crate) fn prepare(&self, progress: Progress<'_>) {
        match progress {
            Progress::Step { step: Step::WriteAttribute { path, .. }, .. } => self.attribute(path),
            Progress::Step { step: Step::MakeDirectory { path }, .. } => self.default_groups(path),
            Progress::Undo { undo: Undo::RemoveDirectory { path }, .. } => {
                remove_attributes(&self.root().join(path.as_str()));
            }
            _ => {}
        }
    }

    fn attribute(&self, path: &TreePath) {
        let missing = self.missing.iter().any(|end| path.as_str().ends_with(end));
        self.default_groups(path);
        let file = self.root().join(path.as_str());
        if !missing && file.parent().unwrap().is_dir() && !file.exists() {
            fs::write(file, "").unwrap();
        }
    }

    fn default_groups(&self, path: &TreePath) {
        let parent = path.parent().unwrap();
        let group = self.root().join(parent.as_str());
        if DEFAULT_GROUPS.contains(&parent.name()) && group.parent().unwrap().is_dir() {
            fs::create_dir_all(group).unwrap();
        }
    }

    /// Everything that is there, but for what a fresh kernel has.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        walk(self.directory.path(), &mut left);
        let fresh =
            ["config", "config/target", "config/target/core", "config/target/core/alua", "files"];
        left.retain(|path| {
            let relative = path.strip_prefix(self.directory.path()).unwrap();
            !fresh.iter().any(|known| relative == Path::new(known))
        });
        left
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), found);
        }
    }
}

/// What rmdir does by itself on configfs: attributes and empty default groups go along; the rest is in the way.
fn remove_attributes(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_file() {
            fs::remove_file(entry.path()).unwrap();
        } else if DEFAULT_GROUPS.contains(&entry.file_name().to_str().unwrap()) {
            remove_attributes(&entry.path());
            drop(fs::remove_dir(entry.path()));
        }
    }
}
