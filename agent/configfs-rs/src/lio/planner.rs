//! From a description to ordered steps. Pure.

use crate::lio::attributes::Attributes;
use crate::lio::chap::Chap;
use crate::lio::configuration::{Configuration, Parts};
use crate::lio::iscsi::{Acl, Discovery, MappedLun, Target, Tpg, TpgLun};
use crate::lio::loopback;
use crate::lio::storage_object::{Backing, Backstore, Fileio, StorageObject};
use crate::path::TreePath;
use crate::plan::Step;
use crate::value::Value;

/// What clears credentials, a nexus and the like.
const NULL: &str = "NULL";

/// Gives the steps that bring `configuration` about on an empty target tree.
///
/// Storage objects first, each set up in the one order that every kernel takes: `control`, what identifies it, `enable`,
/// then attributes (`enable` overwrites some of them, and some crash 6.1 before it), then ALUA groups. Then who may
/// discover, then the targets. A TPG is enabled last, so that no initiator sees it half made; its portals come before
/// its LUNs and those before its ACLs, so that [`undo`](crate::plan::undo), the exact reverse, is the order in which LIO
/// lets everything go: disabled, ACLs, LUNs, portals.
pub fn plan(configuration: &Configuration) -> Vec<Step> {
    let parts = configuration.parts();
    let mut steps = Vec::new();
    for object in &parts.storage_objects {
        let hba = mkdir(object.backstore.group());
        if !steps.contains(&hba) {
            steps.push(hba);
        }
        steps.extend(storage_object_steps(object));
    }
    if !parts.targets.is_empty() || parts.discovery.is_some() {
        steps.push(mkdir(iscsi()));
    }
    steps.extend(parts.discovery.iter().flat_map(discovery_steps));
    steps.extend(parts.targets.iter().flat_map(|target| target_steps(parts, target)));
    if !parts.loopback_targets.is_empty() {
        steps.push(mkdir(loopback()));
    }
    steps.extend(parts.loopback_targets.iter().flat_map(|target| loopback_steps(parts, target)));
    steps
}

/// What the fabric's directory is called; making it asks the kernel to load `iscsi_target_mod`.
fn iscsi() -> TreePath {
    TreePath::start("target").join("iscsi")
}

/// Making it asks the kernel to load `tcm_loop`.
fn loopback() -> TreePath {
    TreePath::start("target").join("loopback")
}

impl Target {
    /// Gives its place in the tree.
    pub fn group(&self) -> TreePath {
        iscsi().join(&self.wwn)
    }
}

impl loopback::Target {
    /// Gives its place in the tree.
    pub fn group(&self) -> TreePath {
        loopback().join(&self.wwn)
    }
}

fn mkdir(path: TreePath) -> Step {
    Step::MakeDirectory { path }
}

fn write(path: TreePath, value: impl Into<Value>) -> Step {
    Step::WriteAttribute { path, value: value.into(), undo: None }
}

fn write_checked(path: TreePath, value: impl ToString) -> Step {
    write(path, Value::from_checked(value.to_string()))
}

/// One whose effect does not go with its group, or that must be undone before its group can go.
fn write_undone(path: TreePath, value: Value, undo: &str) -> Step {
    Step::WriteAttribute { path, value, undo: Some(Value::from_checked(undo.to_owned())) }
}

fn write_all(group: &TreePath, attributes: &Attributes) -> Vec<Step> {
    let pairs = attributes.in_order().into_iter();
    pairs.map(|(name, value)| write(group.join(name), value.clone())).collect()
}

fn storage_object_steps(object: &StorageObject) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Backstore::Fileio(Fileio { backing: Backing::File { path, size }, .. }) =
        &object.backstore
    {
        steps.push(Step::CreateFile { path: path.to_string(), size: size.get() });
    }
    let device = object.group();
    steps.push(mkdir(device.clone()));
    steps.push(write_checked(device.join("control"), object.backstore.control()));
    steps.extend(wwn_steps(&device.join("wwn"), object));
    // Nothing disables a device but removing it.
    steps.push(write(device.join("enable"), true));
    steps.extend(write_all(&device.join("attrib"), &object.attributes));
    for group in &object.alua_groups {
        let path = device.join("alua").join(&group.name);
        steps.push(mkdir(path.clone()));
        // The group does not exist for LIO before it has a number.
        steps.push(write(path.join("tg_pt_gp_id"), u64::from(group.id.get())));
        steps.push(write(path.join("alua_access_type"), group.access_type.code()));
        if group.access_type.is_implicit() {
            steps.push(write(path.join("alua_access_state"), group.access_state.code()));
        }
        steps.extend(write_all(&path, &group.attributes));
    }
    steps
}

fn wwn_steps(wwn: &TreePath, object: &StorageObject) -> Vec<Step> {
    let text = |name, text: Option<&str>| text.map(|text| write_checked(wwn.join(name), text));
    let company_id = object.company_id.map(|id| format!("{:#08x}", id.get()));
    [
        text("vpd_unit_serial", Some(object.serial.as_str())),
        text("vendor_id", object.vendor.as_ref().map(|vendor| vendor.as_str())),
        text("product_id", object.product.as_ref().map(|product| product.as_str())),
        text("revision", object.revision.as_ref().map(|revision| revision.as_str())),
        text("company_id", company_id.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `discovery_auth` is LIO's own group and stays: what is written there must be taken back.
fn discovery_steps(discovery: &Discovery) -> Vec<Step> {
    let group = iscsi().join("discovery_auth");
    let credentials = discovery.chap.attributes().into_iter();
    let mut steps: Vec<Step> = credentials
        .map(|(name, value)| write_undone(group.join(name), value.clone(), NULL))
        .collect();
    steps.push(write_undone(group.join("enforce_discovery_auth"), Value::from(true), "0"));
    steps
}

fn target_steps(parts: &Parts, target: &Target) -> Vec<Step> {
    let path = target.group();
    let mut steps = vec![mkdir(path.clone())];
    if let Some(affinity) = target.cmd_completion_affinity {
        let attribute = path.join("param").join("cmd_completion_affinity");
        steps.push(write_checked(attribute, affinity.get()));
    }
    steps.extend(target.tpgs.iter().flat_map(|tpg| tpg_steps(parts, &path.join(tpg.tag), tpg)));
    steps
}

fn tpg_steps(parts: &Parts, path: &TreePath, tpg: &Tpg) -> Vec<Step> {
    let mut steps = vec![mkdir(path.clone())];
    steps.extend(write_all(&path.join("attrib"), &tpg.attributes));
    steps.extend(write_all(&path.join("param"), &tpg.parameters));
    steps.extend(tpg.chap.iter().flat_map(|chap| auth_steps(path, chap)));
    steps.extend(tpg.portals.iter().map(|portal| mkdir(path.join("np").join(*portal))));
    steps.extend(tpg.luns.iter().flat_map(|lun| lun_steps(parts, path, lun)));
    steps.extend(tpg.acls.iter().flat_map(|acl| acl_steps(path, tpg, acl)));
    if tpg.enable {
        steps.push(write_undone(path.join("enable"), Value::from(true), "0"));
    }
    steps
}

fn auth_steps(owner: &TreePath, chap: &Chap) -> Vec<Step> {
    let group = owner.join("auth");
    let pairs = chap.attributes().into_iter();
    pairs.map(|(name, value)| write(group.join(name), value.clone())).collect()
}

/// A checked configuration has the storage object of every LUN.
fn lun_steps(parts: &Parts, tpg: &TreePath, lun: &TpgLun) -> Vec<Step> {
    let group = tpg.join("lun").join(lun.lun);
    let exported = parts.storage_objects.iter().find(|object| object.name == lun.storage_object);
    let link = exported
        .map(|object| Step::Link { target: object.group(), at: group.join("storage_object") });
    let alua_group =
        lun.alua_group.as_ref().map(|name| write_checked(group.join("alua_tg_pt_gp"), name));
    std::iter::once(mkdir(group)).chain(link).chain(alua_group).collect()
}

fn acl_steps(tpg_path: &TreePath, tpg: &Tpg, acl: &Acl) -> Vec<Step> {
    let path = tpg_path.join("acls").join(&acl.initiator);
    let mut steps = vec![mkdir(path.clone())];
    steps.extend(write_all(&path.join("attrib"), &acl.attributes));
    if let Some(depth) = cmdsn_depth(tpg, acl) {
        steps.push(write(path.join("cmdsn_depth"), depth));
    }
    steps.extend(acl.tag.iter().map(|tag| write_checked(path.join("tag"), tag)));
    steps.extend(acl.chap.iter().flat_map(|chap| auth_steps(&path, chap)));
    for mapped in &acl.mapped_luns {
        steps.extend(mapped_lun_steps(tpg_path, tpg, &path, mapped));
    }
    steps
}

/// The TPG's depth is copied when an ACL is made; written out, a later change of it reaches this ACL too.
fn cmdsn_depth(tpg: &Tpg, acl: &Acl) -> Option<u64> {
    let inherited = tpg.attributes.number("default_cmdsn_depth");
    acl.cmdsn_depth
        .map(|depth| u64::from(depth.get()))
        .or_else(|| inherited.and_then(|depth| u64::try_from(depth).ok()))
}

fn mapped_lun_steps(
    tpg_path: &TreePath,
    tpg: &Tpg,
    acl: &TreePath,
    mapped: &MappedLun,
) -> Vec<Step> {
    let group = acl.join(mapped.mapped_lun);
    let target = tpg_path.join("lun").join(mapped.lun);
    let mut steps = vec![mkdir(group.clone()), Step::Link { target, at: group.join("tpg_lun") }];
    // A mapped LUN starts as the TPG's prod_mode_write_protect has it, which is writable.
    if mapped.write_protect || tpg.attributes.boolean("prod_mode_write_protect") == Some(true) {
        steps.push(write(group.join("write_protect"), mapped.write_protect));
    }
    steps
}

fn loopback_steps(parts: &Parts, target: &loopback::Target) -> Vec<Step> {
    let mut steps = vec![mkdir(target.group())];
    for tpg in &target.tpgs {
        let path = target.group().join(tpg.tag);
        steps.push(mkdir(path.clone()));
        let nexus = Value::from_checked(tpg.nexus.to_string());
        steps.push(write_undone(path.join("nexus"), nexus, NULL));
        steps.extend(tpg.luns.iter().flat_map(|lun| lun_steps(parts, &path, lun)));
    }
    steps
}
