//! Keeps requests in flight, and in verify mode knows what each block holds.

use crate::direct::{Direct, Range};
use crate::ring::{Completion, Ring};
use configfs_rs::Errno;
use lunlab_bench::storage::access::Request;
use lunlab_bench::storage::{MEMORY, VERIFIED_BLOCKS, stamp};
use lunlab_bench::workload::{Observer, Stopped, Told, Values};
use std::io;
use std::time::{Duration, Instant};

/// How large requests are, and how many are in flight.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) size: u32,
    pub(super) depth: u32,
}

impl Shape {
    pub(super) fn of(values: &Values) -> Result<Self, Stopped> {
        let (size, depth) = (values.number("block_size")?, values.number("queue_depth")?);
        let shape = u32::try_from(size).ok().zip(u32::try_from(depth).ok());
        let shape = shape.filter(|_| size * depth <= MEMORY && size > 0 && depth > 0);
        let refusal = || Stopped::Failed(format!("{depth} requests of {size} bytes in flight"));
        shape.map(|(size, depth)| Self { size, depth }).ok_or_else(refusal)
    }
}

/// Says what comes next, and hears what is over.
pub(super) trait Source {
    /// The next request, on a block that is not busy; nothing when it is to end.
    fn next(&mut self, busy: &dyn Fn(u64) -> bool) -> Option<Request>;

    /// A request is over.
    fn done(&mut self, read: bool, latency: Duration);

    /// All that were over at that moment were told.
    fn looked(&mut self, now: Instant);
}

/// No block has this number.
const IDLE: u64 = u64::MAX;

/// A file and the requests on it.
pub(super) struct Engine {
    ring: Ring,
    path: String,
    range: Range,
    shape: Shape,
    /// By slot.
    flights: Vec<Flight>,
    /// The blocks that the slots are at work on.
    busy: Vec<u64>,
    idle: Vec<usize>,
    /// How often each block was written, in verify mode.
    generations: Option<Vec<u32>>,
    checked: u64,
}

#[derive(Clone, Copy)]
struct Flight {
    read: bool,
    started: Instant,
}

impl Engine {
    /// On that part of a file.
    pub(super) fn new(file: Direct, range: Range, shape: Shape) -> Result<Self, Stopped> {
        let blocks = range.length / u64::from(shape.size);
        if blocks < u64::from(shape.depth) {
            // Two requests on one block at once would write what no one could check.
            let Shape { size, depth } = shape;
            let problem = format!("{depth} requests of {size} bytes in {} bytes", range.length);
            return Err(Stopped::Failed(problem));
        }
        let (path, file) = file.into_parts();
        let ring = Ring::new(file, shape.depth, shape.size).map_err(no_ring)?;
        let flight = Flight { read: true, started: Instant::now() };
        let slots = usize::try_from(shape.depth).unwrap_or(usize::MAX);
        Ok(Self {
            ring,
            path,
            range,
            shape,
            flights: vec![flight; slots],
            busy: vec![IDLE; slots],
            idle: (0..slots).rev().collect(),
            generations: None,
            checked: 0,
        })
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> u64 {
        self.range.length / u64::from(self.shape.size)
    }

    /// How many reads were checked.
    pub(super) fn checked(&self) -> u64 {
        self.checked
    }

    /// From now on blocks are marked when they are written, and checked when they are read.
    pub(super) fn mark(&mut self) -> Result<(), Stopped> {
        let blocks = self.blocks();
        let count = usize::try_from(blocks).ok().filter(|_| blocks <= VERIFIED_BLOCKS);
        let refusal = || Stopped::Failed(format!("{blocks} blocks are too many to verify"));
        self.generations = Some(vec![0; count.ok_or_else(refusal)?]);
        Ok(())
    }

    /// Does what a source says until it says no more and all is over.
    pub(super) fn drive(&mut self, source: &mut dyn Source) -> Result<(), Stopped> {
        let mut over: Vec<Completion> = Vec::new();
        loop {
            self.fill(source)?;
            if self.idle.len() == self.busy.len() {
                return Ok(());
            }
            let failed =
                |error: io::Error| Stopped::Failed(format!("io_uring_enter: {}", errno(&error)));
            self.ring.wait(&mut over).map_err(failed)?;
            // Before anything is checked, which takes longer than the request.
            let now = Instant::now();
            for (slot, result) in over.iter().copied() {
                let flight = self.flights[slot];
                self.finish(slot, result)?;
                source.done(flight.read, now.saturating_duration_since(flight.started));
            }
            source.looked(now);
        }
    }

    /// Readies requests until none is idle.
    fn fill(&mut self, source: &mut dyn Source) -> Result<(), Stopped> {
        let mut fresh = Vec::new();
        while let Some(slot) = self.idle.last().copied() {
            let busy = &self.busy;
            let Some(request) = source.next(&|block| busy.contains(&block)) else { break };
            self.start(slot, request)?;
            self.idle.pop();
            fresh.push(slot);
        }
        // They are handed to the kernel together, next; marking is not part of their latency.
        let started = Instant::now();
        for slot in fresh {
            self.flights[slot].started = started;
        }
        Ok(())
    }

    fn start(&mut self, slot: usize, request: Request) -> Result<(), Stopped> {
        let (offset, index) = (self.offset(request.block), index(request.block));
        if let (false, Some(generations)) = (request.read, &mut self.generations) {
            generations[index] += 1;
            let generation = u64::from(generations[index]);
            if let Some(memory) = self.ring.slot(slot) {
                stamp::fill(memory, offset, generation);
            }
        }
        let failed = |error: io::Error| Stopped::Failed(format!("io_uring: {error}"));
        self.ring.start(slot, request.read, offset).map_err(failed)?;
        self.busy[slot] = request.block;
        self.flights[slot].read = request.read;
        Ok(())
    }

    fn finish(&mut self, slot: usize, result: i32) -> Result<(), Stopped> {
        let block = std::mem::replace(&mut self.busy[slot], IDLE);
        self.idle.push(slot);
        let (read, offset) = (self.flights[slot].read, self.offset(block));
        let size = self.shape.size;
        if u32::try_from(result) != Ok(size) {
            let operation = if read { "read" } else { "write" };
            let problem = match result {
                0.. => format!("{result} of {size} bytes"),
                _ => Errno::new(result.saturating_neg()).to_string(),
            };
            let words = format!("{operation} {size} bytes at byte {offset} of {}", self.path);
            return Err(Stopped::Failed(format!("{words}: {problem}")));
        }
        let Some(generations) = self.generations.as_ref().filter(|_| read) else { return Ok(()) };
        let generation = u64::from(generations[index(block)]);
        let memory = self.ring.slot(slot).map_or(&[][..], |memory| memory);
        stamp::check(memory, offset, generation)
            .map_err(|words| Stopped::Failed(format!("{}: wrong {words}", self.path)))?;
        self.checked += 1;
        Ok(())
    }

    fn offset(&self, block: u64) -> u64 {
        self.range.offset.saturating_add(block.saturating_mul(u64::from(self.shape.size)))
    }
}

/// Blocks are counted in a vector where they are marked, so their numbers fit.
fn index(block: u64) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

fn errno(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| Errno::new(number).to_string())
}

/// A kernel built or told to be without io_uring cannot run this; all else is a failure.
fn no_ring(error: io::Error) -> Stopped {
    let name = errno(&error);
    match name.as_str() {
        "ENOSYS" => Stopped::Skipped("the kernel has no io_uring (CONFIG_IO_URING)".to_owned()),
        "EPERM" => Stopped::Skipped(
            "io_uring is not permitted (sysctl kernel.io_uring_disabled)".to_owned(),
        ),
        _ if error.kind() == io::ErrorKind::Unsupported => {
            Stopped::Skipped("io_uring is older than Linux 5.6 has it".to_owned())
        }
        _ => Stopped::Failed(format!("io_uring_setup: {name}")),
    }
}

/// Every block once, in order.
pub(super) struct Pass<'a> {
    next: u64,
    over: u64,
    blocks: u64,
    read: bool,
    began: Instant,
    observer: &'a mut dyn Observer,
}

impl<'a> Pass<'a> {
    pub(super) fn new(blocks: u64, read: bool, observer: &'a mut dyn Observer) -> Self {
        Self { next: 0, over: 0, blocks, read, began: Instant::now(), observer }
    }
}

impl Source for Pass<'_> {
    fn next(&mut self, _busy: &dyn Fn(u64) -> bool) -> Option<Request> {
        let block = self.next;
        self.next += 1;
        (block < self.blocks).then_some(Request { block, read: self.read })
    }

    fn done(&mut self, _read: bool, _latency: Duration) {
        self.over += 1;
    }

    fn looked(&mut self, now: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "how far it is, roughly")]
        let done = self.over as f64 / self.blocks.max(1) as f64;
        let left = (now - self.began).as_secs_f64() * (1.0 / done.max(1e-3) - 1.0);
        self.observer.tell(Told::Progress { done, left: Duration::from_secs_f64(left.max(0.0)) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_io_uring_skips_and_any_other_failure_is_one() {
        for (number, skips) in [(38, true), (1, true), (12, false), (24, false)] {
            let stopped = no_ring(io::Error::from_raw_os_error(number));
            assert_eq!(matches!(stopped, Stopped::Skipped(_)), skips, "{stopped:?}");
        }
        assert!(matches!(no_ring(io::ErrorKind::Unsupported.into()), Stopped::Skipped(_)));
    }
}
