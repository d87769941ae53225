//! Checked names: whatever ends up in a path of the target tree, so that nothing from outside can leave it.

use std::fmt;
use std::num::NonZeroU16;

use crate::invalid::Invalid;
use crate::path::Component;

/// Gives a checked text the traits of a name.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// Gives the checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The name of a storage object: 1 to 32 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorageObjectName(String);

text!(StorageObjectName);

impl Component for &StorageObjectName {}

impl StorageObjectName {
    const WHAT: &'static str = "storage object name";

    /// Checks a name.
    pub fn new(name: &str) -> Result<StorageObjectName, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        // Attributes of every backstore, beside which the name would stand.
        let taken = [".", "..", "hba_info", "hba_mode"].contains(&name);
        Invalid::unless_fine(
            Self::WHAT,
            name,
            [
                taken.then(|| "is taken".to_owned()),
                wrong_length(name, 32),
                (!name.chars().all(allowed))
                    .then(|| "has a character beyond A-Z a-z 0-9 . _ -".to_owned()),
            ],
        )?;
        Ok(StorageObjectName(name.to_owned()))
    }
}

/// The name of an attribute or parameter: 1 to 64 of `A-Z a-z 0-9 _`. Whether the kernel has it, the kernel says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeName(String);

text!(AttributeName);

impl Component for &AttributeName {}

impl AttributeName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<AttributeName, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
            return Ok(AttributeName(name.to_owned()));
        }
        Err(Invalid::new("attribute name", name, "is not 1 to 64 of A-Z a-z 0-9 _"))
    }

    /// Takes a name that stands in this crate's source.
    pub(crate) fn literal(name: &'static str) -> AttributeName {
        AttributeName(name.to_owned())
    }
}

/// The name of an iSCSI target or initiator: `iqn.`, `eui.` or `naa.`, at most 223 bytes, in lower case.
///
/// The grammar is that of RFC 3720 section 3.2.6 and RFC 7143 section 4.2.7, in ASCII. Upper case is folded, as
/// initiators do: compare [`as_str`](Self::as_str) with the input to tell. LIO itself checks nothing but the length.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IscsiName(String);

text!(IscsiName);

impl Component for &IscsiName {}

impl IscsiName {
    /// Checks a name and folds it to lower case.
    pub fn new(name: &str) -> Result<IscsiName, Invalid> {
        let folded = name.to_ascii_lowercase();
        let [first, second, third] = match folded.split_once('.') {
            Some(("iqn", rest)) => check_iqn(rest),
            Some(("eui", digits)) => [check_hex(digits, &[16]).err(), None, None],
            Some(("naa", digits)) => [check_naa(digits).err(), None, None],
            _ => [Some("does not begin with iqn., eui. or naa.".to_owned()), None, None],
        };
        let long = wrong_length(name, 223).filter(|_| !name.is_empty());
        Invalid::unless_fine("iSCSI name", name, [long, first, second, third]).map_err(
            |invalid| invalid.with_hint("a name looks like iqn.2015-04.org.example:disk0"),
        )?;
        Ok(IscsiName(folded))
    }
}

fn wrong_length(name: &str, limit: usize) -> Option<String> {
    match name.len() {
        0 => Some("is empty".to_owned()),
        length if length > limit => Some(format!("is {length} bytes, limit {limit}")),
        _ => None,
    }
}

fn not_all(text: &str, printable: impl Fn(u8) -> bool) -> Option<String> {
    let odd = !text.bytes().all(printable);
    odd.then(|| "has a character that is not printable ASCII".to_owned())
}

/// Checks date, domain and string of `YYYY-MM.reversed.domain[:string]`: what is wrong with each.
fn check_iqn(rest: &str) -> [Option<String>; 3] {
    let Some((date, named)) = rest.split_once('.') else {
        return [Some("has no domain after the date".to_owned()), check_date(rest).err(), None];
    };
    let (domain, string) = match named.split_once(':') {
        Some((domain, string)) => (domain, Some(string)),
        None => (named, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
    let string = string.and_then(|string| {
        if string.is_empty() {
            return Some("has nothing after the colon".to_owned());
        }
        let odd = string.chars().find(|c| !allowed(*c))?;
        Some(format!("has {odd:?} after the colon (a-z 0-9 . : - are allowed)"))
    });
    [check_date(date).err(), domain.split('.').try_for_each(check_label).err(), string]
}

fn check_date(date: &str) -> Result<(), String> {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    match date.split_once('-') {
        Some((year, month)) if digits(year, 4) && digits(month, 2) => match month {
            "00" => Err("has month 00, not 01 to 12".to_owned()),
            late if late > "12" => Err(format!("has month {late}, not 01 to 12")),
            _ => Ok(()),
        },
        _ => Err(format!("has {date:?} where the date YYYY-MM belongs")),
    }
}

fn check_label(label: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if label.is_empty() {
        return Err("has an empty part in its domain".to_owned());
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(format!("has the domain part {label:?} with a hyphen at an end"));
    }
    match label.chars().find(|c| !allowed(*c)) {
        Some(odd) => Err(format!("has {odd:?} in its domain (a-z 0-9 - are allowed)")),
        None => Ok(()),
    }
}

fn check_hex(digits: &str, lengths: &[usize]) -> Result<(), String> {
    let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    if hex && lengths.contains(&digits.len()) {
        return Ok(());
    }
    let expected = if lengths.len() == 1 { "16" } else { "16 or 32" };
    Err(format!("has not {expected} hexadecimal digits after its type"))
}

/// The first digit is the type: 6 is the one of 32 digits (SPC-4, 7.8.6.6).
fn check_naa(digits: &str) -> Result<(), String> {
    check_hex(digits, &[16, 32])?;
    let expected: &[u8] = if digits.len() == 32 { b"6" } else { b"1235" };
    match digits.bytes().next() {
        Some(first) if expected.contains(&first) => Ok(()),
        _ if digits.len() == 32 => {
            Err("has an NAA type that is not 6, that of 32 digits".to_owned())
        }
        _ => Err("has an NAA type that is not 1, 2, 3 or 5, those of 16 digits".to_owned()),
    }
}

/// A unit serial number: 1 to 252 printable ASCII characters without blanks, at least one of them a hexadecimal digit.
///
/// LIO builds the NAA identifier from the first 25 hexadecimal digits in it, so two serials that share those name one
/// device to an initiator; a UUID does well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnitSerial(String);

text!(UnitSerial);

impl UnitSerial {
    /// Checks a serial.
    pub fn new(serial: &str) -> Result<UnitSerial, Invalid> {
        let no_digit = !serial.bytes().any(|b| b.is_ascii_hexdigit());
        Invalid::unless_fine(
            "unit serial",
            serial,
            [
                wrong_length(serial, 252),
                not_all(serial, |b| b.is_ascii_graphic()),
                (no_digit && !serial.is_empty()).then(|| {
                    "has no hexadecimal digit, which would give the same identifier to every device"
                        .to_owned()
                }),
            ],
        )
        .map_err(|invalid| invalid.with_hint("a UUID is a good serial"))?;
        Ok(UnitSerial(serial.to_owned()))
    }

    /// Gives the digits that end up in the NAA identifier (`spc_gen_naa_6h_vendor_specific`), in lower case.
    pub fn naa_digits(&self) -> String {
        let digits = self.0.chars().filter(char::is_ascii_hexdigit).take(25);
        digits.map(|c| c.to_ascii_lowercase()).collect()
    }
}

/// The path of a backing file: absolute, at most 255 bytes, without comma or newline.
///
/// LIO's parser has no escapes: at a comma it would cut, and quietly serve another file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackingPath(String);

text!(BackingPath);

impl BackingPath {
    /// Checks a path; it must be written the shortest way, without `.`, `..` or doubled slashes.
    pub fn new(path: &str) -> Result<BackingPath, Invalid> {
        let odd = |part: &str| matches!(part, "" | "." | "..");
        let problem = match path.strip_prefix('/') {
            None => "is not absolute".to_owned(),
            Some(_) if path.len() > 255 => format!("is {} bytes, limit 255", path.len()),
            Some(_) if path.contains(',') => {
                "contains a comma, at which the kernel would cut it".to_owned()
            }
            Some(_) if path.chars().any(char::is_control) => {
                "contains a control character".to_owned()
            }
            Some(rest) if rest.split('/').any(odd) => {
                "has a part that is empty, . or ..".to_owned()
            }
            Some(_) => return Ok(BackingPath(path.to_owned())),
        };
        Err(Invalid::new("backing path", path, problem))
    }
}

/// The tag of a TPG, 1 to 65535; its directory is `tpgt_<tag>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TpgTag(NonZeroU16);

impl TpgTag {
    /// Checks a tag.
    pub fn new(tag: u16) -> Result<TpgTag, Invalid> {
        NonZeroU16::new(tag)
            .map(TpgTag)
            .ok_or_else(|| Invalid::new("TPG tag", "0", "is not 1 to 65535"))
    }

    /// Gives the number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for TpgTag {
    /// Prints the directory's name, in canonical decimal: LIO reads `tpgt_010` as 8.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tpgt_{}", self.0)
    }
}

impl Component for TpgTag {}

/// The number of a LUN, 0 to 255; its directory is `lun_<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lun(pub u8);

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lun_{}", self.0)
    }
}

impl Component for Lun {}

/// The name of an ALUA target port group: 1 to 64 of `A-Z a-z 0-9 . _ -`, and not that of the group LIO makes itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AluaGroupName(String);

text!(AluaGroupName);

impl Component for &AluaGroupName {}

impl AluaGroupName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<AluaGroupName, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let taken = [".", "..", "default_tg_pt_gp"].contains(&name);
        Invalid::unless_fine(
            "ALUA group name",
            name,
            [
                taken.then(|| "is taken".to_owned()),
                wrong_length(name, 64),
                (!name.chars().all(allowed))
                    .then(|| "has a character beyond A-Z a-z 0-9 . _ -".to_owned()),
                // Written to a LUN, it would mean no group.
                name.starts_with("NULL").then(|| "begins with NULL".to_owned()),
            ],
        )?;
        Ok(AluaGroupName(name.to_owned()))
    }
}

/// The name of a loopback target or of its nexus: `naa.` and 16 hexadecimal digits, the first of them 1, 2, 3 or 5.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Naa(String);

text!(Naa);

impl Component for &Naa {}

impl Naa {
    /// Checks a name and folds it to lower case.
    pub fn new(name: &str) -> Result<Naa, Invalid> {
        let folded = name.to_ascii_lowercase();
        let checked = match folded.strip_prefix("naa.") {
            None => Err("does not begin with naa.".to_owned()),
            Some(digits) => check_hex(digits, &[16]).and_then(|()| check_naa(digits)),
        };
        match checked {
            Ok(()) => Ok(Naa(folded)),
            Err(problem) => Err(Invalid::new("NAA name", name, problem)
                .with_hint("a name looks like naa.5001405d1b2e3f4a")),
        }
    }
}

/// A text of the INQUIRY data: 1 to `LIMIT` printable ASCII characters, no blank at an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InquiryText<const LIMIT: usize>(String);

/// The vendor an initiator sees, at most 8 characters.
pub type Vendor = InquiryText<8>;
/// The product an initiator sees, at most 16 characters.
pub type Product = InquiryText<16>;
/// The revision an initiator sees, at most 4 characters.
pub type Revision = InquiryText<4>;

impl<const LIMIT: usize> InquiryText<LIMIT> {
    /// Checks a text.
    pub fn new(text: &str) -> Result<InquiryText<LIMIT>, Invalid> {
        let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
        Invalid::unless_fine(
            "INQUIRY text",
            text,
            [
                wrong_length(text, LIMIT),
                not_all(text, printable),
                (text.trim() != text)
                    .then(|| "has a blank at an end, which the kernel would strip".to_owned()),
            ],
        )?;
        Ok(InquiryText(text.to_owned()))
    }

    /// Gives the checked text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The IEEE company identifier in a NAA identifier: 24 bits; LIO's own is 0x001405.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompanyId(u32);

impl CompanyId {
    /// Checks an identifier.
    pub fn new(id: u32) -> Result<CompanyId, Invalid> {
        if id < 1 << 24 {
            return Ok(CompanyId(id));
        }
        Err(Invalid::new("company id", &format!("{id:#x}"), "is more than 24 bits"))
    }

    /// Gives the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// A label of an ACL: 1 to 63 printable ASCII characters that do not begin with `NULL`, no blank at an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AclTag(String);

text!(AclTag);

impl AclTag {
    /// Checks a label.
    pub fn new(tag: &str) -> Result<AclTag, Invalid> {
        let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
        Invalid::unless_fine(
            "ACL tag",
            tag,
            [
                wrong_length(tag, 63),
                not_all(tag, printable),
                tag.starts_with("NULL").then(|| "begins with NULL, which clears it".to_owned()),
                (tag.trim() != tag).then(|| "has a blank at an end".to_owned()),
            ],
        )?;
        Ok(AclTag(tag.to_owned()))
    }
}

/// How many commands an initiator may have outstanding, 1 to 512 (`TA_DEFAULT_CMDSN_DEPTH_MAX`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CmdsnDepth(u16);

impl CmdsnDepth {
    /// Checks a depth. The kernel takes 0 for 1.
    pub fn new(depth: u16) -> Result<CmdsnDepth, Invalid> {
        if (1..=512).contains(&depth) {
            return Ok(CmdsnDepth(depth));
        }
        Err(Invalid::new("cmdsn_depth", &depth.to_string(), "is not 1 to 512"))
    }

    /// Gives the number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// The tag of a loopback TPG, 0 to 31 (`TL_TPGS_PER_HBA`, `drivers/target/loopback/tcm_loop.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopbackTag(u8);

impl LoopbackTag {
    /// Checks a tag.
    pub fn new(tag: u16) -> Result<LoopbackTag, Invalid> {
        match u8::try_from(tag) {
            Ok(tag @ 0..=31) => Ok(LoopbackTag(tag)),
            _ => Err(Invalid::new("loopback TPG tag", &tag.to_string(), "is not 0 to 31")),
        }
    }

    /// Gives the number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for LoopbackTag {
    /// Prints the directory's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tpgt_{}", self.0)
    }
}

impl Component for LoopbackTag {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::path::TreePath;

    #[test]
    fn iqns_of_the_rfc_are_names() {
        for name in [
            "iqn.2015-04.suse.arch:5eca2313-028d-435c-9131-53a5ab256a83",
            "iqn.2001-04.com.example",
            "iqn.2001-04.com.example:storage.disk2:sys1.xyz",
            "iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test",
            "eui.02004567a425678d",
            "naa.52004567ba64678d",
            "naa.62004567ba64678d0123456789abcdef",
        ] {
            assert_eq!(IscsiName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn upper_case_is_folded() {
        let name = IscsiName::new("IQN.2015-04.Org.Example:Disk").unwrap();
        assert_eq!(name.as_str(), "iqn.2015-04.org.example:disk");
    }

    #[test]
    fn each_fault_of_a_name_is_named() {
        let long = format!("iqn.2015-04.org:{}", "x".repeat(220));
        for (name, problem) in [
            ("", "does not begin with"),
            ("disk0", "does not begin with"),
            ("discovery_auth", "does not begin with"),
            ("iqn.2015-04", "no domain"),
            ("iqn.2015.org.example", "where the date"),
            ("iqn.15-04.org.example", "where the date"),
            ("iqn.2024-13.org.x", "month 13"),
            ("iqn.2024-00.org.x", "month 00"),
            ("iqn.2024-01..x", "empty part"),
            ("iqn.2024-01.-x", "hyphen"),
            ("iqn.2024-01.org.a_b", "'_' in its domain"),
            ("iqn.2024-01.org.x:", "nothing after the colon"),
            ("iqn.2024-01.org.x:a/b", "'/' after the colon"),
            ("iqn.2024-01.org.x:a b", "' ' after the colon"),
            ("eui.0123", "16 hexadecimal"),
            ("naa.5001405", "16 or 32"),
            ("naa.6001405000000000", "NAA type"),
            ("naa.52004567ba64678d0123456789abcdef", "NAA type"),
            (&long, "is 236 bytes, limit 223"),
            ("iqn.2024-13.a_b..c:d/e", "month 13, not 01 to 12, and has '_'"),
            ("iqn.2024-13.a_b..c:d/e", "0-9 - are allowed), and has '/' after the colon"),
            ("iqn.13", "no domain after the date, and has \"13\""),
        ] {
            let error = IscsiName::new(name).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_backing_path_that_the_kernel_would_cut_is_refused() {
        assert!(BackingPath::new("/tmp/a disk: 0.img").is_ok());
        let long = format!("/{}", "x".repeat(255));
        for path in ["", "disk", "/", "/a,b", "/a\nb", "/a/../b", "/a//b", "/a/", long.as_str()] {
            assert!(BackingPath::new(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn serials_are_bounded_and_identify() {
        assert!(UnitSerial::new(&"a".repeat(252)).is_ok());
        for serial in ["", "xyz", "a b", "a\u{e9}", "a\n", &"a".repeat(253)] {
            assert!(UnitSerial::new(serial).is_err(), "{serial:?}");
        }
        let serial = UnitSerial::new("5ECA2313-028d-435c-9131-53a5ab256a83").unwrap();
        assert_eq!(serial.naa_digits(), "5eca2313028d435c913153a5a");
    }

    #[test]
    fn numbers_are_canonical_decimal_and_tags_start_at_one() {
        assert!(TpgTag::new(0).is_err());
        assert_eq!(TpgTag::new(10).unwrap().to_string(), "tpgt_10");
        assert_eq!(Lun(255).to_string(), "lun_255");
    }

    proptest! {
        #[test]
        fn whatever_passes_as_a_name_is_one_path_component(
            text in prop_oneof!["\\PC{0,40}", "[a-z./_\\n,-]{0,40}", "iqn\\.20[0-9]{2}-0[1-9]\\.\\PC{0,20}"]
        ) {
            let names = [
                StorageObjectName::new(&text).map(|n| n.to_string()),
                AttributeName::new(&text).map(|n| n.to_string()),
                IscsiName::new(&text).map(|n| n.to_string()),
            ];
            for name in names.into_iter().flatten() {
                prop_assert!(!name.contains('/'));
                prop_assert!(TreePath::new(&name).is_ok());
            }
        }
    }
}
