//! What LIO takes for each attribute it has, so that a value is checked before there is a kernel to ask.

/// A group of attributes in the target tree, told apart by where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// A storage object itself: `control`, `enable` and the like.
    StorageObject,
    /// `attrib/` of a storage object (`sbc_attrib_attrs`, `drivers/target/target_core_configfs.c`).
    StorageObjectAttribute,
    /// `wwn/` of a storage object (`target_core_dev_wwn_attrs`).
    Wwn,
    /// `alua/<group>/` of a storage object (`target_core_alua_tg_pt_gp_attrs`).
    AluaGroup,
    /// Credentials: `discovery_auth/`, and `auth/` of a TPG or an ACL.
    Auth,
    /// `param/` of an iSCSI target (`lio_target_param_cmd_completion_affinity`).
    TargetParameter,
    /// A TPG itself: `enable`, or `nexus` of the loopback fabric.
    Tpg,
    /// `attrib/` of an iSCSI TPG (`lio_target_tpg_attrib_attrs`, `drivers/target/iscsi/iscsi_target_configfs.c`).
    TpgAttribute,
    /// `param/` of an iSCSI TPG (`lio_target_tpg_param_attrs`).
    TpgParameter,
    /// `lun/lun_<n>/` of a TPG (`core_tpg_port_attrs`, `drivers/target/target_core_fabric_configfs.c`).
    TpgLun,
    /// An ACL itself: `cmdsn_depth` and `tag`.
    Acl,
    /// `attrib/` of an ACL (`lio_target_nacl_attrib_attrs`).
    AclAttribute,
    /// `lun_<n>/` of an ACL.
    MappedLun,
}

impl Group {
    /// Every group of attributes.
    pub const ALL: [Group; 13] = [
        Group::StorageObject,
        Group::StorageObjectAttribute,
        Group::Wwn,
        Group::AluaGroup,
        Group::Auth,
        Group::TargetParameter,
        Group::Tpg,
        Group::TpgAttribute,
        Group::TpgParameter,
        Group::TpgLun,
        Group::Acl,
        Group::AclAttribute,
        Group::MappedLun,
    ];

    /// Gives the group that an attribute of the target tree is in, by the path of the attribute below the configfs root.
    pub fn of(path: &str) -> Option<Group> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.strip_prefix(["target"].as_slice())? {
            ["core", _, _, _] => Some(Group::StorageObject),
            ["core", _, _, "attrib", _] => Some(Group::StorageObjectAttribute),
            ["core", _, _, "wwn", _] => Some(Group::Wwn),
            ["core", _, _, "alua", _, _] => Some(Group::AluaGroup),
            ["iscsi", "discovery_auth", _]
            | ["iscsi", _, _, "auth", _]
            | ["iscsi", _, _, "acls", _, "auth", _] => Some(Group::Auth),
            ["iscsi", _, "param", _] => Some(Group::TargetParameter),
            ["iscsi", _, _, "attrib", _] => Some(Group::TpgAttribute),
            ["iscsi", _, _, "param", _] => Some(Group::TpgParameter),
            [_, _, _, "lun", _, _] => Some(Group::TpgLun),
            ["iscsi", _, _, "acls", _, _] => Some(Group::Acl),
            ["iscsi", _, _, "acls", _, "attrib", _] => Some(Group::AclAttribute),
            ["iscsi", _, _, "acls", _, _, _] => Some(Group::MappedLun),
            ["iscsi" | "loopback", _, _, _] => Some(Group::Tpg),
            _ => None,
        }
    }

    /// Gives the rules of all attributes that are known to stand in such a group.
    pub fn rules(self) -> &'static [AttributeRule] {
        match self {
            Group::StorageObject => STORAGE_OBJECT,
            Group::StorageObjectAttribute => STORAGE_OBJECT_ATTRIBUTES,
            Group::Wwn => WWN,
            Group::AluaGroup => ALUA_GROUP,
            Group::Auth => AUTH,
            Group::TargetParameter => TARGET_PARAMETERS,
            Group::Tpg => TPG,
            Group::TpgAttribute => TPG_ATTRIBUTES,
            Group::TpgParameter => TPG_PARAMETERS,
            Group::TpgLun => TPG_LUN,
            Group::Acl => ACL,
            Group::AclAttribute => ACL_ATTRIBUTES,
            Group::MappedLun => MAPPED_LUN,
        }
    }

    /// Gives the rule of the attribute called `name`, where it is known.
    pub fn rule(self, name: &str) -> Option<&'static AttributeRule> {
        self.rules().iter().find(|rule| rule.name == name)
    }

    /// Gives the names of all known attributes, to suggest one from.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.rules().iter().map(|rule| rule.name)
    }
}

/// Gives the rule of the attribute at `path`, a path below the configfs root.
pub fn rule_at(path: &str) -> Option<&'static AttributeRule> {
    Group::of(path)?.rule(path.rsplit('/').next()?)
}

/// Which values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On or off; the kernel reads it with `kstrtobool`.
    Boolean,
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// 0, or a whole number from the first to the second.
    ZeroOr(i64, i64),
    /// One of these numbers.
    OneOf(&'static [i64]),
    /// `Yes` or `No`, in exactly this case.
    YesNo,
    /// `None`, `CRC32C`, or both in the order of preference.
    Digests,
    /// Printable text without a comma, of at most so many bytes.
    Text(usize),
    /// Not to be set, and why.
    Refused(&'static str),
}

/// When the value of an attribute may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At any time. What concerns sessions takes effect at the next login.
    Live,
    /// Only while no LUN exports the storage object (`export_count`).
    Unexported,
    /// Never, once it is set: what it belongs to must be removed, and made anew under another name.
    Never,
}

/// What LIO takes for one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeRule {
    /// Its name.
    pub name: &'static str,
    /// The values it takes.
    pub kind: Kind,
    /// LIO's own value, where it does not depend on what it belongs to.
    pub default: Option<&'static str>,
    /// Whether it must wait until the storage object is enabled: enabling overwrites it, or the kernel needs the backing
    /// device to store it (6.1 follows a null pointer for `emulate_tpu`, `emulate_tpws` and `unmap_zeroes_data`).
    pub after_enable: bool,
    /// When it may change.
    pub change: Change,
}

impl AttributeRule {
    /// Checks a value, and gives it as the kernel prints it: `1` for `true`, `8192` for `0x2000`, `Yes` for `yes`.
    ///
    /// # Errors
    /// What is wrong with it and what is allowed, as the end of a sentence that begins with the value.
    pub fn check(&self, value: &str) -> Result<String, String> {
        let wrong = || format!("is not {}", self.allowed());
        match self.kind {
            Kind::Refused(why) => Err(why.to_owned()),
            Kind::Boolean => boolean(value).map(|on| u8::from(on).to_string()).ok_or_else(wrong),
            Kind::Number(low, high) => number(value)
                .filter(|number| (low..=high).contains(number))
                .map(|number| number.to_string())
                .ok_or_else(wrong),
            Kind::ZeroOr(low, high) => number(value)
                .filter(|number| *number == 0 || (low..=high).contains(number))
                .map(|number| number.to_string())
                .ok_or_else(wrong),
            Kind::OneOf(numbers) => number(value)
                .or_else(|| boolean(value).map(i64::from))
                .filter(|number| numbers.contains(number))
                .map(|number| number.to_string())
                .ok_or_else(wrong),
            Kind::YesNo => yes_no(value).map(str::to_owned).ok_or_else(wrong),
            Kind::Digests => digests(value).map(str::to_owned).ok_or_else(wrong),
            Kind::Text(limit) => text(value, limit).map(|()| value.to_owned()).ok_or_else(wrong),
        }
    }

    /// Says which values are allowed, such as `512, 1024, 2048 or 4096`.
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Boolean => "true or false".to_owned(),
            Kind::Number(low, high) => format!("a number from {low} to {high}"),
            Kind::ZeroOr(low, high) => format!("0 or a number from {low} to {high}"),
            Kind::OneOf([only]) => only.to_string(),
            Kind::OneOf(numbers) => {
                let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
                let (last, rest) = words.split_last().map_or(("", &[][..]), |(l, r)| (l, r));
                format!("{} or {last}", rest.join(", "))
            }
            Kind::YesNo => "Yes or No".to_owned(),
            Kind::Digests => "None, CRC32C, or both parted by a comma".to_owned(),
            Kind::Text(limit) => format!("1 to {limit} printable characters without a comma"),
            Kind::Refused(_) => "to be set".to_owned(),
        }
    }
}

/// Reads what `kstrtobool` reads, and the words in full.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "y" | "yes" | "t" | "true" | "on" => Some(true),
        "0" | "n" | "no" | "f" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Reads decimal and, with `0x`, hexadecimal; octal is refused, as nobody means it.
pub(crate) fn number(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let sign = if digits.len() == value.len() { 1 } else { -1 };
    let magnitude = match digits.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => i64::from_str_radix(hex, 16),
        None if digits.bytes().all(|b| b.is_ascii_digit()) && !is_octal(digits) => digits.parse(),
        _ => return None,
    };
    magnitude.ok().map(|magnitude| sign * magnitude)
}

fn is_octal(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

fn yes_no(value: &str) -> Option<&'static str> {
    boolean(value).map(|on| if on { "Yes" } else { "No" })
}

fn digests(value: &str) -> Option<&'static str> {
    let words = ["None", "CRC32C", "CRC32C,None", "None,CRC32C"];
    words.into_iter().find(|word| word.eq_ignore_ascii_case(&value.replace(' ', "")))
}

fn text(value: &str, limit: usize) -> Option<()> {
    let printable = value.chars().all(|c| !c.is_control() && c != ',');
    (printable && (1..=limit).contains(&value.len())).then_some(())
}

const U32: Kind = Kind::Number(0, 0xFFFF_FFFF);
/// What a login offers as a length (RFC 7143, section 13).
const LENGTH: Kind = Kind::Number(512, 0xFF_FFFF);
const UNKNOWN: Option<&str> = None;
const OBSOLETE: Kind = Kind::Refused("is of markers, which RFC 7143 removed and LIO only stores");

const fn rule(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    change: Change,
) -> AttributeRule {
    AttributeRule { name, kind, default, after_enable: false, change }
}

/// One that may change at any time.
const fn live(name: &'static str, kind: Kind, default: &'static str) -> AttributeRule {
    rule(name, kind, Some(default), Change::Live)
}

/// One that is frozen while a LUN exports the storage object.
const fn frozen(name: &'static str, kind: Kind, default: Option<&'static str>) -> AttributeRule {
    rule(name, kind, default, Change::Unexported)
}

const fn after_enable(rule: AttributeRule) -> AttributeRule {
    AttributeRule { after_enable: true, ..rule }
}

const fn read_only(name: &'static str) -> AttributeRule {
    rule(name, Kind::Refused("can only be read"), None, Change::Never)
}

const STORAGE_OBJECT: &[AttributeRule] = &[
    rule("control", Kind::Text(4095), None, Change::Never),
    rule("enable", Kind::Boolean, None, Change::Never),
    rule("alias", Kind::Text(511), None, Change::Live),
    rule("udev_path", Kind::Text(511), None, Change::Never),
    read_only("info"),
];

const STORAGE_OBJECT_ATTRIBUTES: &[AttributeRule] = &[
    frozen("emulate_model_alias", Kind::Boolean, Some("0")),
    live("emulate_dpo", Kind::Boolean, "1"),
    live("emulate_fua_write", Kind::Boolean, "1"),
    live("emulate_fua_read", Kind::Boolean, "1"),
    // Enabling sets it for a buffered file.
    after_enable(rule("emulate_write_cache", Kind::Boolean, UNKNOWN, Change::Live)),
    frozen("emulate_ua_intlck_ctrl", Kind::OneOf(&[0, 1, 2]), Some("0")),
    frozen("emulate_tas", Kind::Boolean, Some("1")),
    after_enable(live("emulate_tpu", Kind::Boolean, "0")),
    after_enable(live("emulate_tpws", Kind::Boolean, "0")),
    live("emulate_caw", Kind::Boolean, "1"),
    live("emulate_3pc", Kind::Boolean, "1"),
    live("emulate_pr", Kind::Boolean, "1"),
    // 2 is ENOSYS.
    after_enable(frozen("pi_prot_type", Kind::OneOf(&[0, 1, 3]), Some("0"))),
    read_only("hw_pi_prot_type"),
    // Always reads 0: writing 1 is an act.
    after_enable(frozen("pi_prot_format", Kind::Boolean, Some("0"))),
    after_enable(live("pi_prot_verify", Kind::Boolean, "0")),
    live("enforce_pr_isids", Kind::Boolean, "1"),
    after_enable(rule("is_nonrot", Kind::Boolean, UNKNOWN, Change::Live)),
    live("emulate_rest_reord", Kind::OneOf(&[0]), "0"),
    frozen("force_pr_aptpl", Kind::Boolean, Some("0")),
    read_only("hw_block_size"),
    after_enable(frozen("block_size", Kind::OneOf(&[512, 1024, 2048, 4096]), UNKNOWN)),
    read_only("hw_max_sectors"),
    after_enable(frozen("optimal_sectors", U32, UNKNOWN)),
    read_only("hw_queue_depth"),
    after_enable(frozen("queue_depth", Kind::Number(1, 0xFFFF_FFFF), UNKNOWN)),
    after_enable(rule("max_unmap_lba_count", U32, UNKNOWN, Change::Live)),
    after_enable(rule("max_unmap_block_desc_count", U32, UNKNOWN, Change::Live)),
    after_enable(rule("unmap_granularity", U32, UNKNOWN, Change::Live)),
    after_enable(rule("unmap_granularity_alignment", U32, UNKNOWN, Change::Live)),
    after_enable(frozen("unmap_zeroes_data", Kind::Boolean, Some("0"))),
    after_enable(rule("max_write_same_len", U32, UNKNOWN, Change::Live)),
    // Anything else is ENOSYS for all backstores of this crate.
    live("alua_support", Kind::OneOf(&[1]), "1"),
    live("pgr_support", Kind::OneOf(&[1]), "1"),
];

const WWN: &[AttributeRule] = &[
    frozen("vpd_unit_serial", Kind::Text(252), UNKNOWN),
    frozen("vendor_id", Kind::Text(8), Some("LIO-ORG")),
    frozen("product_id", Kind::Text(16), UNKNOWN),
    frozen("revision", Kind::Text(4), UNKNOWN),
    frozen("company_id", Kind::Number(0, 0xFF_FFFF), Some("0x001405")),
];

const ALUA_GROUP: &[AttributeRule] = &[
    // The kernel takes it once.
    rule("tg_pt_gp_id", Kind::Number(1, 65535), None, Change::Never),
    live("alua_access_type", Kind::Number(0, 3), "3"),
    live("alua_access_state", Kind::OneOf(&[0, 1, 2, 3, 14]), "0"),
    live("alua_support_transitioning", Kind::Boolean, "1"),
    live("alua_support_offline", Kind::Boolean, "1"),
    // LIO sets it with the map.
    live("alua_support_lba_dependent", Kind::Boolean, "0"),
    live("alua_support_unavailable", Kind::Boolean, "1"),
    live("alua_support_standby", Kind::Boolean, "1"),
    live("alua_support_active_optimized", Kind::Boolean, "1"),
    live("alua_support_active_nonoptimized", Kind::Boolean, "1"),
    live("preferred", Kind::Boolean, "0"),
    // ALUA_MAX_NONOP_DELAY_MSECS and its neighbours, drivers/target/target_core_alua.h.
    live("nonop_delay_msecs", Kind::Number(0, 10_000), "100"),
    live("trans_delay_msecs", Kind::Number(0, 30_000), "0"),
    live("implicit_trans_secs", Kind::Number(0, 255), "0"),
    live("alua_write_metadata", Kind::Boolean, "0"),
    read_only("alua_access_status"),
    read_only("members"),
];

const AUTH: &[AttributeRule] = &[
    live("userid", Kind::Text(255), "NULL"),
    live("password", Kind::Text(255), "NULL"),
    live("userid_mutual", Kind::Text(255), "NULL"),
    live("password_mutual", Kind::Text(255), "NULL"),
    live("enforce_discovery_auth", Kind::Boolean, "0"),
    read_only("authenticate_target"),
];

const TARGET_PARAMETERS: &[AttributeRule] =
    &[live("cmd_completion_affinity", Kind::Number(-2, 65535), "-1")];

const TPG: &[AttributeRule] = &[
    live("enable", Kind::Boolean, "0"),
    rule("nexus", Kind::Text(255), None, Change::Never),
    read_only("dynamic_sessions"),
];

const TPG_ATTRIBUTES: &[AttributeRule] = &[
    live("authentication", Kind::Boolean, "1"),
    live("login_timeout", Kind::Number(5, 30), "15"),
    live("netif_timeout", Kind::Number(2, 15), "2"),
    live("generate_node_acls", Kind::Boolean, "0"),
    live("default_cmdsn_depth", Kind::Number(1, 512), "64"),
    live("cache_dynamic_acls", Kind::Boolean, "0"),
    live("demo_mode_write_protect", Kind::Boolean, "1"),
    live("prod_mode_write_protect", Kind::Boolean, "0"),
    live("demo_mode_discovery", Kind::Boolean, "1"),
    live("default_erl", Kind::Number(0, 2), "0"),
    live("t10_pi", Kind::Boolean, "0"),
    live("fabric_prot_type", Kind::OneOf(&[0, 1, 3]), "0"),
    live("tpg_enabled_sendtargets", Kind::Boolean, "1"),
    live("login_keys_workaround", Kind::Boolean, "1"),
];

const TPG_PARAMETERS: &[AttributeRule] = &[
    // Writing it by hand and then `authentication` corrupts the kernel's stack.
    live(
        "AuthMethod",
        Kind::Refused("follows the attribute authentication and is not set by itself"),
        "CHAP",
    ),
    live("HeaderDigest", Kind::Digests, "CRC32C,None"),
    live("DataDigest", Kind::Digests, "CRC32C,None"),
    live("MaxConnections", Kind::Number(1, 65535), "1"),
    live("TargetAlias", Kind::Text(255), "LIO Target"),
    live("InitialR2T", Kind::YesNo, "Yes"),
    live("ImmediateData", Kind::YesNo, "Yes"),
    live("MaxRecvDataSegmentLength", LENGTH, "8192"),
    live("MaxXmitDataSegmentLength", LENGTH, "262144"),
    live("MaxBurstLength", LENGTH, "262144"),
    live("FirstBurstLength", LENGTH, "65536"),
    live("DefaultTime2Wait", Kind::Number(0, 3600), "2"),
    live("DefaultTime2Retain", Kind::Number(0, 3600), "20"),
    live("MaxOutstandingR2T", Kind::Number(1, 65535), "1"),
    live("DataPDUInOrder", Kind::YesNo, "Yes"),
    live("DataSequenceInOrder", Kind::YesNo, "Yes"),
    live("ErrorRecoveryLevel", Kind::Number(0, 2), "0"),
    live("IFMarker", Kind::YesNo, "No"),
    live("OFMarker", Kind::YesNo, "No"),
    live("IFMarkInt", OBSOLETE, "Reject"),
    live("OFMarkInt", OBSOLETE, "Reject"),
];

const TPG_LUN: &[AttributeRule] = &[
    live("alua_tg_pt_gp", Kind::Text(255), "NULL"),
    live("alua_tg_pt_offline", Kind::Boolean, "0"),
    live("alua_tg_pt_write_md", Kind::Boolean, "0"),
];

const ACL: &[AttributeRule] = &[
    live("cmdsn_depth", Kind::Number(1, 512), "64"),
    live("tag", Kind::Text(63), "NULL"),
    read_only("info"),
];

const ACL_ATTRIBUTES: &[AttributeRule] = &[
    // -1 follows the TPG.
    live("authentication", Kind::OneOf(&[-1, 0, 1]), "-1"),
    live("dataout_timeout", Kind::Number(2, 60), "3"),
    live("dataout_timeout_retries", Kind::Number(1, 15), "5"),
    live("default_erl", Kind::Number(0, 2), "0"),
    // 0 is never.
    live("nopin_timeout", Kind::ZeroOr(3, 60), "15"),
    live("nopin_response_timeout", Kind::Number(3, 60), "30"),
    live("random_datain_pdu_offsets", Kind::Boolean, "0"),
    live("random_datain_seq_offsets", Kind::Boolean, "0"),
    live("random_r2t_offsets", Kind::Boolean, "0"),
];

const MAPPED_LUN: &[AttributeRule] = &[live("write_protect", Kind::Boolean, "0")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lios_own_value_is_one_that_may_be_set() {
        for rule in Group::ALL.iter().flat_map(|group| group.rules()) {
            let refused = matches!(rule.kind, Kind::Refused(_));
            if let Some(own) = rule.default.filter(|_| !refused) {
                assert!(rule.check(own).is_ok(), "{} {own}", rule.name);
            }
        }
    }

    #[test]
    fn no_name_stands_twice_in_a_group() {
        for group in Group::ALL {
            let mut names: Vec<&str> = group.names().collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{group:?}");
        }
    }

    #[test]
    fn what_crashes_6_1_before_enable_waits_for_it() {
        for name in ["emulate_tpu", "emulate_tpws", "unmap_zeroes_data"] {
            assert!(Group::StorageObjectAttribute.rule(name).unwrap().after_enable, "{name}");
        }
    }

    #[test]
    fn a_place_tells_the_group() {
        let tpg = "target/iscsi/iqn.2015-04.org.x:t/tpgt_1";
        for (path, group) in [
            ("target/core/fileio_0/d/enable".to_owned(), Some(Group::StorageObject)),
            (
                "target/core/fileio_0/d/attrib/block_size".to_owned(),
                Some(Group::StorageObjectAttribute),
            ),
            ("target/core/fileio_0/d/wwn/vendor_id".to_owned(), Some(Group::Wwn)),
            ("target/core/fileio_0/d/alua/g/preferred".to_owned(), Some(Group::AluaGroup)),
            ("target/iscsi/discovery_auth/userid".to_owned(), Some(Group::Auth)),
            (format!("{tpg}/auth/userid"), Some(Group::Auth)),
            (format!("{tpg}/acls/i/auth/userid"), Some(Group::Auth)),
            (
                "target/iscsi/t/param/cmd_completion_affinity".to_owned(),
                Some(Group::TargetParameter),
            ),
            (format!("{tpg}/enable"), Some(Group::Tpg)),
            ("target/loopback/naa.5/tpgt_0/nexus".to_owned(), Some(Group::Tpg)),
            (format!("{tpg}/attrib/authentication"), Some(Group::TpgAttribute)),
            (format!("{tpg}/param/InitialR2T"), Some(Group::TpgParameter)),
            (format!("{tpg}/lun/lun_0/alua_tg_pt_gp"), Some(Group::TpgLun)),
            (
                "target/loopback/naa.5/tpgt_0/lun/lun_0/alua_tg_pt_gp".to_owned(),
                Some(Group::TpgLun),
            ),
            (format!("{tpg}/acls/i/tag"), Some(Group::Acl)),
            (format!("{tpg}/acls/i/attrib/nopin_timeout"), Some(Group::AclAttribute)),
            (format!("{tpg}/acls/i/lun_0/write_protect"), Some(Group::MappedLun)),
            ("nullb/a/size".to_owned(), None),
            ("target".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(Group::of(&path), group, "{path}");
        }
    }

    #[test]
    fn values_are_checked_and_put_as_the_kernel_prints_them() {
        for (group, name, value, expected) in [
            (Group::StorageObjectAttribute, "block_size", "4096", Ok("4096")),
            (Group::StorageObjectAttribute, "block_size", "0x1000", Ok("4096")),
            (
                Group::StorageObjectAttribute,
                "block_size",
                "4k",
                Err("is not 512, 1024, 2048 or 4096"),
            ),
            (Group::StorageObjectAttribute, "block_size", "010000", Err("is not 512")),
            (Group::StorageObjectAttribute, "emulate_tpu", "true", Ok("1")),
            (Group::StorageObjectAttribute, "emulate_tpu", "2", Err("is not true or false")),
            (Group::StorageObjectAttribute, "hw_block_size", "512", Err("can only be read")),
            (Group::StorageObjectAttribute, "pi_prot_type", "2", Err("is not 0, 1 or 3")),
            (Group::StorageObjectAttribute, "queue_depth", "0", Err("a number from 1 to")),
            (
                Group::StorageObjectAttribute,
                "max_write_same_len",
                "4294967296",
                Err("to 4294967295"),
            ),
            (Group::StorageObjectAttribute, "alua_support", "0", Err("is not 1")),
            (Group::TpgAttribute, "login_timeout", "31", Err("a number from 5 to 30")),
            (Group::TpgAttribute, "default_cmdsn_depth", "513", Err("from 1 to 512")),
            (Group::TpgAttribute, "authentication", "-1", Err("is not true or false")),
            (Group::AclAttribute, "authentication", "-1", Ok("-1")),
            (Group::AclAttribute, "authentication", "true", Ok("1")),
            (Group::AclAttribute, "nopin_timeout", "0", Ok("0")),
            (Group::AclAttribute, "nopin_timeout", "2", Err("0 or a number from 3 to 60")),
            (Group::TpgParameter, "InitialR2T", "no", Ok("No")),
            (Group::TpgParameter, "InitialR2T", "Irrelevant", Err("is not Yes or No")),
            (Group::TpgParameter, "MaxBurstLength", "8192junk", Err("from 512 to 16777215")),
            (Group::TpgParameter, "HeaderDigest", "crc32c, none", Ok("CRC32C,None")),
            (Group::TpgParameter, "HeaderDigest", "MD5", Err("None, CRC32C")),
            (Group::TpgParameter, "TargetAlias", "a,b", Err("without a comma")),
            (Group::TpgParameter, "AuthMethod", "None", Err("follows the attribute")),
            (Group::TargetParameter, "cmd_completion_affinity", "-3", Err("from -2 to")),
        ] {
            match (group.rule(name).unwrap().check(value), expected) {
                (Ok(normal), Ok(expected)) => assert_eq!(normal, expected, "{name}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{name}: {told}"),
                (found, _) => panic!("{name} {value}: {found:?}"),
            }
        }
    }

    #[test]
    fn no_number_is_too_long_to_be_refused() {
        for text in
            ["", "-", "0x", "0x-1", "--1", "99999999999999999999", "-0x8000000000000000", "+1"]
        {
            assert_eq!(number(text), None, "{text:?}");
        }
        assert_eq!(number("-0x10"), Some(-16));
    }
}
