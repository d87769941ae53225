//! The checks of a whole description: values against LIO's rules, and parts against each other.

use crate::lio::alua::{AluaAccessState, AluaGroup};
use crate::lio::attributes::Attributes;
use crate::lio::configuration::{Fault, Parts, Place, UnknownAttributes};
use crate::lio::iscsi::{Acl, Portal, Target, Tpg, TpgLun};
use crate::lio::loopback;
use crate::lio::name::AluaGroupName;
use crate::lio::rule::Group;
use crate::lio::storage_object::{Backing, Backstore, FileMode, Fileio, StorageObject};

/// What `fd_attach` and `rd_configure_device` set (`FD_MAX_DEVICE_QUEUE_DEPTH`, `RD_MAX_DEVICE_QUEUE_DEPTH`).
const QUEUE_DEPTH: i64 = 128;

/// The most one request moves to a fileio (`FD_MAX_BYTES`, `drivers/target/target_core_file.h`).
const FILE_REQUEST: i64 = 8 << 20;

/// What INQUIRY has room for, besides the end of the string.
const MODEL_ALIAS: usize = 15;

/// The group of each ALUA group that has a field of its own.
const ALUA_FIELDS: [&str; 3] = ["tg_pt_gp_id", "alua_access_type", "alua_access_state"];

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) faults: Vec<Fault>,
    pub(crate) doubts: Vec<Fault>,
}

impl Found {
    fn fault(&mut self, place: Place, problem: String) {
        self.faults.push(Fault { place, attribute: None, problem, hint: None });
    }

    fn attribute(&mut self, place: Place, name: &str, problem: String, hint: Option<&'static str>) {
        self.faults.push(Fault { place, attribute: Some(name.to_owned()), problem, hint });
    }

    fn doubt(&mut self, place: Place, problem: String) {
        self.doubts.push(Fault { place, attribute: None, problem, hint: None });
    }
}

pub(crate) fn check(parts: &Parts) -> Found {
    let mut found = Found::default();
    check_storage_objects(parts, &mut found);
    for (index, target) in parts.targets.iter().enumerate() {
        check_target(parts, index, target, &mut found);
    }
    for (first, again) in repeats(&parts.targets, |target| &target.wwn) {
        let problem = format!("two targets are named {}", parts.targets[first].wwn);
        found.fault(Place::Target(again), problem);
    }
    check_portals(&parts.targets, &mut found);
    for (index, target) in parts.loopback_targets.iter().enumerate() {
        check_loopback(parts, index, target, &mut found);
    }
    for (first, again) in repeats(&parts.loopback_targets, |target| &target.wwn) {
        let name = &parts.loopback_targets[first].wwn;
        found.fault(Place::LoopbackTarget(again), format!("two targets are named {name}"));
    }
    found
}

/// Puts the values of all attributes as the kernel prints them.
pub(crate) fn normalise(parts: &mut Parts) {
    for object in &mut parts.storage_objects {
        object.attributes.normalise(Group::StorageObjectAttribute);
        object.alua_groups.iter_mut().for_each(|g| g.attributes.normalise(Group::AluaGroup));
    }
    for tpg in parts.targets.iter_mut().flat_map(|target| &mut target.tpgs) {
        tpg.attributes.normalise(Group::TpgAttribute);
        tpg.parameters.normalise(Group::TpgParameter);
        tpg.acls.iter_mut().for_each(|acl| acl.attributes.normalise(Group::AclAttribute));
    }
}

/// Pairs each item whose key was seen before with the first that had it, by their indices.
fn repeats<'a, T, K: Eq>(items: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<(usize, usize)> {
    let keys: Vec<K> = items.iter().map(key).collect();
    let first = |again: usize| keys[..again].iter().position(|seen| *seen == keys[again]);
    (0..items.len()).filter_map(|again| Some((first(again)?, again))).collect()
}

/// The same among the items that have a key at all.
fn repeats_of<'a, T, K: Eq>(
    items: &'a [T],
    key: impl Fn(&'a T) -> Option<K>,
) -> Vec<(usize, usize)> {
    let keyed: Vec<(usize, K)> =
        items.iter().enumerate().filter_map(|(i, item)| Some((i, key(item)?))).collect();
    let pairs = repeats(&keyed, |(_, key)| key);
    pairs.into_iter().map(|(first, again)| (keyed[first].0, keyed[again].0)).collect()
}

/// Checks values against the rules of their group; `owner` is who has them.
fn check_attributes(
    attributes: &Attributes,
    group: Group,
    unknown: UnknownAttributes,
    (place, owner): (Place, &str),
    found: &mut Found,
) {
    for (name, value) in attributes.iter() {
        let (name, value) = (name.as_str(), value.expose());
        match (group.rule(name), unknown) {
            (Some(rule), _) => {
                if let Err(problem) = rule.check(value) {
                    let problem = format!("{name} {value:?} of {owner} {problem}");
                    found.attribute(place, name, problem, None);
                }
            }
            (None, UnknownAttributes::Refuse) => {
                let problem =
                    format!("{name} of {owner} is no attribute that LIO is known to have");
                found.attribute(place, name, problem, None);
            }
            (None, UnknownAttributes::Allow) => {
                let problem = format!("{name} of {owner} is written as it is: it has no rule");
                found.doubts.push(Fault {
                    place,
                    attribute: Some(name.to_owned()),
                    problem,
                    hint: Some("newer kernels may have it"),
                });
            }
        }
    }
}

fn check_storage_objects(parts: &Parts, found: &mut Found) {
    let objects = &parts.storage_objects;
    for (first, again) in repeats(objects, |object| &object.name) {
        let problem = format!("two storage objects are named {}", objects[first].name);
        found.fault(Place::StorageObject(again), problem);
    }
    for (first, again) in repeats_of(objects, |object| object.backstore.path()) {
        let (a, b) = (&objects[first].name, &objects[again].name);
        let problem = format!("storage objects {a} and {b} store on the same file or device");
        found.fault(Place::StorageObject(again), problem);
    }
    let identifier = |object: &StorageObject| (object.company_id, object.serial.naa_digits());
    for (first, again) in repeats(objects, identifier) {
        let (a, b) = (&objects[first].name, &objects[again].name);
        let problem = format!(
            "storage objects {a} and {b} have serials with the same first 25 hexadecimal digits"
        );
        found.fault(Place::StorageObject(again), problem);
    }
    for (index, object) in objects.iter().enumerate() {
        check_storage_object(parts, index, object, found);
    }
}

fn check_storage_object(parts: &Parts, index: usize, object: &StorageObject, found: &mut Found) {
    let place = Place::StorageObject(index);
    let owner = format!("storage object {}", object.name);
    let (group, unknown) = (Group::StorageObjectAttribute, parts.unknown_attributes);
    check_attributes(&object.attributes, group, unknown, (place, &owner), found);
    // One that LIO does not take is a fault already.
    let taken = |size: &i64| [512, 1024, 2048, 4096].contains(size);
    let block_size = object.attributes.number("block_size").filter(taken);
    let sizes = block_size.and_then(|b| u64::try_from(b).ok()).zip(object.backstore.size());
    if sizes.is_some_and(|(block, size)| !size.is_multiple_of(block)) {
        let problem = format!("the size of {owner} is not a multiple of its block_size");
        found.attribute(place, "block_size", problem, None);
    }
    check_backstore(place, object, found);
    let groups = &object.alua_groups;
    for (_, again) in repeats(groups, |group| &group.name) {
        let problem = format!("{owner} has ALUA group {} twice", groups[again].name);
        found.fault(Place::AluaGroup(index, again), problem);
    }
    for (first, again) in repeats(groups, |group| group.id) {
        let (a, b) = (&groups[first].name, &groups[again].name);
        let problem = format!("ALUA groups {a} and {b} of {owner} have the same id");
        found.fault(Place::AluaGroup(index, again), problem);
    }
    for (number, group) in groups.iter().enumerate() {
        let owner = format!("ALUA group {} of {owner}", group.name);
        check_alua_group(parts, (Place::AluaGroup(index, number), &owner), group, found);
    }
}

/// What the kernel answers for a backstore although the value alone is fine.
fn check_backstore(place: Place, object: &StorageObject, found: &mut Found) {
    let (attributes, backstore) = (&object.attributes, &object.backstore);
    let mut refuse = |name: &str, why: &str, hint| {
        let problem = format!("{name} of storage object {}: {why}", object.name);
        found.attribute(place, name, problem, hint);
    };
    let is_ramdisk = matches!(backstore, Backstore::Ramdisk(_));
    for name in ["emulate_tpu", "emulate_tpws", "unmap_zeroes_data"] {
        if is_ramdisk && attributes.boolean(name) == Some(true) {
            refuse(name, "a ramdisk cannot unmap", Some("a fileio on a file can"));
        }
    }
    match (backstore, attributes.boolean("emulate_write_cache")) {
        (Backstore::Block(_), Some(true)) => refuse(
            "emulate_write_cache",
            "the write cache of a block backstore is that of its device",
            Some("leave it out"),
        ),
        (Backstore::Fileio(Fileio { mode: FileMode::Buffered, .. }), Some(false)) => refuse(
            "emulate_write_cache",
            "a buffered fileio has a write cache, and initiators must know",
            Some("use the mode write-through"),
        ),
        _ => {}
    }
    let depth = attributes.number("queue_depth");
    if !matches!(backstore, Backstore::Block(_)) && depth.is_some_and(|d| d > QUEUE_DEPTH) {
        refuse("queue_depth", "is more than the backstore's 128", None);
    }
    let most = FILE_REQUEST / attributes.number("block_size").unwrap_or(512).max(1);
    let sectors = attributes.number("optimal_sectors");
    if matches!(backstore, Backstore::Fileio(_)) && sectors.is_some_and(|s| s > most) {
        refuse("optimal_sectors", &format!("is more than a fileio's {most} blocks of 8 MiB"), None);
    }
    let protected = attributes.number("pi_prot_type").unwrap_or(0) != 0;
    let on_device =
        matches!(backstore, Backstore::Fileio(Fileio { backing: Backing::Device { .. }, .. }));
    if protected && on_device {
        refuse("pi_prot_type", "a fileio on a device cannot store protection information", None);
    }
    match (attributes.boolean("pi_prot_format"), is_ramdisk, protected) {
        (Some(true), true, _) => refuse("pi_prot_format", "a ramdisk cannot be formatted", None),
        (Some(true), _, false) => refuse("pi_prot_format", "needs a pi_prot_type", None),
        _ => {}
    }
    let alias = attributes.boolean("emulate_model_alias") == Some(true);
    if alias && object.name.as_str().len() > MODEL_ALIAS {
        refuse("emulate_model_alias", "the name is longer than the 15 bytes of a model", None);
    }
}

fn check_alua_group(parts: &Parts, at: (Place, &str), group: &AluaGroup, found: &mut Found) {
    let (place, owner) = at;
    check_attributes(&group.attributes, Group::AluaGroup, parts.unknown_attributes, at, found);
    for name in ALUA_FIELDS.into_iter().filter(|name| group.attributes.get(name).is_some()) {
        let problem = format!("{name} of {owner} is set by its own field, not as an attribute");
        found.attribute(place, name, problem, None);
    }
    let (kind, state) = (group.access_type, group.access_state);
    if state != AluaAccessState::Optimized && !kind.is_implicit() {
        let problem = format!("{owner} has a state, but its access type is not implicit");
        found.attribute(place, "alua_access_state", problem, Some("use implicit or both"));
    }
    if state == AluaAccessState::LbaDependent {
        let problem =
            format!("{owner}: LIO takes a state that depends on the block only with a map");
        found.attribute(place, "alua_access_state", problem, Some("choose another state"));
    }
    if group.attributes.boolean(state.support()) == Some(false) {
        let problem = format!("{owner} is in a state that {} says it has not", state.support());
        found.attribute(place, state.support(), problem, None);
    }
}

fn check_target(parts: &Parts, index: usize, target: &Target, found: &mut Found) {
    let wwn = &target.wwn;
    for (_, again) in repeats(&target.tpgs, |tpg| tpg.tag) {
        let problem = format!("target {wwn} has {} twice", target.tpgs[again].tag);
        found.fault(Place::Tpg(index, again), problem);
    }
    let portals: Vec<(Place, Portal)> = portals_of(index, target).collect();
    for (_, again) in repeats(&portals, |(_, portal)| portal) {
        let (place, portal) = portals[again];
        found.fault(place, format!("target {wwn} has portal {portal} twice"));
    }
    for (number, tpg) in target.tpgs.iter().enumerate() {
        let owner = format!("{} of target {wwn}", tpg.tag);
        check_tpg(parts, (index, number), &owner, tpg, found);
    }
}

fn portals_of(index: usize, target: &Target) -> impl Iterator<Item = (Place, Portal)> {
    target.tpgs.iter().enumerate().flat_map(move |(tpg, Tpg { portals, .. })| {
        let place = move |(portal, it): (usize, &Portal)| (Place::Portal(index, tpg, portal), *it);
        portals.iter().enumerate().map(place)
    })
}

fn check_tpg(
    parts: &Parts,
    (target, number): (usize, usize),
    owner: &str,
    tpg: &Tpg,
    found: &mut Found,
) {
    let (place, unknown) = (Place::Tpg(target, number), parts.unknown_attributes);
    let at = (place, owner);
    check_attributes(&tpg.attributes, Group::TpgAttribute, unknown, at, found);
    check_attributes(&tpg.parameters, Group::TpgParameter, unknown, at, found);
    check_bursts(place, owner, tpg, found);
    let lun_place = |lun| Place::TpgLun(target, number, lun);
    check_luns(&parts.storage_objects, owner, &tpg.luns, &lun_place, found);
    let demo = tpg.attributes.boolean("generate_node_acls") == Some(true);
    if demo && tpg.attributes.boolean("cache_dynamic_acls") == Some(false) {
        let problem = format!("cache_dynamic_acls of {owner} stays on while generate_node_acls is");
        found.attribute(place, "cache_dynamic_acls", problem, None);
    }
    let authentication = tpg.attributes.boolean("authentication") != Some(false);
    if authentication && demo && tpg.chap.is_none() {
        let problem = format!("{owner} asks for CHAP in demo mode, but has no credentials");
        found.attribute(place, "authentication", problem, Some("give chap, or switch it off"));
    }
    if tpg.chap.is_some() && !authentication {
        found.doubt(place, format!("{owner} has CHAP credentials, but does not ask for them"));
    }
    for (_, again) in repeats(&tpg.acls, |acl| &acl.initiator) {
        let problem = format!("{owner} has ACL {} twice", tpg.acls[again].initiator);
        found.fault(Place::Acl(target, number, again), problem);
    }
    for (index, acl) in tpg.acls.iter().enumerate() {
        let owner = format!("ACL {} of {owner}", acl.initiator);
        check_acl(parts, (target, number, index), &owner, (tpg, acl), found);
    }
}

/// LIO lowers the first burst at login, without a word.
fn check_bursts(place: Place, owner: &str, tpg: &Tpg, found: &mut Found) {
    let first = tpg.parameters.number("FirstBurstLength");
    let most = tpg.parameters.number("MaxBurstLength").unwrap_or(262_144);
    if first.is_some_and(|first| first > most) {
        let problem = format!("FirstBurstLength of {owner} is more than MaxBurstLength {most}");
        found.attribute(place, "FirstBurstLength", problem, None);
    }
}

fn check_acl(
    parts: &Parts,
    (target, number, index): (usize, usize, usize),
    owner: &str,
    (tpg, acl): (&Tpg, &Acl),
    found: &mut Found,
) {
    let place = Place::Acl(target, number, index);
    let (group, unknown) = (Group::AclAttribute, parts.unknown_attributes);
    check_attributes(&acl.attributes, group, unknown, (place, owner), found);
    let own = acl.attributes.number("authentication").filter(|own| *own >= 0);
    let inherited = tpg.attributes.boolean("authentication") != Some(false);
    let authentication = own.map_or(inherited, |own| own == 1);
    if authentication && acl.chap.is_none() {
        let problem = format!("{owner} asks for CHAP, but has no credentials");
        found.attribute(place, "authentication", problem, Some("give chap, or switch it off"));
    }
    if acl.chap.is_some() && !authentication {
        found.doubt(place, format!("{owner} has CHAP credentials, but does not ask for them"));
    }
    if acl.mapped_luns.is_empty() && !tpg.luns.is_empty() {
        found.doubt(place, format!("{owner} has no mapped LUN: the initiator sees nothing"));
    }
    let mapped = &acl.mapped_luns;
    let mapped_place = |mapped| Place::MappedLun(target, number, index, mapped);
    for (_, again) in repeats(mapped, |mapped| mapped.mapped_lun) {
        let problem = format!("{owner} has mapped {} twice", mapped[again].mapped_lun);
        found.fault(mapped_place(again), problem);
    }
    for (_, again) in repeats(mapped, |mapped| mapped.lun) {
        let problem = format!("{owner} maps {} twice", mapped[again].lun);
        found.fault(mapped_place(again), problem);
    }
    for (again, mapped) in mapped.iter().enumerate() {
        if !tpg.luns.iter().any(|lun| lun.lun == mapped.lun) {
            let problem = format!("{owner} maps {}, which the TPG does not export", mapped.lun);
            found.fault(mapped_place(again), problem);
        }
    }
}

fn check_luns(
    objects: &[StorageObject],
    owner: &str,
    luns: &[TpgLun],
    place: &dyn Fn(usize) -> Place,
    found: &mut Found,
) {
    for (_, again) in repeats(luns, |lun| lun.lun) {
        found.fault(place(again), format!("{owner} has {} twice", luns[again].lun));
    }
    for (index, TpgLun { lun, storage_object, alua_group }) in luns.iter().enumerate() {
        let Some(object) = objects.iter().find(|object| object.name == *storage_object) else {
            let problem =
                format!("{lun} of {owner} exports {storage_object}, which is no storage object");
            found.fault(place(index), problem);
            continue;
        };
        let known =
            |name: &AluaGroupName| object.alua_groups.iter().any(|group| group.name == *name);
        if let Some(group) = alua_group.as_ref().filter(|group| !known(group)) {
            let problem = format!(
                "{lun} of {owner} is in ALUA group {group}, which {storage_object} does not have"
            );
            found.fault(place(index), problem);
        }
    }
}

fn check_portals(targets: &[Target], found: &mut Found) {
    let all = targets.iter().enumerate().flat_map(|(index, target)| portals_of(index, target));
    let mut different: Vec<(Place, Portal)> = Vec::new();
    for (place, portal) in all {
        if !different.iter().any(|(_, known)| *known == portal) {
            different.push((place, portal));
        }
    }
    for (index, (place, later)) in different.iter().enumerate() {
        for (_, earlier) in different[..index].iter().filter(|(_, e)| e.conflicts(*later)) {
            let problem = format!("portals {earlier} and {later} cannot both be listened on");
            found.fault(*place, problem);
        }
    }
}

fn check_loopback(parts: &Parts, index: usize, target: &loopback::Target, found: &mut Found) {
    for (_, again) in repeats(&target.tpgs, |tpg| tpg.tag) {
        let problem = format!("target {} has {} twice", target.wwn, target.tpgs[again].tag);
        found.fault(Place::LoopbackTpg(index, again), problem);
    }
    for (number, tpg) in target.tpgs.iter().enumerate() {
        let owner = format!("{} of target {}", tpg.tag, target.wwn);
        let place = |lun| Place::LoopbackLun(index, number, lun);
        check_luns(&parts.storage_objects, &owner, &tpg.luns, &place, found);
    }
}
