//! Who may log in, to what, and what they see: real initiators against one kernel that has a target
//! for each case. Every refusal stands beside a login that is right but for one thing.

use std::net::SocketAddr;

use lunlab_tests::clients::{Client, Ours};
use lunlab_tests::{Held, Lunlab, ports, tools};
use serde_json::{Value, json};

use crate::plain_initiator::{Session, Terms};

const ALICE: &str = "iqn.2026-01.org.lunlab.test:alice";
const BOB: &str = "iqn.2026-01.org.lunlab.test:bob";
const CAROL: &str = "iqn.2026-01.org.lunlab.test:carol";

/// In libiscsi's words: 0x0200, 0x0201, 0x0202 and 0x0301.
const INITIATOR_ERROR: &str = "Failed to log in to target. Status: Initiator error(512)";
const AUTHENTICATION_FAILURE: &str =
    "Failed to log in to target. Status: Authentication failure(513)";
const AUTHORIZATION_FAILURE: &str =
    "Failed to log in to target. Status: Authorization failure(514)";
const SERVICE_UNAVAILABLE: &str = "Failed to log in to target. Status: Service unavailable(769)";

const MIB: u64 = 1 << 20;

fn name(of: &str) -> String {
    format!("iqn.2026-01.org.lunlab.test:{of}")
}

/// All targets share the first port, but for TPG 2 of the last, which has the second one on two
/// addresses. LUNs are told apart by their sizes.
fn spec([shared, second]: [u16; 2]) -> String {
    let objects: String = (1..=4)
        .map(|n| {
            let object = format!("name = \"size{n}\"\nbackstore = \"ramdisk\"\nsize = \"{n}M\"");
            format!("[[storage_object]]\n{object}\n")
        })
        .collect();
    let first = format!("portals = [\"127.0.0.1:{shared}\"]");
    let two = format!("portals = [\"127.0.0.1:{second}\", \"[::1]:{second}\"]");
    let one_lun = r#"luns = [{ lun = 0, storage_object = "size1" }]"#;
    let alice =
        |chap: &str| format!("[[target.tpg.acl]]\ninitiator = \"{ALICE}\"\nchap = {{ {chap} }}\n");
    let one_way = r#"userid = "alice", password_file = "alice.secret""#;
    let mutual = r#"mutual_userid = "target", mutual_password_file = "target.secret""#;
    let target = |of: &str, keys: &str| {
        let wwn = name(of);
        format!(
            "[[target]]\nwwn = \"{wwn}\"\n[[target.tpg]]\ntag = 1\n{first}\n{one_lun}\n{keys}\n"
        )
    };
    [
        objects,
        "[discovery]\nchap = { userid = \"finder\", password_file = \"finder.secret\" }\n".into(),
        target("one-way", &alice(one_way)),
        target("mutual", &alice(&format!("{one_way}, {mutual}"))),
        target("demo-chap", "chap = { userid = \"anyone\", password_file = \"anyone.secret\" }"),
        target("demo-read-only", "demo_mode = \"read-only\""),
        target("header-digest", "parameters = { HeaderDigest = \"CRC32C\" }"),
        target("data-digest", "parameters = { DataDigest = \"CRC32C\" }"),
        target("disabled", "enable = false"),
        format!(
            r#"
[[target]]
wwn = "{views}"
[[target.tpg]]
tag = 1
{first}
luns = [{{ lun = 0, storage_object = "size1" }}, {{ lun = 1, storage_object = "size2" }}]
[[target.tpg.acl]]
initiator = "{ALICE}"
mapped_luns = [{{ mapped_lun = 0, lun = 0, write_protect = true }}, {{ mapped_lun = 7, lun = 1 }}]
[[target.tpg.acl]]
initiator = "{BOB}"
mapped_luns = [{{ mapped_lun = 0, lun = 1 }}]
[[target]]
wwn = "{many}"
[[target.tpg]]
tag = 1
{first}
luns = [{{ lun = 0, storage_object = "size3" }}]
[[target.tpg]]
tag = 2
{two}
luns = [{{ lun = 0, storage_object = "size4" }}]
"#,
            views = name("views"),
            many = name("many"),
        ),
    ]
    .concat()
}

/// The machine, and where its portals are.
struct Lab {
    held: Held,
    shared: SocketAddr,
    second: [SocketAddr; 2],
}

impl Lab {
    fn up() -> Self {
        let ports: [u16; 2] = ports::free();
        let address = |host: &str, port| format!("{host}:{port}").parse().unwrap();
        let held = Lunlab::up()
            .secret("alice.secret", "alice-secret-1\n")
            .secret("target.secret", "target-secret-2\n")
            .secret("anyone.secret", "anyone-secret-3\n")
            .secret("finder.secret", "finder-secret-4\n")
            .spec(&spec(ports))
            .hold();
        let [shared, second] = ports;
        Self {
            held,
            shared: address("127.0.0.1", shared),
            second: [address("127.0.0.1", second), address("[::1]", second)],
        }
    }

    fn client(&self, target: &str, lun: u16, initiator: &str) -> Client {
        Client::new(self.shared, &name(target), lun, initiator)
    }

    fn session(&self, target: &str, lun: u16, terms: Terms<'_>) -> Result<Session, u16> {
        Session::log_in_with(&self.client(target, lun, ALICE).url(), terms)
    }

    /// A check by lunlab's own initiator, discovery included, with these keys of its target.
    fn check(&self, target: &str, keys: &Value, luns: &Value) -> Ours {
        let mut endpoint =
            json!({ "portal": self.shared, "iqn": name(target), "initiator": ALICE });
        for (key, value) in keys.as_object().unwrap() {
            endpoint[key] = value.clone();
        }
        let finder = json!({ "userid": "finder", "password": "finder-secret-4" });
        Ours::run(
            &json!({ "job": "check", "target": endpoint, "discovery_chap": finder, "luns": luns }),
        )
    }
}

#[track_caller]
fn refused(output: &tools::Output, words: &str) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(!output.good && said.contains(words), "{words:?} was expected of\n{output:#?}");
}

#[test]
fn each_initiator_gets_what_the_spec_grants_it_and_no_more() {
    let lab = Lab::up();
    one_way_chap_lets_in_who_has_the_secret(&lab);
    mutual_chap_has_both_sides_prove_themselves(&lab);
    chap_of_a_tpg_is_for_initiators_without_an_acl(&lab);
    discovery_has_credentials_of_its_own(&lab);
    strangers_wrong_names_and_disabled_tpgs_are_told_apart(&lab);
    two_initiators_see_different_luns_at_the_same_time(&lab);
    a_read_only_mapped_lun_refuses_writes_and_keeps_its_data(&lab);
    demo_mode_can_be_read_only(&lab);
    digests_are_used_where_they_are_asked_for(&lab);
    a_damaged_write_is_not_taken_for_a_good_one(&lab);
    every_tpg_answers_at_its_own_portals_only(&lab);
    our_initiator_says_what_is_wrong(&lab);
    our_initiator_checks_what_an_initiator_sees(&lab);
    lab.held.stop().verdict("pass", 0);
}

fn one_way_chap_lets_in_who_has_the_secret(lab: &Lab) {
    let alice = lab.client("one-way", 0, ALICE);
    assert_eq!(alice.clone().chap("alice", "alice-secret-1").size(), MIB);
    for (userid, password) in [
        ("alice", "alice-secret-2"),
        ("alicia", "alice-secret-1"),
        ("alice", "target-secret-2"),
        // discovery's credentials are good for discovery only
        ("finder", "finder-secret-4"),
    ] {
        let other = alice.clone().chap(userid, password);
        refused(&other.tool("iscsi-inq", &[]), AUTHENTICATION_FAILURE);
    }
    refused(&alice.tool("iscsi-inq", &[]), AUTHENTICATION_FAILURE);
    let bob = lab.client("one-way", 0, BOB).chap("alice", "alice-secret-1");
    refused(&bob.tool("iscsi-inq", &[]), AUTHORIZATION_FAILURE);
    // and with an initiator that is not built on the same command line
    let write = ["write -P 0x5a 0 64k", "read -P 0x5a 0 64k"];
    let written = alice.clone().chap("alice", "alice-secret-1").qemu_io(&write);
    assert!(written.good, "{written:#?}");
    refused(&alice.clone().chap("alice", "wrong-secret-1").qemu_io(&write), AUTHENTICATION_FAILURE);
    refused(&alice.qemu_io(&write), AUTHENTICATION_FAILURE);
}

fn mutual_chap_has_both_sides_prove_themselves(lab: &Lab) {
    let alice = lab.client("mutual", 0, ALICE);
    let known = alice.clone().chap("alice", "alice-secret-1");
    assert_eq!(known.clone().mutual("target", "target-secret-2").size(), MIB);
    let inquiry = |client: Client| client.tool("iscsi-inq", &[]);
    let impostor = "Authentication failed. Invalid CHAP_R response from the target";
    refused(&inquiry(known.clone().mutual("target", "target-secret-3")), impostor);
    let another = "Wrong CHAP targetname received: target";
    refused(&inquiry(known.clone().mutual("tarquin", "target-secret-2")), another);
    let wrong = alice.chap("alice", "alice-secret-9").mutual("target", "target-secret-2");
    refused(&inquiry(wrong), AUTHENTICATION_FAILURE);
    // An initiator need not ask the target to prove itself.
    assert_eq!(known.size(), MIB);
    // One that does is not content with a target that cannot.
    let one_way = lab.client("one-way", 0, ALICE).chap("alice", "alice-secret-1");
    refused(&inquiry(one_way.mutual("target", "target-secret-2")), "It did not return CHAP_N");
}

fn chap_of_a_tpg_is_for_initiators_without_an_acl(lab: &Lab) {
    let carol = lab.client("demo-chap", 0, CAROL);
    let right = carol.clone().chap("anyone", "anyone-secret-3");
    assert_eq!(right.size(), MIB);
    let written = right.qemu_io(&["write -P 0x33 0 4k", "read -P 0x33 0 4k"]);
    assert!(written.good, "{written:#?}");
    let wrong = carol.clone().chap("anyone", "alice-secret-1");
    refused(&wrong.tool("iscsi-inq", &[]), AUTHENTICATION_FAILURE);
    refused(&carol.tool("iscsi-inq", &[]), AUTHENTICATION_FAILURE);
}

fn discovery_has_credentials_of_its_own(lab: &Lab) {
    let finder = lab.client("-", 0, CAROL).chap("finder", "finder-secret-4");
    let found = finder.discover();
    assert!(found.good, "{found:#?}");
    let names =
        ["one-way", "mutual", "demo-chap", "demo-read-only", "header-digest", "data-digest"];
    for target in names.into_iter().chain(["views", "many"]) {
        let line = format!("Target:{} Portal:{},1", name(target), lab.shared);
        assert!(found.stdout.contains(&line), "no {line:?} in\n{}", found.stdout);
    }
    assert!(!found.stdout.contains("disabled"), "{}", found.stdout);
    for other in [finder.clone().chap("finder", "alice-secret-1"), Client { chap: None, ..finder }]
    {
        refused(&other.discover(), AUTHENTICATION_FAILURE);
    }
}

fn strangers_wrong_names_and_disabled_tpgs_are_told_apart(lab: &Lab) {
    let inquiry = |target, initiator| lab.client(target, 0, initiator).tool("iscsi-inq", &[]);
    assert!(inquiry("views", ALICE).good);
    refused(&inquiry("views", CAROL), AUTHORIZATION_FAILURE);
    // LIO has no 0x0203 for a name it does not know.
    refused(&inquiry("nowhere", ALICE), SERVICE_UNAVAILABLE);
    refused(&inquiry("disabled", ALICE), SERVICE_UNAVAILABLE);
}

fn two_initiators_see_different_luns_at_the_same_time(lab: &Lab) {
    let size = |initiator, lun| lab.client("views", lun, initiator).size();
    assert_eq!([size(ALICE, 0), size(ALICE, 7), size(BOB, 0)], [MIB, 2 * MIB, 2 * MIB]);
    let absent = "LOGICAL_UNIT_NOT_SUPPORTED(0x2500)";
    for (initiator, lun) in [(ALICE, 1), (BOB, 1), (BOB, 7)] {
        refused(&lab.client("views", lun, initiator).tool("iscsi-readcapacity16", &[]), absent);
    }
    // Both logged in: what one writes under its number, the other reads under its own.
    let terms = |initiator| Terms { initiator, ..Terms::default() };
    let mut alice = lab.session("views", 7, terms(ALICE)).unwrap();
    let mut bob = lab.session("views", 0, terms(BOB)).unwrap();
    for round in 1..=3 {
        let (hers, his) = (vec![round; 512], vec![round | 0x80; 512]);
        assert_eq!((alice.write(0, &hers, 512), bob.write(9, &his, 512)), (0, 0));
        assert!(bob.read(0, 1, 512) == hers && alice.read(9, 1, 512) == his, "round {round}");
    }
    assert_eq!(lab.session("views", 0, terms(CAROL)).err(), Some(0x0202));
}

fn a_read_only_mapped_lun_refuses_writes_and_keeps_its_data(lab: &Lab) {
    let protected = lab.client("views", 0, ALICE);
    let writes = ["-I", BOB, "--dataloss", "--test", "SCSI.Write16.Simple"];
    let denied = protected.tool("iscsi-test-cu", &writes);
    let words = "sense key DATA PROTECTION(0x07) / ASCQ WRITE_PROTECTED(0x2700)";
    refused(&denied, words);
    let allowed = lab.client("views", 7, ALICE).tool("iscsi-test-cu", &writes);
    assert!(allowed.good && allowed.stdout.contains("Simple ...passed"), "{allowed:#?}");
    // The protection is the mapping's, not the LUN's: the same one is writable elsewhere.
    let anyone = lab.client("demo-chap", 0, ALICE).chap("anyone", "anyone-secret-3");
    let written = anyone.qemu_io(&["write -P 0x77 0 64k"]);
    assert!(written.good, "{written:#?}");
    let mut alice =
        lab.session("views", 0, Terms { initiator: ALICE, ..Terms::default() }).unwrap();
    assert_ne!(alice.write(0, &[1; 512], 512), 0);
    assert_eq!(alice.read(0, 1, 512), [0x77; 512]);
    refused(&protected.qemu_io(&["write 0 4k"]), "LUN is write protected");
    let read = protected.read_only().qemu_io(&["read -P 0x77 0 64k"]);
    assert!(read.good, "{read:#?}");
}

fn demo_mode_can_be_read_only(lab: &Lab) {
    let carol = lab.client("demo-read-only", 0, CAROL);
    assert_eq!(carol.size(), MIB);
    refused(&carol.qemu_io(&["write 0 4k"]), "LUN is write protected");
    let mut session =
        lab.session("demo-read-only", 0, Terms { initiator: CAROL, ..Terms::default() }).unwrap();
    let before = session.read(0, 1, 512);
    assert_ne!(session.write(0, &[!before[0]; 512], 512), 0);
    assert_eq!(session.read(0, 1, 512), before);
}

fn digests_are_used_where_they_are_asked_for(lab: &Lab) {
    let io = ["write -P 0x11 64k 64k", "read -P 0x11 64k 64k"];
    for (target, digest) in [("header-digest", "crc32c"), ("many", "crc32c"), ("many", "none")] {
        let done = lab.client(target, 0, CAROL).header_digest(digest).qemu_io(&io);
        assert!(done.good, "{target} {digest}: {done:#?}");
    }
    let without = lab.client("header-digest", 0, CAROL).header_digest("none");
    refused(&without.qemu_io(&io), INITIATOR_ERROR);
    let on = |header_digest, data_digest| Terms { header_digest, data_digest, ..Terms::default() };
    for (target, terms) in [
        ("header-digest", on("CRC32C", "None")),
        ("data-digest", on("None", "CRC32C")),
        ("many", on("CRC32C", "CRC32C")),
    ] {
        let mut session = lab.session(target, 0, terms).unwrap();
        assert_eq!(session.write(3, &[0x22; 2048], 512), 0, "{target}");
        // What comes back has digests as well, and the session compares them.
        assert_eq!(session.read(3, 4, 512), [0x22; 2048], "{target}");
    }
    assert_eq!(lab.session("header-digest", 0, on("None", "None")).err(), Some(0x0200));
    assert_eq!(lab.session("data-digest", 0, on("CRC32C", "None")).err(), Some(0x0200));
}

fn a_damaged_write_is_not_taken_for_a_good_one(lab: &Lab) {
    let terms = Terms { data_digest: "CRC32C", ..Terms::default() };
    let mut session = lab.session("data-digest", 0, terms).unwrap();
    assert_eq!(session.write(40, &[0x44; 512], 512), 0);
    assert!(!session.write_damaged(40, &[0x45; 512], 512));
    let mut again = lab.session("data-digest", 0, terms).unwrap();
    assert_eq!(again.read(40, 1, 512), [0x44; 512]);
}

fn every_tpg_answers_at_its_own_portals_only(lab: &Lab) {
    let many = |portal| Client::new(portal, &name("many"), 0, CAROL);
    let finder = |portal| many(portal).chap("finder", "finder-secret-4");
    assert_eq!(many(lab.shared).size(), 3 * MIB);
    for portal in lab.second {
        assert_eq!(many(portal).size(), 4 * MIB, "{portal}");
        let found = finder(portal).discover();
        for (address, tag) in [(lab.shared, 1), (lab.second[0], 2), (lab.second[1], 2)] {
            let words = format!("{address},{tag}");
            assert!(found.stdout.contains(&words), "no {words} by {portal}: {found:#?}");
        }
        // The other targets are not there.
        let elsewhere = Client::new(portal, &name("views"), 0, ALICE);
        refused(&elsewhere.tool("iscsi-inq", &[]), SERVICE_UNAVAILABLE);
    }
    let written = many(lab.second[1]).qemu_io(&["write -P 0x66 0 1M", "read -P 0x66 0 1M"]);
    assert!(written.good, "{written:#?}");
}

fn our_initiator_says_what_is_wrong(lab: &Lab) {
    let one = json!([{ "lun": 0, "bytes": MIB }]);
    let chap = |userid: &str, password: &str| json!({ "userid": userid, "password": password });
    let alice = chap("alice", "alice-secret-1");
    lab.check("one-way", &json!({ "chap": alice }), &one).done();
    let wrong = lab.check("one-way", &json!({ "chap": chap("alice", "alice-secret-9") }), &one);
    wrong.failed(&["one-way", "authentication failed (login status 0x0201)", "check the user id"]);
    lab.check("one-way", &json!({}), &one).failed(&["0x0201", "the target asks for CHAP"]);
    let mutually = |userid: &str, password: &str| {
        let mut chap = alice.clone();
        chap["mutual"] = json!({ "userid": userid, "password": password });
        json!({ "chap": chap })
    };
    lab.check("mutual", &mutually("target", "target-secret-2"), &one).done();
    let impostor = lab.check("mutual", &mutually("target", "target-secret-9"), &one);
    impostor.failed(&["the target proved another secret", "mutual password"]);
    let another = lab.check("mutual", &mutually("tarquin", "target-secret-2"), &one);
    another.failed(&["authenticated itself as somebody else"]);
    let unproven = lab.check("one-way", &mutually("target", "target-secret-2"), &one);
    unproven.failed(&["the target did not authenticate itself"]);
    let stranger = lab.check("views", &json!({ "initiator": CAROL }), &one);
    stranger.failed(&["not allowed to log in (login status 0x0202)", "no ACL for this initiator"]);
    for target in ["nowhere", "disabled"] {
        let unavailable = lab.check(target, &json!({}), &one);
        unavailable.failed(&[target, "login status 0x0301", "name", "enabled"]);
    }
    lab.check("header-digest", &json!({ "header_digest": "crc32c" }), &one).done();
    lab.check("header-digest", &json!({}), &one).done();
    let none = lab.check("header-digest", &json!({ "header_digest": "none" }), &one);
    none.failed(&["login status 0x0200", "digest"]);
    let target = json!({ "portal": lab.shared, "iqn": name("many") });
    let closed = Ours::run(&json!({ "job": "check", "target": target, "luns": [] }));
    closed.failed(&["log in for discovery", "0x0201", "the target asks for CHAP"]);
}

fn our_initiator_checks_what_an_initiator_sees(lab: &Lab) {
    let (none, bob) = (json!({}), json!({ "initiator": BOB }));
    let protected = json!({ "lun": 0, "bytes": MIB, "read_only": true });
    let renumbered = json!({ "lun": 7, "bytes": 2 * MIB });
    let seen = lab.check("views", &none, &json!([protected, renumbered]));
    let uncompared = seen.done().report("uncompared").unwrap();
    assert_eq!((&uncompared["lun"], &uncompared["because"]), (&json!(0), &json!("read_only")));
    assert_eq!(seen.report("verified").unwrap()["lun"], 7);
    lab.check("views", &bob, &json!([{ "lun": 0, "bytes": 2 * MIB }])).done();
    lab.check("views", &none, &json!([protected])).failed(&["REPORT LUNS lists LUN 7 too"]);
    lab.check("views", &bob, &json!([{ "lun": 0, "bytes": MIB }])).failed(&["expected 1048576"]);
    let writable = json!({ "lun": 0, "bytes": MIB });
    let refused = lab.check("views", &none, &json!([writable, renumbered]));
    refused.failed(&["expected writable, got read-only"]);
    let missing = json!([protected, renumbered, { "lun": 8, "bytes": MIB }]);
    lab.check("views", &none, &missing).failed(&["find LUN 8", "lists only [0, 7]"]);
    let portal = json!({ "portal": lab.second[1] });
    lab.check("many", &portal, &json!([{ "lun": 0, "bytes": 4 * MIB }])).done();
}

/// What a run of its own does with all that: protected and inaccessible LUNs, a target that insists
/// on digests, a second portal, credentials that are right, and at last some that are wrong.
fn a_run_spec([first, second]: [u16; 2]) -> String {
    let views = name("views");
    let randread =
        |keys: &str| format!("[[benchmark]]\nworkload = \"iscsi-randread\"\nseconds = 1\n{keys}\n");
    let one_way = format!("target = \"{}\"\ninitiator = \"{ALICE}\"", name("one-way"));
    let wrong = r#"chap = { userid = "alice", password_file = "target.secret" }"#;
    [
        format!(
            r#"
[[storage_object]]
name = "plain"
backstore = "ramdisk"
size = "4M"
[[storage_object]]
name = "standby"
backstore = "ramdisk"
size = "2M"
alua_group = [{{ name = "there", id = 16, access_state = "standby", access_type = "implicit" }}]
[[target]]
wwn = "{views}"
[[target.tpg]]
tag = 1
portals = ["127.0.0.1:{first}", "[::1]:{second}"]
parameters = {{ HeaderDigest = "CRC32C" }}
luns = [
    {{ lun = 0, storage_object = "plain" }},
    {{ lun = 4, storage_object = "standby", alua_group = "there" }},
]
[[target.tpg.acl]]
initiator = "{ALICE}"
mapped_luns = [{{ mapped_lun = 0, lun = 0, write_protect = true }}, {{ mapped_lun = 5, lun = 4 }}]
[[target]]
wwn = "{protected}"
[[target.tpg]]
tag = 1
luns = [{{ lun = 0, storage_object = "plain" }}]
[[target.tpg.acl]]
initiator = "{ALICE}"
chap = {{ userid = "alice", password_file = "alice.secret" }}
"#,
            protected = name("one-way"),
        ),
        randread(&format!("target = \"{views}\"\nlun = 0\nheader_digest = \"crc32c\"")),
        randread(&one_way),
        randread(&format!("{one_way}\n{wrong}")),
    ]
    .concat()
}

#[test]
fn a_run_logs_in_as_the_spec_has_it_and_says_what_was_refused() {
    let lunlab = Lunlab::run()
        .secret("alice.secret", "alice-secret-1\n")
        .secret("target.secret", "target-secret-2\n")
        .spec(&a_run_spec(ports::free()));
    let finished = lunlab.finish();
    let verdict = finished.verdict("fail", 1);
    assert!(verdict.reason.contains("authentication failed (login status 0x0201)"), "{verdict:#?}");
    let result = finished.result();
    let benchmarks = result["benchmarks"].as_array().unwrap();
    let measured = |n: usize| benchmarks[n]["metrics"].to_string().contains("iops");
    assert_eq!([0, 1, 2].map(measured), [true, true, false], "{benchmarks:#?}");
    let told = result.to_string();
    for words in ["read but not written: it is read-only", "it is not ready", "by [::1]:"] {
        assert!(told.contains(words), "no {words:?} in\n{told}");
    }
    assert!(!told.contains("secret-1") && !told.contains("secret-2"), "{told}");
}

#[test]
fn a_data_digest_is_used_or_missed_before_anything_boots() {
    let benchmark = "[[benchmark]]\nworkload = \"iscsi-randread\"\ndata_digest = \"crc32c\"\n";
    let target = r#"
[[storage_object]]
name = "plain"
backstore = "ramdisk"
size = "4M"
[[target]]
wwn = "iqn.2026-01.org.lunlab.test:plain"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "plain" }]
"#;
    let idle = Ours::run(&json!({ "job": "check", "luns": [] }));
    let ready = idle.report("ready").unwrap();
    let finished = Lunlab::run().spec(&format!("{target}{benchmark}seconds = 1\n")).finish();
    if ready["data_digest"] == true {
        finished.verdict("pass", 0);
    } else {
        let library = ready["library"].as_str().unwrap();
        finished.verdict("environment", 3);
        finished.shows("iscsi_set_data_digest").shows(library).shows("nothing was started");
    }
}

#[test]
fn a_target_behind_a_forwarded_port_is_found_by_the_address_it_knows() {
    let text = r#"
[network]
mode = "user"
[[storage_object]]
name = "plain"
backstore = "ramdisk"
size = "4M"
[[target]]
wwn = "iqn.2026-01.org.lunlab.test:plain"
[[target.tpg]]
tag = 1
portals = ["10.0.2.15:3260"]
luns = [{ lun = 0, storage_object = "plain" }]
"#;
    Lunlab::run().spec(text).finish().verdict("pass", 0);
}
