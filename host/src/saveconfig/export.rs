//! A spec becomes a saved configuration.

use std::net::{IpAddr, SocketAddr};

use configfs_rs::lio::rule::Group;
use serde_json::{Map, Value, json};

use super::extension;
use super::target::RAISED;
use crate::spec::{
    Acl, AluaGroup, Backstore, Chap, DemoMode, Fabric, FileioMode, ISCSI_PORT, PortalSpec, Spec,
    StorageObject, Target, Tpg,
};

/// What a run chose where its spec leaves the choice.
pub struct Chosen<'a> {
    /// The serial of a storage object.
    pub serial: &'a dyn Fn(&StorageObject) -> String,
    /// The path in the guest of what a storage object of `fileio` or `block` stands on.
    pub path: &'a dyn Fn(&StorageObject) -> String,
    /// Where the portals of all iSCSI targets listen in the guest, in the spec's order.
    pub portals: &'a [SocketAddr],
}

/// A saved configuration and what is not in it.
#[derive(Clone, PartialEq)]
pub struct Exported {
    /// The document; with secrets in it if they were asked for.
    pub document: Value,
    /// What is not in it that the spec has, and why.
    pub notes: Vec<String>,
}

/// Turns a spec into what rtslib restores.
///
/// CHAP credentials, names and secrets alike, are in it only `with_secrets`: a name without its
/// secret would set up half.
#[must_use]
pub fn export(spec: &Spec, chosen: &Chosen<'_>, with_secrets: bool) -> Exported {
    let mut export =
        Export { spec, chosen, with_secrets, notes: Vec::new(), portals: chosen.portals };
    let objects = spec.storage_objects.iter().map(|object| export.storage_object(object));
    let objects: Vec<_> = objects.collect();
    let fabrics = export.discovery(spec);
    let targets: Vec<_> = spec.targets.iter().map(|target| export.target(target)).collect();
    let mut document = json!({
        "storage_objects": objects, "fabric_modules": fabrics, "targets": targets,
    });
    if let Some(extension) = extension::of(spec) {
        document[extension::MEMBER] = extension;
    }
    Exported { document, notes: export.notes }
}

impl Exported {
    /// The file's text, as rtslib writes it: keys sorted, indented, a newline at the end.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:#}\n", self.document)
    }
}

struct Export<'a> {
    spec: &'a Spec,
    chosen: &'a Chosen<'a>,
    with_secrets: bool,
    notes: Vec<String>,
    /// Those not given out yet.
    portals: &'a [SocketAddr],
}

impl Export<'_> {
    fn storage_object(&mut self, object: &StorageObject) -> Value {
        let mut value = json!({
            "name": object.name, "plugin": object.backstore.name(),
            "wwn": (self.chosen.serial)(object),
            "attributes": numbers(Group::StorageObjectAttribute, &object.attributes),
            "alua_tpgs": object.alua_groups.iter().map(|group| self.group(object, group))
                .collect::<Vec<_>>(),
        });
        match object.backstore {
            Backstore::Ramdisk => {
                value["size"] = object.size.into();
                if object.nullio {
                    value["nullio"] = true.into();
                }
            }
            Backstore::Fileio => {
                value["dev"] = (self.chosen.path)(object).into();
                value["size"] = object.size.into();
                value["write_back"] = (object.mode == FileioMode::Buffered).into();
                value["aio"] = (object.mode == FileioMode::Async).into();
            }
            Backstore::Block => {
                value["dev"] = (self.chosen.path)(object).into();
                value["readonly"] = object.read_only.into();
                value["write_back"] = false.into();
            }
        }
        value
    }

    fn group(&mut self, object: &StorageObject, group: &AluaGroup) -> Value {
        let mut value = json!({
            "name": group.name, "tg_pt_gp_id": group.id,
            "alua_access_state": group.access_state.code(),
            "alua_access_type": group.access_type.code(),
            "preferred": u8::from(group.preferred),
        });
        for (key, number) in [
            ("nonop_delay_msecs", group.nonop_delay_msecs),
            ("trans_delay_msecs", group.trans_delay_msecs),
            ("implicit_trans_secs", group.implicit_trans_secs),
            ("alua_write_metadata", group.write_metadata.map(u32::from)),
        ] {
            if let Some(number) = number {
                value[key] = number.into();
            }
        }
        for (state, on) in &group.support {
            // rtslib gives up on all that follows when it is to set this one.
            if *state == "lba_dependent" {
                self.notes.push(format!(
                    "support_lba_dependent of the ALUA group {} of {} is not in it: rtslib cannot \
                     set it",
                    group.name, object.name
                ));
            } else {
                value[format!("alua_support_{state}")] = u8::from(*on).into();
            }
        }
        value
    }

    fn discovery(&mut self, spec: &Spec) -> Vec<Value> {
        let mut value = Map::new();
        self.credentials(&mut value, "discovery_", spec.discovery.chap.as_ref(), "discovery");
        if value.is_empty() {
            return Vec::new();
        }
        value.insert("name".into(), "iscsi".into());
        value.insert("discovery_enable_auth".into(), true.into());
        vec![Value::Object(value)]
    }

    fn credentials(
        &mut self,
        value: &mut Map<String, Value>,
        prefix: &str,
        chap: Option<&Chap>,
        whose: &str,
    ) {
        let Some(chap) = chap else { return };
        if !self.with_secrets {
            self.notes.push(format!("the CHAP credentials of {whose} are not in it"));
            return;
        }
        let mut set = |key: &str, text: &str| value.insert(format!("{prefix}{key}"), text.into());
        set("userid", &chap.userid);
        set("password", chap.password.reveal());
        if let Some(mutual) = &chap.mutual {
            set("mutual_userid", &mutual.userid);
            set("mutual_password", mutual.password.reveal());
        }
    }

    fn target(&mut self, target: &Target) -> Value {
        let iscsi = target.fabric == Fabric::Iscsi;
        let tpgs = target.tpgs.iter().map(|tpg| match iscsi {
            true => self.iscsi_tpg(&target.wwn, tpg),
            false => self.tpg(tpg),
        });
        let mut value = json!({
            "fabric": target.fabric.name(), "wwn": target.wwn, "tpgs": tpgs.collect::<Vec<_>>(),
        });
        if let Some(affinity) = target.cmd_completion_affinity {
            value["parameters"] = json!({ "cmd_completion_affinity": affinity.to_string() });
        }
        value
    }

    /// What a TPG of every fabric has.
    fn tpg(&self, tpg: &Tpg) -> Value {
        let luns = tpg.luns.iter().filter_map(|lun| {
            let plugin = self.spec.storage_object(&lun.storage_object)?.backstore.name();
            let mut value = json!({
                "index": lun.lun,
                "storage_object": format!("/backstores/{plugin}/{}", lun.storage_object),
            });
            if let Some(group) = &lun.alua_group {
                value["alua_tg_pt_gp_name"] = group.as_str().into();
            }
            Some(value)
        });
        json!({
            "tag": tpg.tag, "enable": tpg.enable, "luns": luns.collect::<Vec<_>>(),
            "attributes": numbers(Group::TpgAttribute, &tpg.attributes),
            "portals": [], "node_acls": [],
        })
    }

    fn iscsi_tpg(&mut self, wwn: &str, tpg: &Tpg) -> Value {
        let mut value = self.tpg(tpg);
        for (name, on) in [
            ("authentication", tpg.authenticates()),
            ("generate_node_acls", tpg.demo_mode != DemoMode::Off),
            ("demo_mode_write_protect", tpg.demo_mode != DemoMode::Writable),
        ] {
            if value["attributes"].get(name).is_none() {
                value["attributes"][name] = u8::from(on).into();
            }
        }
        let parameters = tpg.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let raised = tpg.parameters.iter().all(|(name, _)| name != RAISED.0).then_some(RAISED);
        let parameters: Map<_, _> =
            parameters.chain(raised).map(|(name, value)| (name.to_owned(), value.into())).collect();
        value["parameters"] = parameters.into();
        value["portals"] = tpg.portals.iter().map(|portal| self.portal(*portal)).collect();
        value["node_acls"] = tpg.acls.iter().map(|acl| self.acl(acl)).collect();
        if let Some(object) = value.as_object_mut() {
            let whose = format!("TPG {} of {wwn}", tpg.tag);
            self.credentials(object, "chap_", tpg.chap.as_ref(), &whose);
        }
        value
    }

    fn portal(&mut self, portal: PortalSpec) -> Value {
        let (chosen, rest) = match self.portals.split_first() {
            Some((chosen, rest)) => (*chosen, rest),
            None => (SocketAddr::new(portal.address, portal.port.unwrap_or(ISCSI_PORT)), &[][..]),
        };
        self.portals = rest;
        // rtslib puts the address before the port as it is.
        let address = match chosen.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        json!({ "ip_address": address, "port": chosen.port(), "iser": false, "offload": false })
    }

    fn acl(&mut self, acl: &Acl) -> Value {
        let mapped = acl.mapped_luns.iter().map(|mapped| {
            json!({
                "index": mapped.mapped_lun, "tpg_lun": mapped.lun,
                "write_protect": mapped.write_protect,
            })
        });
        let mut value = Map::new();
        value.insert("node_wwn".into(), acl.initiator.as_str().into());
        value.insert("mapped_luns".into(), mapped.collect());
        value.insert("attributes".into(), numbers(Group::AclAttribute, &acl.attributes).into());
        if let Some(depth) = acl.cmdsn_depth {
            value.insert("tcq_depth".into(), depth.into());
        }
        if let Some(tag) = &acl.tag {
            value.insert("tag".into(), tag.as_str().into());
        }
        let whose = format!("the ACL of {}", acl.initiator);
        self.credentials(&mut value, "chap_", acl.chap.as_ref(), &whose);
        value.into()
    }
}

/// Attributes as rtslib keeps them: numbers where they are numbers.
fn numbers(group: Group, attributes: &[(String, String)]) -> Map<String, Value> {
    let number = |(name, text): &(String, String)| {
        let normal = group.rule(name).and_then(|rule| rule.check(text).ok());
        let text = normal.as_ref().unwrap_or(text);
        let value = text.parse::<i64>().map_or_else(|_| text.as_str().into(), Value::from);
        (name.clone(), value)
    };
    attributes.iter().map(number).collect()
}
