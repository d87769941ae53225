//! Targets and TPGs.

use configfs_rs::lio::{IscsiName, Naa};

use super::{Finding, acl, attributes, chap, check_repeats, lun, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::{Fabric, Spec, Target, Tpg};

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    for (index, target) in spec.targets.iter().enumerate() {
        let path = top("target").index(index);
        check_target(spec, target, &path, findings);
        for (number, tpg) in target.tpgs.iter().enumerate() {
            check_tpg(spec, target, tpg, &path.key("tpg").index(number), findings);
        }
    }
    for fabric in [Fabric::Iscsi, Fabric::Loopback] {
        let targets = spec.targets.iter().enumerate().filter(|(_, t)| t.fabric == fabric);
        let names = targets.map(|(i, t)| (top("target").index(i).key("wwn"), quoted(&t.wwn)));
        check_repeats(
            &names.collect::<Vec<_>>(),
            "the name of another target",
            "take another name",
            findings,
        );
    }
}

fn check_target(spec: &Spec, target: &Target, path: &KeyPath, findings: &mut Vec<Finding>) {
    let wwn = match target.fabric {
        Fabric::Iscsi => IscsiName::new(&target.wwn).err(),
        Fabric::Loopback => Naa::new(&target.wwn).err(),
    };
    let given = vec![path.key("fabric")];
    findings.extend(wwn.map(|e| Finding::invalid(path.key("wwn"), &e).given(given)));
    let nexus = target.nexus.as_ref().and_then(|nexus| Naa::new(nexus).err());
    findings.extend(nexus.map(|e| Finding::invalid(path.key("nexus"), &e)));
    let cpus = i32::try_from(spec.machine.cpus).unwrap_or(i32::MAX);
    if let Some(cpu) = target.cmd_completion_affinity.filter(|cpu| *cpu >= cpus) {
        let message = format!("there is no CPU {cpu}, the machine has {cpus}, counted from 0");
        let given = vec![top("machine").key("cpus")];
        findings.push(Finding::new(path.key("cmd_completion_affinity"), message).given(given));
    }
    let path = path.key("tpg");
    let tags = target.tpgs.iter().enumerate().map(|(i, t)| (path.index(i).key("tag"), t.tag));
    check_repeats(
        &tags.collect::<Vec<_>>(),
        "the tag of another TPG of this target",
        "take another tag",
        findings,
    );
    if target.tpgs.is_empty() {
        let message = "empty, a [[target.tpg]] is needed";
        findings.push(Finding::new(path, message));
    }
}

fn check_tpg(spec: &Spec, target: &Target, tpg: &Tpg, path: &KeyPath, findings: &mut Vec<Finding>) {
    lun::check(spec, tpg, &path.key("luns"), findings);
    if target.fabric == Fabric::Loopback {
        return;
    }
    attributes::check_tpg(tpg, path, findings);
    chap::check_tpg(tpg, path, findings);
    acl::check(tpg, path, findings);
}
