//! Credentials, and whether those who need some have them. Nothing here shows a secret.

use super::{Finding, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::{Chap, DemoMode, Secret, SecretSource, Spec, Tpg};

/// The longest user name: that of an iSCSI name, in bytes.
const USERID_MAX: usize = 223;

/// 96 bits that are random need so many characters at least (RFC 7143 section 9.2.1).
const SECRET_MIN: usize = 12;

/// LIO cuts what is longer, without a word, in bytes.
const SECRET_MAX: usize = 255;

pub(super) fn check_discovery(spec: &Spec, findings: &mut Vec<Finding>) {
    if let Some(chap) = &spec.discovery.chap {
        check_credentials(chap, &top("discovery").key("chap"), findings);
    }
}

pub(super) fn check_tpg(tpg: &Tpg, path: &KeyPath, findings: &mut Vec<Finding>) {
    if let Some(chap) = &tpg.chap {
        check_credentials(chap, &path.key("chap"), findings);
    }
    if tpg.authenticates() && tpg.demo_mode != DemoMode::Off && tpg.chap.is_none() {
        let written = tpg.attribute("authentication").map(|_| path.key("attributes"));
        let value = if written.is_some() { "1" } else { tpg.demo_mode.name() };
        let message = format!(
            "{value} lets nobody without an ACL log in, authentication is on and the TPG has no chap"
        );
        let at = written.map_or(path.key("demo_mode"), |path| path.key("authentication"));
        let finding = Finding::new(at, message)
            .given(["chap", "acl", "demo_mode"].map(|key| path.key(key)).to_vec());
        findings.push(finding.way_out("give the TPG chap = { … }, or demo_mode = \"off\""));
    }
    for (index, acl) in tpg.acls.iter().enumerate() {
        let path = path.key("acl").index(index);
        match &acl.chap {
            Some(chap) => check_credentials(chap, &path.key("chap"), findings),
            None if tpg.authenticates_acl(acl) => {
                let message = format!("missing, authentication is on and {} could not log in", {
                    quoted(&acl.initiator)
                });
                let hint = "give it chap = { … }, or attributes = { authentication = 0 }";
                findings.push(Finding::new(path.key("chap"), message).way_out(hint));
            }
            None => {}
        }
    }
}

/// Checks both halves of credentials, and that they differ.
pub(super) fn check_credentials(chap: &Chap, path: &KeyPath, findings: &mut Vec<Finding>) {
    check_half("", &chap.userid, &chap.password, path, findings);
    let Some(mutual) = &chap.mutual else { return };
    check_half("mutual_", &mutual.userid, &mutual.password, path, findings);
    if mutual.password.reveal() == chap.password.reveal() {
        let message = format!(
            "the secrets of {} and {} are the same, which initiators refuse",
            { quoted(&chap.userid) },
            { quoted(&mutual.userid) }
        );
        let (at, other) = (secret_key("mutual_", &mutual.password), secret_key("", &chap.password));
        let finding = Finding::new(path.key(&at), message).beside(path.key(&other));
        findings.push(finding.way_out("openssl rand -hex 16 makes another"));
    }
}

fn check_half(
    prefix: &str,
    userid: &str,
    secret: &Secret,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    if let Some(problem) = problem(userid, 1, USERID_MAX) {
        let message = format!("{} {problem}", quoted(userid));
        let finding = Finding::new(path.key(&format!("{prefix}userid")), message);
        findings.push(finding);
    }
    if let Some(problem) = problem(secret.reveal(), SECRET_MIN, SECRET_MAX) {
        let owner = if userid.is_empty() { format!("{prefix}userid") } else { quoted(userid) };
        let message = format!("the secret of {owner} {problem}");
        let finding = Finding::new(path.key(&secret_key(prefix, secret)), message);
        findings.push(finding.way_out("openssl rand -hex 16 makes a good one"));
    }
}

/// The key that says where a secret comes from.
fn secret_key(prefix: &str, secret: &Secret) -> String {
    match secret.source() {
        SecretSource::File(_) => format!("{prefix}password_file"),
        SecretSource::Environment(_) => format!("{prefix}password_env"),
    }
}

/// All that is wrong with a name or a secret.
fn problem(text: &str, least: usize, most: usize) -> Option<String> {
    let fits = (least..=most).contains(&text.len());
    let length = format!("has {} bytes, {least} to {most} are needed", text.len());
    let odd = !text.bytes().all(|b| b.is_ascii_graphic());
    let problems = [
        (!fits, length.as_str()),
        (odd, "has a blank, or a character that is not printable ASCII"),
        (text.starts_with("NULL"), "begins with NULL, which LIO takes for none"),
    ];
    let said = problems.into_iter().filter(|(holds, _)| *holds).map(|(_, problem)| problem);
    let said = said.collect::<Vec<_>>().join(", and ");
    (!said.is_empty()).then_some(said)
}
