//! The command that QEMU's user network starts for a connection, and the connection's way from there.

use super::{ADDRESS, socket};
use crate::error::Error;
use rustix::io::IoSlice;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "smb-connection";

/// The option of QEMU's user network that starts this program for each connection.
#[must_use]
pub fn guestfwd(directory: &Path) -> String {
    let socket = socket(directory).display().to_string();
    // Words are split as a shell would, and QEMU reads two commas as one.
    let socket = socket.replace('\'', r"'\''").replace(',', ",,");
    // Not its path: a lunlab that is rebuilt while it runs must start itself.
    let own = std::process::id();
    let (address, port) = (ADDRESS.ip(), ADDRESS.port());
    format!("guestfwd=tcp:{address}:{port}-cmd:/proc/{own}/exe {SUBCOMMAND} '{socket}'")
}

/// The subcommand's body: gives its standard input away.
///
/// # Errors
/// When nobody takes it, as the run has ended.
pub fn give(socket: &Path) -> Result<(), Error> {
    let failed = |what: &str, error: std::io::Error| {
        Error::environment(format!("{what} {}: {error}", socket.display()))
    };
    let to = UnixStream::connect(socket).map_err(|error| failed("connect to", error))?;
    send(&to, std::io::stdin().as_fd()).map_err(|error| failed("send to", error))
}

fn send(to: &UnixStream, fd: std::os::fd::BorrowedFd<'_>) -> std::io::Result<()> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(to, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Takes what the subcommand gives.
pub(super) fn take(from: &UnixStream) -> std::io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let found = fds.flatten().next();
    found.ok_or_else(|| std::io::Error::other("it came without a descriptor"))
}

#[cfg(test)]
mod tests {
    use super::{guestfwd, send, take};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    #[test]
    fn a_connection_goes_through_whole() {
        let (mut guest, smbd) = UnixStream::pair().unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        send(&there, smbd.as_fd()).unwrap();
        drop(smbd);
        let mut smbd = UnixStream::from(take(&here).unwrap());
        guest.write_all(b"negotiate").unwrap();
        let mut heard = [0; 9];
        smbd.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"negotiate");
        drop(there);
        assert!(take(&here).is_err(), "its end is no connection");
    }

    #[test]
    fn a_path_is_one_word_for_qemu_and_for_the_command() {
        let own = std::process::id();
        for (directory, word) in [("/r un,1", "/r un,,1"), ("/r'un", r"/r'\''un")] {
            let expected = format!(
                "guestfwd=tcp:10.0.2.4:445-cmd:/proc/{own}/exe smb-connection '{word}/smb-connection'"
            );
            assert_eq!(guestfwd(Path::new(directory)), expected);
        }
    }
}
