//! Short ways to write descriptions down.

use std::net::SocketAddr;

use configfs_rs::lio::{
    Attributes, BackingPath, Backstore, Configuration, FileSize, Fileio, IscsiName, Lun, Portal,
    Ramdisk, StorageObject, StorageObjectName, Target, Tpg, TpgLun, TpgTag, UnitSerial,
};

pub(crate) fn fileio(name: &str, path: &str, serial: &str) -> StorageObject {
    let fileio = Fileio {
        path: BackingPath::new(path).unwrap(),
        size: FileSize::new(64 << 20).unwrap(),
        buffered: true,
    };
    storage_object(name, Backstore::Fileio(fileio), serial)
}

pub(crate) fn ramdisk(name: &str, serial: &str) -> StorageObject {
    storage_object(name, Backstore::Ramdisk(Ramdisk::new(1 << 20).unwrap()), serial)
}

fn storage_object(name: &str, backstore: Backstore, serial: &str) -> StorageObject {
    StorageObject {
        name: StorageObjectName::new(name).unwrap(),
        backstore,
        serial: UnitSerial::new(serial).unwrap(),
        attributes: Attributes::new(),
    }
}

pub(crate) fn tpg(tag: u16, luns: &[(u8, &str)], portals: &[&str]) -> Tpg {
    let mut tpg = Tpg::open(TpgTag::new(tag).unwrap());
    tpg.luns = luns
        .iter()
        .map(|(lun, name)| TpgLun {
            lun: Lun(*lun),
            storage_object: StorageObjectName::new(name).unwrap(),
        })
        .collect();
    tpg.portals = portals
        .iter()
        .map(|portal| {
            let address: SocketAddr = portal.parse().unwrap();
            Portal::new(address.ip(), address.port()).unwrap()
        })
        .collect();
    tpg
}

pub(crate) fn target(name: &str, tpgs: Vec<Tpg>) -> Target {
    Target { wwn: IscsiName::new(name).unwrap(), tpgs }
}

pub(crate) fn configuration(objects: Vec<StorageObject>, targets: Vec<Target>) -> Configuration {
    Configuration::new(objects, targets).unwrap()
}
