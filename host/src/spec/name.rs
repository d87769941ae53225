//! Names that nothing else checks: kernel modules and the serials of disks. Those of the target are
//! configfs-rs's.

use thiserror::Error;

use super::fault::quoted;

/// The longest module name the kernel can hold (`MODULE_NAME_LEN` on 64 bits, less its NUL).
const MODULE_MAX: usize = 55;

/// The longest serial of a virtio-blk disk (`VIRTIO_BLK_ID_BYTES`), which is that of NVMe as well.
const DISK_SERIAL_MAX: usize = 20;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// A module's name.
    #[error("{0} is not a module name, 1 to {MODULE_MAX} of A-Z, a-z, 0-9, `_` and `-` are")]
    Module(String),
    /// A disk's serial.
    #[error(
        "{0} is not a serial for a disk, 1 to {DISK_SERIAL_MAX} of A-Z, a-z, 0-9, `.`, `_` and \
         `-` are"
    )]
    DiskSerial(String),
}

/// Checks the name of a kernel module, as `modprobe` takes it: no path, no `.ko`.
///
/// # Errors
/// When it has other characters or another length.
pub(super) fn check_module(name: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if (1..=MODULE_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(NameError::Module(quoted(name)))
    }
}

/// Checks the serial of a disk.
///
/// # Errors
/// When it has other characters, or more than every bus can carry.
pub(super) fn check_disk_serial(serial: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=DISK_SERIAL_MAX).contains(&serial.len()) && serial.bytes().all(allowed) {
        Ok(())
    } else {
        Err(NameError::DiskSerial(quoted(serial)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_without_path_or_suffix() {
        assert_eq!(check_module("nvme-tcp"), Ok(()));
        for name in ["", "nvme.ko", "/lib/x", "a b", "x\n"] {
            assert!(check_module(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn serials_of_disks_fit_every_bus() {
        for serial in ["a", "scratch-0_1.x", &"x".repeat(20)] {
            assert_eq!(check_disk_serial(serial), Ok(()));
        }
        for serial in ["", "a b", "a,b", "ä", &"x".repeat(21)] {
            assert!(check_disk_serial(serial).is_err(), "{serial:?}");
        }
    }
}
