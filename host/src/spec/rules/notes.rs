//! What is allowed and yet probably not what was meant.

use crate::spec::fault::quoted;
use crate::spec::quantity::format_size;
use crate::spec::{Backstore, Benchmark, Chap, DemoMode, Fabric, Spec, StorageObject, Tpg};

/// What a libiscsi URL would take for something else in credentials.
const NOT_IN_URLS: [char; 5] = ['%', '@', '/', '?', '&'];

pub(in crate::spec) fn find_notes(spec: &Spec) -> Vec<String> {
    let mut notes = Vec::new();
    find_unused(spec, &mut notes);
    for object in &spec.storage_objects {
        find_data_loss(object, &mut notes);
        find_direct(object, &mut notes);
    }
    for target in spec.targets.iter().filter(|target| target.fabric == Fabric::Iscsi) {
        for tpg in &target.tpgs {
            let owner = format!("TPG {} of {}", tpg.tag, target.wwn);
            find_unreachable(tpg, &owner, &mut notes);
            find_unasked(tpg, &owner, &mut notes);
            find_padded_challenge(tpg, &owner, &mut notes);
        }
    }
    for chap in all_credentials(spec) {
        find_url_characters(chap, &mut notes);
        find_padded_proof(chap, &mut notes);
        find_long_secrets(chap, &mut notes);
    }
    find_overcommitment(spec, &mut notes);
    notes
}

/// `TargetAlias` as LIO has it, in bytes: `LIO Target`.
const ALIAS: usize = 10;

/// LIO pads its answers with what an earlier one left, and libiscsi up to 1.19 reads that (`docs/lio.md`). The proof of
/// a name of 11 bytes lies behind the challenge; a longer alias comes before both.
fn find_padded_proof(chap: &Chap, notes: &mut Vec<String>) {
    if let Some(mutual) = &chap.mutual
        && let length @ (1 | 3..=5 | 7..=9) = mutual.userid.len()
    {
        notes.push(format!(
            "the mutual CHAP name {}: clients of libiscsi up to 1.19 cannot log in{} (a name of 2, 6, \
             10 or more bytes helps)",
            quoted(&mutual.userid),
            if length > 6 { " from the eleventh time on" } else { "" }
        ));
    }
}

fn find_padded_challenge(tpg: &Tpg, owner: &str, notes: &mut Vec<String>) {
    let authenticates = tpg.chap.is_some() || tpg.acls.iter().any(|acl| acl.chap.is_some());
    let alias = tpg.parameters.iter().find(|(name, _)| name == "TargetAlias");
    if authenticates && alias.is_some_and(|(_, alias)| alias.len() > ALIAS) {
        notes.push(format!(
            "{owner} has CHAP and a TargetAlias of more than {ALIAS} bytes: clients of libiscsi up to 1.19 \
             cannot log in from the eleventh time on, or at all with mutual CHAP"
        ));
    }
}

/// The longest secret that Windows' initiator takes, in bytes.
const COMMON_SECRET: usize = 16;

fn find_long_secrets(chap: &Chap, notes: &mut Vec<String>) {
    let own = (&chap.userid, &chap.password);
    let mutual = chap.mutual.iter().map(|mutual| (&mutual.userid, &mutual.password));
    for (userid, secret) in std::iter::once(own).chain(mutual) {
        let length = secret.reveal().len();
        if length > COMMON_SECRET {
            notes.push(format!(
                "the secret of {} has {length} bytes: some initiators, such as Windows', take 12 \
                 to {COMMON_SECRET}",
                quoted(userid)
            ));
        }
    }
}

/// What is sparse takes memory for what is written, and the guest bounds it by what it has (`agent/src/provision/memory.rs`).
fn find_overcommitment(spec: &Spec, notes: &mut Vec<String>) {
    let (sparse, memory) = (spec.sparse_bytes(), spec.memory_bytes());
    if sparse.saturating_add(spec.memory_needed()) > memory {
        notes.push(format!(
            "sparse storage of {} does not fit into the guest's memory of {}: what is written beyond it fails",
            format_size(sparse),
            format_size(memory)
        ));
    }
}

/// tmpfs has direct I/O since Linux 6.6; which kernel it will be, the spec need not say.
fn find_direct(object: &StorageObject, notes: &mut Vec<String>) {
    if object.needs_tmpfs_direct_io() {
        notes.push(format!(
            "storage object {} does direct I/O on a tmpfs: only Linux 6.6 and later can",
            quoted(&object.name)
        ));
    }
}

fn find_unused(spec: &Spec, notes: &mut Vec<String>) {
    let tpgs = spec.targets.iter().flat_map(|target| &target.tpgs);
    let mut used: Vec<&str> =
        tpgs.flat_map(|tpg| &tpg.luns).map(|lun| &*lun.storage_object).collect();
    used.extend(spec.benchmarks.iter().filter_map(|benchmark| match benchmark {
        Benchmark::Measured(asked) => asked.access().map(|access| access.storage_object),
        _ => None,
    }));
    for object in spec.storage_objects.iter().filter(|object| !used.contains(&&*object.name)) {
        notes.push(format!("storage object {} is exported by no LUN", quoted(&object.name)));
    }
    let disks: Vec<&str> = spec
        .storage_objects
        .iter()
        .filter_map(|object| object.device.as_ref()?.disk.as_deref())
        .collect();
    for disk in spec.disks.iter().filter(|disk| !disks.contains(&&*disk.serial)) {
        notes.push(format!("disk {} is under no storage object", quoted(&disk.serial)));
    }
}

fn find_data_loss(object: &StorageObject, notes: &mut Vec<String>) {
    let name = quoted(&object.name);
    if object.nullio && object.backstore == Backstore::Ramdisk {
        notes.push(format!(
            "storage object {name} is nullio: it stores nothing, and reads may bring other data \
             of the guest's"
        ));
    } else if !object.stores_data() {
        notes.push(format!(
            "storage object {name} is on a null_blk that is not memory_backed: it stores nothing"
        ));
    }
}

fn find_unreachable(tpg: &Tpg, owner: &str, notes: &mut Vec<String>) {
    if !tpg.enable {
        notes.push(format!("{owner} is not enabled: nobody can log in"));
    }
    if tpg.portals.is_empty() {
        notes.push(format!("{owner} has no portal: nobody can reach it"));
    }
    if tpg.demo_mode == DemoMode::Off && tpg.acls.is_empty() {
        notes.push(format!("{owner} has no ACL and demo_mode is off: nobody can log in"));
    }
    for acl in tpg.acls.iter().filter(|acl| acl.mapped_luns.is_empty()) {
        notes.push(format!("initiator {} of {owner} has no mapped LUN", acl.initiator));
    }
}

/// Credentials that the target has and does not ask for.
fn find_unasked(tpg: &Tpg, owner: &str, notes: &mut Vec<String>) {
    let says = "authentication is off: its chap is not asked for";
    if tpg.chap.is_some() && !tpg.authenticates() {
        notes.push(format!("{owner}: {says}"));
    } else if tpg.chap.is_some() && tpg.demo_mode == DemoMode::Off {
        notes.push(format!("{owner}: demo_mode is off, its own chap is for nobody"));
    }
    for acl in tpg.acls.iter().filter(|acl| acl.chap.is_some() && !tpg.authenticates_acl(acl)) {
        notes.push(format!("initiator {} of {owner}: {says}", acl.initiator));
    }
}

fn all_credentials(spec: &Spec) -> impl Iterator<Item = &Chap> {
    let tpgs = spec.targets.iter().flat_map(|target| &target.tpgs);
    let of_targets =
        tpgs.flat_map(|tpg| tpg.chap.iter().chain(tpg.acls.iter().flat_map(|acl| &acl.chap)));
    spec.discovery.chap.iter().chain(of_targets)
}

fn find_url_characters(chap: &Chap, notes: &mut Vec<String>) {
    let odd = |text: &str| text.contains(NOT_IN_URLS);
    let userid = quoted(&chap.userid);
    if odd(&chap.userid) {
        notes.push(format!("the CHAP name {userid} cannot be written in a libiscsi URL"));
    }
    if odd(chap.password.reveal()) {
        notes.push(format!(
            "the secret of {userid} cannot be written in a libiscsi URL, it is passed in \
             LIBISCSI_CHAP_PASSWORD"
        ));
    }
}
