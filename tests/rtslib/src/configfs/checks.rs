//! What configfs-rs promises, asked of the kernel.

use crate::Named;
use crate::configuration::{SMALL, TPG, changed, everything, portal, small, steps};
use configfs_rs::apply::{Failure, apply, apply_change, apply_teardown};
use configfs_rs::kernel_log::KernelLog;
use configfs_rs::lio::rule::{Group, Kind, rule_at};
use configfs_rs::plan::{Step, undo};
use configfs_rs::read_back::{Agreement, Found, compare, read_back, read_tree};
use configfs_rs::tree::{CONFIGFS, Error, Tree};
use configfs_rs::{Errno, TreePath, Value, difference};
use std::net::TcpListener;

/// How a check ends.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A check.
pub(crate) type Check = fn(&mut Bench) -> Outcome;

/// What configfs-rs promises.
pub(crate) const ALL: &[Named] = &[
    ("every_attribute_of_a_known_default_is_written", all_are_written),
    ("every_value_reads_back", all_read_back),
    ("applying_again_changes_nothing", again_changes_nothing),
    ("the_defaults_in_the_tables_are_the_kernels", defaults_are_true),
    ("the_tables_have_every_attribute_of_the_kernel", tables_are_whole),
    ("a_busy_portal_is_einval_caused_by_eaddrinuse", busy_portal),
    ("a_plan_that_fails_leaves_nothing", failed_plan),
    ("a_change_that_fails_leaves_all_as_it_was", failed_change),
    ("a_change_gives_what_its_new_plan_alone_gives", change_is_plan),
    ("a_link_before_enable_is_enodev_with_a_hint", link_before_enable),
];

/// Fails when the kernel has not what was written: here it has not.
pub(crate) const CONTROL: Named = ("control", tampered_with);

/// Where checks are made.
pub(crate) struct Bench {
    pub(crate) tree: Tree,
    log: KernelLog,
    fresh: Vec<String>,
}

/// Fails with `why` unless `holds`.
pub(crate) fn ensure(holds: bool, why: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(why.into().into()) }
}

/// Fails unless the kernel refused with `name`.
pub(crate) fn refused(result: Result<(), Error>, name: &str) -> Outcome {
    match result {
        Ok(()) => Err(format!("taken instead of {name}").into()),
        Err(error) => ensure(error.errno().and_then(Errno::name) == Some(name), error.to_string()),
    }
}

/// Lines of the one that are not in the other, of both.
fn diff(before: &[String], after: &[String]) -> Outcome {
    let missing = |from: &[String], other: &[String], sign: &str| {
        let lines = from.iter().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign}{line}")).collect::<Vec<_>>()
    };
    let mut lines = missing(before, after, "-");
    lines.extend(missing(after, before, "+"));
    ensure(lines.is_empty(), lines.join(" "))
}

impl Bench {
    /// Where nothing is set up yet.
    pub(crate) fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let tree = Tree::new(CONFIGFS)?;
        let mut bench = Self { tree, log: KernelLog::open(), fresh: Vec::new() };
        bench.fresh = bench.dump()?;
        // A kernel that refuses takes its time.
        let _refused = std::fs::write("/sys/kernel/rcu_expedited", "1");
        Ok(bench)
    }

    /// Makes a check; nothing may be left of it.
    pub(crate) fn run(&mut self, check: Check) -> Outcome {
        check(self)?;
        diff(&self.fresh, &self.dump()?).map_err(|left| format!("left: {left}").into())
    }

    /// Everything that can be read of the target.
    fn dump(&self) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let mut all = Vec::new();
        let walk = read_tree(&self.tree, &TreePath::new("target")?, &mut |found| {
            all.push(match found {
                Found::Attribute { path, text } => format!("{path}={}", lasting(&path, &text)),
                Found::Link { path, target } => format!("{path}->{target}"),
            });
        })?;
        ensure(!walk.cut, "the walk was cut")?;
        all.sort();
        Ok(all)
    }

    fn apply(&mut self, steps: &[Step]) -> Result<usize, Box<Failure>> {
        apply(&self.tree, steps, &mut self.log, &mut |_| ()).map(|applied| applied.changed)
    }

    fn change(&mut self, old: &[Step], new: &[Step]) -> Result<(), Box<dyn std::error::Error>> {
        let change = difference(old, new).map_err(|refusals| format!("{refusals:?}"))?;
        apply_change(&self.tree, &change, &mut self.log, &mut |_| ())?;
        Ok(())
    }

    fn take_back(&self, steps: &[Step]) -> Outcome {
        let failures = apply_teardown(&self.tree, &undo(steps), &mut |_| ()).failures;
        ensure(failures.is_empty(), format!("teardown: {failures:?}"))
    }

    /// Makes a check of what `steps` set up, and takes them back.
    pub(crate) fn with(
        &mut self,
        steps: &[Step],
        check: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        self.apply(steps)?;
        let outcome = check(self);
        let taken_back = self.take_back(steps);
        outcome.and(taken_back)
    }

    /// Writes an attribute.
    pub(crate) fn put(&self, path: &str, value: &str) -> Result<(), Error> {
        let (path, value) = path_and_value(path, value);
        self.tree.write(&path, &value)
    }

    /// Reads an attribute, whole.
    pub(crate) fn get(&self, path: &str) -> Result<String, Box<dyn std::error::Error>> {
        Ok(self.tree.read(&TreePath::new(path)?)?)
    }

    /// Fails unless an attribute reads `text`.
    pub(crate) fn reads(&self, path: &str, text: &str) -> Outcome {
        let found = self.get(path)?;
        ensure(found.trim_end() == text, format!("{path} reads {found:?}"))
    }

    /// Makes a group and takes it away again.
    pub(crate) fn makes(&self, path: &str) -> Outcome {
        let path = TreePath::new(path)?;
        self.tree.make_group(&path)?;
        Ok(self.tree.remove_group(&path)?)
    }
}

/// What an attribute reads, but for what differs each time: LIO numbers what it makes, and credentials that were
/// cleared read `NULL`, those never set nothing.
fn lasting(path: &TreePath, text: &str) -> String {
    if Group::of(path.as_str()) == Some(Group::Auth) && text == "NULL" {
        return String::new();
    }
    if !matches!(path.name(), "info" | "hba_info") {
        return text.to_owned();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_number = |n: usize| n > 0 && matches!(words[n - 1], "ID:" | "Index:");
    let kept = words.iter().enumerate().filter(|(n, _)| !is_number(*n));
    kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

/// What the checks name, they name rightly.
fn path_and_value(path: &str, value: &str) -> (TreePath, Value) {
    match (TreePath::new(path), Value::new(value)) {
        (Ok(path), Ok(value)) => (path, value),
        (path, value) => unreachable!("{path:?} {value:?}"),
    }
}

/// Those that the model has no place for.
fn beside_the_model() -> Result<Vec<Step>, Box<dyn std::error::Error>> {
    let lun = format!("{TPG}/lun/lun_1");
    let step = |path: String, value: &str| Step::write(&path, value, false, None);
    Ok(vec![
        step(format!("{lun}/alua_tg_pt_offline"), "0")?,
        step(format!("{lun}/alua_tg_pt_write_md"), "0")?,
        step("target/core/rd_mcp_0/ram/alias".to_owned(), "an alias")?,
    ])
}

fn whole() -> Result<Vec<Step>, Box<dyn std::error::Error>> {
    let mut steps = steps(everything()?)?;
    steps.extend(beside_the_model()?);
    Ok(steps)
}

fn all_are_written(bench: &mut Bench) -> Outcome {
    let whole = whole()?;
    let written = |group: Group, name: &str| {
        whole.iter().any(|step| match step {
            Step::WriteAttribute { path, .. } => {
                path.name() == name && Group::of(path.as_str()) == Some(group)
            }
            _ => false,
        })
    };
    for group in Group::ALL {
        let rules = group.rules().iter().filter(|rule| rule.default.is_some());
        for rule in rules.filter(|rule| !matches!(rule.kind, Kind::Refused(_))) {
            ensure(written(group, rule.name), format!("{group:?} {} is not", rule.name))?;
        }
    }
    bench.with(&whole, |_| Ok(()))
}

fn agrees(bench: &Bench, steps: &[Step]) -> Outcome {
    let readings = read_back(&bench.tree, steps);
    let writes = |step: &&Step| matches!(step, Step::WriteAttribute { .. });
    let written = steps.iter().filter(writes).count();
    ensure(written > 100 && readings.len() == written, format!("{} of {written}", readings.len()))?;
    for reading in readings.iter().filter(|reading| reading.path.name() != "pi_prot_format") {
        ensure(reading.agrees == Some(true), format!("{reading:?}"))?;
    }
    Ok(())
}

fn all_read_back(bench: &mut Bench) -> Outcome {
    let whole = whole()?;
    bench.with(&whole, |bench| agrees(bench, &whole))
}

fn tampered_with(bench: &mut Bench) -> Outcome {
    let whole = whole()?;
    bench.with(&whole, |bench| {
        bench.put(&format!("{TPG}/attrib/login_timeout"), "21")?;
        agrees(bench, &whole)
    })
}

fn again_changes_nothing(bench: &mut Bench) -> Outcome {
    let whole = whole()?;
    bench.with(&whole, |bench| {
        let before = bench.dump()?;
        let changed = bench.apply(&whole)?;
        ensure(changed == 0, format!("{changed} steps changed something"))?;
        diff(&before, &bench.dump()?)
    })
}

/// Each attribute of [`small`] as it was found, which its plan did not write.
fn found(
    bench: &Bench,
    steps: &[Step],
) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let wrote = |path: &TreePath| {
        steps.iter().any(|step| matches!(step, Step::WriteAttribute { path: p, .. } if p == path))
    };
    let mut all = Vec::new();
    read_tree(&bench.tree, &TreePath::new("target")?, &mut |found| {
        if let Found::Attribute { path, text } = found
            // Made with the device, the only one, and not to be deleted.
            && !path.as_str().contains("/default_tg_pt_gp/")
            && !wrote(&path)
        {
            all.push((path.to_string(), text));
        }
    })?;
    Ok(all)
}

fn defaults_are_true(bench: &mut Bench) -> Outcome {
    let small = steps(small()?)?;
    bench.with(&small, |bench| {
        let mut compared = 0;
        for (path, text) in found(bench, &small)? {
            let Some(default) = rule_at(&path).and_then(|rule| rule.default) else { continue };
            match compare(&Step::write(&path, default, false, None)?, &text) {
                Agreement::Equal => compared += 1,
                Agreement::Unknown => {}
                Agreement::Different => {
                    Err(format!("{path}: {default:?} in the table, the kernel has {text:?}"))?;
                }
            }
        }
        ensure(compared > 120, format!("only {compared} were compared"))
    })
}

fn tables_are_whole(bench: &mut Bench) -> Outcome {
    let acl = format!("{SMALL}/acls/iqn.2015-04.org.example:init");
    let places = [
        (Group::StorageObjectAttribute, "target/core/fileio_0/f/attrib".to_owned()),
        (Group::AluaGroup, "target/core/fileio_0/f/alua/g".to_owned()),
        (Group::TpgAttribute, format!("{SMALL}/attrib")),
        (Group::TpgParameter, format!("{SMALL}/param")),
        (Group::AclAttribute, format!("{acl}/attrib")),
    ];
    let small = steps(small()?)?;
    bench.with(&small, |bench| {
        for (group, at) in places {
            for entry in bench.tree.list(&TreePath::new(&at)?)? {
                ensure(group.rule(&entry.name).is_some(), format!("{group:?} {}", entry.name))?;
            }
        }
        Ok(())
    })
}

fn with_busy_portal() -> Result<(TcpListener, Vec<Step>), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("0.0.0.0:4000")?;
    let mut parts = everything()?;
    parts.targets[0].tpgs[0].portals.push(portal("127.0.0.1:4000")?);
    Ok((listener, steps(parts)?))
}

fn busy_portal(bench: &mut Bench) -> Outcome {
    let (_listener, busy) = with_busy_portal()?;
    let Err(failure) = bench.apply(&busy) else { return Err("taken".into()) };
    let shown = failure.to_string();
    let name = |errno: Option<Errno>| errno.and_then(Errno::name);
    ensure(name(failure.error.errno()) == Some("EINVAL"), &*shown)?;
    ensure(name(failure.hidden_cause) == Some("EADDRINUSE"), &*shown)?;
    ensure(failure.hint().is_some_and(|hint| hint.contains("listens")), "no hint")?;
    ensure(failure.undone.failures.is_empty(), format!("{:?}", failure.undone.failures))
}

fn failed_plan(bench: &mut Bench) -> Outcome {
    let mut broken = whole()?;
    broken.push(Step::write(&format!("{TPG}/attrib/no_such_attribute"), "1", false, None)?);
    let Err(failure) = bench.apply(&broken) else { return Err("taken".into()) };
    ensure(failure.index == broken.len() - 1, failure.to_string())?;
    ensure(failure.hint().is_some_and(|hint| hint.contains("no attribute")), "no hint")?;
    ensure(failure.undone.failures.is_empty(), format!("{:?}", failure.undone.failures))
}

fn failed_change(bench: &mut Bench) -> Outcome {
    let old = steps(changed()?)?;
    let (_listener, busy) = with_busy_portal()?;
    bench.with(&old, |bench| {
        let before = bench.dump()?;
        ensure(bench.change(&old, &busy).is_err(), "taken")?;
        diff(&before, &bench.dump()?)
    })
}

fn change_is_plan(bench: &mut Bench) -> Outcome {
    let (old, new) = (steps(everything()?)?, steps(changed()?)?);
    bench.apply(&old)?;
    let by_change = bench.change(&old, &new).and_then(|()| bench.dump());
    bench.take_back(&new)?;
    let by_change = by_change?;
    bench.with(&new, |bench| diff(&bench.dump()?, &by_change))
}

fn link_before_enable(bench: &mut Bench) -> Outcome {
    let small = steps(small()?)?;
    let enables = |step: &Step| match step {
        Step::WriteAttribute { path, .. } => path.as_str() == "target/core/fileio_0/f/enable",
        _ => false,
    };
    let is_late = |step: &Step| match step {
        Step::WriteAttribute { path, .. } => path.as_str().contains("/alua/"),
        _ => false,
    };
    let unenabled: Vec<_> =
        small.into_iter().filter(|step| !enables(step) && !is_late(step)).collect();
    let Err(failure) = bench.apply(&unenabled) else { return Err("taken".into()) };
    let name = failure.error.errno().and_then(Errno::name);
    ensure(name == Some("ENODEV"), failure.to_string())?;
    ensure(failure.hint().is_some_and(|hint| hint.contains("not enabled")), "no hint")
}
