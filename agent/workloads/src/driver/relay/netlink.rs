//! Requests of rtnetlink(7): links, addresses, routes and the queueing discipline of an uplink.

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use std::net::Ipv4Addr;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWQDISC: u16 = 36;
const NLMSG_ERROR: u16 = 2;
/// NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL and NLM_F_CREATE.
const NEW: u16 = 1 | 4 | 0x200 | 0x400;
/// NLM_F_REQUEST and NLM_F_ACK.
const CHANGE: u16 = 1 | 4;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_FORWARDING: u16 = 1;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const TC_H_ROOT: u32 = u32::MAX;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TC_LINKLAYER_ETHERNET: u8 = 1;

/// A socket in the network namespace it was opened in, whichever thread uses it.
pub(super) struct Netlink(OwnedFd);

/// One end of a link: a name, and an index that no interface of the kernel's own has.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) name: &'a str,
    pub(super) index: u32,
}

impl Netlink {
    /// Opens one in the namespace of the calling thread.
    pub(super) fn open() -> Result<Self> {
        // NETLINK_ROUTE is 0, which is what no protocol means.
        let family = AddressFamily::NETLINK;
        Ok(Self(socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// Makes a pair of virtual Ethernet devices: one end here, the other in another namespace.
    pub(super) fn add_veth(
        &self,
        here: End<'_>,
        there: End<'_>,
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        let name = |end: End<'_>| attribute(IFLA_IFNAME, &text(end.name));
        let namespace = attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        let peer = [link(there.index, 0), name(there), namespace].concat();
        let data = attribute(IFLA_INFO_DATA, &attribute(VETH_INFO_PEER, &peer));
        let info = [attribute(IFLA_INFO_KIND, &text("veth")), data].concat();
        let body = [link(here.index, 0), name(here), attribute(IFLA_LINKINFO, &info)].concat();
        self.request(RTM_NEWLINK, NEW, &body)
    }

    /// Sets an interface up; what comes in there is passed on to other interfaces.
    pub(super) fn up(&self, index: u32) -> Result<()> {
        let forwarding = attribute(IPV4_DEVCONF_FORWARDING, &1u32.to_ne_bytes());
        let inet = attribute(u16::from(AF_INET), &attribute(IFLA_INET_CONF, &forwarding));
        let body = [link(index, IFF_UP), attribute(IFLA_AF_SPEC, &inet)].concat();
        self.request(RTM_NEWLINK, CHANGE, &body)
    }

    /// Gives an interface an address in a network of 24 bits.
    pub(super) fn add_address(&self, index: u32, address: Ipv4Addr) -> Result<()> {
        // `struct ifaddrmsg` (include/uapi/linux/if_addr.h).
        let head = [[AF_INET, 24, 0, 0], index.to_ne_bytes()].concat();
        let address = address.octets();
        let both = [attribute(IFA_LOCAL, &address), attribute(IFA_ADDRESS, &address)];
        self.request(RTM_NEWADDR, NEW, &[head, both.concat()].concat())
    }

    /// Leads everything through a gateway.
    pub(super) fn add_default_route(&self, gateway: Ipv4Addr) -> Result<()> {
        // `struct rtmsg`; a destination of no bits is everything.
        let head = [AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0];
        let body = [&head[..], &attribute(RTA_GATEWAY, &gateway.octets())].concat();
        self.request(RTM_NEWROUTE, NEW, &body)
    }

    /// Puts a token bucket filter before what an interface sends.
    pub(super) fn add_token_bucket(&self, index: u32, bucket: Bucket) -> Result<()> {
        // `struct tcmsg` (include/uapi/linux/rtnetlink.h).
        let head = [0, index, 0, TC_H_ROOT, 0].map(u32::to_ne_bytes);
        let options = [
            attribute(TCA_TBF_PARMS, &bucket.parameters()),
            attribute(TCA_TBF_RATE64, &bucket.bytes_per_second.to_ne_bytes()),
            attribute(TCA_TBF_BURST, &bucket.burst.to_ne_bytes()),
        ];
        let kind = attribute(TCA_KIND, &text("tbf"));
        let options = attribute(TCA_OPTIONS, &options.concat());
        self.request(RTM_NEWQDISC, NEW, &[head.as_flattened(), &kind, &options].concat())
    }

    /// Sends one request and reads the kernel's answer.
    fn request(&self, kind: u16, flags: u16, body: &[u8]) -> Result<()> {
        // `struct nlmsghdr` (include/uapi/linux/netlink.h).
        let length = u32::try_from(body.len() + 16).map_err(|_| Errno::MSGSIZE)?;
        let head = [length.to_ne_bytes(), halves(kind, flags), 1u32.to_ne_bytes(), [0; 4]];
        let message = [head.as_flattened(), body].concat();
        sendto(&self.0, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = [0; 1024];
        let (n, _) = recv(&self.0, &mut answer, RecvFlags::empty())?;
        read_answer(answer.get(..n).unwrap_or(&[]))
    }
}

/// How a token bucket filter is set.
#[derive(Clone, Copy)]
pub(super) struct Bucket {
    pub(super) bytes_per_second: u64,
    pub(super) burst: u32,
    /// Bytes that wait at most.
    pub(super) queue: u32,
}

impl Bucket {
    /// `struct tc_tbf_qopt` (include/uapi/linux/pkt_sched.h): rate, no peak rate, and the queue's length; the burst has an attribute of its
    /// own. A rate that 32 bits cannot hold is in TCA_TBF_RATE64.
    fn parameters(self) -> Vec<u8> {
        let rate = u32::try_from(self.bytes_per_second).unwrap_or(u32::MAX);
        let link_layer = [0, TC_LINKLAYER_ETHERNET, 0, 0];
        let nothing = [0; 4];
        let rate = [link_layer, nothing, rate.to_ne_bytes()];
        [rate, [nothing; 3], [self.queue.to_ne_bytes(), nothing, nothing]].concat().concat()
    }
}

/// `struct ifinfomsg` (include/uapi/linux/rtnetlink.h).
fn link(index: u32, flags: u32) -> Vec<u8> {
    [0, index, flags, flags].map(u32::to_ne_bytes).concat()
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// `struct nlattr`: length and kind, then the bytes, filled up to a multiple of four.
fn attribute(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len() + 4).unwrap_or(u16::MAX);
    let mut attribute = [&halves(length, kind), bytes].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn halves(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    [a, b, c, d]
}

/// The answer is an error message whose error is 0 where all went well.
fn read_answer(answer: &[u8]) -> Result<()> {
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(16..20).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(error)) => Err(Errno::from_raw_os_error(error.wrapping_neg())),
        _ => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_filled_up_and_say_their_own_length() {
        assert_eq!(attribute(3, b"abc")[..4], [7u16.to_ne_bytes(), 3u16.to_ne_bytes()].concat());
        assert_eq!(attribute(3, b"abc")[4..], *b"abc\0");
        let bucket = Bucket { bytes_per_second: 125_000, burst: 16_384, queue: 1 << 20 };
        assert_eq!(bucket.parameters().len(), 36);
        assert_eq!(bucket.parameters()[8..12], 125_000u32.to_ne_bytes());
    }

    #[test]
    fn the_kernels_answer_is_read() {
        let answer = |kind, error: i32| {
            let head = [36u32.to_ne_bytes(), halves(kind, 0), [0; 4], [0; 4]];
            [head.as_flattened(), &error.to_ne_bytes()].concat()
        };
        assert_eq!(read_answer(&answer(2, 0)), Ok(()));
        assert_eq!(read_answer(&answer(2, -95)), Err(Errno::OPNOTSUPP));
        assert_eq!(read_answer(&answer(3, 0)), Err(Errno::BADMSG));
        assert_eq!(read_answer(&[]), Err(Errno::BADMSG));
    }
}
