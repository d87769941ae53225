//! Carries out steps on a tree, and takes them back when one fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use crate::difference::Change;
use crate::errno::Errno;
use crate::kernel_log::KernelLog;
use crate::lio;
use crate::lio::rule::rule_at;
use crate::path::TreePath;
use crate::plan::{Step, Undo};
use crate::read_back::{Agreement, compare, readable, settable};
use crate::tree::{self, Cause, Error, Tree};
use crate::value::Value;

/// How many LUNs are taken away side by side.
const MAX_WORKERS: usize = 16;

/// What is about to be done.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A step, counted from 0.
    Step {
        /// Which one.
        index: usize,
        /// Of how many.
        total: usize,
        /// The step.
        step: &'a Step,
    },
    /// Taking one back, counted from 0.
    Undo {
        /// Which one.
        index: usize,
        /// Of how many.
        total: usize,
        /// What is done.
        undo: &'a Undo,
    },
}

/// What was taken back, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Done, or found to be gone already.
    pub done: Vec<Undo>,
    /// What failed; all the rest was tried nevertheless.
    pub failures: Vec<Error>,
}

/// What was really done: what stood already as wanted is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Steps that changed something.
    pub changed: usize,
    /// Steps that found what they want.
    pub unchanged: usize,
    /// Attributes that were read first, because what they belong to was there before.
    pub read: usize,
    /// What takes back exactly what was done, in order, with the values attributes had before.
    pub undo: Vec<Undo>,
}

/// What was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// A step.
    Step(Step),
    /// Taking one back, as part of a change.
    Undo(Undo),
}

/// A step that failed; those before it were taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one, counted from 0; in a change, what is undone counts too.
    pub index: usize,
    /// Of how many.
    pub total: usize,
    /// What was attempted.
    pub attempt: Attempt,
    /// Operation, path, value and errno.
    pub error: Error,
    /// The true cause, where the kernel's errno hides it and its log tells.
    pub hidden_cause: Option<Errno>,
    /// What the kernel logged from the start of the step until right after it failed.
    pub kernel_lines: Vec<String>,
    /// How going back to the state before went.
    pub undone: Undone,
}

impl Failure {
    /// Gives a way out, where one is known.
    pub fn hint(&self) -> Option<String> {
        let errno = self.hidden_cause.or(self.error.errno())?;
        lio::hint(self.error.operation, &self.error.path.to_string_lossy(), errno)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} of {}: {}", self.index + 1, self.total, self.error)?;
        match self.hidden_cause {
            Some(cause) => write!(f, ", caused by {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Carries out `steps` in order; at the first failure takes the ones done back and says everything about it.
///
/// What stands already as a step wants it is left alone, so that applying a plan again changes nothing. On a fresh tree
/// nothing is read. Blocks for as long as the kernel does: call it from a thread that may be given up.
///
/// # Errors
/// The step that failed, and how taking back those before it went.
pub fn apply(
    tree: &Tree,
    steps: &[Step],
    kernel_log: &mut KernelLog,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Applied, Box<Failure>> {
    carry_out(tree, (&[], steps, &[]), kernel_log, on_progress)
}

/// Carries out a change: first what it undoes, then its steps, and last the backing files it no longer needs.
///
/// # Errors
/// What failed, after all was put back as it was before; backing files were not touched by then.
pub fn apply_change(
    tree: &Tree,
    change: &Change,
    kernel_log: &mut KernelLog,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Applied, Box<Failure>> {
    let parts = (change.undo.as_slice(), change.steps.as_slice(), change.restore.as_slice());
    carry_out(tree, parts, kernel_log, on_progress)
}

fn carry_out(
    tree: &Tree,
    (undo, steps, back): (&[Undo], &[Step], &[Step]),
    kernel_log: &mut KernelLog,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Applied, Box<Failure>> {
    let total = undo.len() + steps.len();
    let mut run = Run { tree, fresh: BTreeSet::new(), applied: Applied::default() };
    let is_file = |undo: &&Undo| matches!(undo, Undo::RemoveFile { .. });
    let undos = undo.iter().filter(|undo| !is_file(undo)).map(Todo::Undo);
    let steps = steps.iter().map(Todo::Step);
    let files = undo.iter().filter(is_file).map(Todo::Undo);
    for (index, todo) in undos.chain(steps).chain(files).enumerate() {
        kernel_log.mark();
        on_progress(todo.progress(index, total));
        let Err(error) = run.carry_out(todo) else { continue };
        let kernel_lines = mask(kernel_log.lines(), todo);
        let hidden_cause = lio::hidden_cause(&error, &kernel_lines);
        let undone = put_back(tree, &run.journal(), back, on_progress);
        let attempt = todo.attempt();
        return Err(Box::new(Failure {
            index,
            total,
            attempt,
            error,
            hidden_cause,
            kernel_lines,
            undone,
        }));
    }
    run.applied.undo = run.journal();
    Ok(run.applied)
}

/// Takes back a change that was carried out: what it did goes, and what it took back comes again, a backing file empty.
pub fn take_back_change(
    tree: &Tree,
    change: &Change,
    applied: &Applied,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Undone {
    put_back(tree, &applied.undo, &change.restore, on_progress)
}

fn put_back(
    tree: &Tree,
    journal: &[Undo],
    back: &[Step],
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Undone {
    let mut undone = apply_teardown(tree, journal, on_progress);
    undone.failures.extend(restore(tree, back, on_progress));
    undone
}

/// Takes back everything that can be, in order, going on over failures; what is gone already counts as done.
///
/// Blocks while sessions and I/O drain: call it from a thread that may be given up.
pub fn apply_teardown(
    tree: &Tree,
    undos: &[Undo],
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Undone {
    let total = undos.len();
    let mut undone = Undone::default();
    let mut early = BTreeMap::new();
    for (index, undo) in undos.iter().enumerate() {
        on_progress(Progress::Undo { index, total, undo });
        if early.is_empty() {
            early = unlink_side_by_side(tree, index, &undos[index..]);
        }
        match early.remove(&index).unwrap_or_else(|| take_back(tree, undo)) {
            Ok(_) => undone.done.push(undo.clone()),
            Err(error) => undone.failures.push(error),
        }
    }
    undone
}

/// Takes the LUNs away that one TPG exports, if `undos` begin with them, and gives the results by index.
///
/// For each LUN LIO waits until nothing uses it any more (`transport_clear_lun_ref`), which takes tens of milliseconds
/// although nothing does; side by side they wait together. What could not be tried is not in the results.
fn unlink_side_by_side(
    tree: &Tree,
    first: usize,
    undos: &[Undo],
) -> BTreeMap<usize, Result<bool, Error>> {
    let Some(luns) = undos.first().and_then(luns_of_link) else { return BTreeMap::new() };
    let inside = format!("{luns}/");
    let is_of_them = |undo: &&Undo| match undo {
        Undo::Unlink { at: path } | Undo::RemoveDirectory { path } => {
            path.as_str().starts_with(&inside)
        }
        Undo::RemoveFile { .. } | Undo::WriteAttribute { .. } => false,
    };
    let links: Vec<(usize, &Undo)> = (first..)
        .zip(undos.iter().take_while(is_of_them))
        .filter(|(_, undo)| luns_of_link(undo).is_some())
        .collect();
    let unlink = &|part: &[(usize, &Undo)]| -> Vec<(usize, Result<bool, Error>)> {
        part.iter().map(|(index, undo)| (*index, take_back(tree, undo))).collect()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = links
            .chunks(links.len().div_ceil(MAX_WORKERS).max(1))
            .filter_map(|part| {
                std::thread::Builder::new().spawn_scoped(scope, move || unlink(part)).ok()
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    })
}

/// Gives the group of all LUNs of a TPG of the iSCSI fabric, if `undo` takes away what one of them exports.
fn luns_of_link(undo: &Undo) -> Option<TreePath> {
    let Undo::Unlink { at } = undo else { return None };
    let luns = at.parent()?.parent()?;
    let is_iscsi = at.as_str().starts_with("target/iscsi/") && luns.name() == "lun";
    is_iscsi.then_some(luns)
}

/// Puts back what a change had taken back, as far as it got: steps that find what they want do nothing.
fn restore(tree: &Tree, steps: &[Step], on_progress: &mut dyn FnMut(Progress<'_>)) -> Vec<Error> {
    let total = steps.len();
    let mut run = Run { tree, fresh: BTreeSet::new(), applied: Applied::default() };
    let mut failures = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        on_progress(Progress::Step { index, total, step });
        failures.extend(run.carry_out(Todo::Step(step)).err());
    }
    failures
}

#[derive(Clone, Copy)]
enum Todo<'a> {
    Undo(&'a Undo),
    Step(&'a Step),
}

impl<'a> Todo<'a> {
    fn progress(self, index: usize, total: usize) -> Progress<'a> {
        match self {
            Todo::Undo(undo) => Progress::Undo { index, total, undo },
            Todo::Step(step) => Progress::Step { index, total, step },
        }
    }

    fn attempt(self) -> Attempt {
        match self {
            Todo::Undo(undo) => Attempt::Undo(undo.clone()),
            Todo::Step(step) => Attempt::Step(step.clone()),
        }
    }
}

/// Takes one step back; what is gone already is no failure. Gives whether it was there.
fn take_back(tree: &Tree, undo: &Undo) -> Result<bool, Error> {
    let taken = match undo {
        Undo::RemoveFile { path } => tree::remove_file(Path::new(path)),
        Undo::RemoveDirectory { path } => tree.remove_group(path),
        Undo::WriteAttribute { path, value } => tree.write(path, value),
        Undo::Unlink { at } => tree.unlink(at),
    };
    match taken {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is known while steps are carried out.
struct Run<'a> {
    tree: &'a Tree,
    /// Groups made by this run: whatever is in them has never been written, and need not be read.
    fresh: BTreeSet<&'a str>,
    /// With its `undo` still in the order of the steps.
    applied: Applied,
}

impl<'a> Run<'a> {
    fn carry_out(&mut self, todo: Todo<'a>) -> Result<(), Error> {
        let changed = match todo {
            Todo::Undo(undo) => take_back(self.tree, undo)?,
            Todo::Step(step) => self.step(step)?,
        };
        let count = if changed { &mut self.applied.changed } else { &mut self.applied.unchanged };
        *count += 1;
        Ok(())
    }

    fn journal(&self) -> Vec<Undo> {
        self.applied.undo.iter().rev().cloned().collect()
    }

    /// Gives whether the step changed anything.
    fn step(&mut self, step: &'a Step) -> Result<bool, Error> {
        let done = match step {
            Step::CreateFile { path, size } => tree::create_file(Path::new(path), *size),
            Step::MakeDirectory { path } => self.tree.make_group(path),
            Step::Link { target, at } => self.tree.link(target, at),
            Step::WriteAttribute { path, value, undo } => {
                return self.write(step, path, value, undo.as_ref());
            }
        };
        match done {
            Ok(()) => self.made(step),
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                return self.stands(step, error).map(|()| false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn made(&mut self, step: &'a Step) {
        if let Step::MakeDirectory { path } = step {
            self.fresh.insert(path.as_str());
        }
        self.applied.undo.extend(step.undo());
    }

    /// Says whether what exists already is what `step` would have made.
    fn stands(&self, step: &Step, error: Error) -> Result<(), Error> {
        let stands = match step {
            Step::CreateFile { path, size } => tree::has_size(Path::new(path), *size),
            Step::Link { target, at } => self.tree.points_at(at, target),
            Step::MakeDirectory { .. } | Step::WriteAttribute { .. } => true,
        };
        if stands { Ok(()) } else { Err(error) }
    }

    fn write(
        &mut self,
        step: &Step,
        path: &TreePath,
        value: &Value,
        undo: Option<&Value>,
    ) -> Result<bool, Error> {
        let before = if self.is_fresh(path) { None } else { self.before(step, path, value)? };
        match before {
            Some((_, Agreement::Equal | Agreement::Unknown)) => return Ok(false),
            Some((text, Agreement::Different)) => {
                self.tree.write(path, value)?;
                let value = previous(path, &text, value.is_secret()).or_else(|| undo.cloned());
                let undo = value.map(|value| Undo::WriteAttribute { path: path.clone(), value });
                self.applied.undo.extend(undo);
            }
            None => {
                self.tree.write(path, value)?;
                self.applied.undo.extend(step.undo());
            }
        }
        Ok(true)
    }

    /// Gives what an attribute of an older group reads, and what that says; nothing where it must simply be written.
    ///
    /// `control` of an enabled storage object cannot be written any more, so that something else in it is a failure.
    fn before(
        &mut self,
        step: &Step,
        path: &TreePath,
        value: &Value,
    ) -> Result<Option<(String, Agreement)>, Error> {
        let is_control = path.name() == "control";
        if is_control && !self.is_enabled(path) {
            return Ok(None);
        }
        self.applied.read += 1;
        let text = match self.tree.read(&readable(path)) {
            Ok(text) => text,
            Err(error) if is_control => return Err(error),
            // What cannot be read is written; if it is not there, that says so.
            Err(_) => return Ok(None),
        };
        let agreement = compare(step, &text);
        if is_control && agreement == Agreement::Different {
            return Err(self.tree.untried(path, value, Cause::Differs));
        }
        Ok(Some((text, agreement)))
    }

    fn is_enabled(&mut self, control: &TreePath) -> bool {
        self.applied.read += 1;
        let enable = control.parent().map(|device| device.join("enable"));
        enable.is_some_and(|enable| self.tree.read(&enable).is_ok_and(|text| text == "1"))
    }

    fn is_fresh(&self, path: &TreePath) -> bool {
        let mut path = path.as_str();
        while let Some((group, _)) = path.rsplit_once('/') {
            if self.fresh.contains(group) {
                return true;
            }
            path = group;
        }
        false
    }
}

/// Gives what sets an attribute back to what it read; what read as nothing, such as a name never set, is cleared.
fn previous(path: &TreePath, text: &str, secret: bool) -> Option<Value> {
    let text = settable(path, text);
    let before = if secret { Value::secret(text) } else { Value::new(text) };
    let cleared = || Value::new(rule_at(path.as_str())?.default?).ok();
    before.ok().or_else(cleared)
}

/// The kernel may log what it refuses.
fn mask(kernel_lines: Vec<String>, todo: Todo<'_>) -> Vec<String> {
    match todo {
        Todo::Step(Step::WriteAttribute { value, .. }) if value.is_secret() => {
            kernel_lines.into_iter().map(|line| line.replace(value.expose(), "…")).collect()
        }
        _ => kernel_lines,
    }
}
