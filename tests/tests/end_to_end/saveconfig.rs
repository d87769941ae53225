//! targetcli's saved configuration: what is imported, and what Debian's rtslib makes of ours.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use lunlab::saveconfig::{Chosen, Options, export, import};
use lunlab::spec::{Base, Spec};
use lunlab_tests::{DEADLINE, Finished, Lunlab, boots, rtslib};
use serde_json::{Value, json};

/// All that rtslib can restore in a guest without disks, each with a value that is not LIO's own.
const WHOLE: &str = r#"
[[storage_object]]
name = "buffered"
backstore = "fileio"
size = "32M"
serial = "00000001-1111-4222-8333-444455556666"
attributes = { block_size = 4096, emulate_tpu = true, emulate_tpws = true, queue_depth = 64 }
[[storage_object.alua_group]]
name = "standby"
id = 16
access_state = "standby"
access_type = "implicit"
preferred = true
nonop_delay_msecs = 250
support_offline = false
[[storage_object]]
name = "through"
backstore = "fileio"
mode = "write-through"
size = "16M"
serial = "00000002-1111-4222-8333-444455556666"
[[storage_object]]
name = "memory"
backstore = "ramdisk"
size = "8M"
serial = "00000003-1111-4222-8333-444455556666"
attributes = { emulate_caw = false, emulate_ua_intlck_ctrl = 1 }
[[storage_object]]
name = "nothing"
backstore = "ramdisk"
nullio = true
size = "1G"
serial = "00000004-1111-4222-8333-444455556666"

[discovery]
chap = { userid = "finder", password_file = "a", mutual_userid = "found", mutual_password_file = "b" }

[[target]]
wwn = "iqn.2015-04.org.example:open"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "buffered", alua_group = "standby" }, { lun = 9, storage_object = "memory" }]
portals = ["127.0.0.1:3260", "[::1]:3261"]
attributes = { default_cmdsn_depth = 128, login_timeout = 20 }
parameters = { FirstBurstLength = 32768, InitialR2T = "No", TargetAlias = "for all" }
[[target.tpg]]
tag = 7
enable = false
luns = [{ lun = 1, storage_object = "nothing" }]
portals = ["127.0.0.1:3262"]
demo_mode = "read-only"

[[target]]
wwn = "iqn.2015-04.org.example:closed"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "through" }, { lun = 1, storage_object = "memory" }]
portals = ["0.0.0.0:3270"]
[[target.tpg.acl]]
initiator = "iqn.2015-04.org.example:one"
mapped_luns = [{ mapped_lun = 3, lun = 0, write_protect = true }]
tag = "first"
chap = { userid = "one", password_file = "c" }
attributes = { nopin_timeout = 20 }
[[target.tpg.acl]]
initiator = "iqn.2015-04.org.example:two"
mapped_luns = [{ mapped_lun = 0, lun = 1 }, { mapped_lun = 1, lun = 0 }]
chap = { userid = "two", password_file = "a", mutual_userid = "target", mutual_password_file = "b" }

[[target]]
fabric = "loopback"
wwn = "naa.5001405123456789"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "memory" }]
"#;

/// Secrets that [`WHOLE`] refers to.
const SECRETS: [(&str, &str); 3] =
    [("a", "canary-secret-a"), ("b", "canary-secret-b"), ("c", "canary\"secret\\c,!")];

fn write_secret(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn parse(text: &str, directory: &Path) -> Spec {
    let base = Base { directory, home: None, environment: |_| None };
    Spec::parse(text, base).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

fn whole(directory: &Path) -> Spec {
    for (name, text) in SECRETS {
        write_secret(&directory.join(name), text);
    }
    parse(WHOLE, directory)
}

fn exported(spec: &Spec, with_secrets: bool) -> Value {
    let chosen = Chosen {
        serial: &|object| object.serial.clone().unwrap(),
        path: &|object| format!("/run/lunlab/{}", object.name),
        portals: &[],
    };
    export(spec, &chosen, with_secrets).document
}

/// What identifies an object of a saved configuration among its neighbours.
fn identity(value: &Value) -> Value {
    let keys = ["plugin", "name", "wwn", "tag", "index", "node_wwn", "ip_address", "port"];
    // Storage objects have serials beside their names, ACLs tags of another kind.
    let keys = match value {
        value if value["node_wwn"].is_string() => &keys[5..6],
        value if value["plugin"].is_string() => &keys[..2],
        _ => &keys[1..],
    };
    keys.iter().map(|key| value[*key].clone()).collect()
}

/// Where `found` is not what was `asked`; more may be found.
fn differences(asked: &Value, found: &Value, at: &str, all: &mut Vec<String>) {
    match (asked, found) {
        (Value::Object(asked), Value::Object(found)) => {
            for (key, asked) in asked {
                let found = found.get(key).unwrap_or(&Value::Null);
                differences(asked, found, &format!("{at}.{key}"), all);
            }
        }
        (Value::Array(asked), Value::Array(found)) => {
            for asked in asked {
                let identity = identity(asked);
                let same = found.iter().find(|found| self::identity(found) == identity);
                differences(asked, same.unwrap_or(&Value::Null), &format!("{at}[{identity}]"), all);
            }
        }
        (asked, found) if asked == found => {}
        (asked, found) => all.push(format!("{at}: asked {asked}, found {found}")),
    }
}

/// A spec's part that is saved, in an order of its own. Secrets are not in it.
fn saved(mut spec: Spec) -> String {
    spec.storage_objects.sort_by_key(|object| object.name.clone());
    spec.targets.sort_by_key(|target| target.wwn.clone());
    for tpg in spec.targets.iter_mut().flat_map(|target| &mut target.tpgs) {
        tpg.luns.sort_by_key(|lun| lun.lun);
        tpg.portals.sort_by_key(|portal| portal.to_string());
        tpg.acls.sort_by_key(|acl| acl.initiator.clone());
        tpg.acls.iter_mut().for_each(|acl| acl.mapped_luns.sort_by_key(|mapped| mapped.mapped_lun));
    }
    spec.targets.iter_mut().for_each(|target| target.tpgs.sort_by_key(|tpg| tpg.tag));
    format!("{:#?}", (spec.storage_objects, spec.discovery, spec.targets))
}

#[test]
fn rtslib_restores_what_is_exported_and_its_own_dump_is_the_same_spec() {
    let directory = tempfile::tempdir().unwrap();
    let spec = whole(directory.path());
    let [with, without] = [exported(&spec, true), exported(&spec, false)];
    let files = [with.to_string(), without.to_string()];
    let guest = rtslib::Guest::prepare().unwrap();
    let turn = boots::one();
    let files = [("0.json", files[0].as_bytes()), ("1.json", files[1].as_bytes())];
    let printed = guest.run(include_str!("../../rtslib/restore.py"), &files, DEADLINE);
    drop(turn);
    let printed: Value = serde_json::from_str(&printed.unwrap_or_else(|e| panic!("{e}"))).unwrap();
    for (result, asked) in [(&printed[0], &with), (&printed[1], &without)] {
        assert_eq!(result["errors"], json!([]));
        let mut asked = asked.clone();
        asked.as_object_mut().unwrap().remove("lunlab");
        let mut all = Vec::new();
        differences(&asked, &result["dump"], "", &mut all);
        assert_eq!(all, [""; 0], "{:#}", result["dump"]);
    }
    assert_eq!(printed[2]["dump"]["targets"], json!([]), "nothing is left when it is cleared");

    let options = Options { all: false, disk_size: 1 << 30, secrets: "imported".into() };
    let imported = import(&printed[0]["dump"].to_string(), &options).unwrap();
    assert_eq!(imported.notes, []);
    fs::create_dir(directory.path().join("imported")).unwrap();
    for secret in &imported.secrets {
        write_secret(&directory.path().join("imported").join(&secret.file), secret.reveal());
    }
    assert_eq!(saved(parse(&imported.spec, directory.path())), saved(spec));
}

/// A file with a secret, a LUN that stays and one that cannot.
fn saveconfig() -> String {
    let saved = json!({
        "storage_objects": [
            { "plugin": "ramdisk", "name": "r", "size": 8 << 20 },
            { "plugin": "pscsi", "name": "tape", "dev": "/dev/st0" },
        ],
        "fabric_modules": [],
        "targets": [{
            "fabric": "iscsi", "wwn": "iqn.2015-04.org.example:t",
            "tpgs": [{
                "tag": 1, "enable": true,
                "luns": [
                    { "index": 0, "storage_object": "/backstores/ramdisk/r" },
                    { "index": 1, "storage_object": "/backstores/pscsi/tape" },
                ],
                "portals": [{ "ip_address": "10.1.2.3", "port": 3260 }],
                "chap_userid": "u", "chap_password": "canary-canary",
                "attributes": { "authentication": 1, "generate_node_acls": 1 },
            }],
        }],
    });
    saved.to_string()
}

fn imported(words: &[&str]) -> Finished {
    let lunlab = Lunlab::command(["import", "saveconfig.json"]).args(words).boots_nothing();
    fs::write(lunlab.directory().path().join("saveconfig.json"), saveconfig()).unwrap();
    lunlab.finish()
}

#[test]
fn an_imported_spec_is_on_stdout_and_what_it_lacks_on_stderr() {
    let run = imported(&[]);
    run.exits(0)
        .says("storage_objects[1]: pscsi passes a SCSI device")
        .says("targets[0].tpgs[0].luns[1].storage_object: /backstores/pscsi/tape")
        .says("targets[0].tpgs[0].portals[0].ip_address: 10.1.2.3")
        .says("to make: secrets/target0-tpg1.password, mode 0600")
        .shows("password_file = \"secrets/target0-tpg1.password\"");
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("canary"));
}

#[test]
fn an_imported_spec_runs_with_the_secrets_that_were_written() {
    let run = imported(&["-o", "spec.toml", "--secrets", "secrets"]);
    run.exits(0);
    assert_eq!(run.stdout, "");
    let directory = run.directory().path();
    let secret = directory.join("secrets/target0-tpg1.password");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "canary-canary");
    assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let spec = fs::read_to_string(directory.join("spec.toml")).unwrap();
    assert!(!spec.contains("canary"));
    let spec = parse(&spec, directory);
    let chap = spec.targets[0].tpgs[0].chap.as_ref().unwrap();
    assert_eq!((chap.userid.as_str(), chap.password.reveal()), ("u", "canary-canary"));
    // Once more: the same secrets are there already, and stay.
    let again = Lunlab::command(["import", "saveconfig.json", "--secrets", "secrets"]);
    again.beside(run.directory()).boots_nothing().finish().exits(0);
    fs::write(&secret, "another one").unwrap();
    let again = Lunlab::command(["import", "saveconfig.json", "--secrets", "secrets"]);
    let again = again.beside(run.directory()).boots_nothing().finish();
    again.exits(2).says("is there already and holds something else");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "another one");
}

#[test]
fn what_is_no_saveconfig_is_usage() {
    for text in ["", "{", "[]", "{\"name\": 1}", "\u{0}"] {
        let lunlab = Lunlab::command(["import", "file"]).boots_nothing();
        fs::write(lunlab.directory().path().join("file"), text).unwrap();
        let run = lunlab.finish();
        run.exits(2).says("no saveconfig.json").says("hint: `targetcli saveconfig FILE`");
        assert_eq!(run.stdout, "");
    }
    Lunlab::command(["import", "missing"]).boots_nothing().finish().exits(2).says("read missing");
}
