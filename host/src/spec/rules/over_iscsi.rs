//! Benchmarks of a storage object over iSCSI: whether lunlab's own initiator gets at it, and may do
//! there what it is to do.

use super::benchmark::path_of;
use super::login::By;
use super::{Finding, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::{Benchmark, Login, Measured, SeenLun, Spec, StorageObject};

/// Checks a storage object that some target of iSCSI exports.
pub(super) fn check(
    spec: &Spec,
    asked: &Measured,
    object: &StorageObject,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let login = spec.login_of(asked);
    let by = By { spec, login: &login, workload: asked.workload, path };
    let Some(session) = by.session(findings) else { return };
    let seen = spec.lun_of(&login).filter(|seen| seen.storage_object.name == object.name);
    let told = match seen {
        Some(seen) => refusal(spec, asked, &seen, session.initiator),
        None => {
            let (initiator, name) = (quoted(session.initiator), quoted(&object.name));
            let (key, number) = match asked.login.lun {
                Some(number) => ("lun", format!("{number} of ")),
                None => ("via", "of ".to_owned()),
            };
            let wwn = &session.target.wwn;
            let message = format!("{initiator} sees no LUN {number}{name} at {wwn}");
            Some((key, message, "give the TPG a LUN of it, or its ACL mapped_luns"))
        }
    };
    if let Some((key, message, way_out)) = told {
        let mut given = by.given(&["luns", "acl", "demo_mode"]);
        given.extend([path.key("storage_object"), path.key("via"), top("disk")]);
        given.push(path_of(spec, &object.name));
        findings.push(Finding::new(path.key(key), message).given(given).way_out(way_out));
    }
}

/// Why it may not do on this LUN what it is to do: the key, what is wrong and a way out.
fn refusal(
    spec: &Spec,
    asked: &Measured,
    seen: &SeenLun<'_>,
    initiator: &str,
) -> Option<(&'static str, String, &'static str)> {
    let (number, object) = (seen.number, seen.storage_object);
    let key = if asked.value("verify") == "true" { "verify" } else { "read_percent" };
    if !seen.is_ready() {
        let group = seen.lun.alua_group.as_deref().unwrap_or_default();
        let message = format!("LUN {number} is not accessible in its ALUA group {}", quoted(group));
        Some(("via", message, "give the group another access_state, or export it in none"))
    } else if !asked.writes() || spec.is_read_only(object) {
        // What nobody can write to is refused whichever way it is reached.
        None
    } else if !seen.writable {
        let message = format!("LUN {number} is read-only for {}", quoted(initiator));
        Some((key, message, "let it write there, or read only: read_percent = 100, verify = false"))
    } else if spec.keeps_contents(object) {
        let message =
            format!("{} is an image file of yours, which stays as it is", { quoted(&object.name) });
        Some((key, message, "snapshot = true in its [[disk]], or read only"))
    } else {
        None
    }
}

/// Checks that a login is of some use in the table it stands in.
pub(super) fn check_table(
    spec: &Spec,
    asked: &Measured,
    table: usize,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    if asked.login == Login::default() {
        return;
    }
    let mut others = spec.benchmarks.iter().zip(&spec.benchmark_tables);
    let is_used = |(other, of): (&Benchmark, &usize)| *of == table && other.login().is_some();
    if !others.any(is_used) {
        let key = asked.login.shown().next().map_or("chap".to_owned(), |(key, _)| key);
        let message = "nobody logs in: this is for via = \"iscsi\"";
        let finding = Finding::new(path.key(&key), message).given(vec![path.key("via")]);
        findings.push(finding.way_out("leave it out, or via = \"iscsi\""));
    }
}
