//! Tells the parent what a workload says.

use crate::{counters, gauges};
use lunlab_bench::workload::{Observer, Stopped, Told};
use lunlab_protocol::event::Event;
use lunlab_protocol::frame::MAX_PAYLOAD;
use lunlab_protocol::message::{Buffer, cut};
use lunlab_stream::pipe;
use std::io::{Stdout, stdout};
use std::time::{Duration, Instant};

/// The longest text that is told.
const TEXT: usize = 4000;

/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// Writes events to standard output.
pub struct Reporter {
    benchmark: u32,
    output: Stdout,
    buffer: Box<Buffer>,
    progress: Instant,
    /// Whether regions are counted.
    counts: bool,
}

impl Reporter {
    /// For the benchmark of that number.
    #[must_use]
    pub fn new(benchmark: u32) -> Self {
        let buffer = Box::new([0; MAX_PAYLOAD]);
        Self { benchmark, output: stdout(), buffer, progress: Instant::now(), counts: false }
    }

    pub(crate) fn counts(&mut self, counts: bool) {
        self.counts = counts;
    }

    fn send(&mut self, event: &Event<'_>) {
        // A parent that is gone wants to hear nothing.
        let _nobody_listens = pipe::send(&mut self.output, event, &mut self.buffer);
    }

    pub(crate) fn finding(&mut self, name: &str, text: &str) {
        let benchmark = self.benchmark;
        self.send(&Event::Finding { benchmark, name, text: cut(text, TEXT) });
    }

    pub(crate) fn gauges(&mut self, after: bool) {
        let benchmark = self.benchmark;
        for (name, value) in gauges::read() {
            self.send(&Event::Gauge { benchmark, name, after, value });
        }
    }

    /// Says how it ended.
    pub fn ended(&mut self, outcome: &Result<(), Stopped>) {
        let benchmark = self.benchmark;
        let problem = match outcome {
            Ok(()) => "",
            Err(Stopped::Skipped(reason)) => {
                self.send(&Event::BenchmarkSkipped { benchmark, reason: cut(reason, TEXT) });
                ""
            }
            Err(Stopped::Failed(problem)) => problem,
        };
        self.send(&Event::BenchmarkEnded { benchmark, problem: cut(problem, TEXT) });
    }
}

impl Observer for Reporter {
    fn tell(&mut self, told: Told<'_>) {
        let benchmark = self.benchmark;
        match told {
            Told::Sample { series, unit, value } => {
                self.send(&Event::Sample { benchmark, series, unit, value });
            }
            Told::Finding { name, text } => self.finding(name, text),
            Told::Bucket { series, up_to_ns, count } => {
                self.send(&Event::LatencyBucket { benchmark, series, up_to_ns, count });
            }
            Told::Counter { region, counter, value } => {
                let (value, problem) = value.map_or_else(|why| (0, why), |value| (value, ""));
                self.send(&Event::Counter { benchmark, region, counter, value, problem });
            }
            Told::Progress { done, left } => self.progress(done, left),
        }
    }

    fn region(&mut self, name: &str, body: &mut dyn FnMut()) {
        if !self.counts {
            return body();
        }
        for (counter, value) in counters::count(body) {
            let value = value.as_ref().map(|value| *value).map_err(String::as_str);
            self.tell(Told::Counter { region: name, counter, value });
        }
    }
}

impl Reporter {
    fn progress(&mut self, done: f64, left: Duration) {
        if self.progress.elapsed() < PROGRESS {
            return;
        }
        self.progress = Instant::now();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let permille = (done.clamp(0.0, 1.0) * 1000.0) as u32;
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        self.send(&Event::Progress { benchmark: self.benchmark, permille, left_ms });
    }
}
