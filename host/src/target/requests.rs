//! A provisioning as requests on the wire.

use super::{Device, Provisioning};
use configfs_rs::Value;
use configfs_rs::plan::Step;
use lunlab_protocol::request::{Parameter, Request};
use lunlab_protocol::target;

/// Gives every request that describes the provisioning, in order; what is to be done with it is asked separately.
pub fn each_request(provisioning: &Provisioning, take: &mut dyn FnMut(&Request<'_>)) {
    if let Some(address) = provisioning.network {
        let address = address.to_string();
        take(&Request::Network { address: &address, prefix: 24, gateway: "10.0.2.2" });
    }
    for device in &provisioning.devices {
        take(&Request::Device(device_on_the_wire(device)));
    }
    for step in &provisioning.steps {
        take(&Request::Step(step_on_the_wire(step)));
    }
    for disk in &provisioning.disks {
        take(&Request::LoopbackDisk(target::LoopbackDisk {
            tpg: &disk.tpg,
            lun: disk.lun,
            serial: &disk.serial,
            name: &disk.name,
        }));
    }
}

fn device_on_the_wire(device: &Device) -> target::Device<'_> {
    let parameters = device.parameters.iter();
    target::Device {
        name: &device.name,
        kind: device.kind.code(),
        over: &device.over,
        size: device.size,
        read_only: device.read_only,
        // The spec has fewer keys than the wire has places.
        parameters: parameters.map(|(key, value)| Parameter { key, value }).take(16).collect(),
    }
}

fn step_on_the_wire(step: &Step) -> target::Step<'_> {
    match step {
        Step::CreateFile { path, size } => target::Step::CreateFile { path, size: *size },
        Step::MakeDirectory { path } => target::Step::MakeDirectory { path: path.as_str() },
        Step::WriteAttribute { path, value, undo } => target::Step::Write {
            path: path.as_str(),
            value: value.expose(),
            secret: value.is_secret(),
            undo: undo.as_ref().map(Value::expose),
        },
        Step::Link { target, at } => {
            target::Step::Link { target: target.as_str(), at: at.as_str() }
        }
    }
}
