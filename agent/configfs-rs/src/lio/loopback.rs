//! Targets of the loopback fabric: LUNs that appear as disks of the machine itself.

use crate::lio::iscsi::TpgLun;
use crate::lio::name::{LoopbackTag, Naa};

/// One loopback target: a SCSI host of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub wwn: Naa,
    /// Its TPGs.
    pub tpgs: Vec<Tpg>,
}

/// One TPG of a loopback target: a SCSI target of that host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpg {
    /// Its tag, unique in the target.
    pub tag: LoopbackTag,
    /// What the machine calls itself as initiator. Set before the LUNs: without it no disk appears, and nothing fails.
    pub nexus: Naa,
    /// The units it exports.
    pub luns: Vec<TpgLun>,
}
