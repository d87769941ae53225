//! Workload `fio`: runs the fio that came along from the host on `path`, and makes samples of what
//! it reports in JSON at intervals.

mod report;
mod stream;

use lunlab_bench::fio::{JOB, OPTIONS, PROGRAM, SERIES, WORKLOAD, first_words};
use lunlab_bench::sampling::Budget;
use lunlab_bench::workload::{Observer, Stopped, Told, Values, Whose};
use report::Report;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use stream::{Part, Stream, keep};

/// Reports that come faster disturb what they measure.
const INTERVAL: Duration = Duration::from_millis(200);

/// What io_uring_setup(2) and io_setup(2) say where a kernel was built without them.
const ENOSYS: i64 = 38;

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let budget = values.budget()?;
    let interval = budget.sample_time.max(INTERVAL);
    let path = values.text("path");
    // fio itself would ask for the size of a file to make.
    std::fs::metadata(path).map_err(|error| failed(&format!("open {path}"), &error))?;
    let own = own_job(values.text("job"))?;
    let job = job(values, &budget, interval, own.as_deref().unwrap_or("[fio]\n"));
    observer.tell(Told::Finding { name: "job", text: &job });
    observer.begin("fio", Whose::Programs);
    let mut child = start(values, interval)?;
    let input = child.stdin.take();
    // It is small, and fio reads all of it before it says anything.
    let given = input.map_or(Ok(()), |mut input| input.write_all(job.as_bytes()));
    let listener = child.stderr.take().map(|stderr| thread::spawn(move || all_words(stderr)));
    let mut session = Session { budget, interval, taken: Vec::new(), last: None, version: false };
    let mut stopped = false;
    let mut damage = None;
    let mut words = String::new();
    if let Some(output) = child.stdout.take() {
        let mut stream = Stream::new(BufReader::new(output));
        let start = Instant::now();
        for part in stream.by_ref() {
            match part {
                Part::Report(report) => session.take(*report, start, observer),
                Part::Damaged(why) => damage = Some(why),
            }
            if !stopped && (damage.is_some() || session.is_enough(start.elapsed())) {
                stopped = true;
                stop(&child);
            }
        }
        words = stream.words;
    }
    let status = child.wait().map_err(|error| failed("wait for fio", &error))?;
    observer.end();
    words.extend(listener.and_then(|listener| listener.join().ok()));
    let error = session.last.as_ref().and_then(Report::error);
    let is_good = status.success() || stopped;
    match (damage, error) {
        (Some(why), _) => Err(Stopped::Failed(format!("fio's report: {why}"))),
        (None, Some(ENOSYS)) => Err(Stopped::Skipped(format!(
            "the kernel has not what ioengine {} needs (ENOSYS)",
            values.text("ioengine")
        ))),
        (None, None) if is_good && given.is_ok() => session.finish(observer),
        _ => Err(Stopped::Failed(format!("fio ended with {status}: {}", first_words(&words)))),
    }
}

fn start(values: &Values, interval: Duration) -> Result<Child, Stopped> {
    // On a host it is wherever it is.
    let program = if Path::new(PROGRAM).exists() { PROGRAM } else { WORKLOAD.name };
    let mut command = Command::new(program);
    command
        .args(["--output-format=json+", "--eta=never"])
        .arg(format!("--status-interval={}ms", interval.as_millis()))
        .args((values.text("job").is_empty() && reads_only(values)).then_some("--readonly"))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().map_err(|error| failed(&format!("start {program}"), &error))
}

fn reads_only(values: &Values) -> bool {
    ["read", "randread"].contains(&values.text("rw"))
}

fn failed(doing: &str, error: &std::io::Error) -> Stopped {
    Stopped::Failed(format!("{doing}: {error}"))
}

/// Asks fio to end, upon which it reports once more.
fn stop(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that ended by itself needs no word.
        let _gone = kill_process(pid, Signal::INT);
    }
}

fn all_words(stderr: impl Read) -> String {
    let mut words = String::new();
    let mut stderr = BufReader::new(stderr);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        keep(&mut words, &buffer[..count]);
    }
    words
}

/// The user's job file, where there is one.
fn own_job(path: &str) -> Result<Option<String>, Stopped> {
    if path.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let file =
        std::fs::File::open(path).map_err(|error| failed(&format!("open {path}"), &error))?;
    file.take(JOB as u64)
        .read_to_string(&mut text)
        .map_err(|error| failed(&format!("read {path}"), &error))?;
    Ok(Some(text))
}

/// The job as fio reads it: our values, which those of the user's own text overrule.
fn job(values: &Values, budget: &Budget, interval: Duration, own: &str) -> String {
    let least = interval.saturating_mul(budget.least.saturating_add(3));
    let runtime = budget.time.max(least).as_millis();
    // In fio's words a colon ends a name.
    let path = values.text("path").replace(':', "\\:");
    let mut lines = vec![
        "[global]".to_owned(),
        "thread".to_owned(),
        "direct=1".to_owned(),
        "allow_file_create=0".to_owned(),
        "time_based".to_owned(),
        "group_reporting".to_owned(),
        format!("filename={path}"),
        format!("runtime={runtime}ms"),
    ];
    let ramp = budget.warm_up.as_millis();
    lines.extend((ramp > 0).then(|| format!("ramp_time={ramp}ms")));
    for (option, key) in OPTIONS {
        let value = values.text(key);
        let is_used =
            !value.is_empty() && (key != "read_percent" || values.text("rw").ends_with("rw"));
        lines.extend(is_used.then(|| format!("{option}={value}")));
    }
    lines.push(own.to_owned());
    lines.join("\n")
}

/// What came of fio so far.
struct Session {
    budget: Budget,
    interval: Duration,
    taken: Vec<f64>,
    last: Option<Report>,
    version: bool,
}

impl Session {
    fn take(&mut self, report: Report, start: Instant, observer: &mut dyn Observer) {
        if !std::mem::replace(&mut self.version, true) {
            observer.tell(Told::Finding { name: "version", text: &report.version });
        }
        let interval = self.last.as_ref().and_then(|last| report.since(last));
        // The last one is as short as it happens to be.
        let whole = |seconds: f64| seconds >= self.interval.as_secs_f64() / 2.0;
        if let Some(interval) = interval.filter(|interval| whole(interval.seconds)) {
            let samples = interval.samples();
            for (series, unit) in SERIES {
                if let Some((_, value)) = samples.iter().find(|(name, _)| name == series) {
                    observer.tell(Told::Sample { series, unit, value: *value });
                }
            }
            self.taken.extend(samples.first().map(|(_, iops)| *iops));
        }
        self.last = Some(report);
        let (spent, all) = (start.elapsed(), self.budget.warm_up.saturating_add(self.budget.time));
        let done = spent.as_secs_f64() / all.as_secs_f64().max(1e-9);
        observer.tell(Told::Progress { done: done.min(1.0), left: all.saturating_sub(spent) });
    }

    fn is_enough(&self, spent: Duration) -> bool {
        self.budget.is_enough(&self.taken, spent.saturating_sub(self.budget.warm_up))
    }

    fn finish(self, observer: &mut dyn Observer) -> Result<(), Stopped> {
        let Some(last) = self.last.filter(|_| !self.taken.is_empty()) else {
            let words = format!(
                "fio ended before two of its reports, which come each {} ms: nothing was measured",
                self.interval.as_millis()
            );
            return Err(Stopped::Failed(words));
        };
        for (series, histogram) in last.histograms() {
            for (up_to_ns, count) in histogram {
                observer.tell(Told::Bucket { series, up_to_ns, count });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(given: &[(&str, &str)]) -> Values {
        let small = [
            ("warm_up", "0"),
            ("sample_time", "200"),
            ("samples_min", "2"),
            ("samples_max", "3"),
            ("budget", "1"),
        ];
        let defaults = WORKLOAD.defaults();
        // Sizes as the guest is given them.
        let bytes = [("block_size", "4096")];
        let all = given.iter().chain(&small).chain(&bytes).chain(&defaults);
        all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn job_of(given: &[(&str, &str)], own: &str) -> String {
        let values = values(given);
        job(&values, &values.budget().unwrap(), INTERVAL, own)
    }

    #[test]
    fn a_job_has_the_values_and_then_the_users_text() {
        let job =
            job_of(&[("path", "/dev/a:b"), ("rw", "randrw"), ("warm_up", "50")], "[mine]\nbs=8k\n");
        for line in [
            "filename=/dev/a\\:b",
            "rw=randrw",
            "rwmixread=50",
            "bs=4096",
            "iodepth=32",
            "ioengine=io_uring",
            "ramp_time=50ms",
            "runtime=1000ms",
        ] {
            assert!(job.lines().any(|each| each == line), "{line}: {job}");
        }
        assert!(job.starts_with("[global]\n") && job.ends_with("[mine]\nbs=8k\n"), "{job}");
        let job = job_of(&[("path", "/dev/x")], "[fio]\n");
        assert!(
            ["rwmixread", "offset", "size", "ramp_time"].iter().all(|word| !job.contains(word)),
            "{job}"
        );
    }

    /// Runs this system's fio; `make setup` puts it there.
    fn told(given: &[(&str, &str)]) -> (Result<(), Stopped>, Vec<(String, f64)>, u64) {
        let (mut samples, mut requests) = (Vec::new(), 0);
        let outcome = run(&values(given), &mut |told: Told<'_>| match told {
            Told::Sample { series, value, .. } => samples.push((series.to_owned(), value)),
            Told::Bucket { count, .. } => requests += count,
            _ => {}
        });
        (outcome, samples, requests)
    }

    fn file() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 1 << 20]).unwrap();
        file
    }

    #[test]
    fn fio_is_run_until_there_are_enough_samples() {
        let file = file();
        let path = ("path", file.path().to_str().unwrap());
        let (outcome, samples, requests) = told(&[path, ("ioengine", "psync")]);
        assert_eq!(outcome, Ok(()));
        for (series, _) in SERIES {
            let of_series = samples.iter().filter(|(name, _)| name == series).count();
            assert!((2..=4).contains(&of_series), "{series}: {samples:?}");
        }
        assert!(samples.iter().all(|(_, value)| value.is_finite() && *value >= 0.0), "{samples:?}");
        assert!(requests > 0);
    }

    #[test]
    fn what_fio_says_when_it_fails_is_the_problem() {
        let (file, job) = (file(), file());
        let path = ("path", file.path().to_str().unwrap());
        std::fs::write(job.path(), "[a]\nno_such_option=1\n").unwrap();
        for (given, words) in [
            (vec![("path", "/nowhere/at/all")], "open /nowhere/at/all"),
            (vec![path, ("job", job.path().to_str().unwrap())], "no_such_option"),
            (vec![path, ("job", "/nowhere/at/all")], "open /nowhere/at/all"),
        ] {
            let (outcome, _, requests) = told(&given);
            let problem = outcome.unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
            assert_eq!(requests, 0);
        }
    }
}
