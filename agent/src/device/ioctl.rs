//! The calls that loop devices and the device mapper know and no safe crate has.
//!
//! rustix has neither; of the crates that do, both bring bindgen, and the device mapper's would be
//! a good part of an agent that is counted in kilobytes. All of the unsafe code of the agent is
//! here: one call, whose argument is always bytes of this module's own.

#![expect(unsafe_code, reason = "ioctl(2) is untyped; no crate has these in safe code")]

use core::ffi::{c_int, c_void};
use rustix::io::{Errno, Result};
use rustix::ioctl::{Direction, Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// `struct loop_config` (include/uapi/linux/loop.h).
const LOOP_CONFIG: usize = 304;

/// `struct dm_ioctl` (include/uapi/linux/dm-ioctl.h).
pub(super) const DM_HEADER: usize = 312;

/// `LO_FLAGS_READ_ONLY` and `LO_FLAGS_DIRECT_IO`.
const LOOP_READ_ONLY: u32 = 1;
const LOOP_DIRECT_IO: u32 = 16;

/// How a loop device is to be.
pub(super) struct LoopSettings {
    pub(super) read_only: bool,
    pub(super) direct_io: bool,
    /// Bytes; 0 lets the kernel choose.
    pub(super) block_size: u32,
}

/// The number of a loop device that is free: `LOOP_CTL_GET_FREE` on /dev/loop-control.
pub(super) fn loop_free(control: &impl AsFd) -> Result<u32> {
    let number = call(control.as_fd(), opcode::none(b'L', 0x82), &mut [])?;
    u32::try_from(number).map_err(|_| Errno::RANGE)
}

/// Puts a file behind a loop device: `LOOP_CONFIGURE`, since Linux 5.8.
pub(super) fn loop_configure(
    device: &impl AsFd,
    file: &impl AsFd,
    settings: &LoopSettings,
) -> Result<()> {
    let mut config = [0; LOOP_CONFIG];
    let mut flags = 0;
    flags |= if settings.read_only { LOOP_READ_ONLY } else { 0 };
    flags |= if settings.direct_io { LOOP_DIRECT_IO } else { 0 };
    config[..4].copy_from_slice(&file.as_fd().as_raw_fd().to_ne_bytes());
    config[4..8].copy_from_slice(&settings.block_size.to_ne_bytes());
    // `lo_flags` of the `struct loop_info64` that begins at 8.
    config[60..64].copy_from_slice(&flags.to_ne_bytes());
    call(device.as_fd(), opcode::none(b'L', 0x0a), &mut config).map(drop)
}

/// Takes the file from behind a loop device: `LOOP_CLR_FD`.
pub(super) fn loop_clear(device: &impl AsFd) -> Result<()> {
    call(device.as_fd(), opcode::none(b'L', 0x01), &mut []).map(drop)
}

/// Makes a block device read-only: `BLKROSET`, which reads one `int`.
pub(super) fn set_read_only(device: &impl AsFd) -> Result<()> {
    call(device.as_fd(), opcode::none(0x12, 93), &mut 1i32.to_ne_bytes()).map(drop)
}

/// One command of the device mapper. `message` is a header and what follows it; the kernel answers
/// in the same bytes, and never beyond them, because their length is written into the header here.
pub(super) fn device_mapper(control: &impl AsFd, command: u8, message: &mut [u8]) -> Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| Errno::TOOBIG)?;
    message.get_mut(12..16).ok_or(Errno::INVAL)?.copy_from_slice(&length.to_ne_bytes());
    if message.len() < DM_HEADER {
        return Err(Errno::INVAL);
    }
    let opcode = opcode::from_components(Direction::ReadWrite, 0xfd, command, DM_HEADER);
    call(control.as_fd(), opcode, message).map(drop)
}

/// A call whose argument is the address of bytes.
struct Bytes<'a> {
    opcode: Opcode,
    bytes: &'a mut [u8],
}

// SAFETY: the pointer is that of bytes borrowed mutably for as long as the call lasts, nothing is
// read through it afterwards, and the return value is an integer that stands for itself.
unsafe impl Ioctl for Bytes<'_> {
    type Output = c_int;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.bytes.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> Result<c_int> {
        Ok(out)
    }
}

fn call(fd: BorrowedFd<'_>, opcode: Opcode, bytes: &mut [u8]) -> Result<c_int> {
    // SAFETY: only the functions above call this, each with as many bytes as its opcode's kernel
    // side reads or writes (none where the argument is ignored); the kernel keeps no pointer. On a
    // descriptor of another kind these opcodes are unknown: ENOTTY.
    unsafe { ioctl(fd, Bytes { opcode, bytes }) }
}

#[cfg(test)]
mod tests {
    use super::{LoopSettings, device_mapper, loop_clear, loop_configure, loop_free};
    use rustix::io::Errno;

    #[test]
    fn another_file_is_refused_by_the_kernel() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let settings = LoopSettings { read_only: true, direct_io: false, block_size: 512 };
        assert_eq!(loop_free(&null), Err(Errno::NOTTY));
        assert_eq!(loop_configure(&null, &null, &settings), Err(Errno::NOTTY));
        assert_eq!(loop_clear(&null), Err(Errno::NOTTY));
        assert_eq!(device_mapper(&null, 0, &mut [0; 312]), Err(Errno::NOTTY));
    }

    #[test]
    fn a_message_shorter_than_its_header_never_reaches_the_kernel() {
        let null = std::fs::File::open("/dev/null").unwrap();
        for length in [0, 12, 16, 311] {
            assert_eq!(device_mapper(&null, 0, &mut vec![0; length]), Err(Errno::INVAL));
        }
    }
}
