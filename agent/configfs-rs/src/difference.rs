//! From one plan to another: what to undo, what to do, and what cannot be while it stands. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::lio::rule::{AttributeRule, Change as When, rule_at};
use crate::path::TreePath;
use crate::plan::{Step, Undo};
use crate::value::Value;

/// What makes a tree that stands as one plan has it into what another plan has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What goes first, in order.
    pub undo: Vec<Undo>,
    /// What comes then, in order.
    pub steps: Vec<Step>,
    /// The steps of the old plan that `undo` takes back, in order: what puts it back should the change fail.
    pub restore: Vec<Step>,
}

impl Change {
    /// Says whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.undo.is_empty() && self.steps.is_empty()
    }
}

/// Something that cannot change while it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The attribute or file.
    pub path: String,
    /// Its value in the old plan, `…` where it is secret.
    pub old: Option<String>,
    /// Its value in the new plan, `…` where it is secret.
    pub new: Option<String>,
    /// Why, such as `cannot change while disk0 is exported`.
    pub why: String,
}

impl Refusal {
    /// Gives a way out.
    pub fn hint(&self) -> &'static str {
        "start anew with it, or remove what it belongs to and add it under another name"
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: &Option<String>| value.clone().unwrap_or_else(|| "LIO's own".to_owned());
        let (old, new) = (shown(&self.old), shown(&self.new));
        write!(f, "{} from {old} to {new}: {}", self.path, self.why)
    }
}

impl std::error::Error for Refusal {}

/// Compares two plans.
///
/// What only the old one makes is undone, in reverse; what only the new one makes is done, in order; an attribute that
/// differs is one write. A LUN that is to export something else is taken down and made anew, with all that is mapped to
/// it. An attribute that the new plan does not set any more goes back to LIO's own value.
///
/// # Errors
/// All that cannot change while it stands.
pub fn difference(old: &[Step], new: &[Step]) -> Result<Change, Vec<Refusal>> {
    let (old, new) = (Plan::new(old), Plan::new(new));
    let comparison = Comparison { doomed: doomed(&old, &new), old: &old, new: &new };
    let mut refusals = Vec::new();
    let mut change = Change::default();
    for step in old.steps {
        if let Some(undo) = comparison.undo(step, &mut refusals) {
            change.undo.extend(undo);
            change.restore.push(step.clone());
        }
    }
    change.undo.reverse();
    for step in new.steps {
        if comparison.is_to_do(step, &mut refusals) {
            change.steps.push(step.clone());
        }
    }
    change.steps.extend(comparison.followers(&change));
    if refusals.is_empty() { Ok(change) } else { Err(refusals) }
}

/// A plan, to be looked up in.
struct Plan<'a> {
    steps: &'a [Step],
    directories: BTreeSet<&'a str>,
    links: BTreeMap<&'a str, &'a str>,
    attributes: BTreeMap<&'a str, &'a Value>,
    files: BTreeMap<&'a str, u64>,
}

impl<'a> Plan<'a> {
    fn new(steps: &'a [Step]) -> Plan<'a> {
        let mut plan = Plan {
            steps,
            directories: BTreeSet::new(),
            links: BTreeMap::new(),
            attributes: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        for step in steps {
            match step {
                Step::MakeDirectory { path } => drop(plan.directories.insert(path.as_str())),
                Step::Link { target, at } => drop(plan.links.insert(at.as_str(), target.as_str())),
                Step::WriteAttribute { path, value, .. } => {
                    plan.attributes.insert(path.as_str(), value);
                }
                Step::CreateFile { path, size } => drop(plan.files.insert(path, *size)),
            }
        }
        plan
    }
}

/// Gives the directories and links that go, though some of them come again: those only the old plan has, and the
/// groups around links that point elsewhere now or at something that goes.
fn doomed<'a>(old: &Plan<'a>, new: &Plan<'_>) -> BTreeSet<&'a str> {
    let mut doomed: BTreeSet<&str> =
        old.directories.iter().copied().filter(|path| !new.directories.contains(path)).collect();
    let around = |at: &'a str| Some(parent(at)).filter(|group| old.directories.contains(group));
    let moved = old.links.iter().filter(|(at, target)| new.links.get(*at) != Some(*target));
    doomed.extend(moved.map(|(at, _)| around(at).unwrap_or(at)));
    loop {
        let dangling = old.links.iter().filter(|(_, target)| is_within(&doomed, target));
        let groups: Vec<&str> = dangling.map(|(at, _)| around(at).unwrap_or(at)).collect();
        let before = doomed.len();
        doomed.extend(groups);
        if doomed.len() == before {
            return doomed;
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Says whether `path` is one of `roots` or below one.
fn is_within(roots: &BTreeSet<&str>, path: &str) -> bool {
    let mut path = path;
    while !path.is_empty() {
        if roots.contains(path) {
            return true;
        }
        path = parent(path);
    }
    false
}

struct Comparison<'a> {
    old: &'a Plan<'a>,
    new: &'a Plan<'a>,
    doomed: BTreeSet<&'a str>,
}

impl Comparison<'_> {
    /// Says whether a step of the old plan is taken back, and what does that, where anything must.
    fn undo(&self, step: &Step, refusals: &mut Vec<Refusal>) -> Option<Option<Undo>> {
        match step {
            Step::CreateFile { path, .. } => {
                (!self.new.files.contains_key(path.as_str())).then(|| step.undo())
            }
            Step::MakeDirectory { path } | Step::Link { at: path, .. } => {
                is_within(&self.doomed, path.as_str()).then(|| step.undo())
            }
            Step::WriteAttribute { path, .. } if is_within(&self.doomed, path.as_str()) => {
                Some(step.undo())
            }
            Step::WriteAttribute { path, value, undo } => {
                if self.new.attributes.contains_key(path.as_str()) {
                    return None;
                }
                self.reset(path, value, undo.as_ref(), refusals).map(Some)
            }
        }
    }

    /// Sets an attribute back that the new plan does not set.
    fn reset(
        &self,
        path: &TreePath,
        old: &Value,
        undo: Option<&Value>,
        refusals: &mut Vec<Refusal>,
    ) -> Option<Undo> {
        let rule = rule_at(path.as_str());
        let own = rule.and_then(|rule| rule.default).map(|own| Value::from_checked(own.to_owned()));
        let why = match (undo.cloned().or(own), self.refused(path, rule)) {
            (Some(value), _) if value == *old => return None,
            (Some(value), None) => return Some(Undo::WriteAttribute { path: path.clone(), value }),
            (_, Some(why)) => why,
            (None, None) => "what LIO has by itself is not known".to_owned(),
        };
        refusals.push(Refusal {
            path: path.to_string(),
            old: Some(old.to_string()),
            new: None,
            why,
        });
        None
    }

    /// Says whether a step of the new plan must be done.
    fn is_to_do(&self, step: &Step, refusals: &mut Vec<Refusal>) -> bool {
        match step {
            Step::CreateFile { path, size } => match self.old.files.get(path.as_str()) {
                Some(old) if old != size => {
                    refusals.push(Refusal {
                        path: path.clone(),
                        old: Some(old.to_string()),
                        new: Some(size.to_string()),
                        why: "a backing file cannot change its size".to_owned(),
                    });
                    false
                }
                old => old.is_none(),
            },
            Step::MakeDirectory { path } => {
                !self.old.directories.contains(path.as_str())
                    || is_within(&self.doomed, path.as_str())
            }
            Step::Link { at, .. } => {
                !self.old.links.contains_key(at.as_str()) || is_within(&self.doomed, at.as_str())
            }
            Step::WriteAttribute { path, value, .. } => self.is_to_write(path, value, refusals),
        }
    }

    fn is_to_write(&self, path: &TreePath, new: &Value, refusals: &mut Vec<Refusal>) -> bool {
        let old = self.old.attributes.get(path.as_str()).copied();
        if self.is_anew(path.as_str()) {
            return true;
        }
        if old.is_some_and(|old| old.expose() == new.expose()) {
            return false;
        }
        let Some(why) = self.refused(path, rule_at(path.as_str())) else { return true };
        refusals.push(Refusal {
            path: path.to_string(),
            old: old.map(Value::to_string),
            new: Some(new.to_string()),
            why,
        });
        false
    }

    /// Says whether what `path` is in is made by the change.
    fn is_anew(&self, path: &str) -> bool {
        let mut group = parent(path);
        while !group.is_empty() {
            let made = self.new.directories.contains(group);
            if made && (!self.old.directories.contains(group) || self.doomed.contains(group)) {
                return true;
            }
            group = parent(group);
        }
        false
    }

    /// Says why an attribute of a group that stays cannot change; one without a rule is left to the kernel.
    fn refused(&self, path: &TreePath, rule: Option<&AttributeRule>) -> Option<String> {
        let parts: Vec<&str> = path.as_str().split('/').take(4).collect();
        let object = parts.last().copied().unwrap_or_default();
        match (rule?.change, path.name()) {
            (When::Live, _) => None,
            (When::Never, "control") => {
                Some(format!("size and backing of {object} cannot change once it is enabled"))
            }
            (When::Never, _) => Some("cannot change once it is set".to_owned()),
            (When::Unexported, _) => {
                let device = parts.join("/");
                let stays = |at: &str| !is_within(&self.doomed, at);
                let exported = |(at, target): (&&str, &&str)| **target == *device && stays(at);
                let exports = self.old.links.iter().any(exported);
                exports.then(|| format!("cannot change while {object} is exported"))
            }
        }
    }

    /// Switching `generate_node_acls` on switches `cache_dynamic_acls` on; switching it off leaves that as it is
    /// (`iscsit_ta_generate_node_acls`, `drivers/target/iscsi/iscsi_target_tpg.c`).
    fn followers(&self, change: &Change) -> Vec<Step> {
        let steps = change.steps.iter().filter_map(|step| match step {
            Step::WriteAttribute { path, value, .. } => Some((path, value)),
            _ => None,
        });
        let undos = change.undo.iter().filter_map(|undo| match undo {
            Undo::WriteAttribute { path, value } => Some((path, value)),
            _ => None,
        });
        undos
            .chain(steps)
            .filter(|(path, value)| {
                let switch = path.name() == "generate_node_acls" && value.expose() == "0";
                switch && !self.is_anew(path.as_str())
            })
            .filter_map(|(path, _)| {
                let path = path.parent()?.join("cache_dynamic_acls");
                let value = self.new.attributes.get(path.as_str());
                let value = value.map_or_else(|| Value::from(false), |value| (*value).clone());
                Some(Step::WriteAttribute { path, value, undo: None })
            })
            .collect()
    }
}
