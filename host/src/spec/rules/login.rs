//! Logins of lunlab's own initiator, against the targets there are.

use configfs_rs::lio::IscsiName;

use super::{Finding, chap, not_found, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::storage::attribute;
use crate::spec::{DemoMode, IscsiDigest, Login, Session, Spec};

/// What tells targets and TPGs apart, and `keys` of each TPG.
pub(super) fn of_targets(spec: &Spec, keys: &[&str]) -> Vec<KeyPath> {
    let mut paths = Vec::new();
    for (index, target) in spec.targets.iter().enumerate() {
        let path = top("target").index(index);
        paths.extend(["wwn", "fabric"].map(|key| path.key(key)));
        if target.tpgs.is_empty() {
            paths.push(path.key("tpg"));
        }
        for number in 0..target.tpgs.len() {
            let tpg = path.key("tpg").index(number);
            paths.extend(keys.iter().chain(&["tag"]).map(|key| tpg.key(key)));
        }
    }
    if paths.is_empty() { vec![top("target")] } else { paths }
}

/// Checks what a login says by itself.
pub(super) fn check_named(login: &Login, path: &KeyPath, findings: &mut Vec<Finding>) {
    if let Some(Err(invalid)) = login.initiator.as_deref().map(IscsiName::new) {
        findings.push(Finding::invalid(path.key("initiator"), &invalid));
    }
    if let Some(chap) = &login.chap {
        chap::check_credentials(chap, &path.key("chap"), findings);
    }
}

/// A login, and the benchmark it is of.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) spec: &'a Spec,
    pub(super) login: &'a Login,
    /// The workload's name.
    pub(super) workload: &'a str,
    /// Where the benchmark stands.
    pub(super) path: &'a KeyPath,
}

impl<'a> By<'a> {
    /// Checks that there is what it names, down to the portal.
    fn target(self, findings: &mut Vec<Finding>) -> Option<Session<'a>> {
        let Self { spec, login, workload, path } = self;
        let given = |keys: &[&str]| of_targets(spec, keys);
        let Some(target) = spec.target_of(login) else {
            let known: Vec<&str> = spec.iscsi_targets().map(|target| &*target.wwn).collect();
            findings.push(match &login.target {
                Some(name) if !known.is_empty() => not_found(
                    path.key("target"),
                    "target of iscsi",
                    name,
                    &known,
                    given(&[]),
                    "name one of them",
                ),
                _ => {
                    let message =
                        format!("{workload} needs a [[target]] of iscsi with a LUN, there is none");
                    let finding = Finding::new(path.key("workload"), message).given(given(&[]));
                    finding.way_out("add a [[target]], or take the benchmark out")
                }
            });
            return None;
        };
        let Some(tpg) = spec.tpg_of(login) else {
            let tag = login.tpg?;
            let known: Vec<String> = target.tpgs.iter().map(|tpg| tpg.tag.to_string()).collect();
            let message = format!("the target has no TPG {tag}, only {}", known.join(", "));
            let finding = Finding::new(path.key("tpg"), message).given(given(&[]));
            findings.push(finding.way_out("name one of them, or leave it out for the first"));
            return None;
        };
        let named = login.portal.filter(|portal| !tpg.portals.contains(portal));
        if named.is_some() || tpg.portals.is_empty() {
            let known: Vec<String> = tpg.portals.iter().map(ToString::to_string).collect();
            let message = match (named, known.as_slice()) {
                (Some(portal), [_, ..]) => {
                    format!("the TPG has no portal {portal}, only {}", known.join(", "))
                }
                _ => "the TPG has no portal at which it could be reached".to_owned(),
            };
            let finding = Finding::new(path.key("portal"), message).given(given(&["portals"]));
            findings.push(finding.way_out(match tpg.portals.as_slice() {
                [] => "give the TPG one: portals = [\"127.0.0.1\"]",
                _ => "name one of them, or leave it out for the first",
            }));
            return None;
        }
        spec.session_of(login)
    }

    /// Checks that its initiator can log in, and sees something if that can be known.
    pub(super) fn session(self, findings: &mut Vec<Finding>) -> Option<Session<'a>> {
        let session = self.target(findings)?;
        let Self { workload, path, .. } = self;
        let given = |keys: &[&str]| self.given(keys);
        let initiator = quoted(session.initiator);
        if !session.tpg.enable {
            let message = format!("{workload} could not log in, its TPG is not enabled");
            let finding = Finding::new(path.key("workload"), message).given(given(&["enable"]));
            findings.push(finding.way_out("enable = true in that TPG"));
        }
        let known = session.tpg.acl(session.initiator).is_some();
        if !known && session.tpg.demo_mode == DemoMode::Off {
            let message =
                format!("{initiator} has no ACL and demo_mode is off, it could not log in");
            let finding = Finding::new(path.key("initiator"), message).given(given(&[
                "acl",
                "demo_mode",
                "attributes",
            ]));
            findings.push(finding.way_out(match session.tpg.acls.as_slice() {
                [] => {
                    "give the TPG an [[target.tpg.acl]] of that name, or demo_mode = \"writable\""
                }
                _ => "name the initiator of an ACL, or add an [[target.tpg.acl]]",
            }));
            return None;
        }
        self.digests(&session, findings);
        Some(session)
    }

    /// Says that its initiator does not see the LUN.
    pub(super) fn no_lun(self, session: &Session<'_>, findings: &mut Vec<Finding>) {
        let Self { spec, login, workload, path } = self;
        let initiator = quoted(session.initiator);
        let seen = spec.luns_seen(session.tpg, session.initiator);
        let numbers: Vec<String> = seen.iter().map(|lun| lun.number.to_string()).collect();
        let only = if seen.is_empty() { "none".to_owned() } else { numbers.join(", ") };
        let given = self.given(&["luns", "acl"]);
        findings.push(match login.lun {
            Some(number) => {
                let message = format!("{initiator} sees no LUN {number}, only {only}");
                let finding = Finding::new(path.key("lun"), message).given(given);
                finding.way_out(
                    "leave it out for the lowest it sees, or add it to luns or mapped_luns",
                )
            }
            None => {
                let message = format!("{workload} reads a LUN, and {initiator} sees none");
                let finding = Finding::new(path.key("workload"), message).given(given);
                finding.way_out("give its ACL mapped_luns, or the TPG luns")
            }
        });
    }

    /// What tells apart what it may log in to, and `keys` of each TPG.
    pub(super) fn given(self, keys: &[&str]) -> Vec<KeyPath> {
        let own = ["lun", "initiator"].map(|key| self.path.key(key));
        own.into_iter().chain(of_targets(self.spec, keys)).collect()
    }

    /// What both sides do not offer ends the login.
    fn digests(self, session: &Session<'_>, findings: &mut Vec<Finding>) {
        let Self { spec, login, path, .. } = self;
        for (key, parameter, asked) in [
            ("header_digest", "HeaderDigest", login.header_digest),
            ("data_digest", "DataDigest", login.data_digest),
        ] {
            let word = if asked == IscsiDigest::None { "None" } else { "CRC32C" };
            let offered = attribute(&session.tpg.parameters, parameter).unwrap_or("CRC32C,None");
            if !offered.split(',').any(|each| each == word) {
                let message = format!("{:?} is not offered, the TPG's {parameter} is {offered}", {
                    asked.name()
                });
                let finding =
                    Finding::new(path.key(key), message).given(of_targets(spec, &["parameters"]));
                let other = if word == "None" { "crc32c" } else { "none" };
                findings.push(finding.way_out(&format!("{key} = {other:?}")));
            }
        }
    }
}
