//! ALUA groups.

use configfs_rs::lio::AluaGroupName;

use super::{Finding, check_repeats};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::{AccessState, AccessType, AluaGroup, StorageObject};

pub(super) fn check(object: &StorageObject, path: &KeyPath, findings: &mut Vec<Finding>) {
    let path = path.key("alua_group");
    let groups = || object.alua_groups.iter().enumerate();
    for (index, group) in groups() {
        check_group(group, &path.index(index), findings);
    }
    let names = groups().map(|(i, group)| (path.index(i).key("name"), quoted(&group.name)));
    check_repeats(
        &names.collect::<Vec<_>>(),
        "the name of another ALUA group",
        "take another name",
        findings,
    );
    let ids = groups().map(|(i, group)| (path.index(i).key("id"), group.id));
    check_repeats(
        &ids.collect::<Vec<_>>(),
        "the id of another ALUA group",
        "take another id",
        findings,
    );
}

fn check_group(group: &AluaGroup, path: &KeyPath, findings: &mut Vec<Finding>) {
    if let Err(invalid) = AluaGroupName::new(&group.name) {
        findings.push(Finding::invalid(path.key("name"), &invalid));
    }
    let (state, kind) = (group.access_state, group.access_type);
    let given = || vec![path.key("access_type")];
    let implicit = matches!(kind, AccessType::Implicit | AccessType::ImplicitAndExplicit);
    if state != AccessState::ActiveOptimized && !implicit {
        let message = format!("the kernel sets {:?} only where the access type is implicit", {
            state.name()
        });
        let finding = Finding::new(path.key("access_state"), message).given(given());
        findings.push(finding.way_out("access_type = \"implicit\""));
    }
    if state == AccessState::LbaDependent && kind == AccessType::ImplicitAndExplicit {
        let message =
            format!("{} depends on the block and cannot be explicit", quoted(state.name()));
        let finding = Finding::new(path.key("access_state"), message).given(given());
        findings.push(finding.way_out("access_type = \"implicit\""));
    }
    if group.support.contains(&(state.support(), false)) {
        let key = format!("support_{}", state.support());
        let message =
            format!("false, yet the group is in this state, access_state = {:?}", state.name());
        let finding = Finding::new(path.key(&key), message);
        findings.push(finding.given(vec![path.key("access_state")]).way_out("leave it out"));
    }
}
