//! The whole surface arrives in the data, with its defaults and notes.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::{DISK, TARGET, exported, object, parse, with_disk0};
use crate::spec::{
    AccessState, AccessType, Backstore, Base, Benchmark, Bus, Delay, DemoMode, DeviceKind, DiskAio,
    DiskCache, DiskContent, Fabric, FileioMode, Flakey, FlakeyFault, IscsiDigest, MappedLun,
    Network, PortalSpec, SecretSource, Spec, Via,
};

const WHOLE: &str = r#"
[network]
mode = "user"
[[disk]]
serial = "scratch0"
bus = "nvme"
size = "1G"
cache = "none"
aio = "native"
[[storage_object]]
name = "memory"
backstore = "ramdisk"
size = "8M"
nullio = true
[[storage_object]]
name = "file"
backstore = "fileio"
size = "64M"
mode = "write-through"
serial = "5eca2313-028d-435c-9131-53a5ab256a83"
vendor = "ACME"
product = "test disk"
revision = "1.0"
attributes = { emulate_tpu = true, block_size = 0x1000, emulate_tas = "no" }
[[storage_object.alua_group]]
name = "standby"
id = 16
access_state = "standby"
access_type = "implicit"
preferred = true
nonop_delay_msecs = 10
trans_delay_msecs = 20
implicit_trans_secs = 3
write_metadata = true
support_offline = false
[[storage_object]]
name = "null"
backstore = "block"
size = "64M"
device = "null_blk"
device_parameters = { memory_backed = true, completion_nsec = 10000, irqmode = 2 }
delay = { read = "10ms", write = "20ms" }
flakey = { up = "10s", down = "1s", drop_writes = true }
read_only = true
[[storage_object]]
name = "nvme"
backstore = "block"
device = "disk"
disk = "scratch0"
[discovery]
chap = { userid = "d", password_env = "GOOD" }
[[target]]
wwn = "iqn.2024-05.org.example:one"
cmd_completion_affinity = -2
[[target.tpg]]
tag = 1
luns = [
    { lun = 0, storage_object = "file", alua_group = "standby" },
    { lun = 7, storage_object = "null" },
]
portals = ["127.0.0.1", "10.0.2.15:3260", "[::1]:3261"]
attributes = { prod_mode_write_protect = 1, default_cmdsn_depth = 128 }
parameters = { MaxRecvDataSegmentLength = 0x2000, InitialR2T = false, ImmediateData = "yes" }
[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:all"
cmdsn_depth = 32
tag = "host a"
attributes = { nopin_timeout = 0 }
chap = { userid = "u", password_env = "GOOD", mutual_userid = "m", mutual_password_env = "OTHER" }
[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:some"
mapped_luns = [{ mapped_lun = 3, lun = 7, write_protect = false }]
attributes = { authentication = false }
[[target.tpg]]
tag = 2
enable = false
luns = [{ lun = 0, storage_object = "memory" }]
demo_mode = "read-only"
[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
nexus = "naa.5001405000000002"
[[target.tpg]]
tag = 0
luns = [{ lun = 0, storage_object = "file" }]
attributes = { fabric_prot_type = 1 }
[[benchmark]]
workload = "iscsi-randread"
target = "iqn.2024-05.org.example:one"
tpg = 1
portal = "[::1]:3261"
initiator = "iqn.2024-05.org.example:some"
header_digest = "crc32c"
[[benchmark]]
workload = "iscsi-randread"
lun = 7
data_digest = "crc32c"
[[benchmark]]
workload = "pattern"
storage_object = "file"
via = "loopback"
seed = 18446744073709551615
offset = "1M"
length = 4096
[[benchmark]]
workload = "digest"
storage_object = "nvme"
via = "backing"
[[benchmark]]
workload = "host-command"
command = ["sh", "-c", "exit 0"]
timeout = "5s"
"#;

fn whole() -> Spec {
    parse(WHOLE).unwrap_or_else(|faults| panic!("{faults}"))
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[test]
fn disks_and_storage_objects_arrive_with_what_is_under_them() {
    let spec = whole();
    assert_eq!(spec.network, Network::User);
    let disk = &spec.disks[0];
    assert_eq!((disk.serial.as_str(), disk.bus, disk.size), ("scratch0", Bus::Nvme, 1 << 30));
    assert_eq!((disk.cache, disk.aio), (DiskCache::None, DiskAio::Native));
    assert_eq!((&disk.content, disk.read_only), (&DiskContent::Scratch, false));
    let [memory, file, null, nvme] = spec.storage_objects.as_slice() else { panic!() };
    assert!((memory.backstore, memory.nullio) == (Backstore::Ramdisk, true));
    assert_eq!((file.backstore, file.mode), (Backstore::Fileio, FileioMode::WriteThrough));
    assert_eq!(file.vendor.as_deref(), Some("ACME"));
    assert_eq!(file.product.as_deref(), Some("test disk"));
    assert_eq!(file.revision.as_deref(), Some("1.0"));
    let expected = [("emulate_tpu", "1"), ("block_size", "4096"), ("emulate_tas", "0")];
    assert_eq!(file.attributes, pairs(expected));
    assert_eq!(file.block_size(), 4096);
    let device = null.device.as_ref().unwrap();
    assert_eq!(device.kind, DeviceKind::NullBlk);
    let expected = [("memory_backed", "1"), ("completion_nsec", "10000"), ("irqmode", "2")];
    assert_eq!(device.parameters, pairs(expected));
    let ms = Duration::from_millis;
    assert_eq!(null.delay, Some(Delay { read: ms(10), write: ms(20) }));
    let fault = FlakeyFault::DropWrites;
    assert_eq!(null.flakey, Some(Flakey { up: ms(10_000), down: ms(1000), fault }));
    assert!(spec.is_read_only(null) && !spec.is_read_only(nvme));
    assert_eq!(spec.disk_of(nvme).unwrap().serial, "scratch0");
    assert_eq!(nvme.size, 1 << 30);
    assert!(null.stores_data() && !memory.stores_data());
}

#[test]
fn alua_groups_arrive_whole() {
    let spec = whole();
    let group = &spec.storage_objects[1].alua_groups[0];
    assert_eq!((group.name.as_str(), group.id, group.preferred), ("standby", 16, true));
    assert_eq!(group.access_state, AccessState::Standby);
    assert_eq!(group.access_type, AccessType::Implicit);
    assert_eq!((group.nonop_delay_msecs, group.trans_delay_msecs), (Some(10), Some(20)));
    assert_eq!((group.implicit_trans_secs, group.write_metadata), (Some(3), Some(true)));
    assert_eq!(group.support, [("offline", false)]);
}

#[test]
fn targets_arrive_with_all_their_tpgs() {
    let spec = whole();
    let [iscsi, loopback] = spec.targets.as_slice() else { panic!() };
    assert_eq!((iscsi.fabric, iscsi.cmd_completion_affinity), (Fabric::Iscsi, Some(-2)));
    let [first, second] = iscsi.tpgs.as_slice() else { panic!() };
    assert_eq!(first.luns[0].alua_group.as_deref(), Some("standby"));
    let portals: Vec<String> = first.portals.iter().map(ToString::to_string).collect();
    assert_eq!(portals, ["127.0.0.1", "10.0.2.15:3260", "[::1]:3261"]);
    let expected = [("prod_mode_write_protect", "1"), ("default_cmdsn_depth", "128")];
    assert_eq!(first.attributes, pairs(expected));
    let expected =
        [("MaxRecvDataSegmentLength", "8192"), ("InitialR2T", "No"), ("ImmediateData", "Yes")];
    assert_eq!(first.parameters, pairs(expected));
    assert_eq!((first.demo_mode, first.enable), (DemoMode::Off, true));
    assert_eq!((second.tag, second.demo_mode, second.enable), (2, DemoMode::ReadOnly, false));
    assert_eq!(second.portals, [PortalSpec::DEFAULT]);
    assert_eq!((loopback.fabric, loopback.tpgs[0].tag), (Fabric::Loopback, 0));
    assert_eq!(loopback.nexus.as_deref(), Some("naa.5001405000000002"));
    assert!(loopback.tpgs[0].portals.is_empty());
}

#[test]
fn an_acl_without_mapped_luns_sees_all_under_their_own_numbers() {
    let spec = whole();
    let [all, some] = spec.targets[0].tpgs[0].acls.as_slice() else { panic!() };
    let mapped = |mapped_lun, lun, write_protect| MappedLun { mapped_lun, lun, write_protect };
    // The TPG's prod_mode_write_protect is what they are unless they say.
    assert_eq!(all.mapped_luns, [mapped(0, 0, true), mapped(7, 7, true)]);
    assert_eq!(some.mapped_luns, [mapped(3, 7, false)]);
    assert_eq!((all.cmdsn_depth, all.tag.as_deref()), (Some(32), Some("host a")));
    let chap = all.chap.as_ref().unwrap();
    let mutual = chap.mutual.as_ref().unwrap();
    assert_eq!((chap.userid.as_str(), chap.password.reveal()), ("u", "good-secret-0001"));
    assert_eq!((mutual.userid.as_str(), mutual.password.reveal()), ("m", "other-secret-002"));
    assert_eq!(chap.password.source(), &SecretSource::Environment("GOOD".into()));
    let tpg = &spec.targets[0].tpgs[0];
    assert!(tpg.authenticates() && tpg.authenticates_acl(all) && !tpg.authenticates_acl(some));
}

#[test]
fn a_session_has_the_initiator_and_credentials_that_fit() {
    let spec = whole();
    let [Benchmark::IscsiRandread(some), Benchmark::IscsiRandread(first), ..] =
        spec.benchmarks.as_slice()
    else {
        panic!()
    };
    let session = spec.session_of(&some.login).unwrap();
    assert_eq!(session.portal.to_string(), "[::1]:3261");
    assert!(session.chap.is_none(), "its ACL asks for none");
    let seen = spec.lun_of(&some.login).unwrap();
    assert_eq!((seen.number, seen.lun.lun, seen.writable), (3, 7, false));
    assert_eq!(
        (some.login.header_digest, some.login.data_digest),
        (IscsiDigest::Crc32c, IscsiDigest::None)
    );
    let session = spec.session_of(&first.login).unwrap();
    assert_eq!(session.initiator, "iqn.2024-05.org.example:all");
    assert_eq!(session.chap.unwrap().userid, "u");
    let demo = parse(&exported("[[benchmark]]\nworkload = \"iscsi-randread\"")).unwrap();
    let Benchmark::IscsiRandread(asked) = &demo.benchmarks[0] else { panic!() };
    let session = demo.session_of(&asked.login).unwrap();
    assert_eq!(session.initiator, crate::initiator::DEFAULT_NAME);
    assert!(demo.lun_of(&asked.login).unwrap().writable);
}

#[test]
fn workloads_beside_the_initiator_arrive() {
    let spec = whole();
    let [
        ..,
        Benchmark::Measured(pattern),
        Benchmark::Measured(digest),
        Benchmark::HostCommand(command),
    ] = spec.benchmarks.as_slice()
    else {
        panic!()
    };
    assert_eq!((pattern.workload, digest.workload), ("pattern", "digest"));
    assert_eq!(pattern.value("seed"), u64::MAX.to_string());
    let [pattern, digest] = [pattern, digest].map(|each| each.access().unwrap());
    assert_eq!(pattern.via, Via::Loopback);
    assert_eq!((pattern.offset, pattern.length), (1 << 20, Some(4096)));
    assert_eq!((digest.via, digest.offset, digest.length), (Via::Backing, 0, None));
    assert_eq!(command.command, ["sh", "-c", "exit 0"]);
    assert_eq!(command.timeout, Some(Duration::from_secs(5)));
}

#[test]
fn notes_tell_what_was_corrected_and_what_has_no_effect() {
    assert_eq!(
        whole().notes,
        [
            "storage_object[1].attributes.emulate_tas: \"no\" became 0",
            "target[0].tpg[0].parameters.ImmediateData: \"yes\" became Yes",
            "storage object \"memory\" is nullio: it stores nothing, and reads may bring other \
             data of the guest's",
            "TPG 2 of iqn.2024-05.org.example:one is not enabled: nobody can log in",
            "the mutual CHAP name \"m\": clients of libiscsi up to 1.19 cannot log in (a name of 2, \
             6, 10 or more bytes helps)",
        ]
    );
    let padded = |name: &str, alias: &str| {
        let chap = format!(
            r#"chap = {{ userid = "u", password_env = "GOOD", mutual_userid = "{name}", mutual_password_env = "OTHER" }}"#
        );
        let text = exported(&format!("{chap}\nparameters = {{ TargetAlias = \"{alias}\" }}"));
        let notes = parse(&text).unwrap_or_else(|faults| panic!("{faults}")).notes;
        notes.iter().filter(|note| note.contains("libiscsi up to 1.19")).count()
    };
    let lengths = (1..=14).filter(|length| padded(&"n".repeat(*length), "LIO Target") > 0);
    assert_eq!(lengths.collect::<Vec<_>>(), [1, 3, 4, 5, 7, 8, 9]);
    assert_eq!([padded("target", "a longer one"), padded("m", "a longer one")], [1, 2]);
    let fits = "[machine]\nmemory = \"512M\"\n[[storage_object]]\nname = \"a\"\n\
                backstore = \"fileio\"\nsize = \"384M\"";
    let too_large = fits.replace("384M", "385M");
    let full = |text: &str| {
        let notes = parse(text).unwrap().notes;
        notes.into_iter().find(|note| note.contains("written beyond"))
    };
    assert_eq!(full(fits), None);
    assert_eq!(
        full(&too_large).unwrap(),
        "sparse storage of 385M does not fit into the guest's memory of 512M: what is written \
         beyond it fails"
    );
    let notes = |text: &str| parse(text).unwrap_or_else(|faults| panic!("{faults}")).notes;
    let acl = "[[target.tpg.acl]]\ninitiator = \"IQN.2024-05.org:A\"\nmapped_luns = []\n";
    let owner = "TPG 1 of iqn.2024-05.org.example:one";
    for (text, note) in [
        (
            exported(acl),
            "target[0].tpg[0].acl[0].initiator: upper case became lower case: iqn.2024-05.org:a"
                .to_owned(),
        ),
        (exported(acl), format!("initiator iqn.2024-05.org:a of {owner} has no mapped LUN")),
        (exported("portals = []"), format!("{owner} has no portal: nobody can reach it")),
        (
            exported("demo_mode = \"off\""),
            format!("{owner} has no ACL and demo_mode is off: nobody can log in"),
        ),
        (
            exported(
                "attributes = { authentication = 0 }\nchap = { userid = \"u\", password_env = \
                 \"GOOD\" }",
            ),
            format!("{owner}: authentication is off: its chap is not asked for"),
        ),
        (
            exported("chap = { userid = \"u@x\", password_env = \"GOOD\" }"),
            "the CHAP name \"u@x\" cannot be written in a libiscsi URL".to_owned(),
        ),
        (
            exported("chap = { userid = \"u\", password_env = \"URL\" }"),
            "the secret of \"u\" cannot be written in a libiscsi URL, it is passed in \
             LIBISCSI_CHAP_PASSWORD"
                .to_owned(),
        ),
        (
            object("block", "device = \"null_blk\""),
            "storage object \"a\" is on a null_blk that is not memory_backed: it stores nothing"
                .to_owned(),
        ),
        (
            "[[disk]]\nserial = \"d\"\nsize = \"1G\"".to_owned(),
            "disk \"d\" is under no storage object".to_owned(),
        ),
        (
            object("fileio", "attributes = { brand_new = 7 }\nallow_unknown_attributes = true"),
            "storage_object[0].attributes.brand_new: unknown to lunlab, left to the kernel"
                .to_owned(),
        ),
    ] {
        assert!(notes(&text).contains(&note), "{note}\n{:#?}", notes(&text));
    }
}

#[test]
fn demo_mode_follows_the_acls_or_the_attributes_it_stands_for() {
    let mode = |rest: &str| parse(&exported(rest)).unwrap().targets[0].tpgs[0].demo_mode;
    let acl = "[[target.tpg.acl]]\ninitiator = \"iqn.2024-05.org\"";
    assert_eq!(mode(""), DemoMode::Writable);
    assert_eq!(mode(acl), DemoMode::Off);
    assert_eq!(mode(&format!("demo_mode = \"read-only\"\n{acl}")), DemoMode::ReadOnly);
    assert_eq!(mode("attributes = { demo_mode_write_protect = 1 }"), DemoMode::ReadOnly);
    assert_eq!(mode("attributes = { generate_node_acls = \"off\" }"), DemoMode::Off);
    assert_eq!(
        mode(&format!("attributes = {{ generate_node_acls = true }}\n{acl}")),
        DemoMode::Writable
    );
}

#[test]
fn portals_that_do_not_meet_may_stand_together() {
    for portals in [
        r#""127.0.0.1", "127.0.0.1""#,
        r#""127.0.0.1:3260", "127.0.0.2:3260", "[::1]:3260""#,
        r#""0.0.0.0:3260", "[::1]:3260", "127.0.0.1:3261", "[::]:3262""#,
    ] {
        let text = exported(&format!("portals = [{portals}]"));
        assert!(parse(&text).is_ok(), "{portals}");
    }
    let other = TARGET.replace(":one", ":two");
    let shared = "portals = [\"127.0.0.1:3260\"]\n";
    let text = format!("{DISK}{TARGET}{shared}{other}{shared}");
    assert!(parse(&text).is_ok(), "two targets may share a portal");
}

#[test]
fn memory_counts_pages_in_full_and_sparse_storage_in_part() {
    let with = |backstore: &str, size: &str, rest: &str| {
        let text = object(backstore, rest).replace("64M", size);
        parse(&text).unwrap().memory_bytes() >> 20
    };
    assert_eq!(with("block", "64G", "device = \"brd\""), 512 + 65536 + 2048);
    assert_eq!(with("block", "1G", "device = \"zram\""), 512 + 896);
    assert_eq!(with("block", "1G", "device = \"loop\""), 512 + 896);
    assert_eq!(with("fileio", "10T", "device = \"loop\""), 512 + 2048);
    assert_eq!(with("block", "1G", "device = \"null_blk\""), 512);
    let backed = "device = \"null_blk\"\ndevice_parameters = { memory_backed = true }";
    assert_eq!(with("block", "1G", backed), 512 + 1024 + 32);
    assert_eq!(with("ramdisk", "1T", "nullio = true"), 512);
}

#[test]
fn secrets_come_from_files_of_the_users_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    let base = Base { directory: directory.path(), home: None, environment: |_| None };
    let text = exported("chap = { userid = \"u\", password_file = \"secret\" }");
    let read = |bytes: &[u8], mode: u32| {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Spec::parse(&text, base).map(|spec| {
            let chap = spec.targets[0].tpgs[0].chap.as_ref().unwrap();
            assert_eq!(chap.password.source(), &SecretSource::File(path.clone()));
            chap.password.reveal().to_owned()
        })
    };
    assert_eq!(read(b"good-secret-0001\n", 0o600).unwrap(), "good-secret-0001");
    assert_eq!(read(b"good-secret-0001", 0o400).unwrap(), "good-secret-0001");
    let shown = format!("{:?}", path.display().to_string());
    let at = "s.toml:9:40: target[0].tpg[0].chap.password_file: ";
    for (bytes, mode, told) in [
        (
            b"canary-canary".as_slice(),
            0o640,
            format!(
                "{shown} has mode 0640, others may use it; 0600 is needed\n  hint: chmod 600 {}",
                path.display()
            ),
        ),
        (
            b"canary-\xffcanary",
            0o600,
            format!(
                "the secret in {shown} is not text\n  hint: umask 077; openssl rand -hex 16 > {}",
                path.display()
            ),
        ),
        (
            b"canary-canary\n\n",
            0o600,
            "the secret of \"u\" has a blank, or a character that is not printable ASCII\n  hint: \
             openssl rand -hex 16 makes a good one"
                .to_owned(),
        ),
        (
            b"",
            0o600,
            "the secret of \"u\" has 0 bytes, 12 to 255 are needed\n  hint: openssl rand -hex 16 \
             makes a good one"
                .to_owned(),
        ),
    ] {
        assert_eq!(read(bytes, mode).unwrap_err().render("s.toml"), format!("{at}{told}"));
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::create_dir(&path).unwrap();
    let told = Spec::parse(&text, base).unwrap_err().render("s.toml");
    assert!(told.starts_with(&format!("{at}{shown} is not a regular file\n  hint: umask 077")));
}

#[test]
fn images_say_how_large_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let base = Base { directory: directory.path(), home: None, environment: |_| None };
    let write = |name: &str, bytes: &[u8], size: u64| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(size).unwrap();
    };
    let mut head = [0; 32];
    head[..4].copy_from_slice(b"QFI\xfb");
    head[24..].copy_from_slice(&(5_u64 << 30).to_be_bytes());
    write("disk.qcow2", &head, 65_536);
    write("disk.raw", b"", (3 << 20) + 100);
    let parse = |rest: &str| {
        Spec::parse(&format!("[[disk]]\nserial = \"d\"\n{rest}"), base)
            .map_err(|faults| faults.render("s.toml"))
    };
    let spec = parse("image = \"disk.qcow2\"\nformat = \"qcow2\"\nsnapshot = true").unwrap();
    assert_eq!(spec.disks[0].size, 5 << 30);
    write("whole.raw", b"", 3 << 20);
    assert_eq!(parse("image = \"whole.raw\"").unwrap().disks[0].size, 3 << 20);
    assert_eq!(
        parse("image = \"disk.raw\"").unwrap_err(),
        format!(
            "s.toml:3:9: disk[0].image: \"disk.raw\": its 3145828 bytes are no whole sectors of \
             512\n  hint: truncate -s 3146240 {}/disk.raw",
            directory.path().display()
        )
    );
    assert_eq!(
        parse("image = \"disk.raw\"\nformat = \"qcow2\"").unwrap_err(),
        "s.toml:3:9: disk[0].image: \"disk.raw\": this is no qcow2 image\n  hint: format = \"raw\""
    );
    assert_eq!(
        parse("image = \"disk.qcow2\"").unwrap_err(),
        "s.toml:3:9: disk[0].image: 64K is out of range, 1M to 16T is allowed\n  hint: name \
         another image, or let truncate -s make it larger"
    );
}

#[test]
fn an_image_is_used_once_whatever_it_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (directory.path().join("a.raw"), directory.path().join("b.raw"));
    std::fs::File::create(&file).unwrap().set_len(1 << 20).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let base = Base { directory: directory.path(), home: None, environment: |_| None };
    let disk = |serial: &str, image: &str| {
        format!("[[disk]]\nserial = \"{serial}\"\nimage = \"{image}\"\n")
    };
    assert!(Spec::parse(&disk("one", "a.raw"), base).is_ok());
    let text = disk("one", "a.raw") + &disk("two", "b.raw");
    assert_eq!(
        Spec::parse(&text, base).unwrap_err().render("s.toml"),
        "s.toml:6:9: disk[1].image: \"b.raw\" is the image of another disk already \
         (disk[0].image, line 3)\n  hint: take a copy, or a disk with two LUNs"
    );
}

#[test]
fn async_and_unmapping_are_for_what_can() {
    let fine = |text: &str| assert!(parse(text).is_ok(), "{text}\n{:?}", parse(text).err());
    fine(&object("fileio", "mode = \"async\"\ndevice = \"loop\""));
    fine(&object("fileio", "attributes = { emulate_tpu = 1, unmap_zeroes_data = 1 }"));
    fine(&object("block", "device = \"brd\"\nattributes = { emulate_tpu = 1 }"));
    let discards = "device_parameters = { memory_backed = 1, discard = 1 }";
    let unmaps = "attributes = { emulate_tpu = 1 }";
    fine(&object("block", &format!("device = \"null_blk\"\n{discards}\n{unmaps}")));
    fine(&object("ramdisk", "attributes = { emulate_tpu = 0, queue_depth = 128 }"));
    fine(&with_disk0("").replace("\"64M\"", "\"64M\"\nattributes = { block_size = 4096 }"));
}

#[test]
fn all_faults_of_all_rooms_are_told_at_once() {
    let text = r#"[[disk]]
serial = "a b"
size = "1G"
[[storage_object]]
name = "x"
backstore = "ramdisk"
size = "64M"
attributes = { emulate_tpu = true, block_size = 513 }
[[target]]
wwn = "iqn.2024-13.org"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "y" }]
portals = ["192.168.0.1", "127.0.0.1:0"]
chap = { userid = "u", password_env = "SHORT" }
[[target.tpg.acl]]
initiator = "iqn.2024-05.org"
mapped_luns = [{ mapped_lun = 0, lun = 9 }]
"#;
    let faults = parse(text).unwrap_err().0;
    let keys: Vec<String> = faults.iter().map(|fault| fault.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "disk[0].serial",
            "storage_object[0].attributes.emulate_tpu",
            "storage_object[0].attributes.block_size",
            "target[0].wwn",
            "target[0].tpg[0].luns[0].storage_object",
            "target[0].tpg[0].portals[0]",
            "target[0].tpg[0].portals[1]",
            "target[0].tpg[0].chap.password_env",
            "target[0].tpg[0].acl[0].chap",
            "target[0].tpg[0].acl[0].mapped_luns[0].lun",
        ]
    );
    assert!(faults.iter().all(|fault| fault.position.is_some()));
    let lines: Vec<usize> =
        faults.iter().flat_map(|fault| fault.position).map(|at| at.line).collect();
    assert!(lines.is_sorted());
}
