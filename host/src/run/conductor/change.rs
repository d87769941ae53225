//! A spec that changes while its target is held.

use super::{Action, Conductor, Stage};
use crate::spec::Spec;
use crate::target::Provisioning;
use crate::target::difference::difference;
use std::sync::Arc;

impl Conductor {
    /// The spec's file has changed.
    pub(super) fn spec_changed(&mut self, spec: Result<Spec, String>) -> Vec<Action> {
        if self.stage > Stage::Holding {
            return Vec::new();
        }
        match spec {
            // A version is only worth its turn until there is a newer one.
            spec if self.stage < Stage::Holding || self.pending.is_some() => {
                self.newest = Some(spec);
                Vec::new()
            }
            Err(faults) => refused(&faults),
            Ok(spec) => vec![Action::Replan(Box::new(spec))],
        }
    }

    /// Takes what the spec's file became while the target could not be changed.
    pub(super) fn take_newest(&mut self) -> Vec<Action> {
        self.newest.take().map_or_else(Vec::new, |spec| self.spec_changed(spec))
    }

    /// The changed spec was planned.
    pub fn replanned(
        &mut self,
        spec: Spec,
        provisioning: Result<Provisioning, String>,
    ) -> Vec<Action> {
        let provisioning = match provisioning {
            Ok(provisioning) => Arc::new(provisioning),
            Err(problem) => return refused(&problem),
        };
        let standing = (&self.orders.spec, &*self.orders.provisioning);
        match difference(standing, (&spec, &provisioning)) {
            Err(refusals) => refused(&refusals.join("\n")),
            Ok(change) if change.is_empty() => {
                vec![Action::Say("the spec changed, and nothing of the target with it".into())]
            }
            Ok(_) => {
                let action = Action::Change(Arc::clone(&provisioning));
                self.pending = Some((spec, provisioning));
                vec![action]
            }
        }
    }

    pub(super) fn changed(&mut self, undone: u32, steps: u32) -> Vec<Action> {
        let Some((spec, provisioning)) = self.pending.take() else { return Vec::new() };
        self.orders.spec = spec;
        self.orders.provisioning = provisioning;
        // The guest tells anew what it has, and nothing of what is gone.
        self.record.forget_read_back();
        let words = format!("the target is changed: {undone} steps undone, {steps} done");
        let mut actions = vec![Action::Say(words), Action::Announce];
        actions.extend(self.take_newest());
        actions
    }

    pub(super) fn change_failed(&mut self, undone: bool) -> Vec<Action> {
        self.pending = None;
        let why = self.record.take_step().unwrap_or_else(|| "no step was named".to_owned());
        let stands = if undone {
            "what stood before stands"
        } else {
            "what stood before could not all be brought back"
        };
        let mut actions = refused(&format!("{why}; {stands}"));
        actions.extend(self.take_newest());
        actions
    }

    /// What the target is now, for the result.
    #[must_use]
    pub fn standing(&self) -> (&Spec, &Arc<Provisioning>) {
        (&self.orders.spec, &self.orders.provisioning)
    }
}

fn refused(why: &str) -> Vec<Action> {
    let mut lines = why.trim_end().lines();
    let first = format!("the changed spec is not taken: {}", lines.next().unwrap_or_default());
    let rest = lines.map(|line| format!("  {line}"));
    std::iter::once(first).chain(rest).map(Action::Say).collect()
}
