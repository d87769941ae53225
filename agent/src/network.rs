//! Interfaces of the guest, by rtnetlink(7).

use crate::uevent::Uevents;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_ADDRESS: u16 = 1;
/// No duplicate address detection: nobody else is on the guest's link, and a portal on an address
/// that is still tentative would not answer.
const IFA_F_NODAD: u8 = 2;
const RTA_GATEWAY: u16 = 5;
const RTA_OIF: u16 = 4;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;

/// Every interface is a directory here.
const NET: &str = "/sys/class/net";

/// The loopback device is the first of every network namespace (drivers/net/loopback.c).
const LOOPBACK_INDEX: u32 = 1;

/// Something that rtnetlink refused, or an interface that is not there.
#[derive(Debug, PartialEq, Eq)]
pub struct NetworkError {
    what: String,
    cause: String,
    hint: Option<&'static str>,
}

impl NetworkError {
    fn new(what: String, errno: Errno) -> Self {
        let cause = configfs_rs::Errno::from(errno).to_string();
        Self { what, cause, hint: None }
    }

    /// A way out, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl std::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.cause)
    }
}

impl std::error::Error for NetworkError {}

/// Sets the loopback interface up; the kernel then gives it 127.0.0.1/8 and ::1/128 by itself.
///
/// # Errors
/// The kernel's answer.
pub fn loopback_up() -> Result<(), Errno> {
    request(&link_up(LOOPBACK_INDEX))
}

/// An address for the machine's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it are the network's.
    pub prefix: u8,
    /// Where everything else goes.
    pub gateway: Option<IpAddr>,
}

impl Interface {
    /// Reads a request; an empty gateway is none.
    ///
    /// # Errors
    /// What is no address.
    pub fn new(address: &str, prefix: u8, gateway: &str) -> Result<Self, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("no address: {text}"));
        let gateway = if gateway.is_empty() { None } else { Some(parse(gateway)?) };
        Ok(Self { address: parse(address)?, prefix, gateway })
    }
}

/// Waits for the machine's interface, sets it up, gives it the address, and leads everything else
/// through the gateway. Gives the interface's name.
///
/// # Errors
/// No interface by the deadline, or the kernel's answer to one of these.
pub fn up(
    address: IpAddr,
    prefix: u8,
    gateway: Option<IpAddr>,
    deadline: Instant,
) -> Result<String, NetworkError> {
    let (name, index) =
        Uevents::listen().wait_for(deadline, || interface(Path::new(NET))).ok_or(NetworkError {
            what: "find a network interface".into(),
            cause: "none in /sys/class/net has hardware behind it".into(),
            hint: Some("is virtio_net in the kernel or among the modules? (CONFIG_VIRTIO_NET)"),
        })?;
    let failed = |what: String| move |errno| NetworkError::new(what, errno);
    request(&link_up(index)).map_err(failed(format!("set {name} up")))?;
    let added = request(&new_address(index, address, prefix));
    added.map_err(failed(format!("give {name} the address {address}/{prefix}")))?;
    if let Some(gateway) = gateway {
        let added = request(&default_route(index, gateway));
        added.map_err(failed(format!("route {name} through {gateway}")))?;
    }
    Ok(name)
}

/// The first interface with hardware behind it, and its index: kernels may bring `sit0`, `dummy0`
/// and more of their own.
fn interface(net: &Path) -> Option<(String, u32)> {
    std::fs::read_dir(net).ok()?.flatten().find_map(|entry| {
        let at = entry.path();
        let index = std::fs::read_to_string(at.join("ifindex")).ok()?.trim().parse().ok()?;
        let hardware = at.join("device").exists();
        hardware.then(|| (entry.file_name().display().to_string(), index))
    })
}

/// Sends one request and reads the kernel's answer.
fn request(message: &[u8]) -> Result<(), Errno> {
    let fd = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is 0, which is what no protocol means.
        None,
    )?;
    sendto(&fd, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 256];
    let (n, _) = recv(&fd, &mut answer, RecvFlags::empty())?;
    read_answer(answer.get(..n).unwrap_or(&[]))
}

/// `struct ifinfomsg` (include/uapi/linux/rtnetlink.h).
fn link_up(index: u32) -> Vec<u8> {
    let words = [0, index, IFF_UP, IFF_UP].map(u32::to_ne_bytes);
    message(RTM_NEWLINK, words.as_flattened(), &[])
}

/// `struct ifaddrmsg` (include/uapi/linux/if_addr.h).
fn new_address(index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    let (family, bytes) = octets(address);
    let flags = if address.is_ipv6() { IFA_F_NODAD } else { 0 };
    let [a, b, c, d] = index.to_ne_bytes();
    let head = [family, prefix, flags, 0, a, b, c, d];
    message(RTM_NEWADDR, &head, &[(IFA_LOCAL, &bytes), (IFA_ADDRESS, &bytes)])
}

/// `struct rtmsg`; a destination of no bits is everything.
fn default_route(index: u32, gateway: IpAddr) -> Vec<u8> {
    let (family, bytes) = octets(gateway);
    let head = [family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0];
    message(RTM_NEWROUTE, &head, &[(RTA_GATEWAY, &bytes), (RTA_OIF, &index.to_ne_bytes())])
}

fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        // AF_INET and AF_INET6.
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    }
}

/// `struct nlmsghdr` (include/uapi/linux/netlink.h), the kind's own head, then its attributes,
/// whose lengths here are multiples of four as they have to be.
fn message(kind: u16, head: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, bytes)| [halves(length(bytes, 4), *kind).as_slice(), bytes].concat())
        .collect();
    let body = [head, &attributes].concat();
    let header: [[u8; 4]; 4] = [
        u32::from(length(&body, 16)).to_ne_bytes(),
        halves(kind, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE),
        1u32.to_ne_bytes(),
        [0; 4],
    ];
    [header.as_flattened(), &body].concat()
}

/// The length of bytes after a header. No message here has more than a hundred.
fn length(bytes: &[u8], header: u16) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).saturating_add(header)
}

fn halves(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    [a, b, c, d]
}

/// The answer is an error message whose error is 0 where all went well.
fn read_answer(answer: &[u8]) -> Result<(), Errno> {
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
    use super::{default_route, halves, interface, link_up, new_address, read_answer};
    use rustix::io::Errno;

    fn answer(kind: u16, error: i32) -> Vec<u8> {
        let head = [36u32.to_ne_bytes(), halves(kind, 0), [0; 4], [0; 4]];
        [head.as_flattened(), &error.to_ne_bytes(), &link_up(1)[..16]].concat()
    }

    #[test]
    fn the_kernels_answer_is_read() {
        assert_eq!(read_answer(&answer(2, 0)), Ok(()));
        assert_eq!(read_answer(&answer(2, -1)), Err(Errno::PERM));
        assert_eq!(read_answer(&answer(3, 0)), Err(Errno::BADMSG));
        assert_eq!(read_answer(&[]), Err(Errno::BADMSG));
    }

    #[test]
    fn the_interface_is_the_one_with_hardware() {
        let net = tempfile::tempdir().unwrap();
        for (name, index) in [("lo", "1\n"), ("sit0", "2\n"), ("eth0", "3\n")] {
            std::fs::create_dir(net.path().join(name)).unwrap();
            std::fs::write(net.path().join(name).join("ifindex"), index).unwrap();
        }
        assert_eq!(interface(net.path()), None);
        std::fs::create_dir(net.path().join("eth0/device")).unwrap();
        assert_eq!(interface(net.path()), Some(("eth0".into(), 3)));
    }

    #[test]
    fn a_message_says_its_own_length() {
        let address = "10.0.2.15".parse().unwrap();
        for message in [link_up(7), new_address(7, address, 24), default_route(7, address)] {
            let length = u32::from_ne_bytes(message[..4].try_into().unwrap());
            assert_eq!(usize::try_from(length).unwrap(), message.len());
        }
    }

    #[test]
    fn an_address_is_given_in_its_own_family() {
        let four = new_address(7, "10.0.2.15".parse().unwrap(), 24);
        assert_eq!(four[16..24], [[2, 24, 0, 0], 7u32.to_ne_bytes()].concat());
        assert_eq!(four[24..32], [halves(8, 2), [10, 0, 2, 15]].concat());
        let six = new_address(7, "fec0::15".parse().unwrap(), 64);
        assert_eq!((six[16..19].to_vec(), six.len()), (vec![10, 64, 2], 24 + 20 + 20));
    }
}
