//! What the kernel says about its own health: events found in kmsg records and console lines.
//!
//! Nothing here does IO. [`classify`] looks at one line; a [`Detector`] puts the lines of a report
//! together and joins what two sources say.

mod classify;
mod storage;
pub mod taint;
#[cfg(test)]
mod tests;

pub use classify::classify;
pub use storage::StorageErrors;

/// How many lines of one report are kept.
pub const EVENT_LINES_MAX: usize = 60;

/// How many events are kept; a kernel in trouble can repeat itself for as long as it runs.
pub const EVENTS_MAX: usize = 64;

/// How many characters of one line are kept.
const LINE_MAX: usize = 512;

/// The facility of the kernel's own records (`LOG_KERN`); user space cannot write with it.
const FACILITY_KERNEL: u32 = 0;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// The kernel gave up.
    Panic,
    /// The kernel gave up because PID 1 ended: its own fault only if something broke before.
    InitKilled,
    /// A fault in kernel mode: bad pointer, protection fault, invalid opcode.
    Oops,
    /// `BUG()`, or another line the kernel itself calls a BUG.
    Bug,
    /// `WARN()`.
    Warning,
    /// A locking or context rule broken: lockdep, RCU, sleeping where that is forbidden.
    Lockdep,
    /// An access that KASAN refused.
    Kasan,
    /// A use of uninitialised memory.
    Kmsan,
    /// Undefined behaviour.
    Ubsan,
    /// A data race.
    Kcsan,
    /// An access that KFENCE caught.
    Kfence,
    /// A task that does not get on.
    HungTask,
    /// A CPU that does not schedule.
    SoftLockup,
    /// A CPU that does not take interrupts.
    HardLockup,
    /// A grace period that does not end.
    RcuStall,
    /// A page, a page table or a slab object with contents it cannot have.
    BadPage,
    /// A reference count that ran over or under.
    Refcount,
    /// A linked list whose links do not match.
    ListCorruption,
    /// A network device that someone never let go of.
    NetdeviceLeak,
    /// Memory that kmemleak thinks is lost.
    MemoryLeak,
    /// The hardware reported an error.
    MachineCheck,
}

impl EventKind {
    /// Its name in results.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::InitKilled => "init-killed",
            Self::Oops => "oops",
            Self::Bug => "bug",
            Self::Warning => "warning",
            Self::Lockdep => "lockdep",
            Self::Kasan => "kasan",
            Self::Kmsan => "kmsan",
            Self::Ubsan => "ubsan",
            Self::Kcsan => "kcsan",
            Self::Kfence => "kfence",
            Self::HungTask => "hung-task",
            Self::SoftLockup => "soft-lockup",
            Self::HardLockup => "hard-lockup",
            Self::RcuStall => "rcu-stall",
            Self::BadPage => "bad-page",
            Self::Refcount => "refcount",
            Self::ListCorruption => "list-corruption",
            Self::NetdeviceLeak => "netdevice-leak",
            Self::MemoryLeak => "memory-leak",
            Self::MachineCheck => "machine-check",
        }
    }

    /// Whether the task it happens in is killed by it, PID 1 included.
    #[must_use]
    pub const fn kills_task(self) -> bool {
        matches!(self, Self::Oops | Self::Bug | Self::ListCorruption)
    }

    /// Whether all there is to say is said in one line.
    const fn is_one_line(self) -> bool {
        matches!(self, Self::NetdeviceLeak | Self::MemoryLeak | Self::MachineCheck)
    }

    /// Whether its report ends in `---[ end trace`, after more than the call trace.
    const fn has_end_marker(self) -> bool {
        matches!(
            self,
            Self::Panic
                | Self::InitKilled
                | Self::Oops
                | Self::Bug
                | Self::Warning
                | Self::Refcount
                | Self::ListCorruption
        )
    }
}

/// Where an event was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In records of the kernel's own facility.
    Kmsg,
    /// On the console, and not in kmsg.
    Console,
}

/// One event with the report that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelEvent {
    /// What happened.
    pub kind: EventKind,
    /// The kernel's own first line about it.
    pub title: String,
    /// The report, the title included: at most [`EVENT_LINES_MAX`] lines.
    pub lines: Vec<String>,
    /// Where it was seen.
    pub source: Source,
}

/// Finds events in lines as they come.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    kmsg: Reports,
    console: Reports,
    /// What user space wrote into kmsg that reads like an event: it is on the console too, where it
    /// cannot be told from the kernel's own words.
    imitations: Vec<String>,
    /// Whether the console has shown a kernel timestamp, so that a line without one is not the
    /// kernel's.
    console_has_timestamps: bool,
}

impl Detector {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one kmsg record: its priority field (facility times 8 plus level) and its text.
    pub fn push_kmsg(&mut self, priority: u32, text: &str) {
        for line in text.lines() {
            if priority >> 3 == FACILITY_KERNEL {
                self.kmsg.push(line);
            } else if classify(line).is_some() && self.imitations.len() < EVENTS_MAX {
                self.imitations.push(clean(line));
            }
        }
    }

    /// Takes one line of the serial console.
    pub fn push_console(&mut self, line: &str) {
        let (text, has_timestamp) = classify::strip_console_prefix(line);
        self.console_has_timestamps |= has_timestamp;
        if has_timestamp || !self.console_has_timestamps {
            self.console.push(text);
        }
    }

    /// Whether anything was found so far, at the cost of two comparisons.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.kmsg.0.is_empty() || !self.console.0.is_empty()
    }

    /// Everything found so far, in the order of its sources: kmsg, then what only the console had.
    #[must_use]
    pub fn events(&self) -> Vec<KernelEvent> {
        let mut delivered: Vec<(EventKind, &str)> =
            self.kmsg.0.iter().map(|report| (report.kind, report.title())).collect();
        let kmsg = self.kmsg.0.iter().map(|report| report.to_event(Source::Kmsg));
        let console = self.console.0.iter().filter(|report| {
            let same = delivered.iter().position(|seen| *seen == (report.kind, report.title()));
            // One record answers for one line: a second event of that title may be one that kmsg
            // lost.
            same.map(|index| delivered.swap_remove(index)).is_none()
                && !self.imitations.iter().any(|imitation| imitation == report.title())
        });
        let console: Vec<_> = console.map(|report| report.to_event(Source::Console)).collect();
        kmsg.chain(console).collect()
    }
}

/// The reports found in one source.
#[derive(Clone, Debug, Default)]
struct Reports(Vec<Report>);

#[derive(Clone, Debug)]
struct Report {
    kind: EventKind,
    lines: Vec<String>,
    ended: bool,
}

impl Reports {
    fn push(&mut self, line: &str) {
        let kind = classify(line);
        let current = self.0.last_mut().filter(|report| !report.ended);
        match (current, kind) {
            (Some(report), kind) if kind.is_none_or(|kind| report.explains(kind, line)) => {
                report.push(line);
            }
            (_, Some(kind)) => self.start(kind, line),
            (_, None) => {}
        }
    }

    fn start(&mut self, kind: EventKind, line: &str) {
        if let Some(previous) = self.0.last_mut() {
            previous.ended = true;
        }
        if self.0.len() < EVENTS_MAX {
            let ended = kind.is_one_line();
            self.0.push(Report { kind, lines: vec![clean(line)], ended });
        }
    }
}

impl Report {
    fn title(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    fn to_event(&self, source: Source) -> KernelEvent {
        let title = self.title().to_owned();
        KernelEvent { kind: self.kind, title, lines: self.lines.clone(), source }
    }

    fn push(&mut self, line: &str) {
        self.lines.push(clean(line));
        self.ended = self.lines.len() >= EVENT_LINES_MAX || self.is_ended_by(line);
    }

    /// Whether a line that would be an event is part of this report: the kernel tells one oops in
    /// up to three such lines, and the reason of a `WARN` or `BUG` in a line of its own.
    fn explains(&self, kind: EventKind, line: &str) -> bool {
        use EventKind::{Bug, Kasan, ListCorruption, Oops, Refcount, Warning};
        let is_die = |line: &str| line.contains("[#");
        match (self.kind, kind) {
            (Oops | Bug | ListCorruption, Oops) => {
                is_die(line) && !self.lines.iter().any(|line| is_die(line))
            }
            (Oops, Kasan) => true,
            (Refcount | ListCorruption, Warning | Bug) => self.lines.len() <= 2,
            _ => false,
        }
    }

    fn is_ended_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.starts_with("---[ end ")
            || (!self.kind.has_end_marker()
                && (line == "</TASK>" || line.starts_with("==================")))
    }
}

/// A line as it is kept: without trailing blanks, cut to a bound.
fn clean(line: &str) -> String {
    line.trim_end().chars().take(LINE_MAX).collect()
}
