//! Workload `storage`: requests to `path` with `queue_depth` of them in flight all the time.

mod engine;
mod measure;

use crate::direct::Direct;
use engine::{Engine, Pass, Shape};
use lunlab_bench::storage::access::Access;
use lunlab_bench::workload::{Observer, Stopped, Told, Values};
use measure::Measure;
use rustix::fs::OFlags;

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let shape = Shape::of(values)?;
    let (read_percent, verify) = (values.number("read_percent")?, values.flag("verify"));
    let (offset, length) = (values.number_or_zero("offset")?, values.number_or_zero("length")?);
    let writes = verify || read_percent < 100;
    let flags = if writes { OFlags::RDWR } else { OFlags::RDONLY };
    let file = Direct::open(values.text("path"), flags).map_err(Stopped::Failed)?;
    let range = file.range(offset, length).map_err(Stopped::Failed)?;
    observer.tell(Told::Finding { name: "opened", text: file.way() });

    let mut engine = Engine::new(file, range, shape)?;
    if verify {
        engine.mark()?;
        engine.drive(&mut Pass::new(engine.blocks(), false, observer))?;
    }
    let random = values.text("access") == "random";
    let access = Access::new(engine.blocks(), random, read_percent, SEED);
    let mut measure = Measure::new(access, shape.size, values.budget()?, observer);
    let outcome = engine.drive(&mut measure);
    // What was measured before it went wrong is told as well.
    measure.conclude();
    outcome?;
    if verify {
        engine.drive(&mut Pass::new(engine.blocks(), true, observer))?;
        let text = format!("{} reads held what was written there", engine.checked());
        observer.tell(Told::Finding { name: "verified", text: &text });
    }
    Ok(())
}

/// The same requests in every run: what differs between two kernels is not the order of addresses.
const SEED: u64 = 0x6c75_6e6c_6162;

#[cfg(test)]
mod tests;
