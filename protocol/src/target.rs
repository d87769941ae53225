//! The target to be provisioned, described item by item in rtslib's words.
//!
//! A [`Description::Tpg`] belongs to the last target, a portal or LUN to the last TPG; a LUN names
//! a storage object that came before. The receiver checks everything again.

use serde::{Deserialize, Serialize};

/// One item of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Description<'a> {
    /// A storage object.
    StorageObject(#[serde(borrow)] StorageObject<'a>),
    /// An iSCSI target.
    Target {
        /// Its IQN, EUI or NAA name.
        wwn: &'a str,
    },
    /// A target portal group.
    Tpg {
        /// Its number, `tpgt_<tag>`.
        tag: u16,
    },
    /// A network portal.
    Portal {
        /// An IPv4 address, or an IPv6 address without brackets.
        address: &'a str,
        /// The TCP port.
        port: u16,
    },
    /// A LUN that exports a storage object.
    Lun {
        /// Its number, `lun_<lun>`.
        lun: u16,
        /// The storage object's name.
        storage_object: &'a str,
    },
}

/// A named device in a backstore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageObject<'a> {
    /// Unique among the storage objects.
    pub name: &'a str,
    /// A [`Backstore`] code.
    pub backstore: u32,
    /// Bytes.
    pub size: u64,
    /// The unit serial number (VPD page 0x80).
    pub serial: &'a str,
}

/// Backstores; they travel as integers because the list will grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backstore {
    /// `rd_mcp`: pages of the guest's memory.
    Ramdisk,
    /// `fileio`: a sparse file on the guest's tmpfs.
    Fileio,
}

impl Backstore {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Ramdisk => 0,
            Self::Fileio => 1,
        }
    }

    /// The backstore of a code; `None` for one this build does not know.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Ramdisk),
            1 => Some(Self::Fileio),
            _ => None,
        }
    }
}
