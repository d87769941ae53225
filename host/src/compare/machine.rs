//! Which runs can stand beside each other: those of one machine, entered in one way.

use super::{LeftOut, specs};
use crate::result::Document;
use crate::result::locate::Found;
use std::collections::BTreeSet;

/// Something of a run, as a word.
type Trait = (&'static str, fn(&Document) -> Option<String>);

/// What must be the same, or nothing can be said.
const SAME: [Trait; 5] = [
    ("CPU", |run| Some(run.host.cpu_model.clone())),
    ("number of CPUs of the host", |run| Some(run.host.cpu_count.to_string())),
    ("accelerator", |run| Some(run.accelerator.as_ref()?.name.clone())),
    ("boot mode", |run| Some(run.kernel.as_ref()?.boot_mode.clone())),
    ("CPUs of the guest", |run| argument(run, "-smp")),
];

/// What is named when it is not the same.
const NAMED: [Trait; 6] = [
    ("the host's kernels", |run| Some(run.host.kernel.clone())),
    ("versions of QEMU", |run| Some(run.qemu.as_ref()?.version.clone())),
    ("versions of lunlab", |run| Some(run.lunlab_version.clone())),
    ("transports", |run| Some(run.transport.as_ref()?.name.clone())),
    ("CPU models of the guest", |run| argument(run, "-cpu")),
    ("sizes of the guest's memory", |run| argument(run, "-m")),
];

/// What follows an option on QEMU's command line.
fn argument(run: &Document, option: &str) -> Option<String> {
    let mut words = run.qemu.as_ref()?.argv.iter();
    words.find(|word| *word == option)?;
    words.next().cloned()
}

/// The runs that are like the first one; the others are left out with the reason.
pub(super) fn beside<'a>(
    a: &'a [Found],
    b: &'a [Found],
    left_out: &mut Vec<LeftOut>,
) -> (Vec<&'a Found>, Vec<&'a Found>) {
    let Some(first) = a.first() else { return (Vec::new(), b.iter().collect()) };
    let mut kept = |side: &'static str, runs: &'a [Found]| {
        let (same, others) = runs.iter().partition(|run| unlike(first, run).is_none());
        let others: Vec<&Found> = others;
        left_out.extend(others.into_iter().map(|run| LeftOut {
            side,
            run: run.document.run_id.clone(),
            reason: unlike(first, run).unwrap_or_default(),
        }));
        same
    };
    (kept("A", a), kept("B", b))
}

/// Why a run cannot stand beside the first; what one of both does not know is no reason.
fn unlike(first: &Found, run: &Found) -> Option<String> {
    SAME.iter().find_map(|(name, of)| {
        let (here, there) = (of(&run.document)?, of(&first.document)?);
        (here != there).then(|| format!("another {name}: {here}, not {there}"))
    })
}

/// What the user should know of the runs that are compared.
pub(super) fn notes(a: &[&Found], b: &[&Found]) -> Vec<String> {
    let mut notes = Vec::new();
    for (side, runs) in [("A", a), ("B", b)] {
        notes.extend(runs.iter().flat_map(|run| unfinished(side, run)));
        let digests = different(runs, |run| Some(run.kernel.as_ref()?.sha256.clone()));
        if digests.len() > 1 {
            notes.push(format!("{side} has runs of {} kernels", digests.len()));
        }
    }
    let all: Vec<&Found> = a.iter().chain(b).copied().collect();
    for (name, of) in NAMED {
        let values = different(&all, of);
        if values.len() > 1 {
            notes.push(format!("different {name}: {}", Vec::from_iter(values).join(", ")));
        }
    }
    if different(&all, |run| Some(run.run_id.clone())).len() < all.len() {
        notes.push("a result is there twice".to_owned());
    }
    let specs: BTreeSet<&String> = all.iter().filter_map(|run| run.spec.as_ref()).collect();
    notes.extend(specs::difference(&specs));
    notes
}

fn unfinished(side: &str, run: &Found) -> Vec<String> {
    let (id, verdict) = (&run.document.run_id, &run.document.verdict);
    let killed = format!("{side}: {id} is incomplete: what it had is compared");
    let ended = format!("{side}: {id} ended with {}: {}", verdict.kind, verdict.reason);
    let ended_so = verdict.kind != "pass" && verdict.kind != "incomplete";
    let notes = [(run.incomplete, killed), (ended_so, ended)];
    notes.into_iter().filter_map(|(is, note)| is.then_some(note)).collect()
}

fn different(runs: &[&Found], of: impl Fn(&Document) -> Option<String>) -> BTreeSet<String> {
    runs.iter().filter_map(|run| of(&run.document)).collect()
}
