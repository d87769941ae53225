//! A spec that changes while its target is held.

use super::{Action, Conductor, Stage};
use crate::spec::Spec;
use crate::target::Provisioning;
use crate::target::difference::difference;
use std::sync::Arc;

impl Conductor {
    /// The spec's file has changed.
    pub(super) fn spec_changed(&mut self, spec: Result<Spec, String>) -> Vec<Action> {
        if self.stage != Stage::Holding {
            return Vec::new();
        }
        match spec {
            Err(faults) => refused(&faults),
            Ok(_) if self.pending.is_some() => refused("the change before is not done yet"),
            Ok(spec) => vec![Action::Replan(Box::new(spec))],
        }
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
        let before = self.orders.provisioning.urls(&self.orders.spec);
        self.orders.spec = spec;
        self.orders.provisioning = provisioning;
        let words = format!("the target is changed: {undone} steps undone, {steps} done");
        let mut actions = vec![Action::Say(words)];
        if before != self.orders.provisioning.urls(&self.orders.spec) {
            actions.push(Action::Announce);
        }
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
        refused(&format!("{why}; {stands}"))
    }

    /// What the target is now, for the result.
    #[must_use]
    pub fn standing(&self) -> (&Spec, &Arc<Provisioning>) {
        (&self.orders.spec, &self.orders.provisioning)
    }
}

fn refused(why: &str) -> Vec<Action> {
    vec![Action::Say(format!("the changed spec is not taken: {}", why.trim_end()))]
}
