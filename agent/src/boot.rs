//! From the first instruction of PID 1 to a channel to the host, in order.

use crate::channel::{ChannelError, Dialler, Link, Requests};
use crate::kmsg::Forwarder;
use crate::modules::{self, ModuleError};
use crate::mounts::{MountError, mount_early};
use crate::segment::{Segment, SegmentError};
use crate::{power, signals};
use lunlab_protocol::event::{Event, Phase};
use lunlab_protocol::request::Request;
use nix::sys::signal::SigSet;
use std::sync::Arc;
use std::time::Duration;

/// Why the host cannot be told anything but by the console.
#[derive(Debug)]
pub enum BootError {
    /// Signals cannot be blocked.
    Signals(nix::Error),
    /// A required mount failed.
    Mount(MountError),
    /// The run's segment is missing or malformed.
    Segment(SegmentError),
    /// A module of the channel failed.
    Module(ModuleError),
    /// The host cannot be reached.
    Channel(ChannelError),
    /// A thread cannot be started.
    Thread(std::io::Error),
}

impl std::fmt::Display for BootError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signals(error) => write!(f, "block signals: {error}"),
            Self::Mount(error) => error.fmt(f),
            Self::Segment(error) => error.fmt(f),
            Self::Module(error) => error.fmt(f),
            Self::Channel(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "start a thread: {error}"),
        }
    }
}

impl std::error::Error for BootError {}

/// A booted guest with a channel.
pub struct Guest {
    /// Signals that are blocked, to be taken by one thread.
    pub signals: SigSet,
    /// What the host asked in the image.
    pub segment: Segment,
    /// Control, sending.
    pub link: Arc<Link>,
    /// Control, receiving.
    pub requests: Requests,
    /// Opens further streams.
    pub dialler: Arc<Dialler>,
    /// The kernel log; `None` where the kernel has none.
    pub kmsg: Option<Arc<Forwarder>>,
}

/// Boots up to the channel.
///
/// # Errors
/// When the host cannot be reached; the console is then the only witness.
pub fn boot() -> Result<Guest, BootError> {
    let mut phases = vec![(Phase::Init, uptime_us())];
    let signals = signals::block().map_err(BootError::Signals)?;
    let tolerated = mount_early().map_err(BootError::Mount)?;
    let segment = Segment::read().map_err(BootError::Segment)?;
    let loaded = load_channel_modules(&segment).map_err(BootError::Module)?;
    phases.push((Phase::ChannelModules, uptime_us()));
    let (dialler, link, requests) =
        Dialler::connect(segment.channel, segment.token.clone()).map_err(BootError::Channel)?;
    phases.push((Phase::Channel, uptime_us()));
    let link = Arc::new(link);
    power::report_panics_to(&link);
    report(&link, &phases, &loaded, &tolerated);
    let kmsg = forward_kmsg(&link)?;
    Ok(Guest { signals, segment, link, requests, dialler: Arc::new(dialler), kmsg })
}

/// Microseconds since the kernel started.
#[must_use]
pub fn uptime_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}

/// A duration as the wire has it.
#[must_use]
pub fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Loads what the host said is needed to reach it, and says how long each module took.
///
/// # Errors
/// When the kernel refuses one.
pub fn load_channel_modules(segment: &Segment) -> Result<Vec<(String, Duration)>, ModuleError> {
    let mut modules = Vec::new();
    segment.each_request(|request| {
        if let Request::Module(module) = request
            && module.channel
        {
            modules.push((module.path.to_owned(), module.parameters.to_owned()));
        }
    });
    modules
        .into_iter()
        .map(|(path, parameters)| modules::load(&path, &parameters).map(|took| (path, took)))
        .collect()
}

fn report(
    link: &Link,
    phases: &[(Phase, u64)],
    loaded: &[(String, Duration)],
    tolerated: &[MountError],
) {
    let notes: Vec<String> = tolerated.iter().map(|error| format!("{error} (ignored)")).collect();
    // The last phase first: it was just reached, so it ties the guest's clock to the host's.
    let mut events: Vec<Event<'_>> = phases
        .iter()
        .rev()
        .map(|(phase, uptime_us)| Event::Phase { phase: phase.code(), uptime_us: *uptime_us })
        .collect();
    events.extend(
        loaded
            .iter()
            .map(|(path, took)| Event::ModuleLoaded { path, took_us: microseconds(*took) }),
    );
    events.extend(notes.iter().map(|text| Event::Note { text }));
    events.push(Event::Taint { bits: taint() });
    link.tell_each(&events);
}

/// `/proc/sys/kernel/tainted`.
#[must_use]
pub fn taint() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/tainted").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn forward_kmsg(link: &Arc<Link>) -> Result<Option<Arc<Forwarder>>, BootError> {
    let forwarder = match Forwarder::open(link) {
        Ok(forwarder) => Arc::new(forwarder),
        Err(errno) => {
            let text = format!("open /dev/kmsg: {errno}; the console has to do (ignored)");
            link.tell(&Event::Note { text: &text });
            return Ok(None);
        }
    };
    let reader = Arc::clone(&forwarder);
    std::thread::Builder::new()
        .name("kmsg".into())
        .spawn(move || reader.run())
        .map_err(BootError::Thread)?;
    Ok(Some(forwarder))
}
