//! The grammar of names a spec may give: WWNs, storage objects, kernel modules.

use thiserror::Error;

use super::fault::quoted;

/// The longest iSCSI name in bytes (RFC 7143 section 4.2.7.1).
const WWN_MAX: usize = 223;

/// The longest name of a storage object; it becomes a directory in configfs.
const STORAGE_OBJECT_MAX: usize = 32;

/// The longest module name the kernel can hold (`MODULE_NAME_LEN` on 64 bits, less its NUL).
const MODULE_MAX: usize = 55;

/// Entries that configfs already has beside the storage objects of a backstore
/// (drivers/target/target_core_configfs.c).
const TAKEN_BESIDE_STORAGE_OBJECTS: [&str; 2] = ["hba_info", "hba_mode"];

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Too many bytes for an iSCSI name.
    #[error("the name is {0} bytes long, at most {WWN_MAX} are allowed")]
    WwnLength(usize),
    /// A character that iSCSI names do not have.
    #[error("{0} has {1:?}, only a-z, 0-9, `-`, `.` and `:` are allowed")]
    WwnCharacter(String, char),
    /// Neither `iqn.`, `eui.` nor `naa.`.
    #[error("{0} is not an iSCSI name, those begin with iqn., eui. or naa.")]
    WwnType(String),
    /// The date of an IQN.
    #[error("{0} has no date after iqn., a year and a month 01 to 12 are needed: iqn.2024-05.")]
    IqnDate(String),
    /// The reversed domain of an IQN.
    #[error("{0} has no reversed domain name after its date, as in iqn.2024-05.org.example")]
    IqnDomain(String),
    /// Nothing after the colon of an IQN.
    #[error("{0} has nothing after its colon")]
    IqnString(String),
    /// The digits of an EUI-64.
    #[error("{0} is wrong, eui. is followed by 16 hexadecimal digits")]
    Eui(String),
    /// The digits of an NAA name.
    #[error(
        "{0} is wrong, naa. is followed by 16 hexadecimal digits of which the first is 1, 2, 3 or \
         5, or by 32 of which the first is 6"
    )]
    Naa(String),
    /// A storage object's name.
    #[error(
        "{0} is not a name for a storage object, 1 to {STORAGE_OBJECT_MAX} of A-Z, a-z, 0-9, `.`, \
         `_` and `-` are"
    )]
    StorageObject(String),
    /// A name that configfs has already taken.
    #[error("{0} is taken by the kernel in every backstore")]
    Taken(String),
    /// A module's name.
    #[error("{0} is not a module name, 1 to {MODULE_MAX} of A-Z, a-z, 0-9, `_` and `-` are")]
    Module(String),
}

/// Checks an iSCSI name in lower case (RFC 7143 section 4.2.7, RFC 3722 for its ASCII part).
///
/// # Errors
/// The first rule it breaks.
pub(super) fn check_wwn(name: &str) -> Result<(), NameError> {
    if name.len() > WWN_MAX {
        return Err(NameError::WwnLength(name.len()));
    }
    let allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    if let Some(c) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameError::WwnCharacter(quoted(name), c));
    }
    match name.split_once('.') {
        Some(("iqn", rest)) => check_iqn(name, rest),
        Some(("eui", digits)) if is_hex(digits) && digits.len() == 16 => Ok(()),
        Some(("eui", _)) => Err(NameError::Eui(quoted(name))),
        Some(("naa", digits)) if is_naa(digits) => Ok(()),
        Some(("naa", _)) => Err(NameError::Naa(quoted(name))),
        _ => Err(NameError::WwnType(quoted(name))),
    }
}

fn check_iqn(name: &str, rest: &str) -> Result<(), NameError> {
    let (date, rest) = rest.split_once('.').unwrap_or((rest, ""));
    if !is_year_and_month(date) {
        return Err(NameError::IqnDate(quoted(name)));
    }
    let (domain, string) = match rest.split_once(':') {
        Some((domain, string)) => (domain, Some(string)),
        None => (rest, None),
    };
    if !domain.split('.').all(is_domain_label) {
        return Err(NameError::IqnDomain(quoted(name)));
    }
    if string == Some("") {
        return Err(NameError::IqnString(quoted(name)));
    }
    Ok(())
}

fn is_year_and_month(date: &str) -> bool {
    let Some((year, month)) = date.split_once('-') else { return false };
    let digits = |text: &str, count| text.len() == count && is_decimal(text);
    digits(year, 4) && digits(month, 2) && ("01"..="12").contains(&month)
}

fn is_domain_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_naa(digits: &str) -> bool {
    let kind = digits.as_bytes().first();
    is_hex(digits)
        && match digits.len() {
            16 => matches!(kind, Some(b'1' | b'2' | b'3' | b'5')),
            32 => kind == Some(&b'6'),
            _ => false,
        }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_decimal(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Checks the name of a storage object.
///
/// # Errors
/// When it has other characters or another length, or cannot be a directory beside the kernel's own.
pub(super) fn check_storage_object(name: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let length = (1..=STORAGE_OBJECT_MAX).contains(&name.len());
    // All dots would be a directory that exists: itself or its parent.
    if !length || !name.bytes().all(allowed) || matches!(name, "." | "..") {
        return Err(NameError::StorageObject(quoted(name)));
    }
    if TAKEN_BESIDE_STORAGE_OBJECTS.contains(&name) {
        return Err(NameError::Taken(quoted(name)));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iscsi_names_of_all_three_kinds_are_taken() {
        for name in [
            "iqn.2015-04.suse.arch:5eca2313-028d-435c-9131-53a5ab256a83",
            "iqn.2024-12.org",
            "iqn.2024-01.org.ex-ample:a.b:c-d",
            "eui.02004567a425678d",
            "naa.5001405abcdef012",
            "naa.60014055abcdef0123456789abcdef01",
        ] {
            assert_eq!(check_wwn(name), Ok(()), "{name}");
        }
        assert_eq!(check_wwn(&format!("iqn.2024-01.org:{}", "a".repeat(207))), Ok(()));
    }

    #[test]
    fn each_wrong_iscsi_name_is_told_what_is_wrong() {
        for (name, message) in [
            ("disk", "\"disk\" is not an iSCSI name, those begin with iqn., eui. or naa."),
            ("", "\"\" is not an iSCSI name, those begin with iqn., eui. or naa."),
            (
                "discovery_auth",
                "\"discovery_auth\" has '_', only a-z, 0-9, `-`, `.` and `:` are allowed",
            ),
            (
                "iqn.2024-05.org/x",
                "\"iqn.2024-05.org/x\" has '/', only a-z, 0-9, `-`, `.` and `:` are allowed",
            ),
            (
                "iqn.2024-05.org x",
                "\"iqn.2024-05.org x\" has ' ', only a-z, 0-9, `-`, `.` and `:` are allowed",
            ),
            (
                "iqn.2024-05.örg",
                "\"iqn.2024-05.örg\" has 'ö', only a-z, 0-9, `-`, `.` and `:` are allowed",
            ),
            (
                "iqn.2024-13.org",
                "\"iqn.2024-13.org\" has no date after iqn., a year and a month 01 to 12 are needed: iqn.2024-05.",
            ),
            (
                "iqn.2024-00.org",
                "\"iqn.2024-00.org\" has no date after iqn., a year and a month 01 to 12 are needed: iqn.2024-05.",
            ),
            (
                "iqn.24-05.org",
                "\"iqn.24-05.org\" has no date after iqn., a year and a month 01 to 12 are needed: iqn.2024-05.",
            ),
            (
                "iqn.",
                "\"iqn.\" has no date after iqn., a year and a month 01 to 12 are needed: iqn.2024-05.",
            ),
            (
                "iqn.2024-05",
                "\"iqn.2024-05\" has no reversed domain name after its date, as in iqn.2024-05.org.example",
            ),
            (
                "iqn.2024-05.org..x",
                "\"iqn.2024-05.org..x\" has no reversed domain name after its date, as in iqn.2024-05.org.example",
            ),
            (
                "iqn.2024-05.-org",
                "\"iqn.2024-05.-org\" has no reversed domain name after its date, as in iqn.2024-05.org.example",
            ),
            ("iqn.2024-05.org:", "\"iqn.2024-05.org:\" has nothing after its colon"),
            ("eui.1234", "\"eui.1234\" is wrong, eui. is followed by 16 hexadecimal digits"),
            (
                "naa.9001405abcdef012",
                "\"naa.9001405abcdef012\" is wrong, naa. is followed by 16 hexadecimal digits of which the first is 1, 2, 3 or 5, or by 32 of which the first is 6",
            ),
        ] {
            assert_eq!(check_wwn(name).unwrap_err().to_string(), message);
        }
        let long = format!("iqn.2024-01.org:{}", "a".repeat(208));
        assert_eq!(check_wwn(&long), Err(NameError::WwnLength(224)));
    }

    #[test]
    fn storage_objects_cannot_be_paths_or_kernel_entries() {
        for name in ["disk0", "a", "A.b_c-d", &"x".repeat(32)] {
            assert_eq!(check_storage_object(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "ä", "a\n", "a,b", &"x".repeat(33)] {
            assert!(
                matches!(check_storage_object(name), Err(NameError::StorageObject(_))),
                "{name}"
            );
        }
        assert!(matches!(check_storage_object("hba_info"), Err(NameError::Taken(_))));
    }

    #[test]
    fn modules_are_named_without_path_or_suffix() {
        assert_eq!(check_module("nvme-tcp"), Ok(()));
        for name in ["", "nvme.ko", "/lib/x", "a b", "x\n"] {
            assert!(check_module(name).is_err(), "{name:?}");
        }
    }
}
