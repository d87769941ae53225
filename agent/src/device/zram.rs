//! zram (Documentation/admin-guide/blockdev/zram.rst).

use super::system::{Node, System};
use super::{Device, DeviceError, Undo};

pub(super) fn set_up(system: &System, device: &Device) -> Result<(Node, Undo), Box<DeviceError>> {
    let number = system
        .read("class/zram-control/hot_add")
        .map_err(|error| error.with_hint("is zram loaded? (CONFIG_ZRAM)"))?;
    let undo = Undo::Zram { number: number.clone() };
    undo.on_failure(system, configure(system, device, &format!("zram{number}")))
}

/// What is set where no compression was named and the kernel has it: its own default may be in a module that nothing loads.
const COMPRESSION: (&str, &str) = ("comp_algorithm", "lzo-rle");

fn configure(system: &System, device: &Device, name: &str) -> Result<Node, Box<DeviceError>> {
    let attribute = |key: &str| format!("block/{name}/{key}");
    let (key, compression) = COMPRESSION;
    let has = |known: String| known.split([' ', '[', ']']).any(|one| one == compression);
    if device.parameter(key).is_none() && system.read(&attribute(key)).is_ok_and(has) {
        system.write(&attribute(key), compression)?;
    }
    for (key, value) in &device.parameters {
        system.write(&attribute(key), value).map_err(|error| match key.as_str() {
            "comp_algorithm" => {
                let known = system.read(&attribute(key)).unwrap_or_default();
                error.with_hint(format!("this kernel has: {known}"))
            }
            _ => error,
        })?;
    }
    system.write(&attribute("disksize"), &device.size.to_string())?;
    system.expect(name)
}

/// What is written beyond fails with `EIO` (drivers/block/zram/zram_drv.c, `zram_write_page`).
pub(super) fn bound(system: &System, number: &str, most: u64) -> Result<(), Box<DeviceError>> {
    system.write(&format!("block/zram{number}/mem_limit"), &most.to_string())
}

pub(super) fn take_down(system: &System, number: &str) -> Result<(), Box<DeviceError>> {
    system.write(&format!("block/zram{number}/reset"), "1")?;
    system.write("class/zram-control/hot_remove", number)
}
