//! How streams travel between host and guest: which transport is chosen, what of QEMU it needs,
//! and the streams the guest dials.
//!
//! | transport | host needs | module |
//! |---|---|---|
//! | `vhost-vsock` | /dev/vhost-vsock | [`vhost_vsock`] |
//! | `vhost-user-vsock` | the program `vhost-device-vsock` | [`vhost_user_vsock`] |
//! | `virtio-serial` | nothing | [`virtio_serial`] |

pub mod choice;
pub mod vhost_user_vsock;
pub mod vhost_vsock;
pub mod virtio_serial;

use crate::error::Error;
use crate::guardian::Guardian;
use crate::qemu::device::Device;
use lunlab_protocol::hello::{BENCHMARKS, Hello, Token};
use lunlab_protocol::request::Channel;
use lunlab_stream::Stream;
use lunlab_stream::handshake::{Refusal, answer};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a guest may take between dialling and its hello.
const HELLO: Duration = Duration::from_secs(10);

/// A transport by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The kernel's vsock device.
    VhostVsock,
    /// A vsock device in a process of its own.
    VhostUserVsock,
    /// Two virtio-serial ports.
    VirtioSerial,
}

impl Transport {
    /// All, in the order in which `auto` tries them.
    pub const ALL: [Self; 3] = [Self::VhostVsock, Self::VhostUserVsock, Self::VirtioSerial];

    /// Its name in the spec and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VhostVsock => "vhost-vsock",
            Self::VhostUserVsock => "vhost-user-vsock",
            Self::VirtioSerial => "virtio-serial",
        }
    }

    /// Whether a process beside QEMU maps the guest's memory.
    #[must_use]
    pub const fn shares_memory(self) -> bool {
        matches!(self, Self::VhostUserVsock)
    }
}

/// A stream the guest dialled, or tried to.
pub enum Arrival {
    /// A stream by the number its hello names; 0 is control.
    Stream(u32, Stream),
    /// One that was refused.
    Refused(Refusal),
    /// The transport itself failed and will bring nothing more.
    Failed(String),
}

/// Takes arrivals, on whichever thread they come.
pub type OnArrival = Arc<dyn Fn(Arrival) + Send + Sync>;

/// What a stream must know, by its number.
#[derive(Clone)]
pub struct Tokens {
    /// The run's.
    pub run: Token,
    /// That of benchmarks' streams: other programs of the guest's are given it.
    pub benchmarks: Token,
}

impl Tokens {
    fn of(&self, number: u32) -> Token {
        let token = if number >= BENCHMARKS { &self.benchmarks } else { &self.run };
        token.clone()
    }
}

/// Who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialling {
    /// The agent.
    Agent,
    /// The agent, and programs of benchmarks.
    Benchmarks,
}

/// A transport made ready for QEMU to start.
pub struct Ready {
    /// What QEMU and the kernel are told of it.
    pub device: Box<dyn Device>,
    /// What the agent is told.
    pub channel: Channel,
    /// Descriptors QEMU inherits, by the numbers its command line names.
    pub inherited: Vec<(i32, OwnedFd)>,
    /// A helper beside QEMU.
    pub helper: Option<Child>,
    /// Starts to take what the guest dials.
    pub listen: Box<dyn FnOnce(Tokens, OnArrival) -> Result<(), Error>>,
}

/// Makes a transport ready in the run's directory.
///
/// # Errors
/// When what it needs fails now, though it was there when it was chosen.
pub fn prepare(
    transport: Transport,
    dialling: Dialling,
    helper: Option<&Path>,
    directory: &Path,
    guardian: &Guardian,
) -> Result<Ready, Error> {
    match (transport, helper) {
        (Transport::VhostVsock, _) => vhost_vsock::prepare(),
        (Transport::VhostUserVsock, Some(program)) => {
            vhost_user_vsock::prepare(program, directory, guardian)
        }
        (Transport::VhostUserVsock, None) => {
            Err(Error::internal("vhost-user-vsock was chosen without its program"))
        }
        (Transport::VirtioSerial, _) => virtio_serial::prepare(dialling, directory),
    }
}

/// What `vhost_user_vsock` and a dry run tell QEMU of a transport, without anything being made.
#[must_use]
pub fn planned_device(
    transport: Transport,
    dialling: Dialling,
    directory: &Path,
) -> Box<dyn Device> {
    match transport {
        Transport::VhostVsock => Box::new(vhost_vsock::device(vhost_vsock::FIRST_CID)),
        Transport::VhostUserVsock => Box::new(vhost_user_vsock::device(directory)),
        Transport::VirtioSerial => Box::new(virtio_serial::device(dialling, directory)),
    }
}

/// Binds a socket in the run's directory.
fn bind(path: &Path) -> Result<UnixListener, Error> {
    UnixListener::bind(path)
        .map_err(|error| Error::environment(format!("bind {}: {error}", path.display())))
}

/// Starts a thread of the transport.
fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map(|_detached| ())
        .map_err(|error| Error::environment(format!("start a thread for {name}: {error}")))
}

/// Shakes hands on a stream that was just dialled and passes it on; in a thread of its own, so that
/// a silent peer stops nobody.
fn greet(mut stream: Stream, tokens: &Tokens, on_arrival: &OnArrival) {
    let (tokens, shared) = (tokens.clone(), Arc::clone(on_arrival));
    let greeted = start("handshake", move || {
        let deadline = Some(Instant::now() + HELLO);
        let ours = |number| Hello::ours(number, tokens.of(number));
        match answer(&mut stream, ours, deadline) {
            Ok(number) => shared(Arrival::Stream(number, stream)),
            Err(refusal) => shared(Arrival::Refused(refusal)),
        }
    });
    if let Err(error) = greeted {
        on_arrival(Arrival::Failed(error.to_string()));
    }
}
