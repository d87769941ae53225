//! What was asked for, beside what the kernel has. Pure.

use super::{Provisioning, default_lines};
use crate::result::{Difference, Lun, OneTarget, OneTpg, Target};
use crate::spec::{self, Spec};
use configfs_rs::plan::Step;
use configfs_rs::read_back::{Agreement, compare};
use std::collections::BTreeMap;

/// The attributes that read otherwise than they were written; what is secret is `…` in it.
#[must_use]
pub fn differences(steps: &[Step], read_back: &BTreeMap<String, String>) -> Vec<Difference> {
    let differs = |step: &Step| {
        let Step::WriteAttribute { path, value, .. } = step else { return None };
        let found = read_back.get(path.as_str())?;
        // The guest compares a secret itself, and shows it as `…` where it is the one that was written.
        let agreement = match (value.is_secret(), found.as_str()) {
            (true, "…") => Agreement::Equal,
            (true, _) => Agreement::Different,
            (false, found) => compare(step, found),
        };
        (agreement == Agreement::Different).then(|| Difference {
            path: path.to_string(),
            asked: value.to_string(),
            found: Some(found.clone()),
        })
    };
    steps.iter().filter_map(differs).collect()
}

/// The targets of a spec; with where they are, if they were ever ready.
#[must_use]
pub fn describe(spec: &Spec, ready: Option<&Provisioning>) -> Option<Target> {
    let first = spec.targets.first()?;
    let targets: Vec<OneTarget> =
        spec.targets.iter().map(|target| one_target(spec, target, ready)).collect();
    let tpg = targets.first().and_then(|target| target.tpgs.first());
    Some(Target {
        wwn: first.wwn.clone(),
        portal: tpg.and_then(|tpg| tpg.portals.first().cloned()),
        luns: tpg.map(|tpg| tpg.luns.clone()).unwrap_or_default(),
        targets,
        defaults: ready.map(|plan| default_lines(&plan.defaults)).unwrap_or_default(),
        ..Target::default()
    })
}

fn one_target(spec: &Spec, target: &spec::Target, ready: Option<&Provisioning>) -> OneTarget {
    let tpg = |tpg: &spec::Tpg| {
        let address = |n| ready?.address(spec, &target.wwn, tpg.tag, n);
        let portals = (0..tpg.portals.len()).filter_map(address);
        OneTpg {
            tag: tpg.tag,
            enabled: tpg.enable,
            portals: portals.map(|address| address.host.to_string()).collect(),
            luns: tpg.luns.iter().filter_map(|lun| one_lun(spec, lun)).collect(),
            acls: tpg.acls.iter().map(|acl| acl.initiator.clone()).collect(),
        }
    };
    OneTarget {
        fabric: target.fabric.name().to_owned(),
        wwn: target.wwn.clone(),
        tpgs: target.tpgs.iter().map(tpg).collect(),
    }
}

fn one_lun(spec: &Spec, lun: &spec::Lun) -> Option<Lun> {
    let object = spec.storage_object(&lun.storage_object)?;
    Some(Lun {
        lun: lun.lun,
        storage_object: object.name.clone(),
        backstore: object.backstore.name().to_owned(),
        size: object.size,
    })
}
