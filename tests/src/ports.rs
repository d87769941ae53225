//! Ports that a spec can name.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Ports nobody listens on, below those that the kernel hands out by itself
/// (`net.ipv4.ip_local_port_range`), so that nobody comes by them until they are used.
///
/// # Panics
/// When there are not as many.
#[must_use]
pub fn free<const N: usize>() -> [u16; N] {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Another test program may look for ports as well: each begins elsewhere.
    let start = u16::try_from(std::process::id() % 10_000).expect("below 10000");
    let candidates = (start..10_000).chain(0..start).map(|n| 20_000 + n);
    let mut free = candidates.filter(|port| !given.contains(port) && is_free(*port));
    let ports = std::array::from_fn(|_| free.next().expect("a free port"));
    drop(free);
    given.extend(ports);
    ports
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()
}
