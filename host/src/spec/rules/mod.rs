//! The rules that values of a spec obey, alone and together, on plain data.

mod acl;
mod alua_group;
mod attributes;
mod benchmark;
mod chap;
mod disk;
mod kernel;
mod login;
mod lun;
mod notes;
mod over_iscsi;
mod portal;
mod share;
mod storage;
mod storage_object;
mod target;

use std::fmt::Display;
use std::ops::RangeInclusive;

use configfs_rs::Invalid;

use crate::spec::Spec;
use crate::spec::fault::{Fault, KeyPath, Position, nearest, quoted};
use crate::spec::quantity::format_size;

pub(super) use notes::find_notes;

/// A broken rule.
pub(super) struct Finding {
    path: KeyPath,
    /// Other values the rule looked at: when one of those could not be read, what stands in its
    /// place proves nothing.
    given: Vec<KeyPath>,
    /// The other side of a conflict, to be named with its line.
    beside: Option<KeyPath>,
    message: String,
    hint: Option<String>,
}

impl Finding {
    fn new(path: KeyPath, message: impl Display) -> Self {
        Self { path, given: Vec::new(), beside: None, message: message.to_string(), hint: None }
    }

    /// A name that configfs-rs refuses.
    fn invalid(path: KeyPath, invalid: &Invalid) -> Self {
        Self::new(path, invalid).hint(invalid.hint().map(str::to_owned))
    }

    fn given(self, given: Vec<KeyPath>) -> Self {
        Self { given, ..self }
    }

    fn beside(self, other: KeyPath) -> Self {
        Self { beside: Some(other), ..self }
    }

    fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    fn way_out(self, hint: &str) -> Self {
        self.hint(Some(hint.to_owned()))
    }

    /// Whether it still says something when the values of the keys in `unread` only stand in for
    /// what could not be read.
    fn stands(&self, unread: &[KeyPath]) -> bool {
        let judged = || self.given.iter().chain(&self.beside).chain([&self.path]);
        let overlap = |a: &KeyPath, b: &KeyPath| a.starts_with(b) || b.starts_with(a);
        !unread.iter().any(|key| judged().any(|path| overlap(path, key)))
    }

    pub(super) fn into_fault(self, locate: impl Fn(&KeyPath) -> Option<Position>) -> Fault {
        let position = locate(&self.path);
        let mut message = self.message;
        if let Some(other) = self.beside {
            let line = locate(&other).map(|at| format!(", line {}", at.line)).unwrap_or_default();
            message.push_str(&format!(" ({other}{line})"));
        }
        Fault { position, key: self.path, message, hint: self.hint }
    }
}

/// Every rule the spec breaks, the values of the keys in `unread` only standing in for what could
/// not be read.
pub(super) fn find_faults(spec: &Spec, unread: &[KeyPath]) -> Vec<Finding> {
    let mut findings = Vec::new();
    kernel::check(spec, &mut findings);
    disk::check(spec, &mut findings);
    storage_object::check(spec, &mut findings);
    chap::check_discovery(spec, &mut findings);
    target::check(spec, &mut findings);
    portal::check(spec, &mut findings);
    benchmark::check(spec, &mut findings);
    findings.retain(|finding| finding.stands(unread));
    findings
        .dedup_by(|later, earlier| later.path == earlier.path && later.message == earlier.message);
    findings
}

fn top(key: &str) -> KeyPath {
    KeyPath::default().key(key)
}

/// Pairs each key that was there before with the first and the last before it that are the same, by
/// their places: one of the two may only stand in for what could not be read.
fn repeats<K: PartialEq>(keys: &[(KeyPath, K)]) -> impl Iterator<Item = (usize, usize)> {
    keys.iter().enumerate().flat_map(|(again, (_, key))| {
        let is_same = |(_, earlier): &(KeyPath, K)| earlier == key;
        let first = keys[..again].iter().position(is_same);
        let last = keys[..again].iter().rposition(is_same).filter(|last| Some(*last) != first);
        first.into_iter().chain(last).map(move |earlier| (earlier, again))
    })
}

/// Reports each key that an earlier one has already; `what` says what that is.
fn check_repeats<K: PartialEq + Display>(
    keys: &[(KeyPath, K)],
    what: &str,
    way_out: &str,
    findings: &mut Vec<Finding>,
) {
    for (first, again) in repeats(keys) {
        let (path, key) = &keys[again];
        let message = format!("{key} is {what} already");
        let finding = Finding::new(path.clone(), message).beside(keys[first].0.clone());
        findings.push(finding.way_out(way_out));
    }
}

/// Something named that is not there: `kind` in words, `known` what there is, with the places where
/// those names stand.
fn not_found(
    path: KeyPath,
    kind: &str,
    name: &str,
    known: &[&str],
    given: Vec<KeyPath>,
    way_out: &str,
) -> Finding {
    let names = known.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let only = if known.is_empty() { String::new() } else { format!(", only {names}") };
    let hint = nearest(name, known.iter().copied()).map(|name| format!("did you mean {name:?}?"));
    let hint = hint.unwrap_or_else(|| way_out.to_owned());
    let message = format!("there is no {kind} {}{only}", quoted(name));
    Finding::new(path, message).given(given).way_out(&hint)
}

fn size_out_of_range(size: u64, range: &RangeInclusive<u64>) -> String {
    let (least, most) = (format_size(*range.start()), format_size(*range.end()));
    format!("{} is out of range, {least} to {most} is allowed", format_size(size))
}

fn not_a_multiple(size: u64, granularity: u64) -> String {
    format!("{size} bytes is not a multiple of {}", format_size(granularity))
}
