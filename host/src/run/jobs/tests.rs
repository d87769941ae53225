//! Checks, for specs that a strict target would show differently to each initiator.

use super::{NamedCheck, checks, data_digest, storage};
use crate::initiator::{Contents, DEFAULT_NAME, Digest};
use crate::spec::{Base, Benchmark, Spec};
use crate::target::Provisioning;
use std::path::Path;

const IQN: &str = "iqn.2024-05.org.example:one";
const HOST: &str = "iqn.2024-05.org.example:host";

fn checks_of(text: &str) -> Vec<NamedCheck> {
    let environment = |name: &str| Some(format!("secret-of-{name:>8}").replace(' ', "-").into());
    let base = Base { directory: Path::new("/"), home: None, environment };
    let spec = Spec::parse(text, base).unwrap();
    checks(&spec, &Provisioning::shown(&spec).unwrap())
}

fn names(text: &str) -> Vec<String> {
    checks_of(text).into_iter().map(|each| each.name).collect()
}

/// Two ramdisks, `a` and `b`, the first with the rest.
fn objects(rest: &str) -> String {
    let object = |name, rest| {
        format!(
            "[[storage_object]]\nname = \"{name}\"\nbackstore = \"ramdisk\"\nsize = \"64M\"\n{rest}\n"
        )
    };
    object("a", rest) + &object("b", "")
}

fn tpg(rest: &str) -> String {
    let luns = "{ lun = 0, storage_object = \"a\" }, { lun = 1, storage_object = \"b\" }";
    format!("[[target.tpg]]\nluns = [{luns}]\n{rest}\n")
}

fn target(rest: &str) -> String {
    format!("{}[[target]]\nwwn = \"{IQN}\"\n{}", objects(""), tpg(rest))
}

fn acl(rest: &str) -> String {
    format!("[[target.tpg.acl]]\ninitiator = \"{HOST}\"\n{rest}\n")
}

#[test]
fn each_check_is_called_by_who_comes_where() {
    let two_portals = "portals = [\"127.0.0.1:3260\", \"127.0.0.2:3261\"]\n";
    let at = |who: &str| format!("initiator {who}at {IQN}");
    let (host, anyone) = (at(&format!("{HOST} ")), at(""));
    let disabled = target("enable = false");
    let second = tpg("tag = 2\nportals = [\"127.0.0.1:3262\"]");
    for (text, expected) in [
        (target(""), vec!["initiator".to_owned()]),
        (disabled, vec![]),
        (target(two_portals), vec![anyone.clone(), format!("{anyone} by 127.0.0.2:3261")]),
        (
            target(&format!("{two_portals}demo_mode = \"writable\"\n{}", acl(""))),
            vec![host.clone(), anyone.clone(), format!("{host} by 127.0.0.2:3261")],
        ),
        (
            target("portals = [\"127.0.0.1:3260\"]\ntag = 1") + &second,
            vec![format!("{anyone} tpg 1"), format!("{anyone} tpg 2")],
        ),
    ] {
        assert_eq!(names(&text), expected, "{text}");
    }
}

#[test]
fn an_acl_shows_its_own_luns_under_its_own_numbers() {
    let mapped = "mapped_luns = [{ mapped_lun = 7, lun = 1, write_protect = true }]";
    let text = target(&format!("demo_mode = \"writable\"\n{}", acl(mapped)));
    let seen: Vec<(String, Vec<(u16, bool)>)> = checks_of(&text)
        .into_iter()
        .map(|each| {
            let luns = each.check.luns.iter().map(|lun| (lun.lun, lun.read_only)).collect();
            (each.check.target.initiator, luns)
        })
        .collect();
    let expected = [
        (HOST.to_owned(), vec![(7, true)]),
        (DEFAULT_NAME.to_owned(), vec![(0, false), (1, false)]),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn demo_mode_that_is_read_only_shows_all_protected() {
    let all = checks_of(&target("demo_mode = \"read-only\""));
    assert!(all[0].check.luns.iter().all(|lun| lun.read_only) && all[0].check.luns.len() == 2);
}

#[test]
fn each_comes_with_the_credentials_that_are_its_own() {
    let chap = |of: &str| format!("chap = {{ userid = \"{of}\", password_env = \"{of}\" }}\n");
    let mutual = "chap = { userid = \"acl\", password_env = \"acl\", mutual_userid = \"back\", \
                  mutual_password_env = \"back\" }";
    let text = format!("[discovery]\n{}", chap("find"))
        + &target(&format!("demo_mode = \"writable\"\n{}{}", chap("demo"), acl(mutual)));
    let all = checks_of(&text);
    let users: Vec<_> = all
        .iter()
        .map(|each| {
            let chap = each.check.target.chap.as_ref().unwrap();
            (chap.userid.as_str(), chap.mutual.as_ref().map(|mutual| mutual.userid.as_str()))
        })
        .collect();
    assert_eq!(users, [("acl", Some("back")), ("demo", None)]);
    assert!(all.iter().all(|each| each.check.discovery_chap.as_ref().unwrap().userid == "find"));
    assert!(!format!("{all:?}").contains("secret-of"));

    let none = checks_of(&target(""));
    assert!(none[0].check.target.chap.is_none() && none[0].check.discovery_chap.is_none());
}

#[test]
fn discovery_must_name_the_tpg_and_its_address_where_it_has_one() {
    for (portal, announced) in
        [("127.0.0.1:3260", Some("127.0.0.1:3260".parse().unwrap())), ("0.0.0.0:3260", None)]
    {
        let all = checks_of(&target(&format!("tag = 9\nportals = [\"{portal}\"]")));
        assert_eq!((all[0].check.tag, all[0].check.announced), (Some(9), announced));
    }
}

#[test]
fn what_is_on_a_lun_decides_what_may_be_done_to_it() {
    let group = |state: &str| {
        format!(
            "serial = \"ABC\"\n[[storage_object.alua_group]]\nname = \"g\"\nid = 16\n\
             access_state = \"{state}\"\n"
        )
    };
    for (state, ready) in
        [("standby", false), ("unavailable", false), ("active-nonoptimized", true)]
    {
        let text = target("").replace(&objects(""), &objects(&group(state)));
        let text = text.replace("\"a\" }", "\"a\", alua_group = \"g\" }");
        let all = checks_of(&text);
        let found: Vec<_> = all[0]
            .check
            .luns
            .iter()
            .map(|lun| (lun.ready, lun.serial.as_deref(), lun.bytes, lun.contents))
            .collect();
        let bytes = 64 << 20;
        let disposable = Contents::Disposable;
        let expected = [(ready, Some("ABC"), bytes, disposable), (true, None, bytes, disposable)];
        assert_eq!(found, expected, "{state}");
    }
    let nullio = target("").replace(&objects(""), &objects("nullio = true"));
    assert_eq!(checks_of(&nullio)[0].check.luns[0].contents, Contents::Nothing);
}

#[test]
fn digests_of_data_are_asked_of_the_library_only_where_a_benchmark_has_them() {
    let base = Base { directory: Path::new("/"), home: None, environment: |_| None };
    for (rest, digest) in [("", Digest::Any), ("data_digest = \"crc32c\"", Digest::Crc32c)] {
        let benchmark = format!("[[benchmark]]\nworkload = \"iscsi-randread\"\n{rest}\n");
        let spec = Spec::parse(&(target("") + &benchmark), base).unwrap();
        assert_eq!(data_digest(&spec), digest);
    }
}

#[test]
fn a_workload_over_iscsi_logs_in_as_an_initiator_that_may_with_what_is_expected_of_it() {
    let chap = "chap = { userid = \"acl\", password_env = \"acl\" }";
    let benchmark = "[[benchmark]]\nworkload = \"storage\"\nstorage_object = \"b\"\nvia = \"iscsi\"\n\
                     data_digest = \"crc32c\"\nblock_size = \"8K\"\n";
    let text = target(&acl(chap)) + benchmark;
    let base = Base {
        directory: Path::new("/"),
        home: None,
        environment: |_| Some("secret-of-acl".into()),
    };
    let spec = Spec::parse(&text, base).unwrap();
    let Benchmark::Measured(asked) = &spec.benchmarks[0] else { panic!() };
    let job = storage(&spec, &Provisioning::shown(&spec).unwrap(), asked).unwrap();
    assert_eq!((job.lun, &*job.target.initiator, &*job.target.iqn), (1, HOST, IQN));
    assert_eq!(job.target.chap.as_ref().unwrap().userid, "acl");
    assert_eq!((job.target.data_digest, data_digest(&spec)), (Digest::Crc32c, Digest::Crc32c));
    assert_eq!((&*job.values["block_size"], &*job.values["budget"]), ("8192", "5000"));
    assert!(!format!("{job:?}").contains("secret-of"));
}
