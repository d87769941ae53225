//! What is measured, and what is done beside it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::MIB;
use super::check::Check;
use super::storage::words;
use super::target::{Chap, PortalSpec};
use super::workload::Measured;

/// How many requests a benchmark may keep in flight.
pub const QUEUE_DEPTHS: RangeInclusive<u16> = 1..=1024;

/// How large one request of a benchmark may be, in bytes.
pub const BLOCK_SIZES: RangeInclusive<u64> = 512..=MIB;

/// How long a benchmark may measure, in seconds.
pub const SECONDS: RangeInclusive<u32> = 1..=3600;

/// How much of a LUN a benchmark reads unless the spec says, in bytes.
pub(super) const REGION: u64 = 16 * MIB;

/// One benchmark.
#[derive(Clone, Debug, PartialEq)]
pub enum Benchmark {
    /// Random reads from the host through the target.
    IscsiRandread(IscsiRandread),
    /// A command on the host while the target is up.
    HostCommand(HostCommand),
    /// A workload that is declared in `lunlab-bench`, in the guest or over iSCSI.
    Measured(Measured),
}

/// The names of the workloads that are no declared ones.
pub const WORKLOADS: [&str; 2] = ["iscsi-randread", "host-command"];

impl Benchmark {
    /// The workload's name.
    #[must_use]
    pub fn workload(&self) -> &'static str {
        match self {
            Self::IscsiRandread(_) => WORKLOADS[0],
            Self::HostCommand(_) => WORKLOADS[1],
            Self::Measured(asked) => asked.workload,
        }
    }

    /// Where lunlab's own initiator logs in for it; nothing where something else runs it. For a
    /// workload that names a storage object, `Spec::login_of` says what is left open here.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        match self {
            Self::IscsiRandread(asked) => Some(&asked.login),
            Self::Measured(asked) => asked.is_over_iscsi().then_some(&asked.login),
            Self::HostCommand(_) => None,
        }
    }

    /// What its results must satisfy.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        match self {
            Self::IscsiRandread(IscsiRandread { checks, .. })
            | Self::Measured(Measured { checks, .. }) => checks,
            Self::HostCommand(_) => &[],
        }
    }
}

/// Parameters of `iscsi-randread`.
#[derive(Clone, Debug, PartialEq)]
pub struct IscsiRandread {
    /// Bytes per request.
    pub block_size: u64,
    /// Requests in flight.
    pub queue_depth: u16,
    /// How long to measure, in seconds.
    pub seconds: u32,
    /// How many bytes from the LUN's start are read; `Spec::region_bytes` says what it is when
    /// this is nothing.
    pub region: Option<u64>,
    /// Where it logs in, and which LUN it reads.
    pub login: Login,
    /// What the results must satisfy.
    pub checks: Vec<Check>,
}

/// Where an initiator of ours logs in, as whom, and which LUN it uses there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Login {
    /// Which LUN, by the number the initiator sees; the lowest when this is nothing.
    pub lun: Option<u8>,
    /// The target's name; the first of iSCSI when this is nothing.
    pub target: Option<String>,
    /// The TPG's tag; the target's first when this is nothing.
    pub tpg: Option<u16>,
    /// Which portal of the TPG's; the first when this is nothing.
    pub portal: Option<PortalSpec>,
    /// The initiator's name; `Spec::session_of` says what it is when this is nothing.
    pub initiator: Option<String>,
    /// Its credentials; those the target expects when this is nothing.
    pub chap: Option<Chap>,
    /// Whether headers carry a checksum.
    pub header_digest: IscsiDigest,
    /// Whether data carries a checksum.
    pub data_digest: IscsiDigest,
}

/// A checksum of iSCSI's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IscsiDigest {
    /// There is none.
    #[default]
    None,
    /// CRC-32C.
    Crc32c,
}

words!(IscsiDigest, 2: "none" => None, "crc32c" => Crc32c);

/// How a workload gets at a storage object's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Through a loopback target, as SCSI.
    Loopback,
    /// Through the file or device under it, past LIO.
    Backing,
    /// From the host, through a target of iSCSI.
    Iscsi,
}

words!(Via, 3: "loopback" => Loopback, "backing" => Backing, "iscsi" => Iscsi);

/// Parameters of `host-command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCommand {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How long it may take; as long as the run when this is nothing.
    pub timeout: Option<Duration>,
}
