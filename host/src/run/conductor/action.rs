//! What a conductor can have done.

use crate::initiator::Job;
use crate::spec::{Measured, Spec};
use crate::target::Provisioning;
use lunlab_protocol::request::{Benchmark, PARAMETERS, Parameter, Provocation, Request};
use std::sync::Arc;
use std::time::Duration;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the guest.
    Ask(Ask),
    /// Ask the guest to serve for a benchmark that the host measures, and measure once it does.
    Measure(Box<Across>),
    /// Send the guest what it is to set up, which is not in its image.
    Provision(Arc<Provisioning>),
    /// Send the guest what is to stand from now on.
    Change(Arc<Provisioning>),
    /// Plan a changed spec.
    Replan(Box<Spec>),
    /// Take connections to the portals.
    ServePortals,
    /// Drop the connection to a portal that waits for a stream the guest could not open.
    RefusePortal(u32),
    /// Give the initiator a job.
    Job(Box<Job>),
    /// Run a program on the host.
    Command(HostCommand),
    /// Keep what the share's server last said beside a benchmark that failed.
    KeepShareLog(usize),
    /// Tell whoever watches.
    Say(String),
    /// How far something long is, in words that replace each other.
    Progress(String),
    /// The target is ready for any initiator, or another one now: print what URLs are new, and export it.
    Announce,
    /// End QEMU at once.
    Quit,
    /// End whatever is left beside QEMU.
    Release,
    /// The run is over.
    Stop,
}

/// A program to run on the host while the target is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    /// The benchmark it is.
    pub benchmark: usize,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// What is added to its environment.
    pub environment: Vec<(String, String)>,
    /// What it may take.
    pub timeout: Option<Duration>,
}

/// A benchmark with an end on either side.
#[derive(Debug, Clone, PartialEq)]
pub struct Across {
    /// Its number.
    pub number: u32,
    /// What it is run with.
    pub asked: Measured,
}

/// A request to the guest; its borrowed form is made when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Run a workload.
    Benchmark {
        /// Its number.
        number: u32,
        /// Its name.
        workload: &'static str,
        /// Its parameters.
        parameters: Vec<(String, String)>,
    },
    /// Read a group of configfs.
    Read {
        /// The number its answers carry.
        number: u32,
        /// Its path below the configfs root.
        path: String,
    },
    /// Make something go wrong.
    Provoke(Provocation),
    /// Tear down and finish.
    Finish,
    /// The last message has arrived.
    Acknowledge,
}

impl Ask {
    /// The request on the wire.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        match self {
            Self::Benchmark { number, workload, parameters } => Request::Benchmark(Benchmark {
                number: *number,
                workload,
                parameters: parameters
                    .iter()
                    .map(|(key, value)| Parameter { key, value })
                    .take(PARAMETERS)
                    .collect(),
            }),
            Self::Read { number, path } => Request::Read { number: *number, path },
            Self::Provoke(provocation) => Request::Provoke(provocation.code()),
            Self::Finish => Request::Finish,
            Self::Acknowledge => Request::Acknowledge,
        }
    }
}
