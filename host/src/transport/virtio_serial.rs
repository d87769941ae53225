//! Two virtio-serial ports: one for control, one that carries every other stream.

use crate::error::Error;
use crate::qemu::device::VirtioSerial;
use crate::transport::{Arrival, OnArrival, Ready, bind, greet, start};
use lunlab_protocol::hello::Token;
use lunlab_protocol::request::{CONTROL_PORT, Channel, STREAMS_PORT};
use lunlab_stream::direct;
use lunlab_stream::mux::Mux;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn sockets(directory: &Path) -> [PathBuf; 2] {
    [directory.join("control"), directory.join("streams")]
}

/// What QEMU is told.
#[must_use]
pub fn device(directory: &Path) -> VirtioSerial {
    let [control, streams] = sockets(directory);
    VirtioSerial { ports: vec![(CONTROL_PORT, control), (STREAMS_PORT, streams)] }
}

/// Binds the sockets QEMU connects the ports to.
///
/// # Errors
/// When they cannot be bound.
pub fn prepare(directory: &Path) -> Result<Ready, Error> {
    let [control, streams] = sockets(directory);
    let (control, streams) = (bind(&control)?, bind(&streams)?);
    Ok(Ready {
        device: Box::new(device(directory)),
        channel: Channel::VirtioSerial,
        inherited: Vec::new(),
        helper: None,
        listen: Box::new(move |token, on_arrival| listen(control, streams, token, on_arrival)),
    })
}

fn listen(
    control: UnixListener,
    streams: UnixListener,
    token: Token,
    on_arrival: OnArrival,
) -> Result<(), Error> {
    let (control_token, control_arrival) = (token.clone(), Arc::clone(&on_arrival));
    start("control port", move || match accept_once(control) {
        Ok(fd) => {
            wait_for_guest(&fd);
            greet(direct::stream(fd), &control_token, &control_arrival);
        }
        Err(problem) => control_arrival(Arrival::Failed(problem)),
    })?;
    start("streams port", move || {
        let fd = match accept_once(streams) {
            Ok(fd) => fd,
            Err(problem) => return on_arrival(Arrival::Failed(problem)),
        };
        let (_mux, reader) = Mux::new(fd);
        // Its end is the end of QEMU, which others see better.
        let _end = reader.run(|_number, stream| greet(stream, &token, &on_arrival));
    })
}

/// Waits for the guest's first byte, or the port's end. It may come as late as it likes: the port is
/// there before the kernel is. Whoever has begun a hello has to finish it in time.
fn wait_for_guest(fd: &OwnedFd) {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    // An error shows again where the stream is read.
    let _readable = retry_on_intr(|| poll(&mut fds, None));
}

fn accept_once(listener: UnixListener) -> Result<OwnedFd, String> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => return Ok(socket.into()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("accept: {error}")),
        }
    }
}
