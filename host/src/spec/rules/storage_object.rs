//! Storage objects and the devices under them.

use std::ops::RangeInclusive;
use std::time::Duration;

use configfs_rs::lio::{Product, Revision, StorageObjectName, UnitSerial, Vendor};

use super::{
    Finding, alua_group, attributes, check_repeats, not_a_multiple, not_found, repeats,
    size_out_of_range, top,
};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::{Backstore, Device, DeviceKind, MIB, STORAGE_OBJECT_SIZE, Spec, StorageObject};

/// The pages of a ramdisk are counted in a signed integer of 32 bits
/// (drivers/target/target_core_rd.c).
const RAMDISK_MAX: u64 = ((1 << 31) - 1) * 4096;

/// How long a delay may be: longer, and the kernel calls its own tasks hung.
const DELAYS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// How long a flakey device may be up or down.
const FLAKEY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    for (index, object) in spec.storage_objects.iter().enumerate() {
        check_object(spec, object, &path_of(index), findings);
    }
    check_names(spec, findings);
    check_serials(spec, findings);
    check_shared_disks(spec, findings);
    check_brd_sizes(spec, findings);
}

fn path_of(index: usize) -> KeyPath {
    top("storage_object").index(index)
}

fn check_object(spec: &Spec, object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    if let Err(invalid) = StorageObjectName::new(&object.name) {
        findings.push(Finding::invalid(path.key("name"), &invalid));
    }
    check_identity(object, path, findings);
    match object.device.as_ref().filter(|device| device.kind == DeviceKind::Disk) {
        Some(device) => check_disk(spec, object, device, path, findings),
        None => check_size(object, path.key("size"), findings),
    }
    check_device_parameters(object, path, findings);
    check_times(object, path, findings);
    attributes::check_storage_object(object, path, findings);
    alua_group::check(object, path, findings);
}

fn check_identity(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let mut refused = |key: &str, invalid: Option<configfs_rs::Invalid>| {
        findings.extend(invalid.map(|invalid| Finding::invalid(path.key(key), &invalid)));
    };
    let given = |text: &Option<String>| text.clone();
    refused("serial", given(&object.serial).and_then(|text| UnitSerial::new(&text).err()));
    refused("vendor", given(&object.vendor).and_then(|text| Vendor::new(&text).err()));
    refused("product", given(&object.product).and_then(|text| Product::new(&text).err()));
    refused("revision", given(&object.revision).and_then(|text| Revision::new(&text).err()));
}

fn check_size(object: &StorageObject, path: KeyPath, findings: &mut Vec<Finding>) {
    let granularity = match object.device.as_ref().map(|device| device.kind) {
        None => object.backstore.granularity(),
        Some(DeviceKind::NullBlk) => MIB,
        Some(DeviceKind::Brd | DeviceKind::Zram | DeviceKind::Loop) => 4096,
        Some(DeviceKind::Disk) => 512,
    };
    let ramdisk = object.backstore == Backstore::Ramdisk;
    if !STORAGE_OBJECT_SIZE.contains(&object.size) {
        findings.push(Finding::new(path, size_out_of_range(object.size, &STORAGE_OBJECT_SIZE)));
    } else if !object.size.is_multiple_of(granularity) {
        findings.push(Finding::new(path, not_a_multiple(object.size, granularity)));
    } else if ramdisk && object.size > RAMDISK_MAX {
        let range = *STORAGE_OBJECT_SIZE.start()..=RAMDISK_MAX;
        findings.push(Finding::new(path, size_out_of_range(object.size, &range)));
    }
}

fn check_disk(
    spec: &Spec,
    object: &StorageObject,
    device: &Device,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let Some(serial) = device.disk.as_deref() else { return };
    let Some(at) = spec.disks.iter().position(|disk| disk.serial == serial) else {
        let known: Vec<&str> = spec.disks.iter().map(|disk| &*disk.serial).collect();
        let given = (0..known.len()).map(|index| top("disk").index(index).key("serial"));
        let given = if known.is_empty() { vec![top("disk")] } else { given.collect() };
        findings.push(not_found(
            path.key("disk"),
            "disk",
            serial,
            &known,
            given,
            "add a [[disk]] of that serial",
        ));
        return;
    };
    if !spec.disks[at].read_only || object.read_only {
        return;
    }
    let other = top("disk").index(at).key("read_only");
    let message = format!("{} is read-only, {} would write to it", quoted(serial), {
        object.backstore.name()
    });
    let finding = Finding::new(path.key("disk"), message)
        .beside(other)
        .given(vec![path.key("read_only"), path.key("backstore")]);
    findings.push(finding.way_out("backstore = \"block\" with read_only = true"));
}

fn check_device_parameters(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let Some(device) = object.device.as_ref() else { return };
    let path = path.key("device_parameters");
    let on = |name: &str| device.parameter(name).is_some_and(|value| value == "1");
    for name in ["discard", "cache_size"] {
        let set = device.parameter(name).is_some_and(|value| value != "0");
        if device.kind == DeviceKind::NullBlk && set && !on("memory_backed") {
            let value = device.parameter(name).unwrap_or_default();
            let message = format!("{value} is ignored by a null_blk that is not memory_backed");
            let finding = Finding::new(path.key(name), message);
            findings.push(finding.way_out("memory_backed = true"));
        }
    }
    let algorithm = device.parameter("comp_algorithm").unwrap_or("lzo");
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !algorithm.bytes().all(allowed) {
        let message = format!("{} is not an algorithm, those are such as lzo-rle and zstd", {
            quoted(algorithm)
        });
        findings.push(Finding::new(path.key("comp_algorithm"), message));
    }
}

fn check_times(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let mut check = |path: KeyPath, time: Duration, range: &RangeInclusive<Duration>| {
        if !range.contains(&time) {
            let [time, least, most] = [time, *range.start(), *range.end()].map(format_duration);
            let message = format!("{time} is out of range, {least} to {most} is allowed");
            findings.push(Finding::new(path, message));
        } else if *range == FLAKEY && time.subsec_nanos() != 0 {
            let message = format!("{} is not in whole seconds", format_duration(time));
            findings.push(Finding::new(path, message));
        }
    };
    if let Some(delay) = object.delay {
        check(path.key("delay").key("read"), delay.read, &DELAYS);
        check(path.key("delay").key("write"), delay.write, &DELAYS);
    }
    if let Some(flakey) = object.flakey {
        check(path.key("flakey").key("up"), flakey.up, &FLAKEY);
        check(path.key("flakey").key("down"), flakey.down, &FLAKEY);
    }
}

fn check_names(spec: &Spec, findings: &mut Vec<Finding>) {
    let objects = spec.storage_objects.iter().enumerate();
    let names: Vec<_> =
        objects.map(|(index, object)| (path_of(index).key("name"), quoted(&object.name))).collect();
    check_repeats(&names, "the name of another storage object", "take another name", findings);
}

/// LIO makes the NAA identifier from the first 25 hexadecimal digits of a serial
/// (`spc_gen_naa_6h_vendor_specific`): those that share them are one device to an initiator.
fn check_serials(spec: &Spec, findings: &mut Vec<Finding>) {
    let digits: Vec<(KeyPath, String)> = spec
        .storage_objects
        .iter()
        .enumerate()
        .filter_map(|(index, object)| {
            let serial = UnitSerial::new(object.serial.as_deref()?).ok()?;
            Some((path_of(index).key("serial"), serial.naa_digits()))
        })
        .collect();
    let serials = spec.storage_objects.iter().filter_map(|object| object.serial.as_deref());
    let written: Vec<String> =
        serials.filter(|serial| UnitSerial::new(serial).is_ok()).map(quoted).collect();
    for (first, again) in repeats(&digits) {
        let (path, shared) = &digits[again];
        let message = format!(
            "the first 25 hexadecimal digits of {}, {shared}, are those of another, and initiators \
             see no more",
            written[again]
        );
        let finding = Finding::new(path.clone(), message).beside(digits[first].0.clone());
        findings.push(finding.way_out("take a UUID, or leave it out and one is drawn"));
    }
}

fn check_shared_disks(spec: &Spec, findings: &mut Vec<Finding>) {
    let disks: Vec<(KeyPath, String)> = spec
        .storage_objects
        .iter()
        .enumerate()
        .filter_map(|(index, object)| {
            let disk = object.device.as_ref()?.disk.as_deref()?;
            Some((path_of(index).key("disk"), quoted(disk)))
        })
        .collect();
    check_repeats(
        &disks,
        "the disk of another storage object",
        "add a [[disk]] of its own",
        findings,
    );
}

/// All devices of brd have one size, which is a parameter of the module.
fn check_brd_sizes(spec: &Spec, findings: &mut Vec<Finding>) {
    let is_brd = |object: &StorageObject| {
        object.device.as_ref().is_some_and(|device| device.kind == DeviceKind::Brd)
    };
    let mut brd = spec.storage_objects.iter().enumerate().filter(|(_, object)| is_brd(object));
    let Some((first, model)) = brd.next() else { return };
    for (index, object) in brd.filter(|(_, object)| object.size != model.size) {
        let (own, size) = (format_size(object.size), format_size(model.size));
        let message = format!("{own} is not {size}, and all devices of brd have the same size");
        let finding = Finding::new(path_of(index).key("size"), message);
        findings.push(finding.beside(path_of(first).key("size")).way_out("device = \"zram\""));
    }
}
