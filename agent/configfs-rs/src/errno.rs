//! Error numbers that print by name.

use std::{fmt, io};

/// Linux's numbers from 1 on, as in `include/uapi/asm-generic/errno*.h`; `-` is a number never used.
/// One string instead of a table of slices: this is compiled into a static image counted in kilobytes.
const NAMES: &str = "EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM \
    EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY \
    ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS \
    ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT \
    EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG \
    EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD \
    EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK \
    EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP \
    EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED \
    ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN \
    EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT \
    ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD \
    ENOTRECOVERABLE ERFKILL EHWPOISON";

/// The kernel's `ENOTSUPP`, never meant for user space, yet some attributes return it.
const ENOTSUPP: i32 = 524;

/// An error number of the kernel; prints as its name (`EINVAL`), or as `errno 4000` where it has none.
///
/// The names are those of every architecture that uses the generic numbering (x86, Arm, RISC-V, s390, PowerPC).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// "No such file or directory".
    pub const ENOENT: Errno = Errno(2);
    /// "Input/output error".
    pub const EIO: Errno = Errno(5);
    /// "File exists".
    pub const EEXIST: Errno = Errno(17);
    /// "No such device".
    pub const ENODEV: Errno = Errno(19);
    /// "Invalid argument".
    pub const EINVAL: Errno = Errno(22);
    /// "Address already in use".
    pub const EADDRINUSE: Errno = Errno(98);

    /// Wraps a positive error number.
    pub const fn new(number: i32) -> Errno {
        Errno(number)
    }

    /// Gives the number itself.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Gives the name, where the number has one.
    pub fn name(self) -> Option<&'static str> {
        if self.0 == ENOTSUPP {
            return Some("ENOTSUPP");
        }
        let index = usize::try_from(self.0).ok()?.checked_sub(1)?;
        NAMES.split_ascii_whitespace().nth(index).filter(|name| *name != "-")
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Errno {
        Errno(errno.raw_os_error())
    }
}

impl From<io::Error> for Errno {
    /// Keeps the number; an error that never came from the kernel becomes `EIO`.
    fn from(error: io::Error) -> Errno {
        error.raw_os_error().map_or(Errno::EIO, Errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_at_its_own_number() {
        let known = [
            (rustix::io::Errno::PERM, "EPERM"),
            (rustix::io::Errno::NOENT, "ENOENT"),
            (rustix::io::Errno::NOTDIR, "ENOTDIR"),
            (rustix::io::Errno::INVAL, "EINVAL"),
            (rustix::io::Errno::LOOP, "ELOOP"),
            (rustix::io::Errno::NOMSG, "ENOMSG"),
            (rustix::io::Errno::BFONT, "EBFONT"),
            (rustix::io::Errno::OVERFLOW, "EOVERFLOW"),
            (rustix::io::Errno::ADDRINUSE, "EADDRINUSE"),
            (rustix::io::Errno::TIMEDOUT, "ETIMEDOUT"),
            (rustix::io::Errno::HWPOISON, "EHWPOISON"),
        ];
        for (errno, name) in known {
            assert_eq!(Errno::from(errno).name(), Some(name));
        }
    }

    #[test]
    fn numbers_without_a_name_print_as_numbers() {
        for number in [i32::MIN, -1, 0, 41, 58, 134, i32::MAX] {
            assert_eq!(Errno::new(number).to_string(), format!("errno {number}"));
        }
        assert_eq!(Errno::new(524).to_string(), "ENOTSUPP");
    }
}
