//! The portals, the host's end. Each address and port is bound before boot and kept, so that nothing else on this host gets it.
//!
//! A portal over the channel has the same address and port at both ends, `0.0.0.0` and `::` being the loopback address here, so
//! that what SendTargets says is right on either side: each TCP connection becomes a stream that the guest connects to its own.
//! A portal on QEMU's user network has a port of its own here, which QEMU listens on.

use crate::error::Error;
use crate::qemu::network::Forward;
use crate::spec::USER_NETWORK_ADDRESS as GUEST;
use lunlab_stream::Stream;
use lunlab_stream::splice::splice;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that wait for their stream; more are refused.
const MAX_WAITING: usize = 1024;

/// Asks the guest for a stream by number, to be connected to this address of the guest.
pub type Ask = Arc<dyn Fn(u32, SocketAddr) + Send + Sync>;

/// Where a portal is to be in the guest; without a port, one is chosen that is free at both ends.
pub type Asked = (IpAddr, Option<u16>);

/// Where a portal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortalAddress {
    /// What the target is configured with.
    pub guest: SocketAddr,
    /// What initiators on this host connect to.
    pub host: SocketAddr,
}

/// All portals of a run.
pub struct Portals {
    addresses: Vec<PortalAddress>,
    doors: Vec<Door>,
    waiting: Arc<Waiting>,
    /// Nobody comes any more.
    closed: Arc<AtomicBool>,
}

/// Connections by the number of the stream they wait for.
type Waiting = Mutex<BTreeMap<u32, TcpStream>>;

/// What keeps a portal's port.
struct Door {
    address: PortalAddress,
    keeper: Keeper,
}

enum Keeper {
    /// Connections to it become streams.
    Listener(TcpListener),
    /// QEMU listens there. Bound and not listening, this socket keeps the port from everybody who does not ask for just that one.
    Reservation { _socket: OwnedFd },
}

impl Portals {
    /// Binds every portal asked for. Connections queue up until [`Portals::serve`].
    ///
    /// # Errors
    /// Environment, when a port is taken, or this host lacks the address.
    pub fn bind(asked: &[Asked]) -> Result<Self, Error> {
        let mut doors = Doors(Vec::new());
        // The ports that are named come first, so that none of them is chosen for another portal.
        let named = asked.iter().filter(|(_, port)| port.is_some());
        for (address, port) in named {
            doors.open(*address, *port)?;
        }
        let addresses: Result<_, _> =
            asked.iter().map(|(address, port)| doors.open(*address, *port)).collect();
        Ok(Self {
            addresses: addresses?,
            doors: doors.0,
            waiting: Arc::default(),
            closed: Arc::default(),
        })
    }

    /// Where the portals are, in the order in which they were asked for.
    #[must_use]
    pub fn addresses(&self) -> &[PortalAddress] {
        &self.addresses
    }

    /// What QEMU has to forward to the guest.
    #[must_use]
    pub fn forwards(&self) -> Vec<Forward> {
        let forwarded =
            self.doors.iter().filter(|door| matches!(door.keeper, Keeper::Reservation { .. }));
        let forward = |door: &Door| match (door.address.host, door.address.guest) {
            (SocketAddr::V4(host), SocketAddr::V4(guest)) => Some(Forward { host, guest }),
            _ => None,
        };
        forwarded.filter_map(forward).collect()
    }

    /// Takes connections from now on; `ask` is called for each with a number of its own. Unless
    /// `shared`, a connection of another local user is reset at once.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn serve(&self, shared: bool, ask: &Ask) -> Result<(), Error> {
        let failed = |error| Error::environment(format!("serve a portal: {error}"));
        let numbers = Arc::new(AtomicU32::new(1));
        for door in &self.doors {
            let Keeper::Listener(listener) = &door.keeper else { continue };
            let server = Server {
                listener: listener.try_clone().map_err(failed)?,
                guest: reached_at(door.address.guest),
                shared,
                numbers: Arc::clone(&numbers),
                waiting: Arc::clone(&self.waiting),
                closed: Arc::clone(&self.closed),
                ask: Arc::clone(ask),
            };
            let thread = std::thread::Builder::new().name("portal".into());
            thread.spawn(move || server.run()).map_err(failed)?;
        }
        Ok(())
    }

    /// Takes no connections from now on, and leaves the ports to others: another run of this process may be one.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for door in &self.doors {
            if let Keeper::Listener(listener) = &door.keeper {
                // It wakes who waits for connections. One that does not listen yet has nobody.
                let _not_listening = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
            }
        }
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

/// What has been bound so far.
struct Doors(Vec<Door>);

impl Doors {
    /// Binds a portal, or finds that it is: several target portal groups may share one.
    fn open(&mut self, address: IpAddr, port: Option<u16>) -> Result<PortalAddress, Error> {
        if let Some(known) = port.and_then(|port| self.find(SocketAddr::new(address, port))) {
            return Ok(known);
        }
        let door = if address == IpAddr::V4(GUEST) {
            self.reserve(port)
        } else {
            self.listen(address, port)
        };
        let door = door.map_err(|error| bind_error(address, port, &error))?;
        let address = door.address;
        self.0.push(door);
        Ok(address)
    }

    fn find(&self, guest: SocketAddr) -> Option<PortalAddress> {
        let host = SocketAddr::new(loopback(guest.ip()), guest.port());
        let is = |known: &PortalAddress| known.guest == guest || known.host == host;
        let known = self.0.iter().map(|door| door.address).find(is)?;
        Some(PortalAddress { guest, ..known })
    }

    fn listen(&self, address: IpAddr, port: Option<u16>) -> io::Result<Door> {
        let bind = || {
            let listener = TcpListener::bind((loopback(address), port.unwrap_or(0)))?;
            let host = listener.local_addr()?;
            let guest = SocketAddr::new(address, host.port());
            let address = PortalAddress { guest, host };
            Ok(Door { address, keeper: Keeper::Listener(listener) })
        };
        self.apart(port, bind)
    }

    fn reserve(&self, port: Option<u16>) -> io::Result<Door> {
        let bind = || {
            let (socket, host) = reserve_port()?;
            let guest = SocketAddr::from((GUEST, port.unwrap_or(host.port())));
            let address = PortalAddress { guest, host: host.into() };
            Ok(Door { address, keeper: Keeper::Reservation { _socket: socket } })
        };
        self.apart(port, bind)
    }

    /// Binds a port of the system's choice until it is none that another portal has in the guest, where `::` and `0.0.0.0` are
    /// in the way of all addresses.
    fn apart(&self, port: Option<u16>, bind: impl Fn() -> io::Result<Door>) -> io::Result<Door> {
        let in_the_way = |door: &Door| {
            let taken = |other: &Door| other.address.guest.port() == door.address.guest.port();
            port.is_none() && self.0.iter().any(taken)
        };
        // Those that will not do are kept until one will, or they would be chosen again.
        let mut passed_over = Vec::new();
        loop {
            let door = bind()?;
            if !in_the_way(&door) {
                return Ok(door);
            }
            passed_over.push(door);
        }
    }
}

/// Binds a free port of 127.0.0.1 so that no other program is given it, and QEMU can still listen on it: both sockets have
/// SO_REUSEADDR (libslirp sets it, too), and the one here does not listen (socket(7)).
fn reserve_port() -> io::Result<(OwnedFd, SocketAddrV4)> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    let address = rustix::net::getsockname(&socket)?.try_into()?;
    Ok((socket, address))
}

/// Where something that is bound to an address can be reached from the same machine.
fn loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn reached_at(guest: SocketAddr) -> SocketAddr {
    SocketAddr::new(loopback(guest.ip()), guest.port())
}

fn bind_error(address: IpAddr, port: Option<u16>, error: &io::Error) -> Error {
    let Some(port) = port else {
        let plain = Error::environment(format!("bind a free port of {address}: {error}"));
        return lacking_address(plain, address, error);
    };
    let host = SocketAddr::new(loopback(address), port);
    let message = format!("bind {host} for a portal: {error}");
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let who = match listening(host) {
                Some(uid) => format!(": a program of user {uid} listens there"),
                None => String::new(),
            };
            Error::environment(format!("{message}{who}")).with_hint(format!(
                "`ss -ltnp sport = :{port}` names it; a portal without a port gets one that is free"
            ))
        }
        io::ErrorKind::PermissionDenied => Error::environment(message).with_hint(
            "ports from 1024 on need no privileges (net.ipv4.ip_unprivileged_port_start)",
        ),
        _ => lacking_address(Error::environment(message), address, error),
    }
}

fn lacking_address(plain: Error, address: IpAddr, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable if address.is_ipv6() => plain.with_hint(
            "this host has no IPv6 on its loopback interface (net.ipv6.conf.lo.disable_ipv6); use an IPv4 portal",
        ),
        _ => plain,
    }
}

/// What takes the connections to one portal.
struct Server {
    listener: TcpListener,
    guest: SocketAddr,
    shared: bool,
    numbers: Arc<AtomicU32>,
    waiting: Arc<Waiting>,
    closed: Arc<AtomicBool>,
    ask: Ask,
}

impl Server {
    fn run(&self) {
        // accept(2) fails for a connection that is gone already, or for want of descriptors:
        // neither ends the portal.
        let open = |_: &io::Result<TcpStream>| !self.closed.load(Ordering::Relaxed);
        for tcp in self.listener.incoming().take_while(open).flatten() {
            if self.shared || is_own(&tcp) {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                if hold(&self.waiting, number, tcp) {
                    (self.ask)(number, self.guest);
                }
            }
        }
    }
}

fn hold(waiting: &Waiting, number: u32, tcp: TcpStream) -> bool {
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
    let (Ok(peer), Ok(local)) = (tcp.peer_addr(), tcp.local_addr()) else { return false };
    let own = rustix::process::geteuid().as_raw();
    owner(&table_of(peer), peer, local).is_some_and(|uid| uid == own || uid == 0)
}

/// The kernel's table of the sockets of an address's family.
fn table_of(address: SocketAddr) -> String {
    let path = if address.is_ipv6() { "/proc/net/tcp6" } else { "/proc/net/tcp" };
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A line of /proc/net/tcp or tcp6 (Documentation/networking/proc_net_tcp.rst).
struct Row<'a> {
    local: &'a str,
    remote: &'a str,
    state: &'a str,
    uid: u32,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        let uid = fields.nth(3)?.parse().ok()?;
        Some(Self { local, remote, state, uid })
    }
}

/// Who owns the socket at `local` that is connected to `remote`.
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let (local, remote) = (hexadecimal(local), hexadecimal(remote));
    let mut rows = table.lines().skip(1).filter_map(Row::parse);
    rows.find(|row| row.local == local && row.remote == remote).map(|row| row.uid)
}

/// Who listens on the port of an address, at that address or at all; a socket of IPv6 may be in the way of IPv4.
fn listening(address: SocketAddr) -> Option<u32> {
    let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
    let tables = [(table_of(address), address), (table_of(all), all)];
    tables.iter().find_map(|(table, at)| listener(table, *at))
}

fn listener(table: &str, address: SocketAddr) -> Option<u32> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let places = [hexadecimal(address), hexadecimal(SocketAddr::new(any, address.port()))];
    let mut rows = table.lines().skip(1).filter_map(Row::parse);
    // TCP_LISTEN of include/net/tcp_states.h.
    let is = |row: &Row<'_>| row.state == "0A" && places.iter().any(|place| place == row.local);
    rows.find(is).map(|row| row.uid)
}

/// An address as the kernel's tables have it: 32-bit words in the machine's own order.
fn hexadecimal(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _none_left) = bytes.as_chunks::<4>();
    let words: String =
        words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::{GUEST, Portals, is_own, listener, owner, reserve_port};
    use crate::error::Category;
    use std::io::Read;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const LOOPBACK6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 0100007F:0CBC 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1
   1: 0100007F:0CBC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     7        0 31338 1
   2: 00000000:0CBD 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 31339 1
   3: garbage
";

    const TABLE6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:CF2A 00000000000000000000000001000000:BBE5 01 00000000:00000000 00:00000000 00000000  1001        0 70 1
";

    fn address(port: u16) -> SocketAddr {
        SocketAddr::new(LOOPBACK, port)
    }

    #[test]
    fn the_owner_is_found_by_both_addresses() {
        assert_eq!(owner(TABLE, address(40000), address(3260)), Some(1000));
        assert_eq!(owner(TABLE, address(3260), address(40000)), Some(7));
        assert_eq!(owner(TABLE, address(40000), address(3261)), None);
        assert_eq!(owner("", address(1), address(2)), None);
        let six = |port| SocketAddr::new(LOOPBACK6, port);
        assert_eq!(owner(TABLE6, six(0xcf2a), six(0xbbe5)), Some(1001));
        assert_eq!(owner(TABLE6, six(0xbbe5), six(0xcf2a)), None);
    }

    #[test]
    fn who_listens_is_found_at_any_address_and_no_connection_is_taken_for_it() {
        assert_eq!(listener(TABLE, address(3261)), Some(33));
        assert_eq!(listener(TABLE, address(3260)), None);
    }

    #[test]
    fn ones_own_connection_is_recognised_in_both_families() {
        for loopback in [LOOPBACK, LOOPBACK6] {
            let listener = TcpListener::bind((loopback, 0)).unwrap();
            let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(is_own(&listener.accept().unwrap().0), "{loopback}");
        }
    }

    #[test]
    fn both_ends_have_the_same_port_and_wildcards_are_loopback_here() {
        let asked = [(LOOPBACK, None), (ANY, None), (LOOPBACK6, None), (ANY6, None)];
        let portals = Portals::bind(&asked).unwrap();
        let hosts = [LOOPBACK, LOOPBACK, LOOPBACK6, LOOPBACK6];
        for ((address, (guest, _)), host) in portals.addresses().iter().zip(asked).zip(hosts) {
            assert_eq!((address.guest.ip(), address.host.ip()), (guest, host));
            assert_eq!(address.guest.port(), address.host.port());
        }
        let ports: std::collections::BTreeSet<_> =
            portals.addresses().iter().map(|address| address.guest.port()).collect();
        assert_eq!(ports.len(), asked.len());
        assert_eq!(portals.forwards(), []);
    }

    #[test]
    fn a_portal_of_several_groups_is_bound_once() {
        let (_kept, reserved) = reserve_port().unwrap();
        let port = reserved.port();
        let asked = [(LOOPBACK, Some(port)), (LOOPBACK, None), (LOOPBACK, Some(port))];
        let portals = Portals::bind(&asked).unwrap();
        let [one, other, again] = portals.addresses() else { unreachable!() };
        assert_eq!((one, one.host), (again, address(port)));
        assert_ne!(one.host, other.host);
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_who_has_it() {
        let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        for asked in [LOOPBACK, ANY] {
            let error = Portals::bind(&[(asked, Some(port))]).err().unwrap();
            assert_eq!(error.category(), Category::Environment);
            let own = rustix::process::geteuid().as_raw();
            let ending = format!(": a program of user {own} listens there");
            let text = error.to_string();
            assert!(text.starts_with(&format!("bind 127.0.0.1:{port} for a portal: ")), "{text}");
            assert!(text.ends_with(&ending), "{text}");
            assert!(error.hint().unwrap().contains(&format!("sport = :{port}")));
        }
    }

    #[test]
    fn a_forwarded_port_is_kept_for_one_that_asks_for_it_by_number() {
        let portals = Portals::bind(&[(IpAddr::V4(GUEST), Some(3260))]).unwrap();
        let [forward] = portals.forwards()[..] else { unreachable!() };
        assert_eq!(forward.guest.to_string(), "10.0.2.15:3260");
        assert_eq!(portals.addresses()[0].host, forward.host.into());
        // TcpListener::bind sets SO_REUSEADDR, as QEMU does.
        drop(TcpListener::bind(forward.host).unwrap());
        let chosen = portals.forwards()[0].host.port();
        let others: Vec<_> = (0..200).map(|_| TcpListener::bind((LOOPBACK, 0)).unwrap()).collect();
        assert!(others.iter().all(|other| other.local_addr().unwrap().port() != chosen));
    }

    #[test]
    fn a_connection_asks_for_a_stream_to_its_own_portal() {
        let portals = Portals::bind(&[(ANY, None), (LOOPBACK6, None)]).unwrap();
        let (asked, asks) = std::sync::mpsc::channel();
        let asked = Mutex::new(asked);
        let ask = move |number, guest| asked.lock().unwrap().send((number, guest)).unwrap();
        portals.serve(false, &(Arc::new(ask) as super::Ask)).unwrap();
        let mut numbers = Vec::new();
        for address in portals.addresses() {
            let mut client = TcpStream::connect(address.host).unwrap();
            let (number, guest) = asks.recv().unwrap();
            assert_eq!(guest, address.host);
            // Refused, it is closed.
            portals.refuse(number);
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
            numbers.push(number);
        }
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn what_is_closed_takes_nobody_and_leaves_its_port() {
        let portals = Portals::bind(&[(LOOPBACK, None)]).unwrap();
        let host = portals.addresses()[0].host;
        portals.serve(true, &(Arc::new(|_, _| ()) as super::Ask)).unwrap();
        TcpStream::connect(host).unwrap();
        portals.close();
        assert!(TcpStream::connect(host).is_err());
        let again = Portals::bind(&[(LOOPBACK, Some(host.port()))]).unwrap();
        again.serve(true, &(Arc::new(|_, _| ()) as super::Ask)).unwrap();
        TcpStream::connect(host).unwrap();
    }
}
