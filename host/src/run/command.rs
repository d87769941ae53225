//! A program on the host, run while the target is up.

use crate::error::Error;
use crate::guardian::Guardian;
use crate::run::conductor::HostCommand;
use crate::run::happening::What;
use crate::run::queue::Reporter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The most of its words that are kept, in bytes.
const WORDS: usize = 64 * 1024;

/// Starts it in the run's process group; its end is told as a happening.
///
/// # Errors
/// When it cannot be started.
pub fn start(command: HostCommand, guardian: &Guardian, reporter: &Reporter) -> Result<(), Error> {
    let (program, arguments) = command
        .words
        .split_first()
        .ok_or_else(|| Error::usage("host-command: an empty command has no program to run"))?;
    let failed = |error| Error::environment(format!("run {program}: {error}"));
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut to_run = Command::new(program);
    to_run
        .args(arguments)
        .envs(command.environment)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer);
    let child = guardian.guard(&mut to_run).spawn().map_err(failed)?;
    // The pipe's other ends would keep it open here.
    drop(to_run);
    let words = std::thread::Builder::new().name("command output".into());
    let words = words.spawn(move || first_words(reader)).map_err(failed)?;
    let (reporter, benchmark, timeout) = (reporter.clone(), command.benchmark, command.timeout);
    let waiting = std::thread::Builder::new().name("command".into()).spawn(move || {
        let outcome = wait(child, timeout);
        let output = words.join().unwrap_or_default();
        reporter.tell(What::CommandEnded { benchmark, outcome, output });
    });
    waiting.map(drop).map_err(failed)
}

/// Reads to the end, so that the program never waits for room; keeps only the beginning.
fn first_words(mut from: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 8192]);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let room = WORDS.saturating_sub(kept.len());
        kept.extend(buffer.iter().take(length.min(room)));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn wait(mut child: Child, timeout: Option<Duration>) -> Result<(), String> {
    if let Some(timeout) = timeout
        && !ends_within(&child, timeout)
    {
        let _gone_meanwhile = child.kill();
        let _reaped = child.wait();
        return Err(format!("it is not done after {}", super::conductor::seconds(timeout)));
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!("wait for it: {error}")),
    }
}

fn ends_within(child: &Child, timeout: Duration) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    // Without a pidfd there is nothing to wait on with a deadline; the run's own still holds.
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&limit)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}
