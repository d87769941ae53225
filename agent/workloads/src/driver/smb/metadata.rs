//! Many small files: made, looked at, listed, renamed, removed.

use super::io_failed;
use lunlab_bench::workload::Stopped;
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What each holds.
const CONTENTS: &[u8] = &[0x5a; 1024];

/// A directory of them. Each function goes through all, gives how many it did a second, and leaves what the next needs.
pub(super) struct Metadata {
    directory: PathBuf,
    files: u64,
}

impl Metadata {
    /// Makes an empty directory for so many.
    pub(super) fn new(at: &Path, files: u64) -> Result<Self, Stopped> {
        let directory = at.join("metadata");
        // A benchmark that failed before this one may have left it.
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io_failed("remove", &directory, &error));
            }
            _ => {}
        }
        fs::create_dir(&directory).map_err(|error| io_failed("mkdir", &directory, &error))?;
        Ok(Self { directory, files })
    }

    /// Makes them, of a kilobyte each.
    pub(super) fn create(&self) -> Result<f64, Stopped> {
        self.each(|n| {
            let path = self.made(n);
            let made = fs::File::create_new(&path).and_then(|mut file| file.write_all(CONTENTS));
            made.map_err(|error| io_failed("create", &path, &error))
        })
    }

    /// Asks for their attributes.
    pub(super) fn stat(&self) -> Result<f64, Stopped> {
        self.each(|n| {
            let path = self.made(n);
            let found = fs::metadata(&path).map_err(|error| io_failed("stat", &path, &error))?;
            let wrong =
                || Stopped::Failed(format!("stat {}: {} bytes", path.display(), found.len()));
            (found.len() == CONTENTS.len() as u64).then_some(()).ok_or_else(wrong)
        })
    }

    /// Lists the directory: entries a second.
    pub(super) fn list(&self) -> Result<f64, Stopped> {
        let start = Instant::now();
        let found = self.names()?;
        let rate = self.rate(start);
        let expected: BTreeSet<PathBuf> = (0..self.files).map(|n| self.made(n)).collect();
        if found != expected {
            let lacking = expected.difference(&found).count();
            return Err(Stopped::Failed(format!(
                "list {}: {} names where {} are, {lacking} lacking",
                self.directory.display(),
                found.len(),
                expected.len()
            )));
        }
        Ok(rate)
    }

    /// Gives them other names.
    pub(super) fn rename(&self) -> Result<f64, Stopped> {
        self.each(|n| {
            let path = self.made(n);
            fs::rename(&path, self.renamed(n)).map_err(|error| io_failed("rename", &path, &error))
        })
    }

    /// Removes them; the directory is empty then.
    pub(super) fn unlink(&self) -> Result<f64, Stopped> {
        let rate = self.each(|n| {
            let path = self.renamed(n);
            fs::remove_file(&path).map_err(|error| io_failed("unlink", &path, &error))
        })?;
        match self.names()?.first() {
            None => Ok(rate),
            Some(left) => {
                Err(Stopped::Failed(format!("{} was unlinked and is there", left.display())))
            }
        }
    }

    fn made(&self, n: u64) -> PathBuf {
        self.directory.join(format!("made{n:06}"))
    }

    fn renamed(&self, n: u64) -> PathBuf {
        self.directory.join(format!("renamed{n:06}"))
    }

    fn names(&self) -> Result<BTreeSet<PathBuf>, Stopped> {
        let failed = |error: std::io::Error| io_failed("list", &self.directory, &error);
        let entries = fs::read_dir(&self.directory).map_err(failed)?;
        entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
    }

    fn each(&self, mut act: impl FnMut(u64) -> Result<(), Stopped>) -> Result<f64, Stopped> {
        let start = Instant::now();
        (0..self.files).try_for_each(&mut act)?;
        Ok(self.rate(start))
    }

    fn rate(&self, start: Instant) -> f64 {
        self.files as f64 / start.elapsed().as_secs_f64().max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    #[test]
    fn rounds_leave_nothing_and_what_is_not_as_it_was_left_is_told() {
        let at = tempfile::tempdir().unwrap();
        let files = Metadata::new(at.path(), 7).unwrap();
        let acts =
            [Metadata::create, Metadata::stat, Metadata::list, Metadata::rename, Metadata::unlink];
        for _ in 0..2 {
            assert!(acts.iter().all(|act| act(&files).unwrap() > 0.0));
        }
        assert_eq!(std::fs::read_dir(&files.directory).unwrap().count(), 0);
        assert!(files.stat().unwrap_err().to_string().ends_with("made000000: ENOENT"));
        files.create().unwrap();
        let one = files.directory.join("made000003");
        std::fs::write(&one, "short").unwrap();
        assert!(files.stat().unwrap_err().to_string().ends_with("5 bytes"));
        std::fs::rename(&one, files.directory.join("other")).unwrap();
        assert!(files.list().unwrap_err().to_string().contains("1 lacking"));
        // The next benchmark begins with an empty one.
        assert!(Metadata::new(at.path(), 3).unwrap().create().is_ok());
    }
}
