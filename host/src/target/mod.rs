//! What is asked of the guest to bring a spec's targets about: planned here with configfs-rs, carried out there.

mod requests;

pub use requests::each_request;

use crate::error::Error;
use crate::spec::{self, Spec};
use configfs_rs::lio::iscsi::{Portal, Target, Tpg, TpgLun};
use configfs_rs::lio::{
    self, AttributeName, Backing, BackingPath, Backstore, Block, Configuration, FileMode, FileSize,
    Fileio, IscsiName, Lun, Parts, Ramdisk, StorageObject, StorageObjectName, TpgTag, UnitSerial,
};
use configfs_rs::plan::Step;
use configfs_rs::{Invalid, Value};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;

/// Where backing files are in the guest: a tmpfs.
pub const STORAGE: &str = "/run/lunlab";

/// What a session may ask for in one PDU, in bytes. LIO's own default of 8 KiB makes large reads slow.
const MAX_RECV_DATA_SEGMENT_LENGTH: u64 = 262_144;

/// What serials are drawn from: the same seed and name give the same serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

impl Seed {
    /// A UUID for the storage object of that name (RFC 9562, version 8: its bits are our own).
    #[must_use]
    pub fn serial(&self, name: &str) -> String {
        let digest = Sha256::new().chain_update(self.0).chain_update(name).finalize();
        let mut bytes: [u8; 16] = std::array::from_fn(|i| digest[i]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |range| hex.get(range).unwrap_or_default();
        [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
    }
}

/// All that the guest sets up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioning {
    /// The target as configfs-rs has it.
    pub configuration: Configuration,
    /// What brings it about.
    pub steps: Vec<Step>,
}

impl Provisioning {
    /// Plans what a checked spec asks for; `portal` is the address both ends use.
    ///
    /// # Errors
    /// Usage, when the spec holds what LIO cannot have and the spec's own rules let through.
    pub fn new(spec: &Spec, portal: SocketAddr, seed: Seed) -> Result<Self, Error> {
        let refused = |invalid: Invalid| Error::usage(invalid.to_string());
        let objects: Result<Vec<_>, _> =
            spec.storage_objects.iter().map(|object| storage_object(object, seed)).collect();
        let targets: Result<Vec<_>, _> = spec
            .first_iscsi()
            .map(|(target, tpg)| iscsi_target(target, tpg, portal))
            .into_iter()
            .collect();
        let configuration = Configuration::new(Parts {
            storage_objects: objects.map_err(refused)?,
            targets: targets.map_err(refused)?,
            ..Parts::default()
        })
        .map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Error::usage(faults.join("; "))
        })?;
        let steps = lio::plan(&configuration);
        Ok(Self { configuration, steps })
    }
}

fn storage_object(object: &spec::StorageObject, seed: Seed) -> Result<StorageObject, Invalid> {
    let name = StorageObjectName::new(&object.name)?;
    let backstore = match object.backstore {
        spec::Backstore::Ramdisk => Backstore::Ramdisk(Ramdisk::new(object.size)?),
        spec::Backstore::Fileio => Backstore::Fileio(Fileio {
            backing: Backing::File {
                path: BackingPath::new(&format!("{STORAGE}/{name}"))?,
                size: FileSize::new(object.size)?,
            },
            // The file is in memory: there is nothing that O_DSYNC could make more durable.
            mode: FileMode::Buffered,
        }),
        spec::Backstore::Block => Backstore::Block(Block {
            path: BackingPath::new(&format!("/dev/lunlab/{name}"))?,
            size: Some(object.size),
            read_only: object.read_only,
        }),
    };
    let serial = UnitSerial::new(&seed.serial(&object.name))?;
    Ok(StorageObject::new(name, backstore, serial))
}

fn iscsi_target(
    target: &spec::Target,
    group: &spec::Tpg,
    portal: SocketAddr,
) -> Result<Target, Invalid> {
    let mut tpg = Tpg::open(TpgTag::new(group.tag)?);
    let longest = AttributeName::new("MaxRecvDataSegmentLength")?;
    tpg.parameters.set(longest, Value::from(MAX_RECV_DATA_SEGMENT_LENGTH));
    for lun in &group.luns {
        let storage_object = StorageObjectName::new(&lun.storage_object)?;
        tpg.luns.push(TpgLun { lun: Lun(lun.lun), storage_object, alua_group: None });
    }
    tpg.portals.push(Portal::new(portal.ip(), portal.port())?);
    Ok(Target::new(IscsiName::new(&target.wwn)?, vec![tpg]))
}
