//! The workload `storage` over iSCSI: what a guest's program does with io_uring, with libiscsi.

use std::path::Path;
use std::time::{Duration, Instant};

use lunlab_bench::storage::access::Request;
use lunlab_bench::storage::marks::Marks;
use lunlab_bench::storage::measure::Processors;
use lunlab_bench::storage::source::{Engine, Source};
use lunlab_bench::storage::{Plan, Shape, conduct};
use lunlab_bench::workload::{Stopped, Values};
use lunlab_bench::{compiled, machine};
use rustix::time::{ClockId, clock_gettime};

use super::check::{log_in, prepare_lun};
use super::child::Reporter;
use super::ffi::Library;
use super::job::{Failure, FailureKind, Storage};
use super::link::{Finished, Issue, Link, Work};
use super::random::number;
use super::scsi::{self, Capacity};
use super::stamp;
use super::teller::Teller;

/// Gives the session back where the job has it stay.
pub(super) fn run(
    library: &Library,
    job: &Storage,
    reporter: &mut Reporter,
) -> Result<Option<Link>, Failure> {
    let values: Values = job.values.clone().into_iter().collect();
    let plan = Plan::of(&values)?;
    if job.lun > scsi::LUN_MAX {
        return Err(usage(format!("LUN {} is above {}", job.lun, scsi::LUN_MAX)));
    }
    let mut link = log_in(library, &job.target, &job.limits, reporter)?;
    let capacity = prepare_lun(&mut link, job.lun, reporter)?;
    let marks = marks(&plan, capacity)?;
    let mut teller = Teller::new(reporter);
    let target = &job.target;
    let opened = format!("LUN {} of {} as {}", job.lun, target.iqn, target.initiator);
    teller.finding("opened", &opened);
    teller.finding("compiled", &compiled_words(&library.loaded().library));
    teller.finding("cpu_per_io", "of the initiator's process on the host");
    if values.flag("count") {
        teller.finding("counted", "nothing: the host's initiator has no counters");
    }
    teller.gauges(false);
    let (lun, Shape { depth, .. }) = (job.lun, plan.shape);
    let mut volume = Volume { link: &mut link, lun, depth, block_len: capacity.block_len, marks };
    let outcome = conduct(&plan, &mut volume, PROCESSORS, &mut teller);
    teller.gauges(true);
    outcome?;
    if job.stay { Ok(Some(link)) } else { link.logout().map(|()| None) }
}

fn usage(cause: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Usage, "storage", cause)
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        usage(stopped.to_string())
    }
}

/// Other versions of the library are other programs.
fn compiled_words(library: &str) -> String {
    let name = Path::new(library).file_name().unwrap_or_default();
    let own = compiled::words(env!("LUNLAB_OPT_LEVEL"));
    format!("{own}, {}", name.display())
}

const PROCESSORS: Processors = Processors {
    own: || {
        let time = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime));
        time.unwrap_or_default()
    },
    all: || machine::busy(&std::fs::read_to_string("/proc/stat").ok()?),
    which: "all processors of the host, the guest and all else on it included",
};

/// The part of the LUN that is used.
fn marks(plan: &Plan, capacity: Capacity) -> Result<Marks, Failure> {
    let (whole, block) = (capacity.bytes(), u64::from(capacity.block_len));
    let &Plan { shape, offset, length, .. } = plan;
    for (name, bytes) in [("block_size", u64::from(shape.size)), ("offset", offset)] {
        if !bytes.is_multiple_of(block) {
            let words = format!("{name} {bytes} is not a multiple of the LUN's blocks of {block}");
            return Err(usage(words));
        }
    }
    let left = whole.checked_sub(offset).filter(|left| *left >= length);
    let left = left.ok_or_else(|| {
        usage(format!("the LUN has {whole} bytes: too few for {length} from {offset} on"))
    })?;
    Ok(Marks::new(offset, if length == 0 { left } else { length }, shape)?)
}

/// What keeps the requests of a source in flight on a LUN.
trait Carrier {
    fn carry(&mut self, lun: u16, depth: u32, requests: &mut Requests<'_>) -> Result<(), Failure>;
}

impl Carrier for Link {
    fn carry(&mut self, lun: u16, depth: u32, requests: &mut Requests<'_>) -> Result<(), Failure> {
        let buffers = (number(depth), number(requests.marks.size()));
        self.drive(lun, &format!("access LUN {lun}"), buffers, requests)
    }
}

/// A LUN, and what is on it.
struct Volume<'l, C> {
    link: &'l mut C,
    lun: u16,
    depth: u32,
    block_len: u32,
    marks: Marks,
}

impl<C: Carrier> Engine for Volume<'_, C> {
    type Error = Failure;

    fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    fn drive(&mut self, source: &mut dyn Source) -> Result<(), Failure> {
        let &mut Self { lun, depth, block_len, .. } = self;
        let flights = Vec::with_capacity(number(depth));
        let marks = &mut self.marks;
        let mut requests = Requests { source, marks, flights, lun, block_len };
        self.link.carry(lun, depth, &mut requests)
    }
}

/// The requests of a source as commands.
struct Requests<'s> {
    source: &'s mut dyn Source,
    marks: &'s mut Marks,
    /// Those that have not ended, by their first LBA.
    flights: Vec<(u64, Request)>,
    lun: u16,
    block_len: u32,
}

impl Work for Requests<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> Option<Issue> {
        let flights = &self.flights;
        let busy = |block| flights.iter().any(|(_, request)| request.block == block);
        let request = self.source.next(&busy)?;
        let block_len = self.block_len.max(1);
        let lba = self.marks.address(request.block) / u64::from(block_len);
        let blocks = self.marks.size() / block_len;
        let command = if request.read {
            if self.marks.begun() {
                buffer.chunks_mut(number(block_len)).for_each(stamp::spoil);
            }
            scsi::read(lba, blocks)
        } else {
            self.marks.mark(request.block, buffer);
            scsi::write(lba, blocks)
        };
        self.flights.push((lba, request));
        Some(Issue { command, len: buffer.len(), lba })
    }

    fn finished(&mut self, finished: &Finished<'_>) -> Result<(), Failure> {
        let &Finished { lba, buffer, submitted, completed } = finished;
        let Some(at) = self.flights.iter().position(|(own, _)| *own == lba) else { return Ok(()) };
        let (_, Request { block, read }) = self.flights.swap_remove(at);
        if read {
            self.marks.check(block, buffer).map_err(|words| {
                let attempted = format!("verify LUN {}", self.lun);
                Failure::new(FailureKind::Mismatch, attempted, format!("wrong {words}"))
            })?;
        }
        self.source.done(read, completed.saturating_duration_since(submitted));
        Ok(())
    }

    fn looked(&mut self, now: Instant) {
        self.source.looked(now);
    }
}

#[cfg(test)]
mod tests;
