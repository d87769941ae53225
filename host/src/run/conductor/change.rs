//! A spec that changes while its target is held.

use super::{Action, Conductor, Stage};
use crate::result::{SpecChange, SpecChangeOutcome as Outcome};
use crate::run::replan::Replanned;
use crate::spec::Spec;
use crate::target::Provisioning;
use crate::target::difference::difference;
use std::sync::Arc;
use std::time::Instant;

/// How many lines of a change are said; all of them are in the result.
const SAID: usize = 20;

/// A way out of what cannot change while the guest runs.
const START_ANEW: &str = "hint: end this run and start it anew with the changed spec; the target stays as it is until then";

/// A change that the guest was asked for.
pub(super) struct Pending {
    spec: Spec,
    provisioning: Arc<Provisioning>,
    lines: Vec<String>,
    asked: Instant,
}

impl Conductor {
    /// The spec's file has changed.
    pub(super) fn spec_changed(&mut self, spec: Result<Spec, String>, at: Instant) -> Vec<Action> {
        if self.stage > Stage::Holding {
            return Vec::new();
        }
        match spec {
            // A version is only worth its turn until there is a newer one.
            spec if self.stage < Stage::Holding || self.pending.is_some() => {
                self.newest = Some(spec);
                Vec::new()
            }
            Err(faults) => {
                self.not_taken(faults.trim_end().lines().map(str::to_owned).collect(), at)
            }
            Ok(spec) => vec![Action::Replan(Box::new(spec))],
        }
    }

    /// Takes what the spec's file became while the target could not be changed.
    pub(super) fn take_newest(&mut self, at: Instant) -> Vec<Action> {
        self.newest.take().map_or_else(Vec::new, |spec| self.spec_changed(spec, at))
    }

    /// The changed spec was planned.
    pub fn replanned(&mut self, spec: Spec, replanned: Replanned, at: Instant) -> Vec<Action> {
        let Replanned { provisioning, mut refusals } = replanned;
        let provisioning = match provisioning {
            Ok(provisioning) => Arc::new(provisioning),
            Err(problem) => {
                refusals.push(problem);
                return self.not_taken(refusals, at);
            }
        };
        let standing = (&self.orders.spec, &*self.orders.provisioning);
        let change = difference(standing, (&spec, &provisioning)).unwrap_or_else(|refused| {
            refusals.extend(refused);
            Default::default()
        });
        if !refusals.is_empty() {
            refusals.push(START_ANEW.to_owned());
            return self.not_taken(refusals, at);
        }
        let mut actions = self.new_notes(&spec);
        if change.is_empty() {
            self.record.spec_change(at, SpecChange::default());
            actions.push(Action::Say("the spec changed, and nothing of the target with it".into()));
            return actions;
        }
        actions.push(Action::Change(Arc::clone(&provisioning)));
        self.pending = Some(Pending { spec, provisioning, lines: change.lines, asked: at });
        actions
    }

    /// What the user should know of a changed spec, and of what stands was told already.
    fn new_notes(&mut self, spec: &Spec) -> Vec<Action> {
        let known = &self.orders.spec.notes;
        let notes = spec.notes.iter().filter(|note| !known.contains(note));
        notes.map(|note| Action::Say(format!("note: {note}"))).collect()
    }

    pub(super) fn changed(&mut self, undone: u32, steps: u32, at: Instant) -> Vec<Action> {
        let Some(pending) = self.pending.take() else { return Vec::new() };
        let Pending { spec, provisioning, lines, asked } = pending;
        // The guest tells anew what it has, and nothing of what is gone.
        self.record.forget_what_is_gone(&provisioning);
        self.orders.spec = spec;
        self.orders.provisioning = provisioning;
        let took = at.saturating_duration_since(asked);
        let took_ms = took.as_secs_f64() * 1000.0;
        let words = format!(
            "the target is changed: {undone} steps undone, {steps} done in {took_ms:.0} ms"
        );
        let mut actions: Vec<Action> =
            std::iter::once(words).chain(cut(&lines)).map(Action::Say).collect();
        let outcome = Outcome::Changed;
        let changed =
            SpecChange { outcome, lines, undone, steps, took_ms, ..SpecChange::default() };
        self.record.spec_change(asked, changed);
        actions.push(Action::Announce);
        actions.extend(self.take_newest(at));
        actions
    }

    pub(super) fn change_failed(&mut self, undone: bool, at: Instant) -> Vec<Action> {
        let pending = self.pending.take();
        let why = self.record.take_step().unwrap_or_else(|| "no step was named".to_owned());
        let stands = if undone {
            "what stood before stands"
        } else {
            "what stood before could not all be brought back"
        };
        let why = format!("{why}; {stands}");
        let mut actions = say_refusal(std::slice::from_ref(&why));
        if let Some(Pending { lines, asked, .. }) = pending {
            let took_ms = at.saturating_duration_since(asked).as_secs_f64() * 1000.0;
            let (outcome, problems) = (Outcome::Failed, vec![why]);
            let failed = SpecChange { outcome, lines, problems, took_ms, ..SpecChange::default() };
            self.record.spec_change(asked, failed);
        }
        actions.extend(self.take_newest(at));
        actions
    }

    fn not_taken(&mut self, problems: Vec<String>, at: Instant) -> Vec<Action> {
        let actions = say_refusal(&problems);
        let outcome = Outcome::Refused;
        self.record.spec_change(at, SpecChange { outcome, problems, ..SpecChange::default() });
        actions
    }

    /// What the target is now, for the result.
    #[must_use]
    pub fn standing(&self) -> (&Spec, &Arc<Provisioning>) {
        (&self.orders.spec, &self.orders.provisioning)
    }
}

fn say_refusal(problems: &[String]) -> Vec<Action> {
    let mut lines = problems.iter().flat_map(|problem| problem.lines());
    let first = format!("the changed spec is not taken: {}", lines.next().unwrap_or_default());
    let rest = lines.map(|line| format!("  {line}"));
    std::iter::once(first).chain(rest).map(Action::Say).collect()
}

/// The first lines, and how many there are more.
fn cut(lines: &[String]) -> impl Iterator<Item = String> {
    let more = lines.len().saturating_sub(SAID);
    let more = (more > 0).then(|| format!("  … and {more} more; the result has them all"));
    lines.iter().take(SAID).map(|line| format!("  {line}")).chain(more)
}
