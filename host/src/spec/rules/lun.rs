//! LUNs and what they refer to.

use super::{Finding, check_repeats, not_found, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::{Lun, Spec, StorageObject, Tpg};

pub(super) fn check(spec: &Spec, tpg: &Tpg, path: &KeyPath, findings: &mut Vec<Finding>) {
    if tpg.luns.is_empty() {
        let message =
            "empty, at least one such as { lun = 0, storage_object = \"disk0\" } is needed";
        findings.push(Finding::new(path.clone(), message));
    }
    let numbers = tpg.luns.iter().enumerate().map(|(i, lun)| (path.index(i).key("lun"), lun.lun));
    check_repeats(
        &numbers.collect::<Vec<_>>(),
        "the number of another LUN",
        "take another number",
        findings,
    );
    for (index, lun) in tpg.luns.iter().enumerate() {
        check_references(spec, lun, &path.index(index), findings);
    }
}

fn check_references(spec: &Spec, lun: &Lun, path: &KeyPath, findings: &mut Vec<Finding>) {
    let name = &lun.storage_object;
    let Some(at) = spec.storage_objects.iter().position(|object| object.name == *name) else {
        findings.push(no_storage_object(spec, name, path.key("storage_object")));
        return;
    };
    if let Some(group) = &lun.alua_group {
        check_alua_group(&spec.storage_objects[at], at, group, path, findings);
    }
}

fn check_alua_group(
    object: &StorageObject,
    at: usize,
    group: &str,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    if object.alua_groups.iter().any(|known| known.name == group) {
        return;
    }
    let known: Vec<&str> = object.alua_groups.iter().map(|group| &*group.name).collect();
    let kind = format!("ALUA group of storage object {} called", quoted(&object.name));
    let given = vec![path.key("storage_object"), top("storage_object").index(at)];
    findings.push(not_found(
        path.key("alua_group"),
        &kind,
        group,
        &known,
        given,
        "add a [[storage_object.alua_group]] of that name",
    ));
}

/// The fault of a name that no storage object has.
pub(super) fn no_storage_object(spec: &Spec, name: &str, path: KeyPath) -> Finding {
    let objects = top("storage_object");
    if spec.storage_objects.is_empty() {
        let message = format!(
            "there is no storage object {}, a [[storage_object]] of that name is needed",
            quoted(name)
        );
        return Finding::new(path, message).given(vec![objects]);
    }
    let known: Vec<&str> = spec.storage_objects.iter().map(|object| &*object.name).collect();
    let given = (0..known.len()).map(|index| objects.index(index).key("name")).collect();
    not_found(path, "storage object", name, &known, given, "add a [[storage_object]] of that name")
}
