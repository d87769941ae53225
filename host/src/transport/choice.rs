//! Which transport: pure, from what the host and the kernel have.

use crate::error::Error;
use crate::transport::Transport;
use std::path::{Path, PathBuf};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportChoice {
    /// The first that works.
    Auto,
    /// This one or none.
    Only(Transport),
}

impl TransportChoice {
    /// The words for it in specs and on the command line.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("auto", Self::Auto),
        ("vhost-vsock", Self::Only(Transport::VhostVsock)),
        ("vhost-user-vsock", Self::Only(Transport::VhostUserVsock)),
        ("virtio-serial", Self::Only(Transport::VirtioSerial)),
    ];
}

/// Why a transport cannot be had, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// `/dev/vhost-vsock does not exist`
    pub reason: String,
    /// What would mend it.
    pub mend: String,
}

/// What the host and the kernel have for each transport; in the order of [`Transport::ALL`].
#[derive(Debug, Clone)]
pub struct Facts {
    /// Why not /dev/vhost-vsock.
    pub vhost_vsock: Result<(), Lack>,
    /// The program, or why not.
    pub vhost_user_vsock: Result<PathBuf, Lack>,
    /// What the kernel lacks for vsock.
    pub kernel_vsock: Result<(), Lack>,
    /// What the kernel lacks for virtio-serial.
    pub kernel_virtio_serial: Result<(), Lack>,
}

/// A choice and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The transport.
    pub transport: Transport,
    /// Its program, where it has one.
    pub helper: Option<PathBuf>,
    /// Why it was taken.
    pub reason: String,
    /// Which were passed over, and why.
    pub passed_over: Vec<(Transport, String)>,
}

/// Chooses.
///
/// # Errors
/// When the one asked for, or every one, cannot be had: what is missing, with the mend.
pub fn choose(choice: TransportChoice, facts: &Facts) -> Result<Chosen, Error> {
    match choice {
        TransportChoice::Only(transport) => facts
            .helper(transport)
            .map(|helper| Chosen {
                transport,
                helper,
                reason: "as asked".into(),
                passed_over: Vec::new(),
            })
            .map_err(|lack| {
                let message = format!("transport {}: {}", transport.name(), lack.reason);
                Error::environment(message).with_hint(lack.mend)
            }),
        TransportChoice::Auto => choose_first(facts),
    }
}

fn choose_first(facts: &Facts) -> Result<Chosen, Error> {
    let mut passed_over: Vec<(Transport, String)> = Vec::new();
    let mut mends = Vec::new();
    for transport in Transport::ALL {
        match facts.helper(transport) {
            Ok(helper) => {
                let reason = match passed_over.last() {
                    None => "the first choice works".into(),
                    Some((before, why)) => format!("{}: {why}", before.name()),
                };
                return Ok(Chosen { transport, helper, reason, passed_over });
            }
            Err(lack) => {
                passed_over.push((transport, lack.reason));
                mends.push(lack.mend);
            }
        }
    }
    let reasons: Vec<String> =
        passed_over.iter().map(|(each, why)| format!("{}: {why}", each.name())).collect();
    Err(Error::environment(format!("no transport works: {}", reasons.join("; ")))
        .with_hint(mends.join("; or ")))
}

impl Facts {
    /// The transport's program, where it has one; or what it lacks, the host's lack first.
    fn helper(&self, transport: Transport) -> Result<Option<PathBuf>, Lack> {
        match transport {
            Transport::VhostVsock => {
                self.vhost_vsock.clone().and(self.kernel_vsock.clone()).map(|()| None)
            }
            Transport::VhostUserVsock => {
                let program = self.vhost_user_vsock.clone()?;
                self.kernel_vsock.clone().map(|()| Some(program))
            }
            Transport::VirtioSerial => self.kernel_virtio_serial.clone().map(|()| None),
        }
    }
}

/// Whether the host has /dev/vhost-vsock and may use it.
///
/// # Errors
/// Why not.
pub fn probe_vhost_vsock() -> Result<(), Lack> {
    use crate::transport::vhost_vsock::{DEVICE, open_device};
    let lack = |reason: String, mend: &str| Lack { reason, mend: mend.into() };
    match open_device() {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::NotFound => lack(
                format!("{DEVICE} does not exist"),
                "load the host's module: modprobe vhost_vsock",
            ),
            std::io::ErrorKind::PermissionDenied => lack(
                format!("{DEVICE}: permission denied"),
                "add yourself to the group that owns it (kvm on most systems)",
            ),
            _ => lack(format!("open {DEVICE}: {error}"), "use another transport"),
        }),
    }
}

/// Finds the program `vhost-device-vsock`: where set-up puts it, then on PATH.
///
/// # Errors
/// Why there is none.
pub fn probe_vhost_user_vsock(
    cache: &Path,
    path: Option<&std::ffi::OsStr>,
) -> Result<PathBuf, Lack> {
    const NAME: &str = "vhost-device-vsock";
    let on_path = path.map(std::env::split_paths).into_iter().flatten();
    std::iter::once(cache.join("bin"))
        .chain(on_path)
        .map(|directory| directory.join(NAME))
        .find(|program| rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok())
        .ok_or_else(|| Lack {
            reason: format!("the program {NAME} is not installed"),
            mend: format!("make setup, or cargo install {NAME}"),
        })
}

#[cfg(test)]
mod tests {
    use super::{Facts, Lack, TransportChoice, choose, probe_vhost_user_vsock};
    use crate::error::Category;
    use crate::transport::Transport;
    use std::os::unix::fs::PermissionsExt;

    fn lack(reason: &str) -> Lack {
        Lack { reason: reason.into(), mend: format!("mend {reason}") }
    }

    fn everything() -> Facts {
        Facts {
            vhost_vsock: Ok(()),
            vhost_user_vsock: Ok("/bin/v".into()),
            kernel_vsock: Ok(()),
            kernel_virtio_serial: Ok(()),
        }
    }

    #[test]
    fn auto_takes_the_first_that_works_and_says_what_it_passed_over() {
        let mut facts = everything();
        assert_eq!(choose(TransportChoice::Auto, &facts).unwrap().transport, Transport::VhostVsock);
        facts.vhost_vsock = Err(lack("no device"));
        let chosen = choose(TransportChoice::Auto, &facts).unwrap();
        assert_eq!(chosen.transport, Transport::VhostUserVsock);
        assert_eq!(chosen.helper, Some("/bin/v".into()));
        assert_eq!(chosen.passed_over, [(Transport::VhostVsock, "no device".into())]);
        facts.vhost_user_vsock = Err(lack("no program"));
        let chosen = choose(TransportChoice::Auto, &facts).unwrap();
        assert_eq!(chosen.transport, Transport::VirtioSerial);
        assert_eq!(chosen.passed_over.len(), 2);
    }

    #[test]
    fn a_kernel_without_vsock_leaves_virtio_serial() {
        let facts = Facts { kernel_vsock: Err(lack("no vsock")), ..everything() };
        let chosen = choose(TransportChoice::Auto, &facts).unwrap();
        assert_eq!(chosen.transport, Transport::VirtioSerial);
        assert!(chosen.passed_over.iter().all(|(_, why)| why == "no vsock"));
    }

    #[test]
    fn forcing_one_that_is_not_there_names_the_mend() {
        let facts = Facts { vhost_vsock: Err(lack("no device")), ..everything() };
        let error = choose(TransportChoice::Only(Transport::VhostVsock), &facts).unwrap_err();
        assert_eq!(error.category(), Category::Environment);
        assert_eq!(error.to_string(), "transport vhost-vsock: no device");
        assert_eq!(error.hint(), Some("mend no device"));
        assert!(choose(TransportChoice::Only(Transport::VirtioSerial), &facts).is_ok());
    }

    #[test]
    fn nothing_at_all_is_an_error_that_names_each() {
        let facts = Facts {
            vhost_vsock: Err(lack("a")),
            vhost_user_vsock: Err(lack("b")),
            kernel_vsock: Ok(()),
            kernel_virtio_serial: Err(lack("c")),
        };
        let error = choose(TransportChoice::Auto, &facts).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no transport works: vhost-vsock: a; vhost-user-vsock: b; virtio-serial: c"
        );
    }

    #[test]
    fn the_program_is_looked_for_in_the_cache_first_and_must_be_executable() {
        let cache = tempfile::tempdir().unwrap();
        let path = tempfile::tempdir().unwrap();
        assert!(probe_vhost_user_vsock(cache.path(), Some(path.path().as_os_str())).is_err());
        let program = path.path().join("vhost-device-vsock");
        std::fs::write(&program, "").unwrap();
        assert!(probe_vhost_user_vsock(cache.path(), Some(path.path().as_os_str())).is_err());
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = probe_vhost_user_vsock(cache.path(), Some(path.path().as_os_str()));
        assert_eq!(found.unwrap(), program);
    }
}
