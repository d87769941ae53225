//! What is mounted where, and the directories programs expect.

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_remount};
use std::ffi::CString;

/// A file system to mount.
#[derive(Clone, Copy, Debug)]
pub struct Mount {
    /// Its type.
    pub kind: &'static str,
    /// Where.
    pub at: &'static str,
    /// Its own options.
    pub options: &'static str,
    /// Whether the run can go on without it.
    pub required: bool,
}

impl Mount {
    fn flags(&self) -> MountFlags {
        match self.kind {
            "devtmpfs" => MountFlags::NOSUID,
            _ => MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        }
    }

    /// Changes options of it while it is mounted.
    ///
    /// # Errors
    /// What mount(2) says.
    pub fn change(&self, options: &str) -> Result<(), Errno> {
        let options = CString::new(options).unwrap_or_default();
        mount_remount(self.at, self.flags(), options.as_c_str())
    }
}

/// The mounts of early boot, in order. After them:
///
/// ```text
/// /          rootfs     the unpacked image
/// /dev       devtmpfs   the kernel makes the nodes
/// /dev/shm   tmpfs
/// /proc      proc
/// /sys       sysfs
/// /run       tmpfs      the files of fileio and loop devices; bounded before a target is built
/// /tmp       tmpfs
/// /var       tmpfs      target/pr and target/alua, where LIO keeps reservations and ALUA state
/// ```
pub const EARLY: &[Mount] = &[
    Mount { kind: "devtmpfs", at: "/dev", options: "mode=0755", required: true },
    Mount { kind: "proc", at: "/proc", options: "", required: true },
    Mount { kind: "sysfs", at: "/sys", options: "", required: true },
    STORAGE_MOUNT,
    Mount { kind: "tmpfs", at: "/var", options: "mode=0755", required: true },
    Mount { kind: "tmpfs", at: "/tmp", options: "mode=1777", required: false },
    Mount { kind: "tmpfs", at: "/dev/shm", options: "mode=1777", required: false },
];

/// The mount that storage is on.
pub const STORAGE_MOUNT: Mount =
    Mount { kind: "tmpfs", at: "/run", options: "mode=0755", required: true };

/// The mount that waits for its module.
pub const CONFIGFS: Mount =
    Mount { kind: "configfs", at: "/sys/kernel/config", options: "", required: true };

/// Where the files of fileio and loop devices are, on [`STORAGE_MOUNT`].
pub const STORAGE: &str = "/run/lunlab";

/// Directories made after [`EARLY`]: target_core_mod looks for its own at the moment it loads
/// (drivers/target/target_core_configfs.c, `target_init_dbroot`).
pub const DIRECTORIES: &[&str] = &["/var/target", "/var/target/pr", "/var/target/alua", STORAGE];

/// A mount or directory that could not be made.
#[derive(Debug)]
pub struct MountError {
    what: &'static str,
    at: &'static str,
    errno: Errno,
}

impl std::fmt::Display for MountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.what, self.at, configfs_rs::Errno::from(self.errno))
    }
}

impl std::error::Error for MountError {}

/// Makes every early mount and directory. What is not required and fails comes back in the list.
///
/// # Errors
/// The first required one that fails.
pub fn mount_early() -> Result<Vec<MountError>, MountError> {
    let mut tolerated = Vec::new();
    for each in EARLY {
        match mount_one(each) {
            Err(error) if each.required => return Err(error),
            Err(error) => tolerated.push(error),
            Ok(()) => {}
        }
    }
    DIRECTORIES.iter().try_for_each(|at| make_directory(at))?;
    Ok(tolerated)
}

/// Mounts one file system; one that is mounted already will do.
///
/// # Errors
/// When its mount point cannot be made or mount(2) fails.
pub fn mount_one(each: &Mount) -> Result<(), MountError> {
    // configfs and sysfs make their mount points themselves.
    if !std::path::Path::new(each.at).is_dir() {
        make_directory(each.at)?;
    }
    let options = CString::new(each.options).unwrap_or_default();
    match mount(each.kind, each.at, each.kind, each.flags(), options.as_c_str()) {
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(errno) => Err(MountError { what: "mount", at: each.at, errno }),
    }
}

fn make_directory(at: &'static str) -> Result<(), MountError> {
    match mkdir(at, Mode::from(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(MountError { what: "mkdir", at, errno }),
    }
}

#[cfg(test)]
mod tests {
    use super::{CONFIGFS, DIRECTORIES, EARLY};

    #[test]
    fn what_the_target_needs_is_required() {
        for kind in ["devtmpfs", "proc", "sysfs"] {
            assert!(EARLY.iter().any(|m| m.kind == kind && m.required), "{kind}");
        }
        const { assert!(CONFIGFS.required) };
    }

    #[test]
    fn a_mount_point_comes_after_what_it_is_on() {
        for (n, each) in EARLY.iter().enumerate() {
            let inside = |later: &&super::Mount| each.at.starts_with(&format!("{}/", later.at));
            assert!(EARLY.iter().skip(n).find(inside).is_none(), "{}", each.at);
        }
    }

    #[test]
    fn directories_come_after_their_parents_and_lie_on_a_mount() {
        for (n, at) in DIRECTORIES.iter().enumerate() {
            let parent = at.rsplit_once('/').unwrap().0;
            let made = DIRECTORIES.iter().take(n).any(|earlier| *earlier == parent);
            assert!(made || EARLY.iter().any(|m| m.at == parent && m.required), "{at}");
        }
    }
}
