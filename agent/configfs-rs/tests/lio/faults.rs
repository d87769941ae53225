//! Contradictions that only the whole shows, each told with its place.

use std::num::NonZeroU16;

use configfs_rs::lio::iscsi::{Acl, MappedLun};
use configfs_rs::lio::{
    AluaAccessState, AluaAccessType, AluaGroup, AluaGroupName, Attributes, Backing, BackingPath,
    Backstore, Chap, Configuration, Credentials, FileMode, FileSize, Fileio, IscsiName,
    LoopbackTag, Lun, Naa, Parts, Place, UnknownAttributes, loopback, plan,
};
use configfs_rs::plan::Step;

use crate::descriptions::{block, fileio, parts, ramdisk, target, tpg};
use crate::dice::set;

const IQN: &str = "iqn.2015-04.org.x:t";

/// A ramdisk, a file, a device, and a target that exports the ramdisk to whoever comes.
fn sound() -> Parts {
    let objects = vec![ramdisk("r", "1"), fileio("f", "/f", "2"), block("b", "/dev/b", "3")];
    parts(objects, vec![target(IQN, vec![tpg(1, &[(0, "r")], &["127.0.0.1:1"])])])
}

fn acl(name: &str, mapped: &[(u8, u8)]) -> Acl {
    let mapped = mapped.iter().map(|(mapped_lun, lun)| MappedLun {
        mapped_lun: Lun(*mapped_lun),
        lun: Lun(*lun),
        write_protect: false,
    });
    Acl::new(IscsiName::new(&format!("iqn.2015-04.org.i:{name}")).unwrap(), mapped.collect())
}

fn group(name: &str, id: u16) -> AluaGroup {
    AluaGroup {
        name: AluaGroupName::new(name).unwrap(),
        id: NonZeroU16::new(id).unwrap(),
        access_type: AluaAccessType::Implicit,
        access_state: AluaAccessState::Standby,
        attributes: Attributes::new(),
    }
}

fn chap() -> Chap {
    Chap::one_way(Credentials::new("u", "twelve-bytes").unwrap())
}

fn lun_in(number: u8, object: &str, alua_group: Option<&str>) -> configfs_rs::lio::iscsi::TpgLun {
    let mut lun = tpg(1, &[(number, object)], &[]).luns.remove(0);
    lun.alua_group = alua_group.map(|name| AluaGroupName::new(name).unwrap());
    lun
}

/// One edit of what is sound, and the only fault it makes.
fn check(place: Place, told: &str, edit: impl FnOnce(&mut Parts)) {
    let mut parts = sound();
    edit(&mut parts);
    let faults = Configuration::new(parts).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.place, fault.to_string())).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, place, "{}", found[0].1);
    assert!(found[0].1.contains(told), "{}", found[0].1);
}

#[test]
fn what_is_sound_is_taken_without_a_doubt() {
    assert_eq!(Configuration::new(sound()).unwrap().doubts(), []);
}

#[test]
fn a_backstore_is_not_asked_for_what_it_cannot_do() {
    let attribute = |index: usize, name: &'static str, value: &'static str, told: &str| {
        check(Place::StorageObject(index), told, |parts| {
            set(&mut parts.storage_objects[index].attributes, name, value);
        });
    };
    attribute(0, "emulate_tpu", "1", "a ramdisk cannot unmap");
    attribute(0, "unmap_zeroes_data", "yes", "a ramdisk cannot unmap");
    attribute(0, "pi_prot_format", "1", "a ramdisk cannot be formatted");
    attribute(0, "queue_depth", "129", "more than the backstore's 128");
    attribute(1, "emulate_write_cache", "0", "initiators must know");
    attribute(1, "optimal_sectors", "16385", "more than a fileio's 16384 blocks");
    attribute(1, "pi_prot_format", "1", "needs a pi_prot_type");
    attribute(2, "emulate_write_cache", "1", "that of its device");
    attribute(1, "block_size", "4095", "is not 512, 1024, 2048 or 4096");
    attribute(1, "emulate_frobnicate", "1", "no attribute that LIO is known to have");
    attribute(1, "alua_support", "0", "is not 1");
}

#[test]
fn a_device_cannot_be_two_and_cannot_be_protected_as_a_file() {
    check(Place::StorageObject(2), "the same file or device", |parts| {
        parts.storage_objects[2] = block("b", "/f", "3");
    });
    check(Place::StorageObject(1), "cannot store protection information", |parts| {
        let path = BackingPath::new("/dev/f").unwrap();
        let backing = Backing::Device { path, size: FileSize::new(1 << 20).unwrap() };
        let mode = FileMode::WriteThrough;
        parts.storage_objects[1].backstore = Backstore::Fileio(Fileio { backing, mode });
        set(&mut parts.storage_objects[1].attributes, "pi_prot_type", "1");
    });
    check(Place::StorageObject(1), "longer than the 15 bytes", |parts| {
        parts.storage_objects[1] = fileio("sixteen-letters-", "/f", "2");
        set(&mut parts.storage_objects[1].attributes, "emulate_model_alias", "1");
    });
}

#[test]
fn the_company_counts_when_serials_are_compared() {
    let mut parts = sound();
    parts.storage_objects[1].serial = parts.storage_objects[0].serial.clone();
    assert!(Configuration::new(parts.clone()).is_err());
    parts.storage_objects[1].company_id = Some(configfs_rs::lio::CompanyId::new(7).unwrap());
    assert!(Configuration::new(parts).is_ok());
}

#[test]
fn alua_groups_are_ones_lio_takes() {
    let place = Place::AluaGroup(0, 1);
    let with = |edit: fn(&mut AluaGroup)| {
        move |parts: &mut Parts| {
            let mut other = group("b", 2);
            edit(&mut other);
            parts.storage_objects[0].alua_groups = vec![group("a", 1), other];
        }
    };
    check(place, "has ALUA group a twice", with(|g| g.name = AluaGroupName::new("a").unwrap()));
    check(place, "have the same id", with(|g| g.id = NonZeroU16::MIN));
    check(place, "access type is not implicit", with(|g| g.access_type = AluaAccessType::Explicit));
    check(place, "only with a map", with(|g| g.access_state = AluaAccessState::LbaDependent));
    check(place, "is set by its own field", with(|g| set(&mut g.attributes, "tg_pt_gp_id", "9")));
    check(place, "says it has not", with(|g| set(&mut g.attributes, "alua_support_standby", "0")));
    check(place, "from 0 to 10000", with(|g| set(&mut g.attributes, "nonop_delay_msecs", "10001")));
    check(Place::TpgLun(0, 0, 0), "ALUA group a, which r does not have", |parts| {
        parts.targets[0].tpgs[0].luns = vec![lun_in(0, "r", Some("a"))];
    });
}

#[test]
fn what_an_acl_maps_is_there_once() {
    let place = Place::Acl(0, 0, 1);
    let two = |second: Acl| {
        move |parts: &mut Parts| {
            let tpg = &mut parts.targets[0].tpgs[0];
            tpg.luns.push(lun_in(4, "f", None));
            tpg.acls = vec![acl("a", &[(0, 0)]), second];
        }
    };
    check(place, "has ACL iqn.2015-04.org.i:a twice", two(acl("a", &[(0, 4)])));
    let place = Place::MappedLun(0, 0, 1, 1);
    check(place, "has mapped lun_0 twice", two(acl("b", &[(0, 0), (0, 4)])));
    check(place, "maps lun_4 twice", two(acl("b", &[(0, 4), (1, 4)])));
    check(place, "maps lun_5, which the TPG does not export", two(acl("b", &[(0, 4), (1, 5)])));
}

#[test]
fn nobody_is_asked_for_a_secret_that_is_not_there() {
    check(Place::Tpg(0, 0), "asks for CHAP in demo mode, but has no credentials", |parts| {
        set(&mut parts.targets[0].tpgs[0].attributes, "authentication", "1");
    });
    check(Place::Acl(0, 0, 0), "asks for CHAP, but has no credentials", |parts| {
        let mut one = acl("a", &[(0, 0)]);
        set(&mut one.attributes, "authentication", "1");
        parts.targets[0].tpgs[0].acls = vec![one];
    });
    let mut parts = sound();
    let tpg = &mut parts.targets[0].tpgs[0];
    set(&mut tpg.attributes, "authentication", "1");
    tpg.chap = Some(chap());
    tpg.acls = vec![acl("a", &[(0, 0)])];
    tpg.acls[0].chap = Some(chap());
    assert!(Configuration::new(parts).is_ok());
}

#[test]
fn sessions_are_offered_what_can_be() {
    check(Place::Tpg(0, 0), "FirstBurstLength", |parts| {
        let parameters = &mut parts.targets[0].tpgs[0].parameters;
        set(parameters, "FirstBurstLength", "8192");
        set(parameters, "MaxBurstLength", "4096");
    });
    check(Place::Tpg(0, 0), "stays on while generate_node_acls is", |parts| {
        set(&mut parts.targets[0].tpgs[0].attributes, "cache_dynamic_acls", "0");
    });
    check(Place::Tpg(0, 0), "AuthMethod", |parts| {
        set(&mut parts.targets[0].tpgs[0].parameters, "AuthMethod", "None");
    });
}

#[test]
fn loopback_targets_are_checked_too() {
    let naa = |last: u8| Naa::new(&format!("naa.500140500000000{last}")).unwrap();
    let one = || loopback::Tpg {
        tag: LoopbackTag::new(1).unwrap(),
        nexus: naa(9),
        luns: vec![lun_in(0, "r", None)],
    };
    let target = |tpgs| loopback::Target { wwn: naa(0), tpgs };
    check(Place::LoopbackTarget(1), "two targets are named naa.", |parts| {
        parts.loopback_targets = vec![target(vec![one()]), target(vec![])];
    });
    check(Place::LoopbackTpg(0, 1), "has tpgt_1 twice", |parts| {
        parts.loopback_targets = vec![target(vec![one(), one()])];
    });
    check(Place::LoopbackLun(0, 0, 1), "exports gone, which is no storage object", |parts| {
        let mut tpg = one();
        tpg.luns.push(lun_in(1, "gone", None));
        parts.loopback_targets = vec![target(vec![tpg])];
    });
}

#[test]
fn what_has_no_rule_is_written_only_when_asked_and_then_doubted() {
    let mut parts = sound();
    set(&mut parts.storage_objects[0].attributes, "emulate_rsoc", "1");
    parts.unknown_attributes = UnknownAttributes::Allow;
    let configuration = Configuration::new(parts).unwrap();
    let doubt = &configuration.doubts()[0];
    assert_eq!(doubt.attribute.as_deref(), Some("emulate_rsoc"));
    assert!(plan(&configuration).iter().any(|step| step.to_string().ends_with("emulate_rsoc")));
}

#[test]
fn secrets_nobody_asks_for_and_an_acl_that_shows_nothing_are_doubts() {
    let mut parts = sound();
    let tpg = &mut parts.targets[0].tpgs[0];
    tpg.chap = Some(chap());
    tpg.acls = vec![acl("a", &[])];
    tpg.acls[0].chap = Some(chap());
    let configuration = Configuration::new(parts).unwrap();
    let places: Vec<Place> = configuration.doubts().iter().map(|doubt| doubt.place).collect();
    assert_eq!(places, [Place::Tpg(0, 0), Place::Acl(0, 0, 0), Place::Acl(0, 0, 0)]);
}

#[test]
fn values_are_written_as_the_kernel_prints_them() {
    let mut parts = sound();
    set(&mut parts.storage_objects[1].attributes, "emulate_tpu", "true");
    set(&mut parts.targets[0].tpgs[0].parameters, "InitialR2T", "false");
    let steps = plan(&Configuration::new(parts).unwrap());
    let lines: Vec<String> = steps.iter().map(Step::to_string).collect();
    assert!(
        lines.iter().any(|line| line.starts_with("write 1 to") && line.ends_with("emulate_tpu"))
    );
    assert!(
        lines.iter().any(|line| line.starts_with("write No to") && line.ends_with("InitialR2T"))
    );
}
