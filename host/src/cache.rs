//! The cache: `${XDG_CACHE_HOME:-$HOME/.cache}/lunlab`, shared by every lunlab of one user.
//!
//! Nothing in it is ever changed in place: a file is written beside its final name and renamed, so
//! that several lunlab at once see a whole file or none. What was computed from files is remembered
//! as a [`Record`] that lists those files by identity; one that changed makes the record void.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::digest::Digest;
use crate::error::Error;

/// A record larger than this is not ours.
const RECORD_LIMIT: u64 = 4 << 20;

/// Kernel clocks stamp files with the tick, so a file changed twice within one can look unchanged.
const TICK: Duration = Duration::from_millis(20);

/// A temporary or unrecorded file this old belongs to no living lunlab.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl FileIdentity {
    /// The identity of the file (links followed) at `path`.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|meta| Self::from_metadata(&meta))
    }

    /// The identity that `meta` tells of.
    #[must_use]
    pub fn from_metadata(meta: &fs::Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the last change was so long before `time` that one made since would show.
    fn is_settled_at(&self, time: SystemTime) -> bool {
        let Ok(time) = time.duration_since(SystemTime::UNIX_EPOCH) else {
            return false;
        };
        let seconds = u64::try_from(self.ctime.0).unwrap_or(0);
        let nanos = u32::try_from(self.ctime.1).unwrap_or(0);
        time >= Duration::new(seconds, nanos) + TICK
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        Some(Self {
            dev: next()?.parse().ok()?,
            ino: next()?.parse().ok()?,
            size: next()?.parse().ok()?,
            mtime: (next()?.parse().ok()?, next()?.parse().ok()?),
            ctime: (next()?.parse().ok()?, next()?.parse().ok()?),
        })
    }
}

impl fmt::Display for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mtime, ctime) = (self.mtime, self.ctime);
        write!(
            f,
            "{} {} {} {} {} {} {}",
            self.dev, self.ino, self.size, mtime.0, mtime.1, ctime.0, ctime.1
        )
    }
}

/// A file of the cache named by its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it is.
    pub path: PathBuf,
    /// The SHA-256 of its contents.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What was computed from some files, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When the first of them may have been read.
    begun: SystemTime,
    inputs: Vec<(PathBuf, Option<FileIdentity>)>,
    /// The file of the cache that holds the result, where that is a file.
    pub output: Option<Stored>,
    /// The result, or what else is to be known of it.
    pub facts: Vec<String>,
}

impl Record {
    /// An empty record: to be begun before any input is read, because an input changed after that makes it worthless.
    #[must_use]
    pub fn begin() -> Self {
        Self { begun: SystemTime::now(), inputs: Vec::new(), output: None, facts: Vec::new() }
    }

    /// Takes the present identity of `path`, or its absence, as an input.
    pub fn depends_on(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        let identity = FileIdentity::of(&path).ok();
        self.inputs.push((path, identity));
    }

    fn is_current(&self) -> bool {
        self.inputs.iter().all(|(path, identity)| FileIdentity::of(path).ok() == *identity)
    }

    fn is_settled(&self) -> bool {
        let mut present = self.inputs.iter().filter_map(|(_, identity)| *identity);
        present.all(|identity| identity.is_settled_at(self.begun))
    }

    fn to_text(&self, key: &str, output: Option<FileIdentity>) -> Vec<u8> {
        let mut text = format!("key {}\n", Digest::of(key.as_bytes())).into_bytes();
        for (path, identity) in &self.inputs {
            let identity = identity.map_or("-".to_owned(), |identity| identity.to_string());
            text.extend_from_slice(format!("input {identity}\t").as_bytes());
            text.extend_from_slice(path.as_os_str().as_bytes());
            text.push(b'\n');
        }
        if let (Some(stored), Some(identity)) = (&self.output, output) {
            text.extend_from_slice(format!("output {} {identity}\n", stored.digest).as_bytes());
        }
        for fact in &self.facts {
            text.extend_from_slice(format!("fact {fact}\n").as_bytes());
        }
        text.extend_from_slice(b"end\n");
        text
    }

    /// Whether the line format can carry it.
    fn is_writable(&self) -> bool {
        let path_ok = |path: &Path| !path.as_os_str().as_bytes().contains(&b'\n');
        self.inputs.iter().all(|(path, _)| path_ok(path))
            && self.facts.iter().all(|fact| !fact.contains('\n'))
    }
}

/// A record as read: the output's identity is not yet checked.
struct Remembered {
    record: Record,
    output: Option<(Digest, FileIdentity)>,
}

impl Remembered {
    fn parse(bytes: &[u8], key: &str) -> Option<Self> {
        let lines = bytes.strip_suffix(b"end\n")?.strip_suffix(b"\n")?;
        let mut lines = lines.split(|byte| *byte == b'\n');
        let first = format!("key {}", Digest::of(key.as_bytes()));
        if lines.next()? != first.as_bytes() {
            return None;
        }
        let mut this = Self { record: Record::begin(), output: None };
        lines.try_for_each(|line| this.take_line(line))?;
        Some(this)
    }

    fn take_line(&mut self, line: &[u8]) -> Option<()> {
        let (word, rest) = split_once(line, b' ')?;
        match word {
            b"input" => {
                let (identity, path) = split_once(rest, b'\t')?;
                let identity = match std::str::from_utf8(identity).ok()? {
                    "-" => None,
                    text => Some(FileIdentity::from_text(text)?),
                };
                let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
                self.record.inputs.push((path, identity));
            }
            b"output" => {
                let (digest, identity) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
                self.output = Some((Digest::from_hex(digest)?, FileIdentity::from_text(identity)?));
            }
            b"fact" => self.record.facts.push(String::from_utf8(rest.into()).ok()?),
            _ => return None,
        }
        Some(())
    }
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..index], &bytes[index + 1..]))
}

/// The cache directory of this user.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache that the environment names, and creates it (mode 0700) where it is not there.
    ///
    /// # Errors
    /// Environment, when neither `XDG_CACHE_HOME` nor `HOME` is an absolute path, or the directory
    /// cannot be created or written.
    pub fn open() -> Result<Self, Error> {
        let root = root_from(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))?;
        Self::at(root)
    }

    /// Opens the cache in a directory of the caller's choice.
    ///
    /// # Errors
    /// Environment, when the directory cannot be created or written.
    pub fn at(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        make_dir(&root)?;
        rustix::fs::access(&root, rustix::fs::Access::WRITE_OK)
            .map_err(|errno| unwritable("write to", &root, errno.into()))?;
        Ok(Self { root })
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory below the root, created where it is not there.
    ///
    /// # Errors
    /// Environment, when it cannot be created.
    pub fn dir(&self, name: &str) -> Result<PathBuf, Error> {
        let dir = self.root.join(name);
        make_dir(&dir)?;
        Ok(dir)
    }

    /// Puts a file at `dir/name`, whole or not at all, with the given mode.
    ///
    /// # Errors
    /// Environment, when the cache cannot be written, and what `fill` says.
    pub fn place(
        &self,
        dir: &str,
        name: &str,
        mode: u32,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<PathBuf, Error> {
        let dir = self.dir(dir)?;
        let path = dir.join(name);
        let write = || -> io::Result<()> {
            let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(&dir)?;
            fill(temporary.as_file_mut())?;
            temporary.as_file().set_permissions(Permissions::from_mode(mode))?;
            temporary.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| unwritable("write", &path, error))?;
        Ok(path)
    }

    /// Stores `bytes` below `kind` under the name of their digest, also over a damaged file of that name.
    ///
    /// # Errors
    /// Environment, when the cache cannot be written.
    pub fn store(&self, kind: &str, bytes: &[u8]) -> Result<Stored, Error> {
        let digest = Digest::of(bytes);
        let path = self.place(kind, &digest.to_string(), 0o600, |file| file.write_all(bytes))?;
        Ok(Stored { path, digest, size: u64::try_from(bytes.len()).unwrap_or(u64::MAX) })
    }

    /// What was recorded of `kind` under `key`, if every input is as it was and the output is whole.
    #[must_use]
    pub fn recall(&self, kind: &str, key: &str) -> Option<Record> {
        let path = self.record_path(kind, key);
        let mut bytes = Vec::new();
        let file = File::open(&path).ok()?;
        (&file).take(RECORD_LIMIT).read_to_end(&mut bytes).ok()?;
        let Remembered { mut record, output } = Remembered::parse(&bytes, key)?;
        if !record.is_current() {
            return None;
        }
        if let Some((digest, identity)) = output {
            record.output = Some(self.whole_output(kind, digest, identity)?);
        }
        mark_used(&path);
        Some(record)
    }

    /// Remembers `record`. A record whose inputs changed since it was begun, or just before, is not kept: it could go
    /// stale unnoticed. A cache that cannot be written costs only the next run's time, so nothing is reported.
    pub fn record(&self, kind: &str, key: &str, record: &Record) {
        if !record.is_writable() || !record.is_settled() || !record.is_current() {
            return;
        }
        // Taken after the rename that put it there, which changes ctime.
        let output = match &record.output {
            Some(stored) => match FileIdentity::of(&stored.path) {
                Ok(identity) => Some(identity),
                Err(_) => return,
            },
            None => None,
        };
        let text = record.to_text(key, output);
        let path = self.record_path(kind, key);
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        let dir = dir.strip_prefix(&self.root).ok().and_then(Path::to_str);
        if let (Some(dir), Some(name)) = (dir, name.to_str()) {
            drop(self.place(dir, name, 0o600, |file| file.write_all(&text)));
        }
    }

    /// Removes records of `kind` beyond the `keep` last used, or unused for `age`, and the outputs that no record names.
    pub fn prune(&self, kind: &str, keep: usize, age: Duration) {
        let mut records = files_by_age(&self.root.join("index").join(kind));
        records.sort_by_key(|(_, idle)| *idle);
        let mut named = Vec::new();
        for (place, (path, idle)) in records.iter().enumerate() {
            if place >= keep || *idle > age {
                drop(fs::remove_file(path));
            } else if let Some(digest) = output_named_in(path) {
                named.push(digest);
            }
        }
        for (path, idle) in files_by_age(&self.root.join(kind)) {
            let is_named = named.iter().any(|name| path.ends_with(name));
            if !is_named && idle > ABANDONED {
                drop(fs::remove_file(path));
            }
        }
    }

    fn record_path(&self, kind: &str, key: &str) -> PathBuf {
        let name = Digest::of(key.as_bytes()).to_string();
        self.root.join("index").join(kind).join(name)
    }

    /// The output as it was stored. One touched since (a copied cache, or damage) is read to tell which.
    fn whole_output(&self, kind: &str, digest: Digest, was: FileIdentity) -> Option<Stored> {
        let path = self.root.join(kind).join(digest.to_string());
        let is = FileIdentity::of(&path).ok()?;
        let whole = is == was
            || (is.size == was.size && Digest::of_reader(File::open(&path).ok()?).ok()? == digest);
        whole.then_some(Stored { path, digest, size: is.size })
    }
}

fn root_from(xdg: Option<OsString>, home: Option<OsString>) -> Result<PathBuf, Error> {
    // The XDG specification: a relative path is to be ignored.
    let absolute =
        |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg).or_else(|| absolute(home).map(|home| home.join(".cache")));
    base.map(|base| base.join("lunlab")).ok_or_else(|| {
        Error::environment(
            "no place for the cache: neither XDG_CACHE_HOME nor HOME is an absolute path",
        )
        .with_hint("export HOME, or XDG_CACHE_HOME=/a/directory/you/can/write")
    })
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| unwritable("create", dir, error))
}

fn unwritable(doing: &str, path: &Path, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room there, or point XDG_CACHE_HOME to another disk"
        }
        _ => "point XDG_CACHE_HOME to a directory you can write",
    };
    Error::environment(format!("{doing} {}: {error}", path.display())).with_hint(hint)
}

/// Makes the time of last use visible to `prune`; once a day is enough.
fn mark_used(path: &Path) {
    let idle = fs::metadata(path).and_then(|meta| meta.modified()).map(age_of);
    if idle.is_ok_and(|idle| idle > Duration::from_secs(24 * 3600)) {
        let touched = File::options().write(true).open(path);
        drop(touched.and_then(|file| file.set_modified(SystemTime::now())));
    }
}

fn age_of(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

fn files_by_age(dir: &Path) -> Vec<(PathBuf, Duration)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((entry.path(), age_of(meta.modified().ok()?)))
        })
        .collect()
}

fn output_named_in(record: &Path) -> Option<String> {
    let text = fs::read(record).ok()?;
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"output "))?;
    let (digest, _) = split_once(line, b' ')?;
    String::from_utf8(digest.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        (dir, cache)
    }

    /// Writes a file and returns once a further change would show.
    fn write_settled(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        while !FileIdentity::of(path).unwrap().is_settled_at(SystemTime::now()) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn root_follows_the_xdg_specification() {
        let os = |text: &str| Some(OsString::from(text));
        let root = |xdg, home| root_from(xdg, home).map_err(|error| error.category());
        assert_eq!(root(os("/x"), os("/h")), Ok("/x/lunlab".into()));
        assert_eq!(root(os("x"), os("/h")), Ok("/h/.cache/lunlab".into()));
        assert_eq!(root(os(""), os("/h")), Ok("/h/.cache/lunlab".into()));
        assert_eq!(root(None, os("")), Err(crate::error::Category::Environment));
    }

    #[test]
    fn directories_are_private_and_a_file_in_the_way_is_an_environment_error() {
        let (dir, cache) = cache();
        let mode = fs::metadata(cache.root()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Cache::at(dir.path().join("file/below")).unwrap_err();
        assert_eq!(error.category(), crate::error::Category::Environment);
        assert!(error.to_string().contains("file/below"), "{error}");
        assert!(error.hint().unwrap().contains("XDG_CACHE_HOME"));
    }

    #[test]
    fn a_record_holds_until_an_input_changes_in_place() {
        let (dir, cache) = cache();
        let (input, absent) = (dir.path().join("in put"), dir.path().join("absent"));
        write_settled(&input, b"one");
        let mut record = Record::begin();
        record.depends_on(&input);
        record.depends_on(&absent);
        record.facts = vec!["a fact".into(), String::new()];
        record.output = Some(cache.store("things", b"result").unwrap());
        cache.record("things", "key", &record);
        let recalled = cache.recall("things", "key").unwrap();
        assert_eq!((&recalled.output, &recalled.facts), (&record.output, &record.facts));
        assert_eq!(cache.recall("things", "other key"), None);
        fs::write(&absent, "now here").unwrap();
        assert_eq!(cache.recall("things", "key"), None);
        fs::remove_file(&absent).unwrap();
        assert!(cache.recall("things", "key").is_some());
        write_settled(&input, b"two");
        assert_eq!(cache.recall("things", "key"), None);
    }

    #[test]
    fn a_record_of_a_file_changed_while_it_was_read_is_not_kept() {
        let (dir, cache) = cache();
        let input = dir.path().join("input");
        write_settled(&input, b"one");
        let mut record = Record::begin();
        write_settled(&input, b"two");
        record.depends_on(&input);
        cache.record("things", "key", &record);
        assert_eq!(cache.recall("things", "key"), None);
    }

    #[test]
    fn a_damaged_or_cut_output_is_not_recalled_and_a_touched_one_is() {
        let (_dir, cache) = cache();
        let mut record = Record::begin();
        let stored = cache.store("things", b"result").unwrap();
        record.output = Some(stored.clone());
        cache.record("things", "key", &record);
        fs::write(&stored.path, b"result").unwrap();
        assert!(cache.recall("things", "key").is_some());
        fs::write(&stored.path, b"rEsult").unwrap();
        assert!(cache.recall("things", "key").is_none());
        fs::write(&stored.path, b"res").unwrap();
        assert!(cache.recall("things", "key").is_none());
        cache.store("things", b"result").unwrap();
        assert!(cache.recall("things", "key").is_some());
    }

    #[test]
    fn a_garbled_record_is_no_record() {
        let (_dir, cache) = cache();
        cache.record("things", "key", &Record::begin());
        let path = cache.record_path("things", "key");
        let good = fs::read(&path).unwrap();
        assert!(cache.recall("things", "key").is_some());
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(cache.recall("things", "key").is_none(), "{length} bytes");
        }
    }

    #[test]
    fn prune_keeps_the_last_used_and_what_they_name() {
        let (_dir, cache) = cache();
        let old = SystemTime::now() - Duration::from_secs(7200);
        let paths: Vec<_> = (0..4_u64)
            .map(|n| {
                let stored = cache.store("things", &n.to_le_bytes()).unwrap();
                let file = File::options().write(true).open(&stored.path).unwrap();
                file.set_modified(old).unwrap();
                let key = n.to_string();
                let mut record = Record::begin();
                record.output = Some(stored.clone());
                cache.record("things", &key, &record);
                let file = File::options().write(true).open(cache.record_path("things", &key));
                file.unwrap().set_modified(old + Duration::from_secs(n * 600)).unwrap();
                stored.path
            })
            .collect();
        let present = || paths.iter().map(|path| path.exists()).collect::<Vec<_>>();
        cache.prune("things", 2, Duration::from_secs(30 * 24 * 3600));
        assert_eq!(present(), [false, false, true, true]);
        cache.prune("things", 2, Duration::from_secs(5700));
        assert_eq!(present(), [false, false, false, true]);
    }
}
