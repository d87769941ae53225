//! Ctrl-C and SIGTERM: nothing is begun any more, and whoever waits stops waiting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Is to be read from when somebody asked for the end; never read, so that all see it.
#[derive(Debug)]
pub(crate) struct Interruption(UnixStream);

impl Interruption {
    /// Takes the signals over.
    pub(crate) fn install() -> io::Result<Self> {
        let (asked, asks) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGINT, asks.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGTERM, asks)?;
        Ok(Self(asked))
    }

    /// Whether somebody asked.
    pub(crate) fn asked(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Interruption {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
