//! The one system call that no crate wraps, and the only unsafe code on the host beside libiscsi's.

#![expect(unsafe_code, reason = "ioctl(2) is untyped; no crate has this one")]

use rustix::ioctl::{Setter, ioctl, opcode};
use std::fs::File;
use std::io;

/// `VHOST_SET_GUEST_CID`: _IOW(0xAF, 0x60, __u64) (include/uapi/linux/vhost.h).
const VHOST_VSOCK_SET_GUEST_CID: rustix::ioctl::Opcode = opcode::write::<u64>(0xaf, 0x60);

/// Gives the guest behind an open /dev/vhost-vsock its CID.
///
/// # Errors
/// `EADDRINUSE` when another guest has it; `EINVAL` when no guest may.
pub(crate) fn set_guest_cid(vhost: &File, cid: u32) -> io::Result<()> {
    // SAFETY: the opcode is defined to read one u64 through its argument, which is what `Setter`
    // with a u64 passes; the kernel keeps no pointer to it.
    let call = unsafe { Setter::<VHOST_VSOCK_SET_GUEST_CID, u64>::new(u64::from(cid)) };
    // SAFETY: the call above matches the opcode; on a descriptor that is no vhost-vsock the kernel
    // answers ENOTTY.
    unsafe { ioctl(vhost, call) }.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::{VHOST_VSOCK_SET_GUEST_CID, set_guest_cid};

    #[test]
    fn the_opcode_is_the_kernels() {
        assert_eq!(VHOST_VSOCK_SET_GUEST_CID, 0x4008_af60);
    }

    #[test]
    fn another_file_is_refused_by_the_kernel() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(set_guest_cid(&file, 3).unwrap_err().raw_os_error(), Some(25));
    }
}
