//! The host's Samba, for the workload that mounts a share of it.
//!
//! smbd is started as inetd would: one for each connection of the guest's, with that as its standard input. So it listens nowhere, and
//! nobody but the guest can reach it. A connection comes here like this:
//!
//! ```text
//! guest: cifs ── TCP 10.0.2.4:445 ── QEMU's user network ── socket pair ── handover ─┐ SCM_RIGHTS
//!                                     smbd, its standard input ── server ────────────┘
//! ```
//!
//! The user network stays restricted: its one way out is `guestfwd=…-cmd:`, which starts a command for each connection to that address.
//! The command is this program ([`handover`]): it gives the socket to the lunlab that runs, and ends. smbd itself could be that command,
//! but QEMU puts commands in sessions of their own, out of the guardian's reach. The form of `guestfwd` with a character device, which
//! starts nothing, has one connection for the whole run and tells the guest of no end of it.

mod configuration;
pub mod handover;
mod server;

pub use server::Server;

use crate::error::Error;
use crate::spec::Spec;
use lunlab_bench::smb::WORKLOAD;
use rustix::fs::{Access, access};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// Where the guest finds the server; QEMU's user network has its own there, and none without `smb=`.
pub const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 4), 445);

/// The share's name.
const SHARE: &str = "lunlab";

/// Where programs that serve are, which an ordinary user's PATH may lack.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Samba's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The server.
    smbd: PathBuf,
    /// What makes users.
    pdbedit: PathBuf,
}

impl Programs {
    /// Those that a spec needs, if it needs any.
    ///
    /// # Errors
    /// Environment, when one is not there.
    pub fn needed(spec: &Spec, cache: &Path) -> Result<Option<Self>, Error> {
        if !spec.benchmarks.iter().any(|each| each.workload() == WORKLOAD.name) {
            return Ok(None);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).chain(SBIN.map(PathBuf::from));
        // What was put there for lunlab comes last: the system's own is what its user means.
        Self::find(&path.chain([cache.join("bin")]).collect::<Vec<_>>()).map(Some)
    }

    fn find(directories: &[PathBuf]) -> Result<Self, Error> {
        let find = |name: &str| {
            let mut places = directories.iter().map(|directory| directory.join(name));
            let found =
                places.find(|place| access(place, Access::EXEC_OK).is_ok() && place.is_file());
            found.ok_or_else(|| {
                let message = format!(
                    "workload {:?} starts the host's Samba, and there is no {name} on PATH or in {}",
                    WORKLOAD.name,
                    SBIN.join(", ")
                );
                Error::environment(message).with_hint("apt install samba")
            })
        };
        Ok(Self { smbd: find("smbd")?, pdbedit: find("pdbedit")? })
    }
}

/// Where this lunlab takes connections, in a run's directory.
#[must_use]
pub fn socket(directory: &Path) -> PathBuf {
    directory.join("smb-connection")
}

#[cfg(test)]
mod tests {
    use super::Programs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    #[test]
    fn both_programs_must_be_there_and_executable() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let make = |path: PathBuf, mode| {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let directories = [one.path().to_owned(), two.path().to_owned()];
        let lacking = |name: &str| {
            let error = Programs::find(&directories).unwrap_err();
            assert!(error.to_string().contains(&format!("there is no {name} on PATH")), "{error}");
            assert_eq!(error.hint(), Some("apt install samba"));
        };
        make(one.path().join("smbd"), 0o644);
        std::fs::create_dir(one.path().join("pdbedit")).unwrap();
        lacking("smbd");
        make(two.path().join("smbd"), 0o755);
        lacking("pdbedit");
        make(two.path().join("pdbedit"), 0o755);
        let found = Programs::find(&directories).unwrap();
        assert_eq!(
            [found.smbd, found.pdbedit],
            ["smbd", "pdbedit"].map(|name| two.path().join(name))
        );
    }
}
