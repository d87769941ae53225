//! The portal over the channel, the host's end: `127.0.0.1:P` is bound before boot and kept; each
//! TCP connection to it becomes a stream that the guest connects to its own `127.0.0.1:P`.
//!
//! Because both ends use the same address, what SendTargets says is right on either side.

use crate::error::Error;
use lunlab_stream::Stream;
use lunlab_stream::splice::splice;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that wait for their stream; more are refused.
const MAX_WAITING: usize = 1024;

/// Asks the guest for a stream by number.
pub type Ask = Box<dyn Fn(u32) + Send>;

/// A bound portal.
pub struct Portal {
    listener: TcpListener,
    port: u16,
    waiting: Arc<Mutex<BTreeMap<u32, TcpStream>>>,
}

impl Portal {
    /// Binds a free port of 127.0.0.1. Connections queue up until [`Portal::serve`].
    ///
    /// # Errors
    /// When no port is free.
    pub fn bind() -> Result<Self, Error> {
        let failed = |error| Error::environment(format!("bind a port of 127.0.0.1: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port, waiting: Arc::default() })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Takes connections from now on; `ask` is called for each with a number of its own. Unless
    /// `shared`, a connection of another local user is reset at once.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn serve(&self, shared: bool, ask: Ask) -> Result<(), Error> {
        let failed = |error| Error::environment(format!("serve the portal: {error}"));
        let listener = self.listener.try_clone().map_err(failed)?;
        let waiting = Arc::clone(&self.waiting);
        let number = AtomicU32::new(1);
        std::thread::Builder::new()
            .name("portal".into())
            .spawn(move || {
                // accept(2) fails for a connection that is gone already, or for want of
                // descriptors: neither ends the portal.
                for tcp in listener.incoming().flatten() {
                    if shared || is_own(&tcp) {
                        let number = number.fetch_add(1, Ordering::Relaxed);
                        if hold(&waiting, number, tcp) {
                            ask(number);
                        }
                    }
                }
            })
            .map(|_detached| ())
            .map_err(failed)
    }

    /// Joins a stream the guest dialled to the connection that waits for it. A stream nobody
    /// waits for is reset.
    pub fn connect(&self, number: u32, stream: Stream) {
        let Some(tcp) = self.take(number) else { return stream.abort.abort() };
        let carried = std::thread::Builder::new().name("portal stream".into()).spawn(move || {
            // Where no thread can be had for the way back, the drop of both ends it.
            let _no_thread = splice(&tcp, stream);
        });
        drop(carried);
    }

    /// Drops the connection that waits for a stream the guest could not open.
    pub fn refuse(&self, number: u32) {
        drop(self.take(number));
    }

    fn take(&self, number: u32) -> Option<TcpStream> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }
}

fn hold(waiting: &Mutex<BTreeMap<u32, TcpStream>>, number: u32, tcp: TcpStream) -> bool {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    // Requests and answers are small and wait for each other.
    let ready = waiting.len() < MAX_WAITING && tcp.set_nodelay(true).is_ok();
    if ready {
        waiting.insert(number, tcp);
    }
    ready
}

/// Whether the other end of a loopback connection belongs to this user, or to root, whom nothing
/// here could keep out.
fn is_own(tcp: &TcpStream) -> bool {
    let (Ok(SocketAddr::V4(peer)), Ok(SocketAddr::V4(local))) = (tcp.peer_addr(), tcp.local_addr())
    else {
        return false;
    };
    let own = rustix::process::geteuid().as_raw();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    owner(&table, peer, local).is_some_and(|uid| uid == own || uid == 0)
}

/// Who owns the socket at `local` that is connected to `remote`, from the text of /proc/net/tcp
/// (Documentation/networking/proc_net_tcp.rst).
fn owner(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let (local, remote) = (hexadecimal(local), hexadecimal(remote));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        (fields.next()? == local && fields.next()? == remote)
            .then(|| fields.nth(4)?.parse().ok())?
    })
}

fn hexadecimal(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

#[cfg(test)]
mod tests {
    use super::{Portal, is_own, owner};
    use std::io::Read;
    use std::net::{SocketAddrV4, TcpListener, TcpStream};

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 0100007F:0CBC 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1
   1: 0100007F:0CBC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     7        0 31338 1
   2: garbage
";

    fn address(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new([127, 0, 0, 1].into(), port)
    }

    #[test]
    fn the_owner_is_found_by_both_addresses() {
        assert_eq!(owner(TABLE, address(40000), address(3260)), Some(1000));
        assert_eq!(owner(TABLE, address(3260), address(40000)), Some(7));
        assert_eq!(owner(TABLE, address(40000), address(3261)), None);
        assert_eq!(owner("", address(1), address(2)), None);
    }

    #[test]
    fn ones_own_connection_is_recognised() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_own(&listener.accept().unwrap().0));
    }

    #[test]
    fn a_refused_connection_is_closed() {
        let portal = Portal::bind().unwrap();
        let (asked, numbers) = std::sync::mpsc::channel();
        portal.serve(false, Box::new(move |number| asked.send(number).unwrap())).unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", portal.port())).unwrap();
        portal.refuse(numbers.recv().unwrap());
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    }
}
