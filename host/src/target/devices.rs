//! The block devices that storage objects stand on, lowest first. Pure.

use super::names::{loop_file, lower_device};
use crate::spec::{self, FlakeyFault, Spec, StorageObject};
use lunlab_protocol::target::DeviceKind;
use std::time::Duration;

/// zram's attribute of it.
pub const COMP_ALGORITHM: &str = "comp_algorithm";

/// A device to be found or set up. See [`lunlab_protocol::target::Device`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// What it is made of.
    pub over: String,
    /// Bytes; 0 where the device itself knows.
    pub size: u64,
    /// Whether it must not be written.
    pub read_only: bool,
    /// Settings by the kernel's names.
    pub parameters: Vec<(String, String)>,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "set up {} {}", self.kind.name(), self.name)?;
        if !self.over.is_empty() {
            write!(f, " over {}", self.over)?;
        }
        if self.size > 0 {
            write!(f, " of {} bytes", self.size)?;
        }
        self.parameters.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// Every device a spec needs.
pub(super) fn devices(spec: &Spec) -> Vec<Device> {
    let mut brd = 0;
    let mut all = Vec::new();
    for object in &spec.storage_objects {
        if let Some(device) = &object.device {
            let index = (device.kind == spec::DeviceKind::Brd).then(|| {
                brd += 1;
                brd - 1
            });
            all.extend(stack(object, device, index));
        }
    }
    all
}

/// The device and what lies on it; the topmost has the storage object's own name.
fn stack(object: &StorageObject, device: &spec::Device, brd: Option<u32>) -> Vec<Device> {
    let mut layers = vec![("device", lowest(object, device, brd))];
    if let Some(delay) = &object.delay {
        let parameters = vec![
            ("read".to_owned(), delay.read.as_millis().to_string()),
            ("write".to_owned(), delay.write.as_millis().to_string()),
        ];
        layers.push(("delay", mapped(DeviceKind::Delay, parameters)));
    }
    if let Some(flakey) = &object.flakey {
        layers.push(("flakey", mapped(DeviceKind::Flakey, flakey_parameters(flakey))));
    }
    name_layers(&object.name, layers)
}

fn name_layers(object: &str, layers: Vec<(&str, Device)>) -> Vec<Device> {
    let top = layers.len() - 1;
    let mut below: Option<String> = None;
    let mut named = Vec::new();
    for (level, (layer, mut device)) in layers.into_iter().enumerate() {
        device.name = if level == top { object.to_owned() } else { lower_device(object, layer) };
        if let Some(below) = below.replace(device.name.clone()) {
            device.over = below;
        }
        named.push(device);
    }
    named
}

fn lowest(object: &StorageObject, device: &spec::Device, brd: Option<u32>) -> Device {
    let mut parameters = device.parameters.clone();
    parameters.extend(brd.map(|index| ("index".to_owned(), index.to_string())));
    let (kind, over) = match device.kind {
        spec::DeviceKind::NullBlk => (DeviceKind::NullBlk, String::new()),
        spec::DeviceKind::Brd => (DeviceKind::Brd, String::new()),
        spec::DeviceKind::Zram => (DeviceKind::Zram, String::new()),
        spec::DeviceKind::Loop => (DeviceKind::Loop, loop_file(&object.name)),
        spec::DeviceKind::Disk => (DeviceKind::Disk, device.disk.clone().unwrap_or_default()),
    };
    // A disk's size is its image's.
    let size = if kind == DeviceKind::Disk { 0 } else { object.size };
    Device { name: String::new(), kind, over, size, read_only: false, parameters }
}

fn mapped(kind: DeviceKind, parameters: Vec<(String, String)>) -> Device {
    Device { name: String::new(), kind, over: String::new(), size: 0, read_only: false, parameters }
}

fn flakey_parameters(flakey: &spec::Flakey) -> Vec<(String, String)> {
    let seconds = |duration: Duration| duration.as_secs().to_string();
    let mut parameters =
        vec![("up".to_owned(), seconds(flakey.up)), ("down".to_owned(), seconds(flakey.down))];
    let fault = match flakey.fault {
        FlakeyFault::ErrorAll => None,
        FlakeyFault::ErrorWrites => Some("error_writes"),
        FlakeyFault::DropWrites => Some("drop_writes"),
    };
    parameters.extend(fault.map(|name| (name.to_owned(), "1".to_owned())));
    parameters
}
