//! Keeps requests in flight by io_uring.

use crate::direct::{Direct, Range};
use crate::ring::{Completion, Ring};
use configfs_rs::Errno;
use lunlab_bench::storage::Shape;
use lunlab_bench::storage::access::Request;
use lunlab_bench::storage::marks::Marks;
use lunlab_bench::storage::source::{Engine, Source};
use lunlab_bench::workload::Stopped;
use std::io;
use std::time::Instant;

/// No block has this number.
const IDLE: u64 = u64::MAX;

/// A file and the requests on it.
pub(super) struct Uring {
    ring: Ring,
    path: String,
    marks: Marks,
    /// By slot.
    flights: Vec<Flight>,
    /// The blocks that the slots are at work on.
    busy: Vec<u64>,
    idle: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Flight {
    read: bool,
    started: Instant,
}

impl Uring {
    /// On that part of a file.
    pub(super) fn new(file: Direct, range: Range, shape: Shape) -> Result<Self, Stopped> {
        let marks = Marks::new(range.offset, range.length, shape)?;
        let (path, file) = file.into_parts();
        let ring = Ring::new(file, shape.depth, shape.size).map_err(no_ring)?;
        let flight = Flight { read: true, started: Instant::now() };
        let slots = usize::try_from(shape.depth).unwrap_or(usize::MAX);
        Ok(Self {
            ring,
            path,
            marks,
            flights: vec![flight; slots],
            busy: vec![IDLE; slots],
            idle: (0..slots).rev().collect(),
        })
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
        let offset = self.marks.address(request.block);
        if let (false, Some(memory)) = (request.read, self.ring.slot(slot)) {
            self.marks.mark(request.block, memory);
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
        let (read, offset) = (self.flights[slot].read, self.marks.address(block));
        let size = self.marks.size();
        if u32::try_from(result) != Ok(size) {
            let operation = if read { "read" } else { "write" };
            let problem = match result {
                0.. => format!("{result} of {size} bytes"),
                _ => Errno::new(result.saturating_neg()).to_string(),
            };
            let words = format!("{operation} {size} bytes at byte {offset} of {}", self.path);
            return Err(Stopped::Failed(format!("{words}: {problem}")));
        }
        if !read {
            return Ok(());
        }
        let memory = self.ring.slot(slot).map_or(&[][..], |memory| memory);
        let wrong = |words| Stopped::Failed(format!("{}: wrong {words}", self.path));
        self.marks.check(block, memory).map_err(wrong)
    }
}

impl Engine for Uring {
    type Error = Stopped;

    fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    fn drive(&mut self, source: &mut dyn Source) -> Result<(), Stopped> {
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
