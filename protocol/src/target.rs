//! The target to be provisioned: devices first, then ordered steps in configfs, then the disks that appear.
//!
//! The host plans; the guest carries out and checks everything again. Paths of steps are below the root of configfs.

use crate::request::Parameter;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// One step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step<'a> {
    /// Create a sparse file; outside of configfs.
    CreateFile {
        /// Its absolute path.
        path: &'a str,
        /// Bytes.
        size: u64,
    },
    /// Make a group.
    MakeDirectory {
        /// Its path.
        path: &'a str,
    },
    /// Write an attribute, whole, in one write(2).
    Write {
        /// Its path.
        path: &'a str,
        /// The text, without a newline.
        value: &'a str,
        /// Whether nobody may see it.
        secret: bool,
        /// What takes it back, where removing its group does not.
        undo: Option<&'a str>,
    },
    /// Link one group into another.
    Link {
        /// The group linked to.
        target: &'a str,
        /// The link's path.
        at: &'a str,
    },
}

/// A block device to be found or set up, known from then on as `/dev/lunlab/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device<'a> {
    /// Unique among the devices.
    pub name: &'a str,
    /// A [`DeviceKind`] code.
    pub kind: u32,
    /// What it is made of: the serial of a disk, the file of a loop device, the name of the device below.
    pub over: &'a str,
    /// Bytes; 0 where the device itself knows.
    pub size: u64,
    /// Whether it must not be written.
    pub read_only: bool,
    /// The kind's own settings, by the kernel's names.
    #[serde(borrow)]
    pub parameters: Vec<Parameter<'a>, 16>,
}

/// Kinds of devices; they travel as integers because the list will grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A disk of the machine's, found by its serial.
    Disk,
    /// null_blk, by configfs.
    NullBlk,
    /// brd; the module's parameters made it.
    Brd,
    /// zram.
    Zram,
    /// A loop device over a sparse file.
    Loop,
    /// device-mapper's delay target.
    Delay,
    /// device-mapper's flakey target.
    Flakey,
}

impl DeviceKind {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 7] =
        [Self::Disk, Self::NullBlk, Self::Brd, Self::Zram, Self::Loop, Self::Delay, Self::Flakey];

    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        Self::ALL.iter().zip(0..).find(|(each, _)| **each == self).map_or(u32::MAX, |(_, n)| n)
    }

    /// The kind of a code; `None` for one this build does not know.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        usize::try_from(code).ok().and_then(|n| Self::ALL.get(n).copied())
    }

    /// Its name in specs and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::NullBlk => "null_blk",
            Self::Brd => "brd",
            Self::Zram => "zram",
            Self::Loop => "loop",
            Self::Delay => "delay",
            Self::Flakey => "flakey",
        }
    }
}

/// A LUN of the loopback fabric, whose disk in the guest becomes `/dev/lunlab/<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopbackDisk<'a> {
    /// Its TPG: `target/loopback/naa.…/tpgt_<tag>`.
    pub tpg: &'a str,
    /// The LUN's number.
    pub lun: u16,
    /// The unit serial the disk must have.
    pub serial: &'a str,
    /// Unique among the devices.
    pub name: &'a str,
}
