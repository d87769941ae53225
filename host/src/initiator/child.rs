//! The process that holds libiscsi: takes jobs from stdin, reports on stdout, ends with stdin.

use std::io::{self, BufReader, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::ffi::{LIBRARY_NAMES, Library};
use super::job::{Failure, FailureKind, Job, Report, millis, read_message, to_line};
use super::{check, randread};

/// Exit code where the host lacks something.
const ENVIRONMENT: u8 = 3;

/// Runs jobs until stdin ends. Exit code 0, or 1 after a job that failed, or 3 without libiscsi.
pub fn main() -> ExitCode {
    let mut reporter = Reporter { job_started: Instant::now() };
    match serve(&mut reporter) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            let code = match failure.kind {
                FailureKind::Environment => ExitCode::from(ENVIRONMENT),
                _ => ExitCode::FAILURE,
            };
            // if the parent is gone, the exit code is all that is left to say it with
            reporter.send(&Report::Failed(failure)).map_or(ExitCode::FAILURE, |()| code)
        }
    }
}

/// Whether all jobs went well.
fn serve(reporter: &mut Reporter) -> Result<bool, Failure> {
    let library = load(LIBRARY_NAMES)?;
    reporter.send(&Report::Ready { library: library.path.clone() })?;
    let mut stdin = BufReader::new(io::stdin().lock());
    let mut all_well = true;
    loop {
        let job = read_message::<Job>(&mut stdin)
            .map_err(|error| Failure::new(FailureKind::Usage, "read a job", error.to_string()))?;
        let Some(job) = job else { return Ok(all_well) };
        all_well &= run(&library, &job, reporter)?;
    }
}

fn load(names: &[&str]) -> Result<Library, Failure> {
    Library::load(names).map_err(|cause| {
        Failure::new(FailureKind::Environment, "load libiscsi", cause)
            .with_hint("apt-get install libiscsi7, or install libiscsi 1.19 or newer")
    })
}

/// Runs one job; an error is the end of the child, not only of the job.
fn run(library: &Library, job: &Job, reporter: &mut Reporter) -> Result<bool, Failure> {
    reporter.job_started = Instant::now();
    let result = match job {
        Job::Check(check) => check::run(library, check, reporter),
        Job::Randread(randread) => randread::run(library, randread, reporter),
    };
    match result {
        Ok(()) => reporter.send(&Report::Done { ms: reporter.ms() }).map(|()| true),
        Err(failure) if failure.kind == FailureKind::Stopped => Err(failure),
        Err(failure) => reporter.send(&Report::Failed(failure)).map(|()| false),
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
