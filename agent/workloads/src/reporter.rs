//! Tells the parent what a workload says.

use crate::counters::Counters;
use crate::gauges;
use lunlab_bench::workload::{Observer, Stopped, Told, Whose};
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use std::time::{Duration, Instant};

/// The longest text that is told.
const TEXT: usize = 4000;

/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// Turns what a workload says into events.
pub struct Reporter<'a> {
    benchmark: u32,
    send: &'a mut dyn FnMut(&Event<'_>),
    progress: Instant,
    counters: Option<Counters>,
    /// The region that is being counted.
    region: Option<String>,
}

impl<'a> Reporter<'a> {
    /// For the benchmark of that number; regions are counted where there is something to count them by.
    pub fn new(
        benchmark: u32,
        counters: Option<Counters>,
        send: &'a mut dyn FnMut(&Event<'_>),
    ) -> Self {
        Self { benchmark, send, progress: Instant::now(), counters, region: None }
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

    fn begin(&mut self, region: &str, whose: Whose) {
        let Some(counters) = &mut self.counters else { return };
        self.region = Some(region.to_owned());
        counters.begin(whose);
    }

    fn end(&mut self) {
        let (Some(region), Some(counters)) = (self.region.take(), &mut self.counters) else {
            return;
        };
        for (counter, value) in counters.end() {
            let value = value.as_ref().map(|value| *value).map_err(String::as_str);
            self.tell(Told::Counter { region: &region, counter: &counter, value });
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
