//! The process that holds libiscsi: takes jobs from stdin, reports on stdout, ends with stdin.

use std::io::{self, BufReader, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::ffi::{LIBRARY_NAMES, Library};
use super::job::{Failure, FailureKind, Job, Report, millis, read_message, to_line};
use super::link::Link;
use super::parent::Loaded;
use super::{check, randread, storage};

/// Exit code where the host lacks something.
const ENVIRONMENT: u8 = 3;

/// Runs jobs until stdin ends. Exit code 0, or after jobs that failed that of the last one: 3 where
/// the host lacks something, libiscsi or what a job needs of it, else 1.
pub fn main() -> ExitCode {
    let mut reporter = Reporter { job_started: Instant::now() };
    match serve(&mut reporter) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(kind)) => exit_code(kind),
        Err(failure) => {
            let code = exit_code(failure.kind);
            // if the parent is gone, the exit code is all that is left to say it with
            reporter.send(&Report::Failed(failure)).map_or(ExitCode::FAILURE, |()| code)
        }
    }
}

fn exit_code(kind: FailureKind) -> ExitCode {
    match kind {
        FailureKind::Environment => ExitCode::from(ENVIRONMENT),
        _ => ExitCode::FAILURE,
    }
}

/// How the last job that failed did.
fn serve(reporter: &mut Reporter) -> Result<Option<FailureKind>, Failure> {
    let library = load(LIBRARY_NAMES)?;
    let Loaded { library: path, data_digest } = library.loaded();
    reporter.send(&Report::Ready { library: path, data_digest })?;
    let mut stdin = BufReader::new(io::stdin().lock());
    let (mut failed, mut session) = (None, None);
    loop {
        let job = read_message::<Job>(&mut stdin)
            .map_err(|error| Failure::new(FailureKind::Usage, "read a job", error.to_string()))?;
        let Some(job) = job else { return Ok(failed) };
        failed = run(&library, &job, &mut session, reporter)?.or(failed);
    }
}

fn load(names: &[&str]) -> Result<Library, Failure> {
    Library::load(names).map_err(|cause| {
        Failure::new(FailureKind::Environment, "load libiscsi", cause)
            .with_hint("apt-get install libiscsi7, or install libiscsi 1.19 or newer")
    })
}

/// Ends the session that the job before let stay, and runs one job; an error is the end of the child, not only of the job.
fn run(
    library: &Library,
    job: &Job,
    session: &mut Option<Link>,
    reporter: &mut Reporter,
) -> Result<Option<FailureKind>, Failure> {
    reporter.job_started = Instant::now();
    let ready = session.take().map_or(Ok(()), Link::logout);
    let result = ready.and_then(|()| match job {
        Job::Check(check) => check::run(library, check, reporter),
        Job::Randread(randread) => {
            randread::run(library, randread, reporter).map(|link| *session = link)
        }
        Job::Storage(job) => storage::run(library, job, reporter).map(|link| *session = link),
        Job::LogOut => Ok(()),
    });
    match result {
        Ok(()) => reporter.send(&Report::Done { ms: reporter.ms() }).map(|()| None),
        Err(failure) if failure.kind == FailureKind::Stopped => Err(failure),
        Err(failure) => {
            let kind = failure.kind;
            let report = Report::Failed(failure.without_secrets(job));
            reporter.send(&report).map(|()| Some(kind))
        }
    }
}

/// Writes reports, and knows when the job began.
pub(super) struct Reporter {
    job_started: Instant,
}

impl Reporter {
    /// Milliseconds since the job arrived.
    pub(super) fn ms(&self) -> f64 {
        millis(self.job_started.elapsed())
    }

    /// One line on stdout, at once.
    pub(super) fn send(&mut self, report: &Report) -> Result<(), Failure> {
        let written = to_line(report).and_then(|line| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.flush()
        });
        written.map_err(|error| {
            Failure::new(FailureKind::Stopped, "write a report", error.to_string())
        })
    }

    /// Reports a login at the times it was seen.
    pub(super) fn logged_in(&mut self, connected: Instant, at: Instant) -> Result<(), Failure> {
        let since = |then: Instant| millis(then.saturating_duration_since(self.job_started));
        let (ms, connect_ms) = (since(at), since(connected));
        let monotonic_ns = monotonic_ns(at.elapsed());
        self.send(&Report::LoggedIn { ms, monotonic_ns, connect_ms })
    }
}

/// CLOCK_MONOTONIC some time ago.
fn monotonic_ns(ago: Duration) -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    u64::try_from(now.saturating_sub(ago).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_libiscsi_is_told_how_to_get_it() {
        let failure = load(&["libno-such-iscsi.so.7", "libno-such-iscsi.so"]).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Environment);
        assert!(failure.cause.contains("libno-such-iscsi.so.7"), "{failure}");
        assert!(failure.hint().unwrap().contains("apt-get install libiscsi7"));
    }

    #[test]
    fn the_monotonic_clock_is_the_hosts() {
        let before = monotonic_ns(Duration::ZERO);
        let earlier = monotonic_ns(Duration::from_secs(1));
        assert!(earlier < before && before <= monotonic_ns(Duration::ZERO));
    }
}
