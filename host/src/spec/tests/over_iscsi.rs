//! The workload `storage` over iSCSI: by which LUN it gets at a storage object, and what is refused.

use super::{disk, exported, object, parse, told, with_disk0};
use crate::initiator::DEFAULT_NAME;
use crate::spec::{Benchmark, IscsiDigest, Measured, Spec};

const OVER_ISCSI: &str =
    "[[benchmark]]\nworkload = \"storage\"\nstorage_object = \"disk0\"\nvia = \"iscsi\"\n";

fn bench(keys: &str) -> String {
    format!("{OVER_ISCSI}{keys}\n")
}

fn measured(spec: &Spec) -> Vec<&Measured> {
    let measured = spec.benchmarks.iter().map(|benchmark| match benchmark {
        Benchmark::Measured(measured) => measured,
        other => panic!("{other:?}"),
    });
    measured.collect()
}

const FIRST: &str = "iqn.2024-05.org.example:first";
const SECOND: &str = "iqn.2024-05.org.example:second";

/// Two targets; the first has disk0 for a reader and a writer, under several numbers.
fn two_targets(benchmark: &str) -> String {
    with_disk0(&format!(
        r#"[[storage_object]]
name = "other"
backstore = "ramdisk"
size = "1M"
[[target]]
wwn = "{FIRST}"
[[target.tpg]]
tag = 3
luns = [{{ lun = 0, storage_object = "other" }}, {{ lun = 4, storage_object = "disk0" }}]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org:none"
mapped_luns = [{{ mapped_lun = 0, lun = 0 }}]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org:reader"
mapped_luns = [{{ mapped_lun = 7, lun = 4, write_protect = true }}]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org:writer"
mapped_luns = [{{ mapped_lun = 9, lun = 4 }}]
[[target]]
wwn = "{SECOND}"
[[target.tpg]]
luns = [{{ lun = 2, storage_object = "disk0" }}]
{benchmark}"#
    ))
}

#[test]
fn it_logs_in_where_it_can_do_what_it_is_to_do_unless_told() {
    for (keys, expected) in [
        ("", (FIRST, 3, "iqn.2024-05.org:reader", 7)),
        ("read_percent = 99", (FIRST, 3, "iqn.2024-05.org:writer", 9)),
        ("verify = true", (FIRST, 3, "iqn.2024-05.org:writer", 9)),
        ("lun = 9", (FIRST, 3, "iqn.2024-05.org:writer", 9)),
        ("lun = 2", (SECOND, 1, DEFAULT_NAME, 2)),
        ("initiator = \"iqn.2024-05.org:stranger\"", (SECOND, 1, "iqn.2024-05.org:stranger", 2)),
        (&format!("target = \"{SECOND}\""), (SECOND, 1, DEFAULT_NAME, 2)),
        ("tpg = 1", (SECOND, 1, DEFAULT_NAME, 2)),
    ] {
        let spec = parse(&two_targets(&bench(keys))).unwrap();
        let login = spec.login_of(measured(&spec)[0]);
        let session = spec.session_of(&login).unwrap();
        let seen = spec.lun_of(&login).unwrap();
        assert_eq!(seen.storage_object.name, "disk0", "{keys}");
        let found = (&*session.target.wwn, session.tpg.tag, session.initiator, seen.number);
        assert_eq!(found, expected, "{keys}");
    }
}

#[test]
fn one_sweep_has_every_way_and_results_tell_their_logins_apart() {
    let keys = "header_digest = [\"none\", \"crc32c\"]\nlun = 0";
    let loopback = "[[target]]\nfabric = \"loopback\"\nwwn = \"naa.5001405000000001\"\n\
                    [[target.tpg]]\nluns = [{ lun = 0, storage_object = \"disk0\" }]\n";
    let sweep = bench(keys).replace("\"iscsi\"", "[\"backing\", \"loopback\", \"iscsi\"]");
    let spec = parse(&exported(&format!("{loopback}{sweep}"))).unwrap();
    let all = measured(&spec);
    let vias: Vec<&str> = all.iter().map(|asked| asked.value("via")).collect();
    assert_eq!(vias, ["backing", "backing", "loopback", "loopback", "iscsi", "iscsi"]);
    let digests = [all[4], all[5]].map(|asked| asked.login.header_digest);
    assert_eq!(digests, [IscsiDigest::None, IscsiDigest::Crc32c]);
    assert_eq!(
        (&all[5].shown()["header_digest"], &all[5].shown()["lun"]),
        (&"crc32c".into(), &0.into())
    );
    assert!(!all[4].shown().contains_key("header_digest") && !all[3].shown().contains_key("lun"));
}

#[test]
fn what_it_cannot_do_over_iscsi_is_refused_before_anything_boots() {
    let place = tempfile::NamedTempFile::new().unwrap();
    place.as_file().set_len(1 << 20).unwrap();
    let image = disk(&format!("image = {:?}\nread_only = false", place.path()));
    let kept = |keys: &str| {
        let object =
            object("block", "device = \"disk\"\ndisk = \"d\"").replace("size = \"64M\"\n", "");
        let target = "[[target]]\nwwn = \"iqn.2024-05.org.example:one\"\n[[target.tpg]]\n\
                      luns = [{ lun = 0, storage_object = \"a\" }]\n";
        format!("{image}{object}{target}{}", bench(keys).replace("disk0", "a"))
    };
    let demo =
        |keys: &str, mode: &str| exported(&format!("demo_mode = \"{mode}\"\n{}", bench(keys)));
    for (text, expected) in [
        (
            with_disk0(&bench("")),
            "benchmark[0].via: \"iscsi\" needs a target of that fabric, none exports \"disk0\"\n  \
             hint: add a [[target]] with fabric = \"iscsi\" and a LUN of it, or via = \"backing\"",
        ),
        (
            exported(&bench("")).replace(
                "wwn = \"iqn.2024-05.org.example:one\"",
                "fabric = \"loopback\"\nwwn = \"naa.5001405000000001\"",
            ),
            "benchmark[0].via: \"iscsi\" needs a target of that fabric, none exports \"disk0\"",
        ),
        (
            demo("verify = true", "read-only"),
            "benchmark[0].verify: LUN 0 is read-only for \"iqn.2026",
        ),
        (
            demo("read_percent = 99", "read-only"),
            "benchmark[0].read_percent: LUN 0 is read-only for",
        ),
        (
            demo("", "off"),
            "benchmark[0].initiator: \"iqn.2026-01.org.lunlab:initiator\" has no ACL",
        ),
        (
            exported(&format!("enable = false\n{}", bench(""))),
            "storage could not log in, its TPG is",
        ),
        (exported(&format!("portals = []\n{}", bench(""))), "the TPG has no portal at which"),
        (
            exported(&bench("lun = 1")),
            "benchmark[0].lun: \"iqn.2026-01.org.lunlab:initiator\" sees no LUN 1 of \"disk0\" at",
        ),
        (exported(&bench("tpg = 2")), "benchmark[0].tpg: the target has no TPG 2, only 1"),
        (
            exported(&bench("target = \"iqn.2024-05.org:x\"")),
            "benchmark[0].target: there is no target of iscsi",
        ),
        (exported(&bench("initiator = \"me\"")), "benchmark[0].initiator: iSCSI name \"me\""),
        (
            exported(&bench("chap = { userid = \"u\", password_env = \"SHORT\" }")),
            "has 11 bytes, 12 to 255",
        ),
        (
            exported(&format!(
                "parameters = {{ HeaderDigest = \"None\" }}\n{}",
                bench("header_digest = \"crc32c\"")
            )),
            "benchmark[0].header_digest: \"crc32c\" is not offered",
        ),
        (
            exported(&bench("lun = 0").replace("\"iscsi\"", "\"backing\"")),
            "benchmark[0].lun: nobody logs in: this is for via = \"iscsi\"",
        ),
        (kept("read_percent = 0"), "benchmark[0].read_percent: \"a\" is an image file of yours"),
        (exported(&bench("seed = 1")), "known here: workload, check, storage_object, via"),
        (
            exported(&bench("").replace("storage\"", "digest\"")),
            "\"iscsi\" is unknown, one of loopback, backing",
        ),
    ] {
        let told = told(&text);
        assert!(told.contains(expected), "{expected}\n{told}\n{text}");
    }
    for text in [demo("", "read-only"), exported(&bench("verify = true\nread_percent = 0"))] {
        assert!(parse(&text).is_ok(), "{}", told(&text));
    }
}

#[test]
fn a_lun_that_is_standby_is_no_way() {
    let group =
        "[[storage_object.alua_group]]\nname = \"g\"\nid = 16\naccess_state = \"standby\"\n";
    let luns = |luns: &str| {
        let target = format!("[[target]]\nwwn = \"{FIRST}\"\n[[target.tpg]]\nluns = [{luns}]\n");
        format!("{}{target}{}", object("ramdisk", group), bench("").replace("disk0", "a"))
    };
    let standby = "{ lun = 0, storage_object = \"a\", alua_group = \"g\" }";
    let told = told(&luns(standby));
    assert!(told.contains("via: LUN 0 is not accessible in its ALUA group \"g\""), "{told}");
    let spec = parse(&luns(&format!("{standby}, {{ lun = 1, storage_object = \"a\" }}"))).unwrap();
    assert_eq!(spec.login_of(measured(&spec)[0]).lun, Some(1));
}
