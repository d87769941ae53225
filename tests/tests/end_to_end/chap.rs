//! CHAP and what LIO pads its answers with: the padding of a login's answer is what an earlier one left in
//! LIO's buffer, and libiscsi up to 1.19 reads it. A client that goes by the length of the data is let in
//! whatever the names are, and so is lunlab's own initiator.

use std::net::SocketAddr;

use lunlab_tests::clients::{CLIENT, Ours};
use lunlab_tests::{Held, Lunlab, ports, tools};
use serde_json::{Value, json};

use crate::plain_chap::{Answers, Chap};
use crate::plain_initiator::{Pdu, Session, Terms};

const MIB: u64 = 1 << 20;
const PASSWORD: &str = "alice-secret-1";
const TARGETS: &str = "target-secret-2";
/// Lengths of the target's name at mutual CHAP. Of an answer with 2, 6, 10, … bytes nothing is padded.
const FIT: [usize; 4] = [2, 6, 10, 14];
/// Here the padding is of the challenge's digits.
const PADDED_WITH_DIGITS: [usize; 4] = [1, 3, 4, 5];
/// Here it may begin with the challenge's last digits, or lies behind them.
const PADDED_OTHERWISE: [usize; 6] = [7, 8, 9, 11, 12, 200];
/// Longer than what LIO has, `LIO Target`.
const ALIAS: &str = "an alias that is longer than a challenge";
const NO_NUL: &str = "NUL not found after offset";

fn iqn(name: &str) -> String {
    format!("iqn.2026-01.org.lunlab.test:{name}")
}

fn targets_name(length: usize) -> String {
    "target".chars().cycle().take(length).collect()
}

fn spec(port: u16) -> String {
    let acl = |length: &usize| {
        format!(
            r#"
[[target.tpg.acl]]
initiator = "{initiator}"
[target.tpg.acl.chap]
userid = "alice"
password_file = "alice.secret"
mutual_userid = "{name}"
mutual_password_file = "target.secret"
"#,
            initiator = iqn(&format!("i{length}")),
            name = targets_name(*length),
        )
    };
    let lengths = FIT.iter().chain(&PADDED_WITH_DIGITS).chain(&PADDED_OTHERWISE);
    let acls: String = lengths.map(acl).collect();
    format!(
        r#"
[[storage_object]]
name = "disk0"
backstore = "ramdisk"
size = "1M"
[discovery]
chap = {{ userid = "alice", password_file = "alice.secret", mutual_userid = "found", mutual_password_file = "target.secret" }}
[[target]]
wwn = "{alias}"
[[target.tpg]]
tag = 1
portals = ["127.0.0.1:{port}"]
luns = [{{ lun = 0, storage_object = "disk0" }}]
parameters = {{ TargetAlias = "{ALIAS}" }}
chap = {{ userid = "alice", password_file = "alice.secret" }}
[[target]]
wwn = "{mutual}"
[[target.tpg]]
tag = 1
portals = ["127.0.0.1:{port}"]
luns = [{{ lun = 0, storage_object = "disk0" }}]
{acls}"#,
        alias = iqn("alias"),
        mutual = iqn("mutual"),
    )
}

struct Lab {
    held: Held,
    portal: SocketAddr,
}

/// One initiator at one target, and what it proves and wants to be proved.
#[derive(Clone, Copy)]
struct Login<'a> {
    target: &'a str,
    initiator: &'a str,
    chap: Chap<'a>,
}

impl<'a> Login<'a> {
    fn with(self, password: &'a str) -> Self {
        Self { chap: Chap { password, ..self.chap }, ..self }
    }

    fn expecting(self, mutual: (&'a str, &'a str)) -> Self {
        Self { chap: Chap { mutual: Some(mutual), ..self.chap }, ..self }
    }
}

impl Lab {
    fn up() -> Self {
        let [port] = ports::free();
        let lunlab = Lunlab::up()
            .secret("alice.secret", &format!("{PASSWORD}\n"))
            .secret("target.secret", &format!("{TARGETS}\n"));
        let held = lunlab.spec(&spec(port)).hold();
        Self { held, portal: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    fn plain(&self, login: Login<'_>) -> Result<Answers, u16> {
        let url = format!("iscsi://{}/{}/0", self.portal, login.target);
        let Login { initiator, chap, .. } = login;
        let terms = Terms { initiator, chap: Some(chap), ..Terms::default() };
        Session::authenticated(&url, terms).map(|(_session, answers)| answers.unwrap())
    }

    /// What libiscsi's own tool says; nothing when it is let in.
    fn libiscsi(&self, tool: &str, login: Login<'_>) -> Option<String> {
        let mut command = tools::command(tool);
        let lun = if tool == "iscsi-ls" { String::new() } else { format!("{}/0", login.target) };
        command.args(["-i", login.initiator]).arg(format!("iscsi://{}/{lun}", self.portal));
        // Else it only says that it could not reconnect.
        command.env("LIBISCSI_DEBUG", "1");
        command.env("LIBISCSI_CHAP_USERNAME", login.chap.userid);
        command.env("LIBISCSI_CHAP_PASSWORD", login.chap.password);
        if let Some((userid, password)) = login.chap.mutual {
            command.env("LIBISCSI_CHAP_TARGET_USERNAME", userid);
            command.env("LIBISCSI_CHAP_TARGET_PASSWORD", password);
        }
        let output = tools::output(&mut command, CLIENT);
        (!output.good).then(|| format!("{}{}", output.stdout, output.stderr))
    }

    fn ours(&self, login: Login<'_>) -> Ours {
        let chap = |chap: Chap<'_>| {
            let mut value = json!({ "userid": chap.userid, "password": chap.password });
            if let Some((userid, password)) = chap.mutual {
                value["mutual"] = json!({ "userid": userid, "password": password });
            }
            value
        };
        let (target, initiator): (&str, &str) = (login.target, login.initiator);
        let finder =
            chap(Chap { userid: "alice", password: PASSWORD, mutual: Some(("found", TARGETS)) });
        let target = json!({ "portal": self.portal, "iqn": target, "initiator": initiator,
            "chap": chap(login.chap) });
        let luns: Value = json!([{ "lun": 0, "bytes": MIB }]);
        Ours::run(
            &json!({ "job": "check", "target": target, "discovery_chap": finder, "luns": luns }),
        )
    }
}

#[test]
fn chap_lets_in_who_has_the_secrets_whatever_answers_are_padded_with() {
    let lab = Lab::up();
    // First, for the challenge's length follows the number of logins.
    padding_is_what_the_challenge_left(&lab);
    each_side_must_have_its_secret_whatever_the_targets_name(&lab);
    discovery_is_no_exception(&lab);
    an_alias_can_be_left_behind_a_challenge(&lab);
    lab.held.stop().verdict("pass", 0);
}

/// The bytes of a PDU from its data's beginning on, padding included.
fn sent(pdu: &Pdu) -> Vec<u8> {
    [&pdu.data[..], &pdu.padding].concat()
}

/// Asserts that all of an answer's padding is what another left in its place.
#[track_caller]
fn left_by(earlier: &Pdu, pdu: &Pdu) {
    let end = pdu.data.len() + pdu.padding.len();
    assert_eq!(pdu.padding, sent(earlier)[pdu.data.len()..end], "{:?}", sent(pdu));
}

fn padding_is_what_the_challenge_left(lab: &Lab) {
    let (target, digits) = (iqn("mutual"), |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit));
    for length in PADDED_WITH_DIGITS.into_iter().chain(FIT) {
        let (name, initiator) = (targets_name(length), iqn(&format!("i{length}")));
        let chap = Chap { userid: "alice", password: PASSWORD, mutual: Some((&name, TARGETS)) };
        let login = Login { target: &target, initiator: &initiator, chap };
        let answers = lab.plain(login).unwrap();
        left_by(&answers.challenge, &answers.proof);
        assert_eq!(answers.proof.padding.is_empty(), FIT.contains(&length), "{length}");
        assert!(digits(&answers.proof.padding), "{:?}", answers.proof.padding);
        let said = lab.libiscsi("iscsi-inq", login);
        let said = said.unwrap_or_default();
        assert_eq!(said.contains(NO_NUL), !FIT.contains(&length), "{length}: {said}");
        assert_eq!(said.is_empty(), FIT.contains(&length), "{length}: {said}");
    }
}

fn each_side_must_have_its_secret_whatever_the_targets_name(lab: &Lab) {
    let target = iqn("mutual");
    for length in FIT.into_iter().chain(PADDED_WITH_DIGITS).chain(PADDED_OTHERWISE) {
        let (name, initiator) = (targets_name(length), iqn(&format!("i{length}")));
        let chap = Chap { userid: "alice", password: PASSWORD, mutual: Some((&name, TARGETS)) };
        let login = Login { target: &target, initiator: &initiator, chap };
        let answers = lab.plain(login).unwrap();
        let proved = |userid, password| answers.prove((userid, password));
        assert!(proved(&name, TARGETS) && !proved(&name, PASSWORD) && !proved("else", TARGETS));
        assert_eq!(lab.plain(login.with(TARGETS)).err(), Some(0x0201), "{length}");
        lab.ours(login).done();
        let impostor = lab.ours(login.expecting((&name, "target-secret-3")));
        impostor.failed(&["the target proved another secret"]);
        lab.ours(login.expecting(("else", TARGETS))).failed(&["as somebody else"]);
        lab.ours(login.with("alice-secret-2")).failed(&["login status 0x0201"]);
    }
}

fn discovery_is_no_exception(lab: &Lab) {
    let chap = Chap { userid: "alice", password: PASSWORD, mutual: Some(("found", TARGETS)) };
    let (target, initiator) = (iqn("mutual"), iqn("i5"));
    // Ours did discover above.
    let login = Login { target: &target, initiator: &initiator, chap };
    let said = lab.libiscsi("iscsi-ls", login).unwrap_or_default();
    assert!(said.contains(NO_NUL), "{said}");
    let one_way = Login { chap: Chap { mutual: None, ..chap }, ..login };
    assert_eq!(lab.libiscsi("iscsi-ls", one_way), None);
}

/// With a challenge of 61 bytes, which its identifier of two digits makes it, there is padding to fill.
fn an_alias_can_be_left_behind_a_challenge(lab: &Lab) {
    let (target, initiator) = (iqn("alias"), iqn("anyone"));
    let chap = Chap { userid: "alice", password: PASSWORD, mutual: None };
    let login = Login { target: &target, initiator: &initiator, chap };
    assert_eq!(lab.libiscsi("iscsi-inq", login), None);
    let padded = || {
        let answers = lab.plain(login).unwrap();
        left_by(&answers.method, &answers.challenge);
        !answers.challenge.padding.is_empty()
    };
    let logins = (1..=20).find(|_| padded());
    assert!(logins.is_some_and(|logins| logins > 1), "{logins:?}");
    let said = lab.libiscsi("iscsi-inq", login).unwrap_or_default();
    assert!(said.contains(NO_NUL), "{said}");
    lab.ours(login).done();
    lab.ours(login.with("alice-secret-2")).failed(&["login status 0x0201"]);
}
