//! Targets of the iSCSI fabric: TPGs, LUNs and portals.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::invalid::Invalid;
use crate::lio::attributes::Attributes;
use crate::lio::name::{AttributeName, IscsiName, Lun, StorageObjectName, TpgTag};
use crate::path::Component;
use crate::value::Value;

/// One iSCSI target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub wwn: IscsiName,
    /// Its TPGs.
    pub tpgs: Vec<Tpg>,
}

/// One target portal group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpg {
    /// Its tag, unique in the target.
    pub tag: TpgTag,
    /// Written to `attrib/`.
    pub attributes: Attributes,
    /// Written to `param/`: what the target offers at login.
    pub parameters: Attributes,
    /// The units it exports.
    pub luns: Vec<TpgLun>,
    /// Where it listens.
    pub portals: Vec<Portal>,
}

impl Tpg {
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
        let (luns, portals) = (Vec::new(), Vec::new());
        Tpg { tag, attributes, parameters: Attributes::new(), luns, portals }
    }
}

/// A storage object exported under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpgLun {
    /// The number, unique in the TPG.
    pub lun: Lun,
    /// What is exported.
    pub storage_object: StorageObjectName,
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
