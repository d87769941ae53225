//! From a description to ordered steps, and to the steps that take it down. Pure.

use crate::lio::attributes::Attributes;
use crate::lio::configuration::{Configuration, Hba};
use crate::lio::iscsi::{Portal, Target, Tpg, TpgLun};
use crate::lio::storage_object::{Backstore, StorageObject};
use crate::path::TreePath;
use crate::plan::{Step, Undo, undo};
use crate::value::Value;

/// Gives the steps that bring `configuration` about on an empty target tree.
///
/// Storage objects first, each set up in the one order that every kernel takes: `control`, serial, `enable`, then
/// attributes (`enable` overwrites some of them, and some crash 6.1 before it). Then the targets; a TPG is
/// enabled last, so that no initiator sees it half made.
pub fn plan(configuration: &Configuration) -> Vec<Step> {
    let placed = configuration.placed();
    let mut steps: Vec<Step> =
        placed.iter().flat_map(|(hba, object)| storage_object_steps(*hba, object)).collect();
    if !configuration.targets().is_empty() {
        steps.push(mkdir(fabric()));
    }
    for target in configuration.targets() {
        steps.push(mkdir(fabric().join(&target.wwn)));
        for tpg in &target.tpgs {
            let parts = TpgParts::new(target, tpg, &placed);
            steps.extend([parts.group, parts.luns, parts.portals, parts.enable].concat());
        }
    }
    steps
}

/// Gives what takes down all that [`plan`] made.
///
/// The same as undoing the whole plan, but for one thing: the LUNs go before the portals, as every tool for LIO has it.
/// Backing files that the plan created are removed.
pub fn teardown(configuration: &Configuration) -> Vec<Undo> {
    let placed = configuration.placed();
    let mut undos = Vec::new();
    for target in configuration.targets().iter().rev() {
        for tpg in target.tpgs.iter().rev() {
            let parts = TpgParts::new(target, tpg, &placed);
            for part in [parts.enable, parts.luns, parts.portals, parts.group] {
                undos.extend(undo(&part));
            }
        }
        undos.extend(undo(&[mkdir(fabric().join(&target.wwn))]));
    }
    if !configuration.targets().is_empty() {
        undos.extend(undo(&[mkdir(fabric())]));
    }
    for (hba, object) in placed.iter().rev() {
        undos.extend(undo(&storage_object_steps(*hba, object)));
    }
    undos
}

/// What the fabric's directory is called; making it asks the kernel to load `iscsi_target_mod`.
fn fabric() -> TreePath {
    TreePath::start("target").join("iscsi")
}

fn hba_path(hba: Hba) -> TreePath {
    TreePath::start("target").join("core").join(hba)
}

fn mkdir(path: TreePath) -> Step {
    Step::MakeDirectory { path }
}

fn write(path: TreePath, value: Value) -> Step {
    Step::WriteAttribute { path, value, undo: None }
}

fn write_all(group: &TreePath, attributes: &Attributes) -> Vec<Step> {
    let pairs = attributes.in_order().into_iter();
    pairs.map(|(name, value)| write(group.join(name), value.clone())).collect()
}

fn storage_object_steps(hba: Hba, object: &StorageObject) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Backstore::Fileio(fileio) = &object.backstore {
        let (path, size) = (fileio.path.to_string(), object.backstore.size());
        steps.push(Step::CreateFile { path, size });
    }
    let device = hba_path(hba).join(&object.name);
    let serial = Value::from_checked(object.serial.to_string());
    steps.extend([
        mkdir(hba_path(hba)),
        mkdir(device.clone()),
        write(device.join("control"), Value::from_checked(object.backstore.control())),
        write(device.join("wwn").join("vpd_unit_serial"), serial),
        // Nothing disables a device but removing it.
        write(device.join("enable"), Value::from(true)),
    ]);
    steps.extend(write_all(&device.join("attrib"), &object.attributes));
    steps
}

/// The steps of one TPG, in the parts that building and teardown order differently.
struct TpgParts {
    group: Vec<Step>,
    luns: Vec<Step>,
    portals: Vec<Step>,
    enable: Vec<Step>,
}

impl TpgParts {
    fn new(target: &Target, tpg: &Tpg, placed: &[(Hba, &StorageObject)]) -> TpgParts {
        let path = fabric().join(&target.wwn).join(tpg.tag);
        let mut group = vec![mkdir(path.clone())];
        group.extend(write_all(&path.join("attrib"), &tpg.attributes));
        group.extend(write_all(&path.join("param"), &tpg.parameters));
        let luns = tpg.luns.iter().flat_map(|lun| lun_steps(&path, lun, placed)).collect();
        let portals = tpg.portals.iter().map(|portal| portal_step(&path, *portal)).collect();
        let enable = Step::WriteAttribute {
            path: path.join("enable"),
            value: Value::from(true),
            undo: Some(Value::from(false)),
        };
        TpgParts { group, luns, portals, enable: vec![enable] }
    }
}

/// A checked configuration has the storage object of every LUN.
fn lun_steps(tpg: &TreePath, lun: &TpgLun, placed: &[(Hba, &StorageObject)]) -> Vec<Step> {
    let group = tpg.join("lun").join(lun.lun);
    let exported = placed.iter().find(|(_, object)| object.name == lun.storage_object);
    let link = exported.map(|(hba, object)| Step::Link {
        target: hba_path(*hba).join(&object.name),
        at: group.join("storage_object"),
    });
    std::iter::once(mkdir(group)).chain(link).collect()
}

fn portal_step(tpg: &TreePath, portal: Portal) -> Step {
    mkdir(tpg.join("np").join(portal))
}
