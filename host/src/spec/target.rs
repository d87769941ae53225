//! What exports storage objects, and to whom.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use super::secret::Secret;
use super::storage::{attribute, is_true, words};

/// What a session may ask for in one PDU, in bytes, unless the spec says. LIO's own default of 8 KiB
/// makes large reads slow.
pub const MAX_RECV_DATA_SEGMENT_LENGTH: &str = "262144";

/// The tags LIO takes for a TPG of iSCSI.
pub const TPG_TAGS: RangeInclusive<u16> = 1..=u16::MAX;

/// The tags LIO takes for a TPG of loopback.
pub const LOOPBACK_TPG_TAGS: RangeInclusive<u16> = 0..=31;

/// The numbers of a LUN, of a TPG or mapped.
pub const LUNS: RangeInclusive<u8> = 0..=u8::MAX;

/// How many commands an initiator may have outstanding.
pub const CMDSN_DEPTHS: RangeInclusive<u16> = 1..=512;

/// The port that is iSCSI's by right, and nobody's in particular here.
pub const ISCSI_PORT: u16 = 3260;

/// The guest's address on QEMU's user network.
pub const USER_NETWORK_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// How the guest is on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// It is on none; portals are reached over the channel.
    None,
    /// QEMU's user network, the guest being [`USER_NETWORK_ADDRESS`].
    User,
}

words!(Network, 2: "none" => None, "user" => User);

/// Who may ask which targets there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// With which credentials; anybody when this is nothing.
    pub chap: Option<Chap>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What carries it.
    pub fabric: Fabric,
    /// Its name, in lower case.
    pub wwn: String,
    /// Loopback: the initiator's name; drawn when this is nothing.
    pub nexus: Option<String>,
    /// iSCSI: the CPU that completes commands, -1 for that of submission, -2 for the current one;
    /// the kernel's choice when this is nothing.
    pub cmd_completion_affinity: Option<i32>,
    /// Its TPGs.
    pub tpgs: Vec<Tpg>,
}

impl Target {
    /// The TPG of this tag.
    #[must_use]
    pub fn tpg(&self, tag: u16) -> Option<&Tpg> {
        self.tpgs.iter().find(|tpg| tpg.tag == tag)
    }
}

/// What carries a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fabric {
    /// iSCSI.
    Iscsi,
    /// Disks of the guest's own.
    Loopback,
}

words!(Fabric, 2: "iscsi" => Iscsi, "loopback" => Loopback);

/// A target portal group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpg {
    /// Its tag.
    pub tag: u16,
    /// Whether initiators may log in.
    pub enable: bool,
    /// What it exports, as the spec orders it.
    pub luns: Vec<Lun>,
    /// Where initiators find it.
    pub portals: Vec<PortalSpec>,
    /// What is written to its `attrib` group: name and value, as the spec orders them.
    pub attributes: Vec<(String, String)>,
    /// What is written to its `param` group: name and value, as the spec orders them.
    pub parameters: Vec<(String, String)>,
    /// Whether attributes and parameters that lunlab does not know are left to the kernel.
    pub allow_unknown_attributes: bool,
    /// The credentials of initiators without an ACL.
    pub chap: Option<Chap>,
    /// What initiators without an ACL may do.
    pub demo_mode: DemoMode,
    /// Initiators that are known.
    pub acls: Vec<Acl>,
}

impl Tpg {
    /// What is written to one of its attributes, where the spec says.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }

    /// Whether its `authentication` is on: what the spec says, or else whether there are
    /// credentials.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        self.attribute("authentication").map_or_else(|| self.has_credentials(), is_true)
    }

    /// Whether it or one of its ACLs has credentials.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.chap.is_some() || self.acls.iter().any(|acl| acl.chap.is_some())
    }

    /// Whether an initiator of this ACL must authenticate itself: the ACL's own attribute goes
    /// before the TPG's.
    #[must_use]
    pub fn authenticates_acl(&self, acl: &Acl) -> bool {
        match attribute(&acl.attributes, "authentication") {
            Some("-1") | None => self.authenticates(),
            Some(text) => is_true(text),
        }
    }

    /// The ACL of an initiator.
    #[must_use]
    pub fn acl(&self, initiator: &str) -> Option<&Acl> {
        self.acls.iter().find(|acl| acl.initiator == initiator)
    }

    /// The LUN of this number.
    #[must_use]
    pub fn lun(&self, number: u8) -> Option<&Lun> {
        self.luns.iter().find(|lun| lun.lun == number)
    }
}

/// An exported storage object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lun {
    /// Its number.
    pub lun: u8,
    /// The name of what it exports.
    pub storage_object: String,
    /// The ALUA group of the storage object it is in; the kernel's own when this is nothing.
    pub alua_group: Option<String>,
}

/// Where initiators find a TPG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortalSpec {
    /// The address in the guest.
    pub address: IpAddr,
    /// The port; one that is free when this is nothing.
    pub port: Option<u16>,
}

impl PortalSpec {
    /// The portal of a TPG that names none.
    pub const DEFAULT: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: None };
}

impl fmt::Display for PortalSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (IpAddr::V4(address), None) => write!(f, "{address}"),
            (IpAddr::V6(address), None) => write!(f, "[{address}]"),
            (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
        }
    }
}

/// What initiators without an ACL may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoMode {
    /// Read and write every LUN.
    Writable,
    /// Read every LUN.
    ReadOnly,
    /// Nothing.
    Off,
}

words!(DemoMode, 3: "writable" => Writable, "read-only" => ReadOnly, "off" => Off);

/// An initiator that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Its name, in lower case.
    pub initiator: String,
    /// What it sees.
    pub mapped_luns: Vec<MappedLun>,
    /// How many commands it may have outstanding; the TPG's default when this is nothing.
    pub cmdsn_depth: Option<u16>,
    /// A text the kernel keeps with it.
    pub tag: Option<String>,
    /// What is written to its `attrib` group: name and value, as the spec orders them.
    pub attributes: Vec<(String, String)>,
    /// Whether attributes that lunlab does not know are left to the kernel.
    pub allow_unknown_attributes: bool,
    /// Its credentials.
    pub chap: Option<Chap>,
}

/// A LUN as one initiator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedLun {
    /// Its number for the initiator.
    pub mapped_lun: u8,
    /// Its number in the TPG.
    pub lun: u8,
    /// Whether the initiator may only read.
    pub write_protect: bool,
}

/// Credentials of CHAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    /// The initiator's name.
    pub userid: String,
    /// The initiator's secret.
    pub password: Secret,
    /// What the target proves itself with in turn.
    pub mutual: Option<MutualChap>,
}

/// What a target proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutualChap {
    /// The target's name.
    pub userid: String,
    /// The target's secret.
    pub password: Secret,
}

impl Chap {
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.password].into_iter().chain(self.mutual.iter().map(|mutual| &mutual.password))
    }
}
