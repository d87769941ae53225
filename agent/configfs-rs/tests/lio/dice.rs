//! Any whole configuration, from a row of numbers.

use configfs_rs::Value;
use configfs_rs::lio::iscsi::{Acl, Discovery, MappedLun, Target, Tpg, TpgLun};
use configfs_rs::lio::{
    AluaAccessState, AluaAccessType, AluaGroup, AluaGroupName, AttributeName, Attributes, Chap,
    CmdsnDepth, Configuration, Credentials, IscsiName, LoopbackTag, Lun, Naa, Parts, StorageObject,
    StorageObjectName, TpgTag, loopback,
};

use crate::descriptions::{block, fileio, ramdisk, tpg};

/// Answers questions with the numbers it was given, and with 0 when there are none left.
pub(crate) struct Dice<'a>(pub(crate) &'a [u8]);

impl Dice<'_> {
    fn up_to(&mut self, most: u8) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first % (most + 1)
    }

    fn coin(&mut self) -> bool {
        self.up_to(1) == 1
    }

    fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.coin().then(|| some(self))
    }

    fn attributes(&mut self, choices: &[(&str, &[&str])]) -> Attributes {
        let mut attributes = Attributes::new();
        for (name, values) in choices {
            let pick = usize::from(self.up_to(u8::try_from(values.len()).unwrap()));
            if let Some(value) = values.get(pick) {
                set(&mut attributes, name, value);
            }
        }
        attributes
    }

    fn chap(&mut self, number: u8) -> Chap {
        let credentials = |user: &str, secret| {
            Credentials::new(user, &format!("{user}-secret-number-{secret}")).unwrap()
        };
        let one = credentials("in", number + self.up_to(1));
        match self.maybe(|_| credentials("out", number)) {
            None => Chap::one_way(one),
            Some(other) => Chap::mutual(one, other).unwrap(),
        }
    }

    fn storage_object(&mut self, number: u8) -> StorageObject {
        let (name, serial) = (format!("d{number}"), format!("{number:025x}"));
        // Which kind it is goes with the name: nothing that stands can become another kind.
        let mut object = match number % 3 {
            0 => ramdisk(&name, &serial),
            1 => fileio(&name, &format!("/files/{name}"), &serial),
            _ => block(&name, &format!("/dev/{name}"), &serial),
        };
        object.attributes =
            self.attributes(&[("emulate_caw", &["0", "1"]), ("emulate_3pc", &["0"])]);
        if number == 1 && self.up_to(3) == 0 {
            set(&mut object.attributes, "block_size", "4096");
        }
        for id in 1..=self.up_to(2) {
            object.alua_groups.push(self.alua_group(id));
        }
        object
    }

    fn alua_group(&mut self, id: u8) -> AluaGroup {
        let implicit = self.coin();
        let standby = implicit && self.coin();
        AluaGroup {
            name: AluaGroupName::new(&format!("g{id}")).unwrap(),
            id: u16::from(id).try_into().unwrap(),
            access_type: if implicit { AluaAccessType::Both } else { AluaAccessType::Explicit },
            access_state: if standby {
                AluaAccessState::Standby
            } else {
                AluaAccessState::Optimized
            },
            attributes: self
                .attributes(&[("preferred", &["1"]), ("nonop_delay_msecs", &["0", "7"])]),
        }
    }

    fn luns(&mut self, objects: &[StorageObject]) -> Vec<TpgLun> {
        let mut luns = Vec::new();
        for lun in 0..4 {
            let pick = usize::from(self.up_to(4));
            let Some(object) = objects.get(pick) else { continue };
            let alua_group = object.alua_groups.first().filter(|_| self.coin());
            luns.push(TpgLun {
                lun: Lun(lun),
                storage_object: StorageObjectName::new(object.name.as_str()).unwrap(),
                alua_group: alua_group.map(|group| group.name.clone()),
            });
        }
        luns
    }

    fn tpg(&mut self, target: u8, tag: u16, objects: &[StorageObject]) -> Tpg {
        let mut made = Tpg::new(TpgTag::new(tag).unwrap());
        made.enable = self.coin();
        made.attributes = self.attributes(&[
            ("authentication", &["0"]),
            ("generate_node_acls", &["0", "1"]),
            ("cache_dynamic_acls", &["1"]),
            ("prod_mode_write_protect", &["0", "1"]),
            ("default_cmdsn_depth", &["16", "32"]),
        ]);
        set(&mut made.attributes, "authentication", "0");
        made.parameters =
            self.attributes(&[("InitialR2T", &["No"]), ("MaxConnections", &["2", "3"])]);
        made.chap = self.maybe(|dice| dice.chap(10));
        made.luns = self.luns(objects);
        for port in 1..=self.up_to(2) {
            let portal = format!("127.0.{tag}.{}:{port}", target + 1);
            made.portals.extend(tpg(1, &[], &[&portal]).portals);
        }
        for number in 0..self.up_to(2) {
            made.acls.push(self.acl(number, &made.luns));
        }
        made
    }

    fn acl(&mut self, number: u8, luns: &[TpgLun]) -> Acl {
        let initiator = IscsiName::new(&format!("iqn.2015-04.org.i:{number}")).unwrap();
        let mut mapped = Vec::new();
        let shift = self.up_to(2);
        for lun in luns {
            if self.up_to(2) > 0 {
                let (mapped_lun, write_protect) = (Lun(lun.lun.0 + shift), self.coin());
                mapped.push(MappedLun { mapped_lun, lun: lun.lun, write_protect });
            }
        }
        let mut acl = Acl::new(initiator, mapped);
        acl.attributes = self.attributes(&[("nopin_timeout", &["0", "5"])]);
        acl.cmdsn_depth = self.maybe(|dice| CmdsnDepth::new(1 + u16::from(dice.up_to(5))).unwrap());
        acl.chap = self.maybe(|dice| dice.chap(20));
        acl
    }

    fn loopback(&mut self, number: u8, objects: &[StorageObject]) -> loopback::Target {
        let naa = |last: u8| Naa::new(&format!("naa.50014050000000{number}{last}")).unwrap();
        let tpg = |dice: &mut Self, tag: u8| loopback::Tpg {
            tag: LoopbackTag::new(tag.into()).unwrap(),
            nexus: naa(tag + 1),
            luns: dice.luns(objects),
        };
        let tpgs = (0..=self.up_to(1)).map(|tag| tpg(self, tag)).collect();
        loopback::Target { wwn: naa(0), tpgs }
    }

    pub(crate) fn configuration(mut self) -> Configuration {
        let mut objects = Vec::new();
        for number in 0..5 {
            objects.extend(self.maybe(|dice| dice.storage_object(number)));
        }
        let mut targets = Vec::new();
        for number in 0..self.up_to(2) {
            let wwn = IscsiName::new(&format!("iqn.2015-04.org.t:{number}")).unwrap();
            let tags = 1..=u16::from(self.up_to(2));
            let tpgs = tags.map(|tag| self.tpg(number, tag, &objects)).collect();
            targets.push(Target::new(wwn, tpgs));
        }
        let loopback_targets =
            (0..self.up_to(2)).map(|number| self.loopback(number, &objects)).collect();
        let discovery = self.maybe(|dice| Discovery { chap: dice.chap(30) });
        Configuration::new(Parts {
            storage_objects: objects,
            targets,
            loopback_targets,
            discovery,
            ..Parts::default()
        })
        .unwrap()
    }
}

pub(crate) fn set(attributes: &mut Attributes, name: &str, value: &str) {
    attributes.set(AttributeName::new(name).unwrap(), Value::new(value).unwrap());
}
