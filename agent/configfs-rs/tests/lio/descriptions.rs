//! Short ways to write descriptions down.

use std::net::SocketAddr;

use configfs_rs::lio::iscsi::{Portal, Target, Tpg, TpgLun};
use configfs_rs::lio::{
    Backing, BackingPath, Backstore, Block, Configuration, FileMode, FileSize, Fileio, IscsiName,
    Lun, Parts, Ramdisk, StorageObject, StorageObjectName, TpgTag, UnitSerial,
};

pub(crate) fn fileio(name: &str, path: &str, serial: &str) -> StorageObject {
    let backing = Backing::File {
        path: BackingPath::new(path).unwrap(),
        size: FileSize::new(64 << 20).unwrap(),
    };
    let fileio = Fileio { backing, mode: FileMode::Buffered };
    storage_object(name, Backstore::Fileio(fileio), serial)
}

pub(crate) fn ramdisk(name: &str, serial: &str) -> StorageObject {
    storage_object(name, Backstore::Ramdisk(Ramdisk::new(1 << 20).unwrap()), serial)
}

fn storage_object(name: &str, backstore: Backstore, serial: &str) -> StorageObject {
    let name = StorageObjectName::new(name).unwrap();
    StorageObject::new(name, backstore, UnitSerial::new(serial).unwrap())
}

pub(crate) fn tpg(tag: u16, luns: &[(u8, &str)], portals: &[&str]) -> Tpg {
    let mut tpg = Tpg::open(TpgTag::new(tag).unwrap());
    tpg.luns = luns
        .iter()
        .map(|(lun, name)| TpgLun {
            lun: Lun(*lun),
            storage_object: StorageObjectName::new(name).unwrap(),
            alua_group: None,
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
    Target::new(IscsiName::new(name).unwrap(), tpgs)
}

pub(crate) fn configuration(objects: Vec<StorageObject>, targets: Vec<Target>) -> Configuration {
    Configuration::new(parts(objects, targets)).unwrap()
}

pub(crate) fn parts(storage_objects: Vec<StorageObject>, targets: Vec<Target>) -> Parts {
    Parts { storage_objects, targets, ..Parts::default() }
}

pub(crate) fn block(name: &str, path: &str, serial: &str) -> StorageObject {
    let path = BackingPath::new(path).unwrap();
    storage_object(name, Backstore::Block(Block { path, size: None, read_only: false }), serial)
}
