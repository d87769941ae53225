//! One file, written and read from its beginning to its end.

use super::io_failed;
use super::wire::Wire;
use lunlab_bench::storage::stamp;
use lunlab_bench::workload::Stopped;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of so many blocks, whose every sixteen bytes say where they belong and by which writing.
pub(super) struct Sequential {
    path: PathBuf,
    size: u64,
    block: RefCell<Vec<u8>>,
    generation: Cell<u64>,
    wire: Wire,
    read: Cell<Moved>,
    written: Cell<Moved>,
}

/// Bytes of the file, and those that went over the interface meanwhile.
#[derive(Clone, Copy, Default)]
struct Moved {
    own: u64,
    wire: u64,
}

impl Sequential {
    pub(super) fn new(directory: &Path, block: u64, size: u64, wire: Wire) -> Self {
        Self {
            path: directory.join("sequential"),
            size,
            block: RefCell::new(vec![0; usize::try_from(block).unwrap_or_default()]),
            generation: Cell::new(0),
            wire,
            read: Cell::default(),
            written: Cell::default(),
        }
    }

    /// Writes all of it and makes it durable: MB/s, with the fsync.
    pub(super) fn write(&self) -> Result<f64, Stopped> {
        self.generation.set(self.generation.get() + 1);
        let before = self.wire.sent()?;
        let file =
            File::create(&self.path).map_err(|error| io_failed("create", &self.path, &error))?;
        let mut spent = Duration::ZERO;
        let mut block = self.block.borrow_mut();
        for at in self.offsets(block.len()) {
            stamp::fill(&mut block, at, self.generation.get());
            let start = Instant::now();
            file.write_all_at(&block, at).map_err(|error| self.failed("write", at, &error))?;
            spent += start.elapsed();
        }
        let start = Instant::now();
        file.sync_all().map_err(|error| io_failed("fsync", &self.path, &error))?;
        spent += start.elapsed();
        self.count(&self.written, "written", self.wire.sent()?.saturating_sub(before))?;
        Ok(self.rate(spent))
    }

    /// Reads all of it and checks every byte, which is not part of the time: MB/s.
    pub(super) fn read(&self) -> Result<f64, Stopped> {
        let before = self.wire.received()?;
        let file = File::open(&self.path).map_err(|error| io_failed("open", &self.path, &error))?;
        let mut spent = Duration::ZERO;
        let mut block = self.block.borrow_mut();
        for at in self.offsets(block.len()) {
            let start = Instant::now();
            file.read_exact_at(&mut block, at).map_err(|error| self.failed("read", at, &error))?;
            spent += start.elapsed();
            stamp::check(&block, at, self.generation.get()).map_err(|problem| {
                Stopped::Failed(format!("{}: {problem}", self.path.display()))
            })?;
        }
        self.count(&self.read, "read", self.wire.received()?.saturating_sub(before))?;
        Ok(self.rate(spent))
    }

    /// Where blocks begin.
    fn offsets(&self, block: usize) -> impl Iterator<Item = u64> + use<> {
        (0..self.size).step_by(block.max(1))
    }

    fn rate(&self, spent: Duration) -> f64 {
        self.size as f64 / 1e6 / spent.as_secs_f64().max(1e-9)
    }

    /// Counts what was moved; what a cache had is not what is measured.
    fn count(&self, into: &Cell<Moved>, what: &str, wire: u64) -> Result<(), Stopped> {
        if wire < self.size {
            return Err(Stopped::Failed(format!(
                "of {} bytes {what} only {wire} went over the network: a cache had the others",
                self.size
            )));
        }
        let Moved { own, wire: before } = into.get();
        into.set(Moved { own: own + self.size, wire: before + wire });
        Ok(())
    }

    /// What was moved, and over the interface.
    pub(super) fn wire_words(&self) -> String {
        let (read, written) = (self.read.get(), self.written.get());
        format!(
            "{} bytes came for {} read, {} went for {} written",
            read.wire, read.own, written.wire, written.own
        )
    }

    fn failed(&self, what: &str, at: u64, error: &std::io::Error) -> Stopped {
        io_failed(&format!("{what} at {at} of"), &self.path, error)
    }
}
