//! QEMU as a process.

use crate::error::Error;
use crate::guardian::Guardian;
use command_fds::{CommandFdExt, FdMapping};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The most of QEMU's own words that is kept.
const STDERR: u64 = 64 * 1024;

/// Starts QEMU under guard. `inherited` descriptors get the numbers the command line names.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(
    argv: &[String],
    inherited: Vec<(i32, OwnedFd)>,
    directory: &Path,
    guardian: &Guardian,
) -> Result<Child, Error> {
    let mut command = command(argv, directory)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if !inherited.is_empty() {
        let mappings = inherited
            .into_iter()
            .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd })
            .collect();
        command
            .fd_mappings(mappings)
            .map_err(|error| Error::internal(format!("pass descriptors on to QEMU: {error}")))?;
    }
    guardian.guard(&mut command).spawn().map_err(|error| {
        Error::environment(format!("start {}: {error}", command.get_program().display()))
    })
}

/// QEMU with its arguments. Its temporary files, which hold what is written to a disk with
/// `snapshot = true`, go where the run's other files are, and with them.
///
/// # Errors
/// Internal, for an empty command line.
pub(super) fn command(argv: &[String], directory: &Path) -> Result<Command, Error> {
    let Some((program, rest)) = argv.split_first() else {
        return Err(Error::internal("an empty command line for QEMU"));
    };
    let mut command = Command::new(program);
    command.args(rest).env("TMPDIR", directory);
    Ok(command)
}

/// What QEMU said on stderr until it closed it.
pub fn read_words(stderr: impl Read) -> String {
    let mut words = Vec::new();
    // A read error ends what is there to be read, as the end does.
    let _end = stderr.take(STDERR).read_to_end(&mut words);
    String::from_utf8_lossy(&words).trim().to_owned()
}
