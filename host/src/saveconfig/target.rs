//! Saved targets: TPGs, LUNs, portals, ACLs.

use configfs_rs::lio::rule::Group;
use std::collections::BTreeMap;

use configfs_rs::lio::{AclTag, IscsiName, Naa};

use super::document::{Item, Table};
use super::import::Options;
use super::portal::portals;
use super::reader::{Object, Setting};
use super::secret::{Secrets, chap};
use super::settings::{self, Known};
use super::storage_object::StorageObjects;

/// The parameter that lunlab sets when a spec does not, and to what.
pub(super) const RAISED: (&str, &str) = ("MaxRecvDataSegmentLength", "262144");

/// What LIO has for it.
const NOT_RAISED: &str = "8192";

/// What is known when targets are read.
pub(super) struct Surroundings<'a> {
    /// What LUNs refer to.
    pub(super) objects: &'a StorageObjects,
    /// Whether the guest is on QEMU's user network, with the address it has there.
    pub(super) own_address: bool,
    /// More entries for targets, by their names.
    pub(super) extra: BTreeMap<String, Vec<(String, Item)>>,
    /// What the import is told.
    pub(super) options: &'a Options,
}

struct Context<'a> {
    objects: &'a StorageObjects,
    own_address: bool,
    extra: BTreeMap<String, Vec<(String, Item)>>,
    options: &'a Options,
    secrets: &'a mut Secrets,
}

/// Reads all targets.
pub(super) fn read(
    targets: Vec<Object<'_>>,
    surroundings: Surroundings<'_>,
    secrets: &mut Secrets,
) -> Vec<Table> {
    let Surroundings { objects, own_address, extra, options } = surroundings;
    let mut context = Context { objects, own_address, extra, options, secrets };
    let mut tables = Vec::new();
    let mut names = Vec::new();
    for (index, target) in targets.into_iter().enumerate() {
        tables.extend(context.target(index, target, &mut names).unwrap_or_default());
    }
    tables
}

/// Why a target of this fabric is not carried over.
fn no_fabric(fabric: &str, target: &str) -> String {
    let why = match fabric {
        "" => "a target without a fabric".to_owned(),
        _ => format!("the fabric {fabric:?} needs hardware or a hypervisor that a guest has not"),
    };
    let target = if target.is_empty() { "without a name" } else { target };
    format!("{why}: the target {target} is left out")
}

/// What identifies a TPG or an ACL in the names of its secrets.
fn owner(target: usize, tag: u16) -> String {
    format!("target{target}-tpg{tag}")
}

impl Context<'_> {
    fn target(
        &mut self,
        index: usize,
        mut target: Object<'_>,
        names: &mut Vec<String>,
    ) -> Option<Vec<Table>> {
        let saved = target.text("wwn").unwrap_or_default();
        let fabric = target.text("fabric").unwrap_or_default();
        if fabric != "iscsi" && fabric != "loopback" {
            target.note_at("fabric", no_fabric(&fabric, &saved));
            return None;
        }
        let wwn = match fabric.as_str() {
            "iscsi" => iscsi_name(&saved, "wwn", &target),
            _ => naa(&saved, "wwn", &target),
        }?;
        if names.contains(&wwn) {
            target.note_at("wwn", "another target has this name already: left out");
            return None;
        }
        let mut table = Table::new("[[target]]");
        if fabric != "iscsi" {
            table.set("fabric", fabric.as_str());
        }
        table.set("wwn", wwn.as_str());
        for (key, value) in self.extra.remove(&saved).unwrap_or_default() {
            table.set(&key, value);
        }
        self.target_parameters(&mut target, &mut table);
        let mut tables = vec![table];
        let mut tags = Vec::new();
        for tpg in target.objects("tpgs") {
            let tpg = self.tpg(index, tpg, fabric == "iscsi", &mut tags);
            tables.extend(tpg.unwrap_or_default());
        }
        if tables.len() == 1 {
            target.note(format!("no TPG of {wwn} is left: left out as well"));
            return None;
        }
        names.push(wwn);
        target.finish();
        Some(tables)
    }

    fn target_parameters(&self, target: &mut Object<'_>, table: &mut Table) {
        let group = Group::TargetParameter;
        let known = Known { group, unset: &|_| None, all: self.options.all };
        let (parameters, elsewhere): (Vec<Setting>, Vec<Setting>) =
            settings::take(target, "parameters").into_iter().partition(|each| {
                let cpu = each.value.parse::<i64>().unwrap_or_default();
                each.name != "cmd_completion_affinity" || cpu < 1
            });
        if !elsewhere.is_empty() {
            let note = "the machine of a spec has one CPU unless it says: left out";
            target.note_at("parameters.cmd_completion_affinity", note);
        }
        for (key, value) in known.keep(parameters, target).entries {
            table.set(&key, value);
        }
    }

    fn tpg(
        &mut self,
        target: usize,
        mut tpg: Object<'_>,
        iscsi: bool,
        tags: &mut Vec<u16>,
    ) -> Option<Vec<Table>> {
        // rtslib takes the first that is free.
        let tag =
            tpg.number("tag").or_else(|| Some(tags.iter().max().map_or(1, |t| u64::from(*t) + 1)));
        let tag = tag.and_then(|tag| u16::try_from(tag).ok());
        let allowed = |tag: &u16| if iscsi { *tag != 0 } else { *tag < 32 };
        let Some(tag) = tag.filter(allowed).filter(|tag| !tags.contains(tag)) else {
            tpg.note_at("tag", "no tag a TPG of this fabric can have, or taken: left out");
            return None;
        };
        let mut table = Table::new("[[target.tpg]]");
        table.set("tag", tag);
        if tpg.flag("enable") == Some(false) && iscsi {
            table.set("enable", false);
        }
        let luns = self.luns(&mut tpg);
        if luns.is_empty() {
            tpg.note(format!("no LUN of TPG {tag} is left: left out as well"));
            return None;
        }
        let numbers: Vec<u8> = luns.iter().map(|(number, _)| *number).collect();
        table.set("luns", Item::List(luns.into_iter().map(|(_, lun)| lun).collect()));
        tags.push(tag);
        let mut tables = vec![table];
        if iscsi {
            self.iscsi_tpg(&owner(target, tag), &mut tpg, &numbers, &mut tables);
        } else {
            let attributes = settings::take(&mut tpg, "attributes");
            let known = Known { group: Group::TpgAttribute, unset: &|_| None, all: false };
            if let Some(table) = tables.first_mut() {
                table.set_inline("attributes", known.keep(attributes, &tpg).entries);
            }
            for key in ["portals", "node_acls"] {
                if !tpg.objects(key).is_empty() {
                    tpg.note_at(key, "loopback has none: left out");
                }
            }
        }
        tpg.finish();
        Some(tables)
    }

    fn luns(&self, tpg: &mut Object<'_>) -> Vec<(u8, Item)> {
        let mut luns: Vec<(u8, Item)> = Vec::new();
        for mut lun in tpg.objects("luns") {
            let number = lun.number("index").and_then(|number| u8::try_from(number).ok());
            let Some(number) = number.filter(|n| luns.iter().all(|(known, _)| known != n)) else {
                lun.note_at("index", "not 0 to 255, or taken: the LUN is left out");
                continue;
            };
            let path = lun.text("storage_object").unwrap_or_default();
            let Some((name, groups)) = self.objects.at(&path) else {
                let why = match path.as_str() {
                    "" => "it names no storage object".to_owned(),
                    path => format!("{path} was not carried over"),
                };
                let message = format!("{why}: LUN {number} is left out");
                lun.note_at("storage_object", message);
                continue;
            };
            let mut entries =
                vec![("lun".to_owned(), number.into()), ("storage_object".to_owned(), name.into())];
            let group = lun.text("alua_tg_pt_gp_name").filter(|group| group != "default_tg_pt_gp");
            match group {
                Some(group) if groups.contains(&group) => {
                    entries.push(("alua_group".to_owned(), group.into()));
                }
                Some(group) if !group.is_empty() => lun.note_at(
                    "alua_tg_pt_gp_name",
                    format!("{group} is no ALUA group of {name}: in the kernel's own"),
                ),
                _ => {}
            }
            drop_alias(&mut lun);
            lun.finish();
            luns.push((number, Item::Inline(entries)));
        }
        luns
    }

    fn iscsi_tpg(
        &mut self,
        owner: &str,
        tpg: &mut Object<'_>,
        luns: &[u8],
        tables: &mut Vec<Table>,
    ) {
        let mut attributes = settings::take(tpg, "attributes");
        // What is not in the file is as LIO has it.
        let on = |value: Option<String>, unset: bool| value.map_or(unset, |value| value != "0");
        let authentication = on(settings::remove(&mut attributes, "authentication"), true);
        let generate = on(settings::remove(&mut attributes, "generate_node_acls"), false);
        let protect = on(settings::remove(&mut attributes, "demo_mode_write_protect"), true);
        if generate {
            // The one implies the other.
            settings::remove(&mut attributes, "cache_dynamic_acls");
        }
        let acls = tpg.objects("node_acls");
        let mut initiators = Vec::new();
        let acls = acls.into_iter().enumerate().filter_map(|(index, acl)| {
            let owner = format!("{owner}-acl{index}");
            self.acl(&owner, acl, authentication, luns, &mut initiators)
        });
        let mut acls: Vec<_> = acls.collect();
        let mut own = chap(tpg, "chap_", owner, self.secrets, authentication);
        if authentication && own.is_none() && acls.iter().all(|acl| !acl.table.has("chap")) {
            own = self.missing_credentials(&mut acls, generate, tpg);
        }
        let credentials = own.is_some() || acls.iter().any(|acl| acl.table.has("chap"));
        let acl_tables = with_credentials(acls, authentication && credentials, tpg);
        let listening = tpg.objects("portals");
        let Some(table) = tables.first_mut() else { return };
        table.set("portals", portals(listening, self.own_address));
        let demo_mode = match (generate, protect) {
            (false, _) => "off",
            (true, true) => "read-only",
            (true, false) => "writable",
        };
        let unset = if acl_tables.is_empty() { "writable" } else { "off" };
        if demo_mode != unset || self.options.all {
            table.set("demo_mode", demo_mode);
        }
        table.set_some("chap", own);
        self.tpg_settings(attributes, authentication, credentials, tpg, table);
        tables.extend(acl_tables);
    }

    /// Whoever is asked for credentials that are not in the file gets some that the environment
    /// completes, so that an import never opens a target; the TPG's own are returned.
    fn missing_credentials(
        &mut self,
        acls: &mut [SavedAcl],
        generate: bool,
        tpg: &Object<'_>,
    ) -> Option<Item> {
        let mut variables = Vec::new();
        let mut draw = || {
            let (chap, variable) = self.secrets.missing();
            variables.push(variable);
            chap
        };
        for acl in acls.iter_mut().filter(|acl| acl.authenticates != Some(false)) {
            acl.table.set("chap", draw());
        }
        let own = (generate || acls.is_empty()).then(draw);
        let message = "CHAP is demanded and the file has no credentials: the name is lunlab, the secret that of";
        if !variables.is_empty() {
            let variables = variables.join(", ");
            tpg.note_at(
                "attributes.authentication",
                format!("{message} {variables} in the environment"),
            );
        }
        own
    }

    fn tpg_settings(
        &self,
        attributes: Vec<Setting>,
        authentication: bool,
        credentials: bool,
        tpg: &mut Object<'_>,
        table: &mut Table,
    ) {
        let all = self.options.all;
        let known = Known { group: Group::TpgAttribute, unset: &|_| None, all };
        let mut attributes = known.keep(attributes, tpg);
        if authentication != credentials {
            attributes.entries.push(("authentication".to_owned(), authentication.into()));
        }
        table.set_inline("attributes", attributes.entries);
        let mut parameters = settings::take(tpg, "parameters");
        let auth_method = settings::remove(&mut parameters, "AuthMethod");
        if auth_method.as_deref() == Some("None") && authentication {
            tpg.note_at("parameters.AuthMethod", "it follows authentication: left out");
        }
        if parameters.iter().all(|setting| setting.name != RAISED.0) {
            let (name, value) = (RAISED.0.to_owned(), NOT_RAISED.to_owned());
            parameters.push(Setting { place: tpg.at("parameters"), name, value });
        }
        let unset = |name: &str| (name == RAISED.0).then_some(RAISED.1);
        let known = Known { group: Group::TpgParameter, unset: &unset, all };
        let parameters = known.keep(parameters, tpg);
        table.set_inline("parameters", parameters.entries);
        if attributes.unknown || parameters.unknown {
            table.set("allow_unknown_attributes", true);
        }
    }

    /// One ACL.
    fn acl(
        &mut self,
        owner: &str,
        mut acl: Object<'_>,
        tpg_authenticates: bool,
        luns: &[u8],
        initiators: &mut Vec<String>,
    ) -> Option<SavedAcl> {
        let saved = acl.text("node_wwn").unwrap_or_default();
        let initiator = iscsi_name(&saved, "node_wwn", &acl)?;
        if initiators.contains(&initiator) {
            acl.note_at("node_wwn", "this initiator has an ACL already: left out");
            return None;
        }
        initiators.push(initiator.clone());
        let attributes = settings::take(&mut acl, "attributes");
        let asked = attributes.iter().find(|setting| setting.name == "authentication");
        let authenticates = match asked.map(|setting| setting.value.as_str()) {
            Some("0") => Some(false),
            Some("1") => Some(true),
            _ => None,
        };
        let asked_for = authenticates.unwrap_or(tpg_authenticates);
        let mut table = Table::new("[[target.tpg.acl]]");
        table.set("initiator", initiator.as_str());
        table.set("mapped_luns", mapped_luns(&mut acl, luns));
        table.set_some("cmdsn_depth", cmdsn_depth(&mut acl));
        table.set_some("tag", acl_tag(&mut acl));
        table.set_some("chap", chap(&mut acl, "chap_", owner, self.secrets, asked_for));
        let group = Group::AclAttribute;
        let known = Known { group, unset: &|_| None, all: self.options.all };
        let kept = known.keep(attributes, &acl);
        table.set_inline("attributes", kept.entries);
        if kept.unknown {
            table.set("allow_unknown_attributes", true);
        }
        acl.finish();
        Some(SavedAcl { initiator, authenticates, table })
    }
}

fn cmdsn_depth(acl: &mut Object<'_>) -> Option<u16> {
    let saved = acl.number("tcq_depth")?;
    let depth = u16::try_from(saved).ok().filter(|depth| (1..=512).contains(depth));
    if depth.is_none() {
        acl.note_at("tcq_depth", format!("{saved} is not 1 to 512: left out"));
    }
    depth
}

fn acl_tag(acl: &mut Object<'_>) -> Option<String> {
    let saved = acl.text("tag").filter(|tag| !tag.is_empty())?;
    match AclTag::new(&saved) {
        Ok(_) => Some(saved),
        Err(problem) => {
            acl.note_at("tag", format!("{problem}: left out"));
            None
        }
    }
}

/// An ACL, and what its own attribute says of credentials.
struct SavedAcl {
    initiator: String,
    authenticates: Option<bool>,
    table: Table,
}

/// Leaves out those that are asked for credentials and have none, as they let nobody in.
fn with_credentials(acls: Vec<SavedAcl>, tpg_authenticates: bool, tpg: &Object<'_>) -> Vec<Table> {
    let kept = acls.into_iter().filter(|acl| {
        let asked = acl.authenticates.unwrap_or(tpg_authenticates);
        let lets_in = !asked || acl.table.has("chap");
        if !lets_in {
            let message = "is asked for credentials and has none, so that it cannot log in";
            tpg.note_at("node_acls", format!("{} {message}: left out", acl.initiator));
        }
        lets_in
    });
    kept.map(|acl| acl.table).collect()
}

fn mapped_luns(acl: &mut Object<'_>, luns: &[u8]) -> Item {
    let mut taken: Vec<(u8, u8)> = Vec::new();
    let mut items = Vec::new();
    for mut mapped in acl.objects("mapped_luns") {
        let byte = |number: Option<u64>| number.and_then(|number| u8::try_from(number).ok());
        let (number, lun) = (byte(mapped.number("index")), byte(mapped.number("tpg_lun")));
        let write_protect = mapped.flag("write_protect").unwrap_or(false);
        drop_alias(&mut mapped);
        // Written by rtslib as None.
        let _tag = mapped.take("tag");
        let free = |number: &u8| taken.iter().all(|(known, _)| known != number);
        let exported = |lun: &u8| luns.contains(lun);
        match (number.filter(free), lun.filter(exported)) {
            (Some(_), Some(lun)) if taken.iter().any(|(_, known)| *known == lun) => {
                mapped.note_at("tpg_lun", "mapped to this initiator already: left out");
            }
            (Some(number), Some(lun)) => {
                taken.push((number, lun));
                items.push(mapped_lun(number, lun, write_protect));
            }
            (None, _) => mapped.note_at("index", "not 0 to 255, or taken: left out"),
            (_, None) => mapped.note_at("tpg_lun", "no LUN that was carried over: left out"),
        }
        mapped.finish();
    }
    Item::List(items)
}

fn mapped_lun(number: u8, lun: u8, write_protect: bool) -> Item {
    let mut entries =
        vec![("mapped_lun".to_owned(), number.into()), ("lun".to_owned(), lun.into())];
    if write_protect {
        entries.push(("write_protect".to_owned(), true.into()));
    }
    Item::Inline(entries)
}

/// The names of symbolic links in configfs: rtslib draws ten hexadecimal digits, which mean
/// nothing.
fn drop_alias(object: &mut Object<'_>) {
    let Some(alias) = object.text("alias") else { return };
    let drawn = alias.len() == 10 && alias.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !drawn && !alias.is_empty() {
        object.note_at("alias", "the name of a link in configfs, which is lunlab's: left out");
    }
}

/// An iSCSI name that lunlab takes, in lower case: LIO takes characters that RFC 7143 does not
/// have in names, and host names have them.
fn iscsi_name(saved: &str, key: &str, object: &Object<'_>) -> Option<String> {
    let lower = saved.to_ascii_lowercase();
    let Err(problem) = IscsiName::new(&lower) else { return Some(lower) };
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
    let usable: String = lower.chars().map(|c| if allowed(&c) { c } else { '-' }).collect();
    if IscsiName::new(&usable).is_ok() {
        object.note_at(key, format!("{problem}: it is called {usable} here"));
        return Some(usable);
    }
    object.note_at(key, format!("{problem}: left out"));
    None
}

/// The name of a target of loopback.
fn naa(saved: &str, key: &str, object: &Object<'_>) -> Option<String> {
    match Naa::new(saved) {
        Ok(_) => Some(saved.to_ascii_lowercase()),
        Err(problem) => {
            object.note_at(key, format!("{problem}: left out"));
            None
        }
    }
}
