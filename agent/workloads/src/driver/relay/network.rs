//! An uplink, a router and peers, each in a network namespace of its own.
//!
//! ```text
//! sender ── token bucket ── router ─┬─ peer 1
//!                                   ├─ peer 2 …
//! ```
//!
//! Sockets stay in the namespace they were opened in, so threads go there only to open them. What is here goes with the last descriptor.

use super::netlink::{Bucket, End, Netlink};
use configfs_rs::Errno;
use lunlab_bench::relay::{BURST, Uplink};
use lunlab_bench::workload::Stopped;
use nix::sched::{CloneFlags, unshare};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::net::Ipv4Addr;

/// Kernels may bring interfaces of their own to a namespace, with the first indices.
const FIRST_INDEX: u32 = 1000;

/// What waits for the uplink at most: more than all senders' sockets hold, so that nothing is dropped.
const QUEUE: u32 = 8 << 20;

/// A network namespace.
pub(super) struct Namespace {
    fd: OwnedFd,
    netlink: Netlink,
}

impl Namespace {
    fn new() -> Result<Self, Stopped> {
        elsewhere(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| {
                let why = format!("make a network namespace: {errno:?}");
                Stopped::Skipped(format!("{why} (it takes root, and a kernel with CONFIG_NET_NS)"))
            })?;
            let path = "/proc/thread-self/ns/net";
            let fd = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let fd = fd.map_err(|errno| failed(&format!("open {path}"), errno))?;
            let netlink =
                Netlink::open().map_err(|errno| failed("open a netlink socket", errno))?;
            Ok(Self { fd, netlink })
        })
    }

    /// Opens something in it.
    pub(super) fn inside<T: Send>(
        &self,
        act: impl FnOnce() -> Result<T, Stopped> + Send,
    ) -> Result<T, Stopped> {
        elsewhere(|| {
            move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|errno| failed("enter a network namespace", errno))?;
            act()
        })
    }

    /// Its only interface: set up, with an address, and everything else through a gateway.
    fn attach(&self, index: u32, address: Ipv4Addr, gateway: Ipv4Addr) -> Result<(), Stopped> {
        let netlink = &self.netlink;
        netlink.up(index).map_err(|errno| failed("set an interface up", errno))?;
        netlink
            .add_address(index, address)
            .map_err(|errno| failed(&format!("give an interface {address}"), errno))?;
        netlink
            .add_default_route(gateway)
            .map_err(|errno| failed(&format!("route through {gateway}"), errno))
    }
}

/// In a thread of its own, as namespaces are a thread's.
fn elsewhere<T: Send>(act: impl FnOnce() -> Result<T, Stopped> + Send) -> Result<T, Stopped> {
    std::thread::scope(|scope| scope.spawn(act).join())
        .unwrap_or_else(|_| Err(Stopped::Failed("a thread for a namespace ended".to_owned())))
}

fn failed(what: &str, errno: rustix::io::Errno) -> Stopped {
    Stopped::Failed(format!("{what}: {}", Errno::from(errno)))
}

/// As [`failed`], but where the kernel lacks it nothing can be measured.
fn lacking(what: &str, errno: rustix::io::Errno, symbol: &str) -> Stopped {
    let why = format!("{what}: {}", Errno::from(errno));
    match errno {
        rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOENT => {
            Stopped::Skipped(format!("{why} (a kernel without {symbol}?)"))
        }
        _ => Stopped::Failed(why),
    }
}

/// All of them, connected.
pub(super) struct Network {
    pub(super) sender: Namespace,
    pub(super) peers: Vec<Namespace>,
    /// Kept, as the links end in it.
    _router: Namespace,
}

/// The sender's address; networks are those set aside for measuring networks (RFC 2544).
pub(super) const SENDER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

impl Network {
    /// Makes it, with so many peers behind the uplink.
    pub(super) fn new(uplink: Uplink, peers: u8) -> Result<Self, Stopped> {
        let (sender, router) = (Namespace::new()?, Namespace::new()?);
        connect(&router, 0, &sender)?;
        let bucket = Bucket { bytes_per_second: uplink.rate / 8, burst: BURST, queue: QUEUE };
        sender
            .netlink
            .add_token_bucket(FIRST_INDEX, bucket)
            .map_err(|errno| lacking("add a token bucket filter", errno, "CONFIG_NET_SCH_TBF"))?;
        let peer = |number| {
            let peer = Namespace::new()?;
            connect(&router, number, &peer)?;
            Ok(peer)
        };
        let peers = (1..=peers).map(peer).collect::<Result<_, Stopped>>()?;
        Ok(Self { sender, peers, _router: router })
    }
}

/// Lays the link of that number from the router to another namespace.
fn connect(router: &Namespace, number: u8, other: &Namespace) -> Result<(), Stopped> {
    let index = FIRST_INDEX + u32::from(number);
    let address = |host| Ipv4Addr::new(198, 18, number, host);
    let name = format!("port{number}");
    let (here, there) = (End { name: &name, index }, End { name: "eth", index: FIRST_INDEX });
    let netlink = &router.netlink;
    netlink
        .add_veth(here, there, other.fd.as_fd())
        .map_err(|errno| lacking("add a pair of veth devices", errno, "CONFIG_VETH"))?;
    netlink.up(index).map_err(|errno| failed(&format!("set {name} up"), errno))?;
    netlink
        .add_address(index, address(1))
        .map_err(|errno| failed(&format!("give {name} {}", address(1)), errno))?;
    other.attach(FIRST_INDEX, address(2), address(1))
}
