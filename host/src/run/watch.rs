//! A spec's file that is watched for changes.

use crate::error::Error;
use crate::run::happening::What;
use crate::run::queue::Reporter;
use crate::spec::Spec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a file was emptied that is told at the latest: the file system comes in between.
const SETTLED: Duration = Duration::from_millis(50);

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
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let failed =
            |cause: String| Error::environment(format!("watch {}: {cause}", directory.display()));
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC)
            .map_err(|errno| failed(errno.to_string()))?;
        // Editors write a new file and rename it over the old one, so the directory is watched.
        let events = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MODIFY;
        inotify::add_watch(&watch, directory, events).map_err(|errno| failed(errno.to_string()))?;
        let (watched, reporter) = (self.clone(), reporter.clone());
        let thread = std::thread::Builder::new().name("spec".into());
        let thread = thread.spawn(move || {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(&watch, &mut buffer);
            let mut read = None;
            while let Ok(event) = events.next() {
                if watched.is_meant(&event) {
                    // Whoever begins to write again has emptied the file, perhaps before it was
                    // read; that one tells when it is done, too.
                    let whole = !event.events().contains(inotify::ReadFlags::MODIFY);
                    read = whole.then(|| ((watched.reload)(), Instant::now() + SETTLED));
                }
                if events.is_buffer_empty()
                    && let Some((spec, _)) = read.take_if(|(_, until)| is_settled(&watch, *until))
                {
                    reporter.tell(What::SpecChanged(Box::new(spec)));
                }
            }
        });
        thread.map(drop).map_err(|error| failed(error.to_string()))
    }

    fn is_meant(&self, event: &inotify::Event<'_>) -> bool {
        let name = self.path.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes);
        event.file_name().map(std::ffi::CStr::to_bytes) == name
    }
}

/// Whether nothing happens until then.
fn is_settled(watch: &impl AsFd, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    let mut fds = [PollFd::new(watch, PollFlags::IN)];
    let quiet = Timespec::try_from(left).is_ok_and(|left| poll(&mut fds, Some(&left)) == Ok(0));
    quiet || left.is_zero()
}
