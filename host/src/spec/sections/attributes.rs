//! `attributes = { … }` and `parameters = { … }`: names and values for the kernel.

use crate::spec::DeviceKind;
use crate::spec::fault::{nearest, quoted};
use crate::spec::reader::{Reader, Section};

/// Which group of LIO's takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) enum Group {
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

/// Reads what goes into one group, each value as the kernel takes it.
pub(super) fn read(
    section: &Section<'_>,
    key: &str,
    group: Group,
    allow_unknown: bool,
    reader: &mut Reader<'_>,
) -> Vec<(String, String)> {
    let truth = if group == Group::Parameters { ["No", "Yes"] } else { ["0", "1"] };
    let _ = allow_unknown;
    let mut read = Vec::new();
    for pair in section.pairs(key, truth, reader) {
        if !is_name(&pair.name) {
            let message = "is not a name, 1 to 64 of A-Z, a-z, 0-9 and `_` are";
            reader.fault(pair.name_span, pair.path, message);
        } else if let Err(message) = check_text(&pair.text) {
            reader.fault(pair.span, pair.path, message);
        } else {
            read.push((pair.name, pair.text));
        }
    }
    read
}

/// A name becomes a file's name, and a value what is written to it in one go.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty, the kernel takes no empty value".to_owned());
    }
    if text.len() > 255 || text.chars().any(char::is_control) {
        return Err(format!("{} is not one line of at most 255 bytes", quoted(text)));
    }
    Ok(())
}

/// What each kind of device may be set up with (`null_blk`'s configfs attributes, zram's in sysfs).
const fn device_parameters(kind: DeviceKind) -> &'static [&'static str] {
    match kind {
        DeviceKind::NullBlk => &[
            "memory_backed",
            "blocksize",
            "queue_mode",
            "submit_queues",
            "irqmode",
            "completion_nsec",
            "hw_queue_depth",
            "max_sectors",
            "blocking",
            "discard",
            "mbps",
            "cache_size",
            "no_sched",
        ],
        DeviceKind::Zram => &["comp_algorithm"],
        DeviceKind::Loop => &["direct_io", "block_size"],
        DeviceKind::Brd | DeviceKind::Disk => &[],
    }
}

/// Reads what a device is set up with.
pub(super) fn read_device_parameters(
    section: &Section<'_>,
    kind: DeviceKind,
    reader: &mut Reader<'_>,
) -> Vec<(String, String)> {
    let known = device_parameters(kind);
    let mut read = Vec::new();
    for pair in section.pairs("device_parameters", ["0", "1"], reader) {
        if !known.contains(&pair.name.as_str()) {
            let message = match (nearest(&pair.name, known.iter().copied()), known) {
                (Some(meant), _) => format!("unknown key, did you mean {meant:?}?"),
                (None, []) => format!("unknown key, {} takes none", kind.name()),
                (None, known) => format!("unknown key, known here: {}", known.join(", ")),
            };
            reader.fault(pair.name_span, pair.path, message);
        } else if let Err(message) = check_text(&pair.text) {
            reader.fault(pair.span, pair.path, message);
        } else {
            read.push((pair.name, pair.text));
        }
    }
    read
}
