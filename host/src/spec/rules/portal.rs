//! Portals, which must have an interface and not be in each other's way.

use std::net::{IpAddr, Ipv6Addr};

use super::{Finding, top};
use crate::spec::fault::KeyPath;
use crate::spec::{Network, PortalSpec, Spec, USER_NETWORK_ADDRESS};

/// A portal, and the number of its target.
struct Placed {
    path: KeyPath,
    portal: PortalSpec,
    target: usize,
}

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    let portals = all_portals(spec);
    for placed in &portals {
        check_interface(spec.network, placed, findings);
    }
    for (index, later) in portals.iter().enumerate() {
        for earlier in &portals[..index] {
            check_pair(earlier, later, findings);
        }
    }
}

fn all_portals(spec: &Spec) -> Vec<Placed> {
    let mut placed = Vec::new();
    for (target, wanted) in spec.targets.iter().enumerate() {
        for (tpg, group) in wanted.tpgs.iter().enumerate() {
            let path = top("target").index(target).key("tpg").index(tpg).key("portals");
            let portals = group.portals.iter().enumerate();
            placed.extend(portals.map(|(i, portal)| Placed {
                path: path.index(i),
                portal: *portal,
                target,
            }));
        }
    }
    placed
}

/// LIO binds to any address (`IP_FREEBIND`), and nobody would reach it.
fn check_interface(network: Network, placed: &Placed, findings: &mut Vec<Finding>) {
    let reachable = match placed.portal.address {
        IpAddr::V4(address) => {
            let on_nic = network == Network::User && address == USER_NETWORK_ADDRESS;
            address.is_loopback() || address.is_unspecified() || on_nic
        }
        IpAddr::V6(address) => address == Ipv6Addr::LOCALHOST || address.is_unspecified(),
    };
    if reachable {
        return;
    }
    let address = placed.portal.address;
    let on_user = address == IpAddr::V4(USER_NETWORK_ADDRESS);
    let nic = if network == Network::User { ", 10.0.2.15" } else { "" };
    let message =
        format!("{}: the guest has no such address, it has 127.0.0.0/8, ::1{nic}", placed.portal);
    let finding =
        Finding::new(placed.path.clone(), message).given(vec![top("network").key("mode")]);
    findings.push(finding.way_out(if on_user {
        "[network] mode = \"user\" gives it that address"
    } else {
        "127.0.0.1, or 0.0.0.0 for all it has"
    }));
}

fn check_pair(earlier: &Placed, later: &Placed, findings: &mut Vec<Finding>) {
    let (one, two) = (earlier.portal, later.portal);
    if one.port.is_none() || one.port != two.port {
        return;
    }
    let message = if one.address == two.address {
        // Several targets may share a portal, the TPGs of one may not.
        if earlier.target != later.target {
            return;
        }
        format!("{two} is a portal of this target already")
    } else if overlap(one.address, two.address) {
        format!("{two} cannot be listened on beside {one}")
    } else {
        return;
    };
    let finding = Finding::new(later.path.clone(), message).beside(earlier.path.clone());
    findings.push(finding.way_out("take another port, or none and a free one is chosen"));
}

/// Whether two different addresses exclude each other on one port: all of IPv4 has every IPv4
/// address, and all of IPv6 has those of IPv4 as well (`net.ipv6.bindv6only` is 0).
fn overlap(one: IpAddr, two: IpAddr) -> bool {
    let covers = |all: IpAddr, other: IpAddr| match all {
        IpAddr::V4(address) => address.is_unspecified() && other.is_ipv4(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    covers(one, two) || covers(two, one)
}
