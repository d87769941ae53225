//! The mount: mount(2) itself, as there is no mount.cifs in the guest.

use super::{failed, io_failed};
use lunlab_bench::smb::given;
use lunlab_bench::workload::{Stopped, Values};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SeekFrom, open, seek};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::cell::RefCell;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

/// What a mount may take; a server that accepts a connection and says nothing would be waited for without end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds between the client's questions whether the server is alive; after three of them without an answer it gives a connection up.
/// Its own 60 would make a server that hangs a run of minutes.
const ECHO_INTERVAL: u32 = 10;

/// The most lines of the kernel's log in a message.
const LINES: usize = 8;

/// What is mounted, and how.
pub(super) struct Share {
    source: String,
    /// All but who asks.
    options: String,
    user: String,
    password: String,
}

impl Share {
    /// The share that the host gives, if it does.
    pub(super) fn of(values: &Values) -> Result<Self, Stopped> {
        let text = |name| values.text(name).to_owned();
        let server = text(given::SERVER);
        if server.is_empty() {
            let why = "a guest mounts a share of its host, and this is no guest with such a host";
            return Err(Stopped::Skipped(why.to_owned()));
        }
        let (vers, port) = (text("vers"), values.number(given::PORT)?);
        Ok(Self {
            source: format!("//{server}/{}", text(given::SHARE)),
            // `soft`: what the server does not answer fails, instead of waiting for its return. `nosharesock` and `nohandlecache`:
            // nothing is left of a mount before this one, nor of a directory that was open.
            options: format!(
                "vers={vers},ip={server},port={port},cache=none,actimeo=0,nohandlecache,nosharesock,soft,echo_interval={ECHO_INTERVAL}"
            ),
            user: text(given::USER),
            password: text(given::PASSWORD),
        })
    }

    /// It, without who asks.
    pub(super) fn shown(&self) -> String {
        format!("{} ({})", self.source, self.options)
    }

    fn data(&self) -> String {
        // The client reads two commas in a password as one.
        let password = self.password.replace(',', ",,");
        format!("{},username={},password={password}", self.options, self.user)
    }

    fn mount(&self, at: &Path) -> Result<(), Stopped> {
        let data = CString::new(self.data()).unwrap_or_default();
        let (source, at) = (self.source.clone(), at.to_owned());
        let (told, heard) = channel();
        // In a thread: it ends with this program, whatever it waits for.
        std::thread::spawn(move || {
            told.send(mount(source, &at, "cifs", MountFlags::empty(), data.as_c_str()))
        });
        let what = || format!("mount {}", self.shown());
        match heard.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome.map_err(|errno| failed(&what(), errno)),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                Err(Stopped::Failed(format!("{}: no end after {seconds} s", what())))
            }
        }
    }
}

/// A share that is mounted, until this goes.
pub(super) struct Mount {
    at: PathBuf,
    log: KernelLog,
    is_there: bool,
}

impl Mount {
    /// Mounts a share.
    pub(super) fn new(share: &Share, at: &Path) -> Result<Self, Stopped> {
        std::fs::create_dir_all(at).map_err(|error| io_failed("mkdir", at, &error))?;
        let mut this = Self { at: at.to_owned(), log: KernelLog::from_now(), is_there: false };
        if let Err(stopped) = share.mount(at) {
            return Err(this.with_log(stopped));
        }
        this.is_there = true;
        Ok(this)
    }

    /// Unmounts it.
    pub(super) fn unmount(mut self) -> Result<(), Stopped> {
        unmount(&self.at, UnmountFlags::empty())
            .map_err(|errno| failed(&format!("umount {}", self.at.display()), errno))?;
        self.is_there = false;
        std::fs::remove_dir(&self.at).map_err(|error| io_failed("rmdir", &self.at, &error))
    }

    /// What the client complained of.
    pub(super) fn complaints(&self) -> Option<String> {
        let said = self.log.said().into_iter().filter(|line| line.starts_with("CIFS: VFS:"));
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// A failure, with what the kernel had to say meanwhile.
    pub(super) fn with_log(&self, stopped: Stopped) -> Stopped {
        match (stopped, self.log.said()) {
            (Stopped::Failed(why), said) if !said.is_empty() => {
                Stopped::Failed(format!("{why}; the kernel said: {}", said.join("; ")))
            }
            (stopped, _) => stopped,
        }
    }
}

impl Drop for Mount {
    /// A server that is gone is not waited for.
    fn drop(&mut self) {
        if self.is_there {
            let _stays = unmount(&self.at, UnmountFlags::FORCE | UnmountFlags::DETACH);
        }
    }
}

/// The kernel's log from a moment on, and what was read of it.
struct KernelLog(Option<OwnedFd>, RefCell<Vec<String>>);

impl KernelLog {
    /// A kernel log that cannot be read has nothing to say.
    fn from_now() -> Self {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let log = open("/dev/kmsg", flags, Mode::empty()).ok();
        let log = log.filter(|log| seek(log, SeekFrom::End(0)).is_ok());
        Self(log, RefCell::default())
    }

    /// The last lines since then, as often as it is asked.
    fn said(&self) -> Vec<String> {
        let mut lines = self.1.borrow_mut();
        let mut record = [0; 8192];
        // A read gives one record; EPIPE says that some were overwritten, and the next read goes on after them.
        while let Some(log) = &self.0 {
            match rustix::io::read(log, &mut record) {
                Ok(count) => lines.extend(text(&record[..count])),
                Err(rustix::io::Errno::PIPE) => {}
                Err(_) => break,
            }
        }
        let surplus = lines.len().saturating_sub(LINES);
        lines.drain(..surplus);
        lines.clone()
    }
}

/// The text of a record: after its numbers, in one line (Documentation/ABI/testing/dev-kmsg).
fn text(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (_, text) = record.split_once(';')?;
    Some(text.lines().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Share, text};
    use lunlab_bench::workload::Values;

    #[test]
    fn who_asks_is_in_the_options_and_nowhere_else() {
        let given = [
            ("vers", "2.1"),
            ("server", "10.0.2.4"),
            ("port", "445"),
            ("share", "lunlab"),
            ("user", "me"),
            ("password", "can,ary"),
        ];
        let values: Values =
            given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let share = Share::of(&values).unwrap();
        assert!(share.data().starts_with("vers=2.1,ip=10.0.2.4,port=445,"), "{}", share.data());
        assert!(share.data().ends_with(",username=me,password=can,,ary"));
        let shown = share.shown();
        assert!(shown.starts_with("//10.0.2.4/lunlab (vers=2.1,"), "{shown}");
        assert!(!shown.contains("me,") && !shown.contains("ary"), "{shown}");
    }

    #[test]
    fn a_record_is_its_first_line() {
        let record =
            b"3,642,123456,-;CIFS: VFS: cifs_mount failed w/return code = -13\n SUBSYSTEM=x\n";
        assert_eq!(text(record).unwrap(), "CIFS: VFS: cifs_mount failed w/return code = -13");
        assert_eq!(text(b"nothing"), None);
    }
}
