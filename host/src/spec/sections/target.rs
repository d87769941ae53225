//! `[[target]]` and `[[target.tpg]]`.

use super::attributes::{self, Group};
use super::keys::{ACL, LUN, TARGET, TPG};
use super::{acl, chap, folded, require, text};
use crate::spec::reader::{Reader, Section};
use crate::spec::storage::{attribute, is_true};
use crate::spec::{
    Base, DemoMode, Fabric, LOOPBACK_TPG_TAGS, LUNS, Lun, PortalSpec, TPG_TAGS, Target, Tpg,
};

/// What `cmd_completion_affinity` may be, before the machine's CPUs are known.
const AFFINITIES: std::ops::RangeInclusive<i32> = -2..=1023;

pub(super) fn read_all(root: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Vec<Target> {
    let sections = root.sections("target", TARGET, reader);
    sections.iter().map(|section| read(section, base, reader)).collect()
}

fn read(section: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Target {
    let fabric = section.choice("fabric", &Fabric::WORDS, reader).unwrap_or(Fabric::Iscsi);
    let example = match fabric {
        Fabric::Iscsi => "a name such as \"iqn.2024-05.org.example:one\"",
        Fabric::Loopback => "a name such as \"naa.5001405000000001\"",
    };
    require(section, "wwn", example, reader);
    require(section, "tpg", "a [[target.tpg]]", reader);
    let misplaced = match fabric {
        Fabric::Iscsi => ("nexus", "loopback"),
        Fabric::Loopback => ("cmd_completion_affinity", "iscsi"),
    };
    refuse(section, &[misplaced.0], misplaced.1, fabric, reader);
    let tpgs = section.sections("tpg", TPG, reader);
    Target {
        fabric,
        wwn: folded(section, "wwn", reader).unwrap_or_default(),
        nexus: folded(section, "nexus", reader),
        cmd_completion_affinity: section.integer("cmd_completion_affinity", &AFFINITIES, reader),
        tpgs: tpgs.iter().map(|tpg| read_tpg(tpg, fabric, base, reader)).collect(),
    }
}

/// Reports keys that another fabric has.
fn refuse(
    section: &Section<'_>,
    keys: &[&str],
    needed: &str,
    fabric: Fabric,
    reader: &mut Reader<'_>,
) {
    for key in keys.iter().filter(|key| section.has(key)) {
        let shown = section.shown(key);
        let message = format!("{shown} is for {needed} only, this target is of {}", fabric.name());
        let (span, path) = (section.span_of(key), section.path.key(key));
        reader.fault_with_hint(span, path, message, Some("leave it out".to_owned()));
    }
}

fn read_tpg(section: &Section<'_>, fabric: Fabric, base: Base<'_>, reader: &mut Reader<'_>) -> Tpg {
    require(section, "luns", "a list such as [{ lun = 0, storage_object = \"disk0\" }]", reader);
    let (tags, group) = match fabric {
        Fabric::Iscsi => (TPG_TAGS, Group::Tpg),
        Fabric::Loopback => (LOOPBACK_TPG_TAGS, Group::LoopbackTpg),
    };
    if fabric == Fabric::Loopback {
        let keys = ["enable", "portals", "parameters", "chap", "demo_mode", "acl"];
        refuse(section, &keys, "iscsi", fabric, reader);
    }
    let luns = section.sections("luns", LUN, reader);
    let luns: Vec<Lun> = luns.iter().map(|lun| read_lun(lun, reader)).collect();
    let unknown = section.boolean("allow_unknown_attributes", reader).unwrap_or(false);
    let attributes = attributes::read(section, "attributes", group, unknown, reader);
    let write_protect = attribute(&attributes, "prod_mode_write_protect").is_some_and(is_true);
    let acls = section.sections("acl", ACL, reader);
    let acls: Vec<_> =
        acls.iter().map(|acl| acl::read(acl, &luns, write_protect, base, reader)).collect();
    Tpg {
        tag: section.integer("tag", &tags, reader).unwrap_or(1),
        enable: section.boolean("enable", reader).unwrap_or(true),
        portals: read_portals(section, fabric, reader),
        parameters: attributes::read(section, "parameters", Group::Parameters, unknown, reader),
        chap: chap::read(section, base, reader),
        demo_mode: read_demo_mode(section, &attributes, acls.is_empty(), reader),
        luns,
        attributes,
        allow_unknown_attributes: unknown,
        acls,
    }
}

fn read_lun(section: &Section<'_>, reader: &mut Reader<'_>) -> Lun {
    require(section, "lun", "a number", reader);
    require(section, "storage_object", "the name of one", reader);
    Lun {
        lun: section.integer("lun", &LUNS, reader).unwrap_or_default(),
        storage_object: text(section, "storage_object", reader).unwrap_or_default(),
        alua_group: text(section, "alua_group", reader),
    }
}

fn read_portals(section: &Section<'_>, fabric: Fabric, reader: &mut Reader<'_>) -> Vec<PortalSpec> {
    if fabric == Fabric::Loopback {
        return Vec::new();
    }
    if !section.has("portals") {
        return vec![PortalSpec::DEFAULT];
    }
    let mut portals = Vec::new();
    for item in section.strings("portals", "portal", reader) {
        portals.push(PortalSpec::parse(item.text).unwrap_or_else(|error| {
            reader.fault_with_hint(item.span, item.path, &error, error.hint());
            // Something must stand in its place, or the numbers of those after it would shift.
            PortalSpec::DEFAULT
        }));
    }
    portals
}

/// What the key says, or else the attributes it stands for, or else everything where there are no
/// ACLs and nothing where there are.
fn read_demo_mode(
    section: &Section<'_>,
    attributes: &[(String, String)],
    no_acls: bool,
    reader: &mut Reader<'_>,
) -> DemoMode {
    let written = section.choice("demo_mode", &DemoMode::WORDS, reader);
    let generate = attribute(attributes, "generate_node_acls").map(is_true);
    let protect = attribute(attributes, "demo_mode_write_protect").map(is_true);
    let mode = written.unwrap_or(match (generate.unwrap_or(no_acls), protect) {
        (false, _) => DemoMode::Off,
        (true, Some(true)) => DemoMode::ReadOnly,
        (true, _) => DemoMode::Writable,
    });
    let contradicted = [
        ("generate_node_acls", generate, mode != DemoMode::Off),
        ("demo_mode_write_protect", protect.filter(|_| mode != DemoMode::Off), {
            mode == DemoMode::ReadOnly
        }),
    ];
    for (name, set, meant) in contradicted {
        if written.is_some() && set.is_some_and(|set| set != meant) {
            let path = section.path.key("attributes").key(name);
            let set = u8::from(!meant);
            let message = format!("{set} contradicts demo_mode = {:?}, which sets it", mode.name());
            let hint = Some("leave the attribute out".to_owned());
            reader.fault_with_hint(section.span_within("attributes", name), path, message, hint);
        }
    }
    mode
}
