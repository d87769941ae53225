//! Boots that are repeated: the workload `boot`.
//!
//! They come when the run's own machine has ended, so that none stands beside what is measured: the same kernel, image, machine and
//! plan, on the same ports. Each goes up to the ready target and then ends as a run does, so that nothing the kernel says is missed;
//! no initiator is there. One that fails is the run's own verdict.

use super::so_far::Kept;
use super::{Ground, Interrupts, Logs, Outcome, Watcher, conduct};
use crate::run::conductor::{Conductor, Orders, Purpose};
use crate::run::machine::Machine;
use crate::run::record::{Learnt, Record};
use crate::run::timeline::Timeline;
use crate::spec::{Benchmark, Measured, Spec};
use crate::target::Provisioning;
use crate::verdict::{Fact, Kind};
use lunlab_bench::workload::Run;
use lunlab_bench::{boot, calibration, unit};
use lunlab_protocol::event::Event;
use std::sync::Arc;
use std::time::Instant;

/// Why a boot is no sample.
struct Failed {
    fact: Fact,
    console_tail: Vec<String>,
}

impl From<Fact> for Failed {
    fn from(fact: Fact) -> Self {
        Self { fact, console_tail: Vec::new() }
    }
}

impl From<Learnt> for Failed {
    fn from(learnt: Learnt) -> Self {
        let Learnt { verdict, console_tail, .. } = learnt;
        let fact = Fact::new(verdict.kind, verdict.reason).with_lines(verdict.lines);
        Self { fact, console_tail }
    }
}

/// What boots again, and where what comes of it goes.
pub(super) struct Again<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) interrupts: &'a mut Interrupts,
    pub(super) logs: &'a mut Logs,
    pub(super) watcher: &'a mut dyn Watcher,
    /// The command line of the run's own QEMU.
    pub(super) argv: &'a [String],
    pub(super) kept: Kept,
}

impl Again<'_> {
    /// Boots as often as the spec's benchmarks ask.
    pub(super) fn all(&mut self, record: &mut Record) {
        let ground = self.ground;
        let all = ground.plan.spec.benchmarks.len();
        for (n, benchmark) in ground.plan.spec.benchmarks.iter().enumerate() {
            let Some(asked) = is_host(benchmark) else { continue };
            if !record.may_go_on() {
                return;
            }
            let place = if all < 2 { String::new() } else { format!(" ({} of {all})", n + 1) };
            let words = format!("measuring {}{place}", asked.workload);
            self.watcher.phase(&words);
            self.benchmark(n, asked, &words, record);
        }
    }

    fn benchmark(&mut self, n: usize, asked: &Measured, words: &str, record: &mut Record) {
        let number = u32::try_from(n).unwrap_or(u32::MAX);
        let value = |key| asked.value(key).parse::<u32>().unwrap_or_default();
        let (warm_up, boots) = (value("warm_up_boots"), value("boots"));
        let calibrate = |after, record: &mut Record| {
            record.gauge(
                number,
                "calibration_ns",
                after,
                calibration::nanoseconds(),
                Instant::now(),
            );
        };
        calibrate(false, record);
        let (start, all) = (Instant::now(), warm_up.saturating_add(boots));
        for turn in 0..all {
            match self.once(turn, all) {
                Ok(timeline) if turn >= warm_up => sample(number, &timeline, record),
                Ok(_warmed_up) => {}
                Err(failed) => return fail(n, (turn, all), failed, record),
            }
            let (done, open) = (turn + 1, all - turn - 1);
            let left = (start.elapsed() / done * open).as_millis().div_ceil(1000);
            self.watcher.progress(&format!("{words}: boot {done} of {all}, {left} s left"));
            self.keep(record);
        }
        calibrate(true, record);
        record.benchmark_done(n);
    }

    /// Writes down what there is, where it is time.
    fn keep(&mut self, record: &Record) {
        let (told, now) = (record.told(), Instant::now());
        if self.kept.due(told, now).is_some_and(|due| due <= now) {
            let Ground { plan, provisioning, .. } = self.ground;
            let learnt = record.so_far(&plan.spec, Some(provisioning));
            self.watcher.so_far(&Outcome { learnt, argv: self.argv.to_vec() });
            self.kept.wrote(told, (now, Instant::now()));
        }
    }

    /// Boots once, and gives when each phase was reached from before anything was started.
    fn once(&mut self, turn: u32, all: u32) -> Result<Timeline, Failed> {
        if let Some(signal) = self.interrupts.renew() {
            return Err(Fact::interrupted(signal).into());
        }
        if let Some(console) = &mut self.logs.console {
            let line = format!("--- lunlab: boot {} of {all}\n", turn + 1);
            let _kept_in_its_summary = console.push(line.as_bytes());
        }
        let Ground { plan, provisioning, .. } = self.ground;
        let began = Instant::now();
        let doors = self.ground.doors(false);
        let reporter = self.interrupts.reporter.clone();
        let machine = Machine::start(plan, doors, provisioning, &reporter);
        let mut machine = match machine {
            Ok(machine) => machine,
            Err(error) => {
                let signal = self.interrupts.behind_failure().map(Fact::interrupted);
                let failed = || Fact::new(Kind::Environment, error.to_string());
                return Err(signal.unwrap_or_else(failed).into());
            }
        };
        let mut timeline = Timeline::new(began);
        timeline.reached("qemu-spawn", machine.spawned);
        let spec = Spec { benchmarks: Vec::new(), notes: Vec::new(), ..plan.spec.clone() };
        let record = Record::new(timeline, &spec);
        let orders = Orders {
            spec: spec.clone(),
            purpose: Purpose::Boot,
            provoke: None,
            provisioning: Arc::clone(provisioning),
            boot_timeout: self.ground.boot_timeout,
            timeout: plan.spec.run.timeout,
            until: self.ground.until,
        };
        let mut conductor = Conductor::new(orders, record, machine.spawned);
        let loaded = plan.loaded();
        let guest = self.ground.guest(&loaded);
        let mut watcher = OnlyConsole(self.watcher);
        conduct(&mut conductor, &mut machine, guest, self.interrupts, self.logs, &mut watcher);
        machine.finish();
        let learnt = conductor.record.conclude(&spec, Some(provisioning));
        if learnt.verdict.kind == Kind::Pass { Ok(learnt.timeline) } else { Err(learnt.into()) }
    }
}

fn is_host(benchmark: &Benchmark) -> Option<&Measured> {
    match benchmark {
        Benchmark::Measured(asked) if matches!(asked.run(), Some(Run::Host)) => Some(asked),
        _ => None,
    }
}

fn sample(benchmark: u32, timeline: &Timeline, record: &mut Record) {
    let now = Instant::now();
    for (series, value) in boot::samples(|phase| timeline.at(phase)) {
        let unit = unit::MILLISECONDS;
        record.event(&Event::Sample { benchmark, series: &series, unit, value }, now);
    }
}

/// A boot that fails ends the run.
fn fail(n: usize, (turn, all): (u32, u32), failed: Failed, record: &mut Record) {
    let Failed { mut fact, console_tail } = failed;
    if !fact.is_interruption() {
        fact.reason = format!("boot {} of {all}: {}", turn + 1, fact.reason);
    }
    record.boot_failed(n, fact, console_tail);
}

/// Of one of many boots only the console is shown, to those who ask for it.
struct OnlyConsole<'a>(&'a mut dyn Watcher);

impl Watcher for OnlyConsole<'_> {
    fn phase(&mut self, _text: &str) {}

    fn progress(&mut self, _text: &str) {}

    fn console(&mut self, line: &str) {
        self.0.console(line);
    }

    fn so_far(&mut self, _outcome: &Outcome) {}

    fn ready(&mut self, _spec: &Spec, _provisioning: &Provisioning) {}
}
