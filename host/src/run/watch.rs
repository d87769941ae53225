//! A spec's file that is watched for changes, however it is saved: written over, renamed over, removed and made again, through links.

use crate::error::Error;
use crate::run::happening::What;
use crate::run::queue::Reporter;
use crate::spec::Spec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a file was emptied that is told at the latest: the file system comes in between.
const SETTLED: Duration = Duration::from_millis(50);

/// How long a file may be gone before that is told: some editors move the old one away before they write.
const GONE: Duration = Duration::from_millis(500);

/// The most links that are followed, as the kernel has it (`MAXSYMLINKS`, include/linux/namei.h).
const LINKS: usize = 40;

/// What happens to a name on the way to the file.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

/// Reads the spec anew, with all that the command line puts over it.
type Reload = Arc<dyn Fn() -> Result<Spec, String> + Send + Sync>;

/// What is watched.
#[derive(Clone)]
pub struct Watch {
    path: PathBuf,
    reload: Reload,
}

impl Watch {
    /// Watches `path`; `reload` reads it.
    #[must_use]
    pub fn new(path: PathBuf, reload: Reload) -> Self {
        Self { path, reload }
    }

    /// Tells of every change from now on, until the process ends.
    ///
    /// # Errors
    /// When the spec's directory cannot be watched.
    pub fn begin(&self, reporter: &Reporter) -> Result<(), Error> {
        let failed = |cause: std::io::Error| {
            Error::environment(format!("watch {}: {cause}", self.path.display()))
        };
        let path = std::path::absolute(&self.path).map_err(failed)?;
        let mut watcher = Watcher::new(path).map_err(|errno| failed(errno.into()))?;
        let (watched, reporter) = (self.clone(), reporter.clone());
        let thread = std::thread::Builder::new().name("spec".into());
        let thread = thread.spawn(move || while watched.turn(&mut watcher, &reporter).is_ok() {});
        thread.map(drop).map_err(failed)
    }

    /// Waits until something happens or is due, and deals with that.
    fn turn(&self, watcher: &mut Watcher, reporter: &Reporter) -> Result<(), Errno> {
        if !watcher.wait()? {
            if let Some((spec, _)) = watcher.read.take() {
                reporter.tell(What::SpecChanged(Box::new(spec)));
            }
            return Ok(());
        }
        for state in watcher.states()? {
            let (spec, settled) = match state {
                // Whoever begins to write has emptied the file, and tells when it is done.
                State::Unfinished => {
                    watcher.read = None;
                    continue;
                }
                State::Whole => ((self.reload)(), SETTLED),
                State::Gone => {
                    let path = self.path.display();
                    (Err(format!("{path} is gone; what stands stays until there is another")), GONE)
                }
            };
            watcher.read = Some((spec, Instant::now() + settled));
        }
        Ok(())
    }
}

/// How the file is after something happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Unfinished,
    Gone,
}

struct Watcher {
    path: PathBuf,
    inotify: OwnedFd,
    /// The names that matter, by the watch of their directory.
    names: HashMap<i32, Vec<OsString>>,
    /// What was read, to be told unless something happens until then.
    read: Option<(Result<Spec, String>, Instant)>,
}

impl Watcher {
    fn new(path: PathBuf) -> Result<Self, Errno> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let mut watcher = Self { path, inotify, names: HashMap::new(), read: None };
        watcher.follow()?;
        Ok(watcher)
    }

    /// Watches every directory on the way to the file as it is now.
    fn follow(&mut self) -> Result<(), Errno> {
        let way = way(&self.path);
        let mut names: HashMap<i32, Vec<OsString>> = HashMap::new();
        let mut last = Err(Errno::NOENT);
        for (n, (directory, name)) in way.iter().enumerate() {
            let mut events = NAMES | WatchFlags::MASK_ADD;
            if n + 1 == way.len() {
                events |= WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
            }
            // One above that cannot be watched only hides that it is another.
            last = inotify::add_watch(&self.inotify, directory, events);
            if let Ok(watch) = last {
                names.entry(watch).or_default().push(name.clone());
            }
        }
        for gone in self.names.keys().filter(|watch| !names.contains_key(watch)) {
            let _gone_with_its_directory = inotify::remove_watch(&self.inotify, *gone);
        }
        self.names = names;
        last.map(drop)
    }

    /// Waits for something to happen; false when what was read is due before.
    fn wait(&self) -> Result<bool, Errno> {
        loop {
            let left =
                self.read.as_ref().map(|(_, due)| due.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = [PollFd::new(&self.inotify, PollFlags::IN)];
            match poll(&mut fds, left.as_ref()) {
                Err(Errno::INTR) => {}
                other => return other.map(|ready| ready > 0),
            }
        }
    }

    /// What has happened to the file.
    fn states(&mut self) -> Result<Vec<State>, Errno> {
        let (mut states, mut moved) = (Vec::new(), false);
        {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
            loop {
                let event = events.next()?;
                let flags = event.events();
                if flags.contains(ReadFlags::QUEUE_OVERFLOW) || self.is_meant(&event) {
                    moved |= !flags.intersects(ReadFlags::MODIFY | ReadFlags::CLOSE_WRITE);
                    states.push(self.state_after(flags));
                }
                if events.is_buffer_empty() {
                    break;
                }
            }
        }
        if moved {
            // Where the way is broken off, the rest of it is watched once it is there again.
            let _as_far_as_it_goes = self.follow();
        }
        Ok(states)
    }

    fn is_meant(&self, event: &inotify::Event<'_>) -> bool {
        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
        let names = self.names.get(&event.wd());
        names.zip(name).is_some_and(|(names, name)| names.iter().any(|known| known == name))
    }

    fn state_after(&self, flags: ReadFlags) -> State {
        if flags.contains(ReadFlags::MODIFY) {
            return State::Unfinished;
        }
        match std::fs::symlink_metadata(&self.path) {
            // A new file is being written; a new link, or a directory with all that is in it, is whole.
            Ok(found) if flags.contains(ReadFlags::CREATE) => {
                let written = found.is_file() && found.nlink() == 1 && !self.is_linked();
                if written { State::Unfinished } else { State::of(&self.path) }
            }
            _ => State::of(&self.path),
        }
    }

    /// Whether there is a link on the way.
    fn is_linked(&self) -> bool {
        self.path.canonicalize().is_ok_and(|real| real != self.path)
    }
}

impl State {
    fn of(path: &Path) -> Self {
        if path.exists() { Self::Whole } else { Self::Gone }
    }
}

/// Every name that is looked up on the way to a file, in its directory, links and what they lead to; as far as there is something.
fn way(path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut at = PathBuf::from("/");
    let mut names: VecDeque<OsString> = parts(path).collect();
    let (mut way, mut links) = (Vec::new(), 0);
    while let Some(name) = names.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        way.push((at.clone(), name));
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                parts(&target).rev().for_each(|name| names.push_front(name));
            }
            _ if next.symlink_metadata().is_err() => break,
            _ => at = next,
        }
    }
    way
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Watch, way};
    use crate::run::happening::What;
    use crate::run::queue::{Happenings, queue};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    /// Long enough for any machine.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Watches `spec` in `at`; what is told is what was read.
    fn watching(at: &Path) -> Happenings {
        let path = at.join("spec");
        let reread = path.clone();
        let reload = move || {
            Err(fs::read_to_string(&reread).unwrap_or_else(|error| format!("unread: {error}")))
        };
        let (reporter, happenings) = queue();
        Watch::new(path, Arc::new(reload)).begin(&reporter).unwrap();
        happenings
    }

    fn told(happenings: &Happenings) -> String {
        let What::SpecChanged(spec) = happenings.next(LIMIT).unwrap().what else {
            panic!("something else happened")
        };
        spec.unwrap_err()
    }

    /// A directory with a spec in it; `make` makes it.
    fn directory(make: impl FnOnce(&Path)) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        directory
    }

    fn write(at: &Path, name: &str, text: &str) {
        fs::write(at.join(name), text).unwrap();
    }

    fn file(at: &Path) {
        write(at, "spec", "old");
    }

    fn link(at: &Path) {
        fs::create_dir(at.join("away")).unwrap();
        write(at, "away/real", "old");
        symlink("away/real", at.join("spec")).unwrap();
    }

    fn rename(at: &Path, from: &str, to: &str) {
        fs::rename(at.join(from), at.join(to)).unwrap();
    }

    #[test]
    fn every_way_to_save_is_told_once_it_is_whole() {
        type Way = (&'static str, fn(&Path), fn(&Path));
        let ways: [Way; 9] = [
            ("written over", file, |at| write(at, "spec", "new")),
            ("another is renamed over it", file, |at| {
                write(at, "spec.tmp", "new");
                rename(at, "spec.tmp", "spec");
            }),
            ("moved away and written anew", file, |at| {
                rename(at, "spec", "spec~");
                write(at, "spec", "new");
            }),
            ("removed and written anew", file, |at| {
                fs::remove_file(at.join("spec")).unwrap();
                write(at, "spec", "new");
            }),
            ("another name for a file", file, |at| {
                write(at, "other", "new");
                fs::remove_file(at.join("spec")).unwrap();
                fs::hard_link(at.join("other"), at.join("spec")).unwrap();
            }),
            ("what a link leads to is written over", link, |at| write(at, "away/real", "new")),
            ("what a link leads to is renamed over", link, |at| {
                write(at, "away/tmp", "new");
                rename(at, "away/tmp", "away/real");
            }),
            ("a link is made anew", link, |at| {
                write(at, "away/other", "new");
                fs::remove_file(at.join("spec")).unwrap();
                symlink("away/other", at.join("spec")).unwrap();
            }),
            ("another directory takes the place of the link's", link, |at| {
                fs::create_dir(at.join("next")).unwrap();
                write(at, "next/real", "new");
                rename(at, "away", "gone");
                rename(at, "next", "away");
            }),
        ];
        for (way, make, save) in ways {
            let directory = directory(make);
            let happenings = watching(directory.path());
            write(directory.path(), "beside", "nobody asks for it");
            save(directory.path());
            assert_eq!(told(&happenings), "new", "{way}");
            // What was put in its place is watched in its turn.
            write(directory.path(), "spec", "newer");
            assert_eq!(told(&happenings), "newer", "{way}");
        }
    }

    #[test]
    fn a_file_that_is_gone_is_told_so_and_the_next_one_is_read() {
        let directory = directory(file);
        let happenings = watching(directory.path());
        fs::remove_file(directory.path().join("spec")).unwrap();
        let gone = told(&happenings);
        assert!(
            gone.ends_with("/spec is gone; what stands stays until there is another"),
            "{gone}"
        );
        write(directory.path(), "spec", "new");
        assert_eq!(told(&happenings), "new");
    }

    #[test]
    fn one_that_is_being_written_is_not_read_before_its_end() {
        use std::io::Write;
        let directory = directory(file);
        let happenings = watching(directory.path());
        let mut open = fs::File::create(directory.path().join("spec")).unwrap();
        open.write_all(b"ha").unwrap();
        assert!(happenings.next(super::SETTLED * 4).is_none());
        open.write_all(b"lf").unwrap();
        drop(open);
        assert_eq!(told(&happenings), "half");
    }

    #[test]
    fn a_way_goes_through_links_and_ends_where_nothing_is() {
        let directory = directory(link);
        let at = directory.path().canonicalize().unwrap();
        let last = |path: &Path| {
            let way = way(path);
            let names = way.iter().map(|(at, name)| at.join(name));
            names
                .filter_map(|path| Some(path.strip_prefix(&at).ok()?.display().to_string()))
                .filter(|path| !path.is_empty())
                .collect::<Vec<_>>()
        };
        assert_eq!(last(&at.join("spec")), ["spec", "away", "away/real"]);
        assert_eq!(last(&at.join("none/of/it")), ["none"]);
        symlink("loop", at.join("loop")).unwrap();
        assert!(way(&at.join("loop")).len() > super::LINKS);
    }
}
