//! What a changed spec changes of a target that stands. Pure.

use super::Provisioning;
use crate::spec::Spec;
use configfs_rs::difference as steps_difference;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Devices and disks that come or go.
    pub devices: usize,
    /// Steps undone and done.
    pub steps: usize,
}

impl Change {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices == 0 && self.steps == 0
    }
}

type Standing<'a> = (&'a Spec, &'a Provisioning);

/// What leads from what stands to what is wanted.
///
/// # Errors
/// What cannot change while the guest runs, each by its name.
pub fn difference(standing: Standing<'_>, wanted: Standing<'_>) -> Result<Change, Vec<String>> {
    let mut refusals = fixed(standing.0, wanted.0);
    refusals.extend(devices(standing.1, wanted.1));
    let steps = match steps_difference(&standing.1.steps, &wanted.1.steps) {
        Ok(change) => change.undo.len() + change.steps.len(),
        Err(refused) => {
            refusals.extend(refused.iter().map(ToString::to_string));
            0
        }
    };
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Change { devices: moved(standing.1, wanted.1), steps })
}

/// Whatever was decided before the guest booted.
fn fixed(standing: &Spec, wanted: &Spec) -> Vec<String> {
    let tables = [
        ("[kernel]", standing.kernel == wanted.kernel),
        ("[machine]", standing.machine == wanted.machine),
        ("[channel]", standing.channel == wanted.channel),
        ("[network]", standing.network == wanted.network),
        ("[[disk]]", standing.disks == wanted.disks),
    ];
    let changed = tables.into_iter().filter(|(_, same)| !same);
    changed.map(|(table, _)| format!("{table} cannot change while the guest runs")).collect()
}

fn devices(standing: &Provisioning, wanted: &Provisioning) -> Vec<String> {
    let changed = wanted
        .devices
        .iter()
        .filter(|new| standing.devices.iter().any(|old| old.name == new.name && old != *new));
    changed
        .map(|device| {
            let kind = device.kind.name();
            format!("the {kind} of storage object {} cannot change while it stands", device.name)
        })
        .collect()
}

fn moved(standing: &Provisioning, wanted: &Provisioning) -> usize {
    let gone = |a: &Provisioning, b: &Provisioning| {
        let devices = a.devices.iter().filter(|device| !b.devices.contains(device)).count();
        devices + a.disks.iter().filter(|disk| !b.disks.contains(disk)).count()
    };
    gone(standing, wanted) + gone(wanted, standing)
}
