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
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most of its words that are kept, in bytes.
const WORDS: usize = 64 * 1024;

/// What its last words may take to arrive once it has ended. Something it left behind may hold the pipe for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

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
    let words = Words::hear(reader).map_err(failed)?;
    let (reporter, benchmark, timeout) = (reporter.clone(), command.benchmark, command.timeout);
    let waiting = std::thread::Builder::new().name("command".into()).spawn(move || {
        let outcome = wait(child, timeout);
        let output = words.said();
        reporter.tell(What::CommandEnded { benchmark, outcome, output });
    });
    waiting.map(drop).map_err(failed)
}

/// What a program says.
struct Words {
    kept: Arc<Mutex<Kept>>,
    /// Closes when there is no more to come.
    end: Receiver<()>,
}

/// The beginning of it, and how much more there was, in bytes.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    left_out: usize,
}

impl Words {
    /// Reads to the end, so that the program never waits for room; keeps only the beginning.
    fn hear(mut from: impl Read + Send + 'static) -> std::io::Result<Self> {
        let kept = Arc::<Mutex<Kept>>::default();
        let (heard, end) = channel();
        let into = Arc::clone(&kept);
        let listener = std::thread::Builder::new().name("command output".into());
        listener.spawn(move || {
            let (_open, mut buffer) = (heard, [0; 8192]);
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                let room = length.min(WORDS.saturating_sub(kept.bytes.len()));
                kept.bytes.extend(buffer.iter().take(room));
                kept.left_out += length - room;
            }
        })?;
        Ok(Self { kept, end })
    }

    /// What was said by a program that has ended.
    fn said(self) -> String {
        let _closed_or_held = self.end.recv_timeout(LAST_WORDS);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = String::from_utf8_lossy(&kept.bytes).into_owned();
        if kept.left_out > 0 {
            said += &format!("\n[lunlab: {} bytes left out]\n", kept.left_out);
        }
        said
    }
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

#[cfg(test)]
mod tests {
    use super::{WORDS, start};
    use crate::guardian::tests::stand_in;
    use crate::run::conductor::HostCommand;
    use crate::run::happening::What;
    use crate::run::queue::queue;
    use crate::withheld::Withheld;
    use std::time::{Duration, Instant};

    fn command(words: &[&str], timeout: Option<Duration>) -> HostCommand {
        HostCommand {
            benchmark: 3,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            environment: vec![("LUNLAB_URL_0".into(), "iscsi://x".into())],
            timeout,
        }
    }

    /// How a script for the shell ends, and what it says.
    fn shell(script: &str, timeout: Option<Duration>) -> (Result<(), String>, String) {
        let (reporter, happenings) = queue();
        let guardian = stand_in(Withheld::default());
        start(command(&["sh", "-c", script], timeout), &guardian, &reporter).unwrap();
        let ended = happenings.next(Duration::from_secs(60)).unwrap().what;
        guardian.finish();
        let What::CommandEnded { benchmark: 3, outcome, output } = ended else {
            panic!("something else happened")
        };
        (outcome, output)
    }

    #[test]
    fn its_end_is_told_with_its_words() {
        for (script, outcome, output) in [
            ("echo $LUNLAB_URL_0; echo oh >&2", Ok(()), "iscsi://x\noh\n"),
            ("printf no; exit 3", Err("exit status: 3"), "no"),
            ("kill -9 $$", Err("signal: 9 (SIGKILL)"), ""),
            ("printf '\\377'", Ok(()), "\u{fffd}"),
        ] {
            let expected = (outcome.map_err(str::to_owned), output.to_owned());
            assert_eq!(shell(script, None), expected, "{script}");
        }
    }

    #[test]
    fn of_many_words_the_first_are_kept() {
        let (outcome, output) = shell("yes | head -c 1000000; exit 0", None);
        assert_eq!(outcome, Ok(()));
        let (kept, mark) = output.split_at(WORDS);
        assert_eq!(kept, "y\n".repeat(WORDS / 2));
        assert!(mark.starts_with("\n[lunlab: ") && mark.ends_with(" bytes left out]\n"), "{mark}");
    }

    #[test]
    fn one_that_takes_too_long_is_killed() {
        let begun = Instant::now();
        // What it started holds its output.
        let script = "echo begun; sleep 1000; echo done";
        let (outcome, output) = shell(script, Some(Duration::from_millis(200)));
        assert_eq!(outcome.unwrap_err(), "it is not done after 0.2 s");
        assert_eq!(output, "begun\n");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_it_leaves_behind_holds_nobody_up() {
        assert_eq!(shell("sleep 1000 & echo left", None), (Ok(()), "left\n".to_owned()));
    }

    #[test]
    fn one_that_cannot_be_started_is_named() {
        let (reporter, _happenings) = queue();
        let guardian = stand_in(Withheld::default());
        for (words, told) in [(&["/no/such"][..], "run /no/such: "), (&[], "an empty command")] {
            let error = start(command(words, None), &guardian, &reporter).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        guardian.finish();
    }
}
