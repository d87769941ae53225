//! What fio says in JSON: sums since its start, from whose differences samples are made.
//!
//! Field names are those of fio's `stat.c`; `bins` is there with `--output-format=json+`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One document, of which there is one for each status interval and one at the end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Report {
    #[serde(rename = "fio version", default)]
    pub(super) version: String,
    timestamp_ms: u64,
    jobs: Vec<Job>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Job {
    #[serde(default)]
    error: i64,
    #[serde(default)]
    job_runtime: u64,
    #[serde(default)]
    usr_cpu: f64,
    #[serde(default)]
    sys_cpu: f64,
    #[serde(default)]
    read: Direction,
    #[serde(default)]
    write: Direction,
    #[serde(default)]
    trim: Direction,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Direction {
    #[serde(default)]
    io_bytes: u64,
    #[serde(default)]
    total_ios: u64,
    #[serde(default)]
    clat_ns: Latency,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Latency {
    #[serde(default)]
    bins: Histogram,
}

/// Requests by the nanoseconds they took.
pub(super) type Histogram = BTreeMap<u64, u64>;

/// What happened between two reports.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interval {
    pub(super) seconds: f64,
    requests: f64,
    bytes: f64,
    cpu_ns: f64,
    latencies: Histogram,
}

impl Report {
    /// What happened since an earlier report; `None` where fio began its sums anew meanwhile, as it
    /// does after warming up, or had not begun.
    pub(super) fn since(&self, earlier: &Self) -> Option<Interval> {
        let milliseconds = self.timestamp_ms.checked_sub(earlier.timestamp_ms)?;
        let began = earlier.runtime() > 0 && self.runtime() >= earlier.runtime();
        let requests =
            self.sum(|each| each.total_ios).checked_sub(earlier.sum(|each| each.total_ios))?;
        let bytes =
            self.sum(|each| each.io_bytes).checked_sub(earlier.sum(|each| each.io_bytes))?;
        (began && milliseconds > 0 && requests > 0).then(|| Interval {
            seconds: float(milliseconds) / 1e3,
            requests: float(requests),
            bytes: float(bytes),
            cpu_ns: (self.cpu_ns() - earlier.cpu_ns()).max(0.0),
            latencies: difference(self.latencies(), &earlier.latencies()),
        })
    }

    /// The first error number that a job ended with.
    pub(super) fn error(&self) -> Option<i64> {
        self.jobs.iter().map(|job| job.error).find(|error| *error != 0)
    }

    /// How long every request took, of those that read and those that write.
    pub(super) fn histograms(&self) -> [(&'static str, Histogram); 2] {
        let of = |direction: fn(&Job) -> &Direction| {
            merged(self.jobs.iter().map(|job| &direction(job).clat_ns.bins))
        };
        [("read", of(|job| &job.read)), ("write", of(|job| &job.write))]
    }

    fn runtime(&self) -> u64 {
        self.jobs.iter().map(|job| job.job_runtime).max().unwrap_or_default()
    }

    fn sum(&self, of: fn(&Direction) -> u64) -> u64 {
        self.directions().map(of).fold(0, u64::saturating_add)
    }

    fn directions(&self) -> impl Iterator<Item = &Direction> {
        self.jobs.iter().flat_map(|job| [&job.read, &job.write, &job.trim])
    }

    /// fio has the time of its processors as parts of a hundred of each job's.
    fn cpu_ns(&self) -> f64 {
        let job = |job: &Job| (job.usr_cpu + job.sys_cpu) / 100.0 * float(job.job_runtime) * 1e6;
        self.jobs.iter().map(job).sum()
    }

    fn latencies(&self) -> Histogram {
        merged(self.directions().map(|direction| &direction.clat_ns.bins))
    }
}

impl Interval {
    /// Each series and its sample.
    pub(super) fn samples(&self) -> Vec<(&'static str, f64)> {
        let mut samples = vec![
            ("iops", self.requests / self.seconds),
            ("mb_per_s", self.bytes / self.seconds / 1e6),
            ("cpu_per_io", self.cpu_ns / self.requests),
        ];
        let parts = [
            ("p50", 0.5),
            ("p90", 0.9),
            ("p99", 0.99),
            ("p99.9", 0.999),
            ("p99.99", 0.9999),
            ("max", 1.0),
        ];
        for (name, part) in parts {
            samples.extend(percentile(&self.latencies, part).map(|ns| (name, float(ns))));
        }
        samples
    }
}

/// The least latency that so great a part of all requests did not exceed.
fn percentile(histogram: &Histogram, part: f64) -> Option<u64> {
    let all = float(histogram.values().fold(0, |all: u64, count| all.saturating_add(*count)));
    let mut below = 0.0;
    let reached = |(ns, count): (&u64, &u64)| {
        below += float(*count);
        (below >= all * part).then_some(*ns)
    };
    histogram.iter().find_map(reached)
}

fn merged<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Histogram {
    let mut all = Histogram::new();
    for (ns, count) in histograms.flatten() {
        let sum = all.entry(*ns).or_default();
        *sum = count.saturating_add(*sum);
    }
    all
}

fn difference(mut later: Histogram, earlier: &Histogram) -> Histogram {
    for (ns, count) in earlier {
        if let Some(left) = later.get_mut(ns) {
            *left = left.saturating_sub(*count);
        }
    }
    later.retain(|_, count| *count > 0);
    later
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at: u64, runtime: u64, ios: u64, bins: &str) -> Report {
        let text = format!(
            r#"{{"fio version": "fio-3.33", "timestamp_ms": {at}, "global options": {{}},
                "jobs": [{{"job_runtime": {runtime}, "usr_cpu": 10.0, "sys_cpu": 40.0,
                  "read": {{"total_ios": {ios}, "io_bytes": {}, "clat_ns": {{"mean": 1.5, "bins": {{{bins}}}}}}},
                  "write": {{"total_ios": 0}}}}]}}"#,
            ios * 4096
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_interval_is_what_came_between_two_reports() {
        let first = report(1000, 500, 100, r#""1000": 100"#);
        let second = report(1500, 1000, 1100, r#""1000": 100, "2000": 990, "9000": 10"#);
        let samples = second.since(&first).unwrap().samples();
        let expected = [
            ("iops", 2000.0),
            ("mb_per_s", 8.192),
            ("cpu_per_io", 250_000.0),
            ("p50", 2000.0),
            ("p90", 2000.0),
            ("p99", 2000.0),
            ("p99.9", 9000.0),
            ("p99.99", 9000.0),
            ("max", 9000.0),
        ];
        assert_eq!(samples, expected);
        assert_eq!(second.histograms()[0].1, [(1000, 100), (2000, 990), (9000, 10)].into());
    }

    #[test]
    fn what_warmed_up_or_did_nothing_is_no_interval() {
        let before = report(1000, 200, 500, "");
        for after in [
            report(1200, 100, 250, ""),
            report(1200, 100, 900, ""),
            report(1200, 400, 500, ""),
            report(1000, 400, 900, ""),
            report(900, 400, 900, ""),
        ] {
            assert_eq!(after.since(&before), None, "{after:?}");
        }
        assert_eq!(before.since(&report(800, 0, 0, "")), None);
    }

    #[test]
    fn a_job_that_failed_is_found() {
        let text = r#"{"timestamp_ms": 1, "jobs": [{"error": 0}, {"error": 38}]}"#;
        assert_eq!(serde_json::from_str::<Report>(text).unwrap().error(), Some(38));
        assert_eq!(report(1, 1, 1, "").error(), None);
    }
}
