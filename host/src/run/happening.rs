//! What can happen during a run, whoever it comes from.

use crate::initiator::Report;
use crate::qemu::qmp::QmpEvent;
use crate::spec::Spec;
use crate::verdict::Signal;
use std::time::Instant;

/// Something happened.
#[derive(Debug)]
pub struct Happening {
    /// When it was seen.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// A line on the console, without its end.
    Console(String),
    /// The console closed: QEMU has ended.
    ConsoleClosed,
    /// QEMU said so on its monitor.
    Qmp(QmpEvent),
    /// QEMU ended.
    QemuEnded(Ended),
    /// The process beside QEMU ended.
    HelperEnded(String),
    /// The guest opened control.
    ControlOpened,
    /// Somebody tried to and was refused; the flag says that only the versions differ.
    Refused {
        /// Why.
        why: String,
        /// Whether host and agent are of different builds.
        version: bool,
    },
    /// Somebody hung up before a hello.
    HungUp(String),
    /// A message of the agent's, encoded.
    Message(Vec<u8>),
    /// The agent is silent in the middle of a frame: so many bytes of so many came; `None` once
    /// the frame is whole.
    Unfinished(Option<(usize, usize)>),
    /// Control ended or broke.
    ControlLost(String),
    /// The host's own end of a benchmark tells what it measures, as the guest would: an event, encoded.
    Measured(Vec<u8>),
    /// It came to no good end.
    MeterFailed {
        /// The benchmark.
        benchmark: u32,
        /// Why.
        problem: String,
    },
    /// The initiator reports.
    Initiator(Report),
    /// The initiator process ended.
    InitiatorEnded(String),
    /// A program on the host ended.
    CommandEnded {
        /// The benchmark it was.
        benchmark: usize,
        /// How, when not well.
        outcome: Result<(), String>,
        /// What it said, or the beginning of it.
        output: String,
    },
    /// A server of the share's ended otherwise than its client asked for, or a connection did not come to be one.
    ShareTrouble(String),
    /// The spec's file changed: what it says now, or what is wrong with that.
    SpecChanged(Box<Result<Spec, String>>),
    /// A signal came.
    Signal(Signal),
}

/// How QEMU ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// Whether that is its good end.
    pub good: bool,
    /// What it said on stderr.
    pub words: String,
}
