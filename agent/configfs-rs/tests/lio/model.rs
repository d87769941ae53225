//! LIO's tree as a model that insists on what the kernel insists on.

use std::collections::{BTreeMap, BTreeSet};

use configfs_rs::lio::rule::{Change as When, Group, rule_at};
use configfs_rs::plan::{Step, Undo};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    files: BTreeMap<String, u64>,
    groups: BTreeSet<String>,
    links: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
}

impl Model {
    pub(crate) fn after(steps: &[Step]) -> Model {
        let mut model = Model::default();
        steps.iter().for_each(|step| model.step(step));
        model
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::CreateFile { path, size } => {
                assert_eq!(self.files.insert(path.clone(), *size), None, "{step}");
            }
            Step::MakeDirectory { path } => {
                assert!(self.groups.insert(path.to_string()), "{step}: EEXIST");
            }
            Step::Link { target, at } => self.link(target.as_str(), at.as_str()),
            Step::WriteAttribute { path, value, .. } => self.write(path.as_str(), value.expose()),
        }
    }

    pub(crate) fn undo(&mut self, undo: &Undo) {
        match undo {
            Undo::RemoveFile { path } => assert!(self.files.remove(path).is_some(), "{undo}"),
            Undo::RemoveDirectory { path } => self.rmdir(path.as_str()),
            Undo::Unlink { at } => self.unlink(at.as_str()),
            Undo::WriteAttribute { path, value } => self.write(path.as_str(), value.expose()),
        }
    }

    fn link(&mut self, target: &str, at: &str) {
        assert!(self.groups.contains(target), "{at} to {target}: ENOENT");
        let group = at.rsplit_once('/').unwrap().0;
        assert!(self.groups.contains(group), "{at}: ENOENT");
        assert!(
            !self.links.keys().any(|link| link.starts_with(&format!("{group}/"))),
            "{at}: EEXIST"
        );
        if target.contains("/core/") {
            assert_eq!(self.attributes.get(&format!("{target}/enable")).unwrap(), "1", "ENODEV");
        } else {
            let exported = self.links.keys().any(|link| link.starts_with(&format!("{target}/")));
            assert!(exported, "{at} to {target}: EINVAL, the LUN is not linked");
        }
        if at.contains("/loopback/") {
            let nexus = format!("{}/nexus", at.split("/lun/").next().unwrap());
            assert!(self.attributes.contains_key(&nexus), "{at}: no disk will appear");
        }
        self.links.insert(at.to_owned(), target.to_owned());
    }

    fn unlink(&mut self, at: &str) {
        assert!(self.links.remove(at).is_some(), "unlink {at}: ENOENT");
        let group = at.rsplit_once('/').unwrap().0;
        assert!(!self.links.values().any(|target| target == group), "unlink {at}: still mapped");
        self.attributes.retain(|path, _| !path.starts_with(&format!("{group}/")));
    }

    fn rmdir(&mut self, path: &str) {
        let inside = format!("{path}/");
        assert!(self.groups.remove(path), "rmdir {path}: ENOENT");
        assert!(!self.groups.iter().any(|other| other.starts_with(&inside)), "{path}: ENOTEMPTY");
        assert!(!self.links.keys().any(|other| other.starts_with(&inside)), "{path}: ENOTEMPTY");
        assert!(!self.links.values().any(|target| target == path), "rmdir {path}: EBUSY");
        if path.contains("/tpgt_") && path.matches('/').count() == 3 {
            assert!(!self.attributes.contains_key(&format!("{inside}nexus")), "{path}: EBUSY");
            assert!(!self.attributes.contains_key(&format!("{inside}enable")), "sessions open");
        }
        if let Some((device, group)) = path.split_once("/alua/") {
            self.leave_alua_group(device, group);
        }
        self.attributes.retain(|path, _| !path.starts_with(&inside));
    }

    /// Members of a group that goes fall back to LIO's own.
    fn leave_alua_group(&mut self, device: &str, group: &str) {
        let links = self.links.clone();
        self.attributes.retain(|path, value| {
            let lun = path.strip_suffix("/alua_tg_pt_gp");
            let link = lun.and_then(|lun| links.get(&format!("{lun}/storage_object")));
            !(link.is_some_and(|target| target == device) && value == group)
        });
    }

    fn write(&mut self, path: &str, value: &str) {
        let rule = rule_at(path).unwrap_or_else(|| panic!("{path} has no rule"));
        let device: Vec<&str> = path.split('/').take(4).collect();
        let exported = self.links.values().any(|target| *target == device.join("/"));
        match rule.change {
            When::Unexported => assert!(!exported, "{path}: EINVAL, exported"),
            When::Never if rule.name == "nexus" && value == "NULL" => {}
            When::Never => assert!(!self.attributes.contains_key(path), "{path}: set already"),
            When::Live => {}
        }
        if rule.after_enable {
            assert!(
                self.attributes.contains_key(&format!("{}/enable", device.join("/"))),
                "{path}"
            );
        }
        self.check_group(path);
        let generates = |tpg: &str| self.attributes.get(&format!("{tpg}/generate_node_acls"));
        if let Some(group) = path.strip_suffix("/cache_dynamic_acls")
            && generates(group).is_some_and(|on| on == "1")
        {
            return;
        }
        if let Some(group) = path.strip_suffix("/generate_node_acls")
            && value == "1"
        {
            self.attributes.insert(format!("{group}/cache_dynamic_acls"), "1".to_owned());
        }
        // What is as LIO has it by itself is not told apart from what was never written.
        let own = rule.default.map(|own| (own != value).then(|| value.to_owned()));
        let cleared = rule.name == "nexus" && value == "NULL";
        match own.unwrap_or_else(|| (!cleared).then(|| value.to_owned())) {
            Some(value) => drop(self.attributes.insert(path.to_owned(), value)),
            None => drop(self.attributes.remove(path)),
        }
    }

    fn check_group(&self, path: &str) {
        let group = path.rsplit_once('/').unwrap().0;
        let own = ["attrib", "param", "auth", "wwn", "discovery_auth"];
        let (above, last) = group.rsplit_once('/').unwrap();
        let made = if own.contains(&last) { above } else { group };
        assert!(self.groups.contains(made), "{path}: ENOENT");
        if Group::of(path) == Some(Group::TpgLun) {
            assert!(self.links.contains_key(&format!("{group}/storage_object")), "{path}: ENODEV");
        }
    }
}
