//! What the kernel answers for an attribute although the value alone is fine.

use super::Finding;
use crate::spec::fault::KeyPath;
use crate::spec::storage::{attribute, is_true};
use crate::spec::{Backstore, Device, DeviceKind, FileioMode, StorageObject, Tpg};

/// `RD_MAX_DEVICE_QUEUE_DEPTH` and `FD_MAX_DEVICE_QUEUE_DEPTH` of drivers/target.
const QUEUE_DEPTH: u64 = 128;

/// What `hw_queue_depth` of `null_blk` is unless told (drivers/block/null_blk/main.c).
const NULL_BLK_DEPTH: u64 = 64;

/// The most one request moves to a file, in bytes (`FD_MAX_BYTES`).
const FILE_REQUEST: u64 = 8 << 20;

/// What INQUIRY has room for when the name of a storage object is its model.
const MODEL_ALIAS: usize = 15;

/// LIO's own, for where only one of the two is written.
const FIRST_BURST: u64 = 65_536;
const MAX_BURST: u64 = 262_144;

pub(super) fn check_storage_object(
    object: &StorageObject,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    check_block_size(object, path, findings);
    check_unmap(object, path, findings);
    check_write_cache(object, path, findings);
    check_limits(object, path, findings);
    check_protection(object, path, findings);
    let alias = object.attribute("emulate_model_alias").is_some_and(is_true);
    if alias && object.name.len() > MODEL_ALIAS {
        let bytes = object.name.len();
        let message = format!(
            "1 makes the name the model, of {MODEL_ALIAS} bytes at most, and it has {bytes}"
        );
        let path = path.key("attributes").key("emulate_model_alias");
        findings.push(Finding::new(path, message).way_out("take a shorter name, or product"));
    }
}

/// A fault of one attribute, judged by the whole storage object.
fn refuse(path: &KeyPath, name: &str, message: impl std::fmt::Display) -> Finding {
    let given = ["backstore", "device", "mode", "size", "device_parameters"];
    Finding::new(path.key("attributes").key(name), message)
        .given(given.map(|key| path.key(key)).to_vec())
}

fn number(object: &StorageObject, name: &str) -> Option<u64> {
    object.attribute(name)?.parse().ok()
}

fn check_block_size(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let Some(size) = number(object, "block_size") else { return };
    let device = object.device.as_ref().map_or(512, Device::block_size);
    if size < device {
        let message = format!("{size} is less than the device's {device}, on which I/O would fail");
        findings.push(refuse(path, "block_size", message).way_out("leave it out for the device's"));
    } else if size > 0 && !object.size.is_multiple_of(size) {
        let message = format!("the size, {} bytes, is not a multiple of {size}", object.size);
        findings.push(refuse(path, "block_size", message).way_out("make the size one"));
    }
}

fn check_unmap(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let (why, hint) = match (object.backstore, &object.device) {
        (Backstore::Ramdisk, _) => ("a ramdisk, which cannot unmap", "backstore = \"fileio\""),
        (_, Some(device)) if cannot_discard(device) => (
            "this null_blk, which cannot discard",
            "device_parameters = { memory_backed = true, discard = true }",
        ),
        _ => return,
    };
    for name in ["emulate_tpu", "emulate_tpws", "unmap_zeroes_data"] {
        if object.attribute(name).is_some_and(is_true) {
            let message = format!("1 is not possible on {why}");
            findings.push(refuse(path, name, message).way_out(hint));
        }
    }
}

fn cannot_discard(device: &Device) -> bool {
    let on = |name| device.parameter(name).is_some_and(is_true);
    device.kind == DeviceKind::NullBlk && !(on("discard") && on("memory_backed"))
}

fn check_write_cache(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let name = "emulate_write_cache";
    match (object.backstore, object.mode, object.attribute(name).map(is_true)) {
        (Backstore::Block, _, Some(true)) => {
            let message = "1 is not possible on block, whose write cache is its device's";
            findings.push(refuse(path, name, message).way_out("leave it out"));
        }
        (Backstore::Fileio, FileioMode::Buffered, Some(false)) => {
            let message =
                "0 hides the write cache of a buffered fileio, of which initiators must know";
            findings.push(refuse(path, name, message).way_out("mode = \"write-through\""));
        }
        _ => {}
    }
}

fn check_limits(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let depth = number(object, "queue_depth");
    let (least, owner) = match (object.backstore, &object.device) {
        (Backstore::Block, Some(device)) => (device_depth(object, device), device.kind.name()),
        (backstore, _) => (Some(QUEUE_DEPTH), backstore.name()),
    };
    if let (Some(depth), Some(most)) = (depth, least)
        && depth > most
    {
        let message = format!("{depth} is more than the {most} that {owner} has");
        findings.push(refuse(path, "queue_depth", message).way_out("leave it out"));
    }
    check_device_sectors(object, path, findings);
    let most = FILE_REQUEST / object.block_size().max(1);
    let sectors = number(object, "optimal_sectors").filter(|sectors| *sectors > most);
    if let Some(sectors) = sectors.filter(|_| object.backstore == Backstore::Fileio) {
        let message = format!("{sectors} is more than {most}, the blocks of 8M, fileio's most");
        findings.push(refuse(path, "optimal_sectors", message).way_out("leave it out"));
    }
}

/// The most requests that a device takes at once on any kernel, where the spec tells. A scheduler
/// may double what hardware queues have, up to 256 (`blk_mq_init_sched`), and what has no such queues
/// has 128 (`BLKDEV_DEFAULT_RQ`).
fn device_depth(object: &StorageObject, device: &Device) -> Option<u64> {
    let number = |name| device.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let scheduled = |depth: u64| depth.max(2 * depth.min(QUEUE_DEPTH));
    if object.delay.is_some() || object.flakey.is_some() {
        return Some(QUEUE_DEPTH);
    }
    match device.kind {
        DeviceKind::Brd | DeviceKind::Zram => Some(QUEUE_DEPTH),
        DeviceKind::NullBlk if number("queue_mode") == Some(0) => Some(QUEUE_DEPTH),
        DeviceKind::NullBlk => {
            let depth = number("hw_queue_depth").unwrap_or(NULL_BLK_DEPTH);
            Some(if number("no_sched") == Some(1) { depth } else { scheduled(depth) })
        }
        DeviceKind::Loop => Some(scheduled(QUEUE_DEPTH)),
        DeviceKind::Disk => None,
    }
}

fn check_device_sectors(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let Some(device) = object.device.as_ref().filter(|_| object.backstore == Backstore::Block)
    else {
        return;
    };
    let most = device.parameter("max_sectors").and_then(|text| text.parse::<u64>().ok());
    if let (Some(sectors), Some(most)) = (number(object, "optimal_sectors"), most)
        && sectors > most
    {
        let message = format!("{sectors} is more than {most}, the max_sectors of the device");
        findings.push(refuse(path, "optimal_sectors", message).way_out("leave it out"));
    }
}

fn check_protection(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let protected = number(object, "pi_prot_type").is_some_and(|kind| kind != 0);
    if protected && object.device.is_some() {
        let kind = number(object, "pi_prot_type").unwrap_or_default();
        let message = format!("{kind} is not possible, a device stores no protection information");
        let finding = refuse(path, "pi_prot_type", message);
        findings.push(finding.way_out("a ramdisk, or a fileio without a device"));
    }
    let format = object.attribute("pi_prot_format").is_some_and(is_true);
    if format && object.backstore == Backstore::Ramdisk {
        let finding =
            refuse(path, "pi_prot_format", "1 is not possible, a ramdisk cannot be formatted");
        findings.push(finding.way_out("leave it out"));
    } else if format && !protected {
        let finding = refuse(path, "pi_prot_format", "1 needs a pi_prot_type to format for");
        findings.push(finding.way_out("pi_prot_type = 1"));
    }
}

pub(super) fn check_tpg(tpg: &Tpg, path: &KeyPath, findings: &mut Vec<Finding>) {
    check_bursts(tpg, path, findings);
    let demo = tpg.demo_mode != crate::spec::DemoMode::Off;
    let uncached = tpg.attribute("cache_dynamic_acls").is_some_and(|value| !is_true(value));
    if demo && uncached {
        let message = "0 is ignored by the kernel in demo mode, where it stays 1";
        let path = path.key("attributes").key("cache_dynamic_acls");
        findings.push(Finding::new(path, message).way_out("leave it out"));
    }
}

/// LIO lowers the first burst at login, without a word.
fn check_bursts(tpg: &Tpg, path: &KeyPath, findings: &mut Vec<Finding>) {
    let path = path.key("parameters");
    let given = |name| attribute(&tpg.parameters, name).and_then(|v| v.parse::<u64>().ok());
    let (first, most) = (given("FirstBurstLength"), given("MaxBurstLength"));
    let key = if first.is_some() { "FirstBurstLength" } else { "MaxBurstLength" };
    let [first, most] = [first.unwrap_or(FIRST_BURST), most.unwrap_or(MAX_BURST)];
    if first > most {
        let message = format!("FirstBurstLength, {first}, is more than MaxBurstLength, {most}");
        let others = vec![path.key("FirstBurstLength"), path.key("MaxBurstLength")];
        let hint = format!("FirstBurstLength = {most}");
        findings.push(Finding::new(path.key(key), message).given(others).hint(Some(hint)));
    }
}
