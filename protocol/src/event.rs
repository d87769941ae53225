//! What the guest tells the host.
//!
//! Times are microseconds of the guest's CLOCK_BOOTTIME (`uptime_us`), which starts with the
//! kernel; of kmsg records they are the kernel's own.

use serde::{Deserialize, Serialize};

/// An event. Variants are only ever added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// A phase was reached.
    Phase {
        /// A [`Phase`] code.
        phase: u32,
        /// When.
        uptime_us: u64,
    },
    /// The agent is alive. Its absence labels a timeout; it never ends a run.
    Heartbeat {
        /// When.
        uptime_us: u64,
    },
    /// A record of the kernel log (Documentation/ABI/testing/dev-kmsg).
    Kmsg {
        /// The record's number; a gap is a loss.
        sequence: u64,
        /// The record's time stamp.
        timestamp_us: u64,
        /// Facility (shifted left by three) and level; the kernel's own facility is 0.
        priority: u32,
        /// The text, without its dictionary.
        text: &'a str,
    },
    /// Records were overwritten before they could be read.
    KmsgLost {
        /// How many.
        records: u64,
    },
    /// Something failed that the agent can do without.
    Note {
        /// One sentence.
        text: &'a str,
    },
    /// A module was loaded, or was there already.
    ModuleLoaded {
        /// Its path in the image.
        path: &'a str,
        /// How long finit_module(2) took, in microseconds.
        took_us: u64,
    },
    /// A step of the provisioning failed. Its kernel lines follow, then `ProvisionFailed`.
    StepFailed(#[serde(borrow)] StepFailed<'a>),
    /// A line the kernel logged while the failed step ran.
    StepKernelLine {
        /// The line.
        text: &'a str,
    },
    /// Provisioning failed.
    ProvisionFailed {
        /// Whether every step done before was undone.
        undone: bool,
    },
    /// The target is enabled.
    TargetReady {
        /// Steps done.
        steps: u32,
    },
    /// An attribute as configfs gives it, after provisioning.
    Attribute {
        /// Path below the configfs root.
        path: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// A stream the host asked for could not be opened or connected.
    StreamFailed {
        /// Its number.
        stream: u32,
        /// What was attempted, on what, and the cause.
        problem: &'a str,
    },
    /// A sample of a benchmark.
    Sample {
        /// The benchmark's number.
        benchmark: u32,
        /// The series it belongs to.
        series: &'a str,
        /// The unit of the value.
        unit: &'a str,
        /// The value.
        value: f64,
    },
    /// A benchmark ended.
    BenchmarkEnded {
        /// The benchmark's number.
        benchmark: u32,
        /// Why it could not be run to its end; empty when it was.
        problem: &'a str,
    },
    /// `/proc/sys/kernel/tainted`.
    Taint {
        /// The bits.
        bits: u64,
    },
    /// The target was taken down.
    TornDown {
        /// What could not be removed, or why it took too long; empty when all is gone.
        problem: &'a str,
    },
    /// The agent panicked. It powers off by itself.
    AgentPanicked {
        /// Where and why.
        text: &'a str,
    },
    /// The last message. The guest powers off once it is acknowledged.
    Finished,
    /// A device is there, or a disk of the loopback fabric.
    DeviceReady {
        /// Its name.
        name: &'a str,
        /// Its node, such as `/dev/vda`.
        node: &'a str,
        /// Bytes.
        size: u64,
    },
    /// What stands is what was asked last.
    Changed {
        /// Steps taken back.
        undone: u32,
        /// Steps done.
        steps: u32,
    },
    /// A change failed; what stood before stands, if it could be brought back.
    ChangeFailed {
        /// Whether it could.
        undone: bool,
    },
    /// An attribute that the host asked for.
    Reading {
        /// The number of the request.
        number: u32,
        /// Path below the configfs root.
        path: &'a str,
        /// Its value; what is secret is `…`.
        value: &'a str,
    },
    /// All that was asked for was read.
    ReadEnded {
        /// The number of the request.
        number: u32,
        /// Why something could not be read; empty when all was.
        problem: &'a str,
    },
    /// Something a benchmark found that is no number, such as a digest.
    Finding {
        /// The benchmark's number.
        benchmark: u32,
        /// What it is: `sha256`…
        name: &'a str,
        /// What was found.
        text: &'a str,
    },
    /// A benchmark that cannot run here; its `BenchmarkEnded` follows.
    BenchmarkSkipped {
        /// The benchmark's number.
        benchmark: u32,
        /// Why.
        reason: &'a str,
    },
    /// How far a benchmark is.
    Progress {
        /// The benchmark's number.
        benchmark: u32,
        /// Thousandths that are done.
        permille: u32,
        /// What is left, by its own reckoning, in milliseconds.
        left_ms: u64,
    },
    /// Requests of a benchmark whose latency lay in one bucket of a histogram.
    LatencyBucket {
        /// The benchmark's number.
        benchmark: u32,
        /// Which requests: `read`.
        series: &'a str,
        /// The bucket's upper end in nanoseconds.
        up_to_ns: u64,
        /// How many requests.
        count: u64,
    },
    /// What a counter came to over a region of a benchmark.
    Counter {
        /// The benchmark's number.
        benchmark: u32,
        /// Which part of it.
        region: &'a str,
        /// Which counter.
        counter: &'a str,
        /// What it came to.
        value: u64,
        /// Why that is not known; empty where it is.
        problem: &'a str,
    },
    /// What the machine was like before a benchmark or after it: a clock, a calibration loop, stolen time.
    Gauge {
        /// The benchmark's number.
        benchmark: u32,
        /// Which gauge.
        name: &'a str,
        /// Whether it was read after the benchmark.
        after: bool,
        /// What it read.
        value: f64,
    },
}

/// A step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailed<'a> {
    /// Which step, from 1.
    pub step: u32,
    /// Of how many.
    pub steps: u32,
    /// What was attempted: `mkdir`, `write`, `symlink`, `finit_module`…
    pub operation: &'a str,
    /// On what.
    pub path: &'a str,
    /// What was to be written or linked; empty for other operations.
    pub value: &'a str,
    /// The error number; 0 when the kernel gave none.
    pub errno: i32,
    /// The cause in words where the errno hides it; may be empty.
    pub cause: &'a str,
    /// A way out; may be empty.
    pub hint: &'a str,
}

/// Phases of the guest's life; they travel as integers because the list will grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// PID 1 runs.
    Init,
    /// The channel's modules are loaded.
    ChannelModules,
    /// The control stream is open.
    Channel,
    /// All modules are loaded.
    Modules,
    /// The target is enabled.
    TargetReady,
    /// The target is taken down.
    TornDown,
}

impl Phase {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Init,
        Self::ChannelModules,
        Self::Channel,
        Self::Modules,
        Self::TargetReady,
        Self::TornDown,
    ];

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        Self::ALL.iter().zip(0..).find(|(each, _)| **each == self).map_or(u32::MAX, |(_, n)| n)
    }

    /// The phase of a code; `None` for one this build does not know.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        usize::try_from(code).ok().and_then(|n| Self::ALL.get(n).copied())
    }

    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::ChannelModules => "channel-modules",
            Self::Channel => "channel",
            Self::Modules => "modules",
            Self::TargetReady => "target-ready",
            Self::TornDown => "torn-down",
        }
    }
}
