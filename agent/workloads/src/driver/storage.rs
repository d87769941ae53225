//! Workload `storage`: requests to `path` with `queue_depth` of them in flight all the time.

mod engine;

use crate::direct::Direct;
use engine::Uring;
use lunlab_bench::machine;
use lunlab_bench::storage::measure::Processors;
use lunlab_bench::storage::{Plan, conduct};
use lunlab_bench::workload::{Observer, Stopped, Told, Values};
use rustix::fs::OFlags;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let plan = Plan::of(values)?;
    let flags = if plan.writes() { OFlags::RDWR } else { OFlags::RDONLY };
    let file = Direct::open(values.text("path"), flags).map_err(Stopped::Failed)?;
    let range = file.range(plan.offset, plan.length).map_err(Stopped::Failed)?;
    observer.tell(Told::Finding { name: "opened", text: file.way() });
    let mut engine = Uring::new(file, range, plan.shape)?;
    conduct(&plan, &mut engine, PROCESSORS, observer)
}

const PROCESSORS: Processors = Processors {
    own: || {
        let time = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime));
        time.unwrap_or_default()
    },
    all: || machine::busy(&std::fs::read_to_string("/proc/stat").ok()?),
    which: "all processors",
};

#[cfg(test)]
mod tests;
