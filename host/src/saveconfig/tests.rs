//! Imports as a whole.

use super::{ImportError, Imported, Options, import};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;

use crate::spec::{Base, Spec};

/// As rtslib writes it; what it cannot have at once is spread over more objects than one has.
const ACLS: &str = include_str!("fixtures/acls.json");

fn options() -> Options {
    Options { all: false, disk_size: 1 << 30, secrets: "secrets".into() }
}

fn imported(value: &Value) -> Imported {
    import(&value.to_string(), &options()).unwrap()
}

fn notes(imported: &Imported) -> String {
    imported.notes.iter().map(|note| format!("{note}\n")).collect()
}

/// What lunlab says of a spec that refers to no secrets; nothing when it takes it.
fn faults(spec: &str, environment: fn(&str) -> Option<OsString>) -> Option<String> {
    let base = Base { directory: Path::new("/"), home: None, environment };
    Spec::parse(spec, base).err().map(|faults| faults.to_string())
}

/// The fixture without its credentials.
fn without_credentials() -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|key, _| !key.starts_with("chap_") && !key.starts_with("discovery"));
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut document = serde_json::from_str(ACLS).unwrap();
    strip(&mut document);
    document
}

/// One storage object and nothing else.
fn object(value: Value) -> Value {
    json!({ "storage_objects": [value] })
}

/// A target with one TPG that exports a ramdisk.
fn tpg(tpg: &Value) -> Value {
    let mut tpg = tpg.clone();
    tpg["luns"] = json!([{ "index": 0, "storage_object": "/backstores/ramdisk/r" }]);
    json!({
        "storage_objects": [{ "plugin": "ramdisk", "name": "r", "size": 8 << 20 }],
        "targets": [{ "fabric": "iscsi", "wwn": "iqn.2015-04.org.example:t", "tpgs": [tpg] }],
    })
}

#[test]
fn a_saved_configuration_becomes_a_readable_spec() {
    let imported = import(ACLS, &options()).unwrap();
    assert_eq!(imported.spec, include_str!("fixtures/acls.toml"));
    assert_eq!(notes(&imported), include_str!("fixtures/acls.notes"));
}

/// Dumped by Debian's rtslib 2.1.75 from the configfs of a 6.1 kernel.
#[test]
fn what_rtslib_dumps_says_only_what_differs_from_lios_own() {
    let dumped = include_str!("fixtures/rtslib-2.1.75.json");
    let imported = import(dumped, &options()).unwrap();
    assert_eq!(notes(&imported), "");
    let attributes = imported.spec.lines().filter(|line| line.starts_with("attributes"));
    assert_eq!(
        attributes.collect::<Vec<_>>(),
        [
            "attributes = { block_size = 4096, emulate_model_alias = true, emulate_tpu = true, \
             queue_depth = 64 }",
            "attributes = { default_cmdsn_depth = 128 }",
            "attributes = { nopin_timeout = 20 }",
        ]
    );
}

#[test]
fn secrets_are_in_no_spec_and_no_note() {
    let imported = import(ACLS, &options()).unwrap();
    let shown = format!("{imported:?}{}{}", imported.spec, notes(&imported));
    assert!(!shown.contains("canary"), "{shown}");
    let files: Vec<_> = imported.secrets.iter().map(|s| (s.file.as_str(), s.reveal())).collect();
    assert_eq!(
        files,
        [
            ("discovery.password", "canary-discovery"),
            ("discovery.mutual-password", "canary-target-discovery"),
            ("target0-tpg1-acl0.password", "canary-password-one"),
            ("target0-tpg1-acl0.mutual-password", "canary-mutual-one"),
        ]
    );
    for file in files {
        assert!(imported.spec.contains(&format!("\"secrets/{}\"", file.0)));
    }
}

#[test]
fn what_is_no_saved_configuration_is_refused() {
    for text in ["", "{", "[]", "3", "{}", r#"{"targets": 3}"#, "[[storage_object]]"] {
        assert!(import(text, &options()).is_err(), "{text}");
    }
    let other = import(r#"{"name": "package"}"#, &options()).unwrap_err();
    assert_eq!(other, ImportError::NotSaveconfig);
    let broken = import("{\"targets\": [", &options()).unwrap_err();
    assert!(broken.to_string().contains("line 1"), "{broken}");
    let deep = format!("{{\"targets\": {}", "[".repeat(100_000));
    assert!(import(&deep, &options()).is_err());
}

#[test]
fn an_empty_configuration_is_one_too() {
    let imported = imported(&json!({ "fabric_modules": [], "storage_objects": [], "targets": [] }));
    assert_eq!(imported.notes, []);
    assert_eq!(imported.spec.lines().count(), 1);
}

#[test]
fn what_a_guest_cannot_have_is_left_out_with_its_reason() {
    let saved = json!({
        "storage_objects": [
            { "plugin": "pscsi", "name": "tape", "dev": "/dev/st0" },
            { "plugin": "user", "name": "rbd", "size": 1, "config": "rbd/a/b" },
            { "plugin": "quantum", "name": "q" },
            { "name": "nothing" },
            "a string",
        ],
        "targets": [{
            "fabric": "iscsi", "wwn": "iqn.2015-04.org.example:t",
            "tpgs": [{ "tag": 1, "luns": [
                { "index": 0, "storage_object": "/backstores/pscsi/tape" },
            ] }],
        }],
    });
    let imported = imported(&saved);
    let notes = notes(&imported);
    for expected in [
        "storage_objects[0]: pscsi passes a SCSI device",
        "storage_objects[1]: user is served by a program",
        "storage_objects[2]: lunlab does not know this plugin",
        "storage_objects[3]: a storage object without a plugin",
        "storage_objects[4]: an object is expected, this is a string",
        "targets[0].tpgs[0].luns[0].storage_object: /backstores/pscsi/tape was not carried over",
        "targets[0].tpgs[0]: no LUN of TPG 1 is left",
        "targets[0]: no TPG of iqn.2015-04.org.example:t is left",
    ] {
        assert!(notes.contains(expected), "{expected}\n{notes}");
    }
    assert_eq!(imported.spec.lines().count(), 1, "{}", imported.spec);
}

#[test]
fn sizes_a_spec_cannot_have_become_the_nearest_it_can() {
    for (size, written) in [
        (json!(1), "1M"),
        (json!(1_048_577), "1028K"),
        (json!(u64::MAX), "8589934588K"),
        (json!(null), "1G"),
    ] {
        let saved = object(json!({ "plugin": "ramdisk", "name": "r", "size": size }));
        let imported = imported(&saved);
        assert!(imported.spec.contains(&format!("size = \"{written}\"")), "{}", imported.spec);
    }
}

#[test]
fn what_the_file_does_not_say_is_named_and_never_an_empty_word() {
    let none = json!({ "storage_objects": [], "fabric_modules": [{ "name": "" }, {}] });
    let target = |target: Value| json!({ "storage_objects": [], "targets": [target] });
    let group = json!({ "plugin": "ramdisk", "name": "r", "size": 1 << 20, "alua_tpgs": [{}] });
    for (saved, expected) in [
        (
            object(json!({ "plugin": "ramdisk", "name": "r" })),
            "[0].size: the file does not say how large it is: 1G",
        ),
        (
            object(json!({ "plugin": "ramdisk", "name": "r", "size": [] })),
            "[0].size: a whole number is expected, this is a list",
        ),
        (
            object(json!({ "plugin": "fileio", "name": "f" })),
            "[0].dev: what it does not name: what is in this file",
        ),
        (
            object(json!({ "plugin": "block", "name": "b" })),
            "[0].dev: what it does not name is a device",
        ),
        (
            object(json!({})),
            "[0]: a storage object without a plugin: the storage object is left out",
        ),
        (object(group), "alua_tpgs[0]: an ALUA group without a name: left out"),
        (none.clone(), "fabric_modules[0]: settings of a fabric without a name"),
        (none, "fabric_modules[1]: settings of a fabric without a name"),
        (target(json!({})), "a target without a fabric: the target without a name is left out"),
        (
            target(json!({ "wwn": "w", "fabric": "" })),
            "a target without a fabric: the target w is left out",
        ),
        (
            tpg(
                &json!({ "tag": 1, "node_acls": [{ "node_wwn": "iqn.2015-04.org.i:i", "tcq_depth": 0 }] }),
            ),
            "tcq_depth: 0 is not 1 to 512: left out",
        ),
    ] {
        let notes = notes(&imported(&saved));
        assert!(notes.contains(expected), "{expected}\n{notes}");
        assert!(!notes.contains("\"\"") && !notes.contains(": :"), "{notes}");
    }
}

/// LIO takes it, and targetcli makes names of the host's.
#[test]
fn a_name_with_an_underscore_is_carried_over_as_one_without() {
    let mut saved = tpg(&json!({
        "tag": 1, "attributes": { "authentication": 0 },
        "node_acls": [{ "node_wwn": "iqn.2015-04.org.my_client:i", "mapped_luns": [] }],
    }));
    saved["targets"][0]["wwn"] = json!("iqn.2003-01.org.linux-iscsi.My_Host.x8664:sn.ab_c");
    let imported = imported(&saved);
    let carried = "iqn.2003-01.org.linux-iscsi.my-host.x8664:sn.ab-c";
    assert!(imported.spec.contains(&format!("wwn = \"{carried}\"")), "{}", imported.spec);
    assert!(imported.spec.contains("initiator = \"iqn.2015-04.org.my-client:i\""));
    let notes = notes(&imported);
    assert!(
        notes.contains("targets[0].wwn: ")
            && notes.contains(&format!("it is called {carried} here")),
        "{notes}"
    );
    assert!(notes.contains("it is called iqn.2015-04.org.my-client:i here"), "{notes}");
    assert_eq!(faults(&imported.spec, |_| None), None);
}

#[test]
fn what_the_rules_of_specs_refuse_is_left_out() {
    let saved = object(json!({
        "plugin": "ramdisk", "name": "r", "size": 8 << 20,
        "attributes": { "queue_depth": 256, "emulate_tpu": 1, "emulate_caw": 0 },
    }));
    let imported = imported(&saved);
    assert!(imported.spec.contains("attributes = { emulate_caw = false }"), "{}", imported.spec);
    let notes = notes(&imported);
    assert!(notes.contains("(spec) storage_object[0].attributes.queue_depth: 256"), "{notes}");
    let unmaps = "(spec) storage_object[0].attributes.emulate_tpu: 1 is not possible on a ramdisk";
    assert!(notes.contains(unmaps), "{notes}");
}

#[test]
fn storage_objects_of_one_name_get_names_of_their_own() {
    let saved = json!({
        "storage_objects": [
            { "plugin": "fileio", "name": "a", "dev": "/a", "size": 1 << 20 },
            { "plugin": "ramdisk", "name": "a", "size": 1 << 20 },
            { "plugin": "ramdisk", "name": "é/".repeat(40), "size": 1 << 20 },
            { "plugin": "ramdisk", "name": "-".repeat(40), "size": 1 << 20 },
        ],
    });
    let spec = imported(&saved).spec;
    let names: Vec<_> = spec.lines().filter(|line| line.starts_with("name")).collect();
    let dashes = "-".repeat(32);
    assert_eq!(names[..2], ["name = \"a\"", "name = \"a-ramdisk\""]);
    assert_eq!(names[2], format!("name = \"{dashes}\""));
    assert_eq!(names[3], format!("name = \"{}-ramdisk\"", "-".repeat(24)));
}

#[test]
fn asynchronous_files_and_devices_get_a_disk() {
    let saved = json!({
        "storage_objects": [
            { "plugin": "fileio", "name": "a", "dev": "/a", "size": 1 << 20, "aio": true },
            { "plugin": "fileio", "name": "b", "dev": "/dev/sdb", "size": 0, "write_back": true },
        ],
    });
    let imported = imported(&saved);
    assert_eq!(imported.spec.matches("[[disk]]").count(), 2);
    assert_eq!(imported.spec.matches("device = \"disk\"").count(), 2);
    assert_eq!(imported.spec.matches("mode = \"async\"").count(), 1);
    let notes = notes(&imported);
    assert!(notes.contains("storage_objects[0].aio: the guest's files are on tmpfs"), "{notes}");
    assert!(notes.contains("and how large it is the file does not say"), "{notes}");
}

#[test]
fn who_may_log_in_stays_as_it_was() {
    let with = |attributes: Value, acls: Value| {
        let spec = imported(&tpg(&json!({ "attributes": attributes, "node_acls": acls }))).spec;
        let line = |key: &str| {
            spec.lines().find(|line| line.starts_with(key)).map(str::to_owned).unwrap_or_default()
        };
        (line("demo_mode"), line("attributes"))
    };
    let acl = json!([{ "node_wwn": "iqn.2015-04.org.example:i", "mapped_luns": [] }]);
    let none = json!([]);
    let open = json!({
        "authentication": 0, "generate_node_acls": 1, "cache_dynamic_acls": 1,
        "demo_mode_write_protect": 0,
    });
    assert_eq!(with(open.clone(), none.clone()), (String::new(), String::new()));
    assert_eq!(with(open, acl.clone()).0, "demo_mode = \"writable\"");
    let protected = json!({ "authentication": 0, "generate_node_acls": 1 });
    assert_eq!(with(protected, none.clone()).0, "demo_mode = \"read-only\"");
    // LIO's own, which rtslib leaves where the file says nothing.
    assert_eq!(with(json!({}), none).0, "demo_mode = \"off\"");
    assert_eq!(with(json!({ "authentication": 0 }), acl).0, "");
}

#[test]
fn who_is_asked_for_credentials_that_are_missing_is_asked_still() {
    let acl = json!([{ "node_wwn": "iqn.2015-04.org.example:i", "mapped_luns": [] }]);
    let chap = |n| format!("chap = {{ userid = \"lunlab\", password_env = \"LUNLAB_CHAP_{n}\" }}");
    for (acls, generate, owners) in
        [(json!([]), 0, vec!["tpg"]), (acl.clone(), 0, vec!["acl"]), (acl, 1, vec!["tpg", "acl"])]
    {
        let attributes = json!({ "authentication": 1, "generate_node_acls": generate });
        let imported = imported(&tpg(&json!({ "attributes": attributes, "node_acls": acls })));
        let asked: Vec<_> = imported.spec.lines().filter(|l| l.starts_with("chap")).collect();
        assert_eq!(asked.len(), owners.len(), "{}", imported.spec);
        assert!((1..=owners.len()).all(|n| asked.contains(&chap(n).as_str())), "{asked:?}");
        let own =
            imported.spec.find("chap").map(|at| imported.spec[..at].contains("[[target.tpg.acl]]"));
        assert_eq!(own, Some(owners[0] == "acl"), "{}", imported.spec);
        assert!(!imported.spec.contains("authentication"), "{}", imported.spec);
        assert!(notes(&imported).contains("LUNLAB_CHAP_1"), "{}", notes(&imported));
        // Nothing boots before somebody has given the secrets.
        assert!(faults(&imported.spec, |_| None).unwrap().contains("LUNLAB_CHAP_1"));
    }
}

#[test]
fn credentials_that_nobody_is_asked_for_do_not_begin_to_be() {
    let chap = json!({ "chap_userid": "u", "chap_password": "canary" });
    let off = json!({ "attributes": { "authentication": 0 }, "chap_userid": "u", "chap_password": "canary" });
    let imported_off = imported(&tpg(&off));
    assert!(!imported_off.spec.contains("chap"), "{}", imported_off.spec);
    assert!(notes(&imported_off).contains("chap_userid: nobody is asked for these credentials"));
    let mut acl = chap.clone();
    acl["node_wwn"] = json!("iqn.2015-04.org.example:i");
    acl["attributes"] = json!({ "authentication": 1 });
    let one = imported(&tpg(&json!({ "attributes": { "authentication": 0 }, "node_acls": [acl] })));
    assert!(one.spec.contains("attributes = { authentication = false }"), "{}", one.spec);
    assert!(one.spec.contains("chap = { userid = \"u\", password_file"), "{}", one.spec);
    let half = imported(&tpg(&json!({ "chap_userid": "u" })));
    assert!(notes(&half).contains("chap_userid: a name without a password"), "{}", notes(&half));
}

#[test]
fn attributes_that_change_nothing_are_kept_when_asked_for() {
    let saved = tpg(&json!({ "attributes": { "login_timeout": 15, "odd": "x" } }));
    let few = imported(&saved);
    assert!(!few.spec.contains("login_timeout"));
    assert!(notes(&few).contains("attributes.odd: lunlab does not know it: left out"));
    let all = import(&saved.to_string(), &Options { all: true, ..options() }).unwrap();
    assert!(all.spec.contains("attributes = { login_timeout = 15, odd = \"x\" }"), "{}", all.spec);
    assert!(all.spec.contains("allow_unknown_attributes = true"));
}

#[test]
fn values_the_kernel_would_refuse_are_left_out() {
    let saved = tpg(&json!({
        "attributes": { "login_timeout": 99, "default_erl": [1], "t10_pi": 1e99 },
        "parameters": { "MaxConnections": "many", "IFMarkInt": "2048" },
    }));
    let imported = imported(&saved);
    let notes = notes(&imported);
    for name in ["login_timeout", "default_erl", "t10_pi", "MaxConnections", "IFMarkInt"] {
        assert!(notes.contains(&format!("{name}: ")), "{name}\n{notes}");
        assert!(!imported.spec.contains(name), "{name}\n{}", imported.spec);
    }
}

/// Every place in a document.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), all));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| places(value, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
}

fn oddity() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[]]])),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(256)),
        Just(json!(65536)),
        Just(json!(u64::MAX)),
        Just(json!(1e300)),
        Just(json!("\u{0}\n\"\\")),
        Just(json!("default_tg_pt_gp")),
        Just(json!("NULL")),
        any::<String>().prop_map(Value::from),
    ]
}

fn with_oddities(mut document: Value, changes: Vec<(usize, Value)>) -> Value {
    for (place, odd) in changes {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        *document.pointer_mut(&all[place % all.len()]).unwrap() = odd;
    }
    document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn lunlab_takes_the_spec_of_every_document(
        changes in prop::collection::vec((any::<usize>(), oddity()), 0..6),
    ) {
        let document = with_oddities(without_credentials(), changes);
        if let Ok(imported) = import(&document.to_string(), &options()) {
            let faults = faults(&imported.spec, |_| Some("a-secret-of-some".into()));
            // A ramdisk that no machine has the memory for is not made smaller behind one's back.
            let too_large = |faults: &String| faults.contains("is too little for ramdisks");
            prop_assert_eq!(faults.filter(|faults| !too_large(faults)), None, "{}", imported.spec);
        }
    }

    #[test]
    fn no_document_is_too_odd(changes in prop::collection::vec((any::<usize>(), oddity()), 1..6)) {
        let document = with_oddities(serde_json::from_str(ACLS).unwrap(), changes);
        if let Ok(imported) = import(&document.to_string(), &options()) {
            prop_assert!(toml::de::DeTable::parse(&imported.spec).is_ok(), "{}", imported.spec);
            let shown = format!("{}{}", imported.spec, notes(&imported));
            prop_assert!(!shown.contains("canary"), "{}", shown);
        }
    }
}
