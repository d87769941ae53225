//! Waiting for the kernel to bring something up.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::time::{Duration, Instant};

/// Looked at again after this long without an event: what is waited for may come a little after
/// its event (a node in /dev), or without one (the size of a disk).
const PAUSE: Duration = Duration::from_millis(20);

/// The kernel's uevents, from the moment this was made (lib/kobject_uevent.c).
///
/// They only say when to look again, so nothing in them is read, and a lost one does no harm.
pub(crate) struct Uevents(Option<OwnedFd>);

impl Uevents {
    /// Listens. A kernel without the socket is looked at after every pause.
    pub(crate) fn listen() -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(KOBJECT_UEVENT));
        // Group 1 is the kernel's own; 2 would be udev's.
        let bound = socket.and_then(|fd| bind(&fd, &SocketAddrNetlink::new(0, 1)).map(|()| fd));
        Self(bound.ok())
    }

    /// Looks until something is found or the deadline has passed; at least once.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.wait(left.min(PAUSE));
        }
    }

    fn wait(&self, time: Duration) {
        let timeout = Timespec::try_from(time).ok();
        let mut fds: Vec<PollFd<'_>> =
            self.0.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let _readable_or_late = poll(&mut fds, timeout.as_ref());
        // Several at once are one reason to look; the bound is for a kernel that never stops.
        if let Some(fd) = &self.0 {
            let _drained =
                (0..64).take_while(|_| recv(fd, &mut [0; 8], RecvFlags::empty()).is_ok()).count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Uevents;
    use std::time::{Duration, Instant};

    #[test]
    fn it_looks_again_until_it_finds() {
        let (uevents, mut looks) = (Uevents::listen(), 0);
        let found = uevents.wait_for(Instant::now() + Duration::from_secs(60), || {
            looks += 1;
            (looks == 3).then_some("found")
        });
        assert_eq!((found, looks), (Some("found"), 3));
    }

    #[test]
    fn a_deadline_that_has_passed_still_allows_one_look() {
        let mut looks = 0;
        let found = Uevents(None).wait_for(Instant::now(), || {
            looks += 1;
            None::<()>
        });
        assert_eq!((found, looks), (None, 1));
    }
}
