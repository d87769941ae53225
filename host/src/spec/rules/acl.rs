//! ACLs and mapped LUNs.

use configfs_rs::lio::{AclTag, IscsiName};

use super::{Finding, check_repeats};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::{Acl, Tpg};

pub(super) fn check(tpg: &Tpg, tpg_path: &KeyPath, findings: &mut Vec<Finding>) {
    let path = tpg_path.key("acl");
    let acls = || tpg.acls.iter().enumerate();
    let names = acls().map(|(i, acl)| (path.index(i).key("initiator"), quoted(&acl.initiator)));
    check_repeats(
        &names.collect::<Vec<_>>(),
        "the initiator of another ACL",
        "put both into one",
        findings,
    );
    for (index, acl) in acls() {
        check_acl(acl, &path.index(index), findings);
        check_mapped_luns(tpg, acl, &path.index(index).key("mapped_luns"), tpg_path, findings);
    }
}

fn check_acl(acl: &Acl, path: &KeyPath, findings: &mut Vec<Finding>) {
    if let Err(invalid) = IscsiName::new(&acl.initiator) {
        findings.push(Finding::invalid(path.key("initiator"), &invalid));
    }
    if let Some(Err(invalid)) = acl.tag.as_deref().map(AclTag::new) {
        findings.push(Finding::invalid(path.key("tag"), &invalid));
    }
}

fn check_mapped_luns(
    tpg: &Tpg,
    acl: &Acl,
    path: &KeyPath,
    tpg_path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let mapped = || acl.mapped_luns.iter().enumerate();
    let numbers = mapped().map(|(i, m)| (path.index(i).key("mapped_lun"), m.mapped_lun));
    let what = "the number of another mapped LUN of this initiator";
    check_repeats(&numbers.collect::<Vec<_>>(), what, "take another number", findings);
    let luns = mapped().map(|(i, m)| (path.index(i).key("lun"), m.lun));
    check_repeats(
        &luns.collect::<Vec<_>>(),
        "a LUN mapped to this initiator",
        "map each LUN once",
        findings,
    );
    for (index, lun) in mapped().filter(|(_, m)| tpg.lun(m.lun).is_none()) {
        let known: Vec<String> = tpg.luns.iter().map(|lun| lun.lun.to_string()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("this TPG has no LUN {}, only {known}", lun.lun);
        let given = vec![tpg_path.key("luns")];
        let finding = Finding::new(path.index(index).key("lun"), message).given(given);
        findings.push(finding.way_out("add it to luns"));
    }
}
