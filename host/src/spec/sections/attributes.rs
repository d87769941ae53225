//! `attributes = { … }`, `parameters = { … }` and `device_parameters = { … }`: names and values for
//! the kernel, each as the kernel prints it.

use configfs_rs::lio::rule::{self, AttributeRule, Change, Kind};

use crate::spec::fault::{nearest, quoted};
use crate::spec::reader::{Pair, Reader, Section};
use crate::spec::{DeviceKind, MAX_RECV_DATA_SEGMENT_LENGTH};

/// Which group of LIO's takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// `attrib` of a storage object.
    StorageObject,
    /// `attrib` of an iSCSI TPG.
    Tpg,
    /// `attrib` of a loopback TPG.
    LoopbackTpg,
    /// `param` of an iSCSI TPG.
    Parameters,
    /// `attrib` of an ACL.
    Acl,
}

/// The one attribute of a loopback TPG (drivers/target/loopback/tcm_loop.c).
const LOOPBACK_ATTRIBUTES: &[AttributeRule] =
    &[parameter("fabric_prot_type", Kind::OneOf(&[0, 1, 3]))];

impl Group {
    fn rules(self) -> &'static [AttributeRule] {
        match self {
            Self::StorageObject => rule::Group::StorageObjectAttribute.rules(),
            Self::Tpg => rule::Group::TpgAttribute.rules(),
            Self::LoopbackTpg => LOOPBACK_ATTRIBUTES,
            Self::Parameters => rule::Group::TpgParameter.rules(),
            Self::Acl => rule::Group::AclAttribute.rules(),
        }
    }

    /// What is said of a name that another group has.
    fn elsewhere(self, name: &str) -> Option<&'static str> {
        let has = |group: rule::Group| group.rule(name).is_some();
        match self {
            Self::Tpg if has(rule::Group::TpgParameter) => Some("it belongs in parameters"),
            Self::Parameters if has(rule::Group::TpgAttribute) => Some("it belongs in attributes"),
            Self::StorageObject if has(rule::Group::TpgAttribute) => {
                Some("it is an attribute of a [[target.tpg]]")
            }
            Self::Tpg if has(rule::Group::StorageObjectAttribute) => {
                Some("it is an attribute of a [[storage_object]]")
            }
            Self::Acl if has(rule::Group::TpgAttribute) => {
                Some("it is an attribute of a [[target.tpg]]")
            }
            Self::Tpg | Self::Parameters if has(rule::Group::AclAttribute) => {
                Some("it is an attribute of a [[target.tpg.acl]]")
            }
            Self::StorageObject if has(rule::Group::TpgParameter) => {
                Some("it is one of the parameters of a [[target.tpg]]")
            }
            Self::LoopbackTpg if has(rule::Group::TpgAttribute) => {
                Some("it is an attribute of targets of the fabric iscsi")
            }
            _ => None,
        }
    }
}

/// Reads what goes into one group. What no rule knows is refused, or with `allow_unknown` passed
/// on and noted.
pub(super) fn read(
    section: &Section<'_>,
    key: &str,
    group: Group,
    allow_unknown: bool,
    reader: &mut Reader<'_>,
) -> Vec<(String, String)> {
    let truth = if group == Group::Parameters { ["No", "Yes"] } else { ["0", "1"] };
    let pairs = section.pairs(key, truth, reader).into_iter();
    let known = group.rules();
    let read = pairs.filter_map(|pair| {
        if known.iter().all(|rule| rule.name != pair.name) {
            return read_unknown(pair, group, allow_unknown, reader);
        }
        read_known(pair, known, reader)
    });
    read.collect()
}

fn read_known(
    pair: Pair,
    known: &[AttributeRule],
    reader: &mut Reader<'_>,
) -> Option<(String, String)> {
    let rule = known.iter().find(|rule| rule.name == pair.name)?;
    match rule.check(&pair.text) {
        Ok(value) => {
            if value != pair.text {
                reader.note(&pair.path, format!("{} became {value}", pair.shown));
            }
            Some((pair.name, value))
        }
        Err(problem) if matches!(rule.kind, Kind::Refused(_)) => {
            let chap = "leave it out, chap = { … } decides it";
            let hint = if pair.name == "AuthMethod" { chap } else { "leave it out" };
            let message = format!("{} cannot be set, {} {problem}", pair.shown, pair.name);
            reader.fault_with_hint(pair.span, pair.path, message, Some(hint.to_owned()));
            None
        }
        Err(problem) => {
            let hint = Some(left_out(rule));
            let message = format!("{} {problem}", pair.shown);
            reader.fault_with_hint(pair.span, pair.path, message, hint);
            None
        }
    }
}

/// What stands when an attribute is left out.
fn left_out(rule: &AttributeRule) -> String {
    match (rule.name, rule.default) {
        ("authentication", own) if own != Some("-1") => {
            "leave it out, chap = { … } decides it".to_owned()
        }
        ("generate_node_acls" | "demo_mode_write_protect", _) => {
            "leave it out, demo_mode decides it".to_owned()
        }
        ("MaxRecvDataSegmentLength", _) => {
            format!("leave it out for lunlab's own, {MAX_RECV_DATA_SEGMENT_LENGTH}")
        }
        (_, Some(own)) => format!("leave it out for LIO's own, {own}"),
        (_, None) => "leave it out for the kernel's own".to_owned(),
    }
}

/// Attributes of storage objects that kernels after 6.1 have.
const NEWER: [&str; 2] = ["emulate_rsoc", "submit_type"];

fn read_unknown(
    pair: Pair,
    group: Group,
    allow: bool,
    reader: &mut Reader<'_>,
) -> Option<(String, String)> {
    if !is_name(&pair.name) {
        let message = "is not a name, 1 to 64 of A-Z, a-z, 0-9 and `_` are";
        let hint = Some("write it as the kernel does".to_owned());
        reader.fault_with_hint(pair.name_span, pair.path, message, hint);
        return None;
    }
    if !allow {
        let meant = nearest(&pair.name, group.rules().iter().map(|rule| rule.name));
        let allow = "if this kernel has it: allow_unknown_attributes = true beside it";
        let newer = group == Group::StorageObject && NEWER.contains(&pair.name.as_str());
        let (message, hint) = match (group.elsewhere(&pair.name), meant) {
            (Some(place), _) => ("unknown here".to_owned(), place.to_owned()),
            _ if newer => {
                let message = "unknown attribute, only kernels newer than 6.1 have it";
                (message.to_owned(), "allow_unknown_attributes = true beside it".to_owned())
            }
            (None, Some(meant)) => {
                ("unknown attribute".to_owned(), format!("did you mean {meant:?}? {allow}"))
            }
            (None, None) => ("unknown attribute".to_owned(), allow.to_owned()),
        };
        let message = format!("{message}, docs/spec.md lists those lunlab knows");
        reader.fault_with_hint(pair.name_span, pair.path, message, Some(hint));
        return None;
    }
    if pair.text.is_empty() || pair.text.len() > 255 || pair.text.chars().any(char::is_control) {
        let message = format!("{} is not one line of 1 to 255 bytes", quoted(&pair.text));
        reader.fault(pair.span, pair.path, message);
        return None;
    }
    reader.note(&pair.path, "unknown to lunlab, left to the kernel");
    Some((pair.name, pair.text))
}

/// A name becomes a file's name.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

const fn parameter(name: &'static str, kind: Kind) -> AttributeRule {
    AttributeRule { name, kind, default: None, after_enable: false, change: Change::Never }
}

const BLOCK_SIZES: Kind = Kind::OneOf(&[512, 1024, 2048, 4096]);

/// The configfs attributes of `null_blk` that make sense for one device under a target
/// (drivers/block/null_blk/main.c); its size and power are lunlab's to set.
const NULL_BLK: &[AttributeRule] = &[
    parameter("memory_backed", Kind::Boolean),
    parameter("blocksize", BLOCK_SIZES),
    parameter("queue_mode", Kind::OneOf(&[0, 2])),
    parameter("submit_queues", Kind::Number(1, 64)),
    parameter("irqmode", Kind::OneOf(&[0, 1, 2])),
    parameter("completion_nsec", Kind::Number(0, 60_000_000_000)),
    parameter("hw_queue_depth", Kind::Number(1, 4096)),
    parameter("max_sectors", Kind::Number(8, 65_536)),
    parameter("blocking", Kind::Boolean),
    parameter("discard", Kind::Boolean),
    parameter("mbps", Kind::Number(0, 0xFFFF_FFFF)),
    parameter("cache_size", Kind::Number(0, 1 << 20)),
    parameter("no_sched", Kind::Boolean),
];

const ZRAM: &[AttributeRule] = &[parameter("comp_algorithm", Kind::Text(32))];

const LOOP: &[AttributeRule] =
    &[parameter("direct_io", Kind::Boolean), parameter("block_size", BLOCK_SIZES)];

/// What each kind of device may be set up with.
pub(in crate::spec) const fn device_parameters(kind: DeviceKind) -> &'static [AttributeRule] {
    match kind {
        DeviceKind::NullBlk => NULL_BLK,
        DeviceKind::Zram => ZRAM,
        DeviceKind::Loop => LOOP,
        DeviceKind::Brd | DeviceKind::Disk => &[],
    }
}

/// Reads what a device is set up with.
pub(super) fn read_device_parameters(
    section: &Section<'_>,
    kind: DeviceKind,
    reader: &mut Reader<'_>,
) -> Vec<(String, String)> {
    let rules = device_parameters(kind);
    let names = || rules.iter().map(|rule| rule.name);
    let pairs = section.pairs("device_parameters", ["0", "1"], reader).into_iter();
    let read = pairs.filter_map(|pair| {
        if names().any(|name| name == pair.name) {
            return read_known(pair, rules, reader);
        }
        let message = if rules.is_empty() {
            format!("unknown key, {} takes none", kind.name())
        } else {
            format!("unknown key, known here: {}", names().collect::<Vec<_>>().join(", "))
        };
        let meant = nearest(&pair.name, names());
        let hint = meant.map(|meant| format!("did you mean {meant:?}?"));
        let hint = hint.unwrap_or_else(|| "leave it out".to_owned());
        reader.fault_with_hint(pair.name_span, pair.path, message, Some(hint));
        None
    });
    read.collect()
}
