//! null_blk by configfs (Documentation/block/null_blk.rst); the module is loaded with `nr_devices=0`.

use super::system::{Node, System};
use super::{Device, DeviceError, Undo};

const GROUP: &str = "kernel/config/nullb";
const MIB: u64 = 1 << 20;

/// More than one guest is asked for.
const MAX_DEVICES: u32 = 1000;

pub(super) fn set_up(system: &System, device: &Device) -> Result<(Node, Undo), Box<DeviceError>> {
    if !device.size.is_multiple_of(MIB) {
        let what = format!("null_blk {}", device.name);
        let cause = format!("its size is counted in MiB; {} is no multiple", device.size);
        return Err(DeviceError::because("set up", &what, cause));
    }
    let directory = make_directory(system)?;
    let undo = Undo::NullBlk { directory: directory.clone() };
    undo.on_failure(system, configure(system, device, &directory))
}

/// Makes the first that is free. The names are our own because newer kernels call the device by
/// its directory, and older ones `nullb<index>`: a directory called `nullb1` could be `/dev/nullb0`.
fn make_directory(system: &System) -> Result<String, Box<DeviceError>> {
    let taken = system.names(GROUP);
    let directory = (0..MAX_DEVICES).map(|n| format!("lunlab{n}")).find(|n| !taken.contains(n));
    let directory = directory.unwrap_or_default();
    system.make_group(&format!("{GROUP}/{directory}")).map_err(|error| {
        error.with_hint("is null_blk loaded? (CONFIG_BLK_DEV_NULL_BLK, in configfs since 4.14)")
    })?;
    Ok(directory)
}

fn configure(system: &System, device: &Device, directory: &str) -> Result<Node, Box<DeviceError>> {
    let attribute = |name: &str| format!("{GROUP}/{directory}/{name}");
    let write = |name: &str, value: &str| system.write(&attribute(name), value);
    for (key, value) in &device.parameters {
        write(key, value)?;
    }
    write("size", &(device.size / MIB).to_string())?;
    write("power", "1").map_err(|error| {
        error.with_hint("this kernel refuses these settings together; its log may say which")
    })?;
    if let Some(node) = system.block_device(directory) {
        return Ok(node);
    }
    system.expect(&format!("nullb{}", system.read(&attribute("index"))?))
}

pub(super) fn take_down(system: &System, directory: &str) -> Result<(), Box<DeviceError>> {
    // Where it was never powered on this changes nothing.
    let _was_off = system.write(&format!("{GROUP}/{directory}/power"), "0");
    system.remove_group(&format!("{GROUP}/{directory}"))
}
