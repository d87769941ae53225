//! Every key of a spec while its target stands: it changes live, is refused by name, or makes nothing of the target another.

use super::{change, parsed};
use crate::spec::TABLES;

const BASE: &str = r#"
[[storage_object]]
name = "x"
backstore = "fileio"
size = "64M"
[[storage_object.alua_group]]
name = "g"
id = 16
[[storage_object]]
name = "f"
backstore = "ramdisk"
size = "32M"
[[storage_object]]
name = "b"
backstore = "block"
device = "null_blk"
size = "16M"
delay = { read = "1ms", write = "1ms" }
flakey = { up = "10s", down = "1s" }
[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "x" }, { lun = 1, storage_object = "b" }]
portals = ["127.0.0.1:3260"]
demo_mode = "off"
[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:i"
mapped_luns = [{ mapped_lun = 0, lun = 0 }]
attributes = { authentication = 0 }
[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
nexus = "naa.5001405000000002"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "x" }]
"#;

/// What becomes of a change.
enum Becomes {
    /// It is made, and said in these words.
    Live(&'static str),
    /// It is refused in these words.
    Refused(&'static str),
    /// Nothing of the target is another.
    Nothing,
}

use Becomes::{Live, Nothing, Refused};

/// The key of a table, what stands in [`BASE`] for it, what stands there then, and what becomes of that.
type Case = (&'static str, &'static str, &'static str, &'static str, Becomes);

const OBJECT: &str = "[[storage_object]]";
const ALUA: &str = "[[storage_object.alua_group]]";
const TARGET: &str = "[[target]]";
const TPG: &str = "[[target.tpg]]";
const ACL: &str = "[[target.tpg.acl]]";

#[rustfmt::skip]
const STORAGE: &[Case] = &[
    (OBJECT, "name", "name = \"f\"", "name = \"h\"", Live("+ storage object h (ramdisk)")),
    (OBJECT, "backstore", "name = \"f\"\nbackstore = \"ramdisk\"", "name = \"f\"\nbackstore = \"fileio\"", Live("- storage object f (ramdisk)")),
    (OBJECT, "backstore", "backstore = \"fileio\"\nsize = \"64M\"\n[[storage_object.alua_group]]\nname = \"g\"\nid = 16\n", "backstore = \"ramdisk\"\nsize = \"64M\"\n", Live("~ LUN 0 → x on naa.5001405000000001: made anew")),
    (OBJECT, "size", "\"32M\"", "\"33M\"", Refused("size and backing of f cannot change")),
    (OBJECT, "size", "\"64M\"", "\"65M\"", Refused("size and backing of x cannot change")),
    (OBJECT, "size", "\"16M\"", "\"17M\"", Refused("the null_blk of storage object b cannot change")),
    (OBJECT, "nullio", "size = \"32M\"", "size = \"32M\"\nnullio = true", Refused("size and backing of f cannot change")),
    (OBJECT, "mode", "size = \"64M\"", "size = \"64M\"\nmode = \"write-through\"", Refused("size and backing of x cannot change")),
    (OBJECT, "device", "\"null_blk\"", "\"loop\"", Refused("the loop of storage object b cannot change")),
    (OBJECT, "device_parameters", "\"null_blk\"", "\"null_blk\"\ndevice_parameters = { queue_mode = 0 }", Refused("the null_blk of storage object b cannot change")),
    (OBJECT, "disk", "device = \"null_blk\"\nsize = \"16M\"", "device = \"disk\"\ndisk = \"d\"", Refused("disk d cannot be added")),
    (OBJECT, "read_only", "size = \"16M\"", "size = \"16M\"\nread_only = true", Refused("size and backing of b cannot change")),
    (OBJECT, "serial", "size = \"64M\"", "size = \"64M\"\nserial = \"abc\"", Refused("cannot change while x is exported")),
    (OBJECT, "serial", "size = \"32M\"", "size = \"32M\"\nserial = \"abc\"", Live("~ wwn vpd_unit_serial of storage object f (ramdisk)")),
    (OBJECT, "vendor", "size = \"64M\"", "size = \"64M\"\nvendor = \"me\"", Refused("cannot change while x is exported")),
    (OBJECT, "product", "size = \"64M\"", "size = \"64M\"\nproduct = \"me\"", Refused("cannot change while x is exported")),
    (OBJECT, "revision", "size = \"64M\"", "size = \"64M\"\nrevision = \"me\"", Refused("cannot change while x is exported")),
    (OBJECT, "attributes", "size = \"64M\"", "size = \"64M\"\nattributes = { block_size = 4096 }", Refused("cannot change while x is exported")),
    (OBJECT, "attributes", "size = \"64M\"", "size = \"64M\"\nattributes = { emulate_tpu = 1 }", Live("~ attrib emulate_tpu of storage object x (fileio): 0 → 1")),
    (OBJECT, "allow_unknown_attributes", "size = \"64M\"", "size = \"64M\"\nallow_unknown_attributes = true", Nothing),
    (OBJECT, "alua_group", "[[storage_object.alua_group]]\nname = \"g\"\nid = 16\n", "", Live("- ALUA group g on x")),
    (OBJECT, "delay", "delay = { read = \"1ms\", write = \"1ms\" }\n", "", Refused("storage object b")),
    (OBJECT, "flakey", "flakey = { up = \"10s\", down = \"1s\" }\n", "", Refused("storage object b")),
    ("delay", "read", "read = \"1ms\"", "read = \"2ms\"", Refused("delay of storage object b")),
    ("delay", "write", "write = \"1ms\"", "write = \"2ms\"", Refused("delay of storage object b")),
    ("flakey", "up", "\"10s\"", "\"11s\"", Refused("flakey of storage object b")),
    ("flakey", "down", "down = \"1s\"", "down = \"2s\"", Refused("flakey of storage object b")),
    ("flakey", "error_writes", "down = \"1s\"", "down = \"1s\", error_writes = true", Refused("flakey of storage object b")),
    ("flakey", "drop_writes", "down = \"1s\"", "down = \"1s\", drop_writes = true", Refused("flakey of storage object b")),
    (ALUA, "name", "name = \"g\"", "name = \"k\"", Live("+ ALUA group k on x")),
    (ALUA, "id", "id = 16", "id = 17", Refused("tg_pt_gp_id from 16 to 17")),
    (ALUA, "access_state", "id = 16", "id = 16\naccess_state = \"standby\"", Live("alua_access_state of ALUA group g on x: 0 → 2")),
    (ALUA, "access_type", "id = 16", "id = 16\naccess_type = \"explicit\"", Live("alua_access_type of ALUA group g on x")),
    (ALUA, "preferred", "id = 16", "id = 16\npreferred = true", Live("preferred of ALUA group g on x: 0 → 1")),
    (ALUA, "nonop_delay_msecs", "id = 16", "id = 16\nnonop_delay_msecs = 7", Live("nonop_delay_msecs of ALUA group g on x: 100 → 7")),
    (ALUA, "trans_delay_msecs", "id = 16", "id = 16\ntrans_delay_msecs = 7", Live("trans_delay_msecs of ALUA group g on x: 0 → 7")),
    (ALUA, "implicit_trans_secs", "id = 16", "id = 16\nimplicit_trans_secs = 7", Live("implicit_trans_secs of ALUA group g on x: 0 → 7")),
    (ALUA, "write_metadata", "id = 16", "id = 16\nwrite_metadata = true", Live("alua_write_metadata of ALUA group g on x: 0 → 1")),
    (ALUA, "support_transitioning", "id = 16", "id = 16\nsupport_transitioning = false", Live("alua_support_transitioning of ALUA group g on x: 1 → 0")),
    (ALUA, "support_offline", "id = 16", "id = 16\nsupport_offline = false", Live("alua_support_offline of ALUA group g on x: 1 → 0")),
    (ALUA, "support_lba_dependent", "id = 16", "id = 16\nsupport_lba_dependent = false", Nothing),
    (ALUA, "support_unavailable", "id = 16", "id = 16\nsupport_unavailable = false", Live("alua_support_unavailable of ALUA group g on x: 1 → 0")),
    (ALUA, "support_standby", "id = 16", "id = 16\nsupport_standby = false", Live("alua_support_standby of ALUA group g on x: 1 → 0")),
    (ALUA, "support_active_optimized", "id = 16", "id = 16\nsupport_active_optimized = true\naccess_state = \"standby\"", Live("alua_access_state of ALUA group g on x: 0 → 2")),
    (ALUA, "support_active_nonoptimized", "id = 16", "id = 16\nsupport_active_nonoptimized = false", Live("alua_support_active_nonoptimized of ALUA group g on x: 1 → 0")),
];

const TAG: &str = "demo_mode = \"off\"";
const MAPPED: &str = "mapped_luns = [{ mapped_lun = 0, lun = 0 }]";

#[rustfmt::skip]
const TARGETS: &[Case] = &[
    ("[discovery]", "chap", "\n[[target]]\nwwn", "\n[discovery]\nchap = { userid = \"u\", password_env = \"X\" }\n[[target]]\nwwn", Live("~ discovery_auth userid: none → u")),
    ("chap", "userid", TAG, "demo_mode = \"off\"\nchap = { userid = \"u\", password_env = \"X\" }", Live("auth userid of TPG 1")),
    ("chap", "password_env", TAG, "demo_mode = \"off\"\nchap = { userid = \"u\", password_env = \"X\" }", Live("auth password of TPG 1 on iqn.2024-05.org.example:one: none → …")),
    ("chap", "mutual_userid", TAG, "demo_mode = \"off\"\nchap = { userid = \"u\", password_env = \"X\", mutual_userid = \"mm\", mutual_password_env = \"mutual\" }", Live("auth userid_mutual of TPG 1")),
    ("chap", "mutual_password_env", TAG, "demo_mode = \"off\"\nchap = { userid = \"u\", password_env = \"X\", mutual_userid = \"mm\", mutual_password_env = \"mutual\" }", Live("auth password_mutual of TPG 1 on iqn.2024-05.org.example:one: none → …")),
    (TARGET, "fabric", "fabric = \"loopback\"\nwwn = \"naa.5001405000000001\"\nnexus = \"naa.5001405000000002\"", "wwn = \"iqn.2024-05.org.example:two\"", Live("- target naa.5001405000000001")),
    (TARGET, "wwn", "wwn = \"iqn.2024-05.org.example:one\"", "wwn = \"iqn.2024-05.org.example:two\"", Live("+ target iqn.2024-05.org.example:two")),
    (TARGET, "nexus", "0000002\"", "0000003\"", Refused("nexus from naa.5001405000000002 to naa.5001405000000003: cannot change once it is set")),
    (TARGET, "cmd_completion_affinity", ":one\"", ":one\"\ncmd_completion_affinity = 0", Live("cmd_completion_affinity of target iqn.2024-05.org.example:one")),
    (TARGET, "tpg", "[[target.tpg]]\ntag = 1", "[[target.tpg]]\ntag = 2\nluns = [{ lun = 0, storage_object = \"f\" }]\nportals = [\"127.0.0.1:3270\"]\n[[target.tpg]]\ntag = 1", Live("+ TPG 2 on iqn.2024-05.org.example:one")),
    (TPG, "tag", "tag = 1", "tag = 2", Live("- TPG 1 on iqn.2024-05.org.example:one")),
    (TPG, "enable", "tag = 1", "tag = 1\nenable = false", Live("enable of TPG 1 on iqn.2024-05.org.example:one: 1 → 0")),
    (TPG, "luns", ", { lun = 1, storage_object = \"b\" }", "", Live("- LUN 1 → b on iqn.2024-05.org.example:one")),
    (TPG, "portals", "\"127.0.0.1:3260\"", "\"127.0.0.1:3261\"", Live("+ portal 127.0.0.1:3261 on iqn.2024-05.org.example:one")),
    (TPG, "attributes", TAG, "demo_mode = \"off\"\nattributes = { t10_pi = 1 }", Live("attrib t10_pi of TPG 1")),
    (TPG, "parameters", TAG, "demo_mode = \"off\"\nparameters = { MaxBurstLength = 65536 }", Live("param MaxBurstLength of TPG 1")),
    (TPG, "allow_unknown_attributes", TAG, "demo_mode = \"off\"\nallow_unknown_attributes = true", Nothing),
    (TPG, "chap", TAG, "demo_mode = \"off\"\nchap = { userid = \"u\", password_env = \"X\" }", Live("attrib authentication of TPG 1 on iqn.2024-05.org.example:one: 0 → 1")),
    (TPG, "demo_mode", TAG, "demo_mode = \"read-only\"", Live("attrib generate_node_acls of TPG 1 on iqn.2024-05.org.example:one: 0 → 1")),
    (TPG, "acl", "[[target.tpg.acl]]\ninitiator = \"iqn.2024-05.org.example:i\"\nmapped_luns = [{ mapped_lun = 0, lun = 0 }]\nattributes = { authentication = 0 }\n", "", Live("- ACL iqn.2024-05.org.example:i on iqn.2024-05.org.example:one")),
    ("luns", "lun", "{ lun = 1,", "{ lun = 7,", Live("+ LUN 7 → b on iqn.2024-05.org.example:one")),
    ("luns", "storage_object", "lun = 1, storage_object = \"b\"", "lun = 1, storage_object = \"f\"", Live("~ LUN 1 on iqn.2024-05.org.example:one: b → f")),
    ("luns", "alua_group", "{ lun = 0, storage_object = \"x\" }, ", "{ lun = 0, storage_object = \"x\", alua_group = \"g\" }, ", Live("alua_tg_pt_gp of LUN 0 on iqn.2024-05.org.example:one")),
    (ACL, "initiator", ":i\"", ":j\"", Live("+ ACL iqn.2024-05.org.example:j on")),
    (ACL, "mapped_luns", MAPPED, "mapped_luns = []", Live("- mapped LUN 0 of iqn.2024-05.org.example:i → LUN 0 on")),
    (ACL, "cmdsn_depth", MAPPED, "mapped_luns = [{ mapped_lun = 0, lun = 0 }]\ncmdsn_depth = 7", Live("cmdsn_depth of ACL iqn.2024-05.org.example:i on iqn.2024-05.org.example:one: 64 → 7")),
    (ACL, "tag", MAPPED, "mapped_luns = [{ mapped_lun = 0, lun = 0 }]\ntag = \"t\"", Live("tag of ACL iqn.2024-05.org.example:i")),
    (ACL, "attributes", "attributes = { authentication = 0 }", "attributes = { authentication = 0, nopin_timeout = 7 }", Live("attrib nopin_timeout of ACL iqn.2024-05.org.example:i")),
    (ACL, "allow_unknown_attributes", MAPPED, "mapped_luns = [{ mapped_lun = 0, lun = 0 }]\nallow_unknown_attributes = true", Nothing),
    (ACL, "chap", MAPPED, "mapped_luns = [{ mapped_lun = 0, lun = 0 }]\nchap = { userid = \"u\", password_env = \"X\" }", Live("auth userid of ACL iqn.2024-05.org.example:i")),
    ("mapped_luns", "mapped_lun", "mapped_lun = 0", "mapped_lun = 9", Live("+ mapped LUN 9 of iqn.2024-05.org.example:i → LUN 0")),
    ("mapped_luns", "lun", MAPPED, "mapped_luns = [{ mapped_lun = 0, lun = 1 }]", Live("~ mapped LUN 0 of iqn.2024-05.org.example:i on iqn.2024-05.org.example:one: LUN 0 → LUN 1")),
    ("mapped_luns", "write_protect", MAPPED, "mapped_luns = [{ mapped_lun = 0, lun = 0, write_protect = true }]", Live("write_protect of mapped LUN 0 of iqn.2024-05.org.example:i")),
];

/// What only matters to a run, and what stands for another key: nothing of the target, or tried by the tests of difference.
const ELSEWHERE: [&str; 7] =
    ["the spec", "[kernel]", "[machine]", "[channel]", "[network]", "[[disk]]", "[run]"];

#[test]
fn every_key_changes_live_or_is_refused_by_name() {
    let mut wrong = Vec::new();
    for (place, key, from, to, becomes) in STORAGE.iter().chain(TARGETS) {
        let mut new = BASE.replacen(from, to, 1);
        if to.contains("disk = \"d\"") {
            new.insert_str(0, "[[disk]]\nserial = \"d\"\nsize = \"16M\"\n");
        }
        assert_ne!(new, BASE, "{place} {key}");
        if let Err(faults) = parsed(&new) {
            wrong.push(format!("{place} {key}: {}", faults.render("spec")));
            continue;
        }
        let found = change(BASE, &new).map(|change| change.lines);
        let contains =
            |lines: &[String], words: &str| lines.iter().any(|line| line.contains(words));
        let right = match (&found, becomes) {
            (Ok(lines), Live(words)) => contains(lines, words),
            (Err(refusals), Refused(words)) => contains(refusals, words),
            (Ok(lines), Nothing) => lines.is_empty(),
            _ => false,
        };
        if !right {
            wrong.push(format!("{place} {key}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_key_is_left_out() {
    let cases = || STORAGE.iter().chain(TARGETS);
    let tried = |place: &str, key: &str| cases().any(|case| (case.0, case.1) == (place, key));
    // A secret is the same from wherever it comes.
    let same = ["password_file", "mutual_password_file"];
    let tables = TABLES
        .iter()
        .filter(|table| !ELSEWHERE.contains(&table.place) && table.place != "[[benchmark]]");
    for table in tables {
        for key in table.keys.iter().filter(|key| !same.contains(key)) {
            assert!(tried(table.place, key), "{} {key}", table.place);
        }
    }
    for unheard in ["[run]\ntimeout = \"5m\"\n", "[[benchmark]]\nworkload = \"hash\"\n"] {
        assert!(change(BASE, &format!("{BASE}{unheard}")).unwrap().is_empty());
    }
}
