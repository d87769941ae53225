//! Targets of the iSCSI fabric: TPGs, LUNs, portals and ACLs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::invalid::Invalid;
use crate::lio::attributes::Attributes;
use crate::lio::chap::Chap;
use crate::lio::name::{
    AclTag, AluaGroupName, AttributeName, CmdsnDepth, IscsiName, Lun, StorageObjectName, TpgTag,
};
use crate::path::Component;
use crate::value::Value;

/// One iSCSI target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub wwn: IscsiName,
    /// Which CPU completes commands, unless that is left to LIO.
    pub cmd_completion_affinity: Option<CompletionAffinity>,
    /// Its TPGs.
    pub tpgs: Vec<Tpg>,
}

impl Target {
    /// Gives a target with `tpgs` and nothing else set.
    pub fn new(wwn: IscsiName, tpgs: Vec<Tpg>) -> Target {
        Target { wwn, cmd_completion_affinity: None, tpgs }
    }
}

/// Which CPU completes the commands of a target (`param/cmd_completion_affinity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionAffinity {
    /// The one that submitted the command, as LIO has it.
    Submitting,
    /// The one that happens to finish it.
    Current,
    /// This one, which must be online.
    Cpu(u16),
}

impl CompletionAffinity {
    /// Reads the kernel's number: -1 is the submitting CPU, -2 the current one, others are CPUs.
    pub fn new(number: i32) -> Result<CompletionAffinity, Invalid> {
        match number {
            -1 => Ok(CompletionAffinity::Submitting),
            -2 => Ok(CompletionAffinity::Current),
            _ => u16::try_from(number).map(CompletionAffinity::Cpu).map_err(|_| {
                let problem = "is not -1, -2 or the number of a CPU";
                Invalid::new("cmd_completion_affinity", &number.to_string(), problem)
            }),
        }
    }

    /// Gives the kernel's number.
    pub fn get(self) -> i32 {
        match self {
            CompletionAffinity::Submitting => -1,
            CompletionAffinity::Current => -2,
            CompletionAffinity::Cpu(cpu) => i32::from(cpu),
        }
    }
}

/// Who may discover targets (`discovery_auth`); it holds for the whole fabric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// What is asked for in a discovery session.
    pub chap: Chap,
}

/// One target portal group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpg {
    /// Its tag, unique in the target.
    pub tag: TpgTag,
    /// Whether it takes logins once it is complete.
    pub enable: bool,
    /// Written to `attrib/`.
    pub attributes: Attributes,
    /// Written to `param/`: what the target offers at login.
    pub parameters: Attributes,
    /// What initiators without an ACL have to prove (demo mode).
    pub chap: Option<Chap>,
    /// The units it exports.
    pub luns: Vec<TpgLun>,
    /// Where it listens.
    pub portals: Vec<Portal>,
    /// The initiators it knows.
    pub acls: Vec<Acl>,
}

impl Tpg {
    /// Gives an empty TPG as LIO makes it, to be enabled.
    pub fn new(tag: TpgTag) -> Tpg {
        Tpg {
            tag,
            enable: true,
            attributes: Attributes::new(),
            parameters: Attributes::new(),
            chap: None,
            luns: Vec::new(),
            portals: Vec::new(),
            acls: Vec::new(),
        }
    }

    /// Gives an empty TPG that any initiator may log in to, without authentication, and write.
    ///
    /// LIO's own defaults demand CHAP, refuse initiators without an ACL, and write-protect the rest.
    pub fn open(tag: TpgTag) -> Tpg {
        let attributes = [
            ("authentication", false),
            ("generate_node_acls", true),
            ("demo_mode_write_protect", false),
        ];
        let attributes = attributes
            .map(|(name, on)| (AttributeName::literal(name), Value::from(on)))
            .into_iter()
            .collect();
        Tpg { attributes, ..Tpg::new(tag) }
    }
}

/// A storage object exported under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpgLun {
    /// The number, unique in the TPG.
    pub lun: Lun,
    /// What is exported.
    pub storage_object: StorageObjectName,
    /// The ALUA group of that storage object it belongs to, unless LIO's own.
    pub alua_group: Option<AluaGroupName>,
}

/// An initiator that a TPG knows, and what it sees: only the mapped LUNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The initiator's name; LIO compares it after folding it to lower case.
    pub initiator: IscsiName,
    /// Written to `attrib/`.
    pub attributes: Attributes,
    /// How many commands may be outstanding; else the TPG's `default_cmdsn_depth`.
    pub cmdsn_depth: Option<CmdsnDepth>,
    /// A label.
    pub tag: Option<AclTag>,
    /// What it has to prove; not inherited from the TPG.
    pub chap: Option<Chap>,
    /// The LUNs it sees.
    pub mapped_luns: Vec<MappedLun>,
}

impl Acl {
    /// Gives an ACL with `mapped_luns` and nothing else set.
    pub fn new(initiator: IscsiName, mapped_luns: Vec<MappedLun>) -> Acl {
        let attributes = Attributes::new();
        Acl { initiator, attributes, cmdsn_depth: None, tag: None, chap: None, mapped_luns }
    }
}

/// A LUN of the TPG as one initiator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedLun {
    /// The number the initiator sees.
    pub mapped_lun: Lun,
    /// The number in the TPG.
    pub lun: Lun,
    /// Whether the initiator may not write.
    pub write_protect: bool,
}

/// An address and port to listen on; prints as the name of its directory, `127.0.0.1:3260` or `[::1]:3260`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Portal(SocketAddr);

impl Portal {
    /// Checks a portal: its port is not 0.
    pub fn new(address: IpAddr, port: u16) -> Result<Portal, Invalid> {
        if port == 0 {
            return Err(Invalid::new("portal", &address.to_string(), "has port 0, not 1 to 65535"));
        }
        Ok(Portal(SocketAddr::new(address, port)))
    }

    /// Gives address and port.
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// Says whether the kernel could not listen on both: the same port, and one of them on any address.
    pub(crate) fn conflicts(self, other: Portal) -> bool {
        let any = |portal: Portal| portal.0.ip().is_unspecified();
        // An IPv6 socket on any address takes IPv4 too, unless net.ipv6.bindv6only is set.
        let covers = |a: Portal, b: Portal| any(a) && (a.0.is_ipv6() || b.0.is_ipv4());
        let meet = covers(self, other) || covers(other, self);
        self != other && self.0.port() == other.0.port() && meet
    }
}

impl fmt::Display for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Component for Portal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(text: &str) -> Portal {
        Portal(text.parse().unwrap())
    }

    #[test]
    fn a_portal_prints_as_its_directory() {
        let portal = Portal::new("::1".parse().unwrap(), 3260).unwrap();
        assert_eq!(portal.to_string(), "[::1]:3260");
        assert!(Portal::new("127.0.0.1".parse().unwrap(), 0).is_err());
    }

    #[test]
    fn any_address_conflicts_with_the_same_port() {
        let any4 = portal("0.0.0.0:3260");
        assert!(any4.conflicts(portal("[::]:3260")));
        assert!(any4.conflicts(portal("127.0.0.1:3260")));
        assert!(portal("10.0.0.1:3260").conflicts(portal("[::]:3260")));
        assert!(!any4.conflicts(portal("127.0.0.1:3261")));
        assert!(!any4.conflicts(portal("[::1]:3260")));
        assert!(!any4.conflicts(any4), "the kernel shares one listener among targets");
        assert!(!portal("127.0.0.1:1").conflicts(portal("127.0.0.2:1")));
    }
}
