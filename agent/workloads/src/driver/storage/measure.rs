//! Takes samples of requests that never stop: each of an interval.

use super::engine::Source;
use lunlab_bench::sampling::{Budget, Rounds};
use lunlab_bench::storage::access::{Access, Request};
use lunlab_bench::storage::latency::Latencies;
use lunlab_bench::unit;
use lunlab_bench::workload::{Observer, Told, Whose};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

pub(super) struct Measure<'a> {
    access: Access,
    size: f64,
    budget: Budget,
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
    fn new(began: Instant) -> Self {
        Self { began, cpu: own_cpu(), requests: 0 }
    }
}

impl<'a> Measure<'a> {
    pub(super) fn new(
        access: Access,
        size: u32,
        budget: Budget,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let began = Instant::now();
        Self {
            access,
            size: f64::from(size),
            budget,
            observer,
            began,
            rounds: None,
            interval: Interval::new(began),
            reads: Latencies::default(),
            writes: Latencies::default(),
            requests: 0,
            machine: None,
            over: false,
        }
    }

    /// Tells what only the whole of it gives.
    pub(super) fn conclude(self) {
        // Where it went wrong in the middle.
        self.observer.end();
        self.reads.tell("read", self.observer);
        self.writes.tell("write", self.observer);
        let text = format!("{} while measured", self.requests);
        self.observer.tell(Told::Finding { name: "requests", text: &text });
        if let (Some(before), Some(after), 1..) = (self.machine, machine_cpu(), self.requests) {
            let text = per_request(after.saturating_sub(before), self.requests);
            self.observer.tell(Told::Finding { name: "machine_cpu_per_io", text: &text });
        }
    }

    fn warm(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= self.budget.warm_up {
            self.rounds = Some(Rounds::new(self.budget, 1));
            self.machine = machine_cpu();
            self.observer.begin("requests", Whose::Own);
            self.interval = Interval::new(now);
        }
    }

    /// Ends the interval where it has lasted long enough and anything was over in it.
    fn sample(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.interval.began);
        if took < self.budget.sample_time || self.interval.requests == 0 || took.is_zero() {
            return;
        }
        let requests = f64::from(self.interval.requests);
        let next = Interval::new(now);
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

/// What this program took of the processors, in its own code and the kernel's.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What all processors were busy with: LIO works in threads of the kernel's own.
fn machine_cpu() -> Option<Duration> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// user, nice, system, irq and softirq of proc_stat(5), in hundredths of a second.
fn busy(stat: &str) -> Option<Duration> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let fields: Vec<u64> =
        line.split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    let hundredths = [0, 1, 2, 5, 6].iter().map(|n| fields.get(*n).copied().unwrap_or(0));
    Some(Duration::from_millis(hundredths.fold(0, u64::saturating_add).saturating_mul(10)))
}

fn per_request(busy: Duration, requests: u64) -> String {
    let each = busy.as_nanos() / u128::from(requests.max(1));
    format!("{each} ns of all processors, from /proc/stat")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_was_busy_with_leaves_waiting_out() {
        let stat = "cpu  1 2 3 4000 5000 6 7 8000 9000 0\ncpu0 9 9 9\n";
        assert_eq!(busy(stat), Some(Duration::from_millis(190)));
        assert_eq!(busy("intr 1\n"), None);
        assert_eq!(
            per_request(Duration::from_millis(3), 1000),
            "3000 ns of all processors, from /proc/stat"
        );
    }
}
