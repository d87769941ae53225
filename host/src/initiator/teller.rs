//! Passes on what a workload tells, and what the host was like meanwhile.

use std::time::{Duration, Instant};

use lunlab_bench::machine;
use lunlab_bench::workload::{Observer, Told};

use super::child::Reporter;
use super::job::{Report, Telling};

/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// Turns what a workload says into reports.
pub(super) struct Teller<'r> {
    reporter: &'r mut Reporter,
    progress: Instant,
}

impl<'r> Teller<'r> {
    pub(super) fn new(reporter: &'r mut Reporter) -> Self {
        Self { reporter, progress: Instant::now() }
    }

    pub(super) fn finding(&mut self, name: &str, text: &str) {
        self.tell(Told::Finding { name, text });
    }

    /// What disturbs a measurement on this machine, before the workload or after it.
    pub(super) fn gauges(&mut self, after: bool) {
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        for (name, value) in machine::gauges(&file("/proc/stat"), &file("/proc/cpuinfo")) {
            self.send(Telling::Gauge { name: name.to_owned(), after, value });
        }
    }

    fn send(&mut self, telling: Telling) {
        // A parent that is gone is noticed where the target is waited for.
        self.reporter.send(&Report::Told(telling)).ok();
    }
}

impl Observer for Teller<'_> {
    fn tell(&mut self, told: Told<'_>) {
        let telling = match told {
            Told::Sample { series, unit, value } => {
                Telling::Sample { series: series.to_owned(), unit: unit.to_owned(), value }
            }
            Told::Finding { name, text } => {
                Telling::Finding { name: name.to_owned(), text: text.to_owned() }
            }
            Told::Bucket { series, up_to_ns, count } => {
                Telling::Bucket { series: series.to_owned(), up_to_ns, count }
            }
            // Nothing here is counted.
            Told::Counter { .. } => return,
            Told::Progress { .. } if self.progress.elapsed() < PROGRESS => return,
            Told::Progress { done, left } => {
                self.progress = Instant::now();
                Telling::Progress {
                    permille: permille(done),
                    left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                }
            }
        };
        self.send(telling);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
fn permille(done: f64) -> u32 {
    (done.clamp(0.0, 1.0) * 1000.0) as u32
}
