//! What to do when something happens: pure. Happenings and the time go in, actions come out, and
//! what was learnt stays in the [`Record`].
//!
//! ```text
//! Booting ──control opened──▶ Preparing ──target ready──▶ Working ──all done──▶ Finishing
//!    │                            │                          │ (up: Holding)        │ finished
//!    └─────── QEMU ended, deadline, signal, fatal kernel event ────▶ Ending ◀── PoweringOff
//! ```

mod action;
mod change;
mod work;

pub use action::{Across, Action, Ask, HostCommand};

use crate::initiator;
use crate::qemu::qmp::QmpEvent;
use crate::run::happening::{Ended, Happening, What};
use crate::run::record::Record;
use crate::spec::Spec;
use crate::target::Provisioning;
use crate::verdict::{Fact, Kind, Signal};
use change::Pending;
use lunlab_protocol::event::{Event, Phase};
use lunlab_protocol::message::decode;
use lunlab_protocol::request::Provocation;
use std::sync::Arc;
use std::time::{Duration, Instant};
use work::Work;

/// What the guest may take from being asked to finish to its last message; its own limit for the
/// teardown is 10 s.
const FINISH: Duration = Duration::from_secs(15);

/// What the guest may take to power off.
const POWER_OFF: Duration = Duration::from_secs(10);

/// After a fatal kernel event: how long the kernel must be silent before its report counts as
/// complete, and how long that is waited for.
const QUIET: Duration = Duration::from_millis(400);
const REPORT: Duration = Duration::from_secs(3);

/// What the machine's pieces may take to close once QEMU has been told to end.
const CLOSE: Duration = Duration::from_secs(2);

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// QEMU runs; nothing was heard of the agent.
    Booting,
    /// The agent loads modules and sets up the target.
    Preparing,
    /// Checks and benchmarks run.
    Working,
    /// The target is held for others.
    Holding,
    /// The guest was asked to finish.
    Finishing,
    /// The guest has said its last word.
    PoweringOff,
    /// QEMU ended or was told to; the rest closes.
    Ending,
    /// Everything is closed.
    Over,
}

/// What a target is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Checks and benchmarks.
    Work,
    /// To be held for others.
    Hold,
    /// To have been reached.
    Boot,
}

/// What a run is told to do, as far as the conductor must know.
#[derive(Debug, Clone)]
pub struct Orders {
    /// The checked spec.
    pub spec: Spec,
    /// What the target is for.
    pub purpose: Purpose,
    /// Make this go wrong once the target is ready.
    pub provoke: Option<Provocation>,
    /// What the guest sets up.
    pub provisioning: Arc<Provisioning>,
    /// When the agent must have been heard of, from the start of QEMU.
    pub boot_timeout: Duration,
    /// What the run may take, from the start of its first QEMU.
    pub timeout: Duration,
    /// When it must be over by that.
    pub until: Instant,
}

/// Decides.
pub struct Conductor {
    orders: Orders,
    /// What was learnt.
    pub record: Record,
    stage: Stage,
    work: Work,
    /// What is to stand once the guest says so.
    pending: Option<Pending>,
    /// What the spec's file became since, while nothing could be changed.
    newest: Option<Result<Spec, String>>,
    begun: Instant,
    /// When the stage ends by itself.
    stage_deadline: Option<Instant>,
    /// A fatal kernel event was seen: when, and when the kernel last said something.
    fatal: Option<(Instant, Instant)>,
    console_open: bool,
    control_open: bool,
    /// The channel broke and nothing was ended for that yet.
    broken: bool,
    last_heard: Option<Instant>,
    /// The agent is silent in the middle of a frame: bytes that came, of how many.
    unfinished: Option<(usize, usize)>,
    initiator_gone: bool,
}

impl Conductor {
    /// A run whose QEMU starts now.
    #[must_use]
    pub fn new(orders: Orders, record: Record, begun: Instant) -> Self {
        let work = Work::new(&orders);
        let stage_deadline = Some(begun + orders.boot_timeout);
        Self {
            orders,
            record,
            stage: Stage::Booting,
            work,
            pending: None,
            newest: None,
            begun,
            stage_deadline,
            fatal: None,
            console_open: true,
            control_open: false,
            broken: false,
            last_heard: None,
            unfinished: None,
            initiator_gone: false,
        }
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When [`Conductor::tick`] is wanted at the latest.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let run = self.run_deadline();
        let fatal = self.fatal.map(|(seen, last)| (last + QUIET).min(seen + REPORT));
        [self.stage_deadline, run, fatal]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.begun + Duration::from_secs(u64::from(u32::MAX)))
    }

    /// The deadline of the whole run; a target that is held has none, and a run that is ending
    /// has nearer ones.
    fn run_deadline(&self) -> Option<Instant> {
        let bound = match self.stage {
            Stage::Booting | Stage::Preparing | Stage::Working => true,
            Stage::Holding | Stage::Finishing | Stage::PoweringOff => false,
            Stage::Ending | Stage::Over => false,
        };
        bound.then_some(self.orders.until)
    }

    /// Takes what happened.
    pub fn take(&mut self, happening: Happening) -> Vec<Action> {
        let at = happening.at;
        match happening.what {
            What::Console(line) => self.console_line(&line, at),
            What::ConsoleClosed => {
                self.console_open = false;
                self.closed()
            }
            What::Qmp(event) => self.qmp(event),
            What::QemuEnded(ended) => self.qemu_ended(ended, at),
            What::HelperEnded(status) => self.helper_ended(&status, at),
            What::ControlOpened => self.control_opened(at),
            What::Refused { why, version } => self.refused(&why, version, at),
            What::HungUp(how) => {
                self.record.note(format!("a stream came to nothing: {how}"));
                Vec::new()
            }
            What::Message(payload) => self.message(&payload, at),
            What::Measured(payload) => match decode::<Event<'_>>(&payload) {
                Ok(event) => self.event(&event, at),
                Err(_) => Vec::new(),
            },
            What::MeterFailed { benchmark, problem } => {
                self.guest_benchmark_ended(benchmark, &problem, at)
            }
            What::Unfinished(bytes) => {
                self.unfinished = bytes;
                Vec::new()
            }
            What::ControlLost(why) => self.control_lost(&why, at),
            What::Initiator(report) => self.initiator(report, at),
            What::InitiatorEnded(how) => self.initiator_ended(&how, at),
            What::CommandEnded { benchmark, outcome, output } => {
                self.command_ended(benchmark, &outcome, output, at)
            }
            What::ShareTrouble(what) => self.share_trouble(what, at),
            What::SpecChanged(spec) => self.spec_changed(*spec, at),
            What::Signal(signal) => self.signal(signal, at),
        }
    }

    /// Looks at the clock.
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        if let Some((seen, last)) = self.fatal
            && now >= (last + QUIET).min(seen + REPORT)
        {
            self.fatal = None;
            return self.quit(now);
        }
        if self.run_deadline().is_some_and(|at| now >= at) {
            let limit = self.orders.timeout;
            return self.timed_out(&format!("the run is not over after {}", seconds(limit)), now);
        }
        if self.stage_deadline.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.stage_deadline = None;
        match self.stage {
            Stage::Booting => {
                let limit = seconds(self.orders.boot_timeout);
                let reason = format!("the kernel did not reach the agent within {limit}");
                self.record.fact(Fact::new(Kind::Boot, reason));
                self.quit(now)
            }
            Stage::Finishing => {
                self.timed_out(&format!("the guest did not finish within {}", seconds(FINISH)), now)
            }
            Stage::PoweringOff => {
                let limit = seconds(POWER_OFF);
                self.timed_out(&format!("the guest did not power off within {limit}"), now)
            }
            Stage::Ending => self.stop(),
            Stage::Preparing | Stage::Working | Stage::Holding | Stage::Over => Vec::new(),
        }
    }

    fn timed_out(&mut self, reason: &str, now: Instant) -> Vec<Action> {
        let life = match self.last_heard {
            None => "nothing was heard of the agent".to_owned(),
            Some(heard) => {
                let ago = seconds(now.saturating_duration_since(heard));
                match self.unfinished {
                    None => format!("the agent was last heard of {ago} ago"),
                    Some((have, want)) => format!(
                        "the agent went silent in mid-frame ({have} of {want} bytes) {ago} ago"
                    ),
                }
            }
        };
        self.record.fact(Fact::new(Kind::Timeout, format!("{reason}; {life}")));
        self.quit(now)
    }

    fn console_line(&mut self, line: &str, at: Instant) -> Vec<Action> {
        let fatal = self.record.console_line(line);
        self.kernel_spoke(fatal, at);
        Vec::new()
    }

    /// A panic ends QEMU by itself, mostly; an oops leaves a guest that cannot be relied on.
    fn kernel_spoke(&mut self, fatal: bool, at: Instant) {
        if self.stage >= Stage::Ending {
            return;
        }
        match &mut self.fatal {
            Some((_, last)) => *last = at,
            None if fatal => self.fatal = Some((at, at)),
            None => {}
        }
    }

    fn qmp(&mut self, event: QmpEvent) -> Vec<Action> {
        match event {
            QmpEvent::Shutdown(reason) => self.record.shutdown = Some(reason),
            QmpEvent::Stopped => self.record.note("QEMU stopped the machine: an internal error"),
            QmpEvent::GuestPanicked => {}
        }
        Vec::new()
    }

    fn qemu_ended(&mut self, ended: Ended, at: Instant) -> Vec<Action> {
        if self.stage < Stage::Ending || self.broken {
            let reason = match (&self.record.shutdown, ended.good) {
                (Some(why), true) => format!("the guest ended by itself ({why})"),
                _ => format!("QEMU ended early: {}", ended.status),
            };
            let lines: Vec<String> = ended.words.lines().map(str::to_owned).collect();
            match self.stage {
                Stage::Booting => {
                    let reason = format!("{reason} before the agent was heard of");
                    let fact = Fact::new(Kind::Boot, reason).with_lines(lines);
                    self.record.ended_early = Some(fact);
                }
                // This is how it should end.
                Stage::PoweringOff if ended.good => {}
                _ => {
                    let fact = Fact::new(Kind::AgentLost, reason).with_lines(lines);
                    self.record.ended_early = Some(fact);
                }
            }
        }
        self.end(at);
        // What ends from now on was ended.
        self.broken = false;
        let mut actions = vec![Action::Release];
        actions.extend(self.closed());
        actions
    }

    fn helper_ended(&mut self, status: &str, at: Instant) -> Vec<Action> {
        if self.stage >= Stage::PoweringOff && !self.broken {
            return Vec::new();
        }
        let reason = format!("the process that carries the channel ended: {status}");
        self.record.fact(Fact::new(Kind::AgentLost, reason));
        self.quit(at)
    }

    fn control_opened(&mut self, at: Instant) -> Vec<Action> {
        self.control_open = true;
        if self.stage == Stage::Booting {
            self.enter(Stage::Preparing, None);
        }
        self.last_heard = Some(at);
        self.record.timeline.reached("channel", at);
        // What must not lie in a file, not even in the run's image, goes by the channel.
        if self.orders.provisioning.has_secrets() {
            return vec![Action::Provision(Arc::clone(&self.orders.provisioning))];
        }
        Vec::new()
    }

    fn refused(&mut self, why: &str, version: bool, at: Instant) -> Vec<Action> {
        if self.control_open || self.stage != Stage::Booting {
            self.record.note(format!("a stream was refused: {why}"));
            return Vec::new();
        }
        let kind = if version { Kind::Environment } else { Kind::AgentLost };
        let hint = if version { "; rebuild both with `make build`" } else { "" };
        self.record.fact(Fact::new(kind, format!("the agent was refused: {why}{hint}")));
        self.quit(at)
    }

    fn control_lost(&mut self, why: &str, at: Instant) -> Vec<Action> {
        self.control_open = false;
        if self.stage >= Stage::PoweringOff {
            return self.closed();
        }
        // The end of the guest, or of the process that carries the channel, closes it as well and
        // may be noticed later: it tells more.
        self.broken = true;
        self.record.channel_lost = Some(why.to_owned());
        self.enter(Stage::Ending, Some(at + CLOSE));
        Vec::new()
    }

    fn message(&mut self, payload: &[u8], at: Instant) -> Vec<Action> {
        self.last_heard = Some(at);
        self.unfinished = None;
        match decode::<Event<'_>>(payload) {
            Ok(event) => self.event(&event, at),
            // Both have agreed on a version: who sends anything else is not the agent any more.
            Err(error) if self.stage < Stage::Ending => {
                let reason = format!("the channel broke: the agent sent {error}");
                self.record.fact(Fact::new(Kind::AgentLost, reason));
                self.quit(at)
            }
            Err(_) => Vec::new(),
        }
    }

    fn event(&mut self, event: &Event<'_>, at: Instant) -> Vec<Action> {
        match event {
            Event::Kmsg { sequence, timestamp_us, priority, text } => {
                let fatal = self.record.kmsg(*sequence, *timestamp_us, *priority, text);
                self.kernel_spoke(fatal, at);
            }
            Event::Phase { phase, uptime_us } => {
                self.record.guest_clock(*uptime_us, at);
                if let Some(phase) = Phase::from_code(*phase) {
                    self.record.timeline.reached_in_guest(phase.name(), *uptime_us, at);
                    let words = phase_words(phase).map(str::to_owned);
                    return words.map(Action::Say).into_iter().collect();
                }
            }
            Event::Heartbeat { uptime_us } => self.record.guest_clock(*uptime_us, at),
            Event::TargetReady { .. } => return self.target_ready(at),
            Event::ProvisionFailed { undone } => {
                self.record.provision_failed(*undone);
                return self.finish(at);
            }
            Event::BenchmarkEnded { benchmark, problem } => {
                return self.guest_benchmark_ended(*benchmark, problem, at);
            }
            Event::Progress { benchmark, permille, left_ms } => {
                return self.progress(*benchmark, *permille, *left_ms);
            }
            Event::Gauge { benchmark, name, after, value } => {
                self.record.gauge(*benchmark, name, *after, *value, at);
            }
            Event::ReadEnded { number, .. } => return self.read_ended(*number, at),
            Event::Changed { undone, steps } => return self.changed(*undone, *steps, at),
            Event::ChangeFailed { undone } => return self.change_failed(*undone, at),
            Event::AgentPanicked { text } => {
                self.record.fact(Fact::new(Kind::AgentLost, format!("the agent panicked: {text}")));
            }
            Event::Finished => {
                if self.stage < Stage::PoweringOff {
                    self.enter(Stage::PoweringOff, Some(at + POWER_OFF));
                    self.record.timeline.reached("done", at);
                    return vec![Action::Ask(Ask::Acknowledge), Action::Say("powering off".into())];
                }
            }
            Event::StreamFailed { stream, .. } => {
                self.record.event(event, at);
                return vec![Action::RefusePortal(*stream)];
            }
            other => self.record.event(other, at),
        }
        Vec::new()
    }

    fn target_ready(&mut self, at: Instant) -> Vec<Action> {
        if self.stage != Stage::Preparing {
            return Vec::new();
        }
        self.record.timeline.reached("target-ready", at);
        self.record.target_ready = true;
        let mut actions = vec![Action::ServePortals];
        match self.orders.purpose {
            Purpose::Hold => {
                self.enter(Stage::Holding, None);
                actions.push(Action::Announce);
                actions.extend(self.take_newest(at));
            }
            Purpose::Work => {
                self.enter(Stage::Working, None);
                actions.extend(self.next_task(at));
            }
            // Nobody comes.
            Purpose::Boot => {
                self.record.all_done = true;
                return self.finish(at);
            }
        }
        actions
    }

    fn signal(&mut self, signal: Signal, at: Instant) -> Vec<Action> {
        if self.stage >= Stage::Ending {
            return Vec::new();
        }
        if self.stage == Stage::Holding {
            // This is how holding ends.
            self.record.all_done = true;
            return self.finish(at);
        }
        self.record.fact(Fact::interrupted(signal));
        self.quit(at)
    }

    fn finish(&mut self, at: Instant) -> Vec<Action> {
        if self.stage >= Stage::Finishing {
            return Vec::new();
        }
        self.enter(Stage::Finishing, Some(at + FINISH));
        self.record.timeline.reached("finish", at);
        vec![Action::Say("taking the target down".into()), Action::Ask(Ask::Finish)]
    }

    fn quit(&mut self, at: Instant) -> Vec<Action> {
        self.broken = false;
        self.end(at);
        vec![Action::Quit]
    }

    fn end(&mut self, at: Instant) {
        if self.stage < Stage::Ending {
            self.enter(Stage::Ending, Some(at + CLOSE));
        }
    }

    /// Something closed after QEMU's end: the run is over when everything has.
    fn closed(&mut self) -> Vec<Action> {
        let over = self.stage == Stage::Ending && !self.console_open && !self.control_open;
        if over { self.stop() } else { Vec::new() }
    }

    fn stop(&mut self) -> Vec<Action> {
        if self.stage == Stage::Over {
            return Vec::new();
        }
        self.enter(Stage::Over, None);
        self.fatal = None;
        vec![Action::Stop]
    }

    fn enter(&mut self, stage: Stage, deadline: Option<Instant>) {
        self.stage = stage;
        self.stage_deadline = deadline;
    }
}

/// What is said of a phase; nothing of those that are only heard of together with another.
fn phase_words(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Init | Phase::ChannelModules => None,
        Phase::Channel => Some("the agent is connected"),
        Phase::Modules => Some("modules are loaded"),
        Phase::TargetReady => Some("the target is ready"),
        Phase::TornDown => Some("the target is taken down"),
    }
}

fn failure_words(failure: &initiator::Failure) -> String {
    match failure.hint() {
        Some(hint) => format!("{failure} ({hint})"),
        None => failure.to_string(),
    }
}

/// A duration in the words of a summary: `12 s`, `0.4 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let value = duration.as_secs_f64();
    if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0} s")
    } else {
        format!("{value:.1} s")
    }
}

#[cfg(test)]
mod tests;
