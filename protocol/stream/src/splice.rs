//! Joins a stream to a TCP connection: bytes, end-of-stream and reset, both ways.

use crate::{Abort, Error, Receive, Received, Stream, Transmit};
use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Bytes moved at once.
const PIECE: usize = 64 * 1024;

/// Moves bytes until both directions have ended or either side broke. A direction that ends
/// leaves the other flowing; a side that breaks breaks the other.
///
/// # Errors
/// When a thread cannot be started.
pub fn splice(tcp: &TcpStream, stream: Stream) -> std::io::Result<()> {
    let Stream { mut sender, mut receiver, abort } = stream;
    let up = tcp.try_clone()?;
    // What comes was sent for a reason: it must not wait for an acknowledgement (Nagle).
    tcp.set_nodelay(true)?;
    let breaker = Arc::clone(&abort);
    let outward = std::thread::Builder::new().name("portal-out".into()).spawn(move || {
        if tcp_to_stream(&up, &mut *sender).is_err() {
            abort_both(&up, &*breaker);
        }
    })?;
    if stream_to_tcp(&mut *receiver, tcp).is_err() {
        abort_both(tcp, &*abort);
    }
    let _ended = outward.join();
    Ok(())
}

/// The TCP side gets a reset too, as its peer would from a connection that broke.
fn abort_both(tcp: &TcpStream, abort: &dyn Abort) {
    abort.abort();
    let _best_effort = set_socket_linger(tcp, Some(Duration::ZERO));
    let _wakes_the_reader = tcp.shutdown(Shutdown::Read);
}

fn tcp_to_stream(mut tcp: &TcpStream, sender: &mut dyn Transmit) -> Result<(), Error> {
    let mut piece = vec![0; PIECE];
    loop {
        let n = match tcp.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        match piece.get(..n) {
            Some([]) | None => return sender.end(),
            Some(bytes) => sender.send(bytes)?,
        }
    }
}

fn stream_to_tcp(receiver: &mut dyn Receive, mut tcp: &TcpStream) -> Result<(), Error> {
    let mut piece = Vec::with_capacity(2 * PIECE);
    loop {
        piece.clear();
        let ended = gather(receiver, &mut piece)?;
        tcp.write_all(&piece)?;
        if ended {
            tcp.shutdown(Shutdown::Write)?;
            return Ok(());
        }
    }
}

/// Takes what is there, at least one payload; true at the end of the stream.
fn gather(receiver: &mut dyn Receive, piece: &mut Vec<u8>) -> Result<bool, Error> {
    loop {
        match receiver.receive(None)? {
            Received::End => return Ok(true),
            Received::Payload(bytes) => piece.extend_from_slice(bytes),
        }
        if piece.len() >= PIECE || !receiver.is_ready() {
            return Ok(false);
        }
    }
}
