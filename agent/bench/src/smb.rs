//! Workload `smb`: files on a share of the host's Samba, which the guest's CIFS client mounts.

use crate::unit;
use crate::workload::{Kind, Parameter, Run, Series, Workload, independent};

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "smb",
    about: "files on a share of the host's Samba, by the guest's CIFS client",
    parameters: &[
        Parameter::new("vers", "the dialect, as mount.cifs(8) has it", Kind::Word(VERS), "3.1.1"),
        Parameter::new("block_size", "bytes of a read or a write", BLOCK, "1M"),
        Parameter::new("file_size", "what is read and written in sequence", FILE, "8M"),
        Parameter::new("files", "how many small files are made, renamed and removed", FILES, "50"),
    ],
    series: Series::Always(&[
        ("write", unit::MEGABYTES),
        ("read", unit::MEGABYTES),
        ("create", unit::PER_SECOND),
        ("stat", unit::PER_SECOND),
        ("list", unit::PER_SECOND),
        ("rename", unit::PER_SECOND),
        ("unlink", unit::PER_SECOND),
    ]),
    rule: independent,
    run: Run::Driver,
};

const VERS: &[&str] = &["2.1", "3.0", "3.1.1"];
const BLOCK: Kind = Kind::Size { least: 512, most: 16 << 20 };
const FILE: Kind = Kind::Size { least: 512, most: 64 << 30 };
const FILES: Kind = Kind::Number { least: 1, most: 100_000 };

/// The values that the host adds when it has a server: what is mounted, by whom, and what it holds.
pub mod given {
    /// The server's address; without it there is none.
    pub const SERVER: &str = "server";
    /// Its TCP port.
    pub const PORT: &str = "port";
    /// The share's name.
    pub const SHARE: &str = "share";
    /// The user's name.
    pub const USER: &str = "user";
    /// The user's password. It goes on no command line: the agent gives it to the program in
    /// [`PASSWORD_VARIABLE`].
    pub const PASSWORD: &str = "password";
    /// The size of the file system that the share is on, in bytes.
    pub const TOTAL: &str = "total";
    /// The variable of the environment that holds the password.
    pub const PASSWORD_VARIABLE: &str = "LUNLAB_PASSWORD";
}

/// The dialect's number on the wire (MS-SMB2, 2.2.3).
#[must_use]
pub fn dialect(vers: &str) -> Option<u16> {
    match vers {
        "2.1" => Some(0x0210),
        "3.0" => Some(0x0300),
        "3.1.1" => Some(0x0311),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{VERS, dialect};

    #[test]
    fn every_dialect_that_can_be_asked_for_has_its_number() {
        let numbers: Vec<_> = VERS.iter().filter_map(|vers| dialect(vers)).collect();
        assert_eq!(numbers, [0x210, 0x300, 0x311]);
        assert_eq!(dialect("1.0"), None);
    }
}
