//! A directory that behaves as configfs does where it matters.

use std::fs;
use std::path::{Path, PathBuf};

use configfs_rs::TreePath;
use configfs_rs::apply::Progress;
use configfs_rs::plan::{Step, Undo};
use configfs_rs::tree::Tree;

/// Groups the kernel makes by itself inside those we make.
const DEFAULT_GROUPS: [&str; 9] =
    ["attrib", "param", "wwn", "lun", "np", "acls", "auth", "alua", "discovery_auth"];

/// A temporary directory in which attributes appear with their group and go with it.
pub(crate) struct FakeRoot {
    directory: tempfile::TempDir,
    /// Attributes this kernel does not have, by the end of their path.
    pub(crate) missing: Vec<&'static str>,
}

/// Something in the way, and what it took the place of.
pub(crate) struct Obstacle {
    at: PathBuf,
    aside: PathBuf,
    kept: bool,
    is_there: bool,
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
            Progress::Step { step: Step::WriteAttribute { path, value, .. }, .. } => {
                self.attribute(path);
                if path.name() == "control" {
                    self.info(path, value.expose());
                }
            }
            Progress::Undo { undo: Undo::WriteAttribute { path, .. }, .. } => self.attribute(path),
            Progress::Step { step: Step::MakeDirectory { path }, .. } => self.default_groups(path),
            Progress::Undo { undo: Undo::RemoveDirectory { path }, .. } => {
                remove_attributes(&self.root().join(path.as_str()));
            }
            _ => {}
        }
    }

    /// Puts something in the way of what is about to be done. Gives where it is, and what was there.
    pub(crate) fn obstruct(&self, progress: Progress<'_>) -> Obstacle {
        match progress {
            Progress::Step { step: Step::WriteAttribute { path, .. }, .. }
            | Progress::Undo { undo: Undo::WriteAttribute { path, .. }, .. } => {
                self.swap(self.root().join(path.as_str()))
            }
            Progress::Step { step: Step::CreateFile { path, .. }, .. } => self.swap(path.into()),
            Progress::Step { step: Step::MakeDirectory { path }, .. } => {
                // The group it would be in.
                self.away(self.root().join(path.parent().unwrap().as_str()))
            }
            Progress::Step { step: Step::Link { at, .. }, .. } => {
                self.swap(self.root().join(at.as_str()))
            }
            Progress::Undo { undo: Undo::RemoveDirectory { path }, .. } => {
                self.swap(self.root().join(path.as_str()).join("obstacle"))
            }
            Progress::Undo { undo: Undo::Unlink { at }, .. } => {
                self.swap(self.root().join(at.as_str()))
            }
            Progress::Undo { undo: Undo::RemoveFile { path }, .. } => self.swap(path.into()),
        }
    }

    /// Puts a group where `at` is or would be.
    fn swap(&self, at: PathBuf) -> Obstacle {
        let obstacle = self.away(at);
        fs::create_dir(&obstacle.at).unwrap();
        Obstacle { is_there: true, ..obstacle }
    }

    fn away(&self, at: PathBuf) -> Obstacle {
        let aside = self.directory.path().join("aside");
        let kept = fs::symlink_metadata(&at).is_ok();
        if kept {
            fs::rename(&at, &aside).unwrap();
        }
        Obstacle { at, aside, kept, is_there: false }
    }

    pub(crate) fn clear(&self, obstacle: Obstacle) {
        if obstacle.is_there {
            fs::remove_dir(&obstacle.at).unwrap();
        }
        if obstacle.kept {
            fs::rename(&obstacle.aside, &obstacle.at).unwrap();
        }
    }

    /// What a storage object says of itself.
    fn info(&self, control: &TreePath, value: &str) {
        let value = |key: &str| {
            let found = value.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or("0").to_owned()
        };
        let (name, size, pages) = (value("fd_dev_name"), value("fd_dev_size"), value("rd_pages"));
        let mode = if value("fd_buffered_io") == "1" { "Buffered-WCE" } else { "O_DSYNC" };
        let shown = match (name.as_str(), pages.as_str()) {
            ("0", "0") => {
                format!("UDEV PATH: {}  readonly: {}\n", value("udev_path"), value("readonly"))
            }
            ("0", pages) => {
                format!("PAGES/PAGE_SIZE: {pages}*4096  nullio: {}\n", value("rd_nullio"))
            }
            _ => format!(
                "ID: 0 File: {name}  Size: {size}  Mode: {mode} Async: {}\n",
                value("fd_async_io")
            ),
        };
        let info = self.root().join(control.parent().unwrap().as_str()).join("info");
        // An enabled storage object keeps what it was set up with.
        if info.parent().unwrap().is_dir() && !info.exists() {
            fs::write(info, shown).unwrap();
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

    /// Everything that is there, with what is in it.
    pub(crate) fn content(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        // Default groups are the kernel's; here they come with the first thing written.
        let is_default =
            |path: &PathBuf| DEFAULT_GROUPS.contains(&path.file_name().unwrap().to_str().unwrap());
        found.retain(|path| !is_default(path));
        found.sort();
        let text = |path: &PathBuf| match fs::symlink_metadata(path).unwrap() {
            entry if entry.is_symlink() => fs::read_link(path).unwrap().display().to_string(),
            entry if entry.is_dir() => String::new(),
            entry if entry.len() > 4096 => entry.len().to_string(),
            _ => fs::read_to_string(path).unwrap(),
        };
        found.into_iter().map(|path| (path.clone(), text(&path))).collect()
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
