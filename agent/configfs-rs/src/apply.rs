//! Carries out steps on a tree, and takes them back when one fails.

use std::fmt;
use std::path::Path;

use crate::errno::Errno;
use crate::kernel_log::KernelLog;
use crate::lio;
use crate::plan::{Step, Undo, undo};
use crate::tree::{self, Error, Tree};

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

/// A step that failed; those before it were taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which step, counted from 0.
    pub index: usize,
    /// Of how many.
    pub total: usize,
    /// The step.
    pub step: Step,
    /// Operation, path, value and errno.
    pub error: Error,
    /// The true cause, where the kernel's errno hides it and its log tells.
    pub hidden_cause: Option<Errno>,
    /// What the kernel logged from the start of the step until right after it failed.
    pub kernel_lines: Vec<String>,
    /// How taking back the steps before went.
    pub undone: Undone,
}

impl Failure {
    /// Gives a way out, where one is known.
    pub fn hint(&self) -> Option<&'static str> {
        lio::hint(&self.error, self.hidden_cause)
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
/// Blocks for as long as the kernel does: call it from a thread that may be given up.
pub fn apply(
    tree: &Tree,
    steps: &[Step],
    kernel_log: &mut KernelLog,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Box<Failure>> {
    let total = steps.len();
    for (index, step) in steps.iter().enumerate() {
        kernel_log.mark();
        on_progress(Progress::Step { index, total, step });
        if let Err(error) = carry_out(tree, step) {
            let kernel_lines = mask(kernel_log.lines(), step);
            let hidden_cause = lio::hidden_cause(&error, &kernel_lines);
            let undone = apply_teardown(tree, &undo(&steps[..index]), on_progress);
            let step = step.clone();
            let failure = Failure { index, total, step, error, hidden_cause, kernel_lines, undone };
            return Err(Box::new(failure));
        }
    }
    Ok(())
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
    for (index, undo) in undos.iter().enumerate() {
        on_progress(Progress::Undo { index, total, undo });
        match take_back(tree, undo) {
            Err(error) if error.errno() != Some(Errno::ENOENT) => undone.failures.push(error),
            Ok(()) | Err(_) => undone.done.push(undo.clone()),
        }
    }
    undone
}

fn carry_out(tree: &Tree, step: &Step) -> Result<(), Error> {
    match step {
        Step::CreateFile { path, size } => tree::create_file(Path::new(path), *size),
        Step::MakeDirectory { path } => tree.make_group(path),
        Step::WriteAttribute { path, value, .. } => tree.write(path, value),
        Step::Link { target, at } => tree.link(target, at),
    }
}

fn take_back(tree: &Tree, undo: &Undo) -> Result<(), Error> {
    match undo {
        Undo::RemoveFile { path } => tree::remove_file(Path::new(path)),
        Undo::RemoveDirectory { path } => tree.remove_group(path),
        Undo::WriteAttribute { path, value } => tree.write(path, value),
        Undo::Unlink { at } => tree.unlink(at),
    }
}

/// The kernel may log what it refuses.
fn mask(kernel_lines: Vec<String>, step: &Step) -> Vec<String> {
    match step {
        Step::WriteAttribute { value, .. } if value.is_secret() => {
            kernel_lines.into_iter().map(|line| line.replace(value.expose(), "…")).collect()
        }
        _ => kernel_lines,
    }
}
