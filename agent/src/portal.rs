//! The portal over the channel: a stream the host asked for, joined to a TCP connection to the
//! guest's own portal.

use crate::channel::{Dialler, Link};
use lunlab_protocol::event::Event;
use lunlab_stream::splice::splice;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// Opens the stream and carries it to its end, in a thread of its own.
///
/// # Errors
/// When no thread can be started.
pub fn open(
    dialler: &Arc<Dialler>,
    link: &Arc<Link>,
    stream: u32,
    portal: SocketAddr,
) -> std::io::Result<()> {
    let (dialler, link) = (Arc::clone(dialler), Arc::clone(link));
    std::thread::Builder::new().name("portal".into()).spawn(move || {
        if let Err(problem) = carry(&dialler, stream, portal) {
            link.tell(&Event::StreamFailed { stream, problem: &problem });
        }
    })?;
    Ok(())
}

fn carry(dialler: &Dialler, number: u32, portal: SocketAddr) -> Result<(), String> {
    let stream = dialler.open(number).map_err(|error| format!("dial stream {number}: {error}"))?;
    let tcp = match TcpStream::connect(portal) {
        Ok(tcp) => tcp,
        Err(error) => {
            stream.abort.abort();
            return Err(format!("connect {portal}: {error}"));
        }
    };
    // Requests and answers are small and wait for each other.
    tcp.set_nodelay(true).map_err(|error| format!("set TCP_NODELAY: {error}"))?;
    splice(&tcp, stream).map_err(|error| format!("start a thread for stream {number}: {error}"))
}
