//! vsock by the host's kernel: /dev/vhost-vsock, a CID of the guest's own, AF_VSOCK on a port of
//! the run's own.

use crate::error::Error;
use crate::qemu::device::VhostVsock;
use crate::sys;
use crate::transport::{Arrival, OnArrival, Ready, Tokens, greet, start};
use lunlab_protocol::request::Channel;
use lunlab_stream::direct;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use vsock::{VMADDR_CID_ANY, VsockAddr, VsockListener};

/// Any free port (vsock(7)).
const VMADDR_PORT_ANY: u32 = u32::MAX;

/// The device.
pub const DEVICE: &str = "/dev/vhost-vsock";

/// The first CID a guest may have; 0 to 2 have meanings (include/uapi/linux/vm_sockets.h).
pub const FIRST_CID: u32 = 3;

/// The number under which QEMU inherits the device.
const FD: i32 = 3;

/// How many CIDs are tried. Each is free but for a few other guests of the machine's.
const TRIES: u32 = 1000;

/// What QEMU is told.
#[must_use]
pub fn device(cid: u32) -> VhostVsock {
    VhostVsock { cid, fd: FD }
}

/// Opens the device for reading and writing, as QEMU will use it.
///
/// # Errors
/// open(2)'s.
pub fn open_device() -> io::Result<File> {
    File::options().read(true).write(true).open(DEVICE)
}

/// Claims a CID and a port.
///
/// # Errors
/// When the device is gone, no CID is free, or AF_VSOCK does not work.
pub fn prepare() -> Result<Ready, Error> {
    let failed = |what: String| {
        Error::environment(what).with_hint("--transport vhost-user-vsock or virtio-serial")
    };
    let vhost = open_device().map_err(|error| failed(format!("open {DEVICE}: {error}")))?;
    let cid = claim_cid(random_cids(), |cid| sys::set_guest_cid(&vhost, cid))
        .map_err(|error| failed(format!("claim a CID on {DEVICE}: {error}")))?;
    let address = VsockAddr::new(VMADDR_CID_ANY, VMADDR_PORT_ANY);
    let listener = VsockListener::bind(&address)
        .map_err(|error| failed(format!("bind a vsock port: {error}")))?;
    let port = listener
        .local_addr()
        .map_err(|error| failed(format!("find the vsock port bound: {error}")))?
        .port();
    Ok(Ready {
        device: Box::new(device(cid)),
        channel: Channel::Vsock { port },
        inherited: vec![(FD, OwnedFd::from(vhost))],
        helper: None,
        listen: Box::new(move |tokens, on_arrival| {
            start("vsock", move || accept(&listener, cid, &tokens, &on_arrival))
        }),
    })
}

/// Takes the first CID that `claim` does not find taken.
fn claim_cid(
    cids: impl Iterator<Item = u32>,
    mut claim: impl FnMut(u32) -> io::Result<()>,
) -> io::Result<u32> {
    for cid in cids {
        match claim(cid) {
            Ok(()) => return Ok(cid),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse))
}

/// From a random place on, so that runs side by side do not meet.
fn random_cids() -> impl Iterator<Item = u32> {
    let start = fastrand::u32(FIRST_CID..u32::MAX - TRIES);
    start..start + TRIES
}

fn accept(listener: &VsockListener, cid: u32, tokens: &Tokens, on_arrival: &OnArrival) {
    loop {
        match listener.accept() {
            // Any guest of the machine's, and any local process, can dial this port.
            Ok((stream, peer)) if peer.cid() == cid => {
                greet(direct::stream(OwnedFd::from(stream)), tokens, on_arrival);
            }
            Ok(_stranger) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return on_arrival(Arrival::Failed(format!("accept: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_CID, TRIES, claim_cid, random_cids};
    use std::io;

    fn taken() -> io::Error {
        io::Error::from(io::ErrorKind::AddrInUse)
    }

    #[test]
    fn a_cid_that_is_taken_is_passed_over() {
        let claimed = claim_cid(3..100, |cid| if cid < 7 { Err(taken()) } else { Ok(()) });
        assert_eq!(claimed.unwrap(), 7);
    }

    #[test]
    fn another_error_ends_the_search_and_so_does_a_full_machine() {
        let mut tried = 0;
        let denied = claim_cid(3..100, |_| {
            tried += 1;
            Err(io::Error::from(io::ErrorKind::PermissionDenied))
        });
        assert_eq!(denied.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(tried, 1);
        assert_eq!(claim_cid(3..9, |_| Err(taken())).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_cids_tried_are_a_guests() {
        for _ in 0..1000 {
            let cids: Vec<u32> = random_cids().collect();
            assert_eq!(cids.len(), usize::try_from(TRIES).unwrap());
            assert!(cids.iter().all(|cid| (FIRST_CID..u32::MAX).contains(cid)));
        }
    }
}
