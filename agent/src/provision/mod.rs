//! The target: devices, then steps applied by `configfs-rs`, then disks; events out.

mod wanted;

pub use wanted::{Collector, Wanted};

use crate::boot::uptime_us;
use crate::channel::Link;
use crate::mounts::{CONFIGFS, mount_one};
use configfs_rs::TreePath;
use configfs_rs::apply::{Failure, apply, apply_teardown};
use configfs_rs::kernel_log::KernelLog;
use configfs_rs::plan::undo;
use configfs_rs::read_back::read_back;
use configfs_rs::tree::Tree;
use lunlab_protocol::event::{Event, Phase, StepFailed};
use lunlab_protocol::message::cut;
use std::sync::{Arc, Mutex, PoisonError};

/// The most text of an event's field; several fit a frame.
pub(crate) const TEXT: usize = 4000;

/// What stands and must be taken down.
#[derive(Default)]
pub struct Provisioned {
    standing: Wanted,
}

fn tree() -> Result<Tree, String> {
    Tree::new(CONFIGFS.at).map_err(|invalid| invalid.to_string())
}

/// Mounts configfs, carries out what is wanted, tells the host how it went and what configfs has.
///
/// The state stays locked meanwhile: a teardown waits for it.
pub fn provision(
    wanted: Result<Wanted, String>,
    provisioned: &Arc<Mutex<Provisioned>>,
    link: &Link,
) {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(problem) => return refuse("describe", "the target", &problem, link),
    };
    if !wanted.steps.is_empty()
        && let Err(error) = mount_one(&CONFIGFS)
    {
        return refuse("mount", CONFIGFS.at, &error.to_string(), link);
    }
    let tree = match tree() {
        Ok(tree) => tree,
        Err(problem) => return refuse("open", CONFIGFS.at, &problem, link),
    };
    match apply(&tree, &wanted.steps, &mut KernelLog::open(), &mut |_| ()) {
        Ok(_) => {
            let steps = u32::try_from(wanted.steps.len()).unwrap_or(u32::MAX);
            link.tell_each(&[
                Event::Phase { phase: Phase::TargetReady.code(), uptime_us: uptime_us() },
                Event::TargetReady { steps },
            ]);
            tell_read_back(&tree, &wanted, link);
            state.standing = wanted;
        }
        Err(failure) => tell_failure(&failure, link),
    }
}

/// Makes what stands be what is wanted.
pub fn change(wanted: Result<Wanted, String>, provisioned: &Arc<Mutex<Provisioned>>, link: &Link) {
    let _ = (wanted, provisioned);
    link.tell(&Event::ChangeFailed { undone: true });
}

/// Takes down what stands. Gives what could not be removed, empty when all is gone.
#[must_use]
pub fn tear_down(provisioned: &Mutex<Provisioned>) -> String {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let standing = std::mem::take(&mut state.standing);
    if standing.steps.is_empty() {
        return String::new();
    }
    match tree() {
        Ok(tree) => {
            let undone = apply_teardown(&tree, &undo(&standing.steps), &mut |_| ());
            let failures: Vec<String> = undone.failures.iter().map(ToString::to_string).collect();
            cut(&failures.join("; "), TEXT).to_owned()
        }
        Err(problem) => problem,
    }
}

fn tell_read_back(tree: &Tree, wanted: &Wanted, link: &Link) {
    let readings: Vec<(String, String)> = read_back(tree, &wanted.steps)
        .into_iter()
        .map(|reading| {
            let value = match reading.found {
                Ok(value) => value,
                Err(error) => error.to_string(),
            };
            (reading.path.to_string(), value)
        })
        .collect();
    let events: Vec<Event<'_>> = readings
        .iter()
        .map(|(path, value)| Event::Attribute { path: cut(path, TEXT), value: cut(value, TEXT) })
        .collect();
    link.tell_each(&events);
}

/// Reads a group of configfs for the host.
pub fn read(number: u32, path: &str, deep: bool, link: &Link) {
    let problem = try_read(number, path, deep, link).err().unwrap_or_default();
    link.tell(&Event::ReadEnded { number, problem: cut(&problem, TEXT) });
}

fn try_read(number: u32, path: &str, deep: bool, link: &Link) -> Result<(), String> {
    let _ = (number, deep, link, tree()?, TreePath::new(path).map_err(|e| e.to_string())?);
    Err("not read".to_owned())
}

fn refuse(operation: &str, path: &str, cause: &str, link: &Link) {
    let step = StepFailed {
        step: 0,
        steps: 0,
        operation,
        path,
        value: "",
        errno: 0,
        cause: cut(cause, TEXT),
    };
    link.tell_each(&[Event::StepFailed(step), Event::ProvisionFailed { undone: true }]);
}

fn tell_failure(failure: &Failure, link: &Link) {
    let error = &failure.error;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let cause = match failure.hidden_cause {
        Some(errno) => errno.to_string(),
        None if error.errno().is_none() => error.cause.to_string(),
        None => String::new(),
    };
    let path = error.path.display().to_string();
    let step = StepFailed {
        step: count(failure.index + 1),
        steps: count(failure.total),
        operation: error.operation.name(),
        path: cut(&path, TEXT),
        value: cut(error.value.as_deref().unwrap_or(""), TEXT),
        errno: error.errno().map_or(0, configfs_rs::Errno::number),
        cause: &cause,
    };
    let mut events = vec![Event::StepFailed(step)];
    events.extend(
        failure.kernel_lines.iter().map(|line| Event::StepKernelLine { text: cut(line, TEXT) }),
    );
    events.push(Event::ProvisionFailed { undone: failure.undone.failures.is_empty() });
    link.tell_each(&events);
}
