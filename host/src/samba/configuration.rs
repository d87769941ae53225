//! What Samba is told: pure.

use super::SHARE;
use crate::error::Error;
use std::path::Path;

/// Where what Samba keeps is, and who may use the share.
pub(super) struct Configuration<'a> {
    /// The one user.
    pub(super) user: &'a str,
    /// The share's directory.
    pub(super) share: &'a Path,
    /// The file of users.
    pub(super) users: &'a Path,
    /// The log; beside it is where one that crashes leaves its memory.
    pub(super) log: &'a Path,
    /// A directory for all else that a server writes.
    pub(super) state: &'a Path,
}

impl Configuration<'_> {
    /// smb.conf(5).
    ///
    /// # Errors
    /// Environment, for a path that cannot be in it.
    pub(super) fn text(&self) -> Result<String, Error> {
        let [share, users, log, state] =
            [self.share, self.users, self.log, self.state].map(path_text);
        let (share, users, log, state, user) = (share?, users?, log?, state?, self.user);
        // Users and their passwords are the run's own. What else is switched off would answer questions about the host, look for
        // services that are not there, or write outside of the run's directory.
        Ok(format!(
            "\
[global]
server role = standalone server
passdb backend = tdbsam:{users}
private dir = {state}
lock directory = {state}
state directory = {state}
cache directory = {state}
pid directory = {state}
ncalrpc dir = {state}/ncalrpc
binddns dir = {state}
usershare max shares = 0
log file = {log}
log level = 1 auth:2
server min protocol = SMB2_10
server max protocol = SMB3_11
server multi channel support = no
map to guest = never
restrict anonymous = 2
disable netbios = yes
disable spoolss = yes
load printers = no
printing = bsd
printcap name = /dev/null
[{SHARE}]
path = {share}
valid users = \"{user}\"
read only = no
follow symlinks = no
store dos attributes = no
"
        ))
    }
}

/// Variables, quotes and ends of lines have a meaning in smb.conf, and no way to write them without it.
fn path_text(path: &Path) -> Result<&str, Error> {
    let plain = |text: &&str| !text.contains(|c: char| c.is_control() || "%\"'\\".contains(c));
    path.to_str().filter(plain).ok_or_else(|| {
        Error::environment(format!("{}: Samba cannot be told such a path", path.display()))
            .with_hint("set XDG_RUNTIME_DIR to a directory whose path is plain")
    })
}

#[cfg(test)]
mod tests {
    use super::Configuration;
    use std::path::Path;

    fn text(directory: &str) -> Result<String, crate::error::Error> {
        let directory = Path::new(directory);
        let [share, users, log, state] =
            ["share", "users.tdb", "log", "state"].map(|name| directory.join(name));
        let configuration =
            Configuration { user: "me", share: &share, users: &users, log: &log, state: &state };
        configuration.text()
    }

    #[test]
    fn all_that_samba_writes_is_in_the_runs_directory() {
        let text = text("/run/user/1000/lunlab-1").unwrap();
        let places = text.lines().filter(|line| line.contains('/') && !line.ends_with("/dev/null"));
        let mut count = 0;
        for line in places {
            assert!(
                line.split_once(" = ").unwrap().1.contains("/run/user/1000/lunlab-1/"),
                "{line}"
            );
            count += 1;
        }
        assert_eq!(count, 10, "{text}");
    }

    #[test]
    fn one_user_and_no_guest_may_use_it_by_every_dialect_that_is_measured() {
        let text = text("/r").unwrap();
        for line in [
            "valid users = \"me\"",
            "map to guest = never",
            "server min protocol = SMB2_10",
            "server max protocol = SMB3_11",
            "follow symlinks = no",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}");
        }
    }

    #[test]
    fn a_path_that_samba_would_read_otherwise_is_refused() {
        for directory in ["/a%U", "/a\nb", "/a\"b", "/a'b", "/a\\b"] {
            let error = text(directory).unwrap_err();
            assert!(error.hint().unwrap().contains("XDG_RUNTIME_DIR"), "{directory}");
        }
        assert!(text("/with space, and comma").is_ok());
    }
}
