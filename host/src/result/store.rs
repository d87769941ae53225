//! The directory of a result: made at the start of a run, locked while it lasts, renamed at its
//! end.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

use super::capped_log::{CappedLog, replace, replace_soon};
use super::document::Document;
use super::repro::Reproduction;
use super::{to_junit, to_ktap};

/// How much of the start, and of the end, of a log is kept, in bytes.
const LOG_PART_MAX: u64 = 4 << 20;

/// How often another name is tried; two runs would have to draw the same 32 bits in the same
/// millisecond each time.
const NAME_ATTEMPTS: u32 = 8;

/// Why a result could not be kept.
#[derive(Debug, Error)]
#[error("{action} {path}: {cause}")]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    #[source]
    cause: io::Error,
}

impl StoreError {
    /// A way out, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self.cause.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("choose another directory with --results DIR".to_owned())
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("make room, or choose another disk with --results DIR".to_owned())
            }
            _ => None,
        }
    }
}

/// The directory of a run that is not over: `<results>/<run-id>.incomplete/`.
#[derive(Debug)]
pub struct ResultDirectory {
    results: PathBuf,
    run_id: String,
    path: PathBuf,
    /// The directory itself, locked: the lock goes with the process, so an unlocked `.incomplete`
    /// belongs to a run that was killed.
    lock: File,
}

impl ResultDirectory {
    /// Makes and locks the directory of a new run; `results` too when it is not there, with a
    /// `.gitignore` so that no one commits results by accident.
    ///
    /// # Errors
    /// When one of the directories cannot be made or locked.
    pub fn create(results: &Path, now: SystemTime) -> Result<Self, StoreError> {
        create_results(results)?;
        for _ in 0..NAME_ATTEMPTS {
            let run_id = new_run_id(now).map_err(at("draw a name in", results))?;
            let path = results.join(format!("{run_id}.incomplete"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at("create", &path)(error)),
                Ok(()) => {
                    let lock = File::open(&path).map_err(at("open", &path))?;
                    lock.try_lock().map_err(|error| at("lock", &path)(error.into()))?;
                    return Ok(Self { results: results.to_owned(), run_id, path, lock });
                }
            }
        }
        Err(at("find a free name in", results)(io::ErrorKind::AlreadyExists.into()))
    }

    /// The run's name.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The directory as long as the run lasts.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the directory will be when the run is over.
    #[must_use]
    pub fn final_path(&self) -> PathBuf {
        self.results.join(&self.run_id)
    }

    /// Begins `console.log`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn console_log(&self) -> Result<CappedLog, StoreError> {
        self.log("console.log", |bytes| format!("\n[lunlab: {bytes} bytes left out]\n"))
    }

    /// Begins `kmsg.jsonl`, one JSON object per line.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn kmsg_log(&self) -> Result<CappedLog, StoreError> {
        self.log("kmsg.jsonl", |bytes| format!("{{\"left_out_bytes\":{bytes}}}\n"))
    }

    fn log(&self, name: &str, marker: fn(u64) -> String) -> Result<CappedLog, StoreError> {
        let path = self.path.join(name);
        CappedLog::create(&path, LOG_PART_MAX, LOG_PART_MAX, marker).map_err(at("create", &path))
    }

    /// Keeps the spec of the run; early, so that a run that is killed has it too.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_spec(&self, text: &str) -> Result<(), StoreError> {
        self.write("spec.toml", text)
    }

    /// Keeps what the run has come to so far, in place of what it had come to before.
    ///
    /// # Errors
    /// When the file cannot be written; what was kept before is still there then.
    pub fn keep(&self, so_far: &Document) -> Result<(), StoreError> {
        let json = so_far.to_json().map_err(|error| self.broken("result.json", error))?;
        let path = self.path.join("result.json");
        replace_soon(&path, &[json.as_bytes()]).map_err(at("write", &path))
    }

    /// Writes what is written at the end and gives the directory its final name, which it returns.
    /// `result.json` comes last: in a directory without `.incomplete`, where it is, the others are.
    ///
    /// # Errors
    /// When a file cannot be written or the directory not renamed; it then stays incomplete.
    pub fn finish(
        self,
        document: &Document,
        reproduction: &Reproduction,
    ) -> Result<PathBuf, StoreError> {
        let junit = to_junit(document).map_err(|error| self.broken("junit.xml", error))?;
        let json = document.to_json().map_err(|error| self.broken("result.json", error))?;
        self.write("junit.xml", &junit)?;
        self.write("ktap.txt", &to_ktap(document))?;
        self.write("repro.sh", &reproduction.to_script(&self.run_id))?;
        let script = self.path.join("repro.sh");
        fs::set_permissions(&script, Permissions::from_mode(0o700))
            .map_err(at("make executable", &script))?;
        self.write("result.json", &json)?;
        self.rename()
    }

    fn rename(self) -> Result<PathBuf, StoreError> {
        self.lock.sync_all().map_err(at("sync", &self.path))?;
        let path = self.final_path();
        // Where a result of that name stands this fails, because a directory with files in it is
        // not replaced (rename(2)).
        fs::rename(&self.path, &path).map_err(at("rename to", &path))?;
        File::open(&self.results)
            .and_then(|directory| directory.sync_all())
            .map_err(at("sync", &self.results))?;
        Ok(path)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        replace(&path, &[text.as_bytes()]).map_err(at("write", &path))
    }

    fn broken(
        &self,
        name: &str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        at("write", &self.path.join(name))(io::Error::other(error))
    }
}

fn at(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |cause| StoreError { action, path: path.clone(), cause }
}

fn create_results(results: &Path) -> Result<(), StoreError> {
    if let Some(parent) = results.parent() {
        fs::create_dir_all(parent).map_err(at("create", parent))?;
    }
    match fs::create_dir(results) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at("create", results)(error)),
        // Only in a directory of our own making: others may be versioned on purpose.
        Ok(()) => {
            let path = results.join(".gitignore");
            fs::write(&path, "*\n").map_err(at("write", &path))
        }
    }
}

/// The time in UTC to the millisecond, so that names sort by age, and 32 random bits.
pub(crate) fn new_run_id(now: SystemTime) -> io::Result<String> {
    let mut random = [0; 4];
    // The kernel fills requests this small whole (getrandom(2)).
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(run_id(now, u32::from_ne_bytes(random)))
}

fn run_id(now: SystemTime, random: u32) -> String {
    format!("{}Z-{random:08x}", DateTime::<Utc>::from(now).format("%Y%m%dT%H%M%S%3f"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::TryLockError;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::result::document::tests::passed;
    use crate::result::{VerdictRecord, load};

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)
    }

    fn reproduction() -> Reproduction {
        Reproduction { command: vec!["lunlab".into(), "run".into()], qemu_argv: vec![] }
    }

    fn names(directory: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
        names.map(str::to_owned).into()
    }

    #[test]
    fn names_are_utc_times_that_sort() {
        assert_eq!(run_id(now(), 0xa1b2c3), "20260102T030405678Z-00a1b2c3");
        assert!(run_id(now(), u32::MAX) < run_id(now() + Duration::from_millis(1), 0));
    }

    #[test]
    fn a_run_in_progress_is_incomplete_and_a_finished_one_whole() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("a/results");
        let run = ResultDirectory::create(&results, now()).unwrap();
        let id = run.run_id().to_owned();
        assert_eq!(names(&results), set([".gitignore", &format!("{id}.incomplete")]));
        assert_eq!(fs::read_to_string(results.join(".gitignore")).unwrap(), "*\n");

        let (mut console, kmsg) = (run.console_log().unwrap(), run.kmsg_log().unwrap());
        console.push(b"hello\n").unwrap();
        run.write_spec("# spec\n").unwrap();
        let document = Document { logs: vec![console.finish(), kmsg.finish()], ..passed() };
        let path = run.finish(&document, &reproduction()).unwrap();

        assert_eq!(path, results.join(&id));
        assert_eq!(names(&results), set([".gitignore", &id]));
        assert_eq!(
            names(&path),
            set([
                "console.log",
                "junit.xml",
                "kmsg.jsonl",
                "ktap.txt",
                "repro.sh",
                "result.json",
                "spec.toml",
            ])
        );
        assert_eq!(fs::read_to_string(path.join("console.log")).unwrap(), "hello\n");
        let json = fs::read_to_string(path.join("result.json")).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("repro.sh"))), (0o700, 0o700));
    }

    #[test]
    fn a_killed_run_keeps_what_it_had_and_loses_its_lock() {
        let results = tempfile::tempdir().unwrap();
        let run = ResultDirectory::create(results.path(), now()).unwrap();
        let path = run.path().to_owned();
        run.write_spec("# spec\n").unwrap();
        let mut log = run.console_log().unwrap();
        log.push(b"last words\n").unwrap();
        for reason in ["one sample", "two samples"] {
            let verdict = VerdictRecord { reason: reason.into(), ..passed().verdict };
            run.keep(&Document { verdict, ..passed() }).unwrap();
        }
        let locked = || File::open(&path).unwrap().try_lock();
        assert!(matches!(locked(), Err(TryLockError::WouldBlock)));
        drop((run, log));
        assert!(locked().is_ok());
        assert_eq!(names(&path), set(["console.log", "result.json", "spec.toml"]));
        let loaded = load(&path).unwrap();
        assert!(loaded.incomplete && loaded.document.verdict.reason == "two samples");
        assert_eq!(fs::read_to_string(path.join("console.log")).unwrap(), "last words\n");
    }

    #[test]
    fn eight_runs_at_once_have_a_directory_each() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let run = ResultDirectory::create(&results, now()).unwrap();
                    run.finish(&passed(), &reproduction()).unwrap();
                });
            }
        });
        let names = names(&results);
        assert_eq!(names.len(), 9);
        assert!(names.iter().all(|name| !name.ends_with(".incomplete")));
    }

    #[test]
    fn a_directory_that_was_there_gets_no_gitignore() {
        let results = tempfile::tempdir().unwrap();
        let run = ResultDirectory::create(results.path(), now()).unwrap();
        assert_eq!(names(results.path()), set([&format!("{}.incomplete", run.run_id())]));
    }

    #[test]
    fn a_result_never_replaces_another() {
        let results = tempfile::tempdir().unwrap();
        let run = ResultDirectory::create(results.path(), now()).unwrap();
        let incomplete = run.path().to_owned();
        fs::create_dir(run.final_path()).unwrap();
        fs::write(run.final_path().join("result.json"), "older").unwrap();
        let error = run.finish(&passed(), &reproduction()).unwrap_err();
        assert!(error.to_string().starts_with("rename to "), "{error}");
        assert!(incomplete.join("result.json").exists());
        let older = results.path().join(error.path.file_name().unwrap()).join("result.json");
        assert_eq!(fs::read_to_string(older).unwrap(), "older");
    }

    #[test]
    fn errors_name_action_and_path() {
        let error = ResultDirectory::create(Path::new("/proc/lunlab"), now()).unwrap_err();
        assert!(error.to_string().starts_with("create /proc/lunlab: "), "{error}");
        let full = StoreError {
            action: "write",
            path: "x".into(),
            cause: io::ErrorKind::StorageFull.into(),
        };
        assert_eq!(
            full.hint().as_deref(),
            Some("make room, or choose another disk with --results DIR")
        );
    }
}
