//! Samba beside a run: its user, its share, and an smbd for each connection.

use super::configuration::Configuration;
use super::{ADDRESS, Programs, SHARE, handover, socket};
use crate::error::Error;
use crate::guardian::Guardian;
use crate::run::happening::What;
use crate::run::machine::random_bytes;
use crate::run::queue::Reporter;
use crate::withheld::Withheld;
use lunlab_bench::smb::given;
use nix::unistd::{Uid, User};
use rustix::fs::statvfs;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most connections at a time: a mount has one, and the one before it may be ending.
const CONNECTIONS: usize = 8;

/// What a handover may take once it has connected.
const HANDOVER: Duration = Duration::from_secs(10);

/// How much of the log's end is looked at, and the most lines that are taken of it.
const TAIL: i64 = 8192;
const LINES: usize = 6;

/// A share and all who serve it, until this goes.
pub struct Server {
    shared: Arc<Shared>,
    listener: UnixListener,
    password: String,
}

/// What the threads of connections have in common.
struct Shared {
    smbd: PathBuf,
    directory: PathBuf,
    user: String,
    withheld: Withheld,
    reporter: Reporter,
    connections: Mutex<Connections>,
}

/// Connections that are served, each by the guardian of its smbd.
#[derive(Default)]
struct Connections {
    guardians: BTreeMap<u64, Guardian>,
    is_closed: bool,
}

impl Server {
    /// Makes the share and its user, and takes connections from now on.
    ///
    /// # Errors
    /// Environment, when Samba's own program refuses to, or the run's directory cannot be used.
    pub fn start(
        programs: &Programs,
        directory: &Path,
        guardian: &Guardian,
        reporter: &Reporter,
    ) -> Result<Self, Error> {
        let shared = Shared {
            smbd: programs.smbd.clone(),
            directory: directory.join("smb"),
            user: user()?,
            withheld: guardian.withheld().clone(),
            reporter: reporter.clone(),
            connections: Mutex::default(),
        };
        let password = random_bytes::<16>()?;
        let password: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
        for directory in [&shared.directory, &shared.share()] {
            make_directory(directory)?;
        }
        shared.add_user(&programs.pdbedit, &password, guardian)?;
        let path = socket(directory);
        let failed = |error| Error::environment(format!("bind {}: {error}", path.display()));
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let (shared, accepting) = (Arc::new(shared), listener.try_clone().map_err(failed)?);
        let threads = Arc::clone(&shared);
        start_thread("share", move || accept(&accepting, &threads))?;
        Ok(Self { shared, listener, password })
    }

    /// What the workload is given.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        // Where it cannot be known it is not compared.
        let total = statvfs(self.shared.share())
            .map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize));
        [
            (given::SERVER, ADDRESS.ip().to_string()),
            (given::PORT, ADDRESS.port().to_string()),
            (given::SHARE, SHARE.to_owned()),
            (given::USER, self.shared.user.clone()),
            (given::PASSWORD, self.password.clone()),
            (given::TOTAL, total.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The last lines of the log.
    #[must_use]
    pub fn log_tail(&self) -> Vec<String> {
        let Ok(mut log) = File::open(self.shared.log()) else { return Vec::new() };
        // One that is shorter is read from its beginning.
        let _shorter = log.seek(SeekFrom::End(-TAIL));
        let mut text = Vec::new();
        let _what_there_is = log.take(2 * TAIL.unsigned_abs()).read_to_end(&mut text);
        last_words(&String::from_utf8_lossy(&text))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut connections = self.shared.connections();
        connections.is_closed = true;
        let guardians = std::mem::take(&mut connections.guardians);
        drop(connections);
        // Its thread ends with that.
        let _ended = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        guardians.into_values().for_each(Guardian::finish);
    }
}

impl Shared {
    fn share(&self) -> PathBuf {
        self.directory.join("share")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a configuration whose state is kept in that directory.
    fn configure(&self, state: &Path) -> Result<PathBuf, Error> {
        let (share, users, log) = (self.share(), self.directory.join("users.tdb"), self.log());
        let configuration =
            Configuration { user: &self.user, share: &share, users: &users, log: &log, state };
        let (text, path) = (configuration.text()?, state.join("smb.conf"));
        std::fs::write(&path, text)
            .map_err(|error| Error::environment(format!("write {}: {error}", path.display())))?;
        Ok(path)
    }

    /// Makes the one user; its password goes by a pipe.
    fn add_user(&self, pdbedit: &Path, password: &str, guardian: &Guardian) -> Result<(), Error> {
        let failed = |what: String| {
            Error::environment(format!("{}: make the share's user: {what}", pdbedit.display()))
        };
        let mut command = Command::new(pdbedit);
        command
            .arg("--configfile")
            .arg(self.configure(&self.directory)?)
            .args(["--create", "--password-from-stdin", "--user", &self.user])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child =
            guardian.guard(&mut command).spawn().map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended has more to say than that its pipe is broken.
            let _ended = stdin.write_all(format!("{password}\n{password}\n").as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = words.lines().map(str::trim).rev().take(LINES).collect();
        Err(failed(format!(
            "{}: {}",
            output.status,
            words.into_iter().rev().collect::<Vec<_>>().join("; ")
        )))
    }

    /// Serves a connection until it ends.
    fn serve(&self, number: u64, connection: OwnedFd) {
        let outcome = match self.begin(number, connection) {
            Ok(Some(mut smbd)) => smbd.wait().map_err(|error| error.to_string()).and_then(as_asked),
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        let mut connections = self.connections();
        let (guardian, is_closed) = (connections.guardians.remove(&number), connections.is_closed);
        drop(connections);
        if let Some(guardian) = guardian {
            guardian.finish();
        }
        // What is ended with the run is no trouble.
        if let Some(how) = outcome.err().filter(|_| !is_closed) {
            self.reporter.tell(What::ShareTrouble(format!("smbd, which serves the share: {how}")));
        }
    }

    /// Starts an smbd under a guardian of its own: when its client is gone, it sends its whole process group a SIGTERM. What it keeps
    /// is its own as well, as what one that was killed leaves behind could keep the next one waiting.
    fn begin(&self, number: u64, connection: OwnedFd) -> Result<Option<Child>, Error> {
        let mut connections = self.connections();
        if connections.is_closed || connections.guardians.len() >= CONNECTIONS {
            return Ok(None);
        }
        let state = self.directory.join(number.to_string());
        let guardian = Guardian::start(&state, self.withheld.clone())?;
        let mut command = Command::new(&self.smbd);
        let spawned = self.configure(&state).and_then(|configuration| {
            let log = File::options().append(true).create(true).open(self.log());
            let log = log.map_err(|error| {
                Error::environment(format!("open {}: {error}", self.log().display()))
            })?;
            // Interactive: one process, without a helper that would outlive it for a moment. It says what it has to say on its
            // standard error then.
            command
                .args(["--interactive", "--no-process-group", "--configfile"])
                .arg(configuration)
                .stdin(connection)
                .stdout(Stdio::null())
                .stderr(log);
            guardian.guard(&mut command).spawn().map_err(|error| {
                Error::environment(format!("start {}: {error}", self.smbd.display()))
            })
        });
        connections.guardians.insert(number, guardian);
        // The command has the connection still, and would keep it open.
        drop(command);
        spawned.map(Some)
    }
}

/// Takes connections, each in a thread of its own, until the listener is shut down.
fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for number in 1.. {
        let from = match listener.accept() {
            Ok((from, _)) => from,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let (serving, trouble) = (Arc::clone(shared), shared.reporter.clone());
        let started = receive(&from)
            .and_then(|connection| start_thread("smbd", move || serving.serve(number, connection)));
        if let Err(error) = started {
            trouble.tell(What::ShareTrouble(error.to_string()));
        }
    }
}

fn receive(from: &UnixStream) -> Result<OwnedFd, Error> {
    let taken = from.set_read_timeout(Some(HANDOVER)).and_then(|()| handover::take(from));
    taken.map_err(|error| Error::environment(format!("take a connection to the share: {error}")))
}

/// Whether an smbd ended as it does when its client is gone: by the signal that it sends its group, or before that.
fn as_asked(status: ExitStatus) -> Result<(), String> {
    let sigterm = rustix::process::Signal::TERM.as_raw();
    if status.success() || status.signal() == Some(sigterm) {
        return Ok(());
    }
    Err(format!("ended with {status}"))
}

fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map(|_detached| ())
        .map_err(|error| Error::environment(format!("start a thread for {name}: {error}")))
}

fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::environment(format!("mkdir {}: {error}", path.display())))
}

/// The user who runs this: an unprivileged smbd can serve no other.
fn user() -> Result<String, Error> {
    let uid = Uid::effective();
    let found = User::from_uid(uid).ok().flatten().map(|user| user.name);
    // A comma ends an option of the mount, the others mean something in smb.conf.
    found.filter(|name| !name.contains([',', '%', '"', '\\'])).ok_or_else(|| {
        let message = format!("user {uid} has no name that Samba could be told");
        Error::environment(message).with_hint("run lunlab as a user that `getent passwd` knows")
    })
}

/// The last lines of a log, without those that say when and where.
fn last_words(log: &str) -> Vec<String> {
    let lines =
        log.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('['));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::{as_asked, last_words};
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn only_an_end_that_nobody_asked_for_is_trouble() {
        for (raw, words) in
            [(0, None), (15, None), (9, Some("signal: 9")), (0x100, Some("exit status: 1"))]
        {
            let ended = as_asked(ExitStatus::from_raw(raw));
            match words {
                None => assert_eq!(ended, Ok(())),
                Some(words) => assert!(ended.unwrap_err().contains(words)),
            }
        }
    }

    #[test]
    fn the_last_words_are_messages_without_when_and_where() {
        let log = "[2026/11/23 00:45:52,  0] ../../lib/util/become_daemon.c:150(daemon_status)\n  one\n\
                   [2026/11/23 00:45:53,  2] x(y)\n  two\n\nthree\n";
        assert_eq!(last_words(log), ["one", "two", "three"]);
        let many: String = (0..20).map(|n| format!("  {n}\n")).collect();
        assert_eq!(last_words(&many).len(), 6);
        assert!(last_words("").is_empty());
    }
}
