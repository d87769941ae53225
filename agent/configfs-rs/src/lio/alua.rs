//! ALUA target port groups: which paths to a storage object are better than others.

use std::num::NonZeroU16;

use crate::lio::attributes::Attributes;
use crate::lio::name::AluaGroupName;

/// One target port group of a storage object; LUNs join it by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AluaGroup {
    /// Its name, unique in the storage object.
    pub name: AluaGroupName,
    /// Its number in REPORT TARGET PORT GROUPS, unique in the storage object; 0 is LIO's own group.
    pub id: NonZeroU16,
    /// Who changes its state.
    pub access_type: AluaAccessType,
    /// Its state.
    pub access_state: AluaAccessState,
    /// The others of its attributes: `preferred`, `nonop_delay_msecs`, `trans_delay_msecs`, `implicit_trans_secs`,
    /// `alua_write_metadata`, `alua_support_*`.
    pub attributes: Attributes,
}

/// Who changes the state of an ALUA group (`alua_access_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AluaAccessType {
    /// Nobody.
    None,
    /// The target.
    Implicit,
    /// The initiator.
    Explicit,
    /// Both, as LIO has it.
    Both,
}

impl AluaAccessType {
    pub(crate) fn code(self) -> u64 {
        match self {
            AluaAccessType::None => 0,
            AluaAccessType::Implicit => 1,
            AluaAccessType::Explicit => 2,
            AluaAccessType::Both => 3,
        }
    }

    /// LIO takes a state only where the target may change it.
    pub(crate) fn is_implicit(self) -> bool {
        matches!(self, AluaAccessType::Implicit | AluaAccessType::Both)
    }
}

/// The state of an ALUA group (`alua_access_state`; SPC-4, 5.15.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AluaAccessState {
    /// Active/optimized, as LIO has it.
    Optimized,
    /// Active/non-optimized: slowed down by `nonop_delay_msecs`.
    NonOptimized,
    /// Standby: answers, but moves no data.
    Standby,
    /// Unavailable.
    Unavailable,
    /// Depends on the logical block: LIO takes it only with a map (`lba_map`), which this crate does not write, so that
    /// it is a fault of a configuration.
    LbaDependent,
    /// Offline.
    Offline,
}

impl AluaAccessState {
    pub(crate) fn code(self) -> u64 {
        match self {
            AluaAccessState::Optimized => 0,
            AluaAccessState::NonOptimized => 1,
            AluaAccessState::Standby => 2,
            AluaAccessState::Unavailable => 3,
            AluaAccessState::LbaDependent => 4,
            AluaAccessState::Offline => 14,
        }
    }

    /// Gives the attribute that says whether the group has this state at all.
    pub(crate) fn support(self) -> &'static str {
        match self {
            AluaAccessState::Optimized => "alua_support_active_optimized",
            AluaAccessState::NonOptimized => "alua_support_active_nonoptimized",
            AluaAccessState::Standby => "alua_support_standby",
            AluaAccessState::Unavailable => "alua_support_unavailable",
            AluaAccessState::LbaDependent => "alua_support_lba_dependent",
            AluaAccessState::Offline => "alua_support_offline",
        }
    }
}
