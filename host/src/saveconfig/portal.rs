//! Where a saved target listens, and where one in a guest can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::document::Item;
use super::reader::Object;
use crate::spec::USER_NETWORK_ADDRESS;

/// Takes the portals of a TPG, as the value of a spec's `portals`. `own_address` says whether the
/// guest has an address on QEMU's user network.
pub(super) fn portals(portals: Vec<Object<'_>>, own_address: bool) -> Item {
    let mut taken = Vec::new();
    for portal in portals {
        if let Some(text) = read(portal, own_address)
            && !taken.contains(&text)
        {
            taken.push(text);
        }
    }
    Item::List(taken.into_iter().map(Item::Text).collect())
}

fn read(mut portal: Object<'_>, own_address: bool) -> Option<String> {
    let address = portal.text("ip_address");
    let port = portal.number("port");
    for (key, what) in [("iser", "iSER"), ("offload", "an offload engine")] {
        if portal.flag(key) == Some(true) {
            let message = format!("a guest has no card for {what}: the portal is plain TCP");
            portal.note_at(key, message);
        }
    }
    let parsed = address.as_deref().and_then(parse);
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    match (parsed, port) {
        (Some(address), Some(port)) => {
            let text = in_guest(address, port, own_address, &portal);
            portal.finish();
            return Some(text);
        }
        (None, _) => portal.note_at("ip_address", "no IP address: the portal is left out"),
        (_, None) => portal.note_at("port", "not 1 to 65535: the portal is left out"),
    }
    None
}

/// targetcli writes IPv6 addresses in brackets, and the unspecified one as `[::0]`.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.split('%').next()?.parse().ok()
}

fn in_guest(address: IpAddr, port: u16, own_address: bool, portal: &Object<'_>) -> String {
    let own = own_address && address == USER_NETWORK_ADDRESS;
    if address.is_unspecified() || address.is_loopback() || own {
        return std::net::SocketAddr::new(address, port).to_string();
    }
    portal.note_at(
        "ip_address",
        format!("{address} is an address of the host's: the guest's loopback and a free port"),
    );
    match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(_) => format!("[{}]", Ipv6Addr::LOCALHOST),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::{Notes, Object};
    use super::portals;
    use serde_json::json;

    fn imported(ip_address: &str, port: i64) -> (String, Vec<String>) {
        let notes = Notes::default();
        let value = json!({ "ip_address": ip_address, "port": port, "iser": false });
        let object = Object::new("p".into(), &value, &notes).unwrap();
        let text = portals(vec![object], false).to_string();
        (text, notes.into_vec().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_that_every_guest_has_stay() {
        for (address, kept) in [
            ("0.0.0.0", "[\"0.0.0.0:3260\"]"),
            ("127.0.0.1", "[\"127.0.0.1:3260\"]"),
            ("[::0]", "[\"[::]:3260\"]"),
            ("[::1]", "[\"[::1]:3260\"]"),
            ("::1", "[\"[::1]:3260\"]"),
        ] {
            assert_eq!(imported(address, 3260), (kept.to_owned(), vec![]));
        }
    }

    #[test]
    fn addresses_of_the_host_become_the_guests_loopback() {
        let (text, notes) = imported("192.168.1.10", 3260);
        assert_eq!(text, "[\"127.0.0.1\"]");
        assert!(notes[0].starts_with("p.ip_address: 192.168.1.10 is an address of the host's"));
        assert_eq!(imported("[fe80::1%eth0]", 3260).0, "[\"[::1]\"]");
    }

    #[test]
    fn what_is_no_portal_is_left_out() {
        for (address, port, note) in
            [("host.example", 3260, "p.ip_address"), ("::1", 0, "p.port"), ("::1", 70000, "p.port")]
        {
            let (text, notes) = imported(address, port);
            assert_eq!(text, "[]");
            assert!(notes[0].starts_with(note), "{notes:?}");
        }
    }
}
