//! A whole description, checked across its parts.

use std::fmt;

use crate::lio::iscsi::{Portal, Target, Tpg};
use crate::lio::name::{IscsiName, Lun, StorageObjectName, TpgTag};
use crate::lio::storage_object::{Backstore, StorageObject};

/// Storage objects and the targets that export them, free of contradictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    storage_objects: Vec<StorageObject>,
    targets: Vec<Target>,
}

/// A contradiction between parts of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two storage objects have one name.
    SameStorageObject(StorageObjectName),
    /// Two storage objects would store on one file.
    SameBackingFile(StorageObjectName, StorageObjectName),
    /// Initiators would take two storage objects for one: their serials begin with the same digits.
    SameSerial(StorageObjectName, StorageObjectName),
    /// A size is not a multiple of the block size asked for.
    PartialBlock(StorageObjectName),
    /// Two targets have one name.
    SameTarget(IscsiName),
    /// Two TPGs of a target have one tag.
    SameTpg(IscsiName, TpgTag),
    /// Two LUNs of a TPG have one number.
    SameLun(IscsiName, TpgTag, Lun),
    /// A LUN exports a storage object that is not described.
    UnknownStorageObject(IscsiName, TpgTag, Lun, StorageObjectName),
    /// A target has a portal twice.
    SamePortal(IscsiName, Portal),
    /// The kernel cannot listen on both of these.
    ConflictingPortals(Portal, Portal),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::SameStorageObject(name) => write!(f, "two storage objects are named {name}"),
            Fault::SameBackingFile(a, b) => {
                write!(f, "storage objects {a} and {b} have the same backing file")
            }
            Fault::SameSerial(a, b) => write!(
                f,
                "storage objects {a} and {b} have serials with the same first 25 hexadecimal digits"
            ),
            Fault::PartialBlock(name) => {
                write!(f, "the size of storage object {name} is not a multiple of its block_size")
            }
            Fault::SameTarget(wwn) => write!(f, "two targets are named {wwn}"),
            Fault::SameTpg(wwn, tag) => write!(f, "target {wwn} has {tag} twice"),
            Fault::SameLun(wwn, tag, lun) => write!(f, "{tag} of target {wwn} has {lun} twice"),
            Fault::UnknownStorageObject(wwn, tag, lun, name) => {
                write!(
                    f,
                    "{lun} of {tag} of target {wwn} exports {name}, which is no storage object"
                )
            }
            Fault::SamePortal(wwn, portal) => write!(f, "target {wwn} has portal {portal} twice"),
            Fault::ConflictingPortals(a, b) => {
                write!(f, "portals {a} and {b} cannot both be listened on")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Where a storage object lives: `<plugin>_<index>`, one for each as rtslib has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hba {
    plugin: &'static str,
    index: usize,
}

impl fmt::Display for Hba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.plugin, self.index)
    }
}

impl crate::path::Component for Hba {}

impl Configuration {
    /// Checks a description; an error has all its faults.
    pub fn new(
        storage_objects: Vec<StorageObject>,
        targets: Vec<Target>,
    ) -> Result<Configuration, Vec<Fault>> {
        let mut faults = storage_object_faults(&storage_objects);
        faults.extend(target_faults(&storage_objects, &targets));
        faults.extend(portal_conflicts(&targets));
        if faults.is_empty() { Ok(Configuration { storage_objects, targets }) } else { Err(faults) }
    }

    /// Gives the storage objects.
    pub fn storage_objects(&self) -> &[StorageObject] {
        &self.storage_objects
    }

    /// Gives the targets.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Gives each storage object its place: indices count up for each plugin.
    pub(crate) fn placed(&self) -> Vec<(Hba, &StorageObject)> {
        let mut placed: Vec<(Hba, &StorageObject)> = Vec::with_capacity(self.storage_objects.len());
        for storage_object in &self.storage_objects {
            let plugin = storage_object.backstore.plugin();
            let index = placed.iter().filter(|(hba, _)| hba.plugin == plugin).count();
            placed.push((Hba { plugin, index }, storage_object));
        }
        placed
    }
}

/// Pairs each item whose key was seen before with the first that had it.
///
/// Quadratic, and small: a description has tens of items, and this is compiled into a static image.
fn repeats<T, K: Eq>(items: &[T], key: impl Fn(&T) -> Option<K>) -> Vec<(&T, &T)> {
    let keys: Vec<Option<K>> = items.iter().map(key).collect();
    let first = |index: usize| {
        let key = keys[index].as_ref()?;
        keys[..index].iter().position(|seen| seen.as_ref() == Some(key))
    };
    (0..items.len()).filter_map(|i| Some((&items[first(i)?], &items[i]))).collect()
}

fn storage_object_faults(storage_objects: &[StorageObject]) -> Vec<Fault> {
    let file = |storage_object: &StorageObject| match &storage_object.backstore {
        Backstore::Fileio(fileio) => Some(fileio.path.clone()),
        Backstore::Ramdisk(_) => None,
    };
    let names = repeats(storage_objects, |s| Some(s.name.clone()))
        .into_iter()
        .map(|(_, again)| Fault::SameStorageObject(again.name.clone()));
    let files = repeats(storage_objects, file)
        .into_iter()
        .map(|(a, b)| Fault::SameBackingFile(a.name.clone(), b.name.clone()));
    let serials = repeats(storage_objects, |s| Some(s.serial.naa_digits()))
        .into_iter()
        .map(|(a, b)| Fault::SameSerial(a.name.clone(), b.name.clone()));
    let partial = storage_objects
        .iter()
        .filter(|s| has_partial_block(s))
        .map(|s| Fault::PartialBlock(s.name.clone()));
    names.chain(files).chain(serials).chain(partial).collect()
}

/// A block size that is no number is left to the kernel to refuse.
fn has_partial_block(storage_object: &StorageObject) -> bool {
    let block_size = storage_object.attributes.get("block_size");
    let block_size = block_size.and_then(|value| value.expose().parse::<u64>().ok());
    block_size.is_some_and(|bytes| storage_object.backstore.size().checked_rem(bytes) != Some(0))
}

fn target_faults(storage_objects: &[StorageObject], targets: &[Target]) -> Vec<Fault> {
    let same = repeats(targets, |t| Some(t.wwn.clone()));
    let mut faults: Vec<_> =
        same.into_iter().map(|(_, again)| Fault::SameTarget(again.wwn.clone())).collect();
    for target in targets {
        let wwn = &target.wwn;
        let tags = repeats(&target.tpgs, |tpg| Some(tpg.tag));
        faults.extend(tags.into_iter().map(|(_, tpg)| Fault::SameTpg(wwn.clone(), tpg.tag)));
        let portals: Vec<Portal> = target.tpgs.iter().flat_map(|tpg| tpg.portals.clone()).collect();
        let portals = repeats(&portals, |portal| Some(*portal));
        faults.extend(portals.into_iter().map(|(_, p)| Fault::SamePortal(wwn.clone(), *p)));
        faults.extend(target.tpgs.iter().flat_map(|tpg| lun_faults(storage_objects, wwn, tpg)));
    }
    faults
}

fn lun_faults(storage_objects: &[StorageObject], wwn: &IscsiName, tpg: &Tpg) -> Vec<Fault> {
    let same = repeats(&tpg.luns, |lun| Some(lun.lun))
        .into_iter()
        .map(|(_, again)| Fault::SameLun(wwn.clone(), tpg.tag, again.lun));
    let known = |name: &StorageObjectName| storage_objects.iter().any(|s| s.name == *name);
    let unknown = tpg.luns.iter().filter(|lun| !known(&lun.storage_object)).map(|lun| {
        let name = lun.storage_object.clone();
        Fault::UnknownStorageObject(wwn.clone(), tpg.tag, lun.lun, name)
    });
    same.chain(unknown).collect()
}

fn portal_conflicts(targets: &[Target]) -> Vec<Fault> {
    let mut portals: Vec<Portal> = Vec::new();
    for portal in targets.iter().flat_map(|t| &t.tpgs).flat_map(|tpg| &tpg.portals) {
        if !portals.contains(portal) {
            portals.push(*portal);
        }
    }
    let mut faults = Vec::new();
    for (index, later) in portals.iter().enumerate() {
        let earlier = portals.iter().take(index).filter(|earlier| earlier.conflicts(*later));
        faults.extend(earlier.map(|earlier| Fault::ConflictingPortals(*earlier, *later)));
    }
    faults
}
