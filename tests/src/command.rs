//! A command line of `lunlab`, in a directory of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::boots::{self, Permit};
use crate::running::Running;
use crate::watched::{Output, Watched};
use crate::{DEADLINE, Finished, Held, tools};

/// A command line of `lunlab`, in a directory of its own, where its results go.
///
/// `$XDG_RUNTIME_DIR` is in there as well, so that what a run leaves can be seen.
#[derive(Debug)]
pub struct Lunlab {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    directory: Arc<TempDir>,
    limit: Duration,
    permit: Option<Arc<Permit>>,
    boots: bool,
}

impl Lunlab {
    /// `lunlab` with these words, the subcommand first.
    ///
    /// # Panics
    /// When there is no place for its directory.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("make a directory"));
        let runtime = runtime(directory.path());
        fs::DirBuilder::new().mode(0o700).create(runtime).expect("make a runtime directory");
        Self {
            program: crate::program(),
            arguments: words.into_iter().map(|word| word.as_ref().to_owned()).collect(),
            environment: Vec::new(),
            directory,
            limit: DEADLINE,
            permit: None,
            boots: true,
        }
    }

    /// `lunlab run`.
    #[must_use]
    pub fn run() -> Self {
        Self::command(["run"])
    }

    /// `lunlab up`.
    #[must_use]
    pub fn up() -> Self {
        Self::command(["up"])
    }

    /// Adds words.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Adds a spec of this text, as `spec.toml`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn spec(self, text: &str) -> Self {
        fs::write(self.directory.path().join("spec.toml"), text).expect("write the spec");
        self.args(["spec.toml"])
    }

    /// Puts a file with this text into its directory that nobody else may read: a secret.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn secret(self, name: &str, text: &str) -> Self {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("write a secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("close the file");
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), Some(value.as_ref().to_owned())));
        self
    }

    /// Takes an environment variable away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Another program: a copy of `lunlab`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// In the directory of another.
    #[must_use]
    pub fn beside(mut self, directory: &Arc<TempDir>) -> Self {
        self.directory = Arc::clone(directory);
        self
    }

    /// How long it may take before it counts as stuck; [`DEADLINE`] by default.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// With a permit that several share, instead of one of its own.
    #[must_use]
    pub fn under(mut self, permit: &Arc<Permit>) -> Self {
        self.permit = Some(Arc::clone(permit));
        self
    }

    /// It boots nothing, so it need not wait for its turn.
    #[must_use]
    pub fn boots_nothing(mut self) -> Self {
        self.boots = false;
        self
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Arc<TempDir> {
        &self.directory
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.start().finish()
    }

    /// Holds its target: waits for the first URL.
    ///
    /// # Panics
    /// When it ends before, or gives none in time.
    #[must_use]
    pub fn hold(self) -> Held {
        Held::new(self.start())
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let permit = self.turn();
        let mut command = Command::new(&self.program);
        self.prepare(command.args(&self.arguments));
        let watched = Watched::start(command.stdin(Stdio::null()), self.limit);
        Running::new(watched, self.directory, permit, None)
    }

    /// Starts it in the foreground of a terminal of its own, which is its input and its output.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    #[must_use]
    pub fn start_on_terminal(mut self) -> Running {
        let permit = self.turn();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("open a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlock the terminal");
        let name = ptsname(&master, Vec::new()).expect("name the terminal");
        let name = name.to_str().expect("a terminal's name is ASCII");
        let slave = fs::File::options().read(true).write(true).open(name).expect("open the slave");
        let copy = || Stdio::from(slave.try_clone().expect("copy a descriptor"));
        // setsid(1) makes it the terminal's; it becomes the program, so the process is that.
        let mut command = tools::command("setsid");
        command.arg("--ctty").arg(&self.program).args(&self.arguments);
        self.prepare(&mut command);
        let child = Watched::spawn(command.stdin(copy()).stdout(copy()).stderr(copy()));
        drop((command, slave));
        let master = fs::File::from(master);
        let output = Output::of(master.try_clone().expect("copy a descriptor"));
        let watched = Watched::of(child, output, self.limit);
        Running::new(watched, self.directory, permit, Some(master))
    }

    fn turn(&mut self) -> Option<Arc<Permit>> {
        self.boots.then(|| self.permit.take().unwrap_or_else(|| Arc::new(boots::one())))
    }

    fn prepare(&self, command: &mut Command) {
        let directory = self.directory.path();
        command.current_dir(directory).env("XDG_RUNTIME_DIR", runtime(directory));
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
}

/// Where runs in that directory keep their own while they run.
pub(crate) fn runtime(directory: &Path) -> PathBuf {
    directory.join("runtime")
}

/// Writes an executable file.
///
/// # Panics
/// When it cannot be written.
pub fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("write a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("make it executable");
}
