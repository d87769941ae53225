//! Takes samples of requests that never stop: each of an interval.

use std::time::{Duration, Instant};

use super::access::{Access, Request};
use super::latency::Latencies;
use super::source::Source;
use crate::sampling::{Budget, Rounds};
use crate::unit;
use crate::workload::{Observer, Told, Whose};

/// Where processor time is read.
#[derive(Clone, Copy, Debug)]
pub struct Processors {
    /// What this program took, in its own code and the kernel's.
    pub own: fn() -> Duration,
    /// What all processors were busy with: LIO works in threads of the kernel's own.
    pub all: fn() -> Option<Duration>,
    /// Which those are, for a finding.
    pub which: &'static str,
}

/// Requests without end, until there are enough samples.
pub struct Measure<'a> {
    access: Access,
    size: f64,
    budget: Budget,
    processors: Processors,
    observer: &'a mut dyn Observer,
    began: Instant,
    /// Nothing while it warms up.
    rounds: Option<Rounds>,
    interval: Interval,
    reads: Latencies,
    writes: Latencies,
    requests: u64,
    machine: Option<Duration>,
    over: bool,
}

/// What is being sampled.
struct Interval {
    began: Instant,
    cpu: Duration,
    requests: u32,
}

impl Interval {
    fn new(began: Instant, processors: &Processors) -> Self {
        Self { began, cpu: (processors.own)(), requests: 0 }
    }
}

impl<'a> Measure<'a> {
    /// Of requests of `size` bytes; the warm-up begins now.
    pub fn new(
        access: Access,
        size: u32,
        budget: Budget,
        processors: Processors,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let began = Instant::now();
        Self {
            access,
            size: f64::from(size),
            budget,
            processors,
            observer,
            began,
            rounds: None,
            interval: Interval::new(began, &processors),
            reads: Latencies::default(),
            writes: Latencies::default(),
            requests: 0,
            machine: None,
            over: false,
        }
    }

    /// Tells what only the whole of it gives.
    pub fn conclude(self) {
        // Where it went wrong in the middle.
        self.observer.end();
        self.reads.tell("read", self.observer);
        self.writes.tell("write", self.observer);
        let text = format!("{} while measured", self.requests);
        self.observer.tell(Told::Finding { name: "requests", text: &text });
        let after = (self.processors.all)();
        if let (Some(before), Some(after), 1..) = (self.machine, after, self.requests) {
            let each = after.saturating_sub(before).as_nanos() / u128::from(self.requests);
            let text =
                format!("{each} ns of {}, by the ticks of /proc/stat", self.processors.which);
            self.observer.tell(Told::Finding { name: "machine_cpu_per_io", text: &text });
        }
    }

    fn warm(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= self.budget.warm_up {
            self.rounds = Some(Rounds::new(self.budget, 1));
            self.machine = (self.processors.all)();
            self.observer.begin("requests", Whose::Own);
            self.interval = Interval::new(now, &self.processors);
        }
    }

    /// Ends the interval where it has lasted long enough and anything was over in it.
    fn sample(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.interval.began);
        if took < self.budget.sample_time || self.interval.requests == 0 || took.is_zero() {
            return;
        }
        let requests = f64::from(self.interval.requests);
        let next = Interval::new(now, &self.processors);
        let cpu = next.cpu.saturating_sub(self.interval.cpu);
        self.interval = next;
        let iops = requests / took.as_secs_f64();
        for (series, unit, value) in [
            ("iops", unit::PER_SECOND, iops),
            ("mb_per_s", unit::MEGABYTES, iops * self.size / 1e6),
            ("cpu_per_io", unit::NANOSECONDS, cpu.as_secs_f64() * 1e9 / requests),
        ] {
            self.observer.tell(Told::Sample { series, unit, value });
        }
        if let Some(rounds) = &mut self.rounds {
            self.over = rounds.enough(&[iops], self.observer);
        }
        if self.over {
            self.observer.end();
        }
    }
}

impl Source for Measure<'_> {
    fn next(&mut self, busy: &dyn Fn(u64) -> bool) -> Option<Request> {
        (!self.over).then(|| self.access.next(busy))
    }

    fn done(&mut self, read: bool, latency: Duration) {
        // Those that end while fewer and fewer are in flight are no part of it.
        if self.rounds.is_some() && !self.over {
            let latencies = if read { &mut self.reads } else { &mut self.writes };
            latencies.add(latency);
            self.requests += 1;
            self.interval.requests = self.interval.requests.saturating_add(1);
        }
    }

    fn looked(&mut self, now: Instant) {
        match (&self.rounds, self.over) {
            (None, _) => self.warm(now),
            (Some(_), false) => self.sample(now),
            (Some(_), true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        warm_up: Duration::from_millis(3),
        sample_time: Duration::from_millis(10),
        least: 2,
        most: 4,
        time: Duration::from_secs(3600),
        precision: 0.0,
    };

    /// What is told of requests that take so many milliseconds each, one after the other.
    fn told(each: u64) -> (Vec<f64>, Vec<String>, u64) {
        let processors = Processors {
            own: || Duration::from_millis(1),
            all: || Some(Duration::from_millis(7)),
            which: "two processors",
        };
        let (mut samples, mut findings, mut counted) = (Vec::new(), Vec::new(), 0);
        let mut observer = |told: Told<'_>| match told {
            Told::Sample { series: "iops", value, .. } => samples.push(value),
            Told::Finding { name, text } => findings.push(format!("{name}: {text}")),
            Told::Bucket { series: "read", count, .. } => counted += count,
            _ => {}
        };
        let access = Access::new(8, false, 100, 1);
        let mut measure = Measure::new(access, 512, BUDGET, processors, &mut observer);
        let (mut now, latency) = (measure.began, Duration::from_millis(each));
        while measure.next(&|_| false).is_some() {
            now += latency;
            measure.done(true, latency);
            measure.looked(now);
        }
        measure.conclude();
        (samples, findings, counted)
    }

    #[test]
    fn a_sample_lasts_from_one_completion_to_another_so_that_slow_devices_are_measured_right() {
        // 7 ms does not go into a sample of 10 ms, and 40 ms is longer than one.
        for (each, requests) in [(7, 8), (40, 4)] {
            let (samples, findings, counted) = told(each);
            assert_eq!(samples.len(), 4);
            #[expect(clippy::cast_precision_loss, reason = "a few milliseconds")]
            let expected = 1e3 / each as f64;
            assert!(samples.iter().all(|iops| (iops / expected - 1.0).abs() < 1e-9), "{samples:?}");
            assert_eq!(counted, requests, "without the one of the warm-up");
            let expected = [
                format!("requests: {requests} while measured"),
                "machine_cpu_per_io: 0 ns of two processors, by the ticks of /proc/stat".to_owned(),
            ];
            assert_eq!(findings, expected);
        }
    }
}
