//! Brings the loopback interface up, by rtnetlink(7): the portal is on 127.0.0.1.

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;
/// The loopback device is the first of every network namespace (drivers/net/loopback.c).
const LOOPBACK_INDEX: u32 = 1;

/// Sets the interface up; the kernel then gives it 127.0.0.1/8 and ::1/128 by itself.
///
/// # Errors
/// The kernel's answer.
pub fn up() -> Result<(), Errno> {
    let fd = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is 0, which is what no protocol means.
        None,
    )?;
    sendto(&fd, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 256];
    let (n, _) = recv(&fd, &mut answer, RecvFlags::empty())?;
    read_answer(answer.get(..n).unwrap_or(&[]))
}

/// `struct nlmsghdr` and `struct ifinfomsg` (include/uapi/linux/{netlink,rtnetlink}.h).
fn request() -> [u8; 32] {
    let mut message = [0; 32];
    let words: [[u8; 4]; 8] = [
        32u32.to_ne_bytes(),
        halves(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK),
        1u32.to_ne_bytes(),
        [0; 4],
        [0; 4],
        LOOPBACK_INDEX.to_ne_bytes(),
        IFF_UP.to_ne_bytes(),
        IFF_UP.to_ne_bytes(),
    ];
    message.iter_mut().zip(words.as_flattened()).for_each(|(to, from)| *to = *from);
    message
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
    use super::{halves, read_answer, request};
    use rustix::io::Errno;

    fn answer(kind: u16, error: i32) -> Vec<u8> {
        let head = [36u32.to_ne_bytes(), halves(kind, 0), [0; 4], [0; 4]];
        [head.as_flattened(), &error.to_ne_bytes(), &request()[..16]].concat()
    }

    #[test]
    fn the_kernels_answer_is_read() {
        assert_eq!(read_answer(&answer(2, 0)), Ok(()));
        assert_eq!(read_answer(&answer(2, -1)), Err(Errno::PERM));
        assert_eq!(read_answer(&answer(3, 0)), Err(Errno::BADMSG));
        assert_eq!(read_answer(&[]), Err(Errno::BADMSG));
    }
}
