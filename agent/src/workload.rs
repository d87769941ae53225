//! Workloads: each is run by the program beside the agent, and what that tells is passed on.

use crate::channel::Link;
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use lunlab_protocol::request::{Benchmark, WORKLOADS_PROGRAM};
use lunlab_stream::pipe;
use std::process::{Command, Stdio};

/// A benchmark to run.
#[derive(Debug)]
pub struct Job {
    number: u32,
    words: Vec<String>,
}

impl Job {
    /// Keeps a request, as the words that the program is given.
    #[must_use]
    pub fn new(benchmark: &Benchmark<'_>) -> Self {
        let parameters = benchmark.parameters.iter();
        let pairs = parameters.map(|each| [each.key, "=", each.value].concat());
        let words = [benchmark.number.to_string(), benchmark.workload.to_owned()];
        Self { number: benchmark.number, words: words.into_iter().chain(pairs).collect() }
    }

    /// Runs it, telling the host what it says, and of its end.
    pub fn run(&self, link: &Link) {
        if let Err(problem) = self.run_program(link) {
            let benchmark = self.number;
            link.tell(&Event::BenchmarkEnded { benchmark, problem: cut(&problem, 4000) });
        }
    }

    /// The program's own word of its end is passed on as well.
    fn run_program(&self, link: &Link) -> Result<(), String> {
        let mut command = Command::new(WORKLOADS_PROGRAM);
        // What it says on standard error is for the console.
        command.args(&self.words).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("start {WORKLOADS_PROGRAM}: {error}"))?;
        let Some(mut output) = child.stdout.take() else {
            return Err(format!("{WORKLOADS_PROGRAM} has no output"));
        };
        let mut ended = false;
        let told = pipe::receive(&mut output, |event| {
            if is_of(event, self.number) {
                ended |= matches!(event, Event::BenchmarkEnded { .. });
                link.tell(event);
            }
        });
        // PID 1 takes every child that ended, this one too: how it ended shows in what it told.
        match (told, ended) {
            (_, true) => Ok(()),
            (Ok(()), false) => Err("its program ended without a word: killed?".to_owned()),
            (Err(error), false) => Err(format!("read what its program tells: {error}")),
        }
    }
}

/// Whether a program may say this: what is no benchmark's, or another's, is not passed on.
fn is_of(event: &Event<'_>, number: u32) -> bool {
    match event {
        Event::Sample { benchmark, .. }
        | Event::Finding { benchmark, .. }
        | Event::BenchmarkSkipped { benchmark, .. }
        | Event::Progress { benchmark, .. }
        | Event::LatencyBucket { benchmark, .. }
        | Event::Counter { benchmark, .. }
        | Event::Gauge { benchmark, .. }
        | Event::BenchmarkEnded { benchmark, .. } => *benchmark == number,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Job, is_of};
    use lunlab_protocol::event::Event;
    use lunlab_protocol::request::{Benchmark, Parameter};

    #[test]
    fn a_request_becomes_the_programs_words() {
        let parameters = [Parameter { key: "a", value: "1=2" }, Parameter { key: "b", value: "" }];
        let parameters = parameters.into_iter().collect();
        let job = Job::new(&Benchmark { number: 7, workload: "hash", parameters });
        assert_eq!(job.words, ["7", "hash", "a=1=2", "b="]);
    }

    #[test]
    fn a_program_speaks_for_its_own_benchmark_only() {
        assert!(is_of(&Event::Sample { benchmark: 3, series: "s", unit: "ns", value: 1.0 }, 3));
        assert!(!is_of(&Event::Sample { benchmark: 2, series: "s", unit: "ns", value: 1.0 }, 3));
        assert!(!is_of(&Event::Finished, 3));
    }
}
