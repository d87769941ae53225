//! QEMU as a process.

use crate::error::Error;
use crate::guardian::Guardian;
use command_fds::{CommandFdExt, FdMapping};
use std::io::Read;
use std::os::fd::OwnedFd;
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
    guardian: &Guardian,
) -> Result<Child, Error> {
    let Some((program, rest)) = argv.split_first() else {
        return Err(Error::internal("an empty command line for QEMU"));
    };
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if !inherited.is_empty() {
        let mappings = inherited
            .into_iter()
            .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd })
            .collect();
        command
            .fd_mappings(mappings)
            .map_err(|error| Error::internal(format!("pass descriptors on to QEMU: {error}")))?;
    }
    guardian
        .guard(&mut command)
        .spawn()
        .map_err(|error| Error::environment(format!("start {program}: {error}")))
}

/// What QEMU said on stderr until it closed it.
pub fn read_words(stderr: impl Read) -> String {
    let mut words = Vec::new();
    // A read error ends what is there to be read, as the end does.
    let _end = stderr.take(STDERR).read_to_end(&mut words);
    String::from_utf8_lossy(&words).trim().to_owned()
}
