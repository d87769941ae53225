//! Workloads that run in the guest: a name, parameters in, samples out.
//!
//! A new one is a function here and a line in [`WORKLOADS`]; what it measures lives in
//! `lunlab-bench`.

use crate::channel::Link;
use lunlab_bench::hash;
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use lunlab_protocol::request::Benchmark;

/// Takes a sample: its series, its unit, its value.
pub type OnSample<'a> = &'a mut dyn FnMut(&str, &str, f64);

/// Runs a workload to its end, or says why it cannot.
pub type Workload = fn(&Job, OnSample<'_>) -> Result<(), String>;

/// Every workload of the guest by name.
pub const WORKLOADS: &[(&str, Workload)] = &[("hash", run_hash)];

/// A benchmark to run.
#[derive(Debug)]
pub struct Job {
    number: u32,
    workload: String,
    parameters: Vec<(String, String)>,
}

impl Job {
    /// Keeps a request.
    #[must_use]
    pub fn new(benchmark: &Benchmark<'_>) -> Self {
        let Benchmark { number, workload, parameters } = benchmark;
        let own = |parameter: &lunlab_protocol::request::Parameter<'_>| {
            (parameter.key.to_owned(), parameter.value.to_owned())
        };
        Self {
            number: *number,
            workload: (*workload).to_owned(),
            parameters: parameters.iter().map(own).collect(),
        }
    }

    /// The parameter of that name.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Runs it, telling the host of each sample and of the end.
    pub fn run(&self, link: &Link) {
        let benchmark = self.number;
        let mut tell = |series: &str, unit: &str, value: f64| {
            link.tell(&Event::Sample { benchmark, series, unit, value });
        };
        let outcome = match WORKLOADS.iter().find(|(name, _)| *name == self.workload) {
            Some((_, workload)) => workload(self, &mut tell),
            None => Err(format!("this agent has no workload {}", self.workload)),
        };
        let problem = outcome.err().unwrap_or_default();
        link.tell(&Event::BenchmarkEnded { benchmark, problem: cut(&problem, 4000) });
    }
}

/// Nanoseconds a hash, for each series.
fn run_hash(_job: &Job, on_sample: OnSample<'_>) -> Result<(), String> {
    for series in hash::series() {
        let take = &mut |value| on_sample(series.name, "ns", value);
        hash::measure(series, hash::Budget::default(), take).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Job, WORKLOADS};
    use lunlab_protocol::request::{Benchmark, Parameter};

    #[test]
    fn hash_gives_samples_of_every_series() {
        let benchmark = Benchmark { number: 1, workload: "hash", parameters: Default::default() };
        let mut seen = std::collections::BTreeMap::new();
        let run = WORKLOADS.iter().find(|(name, _)| *name == "hash").unwrap().1;
        run(&Job::new(&benchmark), &mut |series, unit, value| {
            assert!(unit == "ns" && value > 0.0);
            *seen.entry(series.to_owned()).or_insert(0) += 1;
        })
        .unwrap();
        assert_eq!(seen.len(), 4);
        assert!(seen.values().all(|n| *n == 20), "{seen:?}");
    }

    #[test]
    fn parameters_are_found_by_name() {
        let mut parameters = heapless::Vec::new();
        parameters.push(Parameter { key: "a", value: "1" }).unwrap();
        let job = Job::new(&Benchmark { number: 1, workload: "x", parameters });
        assert_eq!((job.parameter("a"), job.parameter("b")), (Some("1"), None));
    }
}
