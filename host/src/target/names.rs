//! Where things are found in the guest.

use crate::spec::StorageObject;

/// Where backing files are: a tmpfs.
pub const STORAGE: &str = "/run/lunlab";

/// Where devices are, by name.
const DEVICES: &str = "/dev/lunlab";

/// The path of the device of that name.
#[must_use]
pub fn device_path(name: &str) -> String {
    format!("{DEVICES}/{name}")
}

/// The path of a storage object's own file, on tmpfs.
#[must_use]
pub fn file_path(storage_object: &str) -> String {
    format!("{STORAGE}/{storage_object}")
}

/// What a storage object stands on: its device, or its file.
#[must_use]
pub fn backing_path(object: &StorageObject) -> String {
    match object.device {
        Some(_) => device_path(&object.name),
        None => file_path(&object.name),
    }
}

/// The file under a loop device.
#[must_use]
pub fn loop_file(storage_object: &str) -> String {
    format!("{STORAGE}/{storage_object}~loop")
}

/// The name of a device that another one of the same storage object lies on. No storage object has a `~` in its name.
#[must_use]
pub fn lower_device(storage_object: &str, layer: &str) -> String {
    format!("{storage_object}~{layer}")
}

/// The name of the disk that a loopback LUN becomes.
#[must_use]
pub fn loopback_disk(wwn: &str, tag: u16, lun: u8) -> String {
    format!("loopback~{wwn}~{tag}~{lun}")
}

/// A loopback TPG below the configfs root.
#[must_use]
pub fn loopback_tpg(wwn: &str, tag: u16) -> String {
    format!("target/loopback/{wwn}/tpgt_{tag}")
}
