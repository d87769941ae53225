//! The side that starts the child, gives it jobs and hears its reports.

use std::io::{self, BufReader, Write};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::access::Digest;
use super::job::{Failure, FailureKind, Job, LineError, Report, read_message, to_line};

/// Reports that may wait to be taken; then the child waits.
const QUEUE: usize = 256;
/// How often [`Initiator::run`] asks whether to go on.
const TICK: Duration = Duration::from_millis(50);
/// A child whose stdout ended gets this long to end too.
const GRACE: Duration = Duration::from_secs(1);

/// A report, and when its line arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Taken by the thread that reads, as soon as the line was complete.
    pub at: Instant,
    /// What the child said.
    pub report: Report,
}

/// The library a child has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The file it came from, which carries its version.
    pub library: String,
    /// Whether it can ask for data digests.
    pub data_digest: bool,
}

impl Loaded {
    /// Whether it can ask for such a digest of data: an error is the environment's.
    pub fn offers(&self, data_digest: Digest) -> Result<(), Failure> {
        if self.data_digest || data_digest != Digest::Crc32c {
            return Ok(());
        }
        let cause = format!("{} has no iscsi_set_data_digest", self.library);
        let failure = Failure::new(FailureKind::Environment, "ask for a data digest", cause);
        Err(failure.with_hint("install a libiscsi newer than 1.19, or leave data_digest out"))
    }
}

/// Why there is no answer from the child. Dropping the [`Initiator`] ends the child in any case.
#[derive(Debug, thiserror::Error)]
pub enum InitiatorError {
    /// The program could not be started, or its stdin not be written.
    #[error("{attempted}: {cause}")]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// The system's answer.
        cause: io::Error,
    },
    /// The child ended, or died.
    #[error("the initiator ended while {waiting_for} was awaited: {}", ending(*status))]
    Died {
        /// What the parent was waiting for.
        waiting_for: String,
        /// How it ended, where that could be learned.
        status: Option<ExitStatus>,
    },
    /// A line is no report.
    #[error("hear the initiator: {0}")]
    Line(#[from] LineError),
    /// A report came that does not belong here.
    #[error("the initiator reports {0} where it should not")]
    Unexpected(String),
    /// Nothing came in time.
    #[error("timed out after {} s waiting for {waiting_for} from the initiator", limit.as_secs_f64())]
    Silent {
        /// What the parent was waiting for.
        waiting_for: String,
        /// How long.
        limit: Duration,
    },
    /// The caller did not want to go on.
    #[error("{0} was interrupted")]
    Interrupted(String),
    /// The child says itself why it cannot go on, or why the job failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl InitiatorError {
    /// A way out, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed(failure) => failure.hint(),
            _ => None,
        }
    }

    /// Whether the host lacks something (exit code 3).
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.kind == FailureKind::Environment)
    }
}

fn ending(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "it closed its stdout".to_owned(), |status| status.to_string())
}

/// The child process. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Initiator {
    child: Child,
    stdin: Option<ChildStdin>,
    reports: Receiver<Result<Received, LineError>>,
    reader: Option<JoinHandle<()>>,
}

impl Initiator {
    /// Starts the child; its stdin and stdout become ours, all else is as `command` has it.
    pub fn spawn(command: &mut Command) -> Result<Self, InitiatorError> {
        let io_error =
            |cause| InitiatorError::Io { attempted: "start the initiator process", cause };
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(io_error)?;
        let (sender, reports) = sync_channel(QUEUE);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let read = move || stdout.into_iter().for_each(|stdout| forward(stdout, &sender));
        let reader = thread::Builder::new().name("initiator".into()).spawn(read);
        let initiator = |reader| Self { child, stdin, reports, reader };
        match reader {
            Ok(reader) => Ok(initiator(Some(reader))),
            Err(cause) => {
                drop(initiator(None));
                Err(io_error(cause))
            }
        }
    }

    /// Process id of the child.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the library to be loaded.
    pub fn ready(&mut self, limit: Duration) -> Result<Loaded, InitiatorError> {
        let what = "the initiator's start";
        match self.next_report(what, limit)?.map(|received| received.report) {
            Some(Report::Ready { library, data_digest }) => Ok(Loaded { library, data_digest }),
            Some(Report::Failed(failure)) => Err(failure.into()),
            Some(other) => Err(InitiatorError::Unexpected(format!("{other:?}"))),
            None => Err(InitiatorError::Silent { waiting_for: what.to_owned(), limit }),
        }
    }

    /// Gives a job; its reports come by [`next_report`](Self::next_report).
    pub fn send(&mut self, job: &Job) -> Result<(), InitiatorError> {
        let io_error = |cause| InitiatorError::Io { attempted: "give the initiator a job", cause };
        let line = to_line(job).map_err(io_error)?;
        let Some(stdin) = &mut self.stdin else {
            return Err(io_error(io::ErrorKind::BrokenPipe.into()));
        };
        match stdin.write_all(&line) {
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Err(self.died("a job")),
            Err(cause) => Err(io_error(cause)),
        }
    }

    /// The next report; `None` when there is none within `wait`.
    pub fn next_report(
        &mut self,
        waiting_for: &str,
        wait: Duration,
    ) -> Result<Option<Received>, InitiatorError> {
        match self.reports.recv_timeout(wait) {
            Ok(Ok(received)) => Ok(Some(received)),
            Ok(Err(error)) => Err(error.into()),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.died(waiting_for)),
        }
    }

    /// Runs a job to its end. `follow` sees every report as it comes, and `None` at least every 50 ms;
    /// it may break off. No report for `silence`, and the child is given up: the job's own
    /// limits should be shorter.
    pub fn run(
        &mut self,
        job: &Job,
        silence: Duration,
        mut follow: impl FnMut(Option<&Received>) -> ControlFlow<()>,
    ) -> Result<(), InitiatorError> {
        let what = name_of(job);
        self.send(job)?;
        let mut heard = Instant::now();
        loop {
            let received = self.next_report(what, TICK.min(silence))?;
            if follow(received.as_ref()).is_break() {
                return Err(InitiatorError::Interrupted(what.to_owned()));
            }
            match received.map(|received| received.report) {
                Some(Report::Done { .. }) => return Ok(()),
                Some(Report::Failed(failure)) => return Err(failure.into()),
                Some(_) => heard = Instant::now(),
                None if heard.elapsed() < silence => {}
                None => {
                    let waiting_for = format!("a report on {what}");
                    return Err(InitiatorError::Silent { waiting_for, limit: silence });
                }
            }
        }
    }

    fn died(&mut self, waiting_for: &str) -> InitiatorError {
        let status = wait_briefly(&mut self.child);
        InitiatorError::Died { waiting_for: waiting_for.to_owned(), status }
    }
}

impl Drop for Initiator {
    fn drop(&mut self) {
        self.stdin = None;
        // an error means that it has ended already
        self.child.kill().ok();
        self.child.wait().ok();
        // the reader may be waiting for room in the queue
        let (_, unused) = sync_channel(0);
        self.reports = unused;
        self.reader.take().map(JoinHandle::join);
    }
}

fn name_of(job: &Job) -> &'static str {
    match job {
        Job::Check(_) => "the check of the target",
        Job::Randread(_) => "the random reads",
        Job::Storage(_) => "the workload storage",
        Job::LogOut => "the logout",
    }
}

/// The stream ended, so the child is about to end, or cannot be relied on.
fn wait_briefly(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + GRACE;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
    None
}

fn forward(stdout: ChildStdout, reports: &SyncSender<Result<Received, LineError>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let line = read_message::<Report>(&mut stdout).transpose();
        let at = Instant::now();
        let Some(line) = line else { return };
        let stop = line.is_err();
        let line = line.map(|report| Received { at, report });
        // nobody listens any more, or nothing after this can be trusted
        if reports.send(line).is_err() || stop {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initiator::{Check, Endpoint};

    const LONG: Duration = Duration::from_secs(20);
    const READY: &str = r#"echo '{"report":"ready","library":"fake"}'"#;

    fn fake(script: &str) -> Initiator {
        Initiator::spawn(Command::new("/bin/sh").args(["-c", script])).unwrap()
    }

    fn job() -> Job {
        let target = Endpoint::new("127.0.0.1:1".parse().unwrap(), "iqn.x");
        Job::Check(Check::new(target, Vec::new()))
    }

    fn run(initiator: &mut Initiator, silence: Duration) -> Result<(), InitiatorError> {
        initiator.run(&job(), silence, |_| ControlFlow::Continue(()))
    }

    #[test]
    fn a_job_goes_out_and_its_reports_come_back_in_order() {
        let done = r#"{"report":"sample","index":0,"iops":2.0}\n{"report":"done","ms":1.0}"#;
        let mut child =
            fake(&format!("{READY}; read job; echo \"$job\" >&2; printf '{done}\\n'; read end"));
        let fake = Loaded { library: "fake".into(), data_digest: false };
        assert_eq!(child.ready(LONG).unwrap(), fake);
        let mut seen = Vec::new();
        let follow = |received: Option<&Received>| {
            seen.extend(received.map(|received| received.report.clone()));
            ControlFlow::Continue(())
        };
        child.run(&job(), LONG, follow).unwrap();
        assert_eq!(seen, [Report::Sample { index: 0, iops: 2.0 }, Report::Done { ms: 1.0 }]);
    }

    #[test]
    fn a_garbage_line_is_quoted_and_ends_the_talk() {
        let mut child = fake("printf 'Segmentation \\033[1mfault\\n'; read end");
        let error = child.ready(LONG).unwrap_err().to_string();
        assert!(error.contains(r"`Segmentation \u{1b}[1mfault`"), "{error}");
    }

    #[test]
    fn an_endless_line_is_cut_off() {
        let mut child = fake("yes | tr -d '\\n'");
        let error = child.ready(LONG).unwrap_err();
        assert!(matches!(error, InitiatorError::Line(LineError::TooLong)), "{error}");
    }

    #[test]
    fn a_child_that_dies_is_told_by_its_signal() {
        let mut child = fake(&format!("{READY}; read job; kill -SEGV $$"));
        child.ready(LONG).unwrap();
        let error = run(&mut child, LONG).unwrap_err().to_string();
        assert!(error.contains("check of the target") && error.contains("signal: 11"), "{error}");
    }

    #[test]
    fn a_child_that_is_not_there_to_take_a_job_is_an_error() {
        let mut child = fake(&format!("{READY}; exit 7"));
        child.ready(LONG).unwrap();
        let error = run(&mut child, LONG).unwrap_err().to_string();
        assert!(error.contains("exit status: 7"), "{error}");
    }

    #[test]
    fn silence_has_a_deadline() {
        let mut child = fake(&format!("{READY}; cat > /dev/null"));
        child.ready(LONG).unwrap();
        let error = run(&mut child, Duration::from_millis(20)).unwrap_err().to_string();
        let expected = "timed out after 0.02 s waiting for a report on the check of the target \
                        from the initiator";
        assert_eq!(error, expected);
        let mut mute = fake("cat > /dev/null");
        let error = mute.ready(Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, InitiatorError::Silent { .. }), "{error}");
    }

    #[test]
    fn a_missing_library_is_the_environments_fault() {
        let line = r#"{"report":"failed","kind":"environment","attempted":"load libiscsi","cause":"no","hint":"get it"}"#;
        let error = fake(&format!("echo '{line}'; exit 3")).ready(LONG).unwrap_err();
        assert!(error.is_environment());
        assert_eq!(
            (error.to_string().as_str(), error.hint()),
            ("load libiscsi: no", Some("get it".into()))
        );
    }

    #[test]
    fn a_library_without_data_digests_is_the_environments_fault_when_one_is_asked_for() {
        let old = Loaded { library: "/usr/lib/libiscsi.so.7.0.0".into(), data_digest: false };
        assert_eq!(old.offers(Digest::Any), Ok(()));
        let failure = old.offers(Digest::Crc32c).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Environment);
        assert!(failure.cause.contains("libiscsi.so.7.0.0"), "{failure}");
        assert!(failure.hint().unwrap().contains("1.19"));
        assert_eq!(Loaded { data_digest: true, ..old }.offers(Digest::Crc32c), Ok(()));
    }

    #[test]
    fn a_report_out_of_turn_is_an_error() {
        let error = fake(r#"echo '{"report":"done","ms":1.0}'"#).ready(LONG).unwrap_err();
        assert!(matches!(error, InitiatorError::Unexpected(_)), "{error}");
    }

    #[test]
    fn the_follower_may_break_off() {
        let mut child = fake(&format!("{READY}; cat > /dev/null"));
        child.ready(LONG).unwrap();
        let error = child.run(&job(), LONG, |_| ControlFlow::Break(())).unwrap_err();
        assert!(matches!(error, InitiatorError::Interrupted(_)), "{error}");
    }

    #[test]
    fn dropping_ends_a_child_that_ignores_everything() {
        // talks faster than anyone listens, and does not read its stdin
        let line = r#"{"report":"done","ms":1.0}"#;
        let child = fake(&format!("trap '' TERM INT HUP; yes '{line}'"));
        let id = child.id();
        drop(child);
        let gone = std::fs::read_to_string(format!("/proc/{id}/stat"));
        assert!(gone.is_err(), "{gone:?}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let error = Initiator::spawn(&mut Command::new("/no/such/program")).unwrap_err();
        assert!(error.to_string().starts_with("start the initiator process: "), "{error}");
    }
}
