//! What a run does once its target is ready: checks, then benchmarks, one after the other.

use super::{Across, Action, Ask, Conductor, HostCommand, Orders, Stage, failure_words};
use crate::initiator::{Job, Report, Telling};
use crate::run::jobs::{self, NamedCheck};
use crate::run::statistics;
use crate::spec::{Benchmark, Measured, Via};
use crate::target::names;
use lunlab_bench::workload::Run;
use lunlab_protocol::event::Event;
use lunlab_protocol::request::Provocation;
use std::collections::VecDeque;
use std::time::Instant;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Task {
    Check(Box<NamedCheck>),
    Benchmark(usize),
    Provoke(Provocation),
}

/// How far a benchmark is: LIO's counters are read on both sides of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Running,
    After,
    /// The initiator's session stayed to be counted, and ends now.
    LoggingOut,
}

/// How often the share's server may end otherwise than its client asked for. The client, `soft` or not, fails what was under
/// way or connects again and goes on; as connecting works each time, it may never give up a server that always ends.
const SHARE_TROUBLES: u32 = 3;

/// What is still to be done, and what is being done.
pub(super) struct Work {
    tasks: VecDeque<Task>,
    current: Option<Task>,
    side: Side,
    /// Groups that the guest has not read yet.
    unread: usize,
    /// Whether the initiator's session is still there.
    session: bool,
    /// How often the share's server failed.
    share_troubles: u32,
}

impl Work {
    pub(super) fn new(orders: &Orders) -> Self {
        let mut tasks = VecDeque::new();
        tasks.extend(orders.provoke.map(Task::Provoke));
        let checks = jobs::checks(&orders.spec, &orders.provisioning);
        tasks.extend(checks.into_iter().map(|check| Task::Check(Box::new(check))));
        // What the host does by itself comes when this machine has ended.
        let in_a_guest = |benchmark: &Benchmark| match benchmark {
            Benchmark::Measured(asked) => !matches!(asked.run(), Some(Run::Host)),
            Benchmark::IscsiRandread(_) | Benchmark::HostCommand(_) => true,
        };
        let benchmarks = orders.spec.benchmarks.iter().enumerate();
        let benchmarks = benchmarks.filter(|(_, benchmark)| in_a_guest(benchmark));
        tasks.extend(benchmarks.map(|(n, _)| Task::Benchmark(n)));
        Self {
            tasks,
            current: None,
            side: Side::Running,
            unread: 0,
            session: false,
            share_troubles: 0,
        }
    }

    /// The benchmark that is being done.
    fn benchmark(&self) -> Option<usize> {
        match self.current {
            Some(Task::Benchmark(n)) => Some(n),
            _ => None,
        }
    }

    fn runs(&self, n: usize) -> bool {
        self.benchmark() == Some(n) && self.side == Side::Running
    }
}

/// The number a reading has: even before its benchmark, odd after it.
fn reading(n: usize, side: Side) -> u32 {
    let number = n.saturating_mul(2).saturating_add(usize::from(side == Side::After));
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Conductor {
    pub(super) fn next_task(&mut self, at: Instant) -> Vec<Action> {
        self.work.current = self.work.tasks.pop_front();
        self.work.side = Side::Running;
        match self.work.current.clone() {
            None => {
                self.record.all_done = true;
                self.finish(at)
            }
            Some(Task::Check(check)) => {
                let words = match check.name.as_str() {
                    "initiator" => "checking the target as an initiator".to_owned(),
                    name => format!("checking: {name}"),
                };
                self.start_job(Some(Job::Check(check.check)), &words, at)
            }
            Some(Task::Benchmark(n)) => self.read_counters(n, Side::Before, at),
            Some(Task::Provoke(provocation)) => {
                // What was provoked ends the run, or its deadline does. One that the guest
                // survives, and one that only makes it ignore the end, goes on to the end.
                let mut actions = vec![Action::Ask(Ask::Provoke(provocation))];
                if provocation == Provocation::Hang {
                    self.work.current = None;
                    actions.push(Action::Say("the guest was told to hang".into()));
                }
                actions
            }
        }
    }

    fn read_counters(&mut self, n: usize, side: Side, at: Instant) -> Vec<Action> {
        let groups = statistics::groups(&self.orders.provisioning);
        self.work.side = side;
        self.work.unread = groups.len();
        if groups.is_empty() {
            return self.counters_are_read(n, at);
        }
        let number = reading(n, side);
        groups.into_iter().map(|path| Action::Ask(Ask::Read { number, path })).collect()
    }

    pub(super) fn read_ended(&mut self, number: u32, at: Instant) -> Vec<Action> {
        let Some(n) = self.work.benchmark() else { return Vec::new() };
        let expected = self.work.side != Side::Running && number == reading(n, self.work.side);
        if !expected || self.stage != Stage::Working {
            return Vec::new();
        }
        self.work.unread = self.work.unread.saturating_sub(1);
        if self.work.unread == 0 { self.counters_are_read(n, at) } else { Vec::new() }
    }

    fn counters_are_read(&mut self, n: usize, at: Instant) -> Vec<Action> {
        match self.work.side {
            Side::After if std::mem::take(&mut self.work.session) && !self.initiator_gone => {
                self.work.side = Side::LoggingOut;
                vec![Action::Job(Box::new(Job::LogOut))]
            }
            Side::After | Side::LoggingOut => self.next_task(at),
            Side::Before | Side::Running => {
                self.work.side = Side::Running;
                self.start_benchmark(n, at)
            }
        }
    }

    fn start_benchmark(&mut self, n: usize, at: Instant) -> Vec<Action> {
        let Some(benchmark) = self.orders.spec.benchmarks.get(n).cloned() else {
            return self.next_task(at);
        };
        let place =
            place_words(u32::try_from(n).unwrap_or(u32::MAX), self.orders.spec.benchmarks.len());
        let words = format!("measuring {}{place}", benchmark.workload());
        match &benchmark {
            Benchmark::IscsiRandread(asked) => {
                let (spec, provisioning) = (&self.orders.spec, &self.orders.provisioning);
                let job = jobs::randread(spec, provisioning, asked);
                self.start_job(job.map(Job::Randread), &words, at)
            }
            Benchmark::HostCommand(asked) => {
                let urls = self.orders.provisioning.urls(&self.orders.spec);
                let name = |n: usize| format!("LUNLAB_URL_{n}");
                let environment =
                    urls.iter().enumerate().map(|(n, url)| (name(n), url.to_string()));
                let command = HostCommand {
                    benchmark: n,
                    words: asked.command.clone(),
                    environment: environment.collect(),
                    timeout: asked.timeout,
                };
                let words = format!("running {}", asked.command.join(" "));
                vec![Action::Say(words), Action::Command(command)]
            }
            Benchmark::Measured(asked) if asked.is_over_iscsi() => {
                let (spec, provisioning) = (&self.orders.spec, &self.orders.provisioning);
                let job = jobs::storage(spec, provisioning, asked);
                self.start_job(job.map(Job::Storage), &words, at)
            }
            Benchmark::Measured(asked) => {
                let number = u32::try_from(n).unwrap_or(u32::MAX);
                if matches!(asked.run(), Some(Run::Across)) {
                    let across = Across { number, asked: asked.clone() };
                    return vec![Action::Say(words), Action::Measure(Box::new(across))];
                }
                let workload = benchmark.workload();
                let parameters = self.guest_parameters(n, asked);
                let ask = Ask::Benchmark { number, workload, parameters };
                vec![Action::Say(words), Action::Ask(ask)]
            }
        }
    }

    /// A workload's values, with the guest's paths of files, and where it finds the storage object among them.
    fn guest_parameters(&self, n: usize, asked: &Measured) -> Vec<(String, String)> {
        let path =
            asked.access().and_then(|access| self.path_of(access.storage_object, access.via));
        let path = path.map(|path| ("path".to_owned(), path));
        let files: Vec<&str> = asked.files().map(|(parameter, _)| parameter).collect();
        let own = asked.values.iter().map(|(key, value)| {
            let is_file = files.contains(&key.as_str());
            let value = if is_file { Measured::guest_file(n, key) } else { value.clone() };
            (key.clone(), value)
        });
        own.chain(path).collect()
    }

    /// Where the guest finds the data of a storage object; the checked spec has it there.
    fn path_of(&self, storage_object: &str, via: Via) -> Option<String> {
        let object = self.orders.spec.storage_object(storage_object);
        let mut disks = self.orders.provisioning.disks.iter();
        Some(match via {
            Via::Iscsi => return None,
            Via::Loopback => {
                let disk = disks.find(|disk| disk.storage_object == storage_object);
                names::device_path(disk.map_or(storage_object, |disk| &disk.name))
            }
            Via::Backing if object.is_some_and(|object| object.device.is_some()) => {
                names::device_path(storage_object)
            }
            Via::Backing => names::file_path(storage_object),
        })
    }

    fn start_job(&mut self, job: Option<Job>, words: &str, at: Instant) -> Vec<Action> {
        match job {
            Some(job) if !self.initiator_gone => {
                vec![Action::Say(words.to_owned()), Action::Job(Box::new(job))]
            }
            _ => {
                self.task_failed("there is no initiator to do it");
                self.task_ended(at)
            }
        }
    }

    fn task_failed(&mut self, problem: &str) {
        match &self.work.current {
            Some(Task::Check(check)) => self.record.check_failed(&check.name, problem),
            Some(Task::Benchmark(n)) => self.record.benchmark_failed(*n, problem),
            Some(Task::Provoke(_)) | None => {}
        }
    }

    fn task_ended(&mut self, at: Instant) -> Vec<Action> {
        match (self.stage, self.work.benchmark()) {
            (Stage::Working, Some(n)) if self.work.side == Side::Running => {
                self.read_counters(n, Side::After, at)
            }
            (Stage::Working, _) => self.next_task(at),
            _ => Vec::new(),
        }
    }

    pub(super) fn initiator(&mut self, report: Report, at: Instant) -> Vec<Action> {
        match report {
            Report::Done { .. } => {
                match &self.work.current {
                    Some(Task::Check(check)) => self.record.check_held(&check.name),
                    Some(Task::Benchmark(n)) if self.work.side == Side::Running => {
                        self.record.benchmark_done(*n);
                        self.work.session = true;
                    }
                    Some(Task::Benchmark(_) | Task::Provoke(_)) | None => {}
                }
                self.task_ended(at)
            }
            Report::Failed(failure) => {
                let problem = failure_words(&failure);
                self.task_failed(&problem);
                self.task_ended(at)
            }
            Report::Told(telling) => match self.work.benchmark().map(u32::try_from) {
                Some(Ok(number)) => self.event(&event_of(&telling, number), at),
                _ => Vec::new(),
            },
            other => {
                self.record.report(self.work.benchmark(), &other, at);
                Vec::new()
            }
        }
    }

    pub(super) fn initiator_ended(&mut self, how: &str, at: Instant) -> Vec<Action> {
        self.initiator_gone = true;
        if self.stage != Stage::Working || !self.initiator_works() {
            return Vec::new();
        }
        self.task_failed(&format!("the initiator's process ended: {how}"));
        self.task_ended(at)
    }

    fn initiator_works(&self) -> bool {
        match &self.work.current {
            Some(Task::Check(_)) => true,
            Some(Task::Benchmark(n)) => {
                let benchmark = self.orders.spec.benchmarks.get(*n);
                let waited_for = matches!(self.work.side, Side::Running | Side::LoggingOut);
                waited_for && benchmark.is_some_and(|benchmark| benchmark.login().is_some())
            }
            Some(Task::Provoke(_)) | None => false,
        }
    }

    /// Says how far a benchmark is.
    pub(super) fn progress(&self, number: u32, permille: u32, left_ms: u64) -> Vec<Action> {
        let benchmark = usize::try_from(number).ok().filter(|n| self.work.runs(*n));
        let Some(asked) = benchmark.and_then(|n| self.orders.spec.benchmarks.get(n)) else {
            return Vec::new();
        };
        let (percent, seconds) = (permille.min(1000) / 10, left_ms.div_ceil(1000));
        let place = place_words(number, self.orders.spec.benchmarks.len());
        let words = format!("measuring {}{place}: {percent} %, {seconds} s left", asked.workload());
        vec![Action::Progress(words)]
    }

    pub(super) fn guest_benchmark_ended(
        &mut self,
        number: u32,
        problem: &str,
        at: Instant,
    ) -> Vec<Action> {
        self.benchmark_ended(usize::try_from(number).unwrap_or(usize::MAX), problem, at)
    }

    pub(super) fn command_ended(
        &mut self,
        benchmark: usize,
        outcome: &Result<(), String>,
        output: String,
        at: Instant,
    ) -> Vec<Action> {
        self.record.command_output(benchmark, output);
        let problem = outcome.as_ref().err().map_or("", String::as_str);
        self.benchmark_ended(benchmark, problem, at)
    }

    fn benchmark_ended(&mut self, n: usize, problem: &str, at: Instant) -> Vec<Action> {
        if !self.work.runs(n) || self.stage != Stage::Working {
            return Vec::new();
        }
        let mut actions = Vec::new();
        if problem.is_empty() {
            self.record.benchmark_done(n);
        } else {
            self.record.benchmark_failed(n, problem);
            actions.extend(self.uses_share(n).then_some(Action::KeepShareLog(n)));
        }
        actions.extend(self.task_ended(at));
        actions
    }

    fn uses_share(&self, n: usize) -> bool {
        let workload = self.orders.spec.benchmarks.get(n).map(Benchmark::workload);
        workload == Some(lunlab_bench::smb::WORKLOAD.name)
    }

    /// A server that ended: the run ends when it is one time too many.
    pub(super) fn share_trouble(&mut self, what: String, at: Instant) -> Vec<Action> {
        self.work.share_troubles += 1;
        let running = self.work.benchmark().filter(|n| self.work.runs(*n) && self.uses_share(*n));
        let Some(n) = running
            .filter(|_| self.work.share_troubles >= SHARE_TROUBLES && self.stage == Stage::Working)
        else {
            self.record.note(what);
            return Vec::new();
        };
        let times = self.work.share_troubles;
        self.record.benchmark_failed(n, &format!("{what} ({times} times in all)"));
        let mut actions = vec![Action::KeepShareLog(n)];
        actions.extend(self.quit(at));
        actions
    }
}

/// What a workload of the initiator's tells, as one in the guest would.
fn event_of(telling: &Telling, benchmark: u32) -> Event<'_> {
    match telling {
        Telling::Sample { series, unit, value } => {
            Event::Sample { benchmark, series, unit, value: *value }
        }
        Telling::Finding { name, text } => Event::Finding { benchmark, name, text },
        Telling::Bucket { series, up_to_ns, count } => {
            Event::LatencyBucket { benchmark, series, up_to_ns: *up_to_ns, count: *count }
        }
        Telling::Gauge { name, after, value } => {
            Event::Gauge { benchmark, name, after: *after, value: *value }
        }
        Telling::Progress { permille, left_ms } => {
            Event::Progress { benchmark, permille: *permille, left_ms: *left_ms }
        }
    }
}

/// Which of several benchmarks it is.
fn place_words(number: u32, of: usize) -> String {
    if of < 2 { String::new() } else { format!(" ({} of {of})", number.saturating_add(1)) }
}
