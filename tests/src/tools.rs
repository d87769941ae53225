//! Programs of others that the tests drive. One that is missing is a failure: `make setup` puts
//! them in place, and a test that did not run must not look like one that passed.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Watched;

/// A program on PATH.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn find(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let executable = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let found = std::env::split_paths(&path).map(|each| each.join(name)).find(executable);
    found.unwrap_or_else(|| panic!("{name} is not on PATH\nhint: `make setup` installs it"))
}

/// A command that runs a program on PATH.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn command(name: &str) -> Command {
    Command::new(find(name))
}

/// How a tool ended.
#[derive(Debug)]
pub struct Output {
    /// Whether it ended well.
    pub good: bool,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

/// Runs a command to its end, its standard input empty.
///
/// # Panics
/// When it does not end in time.
#[must_use]
pub fn output(command: &mut Command, limit: Duration) -> Output {
    let mut watched = Watched::start(command.stdin(Stdio::null()), limit);
    let good = watched.wait().success();
    Output { good, stdout: watched.stdout.text(), stderr: watched.stderr.text() }
}

/// The vsock device in a process of its own: in the cache, or on PATH.
///
/// # Panics
/// When it is not there.
pub fn vhost_device_vsock() -> PathBuf {
    let name = "vhost-device-vsock";
    let cached = crate::kernels::cache().join("bin").join(name);
    if cached.exists() { cached } else { find(name) }
}
