//! The member `lunlab` of an exported file: what a saved configuration has no words for, in those
//! of a spec. rtslib reads past members it does not know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Item, Table};
use super::reader::Object;
use crate::spec::{
    Device, Disk, DiskContent, Fabric, FlakeyFault, Network, Spec, StorageObject, format_duration,
    format_size,
};

/// The member's name.
pub(super) const MEMBER: &str = "lunlab";

/// What an extension says.
#[derive(Default)]
pub(super) struct Extension {
    /// The network's mode.
    pub(super) network: Option<String>,
    /// Tables of disks, whole.
    pub(super) disks: Vec<Table>,
    /// More entries for storage objects, by their names.
    pub(super) storage_objects: BTreeMap<String, Vec<(String, Item)>>,
    /// More entries for targets, by their names.
    pub(super) targets: BTreeMap<String, Vec<(String, Item)>>,
}

impl Extension {
    /// Takes the extension of a saved configuration.
    pub(super) fn take(root: &mut Object<'_>) -> Self {
        let Some(mut object) = root.object(MEMBER) else { return Self::default() };
        let network = object.text("network");
        let disks = object.objects("disks").into_iter().map(disk).collect();
        let storage_objects = by_name(&mut object, "storage_objects");
        let targets = by_name(&mut object, "targets");
        object.finish();
        Self { network, disks, storage_objects, targets }
    }
}

fn disk(mut disk: Object<'_>) -> Table {
    let mut table = Table::new("[[disk]]");
    disk.items().into_iter().for_each(|(key, value)| table.set(&key, value));
    table
}

fn by_name(object: &mut Object<'_>, key: &str) -> BTreeMap<String, Vec<(String, Item)>> {
    let Some(mut group) = object.object(key) else { return BTreeMap::new() };
    group.members().into_iter().map(|(name, mut object)| (name, object.items())).collect()
}

/// What a spec says beyond a saved configuration; nothing when that is nothing.
pub(super) fn of(spec: &Spec) -> Option<Value> {
    let mut all = Map::new();
    if spec.network != Network::None {
        all.insert("network".into(), spec.network.name().into());
    }
    if !spec.disks.is_empty() {
        all.insert("disks".into(), spec.disks.iter().map(disk_value).collect());
    }
    let objects = spec.storage_objects.iter().map(|object| (&object.name, object_value(object)));
    insert(&mut all, "storage_objects", objects);
    let loopback = spec.targets.iter().filter(|target| target.fabric == Fabric::Loopback);
    let targets = loopback.map(|target| {
        let mut entries = Map::new();
        set(&mut entries, "nexus", target.nexus.as_deref());
        (&target.wwn, entries)
    });
    insert(&mut all, "targets", targets);
    (!all.is_empty()).then_some(Value::Object(all))
}

fn insert<'a>(
    all: &mut Map<String, Value>,
    key: &str,
    entries: impl Iterator<Item = (&'a String, Map<String, Value>)>,
) {
    let entries = entries.filter(|(_, entries)| !entries.is_empty());
    let entries: Map<_, _> = entries.map(|(name, map)| (name.clone(), map.into())).collect();
    if !entries.is_empty() {
        all.insert(key.to_owned(), entries.into());
    }
}

fn set(entries: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        entries.insert(key.to_owned(), value.into());
    }
}

fn disk_value(disk: &Disk) -> Value {
    let mut value = json!({
        "serial": disk.serial, "bus": disk.bus.name(), "read_only": disk.read_only,
        "cache": disk.cache.name(), "aio": disk.aio.name(),
    });
    match &disk.content {
        DiskContent::Scratch => value["size"] = format_size(disk.size).into(),
        DiskContent::Image { path, format, snapshot } => {
            value["image"] = path.to_string_lossy().into();
            value["format"] = format.name().into();
            value["snapshot"] = (*snapshot).into();
        }
    }
    value
}

fn object_value(object: &StorageObject) -> Map<String, Value> {
    let mut entries = Map::new();
    for (key, text) in
        [("vendor", &object.vendor), ("product", &object.product), ("revision", &object.revision)]
    {
        set(&mut entries, key, text.as_deref());
    }
    if let Some(device) = &object.device {
        set_device(&mut entries, object, device);
    }
    entries
}

fn set_device(entries: &mut Map<String, Value>, object: &StorageObject, device: &Device) {
    set(entries, "device", Some(device.kind.name()));
    set(entries, "disk", device.disk.as_deref());
    if device.disk.is_none() {
        set(entries, "size", Some(format_size(object.size)));
    }
    if !device.parameters.is_empty() {
        let parameters = device.parameters.iter();
        let parameters = parameters.map(|(name, value)| (name.clone(), value.as_str().into()));
        set(entries, "device_parameters", Some(parameters.collect::<Map<_, _>>()));
    }
    let delay = object.delay.as_ref().map(|delay| {
        json!({ "read": format_duration(delay.read), "write": format_duration(delay.write) })
    });
    set(entries, "delay", delay);
    let flakey = object.flakey.as_ref().map(|flakey| {
        let mut value =
            json!({ "up": format_duration(flakey.up), "down": format_duration(flakey.down) });
        match flakey.fault {
            FlakeyFault::ErrorAll => {}
            FlakeyFault::ErrorWrites => value["error_writes"] = true.into(),
            FlakeyFault::DropWrites => value["drop_writes"] = true.into(),
        }
        value
    });
    set(entries, "flakey", flakey);
}
