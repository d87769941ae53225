//! `[[storage_object]]`.

use std::time::Duration;

use super::attributes::{self, Group};
use super::keys::{ALUA_GROUP, DELAY, FLAKEY, STORAGE_OBJECT};
use super::{alua_group, require, text};
use crate::spec::reader::{Reader, Section};
use crate::spec::{
    Backstore, Delay, Device, DeviceKind, Disk, FileioMode, Flakey, FlakeyFault, StorageObject,
};

pub(super) fn read_all(
    root: &Section<'_>,
    disks: &[Disk],
    reader: &mut Reader<'_>,
) -> Vec<StorageObject> {
    let sections = root.sections("storage_object", STORAGE_OBJECT, reader);
    sections.iter().map(|section| read(section, disks, reader)).collect()
}

fn read(section: &Section<'_>, disks: &[Disk], reader: &mut Reader<'_>) -> StorageObject {
    require(section, "name", "a name such as \"disk0\"", reader);
    require(section, "backstore", "ramdisk, fileio or block", reader);
    let backstore = section.choice("backstore", &Backstore::WORDS, reader);
    let device = read_device(section, reader);
    let kind = device.as_ref().map(|device| device.kind);
    refuse_misplaced(section, backstore, kind, reader);
    let allow_unknown_attributes =
        section.boolean("allow_unknown_attributes", reader).unwrap_or(false);
    let groups = section.sections("alua_group", ALUA_GROUP, reader);
    StorageObject {
        name: text(section, "name", reader).unwrap_or_default(),
        backstore: backstore.unwrap_or(Backstore::Fileio),
        size: read_size(section, device.as_ref(), disks, reader),
        nullio: section.boolean("nullio", reader).unwrap_or(false),
        mode: section.choice("mode", &FileioMode::WORDS, reader).unwrap_or(FileioMode::Buffered),
        device,
        delay: read_delay(section, reader),
        flakey: read_flakey(section, reader),
        read_only: section.boolean("read_only", reader).unwrap_or(false),
        serial: text(section, "serial", reader),
        vendor: text(section, "vendor", reader),
        product: text(section, "product", reader),
        revision: text(section, "revision", reader),
        attributes: attributes::read(
            section,
            "attributes",
            Group::StorageObject,
            allow_unknown_attributes,
            reader,
        ),
        allow_unknown_attributes,
        alua_groups: groups.iter().map(|group| alua_group::read(group, reader)).collect(),
    }
}

/// Reports keys that have no meaning with this backstore or device.
fn refuse_misplaced(
    section: &Section<'_>,
    backstore: Option<Backstore>,
    device: Option<DeviceKind>,
    reader: &mut Reader<'_>,
) {
    let Some(backstore) = backstore else { return };
    let mut refuse = |key: &str, why: String, hint: &str| {
        let (span, path) = (section.span_of(key), section.path.key(key));
        let message = format!("{} {why}", section.shown(key));
        reader.fault_with_hint(span, path, message, Some(hint.to_owned()));
    };
    let out = "leave it out";
    for (key, needed) in [
        ("nullio", Backstore::Ramdisk),
        ("mode", Backstore::Fileio),
        ("read_only", Backstore::Block),
    ] {
        if section.has(key) && backstore != needed {
            let why = format!("is for {} only, this is {}", needed.name(), backstore.name());
            refuse(key, why, out);
        }
    }
    if section.has("device") && backstore == Backstore::Ramdisk {
        let why = "is for block and fileio, a ramdisk has no device".to_owned();
        refuse("device", why, "backstore = \"block\", or leave it out");
    }
    if section.has("device") {
        let other = device.filter(|kind| *kind != DeviceKind::Disk && section.has("disk"));
        if let Some(kind) = other {
            let why = format!("is for device = \"disk\", this is {}", kind.name());
            refuse("disk", why, "device = \"disk\", or leave it out");
        }
        return;
    }
    let device = match backstore {
        Backstore::Ramdisk => {
            "backstore = \"block\" and device = \"brd\" are a ramdisk with a device"
        }
        Backstore::Fileio => "device = \"loop\" puts a device under the file",
        Backstore::Block => "device = \"brd\" is a device in memory",
    };
    for key in ["disk", "device_parameters", "delay", "flakey"] {
        if section.has(key) {
            let hint = if key == "disk" { "device = \"disk\"" } else { device };
            refuse(key, "is for a device, there is none".to_owned(), hint);
        }
    }
    if backstore == Backstore::Block {
        section.missing("device", "one of null_blk, brd, zram, loop, disk", reader);
    }
}

fn read_device(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<Device> {
    let kind = section.choice("device", &DeviceKind::WORDS, reader)?;
    if kind == DeviceKind::Disk {
        require(section, "disk", "the serial of a [[disk]]", reader);
    }
    Some(Device {
        kind,
        disk: text(section, "disk", reader),
        parameters: attributes::read_device_parameters(section, kind, reader),
    })
}

/// The size; that of a disk is the disk's.
fn read_size(
    section: &Section<'_>,
    device: Option<&Device>,
    disks: &[Disk],
    reader: &mut Reader<'_>,
) -> u64 {
    let disk = device.filter(|device| device.kind == DeviceKind::Disk);
    let Some(disk) = disk else {
        require(section, "size", "a size such as \"64M\"", reader);
        return section.size("size", reader).unwrap_or_default();
    };
    if section.has("size") {
        let shown = section.shown("size");
        let message =
            format!("{shown} is not for device = \"disk\", the disk has a size of its own");
        let (span, path) = (section.span_of("size"), section.path.key("size"));
        reader.fault_with_hint(span, path, message, Some("leave it out".to_owned()));
    }
    let serial = disk.disk.as_deref();
    disks.iter().find(|disk| Some(&*disk.serial) == serial).map_or(0, |disk| disk.size)
}

fn read_delay(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<Delay> {
    let section = section.section("delay", DELAY, reader)?;
    if !section.has("read") && !section.has("write") {
        section.missing("read", "read, write or both, such as read = \"10ms\",", reader);
    }
    let read = section.duration("read", reader).unwrap_or_default();
    Some(Delay { read, write: section.duration("write", reader).unwrap_or_default() })
}

fn read_flakey(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<Flakey> {
    let section = section.section("flakey", FLAKEY, reader)?;
    require(&section, "up", "a duration such as \"10s\"", reader);
    require(&section, "down", "a duration such as \"1s\"", reader);
    let error_writes = section.boolean("error_writes", reader).unwrap_or(false);
    let drop_writes = section.boolean("drop_writes", reader).unwrap_or(false);
    if error_writes && drop_writes {
        let message = "true, and error_writes as well: writes are dropped or fail, one of the two";
        let (span, path) = (section.span_of("drop_writes"), section.path.key("drop_writes"));
        reader.fault_with_hint(span, path, message, Some("leave one of them out".to_owned()));
    }
    let fault = match (error_writes, drop_writes) {
        (true, _) => FlakeyFault::ErrorWrites,
        (_, true) => FlakeyFault::DropWrites,
        _ => FlakeyFault::ErrorAll,
    };
    let mut seconds = |key| section.duration(key, reader).unwrap_or(Duration::from_secs(1));
    Some(Flakey { up: seconds("up"), down: seconds("down"), fault })
}
