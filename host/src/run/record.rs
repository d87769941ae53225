//! What was learnt during a run, and what it amounts to.

use crate::detect::{Detector, EventKind, StorageErrors, taint};
use crate::errno::by_name;
use crate::initiator::Report;
use crate::result::telling::names;
use crate::result::{
    Benchmark, CheckResult, DeviceFound, Kmsg, ModuleLoad, SpecChange, TaintChange, Target,
};
use crate::run::clocks::Clocks;
use crate::run::conditions;
use crate::run::latency;
use crate::run::measurement::{
    add_bucket, add_counter, add_intervals, add_sample, summarise, take_measured, unmeasured,
};
use crate::run::so_far::Told;
use crate::run::statistics::Readings;
use crate::run::timeline::Timeline;
use crate::spec::{Outcome, Spec};
use crate::target::Provisioning;
use crate::target::comparison::{describe, differences};
use crate::verdict::{Cause, Fact, Kind, Verdict};
use lunlab_protocol::event::{Event, StepFailed};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Console lines kept for the summary of a failure.
const TAIL: usize = 20;

/// The number of the readings that a guest makes of the whole tree before it takes the target down.
const TREE: u32 = u32::MAX;

/// The most of anything a guest may add to a result.
pub(super) const MANY: usize = 100_000;

/// The most devices of a result: each that a guest tells of is looked for among them.
const DEVICES: usize = 10_000;

/// What was learnt.
#[derive(Clone)]
pub struct Record {
    /// When each phase was reached.
    pub timeline: Timeline,
    /// Why QEMU said the machine went down.
    pub shutdown: Option<String>,
    /// How the channel ended before the guest had finished.
    pub channel_lost: Option<String>,
    /// How QEMU ended before the guest had finished, with its words.
    pub ended_early: Option<Fact>,
    /// The target was enabled.
    pub target_ready: bool,
    /// Everything that was to be done was done, well or not.
    pub all_done: bool,
    detector: Detector,
    fatal_seen: bool,
    /// What the agent last said on the console, which is all it has without a channel.
    agent_words: Option<String>,
    facts: Vec<Fact>,
    notes: Vec<String>,
    storage_errors: StorageErrors,
    step: Option<Fact>,
    hint: Option<String>,
    checks: Vec<CheckResult>,
    benchmarks: Vec<Benchmark>,
    told: Told,
    verified: Vec<String>,
    read_back: BTreeMap<String, String>,
    tree: BTreeMap<String, String>,
    devices: Vec<DeviceFound>,
    counters: BTreeMap<usize, Readings>,
    gauges: BTreeMap<usize, conditions::Readings>,
    clocks: Clocks,
    kmsg: Kmsg,
    taint: Option<(u64, u64)>,
    console_tail: VecDeque<String>,
    modules: Vec<ModuleLoad>,
    spec_changes: Vec<SpecChange>,
}

impl Record {
    /// Nothing was learnt yet.
    #[must_use]
    pub fn new(timeline: Timeline, spec: &Spec) -> Self {
        Self {
            timeline,
            shutdown: None,
            channel_lost: None,
            ended_early: None,
            target_ready: false,
            all_done: false,
            detector: Detector::new(),
            fatal_seen: false,
            agent_words: None,
            facts: Vec::new(),
            notes: spec.notes.clone(),
            storage_errors: StorageErrors::default(),
            step: None,
            hint: None,
            checks: Vec::new(),
            benchmarks: spec.benchmarks.iter().map(|asked| unmeasured(spec, asked)).collect(),
            told: Told::default(),
            verified: Vec::new(),
            read_back: BTreeMap::new(),
            tree: BTreeMap::new(),
            devices: Vec::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            clocks: Clocks::default(),
            kmsg: Kmsg::default(),
            taint: None,
            console_tail: VecDeque::new(),
            modules: Vec::new(),
            spec_changes: Vec::new(),
        }
    }

    /// Adds a fact for the verdict.
    pub fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Adds what the user should know though it changes nothing.
    pub fn note(&mut self, text: impl Into<String>) {
        if self.notes.len() < 1000 {
            self.notes.push(by_name(&text.into()));
        }
    }

    /// Whether more machines may be booted for benchmarks: all that this one was to do was done, and nothing broke.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        let only_failures = self.facts.iter().all(|fact| fact.cause == Cause::Is(Kind::Fail));
        let broke = self.detector.has_events() || self.ended_early.is_some();
        self.all_done && only_failures && !broke && self.channel_lost.is_none()
    }

    /// A machine that was booted for a benchmark came to no good end, which is the run's.
    pub fn boot_failed(&mut self, n: usize, fact: Fact, console_tail: Vec<String>) {
        if let Some(benchmark) = self.benchmarks.get_mut(n).filter(|_| !fact.is_interruption()) {
            benchmark.errors.push(fact.reason.clone());
        }
        if !console_tail.is_empty() {
            self.console_tail = console_tail.into();
        }
        self.facts.push(fact);
    }

    /// Takes a console line; true when it is the first that shows the guest to be beyond help.
    pub fn console_line(&mut self, line: &str) -> bool {
        self.detector.push_console(line);
        if let Some(words) = line.strip_prefix("lunlab-agent: ") {
            self.agent_words = Some(words.to_owned());
        }
        self.console_tail.push_back(line.to_owned());
        if self.console_tail.len() > TAIL {
            self.console_tail.pop_front();
        }
        self.fatal_now()
    }

    /// Takes a kernel log record; true as for a console line.
    pub fn kmsg(&mut self, _sequence: u64, _timestamp_us: u64, priority: u32, text: &str) -> bool {
        self.kmsg.records = self.kmsg.records.saturating_add(1);
        self.detector.push_kmsg(priority, text);
        self.storage_errors.push(priority, text);
        self.fatal_now()
    }

    fn fatal_now(&mut self) -> bool {
        if self.fatal_seen || !self.detector.has_events() {
            return false;
        }
        self.fatal_seen = self.detector.events().iter().any(|event| {
            event.kind.kills_task()
                || matches!(event.kind, EventKind::Panic | EventKind::InitKilled)
        });
        self.fatal_seen
    }

    /// Takes an event that only adds to what is known, heard of at that instant.
    pub fn event(&mut self, event: &Event<'_>, at: Instant) {
        match event {
            Event::KmsgLost { records } => {
                self.kmsg.lost = self.kmsg.lost.saturating_add(*records);
            }
            Event::Note { text } => self.note(format!("agent: {text}")),
            Event::StepFailed(step) => self.step_failed(step),
            Event::StepKernelLine { text } => {
                if let Some(step) = self.step.as_mut().filter(|step| step.lines.len() < 200) {
                    step.lines.push((*text).to_owned());
                }
            }
            Event::Attribute { path, value } if self.read_back.len() < MANY => {
                self.read_back.insert((*path).to_owned(), (*value).to_owned());
            }
            Event::Reading { number: TREE, path, value } if self.tree.len() < MANY => {
                self.tree.insert((*path).to_owned(), (*value).to_owned());
            }
            Event::Reading { number, path, value } => self.counter(*number, path, value),
            Event::DeviceReady { name, node, size } if self.devices.len() < DEVICES => {
                let (name, node) = ((*name).to_owned(), (*node).to_owned());
                self.devices.retain(|known| known.name != name);
                self.devices.push(DeviceFound { name, node, size: *size });
            }
            Event::Finding { benchmark, name, text } => self.finding(*benchmark, name, text),
            Event::BenchmarkSkipped { benchmark, reason } => {
                if let Some(into) = self.benchmark_mut(*benchmark) {
                    into.skipped = Some((*reason).to_owned());
                }
            }
            Event::LatencyBucket { benchmark, series, up_to_ns, count } => {
                if let Some(into) = self.benchmark_mut(*benchmark) {
                    add_bucket(into, series, *up_to_ns, *count);
                }
            }
            Event::Counter { benchmark, region, counter, value, problem } => {
                if let Some(into) = self.benchmark_mut(*benchmark) {
                    add_counter(into, region, counter, *value, problem);
                }
            }
            Event::ModuleLoaded { path, took_us } if self.modules.len() < MANY => {
                let ms = Duration::from_micros(*took_us).as_secs_f64() * 1000.0;
                self.modules.push(ModuleLoad { path: (*path).to_owned(), ms });
            }
            Event::Sample { benchmark, series, unit, value } => {
                let at_ms = to_the_microsecond(self.timeline.since_start(at));
                if let Some(into) = self.benchmark_mut(*benchmark) {
                    add_sample(into, series, unit, (*value, at_ms));
                }
            }
            Event::Taint { bits } => {
                let before = self.taint.map_or(*bits, |(before, _)| before);
                self.taint = Some((before, *bits));
            }
            Event::StreamFailed { stream, problem } => {
                self.note(format!("portal stream {stream}: {problem}"));
            }
            Event::TornDown { problem } if !problem.is_empty() => {
                let reason = format!("take the target down: {problem}");
                self.fact(Fact::new(Kind::Fail, reason));
            }
            _ => {}
        }
    }

    fn step_failed(&mut self, step: &StepFailed<'_>) {
        let what = match (step.operation, step.value) {
            (operation, "") => format!("{operation} {}", step.path),
            ("symlink" | "link", target) => format!("{} {target} at {}", step.operation, step.path),
            (operation, value) => format!("{operation} {value} to {}", step.path),
        };
        let errno = match step.errno {
            0 => String::new(),
            number => errno_name(number),
        };
        let cause = [errno.as_str(), step.cause].into_iter().filter(|part| !part.is_empty());
        let cause = cause.collect::<Vec<_>>().join(", caused by ");
        let place = match step.steps {
            0 => String::new(),
            steps => format!(" (step {} of {steps})", step.step),
        };
        self.step = Some(Fact::new(Kind::Provision, format!("{what}: {cause}{place}")));
        self.hint = Some(step.hint.to_owned()).filter(|hint| !hint.is_empty());
    }

    /// The step that failed, in words, and no longer a reason for a verdict.
    pub fn take_step(&mut self) -> Option<String> {
        let step = self.step.take()?;
        let kernel = step.lines.first().map(|line| format!("; kernel: {line}"));
        let hint = self.hint.take().map(|hint| format!(" (hint: {hint})"));
        Some([step.reason, kernel.unwrap_or_default(), hint.unwrap_or_default()].concat())
    }

    /// The spec changed at that instant.
    pub fn spec_change(&mut self, at: Instant, change: SpecChange) {
        if self.spec_changes.len() < 1000 {
            let ms = self.timeline.since_start(at);
            self.spec_changes.push(SpecChange { ms, ..change });
        }
    }

    /// What was read back is of a target that is another now, and so are some of its devices.
    pub fn forget_what_is_gone(&mut self, standing: &Provisioning) {
        self.read_back.clear();
        let devices = standing.devices.iter().map(|device| &device.name);
        let names: Vec<_> = devices.chain(standing.disks.iter().map(|disk| &disk.name)).collect();
        self.devices.retain(|device| names.contains(&&device.name));
    }

    /// Takes what the guest's clock showed, in microseconds since it began.
    pub fn guest_clock(&mut self, uptime_us: u64, at: Instant) {
        self.clocks.take(Duration::from_micros(uptime_us).as_secs_f64() * 1e3, at);
    }

    fn counter(&mut self, number: u32, path: &str, value: &str) {
        let n = usize::try_from(number / 2).unwrap_or(usize::MAX);
        if n < self.benchmarks.len() {
            self.counters.entry(n).or_default().take(number % 2 == 1, path, value);
        }
    }

    /// The benchmark of that number, to be added to.
    fn benchmark_mut(&mut self, number: u32) -> Option<&mut Benchmark> {
        self.nth_benchmark(usize::try_from(number).ok()?)
    }

    fn nth_benchmark(&mut self, n: usize) -> Option<&mut Benchmark> {
        let found = self.benchmarks.get_mut(n)?;
        self.told.things = self.told.things.saturating_add(1);
        Some(found)
    }

    /// How much benchmarks have told.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told
    }

    /// Takes a reading of the machine's state.
    pub fn gauge(&mut self, number: u32, name: &str, after: bool, value: f64, at: Instant) {
        let n = usize::try_from(number).unwrap_or(usize::MAX);
        if n < self.benchmarks.len() {
            self.gauges.entry(n).or_default().take(name, after, value, at);
            if name == conditions::CLOCK {
                self.clocks.take(value, at);
            }
        }
    }

    fn finding(&mut self, number: u32, name: &str, text: &str) {
        let into = self.benchmark_mut(number);
        if let Some(into) = into.filter(|into| into.findings.len() < 1000) {
            match name {
                "compiled" => into.compiled = Some(text.to_owned()),
                _ => drop(into.findings.insert(name.to_owned(), text.to_owned())),
            }
        }
    }

    /// What a program on the host said.
    pub fn command_output(&mut self, n: usize, output: String) {
        if let Some(into) = self.nth_benchmark(n).filter(|_| !output.is_empty()) {
            into.findings.insert("output".to_owned(), output);
        }
    }

    /// Provisioning is over, and failed.
    pub fn provision_failed(&mut self, undone: bool) {
        let fact = self.step.take();
        let mut fact = fact.unwrap_or_else(|| Fact::new(Kind::Provision, "no step was named"));
        if let Some(line) = fact.lines.first() {
            fact.reason = format!("{}; kernel: {line}", fact.reason);
        }
        if !undone {
            fact.reason.push_str("; not everything done before could be undone");
        }
        fact.lines.extend(self.hint.take().map(|hint| format!("hint: {hint}")));
        self.fact(fact);
    }

    /// Takes what the initiator reports in the middle of a job.
    pub fn report(&mut self, benchmark: Option<usize>, report: &Report, at: Instant) {
        match report {
            Report::LoggedIn { .. } => self.timeline.reached("login", at),
            Report::Verified { lun, blocks, .. } => {
                self.verified.push(format!("LUN {lun}: {blocks} blocks written and read back"));
            }
            Report::Uncompared { lun, because, .. } if benchmark.is_some() => {
                self.note(format!("LUN {lun} of a benchmark: {because}"));
            }
            Report::Uncompared { lun, blocks, because, .. } => {
                self.verified.push(format!("LUN {lun}: {blocks} blocks {because}"));
            }
            Report::Sample { iops, .. } => {
                let at_ms = to_the_microsecond(self.timeline.since_start(at));
                if let Some(into) = benchmark.and_then(|n| self.nth_benchmark(n)) {
                    add_sample(into, "iops", "1/s", (*iops, at_ms));
                }
            }
            Report::Measured(measured) => {
                if let Some(into) = benchmark.and_then(|n| self.nth_benchmark(n)) {
                    take_measured(into, measured);
                }
            }
            _ => {}
        }
    }

    /// The initiator's check of that name held.
    pub fn check_held(&mut self, name: &str) {
        let verified = std::mem::take(&mut self.verified).join("; ");
        let detail = format!("discovery, login, capacity; {verified}");
        self.checks.push(CheckResult { name: name.to_owned(), ok: true, detail });
    }

    /// The initiator's check of that name did not hold.
    pub fn check_failed(&mut self, name: &str, problem: &str) {
        self.verified.clear();
        let (name, detail) = (name.to_owned(), by_name(problem));
        self.fact(Fact::new(Kind::Fail, format!("{name}: {problem}")));
        self.checks.push(CheckResult { name, ok: false, detail });
    }

    /// A benchmark ran to its end.
    pub fn benchmark_done(&mut self, n: usize) {
        if let Some(benchmark) = self.nth_benchmark(n) {
            benchmark.done = true;
            self.told.over += 1;
        }
    }

    /// A benchmark could not be run to its end.
    pub fn benchmark_failed(&mut self, n: usize, problem: &str) {
        let name = names(&self.benchmarks).into_iter().nth(n).unwrap_or_default();
        if let Some(benchmark) = self.nth_benchmark(n) {
            benchmark.errors.push(by_name(problem));
            let reason = format!("{name}: {problem}");
            self.fact(Fact::new(Kind::Fail, reason));
            self.told.over += 1;
        }
    }

    /// What a server of the host's said, of a benchmark that failed.
    pub fn server_said(&mut self, n: usize, lines: &[String]) {
        if let Some(benchmark) = self.nth_benchmark(n).filter(|_| !lines.is_empty()) {
            let said = by_name(&format!("smbd said: {}", lines.join("; ")));
            benchmark.errors.push(said);
        }
    }

    /// The last console lines.
    #[must_use]
    pub fn console_tail(&self) -> Vec<String> {
        self.console_tail.iter().cloned().collect()
    }

    /// Ends the learning: checks of benchmarks are evaluated, and the run is judged.
    #[must_use]
    pub fn conclude(self, spec: &Spec, provisioning: Option<&Provisioning>) -> Learnt {
        let mut learnt = self.judge(spec, provisioning);
        learnt.benchmarks.iter_mut().for_each(add_intervals);
        learnt
    }

    /// What it would come to if nothing more were learnt, without what takes long to reckon.
    #[must_use]
    pub fn so_far(&self, spec: &Spec, provisioning: Option<&Provisioning>) -> Learnt {
        let mut record = self.clone();
        record.fact(Fact::new(Kind::Incomplete, "the run was not over when this was written"));
        record.judge(spec, provisioning)
    }

    fn judge(mut self, spec: &Spec, provisioning: Option<&Provisioning>) -> Learnt {
        let clock_ratio = self.clocks.ratio();
        for (n, benchmark) in self.benchmarks.iter_mut().enumerate() {
            summarise(benchmark);
            latency::conclude(benchmark);
            benchmark.statistics = self.counters.get(&n).map(Readings::differences);
            benchmark.negotiated = self.counters.get(&n).map(Readings::negotiated);
            if let Some(gauges) = self.gauges.remove(&n) {
                benchmark.conditions = gauges.conclude(clock_ratio);
            }
        }
        self.evaluate_checks(spec);
        if self.kmsg.lost > 0 {
            self.note(format!("{} records of the kernel log were lost", self.kmsg.lost));
        }
        let mut events: Vec<Fact> = self.detector.events().iter().map(Fact::from).collect();
        if let Some((before, after)) = self.taint {
            events.extend(taint_fact(before, after, events.is_empty()));
        }
        let killed = events.iter().any(|fact| {
            matches!(fact.cause, Cause::InitKilled) || fact.cause == Cause::Is(Kind::Panic)
        });
        self.explain_loss(killed);
        self.explain_failures();
        if self.all_done && self.facts.is_empty() && events.is_empty() {
            self.fact(Fact::new(Kind::Pass, "all done, all checks held"));
        }
        let facts: Vec<Fact> = events.into_iter().chain(std::mem::take(&mut self.facts)).collect();
        let verdict = Verdict::judge(&facts);
        let target = self.target(spec, provisioning);
        Learnt {
            verdict,
            timeline: self.timeline,
            modules: self.modules,
            notes: self.notes,
            checks: self.checks,
            benchmarks: self.benchmarks,
            target,
            spec_changes: self.spec_changes,
            kmsg: self.kmsg,
            taint: self.taint.map(|(before, after)| taint_change(before, after)),
            console_tail: self.console_tail.into(),
        }
    }

    /// What failed for an initiator may have failed for the kernel first.
    fn explain_failures(&mut self) {
        let Some(first) = self.storage_errors.first() else { return };
        for fact in self.facts.iter_mut().filter(|fact| fact.cause == Cause::Is(Kind::Fail)) {
            fact.reason = format!("{}; kernel: {first}", fact.reason);
            fact.lines.extend_from_slice(self.storage_errors.lines());
        }
    }

    /// An end of guest or channel that no kernel event explains is a finding of its own.
    fn explain_loss(&mut self, killed: bool) {
        if killed {
            return;
        }
        let broke = |why| Fact::new(Kind::AgentLost, format!("the channel broke: {why}"));
        let broken = self.channel_lost.take().map(broke);
        if let Some(mut fact) = self.ended_early.take().or(broken) {
            // A message sent just before the end may not have left the guest.
            if let Some(words) = &self.agent_words {
                fact.reason = format!("{}; the agent said: {words}", fact.reason);
            }
            self.fact(fact);
        }
    }

    fn evaluate_checks(&mut self, spec: &Spec) {
        let names = names(&self.benchmarks);
        for ((asked, measured), name) in spec.benchmarks.iter().zip(&self.benchmarks).zip(names) {
            for check in asked.checks() {
                let outcome = check.evaluate(&measured.metrics);
                let ok = matches!(outcome, Outcome::Holds(_));
                let detail = check.describe(outcome);
                // One that was not measured because the run ended before is not a finding.
                if !ok && (self.all_done || !matches!(outcome, Outcome::NotMeasured)) {
                    let reason = format!("{name}: {detail}");
                    self.facts.push(Fact::new(Kind::Fail, reason));
                }
                let name = format!("{name} {}", check.text);
                self.checks.push(CheckResult { name, ok, detail });
            }
        }
    }

    fn target(&mut self, spec: &Spec, provisioning: Option<&Provisioning>) -> Option<Target> {
        let read_back = std::mem::take(&mut self.read_back);
        let differences = provisioning.map(|plan| differences(&plan.steps, &read_back));
        let ready = provisioning.filter(|_| self.target_ready);
        describe(spec, ready).map(|target| Target {
            devices: std::mem::take(&mut self.devices),
            differences: differences.unwrap_or_default(),
            read_back,
            tree: std::mem::take(&mut self.tree),
            ..target
        })
    }
}

/// What a run amounts to.
pub struct Learnt {
    /// The verdict.
    pub verdict: Verdict,
    /// The phases.
    pub timeline: Timeline,
    /// The modules loaded.
    pub modules: Vec<ModuleLoad>,
    /// Notes.
    pub notes: Vec<String>,
    /// Checks.
    pub checks: Vec<CheckResult>,
    /// Benchmarks.
    pub benchmarks: Vec<Benchmark>,
    /// What was exported.
    pub target: Option<Target>,
    /// How the spec changed meanwhile.
    pub spec_changes: Vec<SpecChange>,
    /// Records and losses of the kernel log.
    pub kmsg: Kmsg,
    /// Taint before and after.
    pub taint: Option<TaintChange>,
    /// The last console lines.
    pub console_tail: Vec<String>,
}

/// More digits would be more than is known.
fn to_the_microsecond(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

fn errno_name(number: i32) -> String {
    configfs_rs::Errno::new(number).to_string()
}

fn taint_fact(before: u64, after: u64, unexplained: bool) -> Option<Fact> {
    let bugs = taint::new_bugs(before, after);
    // A taint that an event explains says nothing new.
    if bugs.is_empty() || !unexplained {
        return None;
    }
    let flags: Vec<String> =
        bugs.iter().map(|taint| format!("{} ({})", taint.letter, taint.meaning)).collect();
    Some(Fact::new(Kind::KernelBug, format!("the kernel is newly tainted: {}", flags.join(", "))))
}

fn taint_change(before: u64, after: u64) -> TaintChange {
    let flags = taint::decode(after);
    let flags = flags.iter().map(|taint| format!("{}: {}", taint.letter, taint.meaning)).collect();
    TaintChange { before, after, flags }
}
