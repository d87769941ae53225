//! What the kernel meant: causes its error numbers hide, and ways out.

use crate::errno::Errno;
use crate::lio::rule::{AttributeRule, Change, Group};
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

/// Gives a way out of a failed operation, where one is known: what the kernel means by `errno` at such a path.
///
/// `path` is absolute, or begins with `target/`. Where the true cause was hidden, that is the number to ask for.
pub fn hint(operation: Operation, path: &str, errno: Errno) -> Option<String> {
    let (_, below) = path.rsplit_once("/target/").unwrap_or(("", path));
    let below = below.strip_prefix("target/").unwrap_or(below);
    let parts: Vec<&str> = below.split('/').collect();
    let known = match operation {
        Operation::Mkdir => mkdir_hint(&parts, errno),
        Operation::Write => {
            let known = write_hint(&parts, errno);
            return known.or_else(|| general_hint(errno).map(str::to_owned));
        }
        Operation::Link => link_hint(&parts, errno),
        Operation::Rmdir | Operation::Unlink => removal_hint(errno),
        Operation::Create => create_hint(errno),
        Operation::Read | Operation::List | Operation::Remove => None,
    };
    known.or_else(|| general_hint(errno)).map(str::to_owned)
}

fn general_hint(errno: Errno) -> Option<&'static str> {
    match errno.name()? {
        "ENOMEM" => Some("the machine is out of memory"),
        "EPERM" | "EACCES" => Some("it takes root"),
        "EROFS" => Some("the file system is mounted read-only"),
        _ => None,
    }
}

/// `drivers/target/target_core_configfs.c`, `target_core_fabric_configfs.c` and `iscsi/iscsi_target_configfs.c`.
fn mkdir_hint(parts: &[&str], errno: Errno) -> Option<&'static str> {
    Some(match (parts, errno.name()?) {
        (["core", hba], "EINVAL" | "ENOENT") => module_of(hba),
        ([.., "iscsi"], "EINVAL" | "ENOENT") => "load iscsi_target_mod",
        ([.., "loopback"], "EINVAL" | "ENOENT") => "load tcm_loop",
        (["core", _, _], "EEXIST") => "a storage object has this name already",
        (["core", _, _, "alua", _], "EINVAL") => "this backstore has no ALUA groups",
        ([_, _, _, "np", _], "EADDRINUSE") => "something else listens on this port",
        ([_, _, _, "np", _], "EADDRNOTAVAIL") => "no interface has this address",
        ([_, _, _, "np", _], "EAFNOSUPPORT") => "this kernel has no such address family: load ipv6",
        ([_, _, _, "np", _], "EINVAL") => {
            "another TPG of this target may have the portal; else the kernel's log says why"
        }
        (["loopback", _], "EINVAL") => "the name must begin with naa., fc. or iqn.",
        ([_, _], "EINVAL") => "LIO says no more: a name is at most 223 bytes",
        ([_, _, _], "EINVAL") => "a tag is a number up to 65535, or up to 31 for loopback",
        ([_, _, _, "lun" | "acls", ..], "EINVAL" | "ERANGE") => "LUNs are numbers from 0 to 255",
        ([_, _, _, "acls", _], "ENAMETOOLONG") => "an initiator's name is at most 223 bytes",
        (_, "EPERM" | "ENOSYS") => "configfs takes no groups here",
        _ => return None,
    })
}

fn module_of(hba: &str) -> &'static str {
    match hba.rsplit_once('_') {
        Some(("fileio", _)) => "load target_core_file",
        Some(("iblock", _)) => "load target_core_iblock",
        _ => "load target_core_mod",
    }
}

fn write_hint(parts: &[&str], errno: Errno) -> Option<String> {
    let path = format!("target/{}", parts.join("/"));
    let (group, name) = (Group::of(&path), parts.last().copied().unwrap_or_default());
    let rule = group.and_then(|group| group.rule(name));
    let known = match (group, errno.name()?) {
        (Some(Group::StorageObject), errno) if name == "enable" => enable_hint(parts, errno),
        (Some(_), "ENOENT") => Some("this kernel has no attribute of that name"),
        (Some(Group::StorageObjectAttribute), "ENOSYS") => {
            Some("what the storage object stores on cannot do it: to unmap takes a file or discard")
        }
        (Some(Group::StorageObjectAttribute | Group::AluaGroup), "ENODEV") => {
            Some("the storage object is not enabled")
        }
        (Some(Group::Wwn), "EOVERFLOW") => Some("the text is too long"),
        (Some(Group::Wwn), "EOPNOTSUPP") => Some("the device has a serial of its own"),
        (Some(Group::StorageObjectAttribute), "EINVAL") if name == "queue_depth" => Some(
            "at most hw_queue_depth, beside it, and only while no LUN exports the storage object",
        ),
        (Some(Group::StorageObjectAttribute), "EINVAL") if name == "optimal_sectors" => Some(
            "at most hw_max_sectors, beside it, and only while no LUN exports the storage object",
        ),
        (Some(Group::AluaGroup), "EINVAL") => alua_hint(name),
        (Some(Group::Auth), "EINVAL") => Some("at most 255 bytes"),
        (Some(Group::Auth), "EPERM") => Some("it takes the capability CAP_SYS_ADMIN"),
        (Some(Group::TargetParameter), "EINVAL") => Some("the CPU is not online"),
        (Some(Group::TpgLun), "ENODEV") => {
            Some("the LUN is not linked, or its storage object has no such ALUA group")
        }
        (Some(Group::Tpg), "EEXIST") => Some("the TPG has a nexus already"),
        (Some(Group::Tpg), "EPERM") => Some("LUNs are still linked"),
        (Some(Group::Tpg), "EINVAL") if name == "nexus" => {
            Some("the nexus must be named in the same way as its target")
        }
        (_, errno) => return rule_hint(rule, errno),
    };
    known.map(str::to_owned)
}

/// What the rule of an attribute says about a value that was not taken.
fn rule_hint(rule: Option<&AttributeRule>, errno: &str) -> Option<String> {
    let rule = rule.filter(|_| matches!(errno, "EINVAL" | "ERANGE"))?;
    let allowed = rule.allowed();
    Some(match rule.change {
        Change::Unexported => {
            format!("allowed is {allowed}, and only while no LUN exports the storage object")
        }
        Change::Live | Change::Never => format!("allowed is {allowed}"),
    })
}

/// `fd_configure_device`, `iblock_configure_device` and `rd_configure_device`.
fn enable_hint(parts: &[&str], errno: &str) -> Option<&'static str> {
    let plugin = parts.get(1).and_then(|hba| hba.rsplit_once('_')).map(|(plugin, _)| plugin);
    Some(match (plugin, errno) {
        (_, "EEXIST") => "it is enabled already",
        (Some("rd_mcp"), "ENOMEM") => "there is not enough memory for a ramdisk of this size",
        (Some("rd_mcp"), "EINVAL") => "control has no rd_pages",
        (Some("fileio"), "EINVAL") => "control has no fd_dev_name, or no fd_dev_size for a file",
        (Some("iblock"), "EINVAL") => "control has no udev_path",
        (Some("iblock"), "ENOENT") => "the device does not exist",
        (_, "ENOENT") => "the directory of the backing file must exist",
        (_, "EISDIR") => "the backing file is a directory",
        (Some("iblock"), "ENOTBLK") => "that is no block device: use fileio for a file",
        (_, "EBUSY") => "the device is mounted, or another storage object holds it",
        (_, "EACCES" | "EROFS") => "the device can only be read: make the storage object read-only",
        (_, "ETXTBSY") => "the backing file is a program that runs",
        (_, "ENXIO") => "nothing answers behind that device",
        (_, "ENOSYS") => "LIO cannot do the device's integrity profile",
        _ => return None,
    })
}

fn alua_hint(name: &str) -> Option<&'static str> {
    Some(match name {
        "tg_pt_gp_id" => "the group has a number already, or the number is taken",
        "alua_access_state" => {
            "the group's access type must be implicit, and the state one it supports"
        }
        _ => "the value is out of range",
    })
}

/// `target_fabric_port_link` and `target_fabric_mappedlun_link`.
fn link_hint(parts: &[&str], errno: Errno) -> Option<&'static str> {
    Some(match (parts, errno.name()?) {
        ([.., "lun", _, _], "ENODEV") => "the storage object is not enabled",
        ([.., "lun", _, _], "ENOENT") => "there is no such storage object",
        ([.., "lun", _, _], "EEXIST") => "the LUN exports something already",
        ([.., "lun", _, _], "EFAULT") => "what it points at is no storage object",
        ([.., "lun", _, _], "ENOSPC") => "the storage object is exported 65535 times already",
        ([.., "acls", _, _, _], "EINVAL") => {
            "the LUN must be of the same TPG, be linked, and be mapped once only"
        }
        ([.., "acls", _, _, _], "EFAULT") => "what it points at is no LUN",
        (_, "EPERM") => "what it points at is in another file system",
        _ => return None,
    })
}

fn removal_hint(errno: Errno) -> Option<&'static str> {
    Some(match errno.name()? {
        "EBUSY" => "something links to it, or a session, a mount or a copy in progress uses it",
        "ENOTEMPTY" => "it holds groups or links that were not made here",
        "EPERM" => "the kernel made it, and it goes with what it is in",
        "EINTR" => "it was given up while it waited: try again",
        _ => return None,
    })
}

fn create_hint(errno: Errno) -> Option<&'static str> {
    Some(match errno.name()? {
        "ENOENT" => "the directory of the backing file must exist",
        "EEXIST" => "remove the file, or name another",
        "EFBIG" => "the file system takes no file of that size",
        "ENOSPC" => "the file system is full",
        _ => return None,
    })
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
        let way_out = hint(Operation::Mkdir, "/c/target/iscsi/x/tpgt_1/np/a:1", Errno::EADDRINUSE);
        assert_eq!(way_out.unwrap(), "something else listens on this port");
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

    fn errno(name: &str) -> Errno {
        (1..134).map(Errno::new).find(|errno| errno.name() == Some(name)).unwrap()
    }

    const DISK: &str = "/sys/kernel/config/target/core/fileio_0/d";
    const TPG: &str = "/sys/kernel/config/target/iscsi/iqn.2015-04.org.x:t/tpgt_1";

    #[test]
    fn what_the_kernel_means_is_told_for_each_place() {
        use Operation::{Create, Link, Mkdir, Rmdir, Unlink, Write};
        let (core, iscsi) = ("/c/target/core", "/c/target/iscsi");
        for (operation, path, name, expected) in [
            (Mkdir, format!("{core}/fileio_0"), "EINVAL", "target_core_file"),
            (Mkdir, format!("{core}/iblock_0"), "EINVAL", "target_core_iblock"),
            (Mkdir, format!("{core}/rd_mcp_0"), "ENOENT", "target_core_mod"),
            (Mkdir, iscsi.to_owned(), "EINVAL", "iscsi_target_mod"),
            (Mkdir, "/c/target/loopback".to_owned(), "EINVAL", "tcm_loop"),
            (Mkdir, "target/iscsi".to_owned(), "ENOENT", "iscsi_target_mod"),
            (Mkdir, format!("{TPG}/np/a:1"), "EINVAL", "another TPG"),
            (Mkdir, format!("{TPG}/np/a:1"), "EAFNOSUPPORT", "ipv6"),
            (Mkdir, format!("{TPG}/lun/lun_x"), "EINVAL", "0 to 255"),
            (Mkdir, DISK.to_owned(), "ENOMEM", "out of memory"),
            (Write, format!("{DISK}/enable"), "ENOENT", "directory of the backing file"),
            (Write, format!("{core}/iblock_0/d/enable"), "ENOENT", "device does not exist"),
            (Write, format!("{core}/iblock_0/d/enable"), "EBUSY", "another storage object"),
            (Write, format!("{core}/iblock_0/d/enable"), "EACCES", "read-only"),
            (Write, format!("{core}/iblock_0/d/enable"), "ENOTBLK", "use fileio"),
            (Write, format!("{core}/rd_mcp_0/d/enable"), "ENOMEM", "not enough memory"),
            (Write, format!("{DISK}/attrib/emulate_rsoc"), "ENOENT", "no attribute"),
            (Write, format!("{DISK}/attrib/emulate_tpu"), "ENOSYS", "discard"),
            (
                Write,
                format!("{DISK}/attrib/block_size"),
                "EINVAL",
                "512, 1024, 2048 or 4096, and only while",
            ),
            (Write, format!("{DISK}/attrib/emulate_caw"), "EINVAL", "true or false"),
            (Write, format!("{DISK}/wwn/vendor_id"), "EOVERFLOW", "too long"),
            (Write, format!("{DISK}/wwn/vendor_id"), "EINVAL", "only while no LUN"),
            (Write, format!("{DISK}/alua/g/alua_access_state"), "EINVAL", "implicit"),
            (Write, format!("{DISK}/alua/g/alua_access_state"), "ENODEV", "not enabled"),
            (Write, format!("{DISK}/alua/g/tg_pt_gp_id"), "EINVAL", "number already"),
            (Write, format!("{TPG}/attrib/login_timeout"), "EINVAL", "from 5 to 30"),
            (Write, format!("{TPG}/param/InitialR2T"), "EINVAL", "Yes or No"),
            (Write, format!("{TPG}/auth/password"), "EINVAL", "255"),
            (Write, format!("{TPG}/lun/lun_0/alua_tg_pt_gp"), "ENODEV", "no such ALUA group"),
            (Write, format!("{TPG}/acls/i/cmdsn_depth"), "EINVAL", "1 to 512"),
            (Write, "/c/target/loopback/naa.5/tpgt_1/nexus".to_owned(), "EPERM", "still linked"),
            (
                Write,
                "/c/target/iscsi/t/param/cmd_completion_affinity".to_owned(),
                "EINVAL",
                "online",
            ),
            (Link, format!("{TPG}/lun/lun_0/storage_object"), "ENODEV", "not enabled"),
            (Link, format!("{TPG}/acls/i/lun_0/tpg_lun"), "EINVAL", "same TPG"),
            (Unlink, format!("{TPG}/lun/lun_0/storage_object"), "EBUSY", "session"),
            (Rmdir, DISK.to_owned(), "ENOTEMPTY", "not made here"),
            (Rmdir, format!("{DISK}/attrib"), "EPERM", "the kernel made it"),
            (Create, "/nowhere/disk0".to_owned(), "ENOENT", "directory"),
            (Create, "/run/disk0".to_owned(), "EEXIST", "name another"),
        ] {
            let told = hint(operation, &path, errno(name)).unwrap_or_default();
            assert!(told.contains(expected), "{} {path} {name}: {told:?}", operation.name());
        }
    }

    #[test]
    fn nothing_is_made_up() {
        for path in ["", "/", "target", "/c/target/", "/c/target/core/a/b/c/d/e/f/g"] {
            assert_eq!(hint(Operation::Write, path, errno("EDOM")), None, "{path}");
            assert_eq!(hint(Operation::Read, path, errno("EIO")), None, "{path}");
        }
        assert_eq!(hint(Operation::Mkdir, "/c/target/iscsi", Errno::new(4000)), None);
    }
}
