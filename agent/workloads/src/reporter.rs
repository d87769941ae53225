//! Tells the parent what a workload says.

use crate::gauges;
use lunlab_bench::workload::{Observer, Stopped, Told};
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use std::time::{Duration, Instant};

/// The longest text that is told.
const TEXT: usize = 4000;

/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// What a counter came to, or why it is not known.
pub type Counted = (&'static str, Result<u64, String>);

/// Runs a region with everything counted that can be.
pub type Count = fn(&mut dyn FnMut()) -> Vec<Counted>;

/// Turns what a workload says into events.
pub struct Reporter<'a> {
    benchmark: u32,
    send: &'a mut dyn FnMut(&Event<'_>),
    progress: Instant,
    count: Option<Count>,
    /// Counting was asked for, and nothing was counted yet.
    uncounted: bool,
}

impl<'a> Reporter<'a> {
    /// For the benchmark of that number; regions are counted where there is something to count them by.
    pub fn new(benchmark: u32, count: Option<Count>, send: &'a mut dyn FnMut(&Event<'_>)) -> Self {
        Self { benchmark, send, progress: Instant::now(), count, uncounted: count.is_some() }
    }

    fn send(&mut self, event: &Event<'_>) {
        (self.send)(event);
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

    /// Says that counting was asked for in vain, where it was.
    pub(crate) fn tell_uncounted(&mut self) {
        if self.uncounted {
            self.finding("counted", "nothing: this workload has no region to count by itself");
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

impl Observer for Reporter<'_> {
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
        let Some(count) = self.count else { return body() };
        self.uncounted = false;
        for (counter, value) in count(body) {
            let value = value.as_ref().map(|value| *value).map_err(String::as_str);
            self.tell(Told::Counter { region: name, counter, value });
        }
    }
}

impl Reporter<'_> {
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
