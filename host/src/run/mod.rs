//! One run, from a plan to a verdict.
//!
//! [`plan`] decides everything that can be decided before; [`machine`] starts it and turns what
//! happens into [`happening`]s; [`conductor`] says what to do about each; [`record`] keeps what was
//! learnt and turns it into a verdict. This file is the loop between them.

mod boots;
pub mod clocks;
pub mod command;
pub mod conditions;
pub mod conductor;
pub mod happening;
pub mod jobs;
mod latency;
pub mod machine;
mod measurement;
pub mod meter;
pub mod needs;
pub mod plan;
pub mod queue;
pub mod record;
pub mod replan;
pub mod segment;
pub mod so_far;
pub mod statistics;
pub mod timeline;
pub mod watch;

use crate::error::Error;
use crate::portal::{Asked, PortalAddress, Portals};
use crate::result::CappedLog;
use crate::spec::Spec;
use crate::target::{Provisioning, Seed};
use crate::verdict::Signal;
use boots::Again;
use conductor::{Action, Conductor, Orders, Purpose};
use happening::{Happening, What};
use lunlab_protocol::event::Event;
use lunlab_protocol::message::decode;
use lunlab_protocol::request::{Provocation, Request};
use machine::{Doors, Machine};
use meter::Way;
use plan::Plan;
use queue::{Happenings, Reporter, queue};
use record::{Learnt, Record};
use replan::Guest;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use so_far::Kept;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use timeline::Timeline;
use watch::Watch;

/// What the one who watches is told.
pub trait Watcher {
    /// A phase, in words.
    fn phase(&mut self, text: &str);
    /// How far something long is.
    fn progress(&mut self, text: &str);
    /// A line of the console.
    fn console(&mut self, line: &str);
    /// What the run has come to so far, to be kept in case it is killed.
    fn so_far(&mut self, outcome: &Outcome);
    /// The target of this spec is ready for any initiator.
    fn ready(&mut self, spec: &Spec, provisioning: &Provisioning);
}

/// What a signal may take from the kernel to the run's loop.
const SOON: Duration = Duration::from_millis(100);

/// Signals that end a run, from now until this is dropped.
pub struct Interrupts {
    happenings: Happenings,
    reporter: Reporter,
    /// Whom signals are told.
    told: Arc<Mutex<Reporter>>,
}

impl Interrupts {
    /// Takes the signals; the first one that came is never lost, even before a machine runs.
    ///
    /// # Errors
    /// When no handler can be set.
    pub fn take() -> Result<Self, Error> {
        let failed = |error| Error::environment(format!("take signals: {error}"));
        let (reporter, happenings) = queue();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let told = Arc::new(Mutex::new(reporter.clone()));
        let watcher = Arc::clone(&told);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    let signal =
                        if signal == SIGINT { Signal::Interrupt } else { Signal::Terminate };
                    lock(&watcher).tell(What::Signal(signal));
                }
            })
            .map_err(failed)?;
        Ok(Self { happenings, reporter, told })
    }

    /// Makes ready for another run: what is left of the last one is forgotten, but for a signal, which this gives.
    #[must_use]
    pub fn renew(&mut self) -> Option<Signal> {
        let (reporter, happenings) = queue();
        lock(&self.told).clone_from(&reporter);
        self.reporter = reporter;
        let left = std::mem::replace(&mut self.happenings, happenings);
        left.waiting().find_map(|happening| signal_of(&happening))
    }

    /// A signal that has come already.
    #[must_use]
    pub fn pending(&self) -> Option<Signal> {
        self.happenings.waiting().find_map(|happening| signal_of(&happening))
    }

    /// A signal that may be why something just failed: Ctrl-C hits whatever is starting as well,
    /// and its end may be noticed first.
    #[must_use]
    pub fn behind_failure(&self) -> Option<Signal> {
        std::iter::from_fn(|| self.happenings.next(SOON))
            .find_map(|happening| signal_of(&happening))
    }
}

fn lock(told: &Mutex<Reporter>) -> MutexGuard<'_, Reporter> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal_of(happening: &Happening) -> Option<Signal> {
    match happening.what {
        What::Signal(signal) => Some(signal),
        _ => None,
    }
}

/// Where the logs of a run go as they come.
pub struct Logs {
    /// The serial console.
    pub console: Option<CappedLog>,
    /// The kernel log.
    pub kmsg: Option<CappedLog>,
}

/// What a run needs beside its plan.
pub struct Conditions {
    /// When `lunlab` started.
    pub started: Instant,
    /// Hold the target.
    pub hold: bool,
    /// A spec whose changes are carried out while the target is held.
    pub watch: Option<Watch>,
    /// Make this go wrong.
    pub provoke: Option<Provocation>,
    /// When the agent must have been heard of.
    pub boot_timeout: Duration,
}

/// What came of a run.
pub struct Outcome {
    /// What was learnt.
    pub learnt: Learnt,
    /// QEMU's command line.
    pub argv: Vec<String>,
}

/// Runs a plan to its end. Nothing of it is left when this returns.
///
/// # Errors
/// When the machine cannot be started.
pub fn run(
    plan: &Plan,
    conditions: &Conditions,
    interrupts: &mut Interrupts,
    logs: &mut Logs,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Error> {
    watcher.phase("starting QEMU");
    let reporter = interrupts.reporter.clone();
    let mut ground = Ground::new(plan, conditions)?;
    let doors = ground.doors(plan.needs_initiator());
    let mut machine = Machine::start(plan, doors, &ground.provisioning, &reporter)?;
    ground.until = machine.spawned + plan.spec.run.timeout;
    conditions.watch.as_ref().map(|watch| watch.begin(&reporter)).transpose()?;
    let mut timeline = Timeline::new(conditions.started);
    timeline.reached("qemu-spawn", machine.spawned);
    let record = Record::new(timeline, &plan.spec);
    let orders = Orders {
        spec: plan.spec.clone(),
        purpose: if conditions.hold { Purpose::Hold } else { Purpose::Work },
        provoke: conditions.provoke,
        provisioning: Arc::clone(&ground.provisioning),
        boot_timeout: conditions.boot_timeout,
        timeout: plan.spec.run.timeout,
        until: ground.until,
    };
    let mut conductor = Conductor::new(orders, record, machine.spawned);
    let loaded = plan.loaded();
    conduct(&mut conductor, &mut machine, ground.guest(&loaded), interrupts, logs, watcher);
    let argv = machine.argv.clone();
    machine.finish();
    if !conditions.hold {
        let (kept, ground, argv) = (Kept::default(), &ground, &*argv);
        let mut again = Again { ground, interrupts, logs, watcher, argv, kept };
        again.all(&mut conductor.record);
    }
    let (spec, provisioning) = conductor.standing();
    let (spec, provisioning) = (spec.clone(), Arc::clone(provisioning));
    let learnt = conductor.record.conclude(&spec, Some(&provisioning));
    Ok(Outcome { learnt, argv })
}

/// What every machine of a run stands on: its plan, and the ports that were bound for it.
struct Ground<'a> {
    plan: &'a Plan,
    portals: Arc<Portals>,
    ways: Vec<Way>,
    /// The portals of the target.
    bound: Vec<PortalAddress>,
    seed: Seed,
    provisioning: Arc<Provisioning>,
    boot_timeout: Duration,
    /// When the run must be over.
    until: Instant,
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        self.portals.close();
    }
}

impl<'a> Ground<'a> {
    fn new(plan: &'a Plan, conditions: &Conditions) -> Result<Self, Error> {
        let (own, across) = (asked(&plan.spec), meter::asked(&plan.spec));
        let all: Vec<Asked> =
            own.iter().chain(across.iter().map(|(_, asked)| asked)).copied().collect();
        let portals = Portals::bind(&all)?;
        let (bound, others) = portals.addresses().split_at(own.len());
        let ways = across.iter().map(|(name, _)| *name).zip(others.iter().copied()).collect();
        let seed = Seed(machine::random_bytes()?);
        Ok(Self {
            plan,
            ways,
            bound: bound.to_vec(),
            seed,
            provisioning: Arc::new(Provisioning::new(&plan.spec, bound, seed)?),
            boot_timeout: conditions.boot_timeout,
            until: conditions.started + plan.spec.run.timeout,
            portals: Arc::new(portals),
        })
    }

    fn doors(&self, initiator: bool) -> Doors {
        Doors { portals: Arc::clone(&self.portals), ways: self.ways.clone(), initiator }
    }

    fn guest<'b>(&'b self, loaded: &'b [&'b str]) -> Guest<'b> {
        let Self { plan, bound, seed, .. } = self;
        Guest { boot: &plan.spec, contents: &plan.contents, loaded, bound, seed: *seed }
    }
}

fn conduct(
    conductor: &mut Conductor,
    machine: &mut Machine,
    guest: Guest<'_>,
    interrupts: &Interrupts,
    logs: &mut Logs,
    watcher: &mut dyn Watcher,
) {
    let mut kept = Kept::default();
    loop {
        let due = keep_so_far(&mut kept, conductor, machine, watcher);
        let wake = due.map_or(conductor.deadline(), |due| due.min(conductor.deadline()));
        let left = wake.saturating_duration_since(Instant::now());
        // A guest that never stops talking does not put a deadline off.
        let next = if left.is_zero() { None } else { interrupts.happenings.next(left) };
        let actions = match next {
            Some(happening) => {
                keep(logs, &happening.what);
                if let What::Console(line) = &happening.what {
                    watcher.console(line);
                }
                conductor.take(happening)
            }
            None => conductor.tick(Instant::now()),
        };
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Stop => return,
                Action::Replan(spec) => {
                    let (standing, provisioning) = conductor.standing();
                    let replanned = guest.replan(&spec, (standing, provisioning));
                    actions.extend(conductor.replanned(*spec, replanned, Instant::now()));
                }
                action => carry_out(action, machine, conductor, watcher),
            }
        }
    }
}

/// Has what was measured kept where it is time; gives when that will be.
fn keep_so_far(
    kept: &mut Kept,
    conductor: &Conductor,
    machine: &Machine,
    watcher: &mut dyn Watcher,
) -> Option<Instant> {
    let (told, now) = (conductor.record.told(), Instant::now());
    let due = kept.due(told, now)?;
    if due > now {
        return Some(due);
    }
    let (spec, provisioning) = conductor.standing();
    let learnt = conductor.record.so_far(spec, Some(provisioning));
    watcher.so_far(&Outcome { learnt, argv: machine.argv.clone() });
    kept.wrote(told, (now, Instant::now()));
    None
}

fn asked(spec: &Spec) -> Vec<Asked> {
    let portals = crate::target::portals(spec);
    portals.iter().map(|portal| (portal.address, portal.port)).collect()
}

fn carry_out(
    action: Action,
    machine: &mut Machine,
    conductor: &mut Conductor,
    watcher: &mut dyn Watcher,
) {
    match action {
        Action::Ask(ask) => machine.ask(&ask),
        Action::Measure(across) => machine.measure(*across),
        Action::Provision(provisioning) => machine.provision(&provisioning, &Request::Provision),
        Action::Change(provisioning) => machine.provision(&provisioning, &Request::Change),
        Action::ServePortals => {
            if let Err(error) = machine.serve_portals() {
                conductor.record.note(error.to_string());
            }
        }
        Action::RefusePortal(stream) => machine.refuse(stream),
        Action::Job(job) => machine.job(*job),
        Action::Command(command) => machine.command(command),
        Action::KeepShareLog(n) => conductor.record.server_said(n, &machine.share_log()),
        Action::Say(text) => watcher.phase(&text),
        Action::Progress(text) => watcher.progress(&text),
        Action::Announce => {
            let (spec, provisioning) = conductor.standing();
            watcher.ready(spec, provisioning);
        }
        Action::Quit => machine.quit(),
        Action::Release => machine.release(),
        // The loop deals with these itself.
        Action::Stop | Action::Replan(_) => {}
    }
}

/// Keeps what belongs into a log. A log that cannot be written says so itself, at its end.
fn keep(logs: &mut Logs, what: &What) {
    let (log, line) = match what {
        What::Console(line) => (&mut logs.console, format!("{line}\n")),
        What::Message(payload) => match decode::<Event<'_>>(payload) {
            Ok(Event::Kmsg { sequence, timestamp_us, priority, text }) => {
                let record = serde_json::json!({
                    "sequence": sequence,
                    "timestamp_us": timestamp_us,
                    "facility": priority >> 3,
                    "level": priority & 7,
                    "text": text,
                });
                (&mut logs.kmsg, format!("{record}\n"))
            }
            _ => return,
        },
        _ => return,
    };
    if let Some(log) = log {
        let _kept_in_its_summary = log.push(line.as_bytes());
    }
}
