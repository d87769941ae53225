//! What the kernel meant: causes its error numbers hide, and ways out.

use crate::errno::Errno;
use crate::tree::{Error, Operation};

/// Finds the cause that LIO logged and then replaced: `mkdir` of targets, TPGs and portals answers every failure with
/// `EINVAL`, but logs lines that end in the true number, such as `kernel_bind() failed: -98`.
pub fn hidden_cause(error: &Error, kernel_lines: &[String]) -> Option<Errno> {
    let hides = error.operation == Operation::Mkdir && error.errno() == Some(Errno::EINVAL);
    if !hides {
        return None;
    }
    let logged = kernel_lines.iter().rev().find_map(|line| trailing_errno(line));
    logged.filter(|errno| *errno != Errno::EINVAL)
}

/// Reads `…: -98` or `…= -98` or `…err -98` at the end of a line.
fn trailing_errno(line: &str) -> Option<Errno> {
    let (_, number) = line.trim_end().trim_end_matches('.').rsplit_once([' ', ':', '='])?;
    let errno = Errno::new(number.strip_prefix('-')?.parse().ok()?);
    errno.name().map(|_| errno)
}

/// Gives a way out of a failed step, where one is known. `cause` is the true cause, where it was hidden.
pub fn hint(error: &Error, cause: Option<Errno>) -> Option<&'static str> {
    let path = error.path.to_string_lossy();
    let parent = |name: &str| path.rsplit('/').nth(1).is_some_and(|group| group == name);
    let errno = cause.or(error.errno())?;
    match (error.operation, errno) {
        (Operation::Mkdir, Errno::EADDRINUSE) => Some("something else listens on this port"),
        (Operation::Mkdir, Errno::EINVAL) if parent("core") => Some(
            "the kernel lacks this backstore: load target_core_file (fileio) or target_core_mod (ramdisk)",
        ),
        (Operation::Mkdir, Errno::EINVAL | Errno::ENOENT) if path.ends_with("/target/iscsi") => {
            Some("load iscsi_target_mod")
        }
        (Operation::Mkdir, Errno::ENOENT) if parent("core") => Some("load target_core_mod"),
        (Operation::Write, Errno::ENOENT) if parent("attrib") || parent("param") => {
            Some("this kernel has no attribute of that name")
        }
        (Operation::Create, Errno::ENOENT) => Some("the directory of the backing file must exist"),
        (Operation::Create, Errno::EEXIST) => Some("remove the file, or name another"),
        (Operation::Link, Errno::ENODEV) => Some("the storage object is not enabled"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tree::Cause;

    fn error(operation: Operation, path: &str, errno: Errno) -> Error {
        let path = PathBuf::from(path);
        Error { operation, path, value: None, cause: Cause::Errno(errno) }
    }

    #[test]
    fn a_busy_port_is_told_although_mkdir_said_einval() {
        let portal =
            error(Operation::Mkdir, "/c/target/iscsi/x/tpgt_1/np/0.0.0.0:1", Errno::EINVAL);
        let lines = ["something else".to_owned(), "kernel_bind() failed: -98".to_owned()];
        assert_eq!(hidden_cause(&portal, &lines), Some(Errno::EADDRINUSE));
        assert_eq!(
            hint(&portal, Some(Errno::EADDRINUSE)),
            Some("something else listens on this port")
        );
    }

    #[test]
    fn only_a_number_the_kernel_has_is_a_cause() {
        let portal = error(Operation::Mkdir, "/c/np/x", Errno::EINVAL);
        for line in ["", "failed: -", "failed: -4000", "failed: 98", "core-98", "-22 is it: -22"] {
            assert_eq!(hidden_cause(&portal, &[line.to_owned()]), None, "{line}");
        }
    }

    #[test]
    fn an_answer_that_hides_nothing_is_left_alone() {
        let exists = error(Operation::Mkdir, "/c/core/fileio_0", Errno::EEXIST);
        assert_eq!(hidden_cause(&exists, &["failed: -98".to_owned()]), None);
        let write = error(Operation::Write, "/c/attrib/block_size", Errno::EINVAL);
        assert_eq!(hidden_cause(&write, &["failed: -98".to_owned()]), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let core = error(Operation::Mkdir, "/c/target/core/fileio_0", Errno::EINVAL);
        assert!(hint(&core, None).unwrap().contains("target_core_file"));
        let attribute = error(Operation::Write, "/c/d/attrib/emulate_rsoc", Errno::ENOENT);
        assert!(hint(&attribute, None).unwrap().contains("no attribute"));
        let file = error(Operation::Create, "/nowhere/disk0", Errno::ENOENT);
        assert!(hint(&file, None).unwrap().contains("directory"));
    }
}
