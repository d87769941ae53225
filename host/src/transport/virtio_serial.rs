//! Virtio-serial ports: one for control, one that carries every other stream of the agent's, and one for those of benchmarks where
//! there are such.

use crate::error::Error;
use crate::qemu::device::VirtioSerial;
use crate::transport::{Arrival, Dialling, OnArrival, Ready, Tokens, bind, greet, start};
use lunlab_protocol::request::{BENCHMARKS_PORT, CONTROL_PORT, Channel, STREAMS_PORT};
use lunlab_stream::direct;
use lunlab_stream::mux::Mux;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ports, and where QEMU connects them to.
fn ports(dialling: Dialling, directory: &Path) -> Vec<(&'static str, PathBuf)> {
    let all =
        [(CONTROL_PORT, "control"), (STREAMS_PORT, "streams"), (BENCHMARKS_PORT, "benchmarks")];
    let count = match dialling {
        Dialling::Agent => 2,
        Dialling::Benchmarks => 3,
    };
    all.into_iter().take(count).map(|(port, socket)| (port, directory.join(socket))).collect()
}

/// What QEMU is told.
#[must_use]
pub fn device(dialling: Dialling, directory: &Path) -> VirtioSerial {
    VirtioSerial { ports: ports(dialling, directory) }
}

/// Binds the sockets QEMU connects the ports to.
///
/// # Errors
/// When they cannot be bound.
pub fn prepare(dialling: Dialling, directory: &Path) -> Result<Ready, Error> {
    let bound: Result<Vec<_>, Error> = ports(dialling, directory)
        .into_iter()
        .map(|(port, socket)| Ok((port, bind(&socket)?)))
        .collect();
    let bound = bound?;
    Ok(Ready {
        device: Box::new(device(dialling, directory)),
        channel: Channel::VirtioSerial,
        inherited: Vec::new(),
        helper: None,
        listen: Box::new(move |tokens, on_arrival| {
            bound.into_iter().try_for_each(|(port, listener)| {
                listen(port, listener, tokens.clone(), Arc::clone(&on_arrival))
            })
        }),
    })
}

fn listen(
    port: &'static str,
    listener: UnixListener,
    tokens: Tokens,
    on_arrival: OnArrival,
) -> Result<(), Error> {
    start(port, move || match accept_once(listener) {
        Ok(fd) if port == CONTROL_PORT => {
            wait_for_guest(&fd);
            greet(direct::stream(fd), &tokens, &on_arrival);
        }
        Ok(fd) => {
            let (_mux, reader) = Mux::new(fd);
            // Its end is the end of QEMU, which others see better.
            let _end = reader.run(|_number, stream| greet(stream, &tokens, &on_arrival));
        }
        Err(problem) => on_arrival(Arrival::Failed(problem)),
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
