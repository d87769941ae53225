//! Workloads that run in the guest: a name, parameters in, samples and findings out.
//!
//! A new one is a file here and a line in [`WORKLOADS`]; what it computes lives in `lunlab-bench`.

mod digest;
mod direct;
mod hash;
mod pattern;

use crate::channel::Link;
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use lunlab_protocol::request::Benchmark;

/// Every workload of the guest by name.
pub const WORKLOADS: &[(&str, Workload)] =
    &[("hash", hash::run), ("digest", digest::run), ("pattern", pattern::run)];

/// Runs a workload to its end, or says why it cannot.
pub type Workload = fn(&Job, Tell<'_>) -> Result<(), String>;

/// Takes what a workload has to say.
pub type Tell<'a> = &'a mut dyn FnMut(Told<'_>);

/// What a workload says while it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a> {
    /// A number.
    Sample {
        /// What was measured.
        series: &'a str,
        /// Its unit.
        unit: &'a str,
        /// The number.
        value: f64,
    },
    /// Something that is no number.
    Finding {
        /// What it is.
        name: &'a str,
        /// What was found.
        text: &'a str,
    },
}

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

    /// The parameter of that name, which is a number; 0 where there is none.
    ///
    /// # Errors
    /// One that is no number.
    pub fn number(&self, key: &str) -> Result<u64, String> {
        let text = self.parameter(key).unwrap_or("0");
        text.parse().map_err(|_| format!("{key} = {text}: no number"))
    }

    /// Runs it, telling the host what it says, and of its end.
    pub fn run(&self, link: &Link) {
        let benchmark = self.number;
        let mut tell = |told: Told<'_>| match told {
            Told::Sample { series, unit, value } => {
                link.tell(&Event::Sample { benchmark, series, unit, value });
            }
            Told::Finding { name, text } => {
                link.tell(&Event::Finding { benchmark, name, text: cut(text, 4000) });
            }
        };
        let outcome = match WORKLOADS.iter().find(|(name, _)| *name == self.workload) {
            Some((_, workload)) => workload(self, &mut tell),
            None => Err(format!("this agent has no workload {}", self.workload)),
        };
        let problem = outcome.err().unwrap_or_default();
        link.tell(&Event::BenchmarkEnded { benchmark, problem: cut(&problem, 4000) });
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, Told, WORKLOADS};
    use lunlab_protocol::request::{Benchmark, Parameter};

    pub(super) fn job(workload: &str, parameters: &[(&str, &str)]) -> Job {
        let parameters = parameters.iter().map(|(key, value)| Parameter { key, value }).collect();
        Job::new(&Benchmark { number: 1, workload, parameters })
    }

    /// Runs it and gives its findings by name; samples are another matter.
    pub(super) fn findings(job: &Job) -> Result<Vec<(String, String)>, String> {
        let run = WORKLOADS.iter().find(|(name, _)| *name == job.workload).unwrap().1;
        let mut findings = Vec::new();
        run(job, &mut |told| {
            if let Told::Finding { name, text } = told {
                findings.push((name.to_owned(), text.to_owned()));
            }
        })?;
        Ok(findings)
    }

    #[test]
    fn parameters_are_found_by_name() {
        let job = job("x", &[("a", "1"), ("c", "one")]);
        assert_eq!((job.parameter("a"), job.parameter("b")), (Some("1"), None));
        assert_eq!((job.number("a"), job.number("b")), (Ok(1), Ok(0)));
        assert_eq!(job.number("c"), Err("c = one: no number".into()));
    }
}
