//! What the host asks of the guest.
//!
//! The run's segment of the image holds a [`crate::hello::Hello`] and then the first requests, in
//! the same frames as on the control stream, so that the agent starts without waiting for anyone.

use crate::target::{Device, LoopbackDisk, Step};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// A request. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "without an allocator; one is decoded at a time")]
pub enum Request<'a> {
    /// How to reach the host. Only in the run's segment, and first there.
    Channel(Channel),
    /// Load this module next, in the order given.
    Module(#[serde(borrow)] Module<'a>),
    /// The next step of the plan.
    Step(#[serde(borrow)] Step<'a>),
    /// Carry out what was sent. Answered by events up to `TargetReady` or `ProvisionFailed`.
    Provision,
    /// Dial the host and connect the new stream to the portal at this guest address.
    OpenStream {
        /// The number to say in the stream's hello; never 0.
        stream: u32,
        /// An address of the guest: IPv4, or IPv6 without brackets.
        address: &'a str,
        /// The TCP port.
        port: u16,
    },
    /// Run a workload in the guest.
    Benchmark(#[serde(borrow)] Benchmark<'a>),
    /// Make something go wrong, to see that it is noticed. A [`Provocation`] code.
    Provoke(u32),
    /// Tear the target down, then send `Finished`, wait for [`Request::Acknowledge`], power off.
    Finish,
    /// `Finished` has arrived.
    Acknowledge,
    /// One device that the target needs, in the order in which they are set up.
    Device(#[serde(borrow)] Device<'a>),
    /// One disk that the plan makes appear.
    LoopbackDisk(#[serde(borrow)] LoopbackDisk<'a>),
    /// What was sent is what is to stand now: carry out the difference to what stands. Answered by events up to
    /// `Changed` or `ChangeFailed`.
    Change,
    /// Read every attribute of a group of configfs and of those in it, or, for `/proc`, the `stat` of each thread
    /// that carries iSCSI's connections. Answered by `Reading` events and one `ReadEnded`.
    Read {
        /// A number of the host's; the answers carry it.
        number: u32,
        /// The group's path below the configfs root.
        path: &'a str,
    },
    /// Set up the machine's network interface. Sent before the target that listens on it.
    Network {
        /// Its address: IPv4, or IPv6 without brackets.
        address: &'a str,
        /// How many bits of it are the network's.
        prefix: u8,
        /// Where everything else goes; empty for nowhere.
        gateway: &'a str,
    },
}

/// The way to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// AF_VSOCK to CID 2: a connection for each stream.
    Vsock {
        /// The host's port.
        port: u32,
    },
    /// Two named virtio-serial ports: [`CONTROL_PORT`] and [`STREAMS_PORT`].
    VirtioSerial,
}

/// The virtio-serial port that carries the control stream.
pub const CONTROL_PORT: &str = "lunlab.control";

/// The virtio-serial port that carries all other streams, see [`crate::mux`].
pub const STREAMS_PORT: &str = "lunlab.streams";

/// The virtio-serial port that carries the streams of benchmarks, in the same way. A run has it when a
/// benchmark needs it.
pub const BENCHMARKS_PORT: &str = "lunlab.benchmarks";

/// A module in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module<'a> {
    /// Absolute path of the uncompressed module.
    pub path: &'a str,
    /// Needed to reach the host, so loaded before it is dialled.
    pub channel: bool,
    /// What finit_module(2) is given, such as `nr_devices=0`.
    pub parameters: &'a str,
}

/// A workload and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Benchmark<'a> {
    /// Its number in the run; its events carry it.
    pub number: u32,
    /// The workload's name.
    pub workload: &'a str,
    /// Parameters as in the spec.
    #[serde(borrow)]
    pub parameters: Vec<Parameter<'a>, PARAMETERS>,
}

/// The most parameters a benchmark has.
pub const PARAMETERS: usize = 32;

/// Where the guest has the program that runs workloads, when a run has one for it.
pub const WORKLOADS_PROGRAM: &str = "/bin/lunlab-workloads";

/// One parameter of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter<'a> {
    /// The key in the spec.
    pub key: &'a str,
    /// The value as text.
    pub value: &'a str,
}

impl<'a> Parameter<'a> {
    /// The value of that key among parameters.
    #[must_use]
    pub fn find(parameters: &[Self], key: &str) -> Option<&'a str> {
        parameters.iter().find(|each| each.key == key).map(|each| each.value)
    }
}

/// Things that can be made to go wrong; they travel as integers because the list will grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provocation {
    /// Panic by sysrq `c`.
    Panic,
    /// An oops in a worker thread: LIO's store of `emulate_tpu` before `enable`
    /// (drivers/target/target_core_configfs.c).
    Oops,
    /// The guest goes on but never finishes.
    Hang,
    /// PID 1 exits.
    AgentExit,
    /// PID 1 panics in its own code.
    AgentPanic,
}

impl Provocation {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Panic, Self::Oops, Self::Hang, Self::AgentExit, Self::AgentPanic];

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        Self::ALL.iter().zip(0..).find(|(each, _)| **each == self).map_or(u32::MAX, |(_, n)| n)
    }

    /// The provocation of a code; `None` for one this build does not know.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        usize::try_from(code).ok().and_then(|n| Self::ALL.get(n).copied())
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Oops => "oops",
            Self::Hang => "hang",
            Self::AgentExit => "agent-exit",
            Self::AgentPanic => "agent-panic",
        }
    }
}
