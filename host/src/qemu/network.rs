//! QEMU's user network: a NIC that needs no privileges.

use crate::qemu::device::Device;
use std::net::SocketAddrV4;

/// A TCP port of this host that leads to one of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// What QEMU listens on; on port 0 it chooses one.
    pub host: SocketAddrV4,
    /// What it connects to.
    pub guest: SocketAddrV4,
}

/// A virtio NIC on the user network, with no way out of it but those that are named: what comes in is all that a target needs.
pub struct UserNetwork {
    /// The ways in.
    pub forwards: Vec<Forward>,
    /// The ways out, as options.
    pub out: Vec<String>,
}

impl Device for UserNetwork {
    fn qemu_args(&self) -> Vec<String> {
        let forwards = self.forwards.iter();
        let forwards: String = forwards
            .map(|Forward { host, guest }| format!(",hostfwd=tcp:{host}-{guest}"))
            .chain(self.out.iter().map(|option| format!(",{option}")))
            .collect();
        // Without its ROM, which is for booting from a network and would be looked for in vain
        // where QEMU's ROMs are not installed.
        vec![
            "-netdev".into(),
            format!("user,id=network-netdev,ipv6=off,restrict=on{forwards}"),
            "-device".into(),
            "virtio-net-pci,netdev=network-netdev,romfile=".into(),
        ]
    }
}
