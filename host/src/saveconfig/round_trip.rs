//! The law: what is exported and imported again is the same spec.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use proptest::prelude::*;

use super::{Chosen, Options, export, import};
use crate::spec::{
    AccessState, AccessType, Acl, AluaGroup, Backstore, Base, Chap, Delay, DemoMode, Device,
    DeviceKind, Discovery, Disk, DiskContent, Fabric, FileioMode, Flakey, FlakeyFault, Lun,
    MappedLun, MutualChap, PortalSpec, Secret, SecretSource, Spec, StorageObject, Target, Tpg,
};
use std::time::Duration;

/// Where the secrets of an imported spec are.
fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned(), SecretSource::Environment("CHAP".into()))
}

fn chap() -> impl Strategy<Value = Option<Chap>> {
    let mutual = prop::option::of(
        "[a-z]{1,8}"
            .prop_map(|userid| MutualChap { userid, password: secret("target's-own-secret") }),
    );
    let chap =
        ("[a-zA-Z0-9._-]{1,20}", "[!-~]{12,30}", mutual).prop_map(|(userid, password, mutual)| {
            Chap { userid, password: secret(&password), mutual }
        });
    prop::option::of(chap)
}

fn some_of(
    all: &'static [(&'static str, &'static str)],
) -> impl Strategy<Value = Vec<(String, String)>> {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    prop::sample::subsequence(all, 0..=all.len())
        .prop_map(move |some| some.into_iter().map(pair).collect())
}

fn alua_groups() -> impl Strategy<Value = Vec<AluaGroup>> {
    let states = prop::sample::select(&AccessState::WORDS[..4]);
    let group = (states, any::<bool>(), prop::option::of(0_u32..1000), any::<bool>());
    prop::collection::vec(group, 0..3).prop_map(|groups| {
        let group =
            |(n, ((_, state), preferred, delay, standby)): (usize, ((_, _), _, Option<u32>, _))| {
                AluaGroup {
                    name: format!("group{n}"),
                    id: 10 + u16::try_from(n).unwrap(),
                    access_state: state,
                    access_type: AccessType::ImplicitAndExplicit,
                    preferred,
                    // What is as it would be anyway is left out.
                    nonop_delay_msecs: delay.filter(|delay| *delay != 100),
                    trans_delay_msecs: None,
                    implicit_trans_secs: None,
                    write_metadata: None,
                    support: if standby || state == AccessState::Standby {
                        vec![]
                    } else {
                        vec![("standby", false)]
                    },
                }
            };
        groups.into_iter().enumerate().map(group).collect()
    })
}

/// How a storage object holds its data, with the disk that takes.
fn holding() -> impl Strategy<Value = (StorageObject, Option<Disk>)> {
    let plain = object();
    let on = |kind, disk: Option<&str>| {
        Some(Device { kind, disk: disk.map(str::to_owned), parameters: vec![] })
    };
    let ramdisk = StorageObject { backstore: Backstore::Ramdisk, ..plain.clone() };
    let nullio = StorageObject { nullio: true, ..ramdisk.clone() };
    let through = StorageObject { mode: FileioMode::WriteThrough, ..plain.clone() };
    let zram = StorageObject {
        backstore: Backstore::Block,
        device: on(DeviceKind::Zram, None),
        delay: Some(Delay { read: Duration::from_millis(10), write: Duration::from_millis(20) }),
        ..plain.clone()
    };
    let null_blk = StorageObject {
        backstore: Backstore::Block,
        device: Some(Device {
            kind: DeviceKind::NullBlk,
            disk: None,
            parameters: vec![("memory_backed".into(), "1".into())],
        }),
        flakey: Some(Flakey {
            up: Duration::from_secs(10),
            down: Duration::from_secs(1),
            fault: FlakeyFault::DropWrites,
        }),
        vendor: Some("me".into()),
        revision: Some("1 a".into()),
        ..plain.clone()
    };
    let on_disk = StorageObject {
        backstore: Backstore::Block,
        device: on(DeviceKind::Disk, Some("")),
        read_only: true,
        ..plain.clone()
    };
    let asynchronous = StorageObject {
        mode: FileioMode::Async,
        device: on(DeviceKind::Disk, Some("")),
        ..plain.clone()
    };
    let disk = Disk {
        serial: String::new(),
        bus: crate::spec::Bus::Nvme,
        content: DiskContent::Scratch,
        size: 32 << 20,
        read_only: false,
        cache: crate::spec::DiskCache::None,
        aio: crate::spec::DiskAio::Native,
    };
    prop::sample::select(vec![
        (plain, None),
        (ramdisk, None),
        (nullio, None),
        (through, None),
        (zram, None),
        (null_blk, None),
        (on_disk, Some(disk.clone())),
        (asynchronous, Some(disk)),
    ])
}

fn object() -> StorageObject {
    StorageObject {
        name: String::new(),
        backstore: Backstore::Fileio,
        size: 32 << 20,
        nullio: false,
        mode: FileioMode::Buffered,
        device: None,
        delay: None,
        flakey: None,
        read_only: false,
        serial: None,
        vendor: None,
        product: None,
        revision: None,
        attributes: vec![],
        allow_unknown_attributes: false,
        alua_groups: vec![],
    }
}

const OBJECT_ATTRIBUTES: &[(&str, &str)] =
    &[("emulate_tas", "0"), ("emulate_caw", "0"), ("emulate_ua_intlck_ctrl", "2")];

fn storage_objects() -> impl Strategy<Value = (Vec<Disk>, Vec<StorageObject>)> {
    let one = (holding(), some_of(OBJECT_ATTRIBUTES), alua_groups());
    prop::collection::vec(one, 1..6).prop_map(|all| {
        let mut disks = Vec::new();
        let mut objects = Vec::new();
        for (n, ((mut object, disk), attributes, alua_groups)) in all.into_iter().enumerate() {
            object.name = format!("object.{n}");
            object.serial = Some(format!("{n:08x}-1111-4222-8333-444455556666"));
            object.attributes = attributes;
            object.alua_groups = alua_groups;
            if let (Some(disk), Some(device)) = (disk, &mut object.device) {
                device.disk = Some(format!("disk{n}"));
                disks.push(Disk { serial: format!("disk{n}"), ..disk });
            }
            objects.push(object);
        }
        (disks, objects)
    })
}

const TPG_ATTRIBUTES: &[(&str, &str)] =
    &[("login_timeout", "20"), ("default_cmdsn_depth", "128"), ("demo_mode_discovery", "0")];
const PARAMETERS: &[(&str, &str)] = &[
    ("MaxRecvDataSegmentLength", "65536"),
    ("InitialR2T", "No"),
    ("HeaderDigest", "None"),
    ("TargetAlias", "my target"),
];
const ACL_ATTRIBUTES: &[(&str, &str)] = &[("nopin_timeout", "20"), ("random_r2t_offsets", "1")];

fn acls() -> impl Strategy<Value = Vec<Acl>> {
    let depth = prop::option::of(1_u16..=512);
    let tag = prop::option::of("[a-z]{1,10}");
    let one = (depth, tag, some_of(ACL_ATTRIBUTES), chap(), any::<bool>(), any::<bool>());
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let acl = |(n, (cmdsn_depth, tag, attributes, chap, mapped, write_protect))| Acl {
            initiator: format!("iqn.2015-04.org.example:initiator-{n}"),
            mapped_luns: if mapped {
                vec![MappedLun { mapped_lun: 7, lun: 0, write_protect }]
            } else {
                vec![]
            },
            cmdsn_depth,
            tag,
            attributes,
            allow_unknown_attributes: false,
            chap,
        };
        all.into_iter().enumerate().map(acl).collect()
    })
}

fn tpg() -> impl Strategy<Value = Tpg> {
    let modes = prop::sample::select(&DemoMode::WORDS[..]);
    (modes, acls(), chap(), some_of(TPG_ATTRIBUTES), some_of(PARAMETERS), any::<bool>()).prop_map(
        |((_, demo_mode), mut acls, chap, attributes, parameters, enable)| {
            // Where there are credentials, who has none could not log in: a spec is refused then.
            let guarded = chap.is_some() || acls.iter().any(|acl| acl.chap.is_some());
            acls.retain(|acl| !guarded || acl.chap.is_some());
            let open = !guarded || chap.is_some();
            Tpg {
                tag: 0,
                enable,
                luns: vec![],
                portals: vec![],
                attributes,
                parameters,
                allow_unknown_attributes: false,
                chap,
                demo_mode: if open { demo_mode } else { DemoMode::Off },
                acls,
            }
        },
    )
}

const ADDRESSES: [&str; 4] = ["127.0.0.1", "0.0.0.0", "::1", "127.0.0.2"];

fn specs() -> impl Strategy<Value = Spec> {
    let target = (prop::collection::vec(tpg(), 1..3), prop::option::of(-2_i32..=0));
    let targets = prop::collection::vec(target, 0..3);
    (storage_objects(), targets, chap(), any::<bool>()).prop_map(
        |((disks, storage_objects), targets, discovery, loopback)| {
            let mut spec = Spec::builtin().unwrap();
            let lun = |index: usize| {
                let object = &storage_objects[index % storage_objects.len()];
                let alua_group = object.alua_groups.first().map(|group| group.name.clone());
                Lun { lun: 0, storage_object: object.name.clone(), alua_group }
            };
            let mut port = 3260;
            let mut made = Vec::new();
            for (t, (mut tpgs, affinity)) in targets.into_iter().enumerate() {
                for (n, tpg) in tpgs.iter_mut().enumerate() {
                    tpg.tag = u16::try_from(n + 1).unwrap();
                    tpg.luns = vec![lun(t + n), Lun { lun: 200, ..lun(t + n + 1) }];
                    for address in &ADDRESSES[..=n] {
                        port += 1;
                        let address = address.parse().unwrap();
                        tpg.portals.push(PortalSpec { address, port: Some(port) });
                    }
                }
                made.push(Target {
                    fabric: Fabric::Iscsi,
                    wwn: format!("iqn.2015-04.org.example:target-{t}"),
                    nexus: None,
                    cmd_completion_affinity: affinity.filter(|affinity| *affinity != -1),
                    tpgs,
                });
            }
            if loopback {
                made.push(loopback_target(lun(0)));
            }
            spec.benchmarks.clear();
            spec.benchmark_tables.clear();
            spec.discovery = Discovery { chap: discovery };
            spec.targets = made;
            spec.disks = disks;
            spec.storage_objects = storage_objects;
            spec
        },
    )
}

fn loopback_target(lun: Lun) -> Target {
    let tpg = Tpg {
        tag: 1,
        enable: true,
        luns: vec![lun],
        portals: vec![],
        attributes: vec![],
        parameters: vec![],
        allow_unknown_attributes: false,
        chap: None,
        demo_mode: DemoMode::Off,
        acls: vec![],
    };
    Target {
        fabric: Fabric::Loopback,
        wwn: "naa.5001405123456789".into(),
        nexus: Some("naa.5001405987654321".into()),
        cmd_completion_affinity: None,
        tpgs: vec![tpg],
    }
}

/// Where secrets came from is another place, and the order of attributes means nothing.
fn comparable(mut spec: Spec) -> Spec {
    let hide = |chap: &mut Option<Chap>| {
        if let Some(chap) = chap {
            chap.password = secret(chap.password.reveal());
            if let Some(mutual) = &mut chap.mutual {
                mutual.password = secret(mutual.password.reveal());
            }
        }
    };
    hide(&mut spec.discovery.chap);
    for object in &mut spec.storage_objects {
        object.attributes.sort();
    }
    for target in &mut spec.targets {
        for tpg in &mut target.tpgs {
            hide(&mut tpg.chap);
            tpg.attributes.sort();
            tpg.parameters.sort();
            if target.fabric == Fabric::Loopback {
                tpg.demo_mode = DemoMode::Off;
            }
            for acl in &mut tpg.acls {
                hide(&mut acl.chap);
                acl.attributes.sort();
            }
        }
    }
    spec.notes.clear();
    spec
}

fn chosen() -> Chosen<'static> {
    Chosen {
        serial: &|object| object.serial.clone().unwrap_or_default(),
        path: &|object| format!("/run/lunlab/{}", object.name),
        portals: &[],
    }
}

/// A spec as it comes back, its secrets in this directory.
fn exported_and_imported(spec: &Spec, directory: &Path) -> (String, Spec) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let exported = export(spec, &chosen(), true);
    let options = Options { all: false, disk_size: 1 << 30, secrets: "s".into() };
    let imported = import(&exported.text(), &options).unwrap();
    assert_eq!(imported.notes, []);
    fs::create_dir(directory.join("s")).unwrap();
    for secret in &imported.secrets {
        let mut options = fs::OpenOptions::new();
        let path = directory.join("s").join(&secret.file);
        let mut file = options.create_new(true).write(true).mode(0o600).open(path).unwrap();
        file.write_all(secret.reveal().as_bytes()).unwrap();
    }
    let base = Base { directory, home: None, environment: |_| None };
    let parsed = Spec::parse(&imported.spec, base);
    let parsed = parsed.unwrap_or_else(|faults| panic!("{faults}\n{}", imported.spec));
    (imported.spec, parsed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_exported_and_imported_again_is_the_same_spec(spec in specs()) {
        prop_assert_eq!(spec.check(), Ok(()));
        let directory = tempfile::tempdir().unwrap();
        let (toml, mut again) = exported_and_imported(&spec, directory.path());
        again.benchmarks.clear();
        again.benchmark_tables.clear();
        prop_assert_eq!(comparable(again), comparable(spec), "{}", toml);
    }

    #[test]
    fn no_secret_is_in_an_export_that_was_not_asked_for_it(spec in specs()) {
        let exported = export(&spec, &chosen(), false);
        let text = exported.text();
        prop_assert!(!text.contains("chap_") && !text.contains("discovery_"), "{}", text);
        let chaps = spec.targets.iter().flat_map(|target| &target.tpgs).flat_map(|tpg| {
            tpg.acls.iter().map(|acl| &acl.chap).chain([&tpg.chap])
        });
        let said = exported.notes.iter().filter(|note| note.contains("CHAP credentials")).count();
        let has = chaps.chain([&spec.discovery.chap]).filter(|chap| chap.is_some()).count();
        prop_assert_eq!(said, has);
    }
}

#[test]
fn the_ports_that_were_chosen_are_in_the_file() {
    let spec = Spec::builtin().unwrap();
    let portals: [SocketAddr; 1] = ["127.0.0.1:40001".parse().unwrap()];
    let exported = export(&spec, &Chosen { portals: &portals, ..chosen() }, false);
    let tpg = &exported.document["targets"][0]["tpgs"][0];
    assert_eq!(
        tpg["portals"],
        serde_json::json!([
            { "ip_address": "127.0.0.1", "port": 40001, "iser": false, "offload": false },
        ])
    );
    assert_eq!(tpg["attributes"]["authentication"], 0);
    assert_eq!(tpg["parameters"]["MaxRecvDataSegmentLength"], "262144");
    assert_eq!(exported.document.get("lunlab"), None);
}
