//! Stamped writes of a list of extents, and reads that compare.

use super::job::{Failure, FailureKind};
use super::link::{Finished, Issue, Work};
use super::random::number;
use super::{scsi, stamp};

/// Consecutive logical blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) lba: u64,
    pub(super) blocks: u32,
}

/// `blocks` from address 0 on, in pieces of at most `piece`.
pub(super) fn sequence(blocks: u64, piece: u32) -> impl Iterator<Item = Extent> {
    let step = number(piece).max(1);
    (0..blocks).step_by(step).map(move |lba| {
        let left = u32::try_from(blocks - lba).unwrap_or(u32::MAX);
        Extent { lba, blocks: left.min(piece) }
    })
}

/// How the blocks of one LUN are stamped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamping {
    pub(super) lun: u16,
    /// Bytes per logical block.
    pub(super) block_len: u32,
    pub(super) nonce: u64,
}

impl Stamping {
    /// Bytes of some blocks.
    pub(super) fn bytes(&self, blocks: u32) -> usize {
        number(self.block_len).saturating_mul(number(blocks))
    }

    fn stamp(&self, buffer: &mut [u8], lba: u64) {
        for (lba, block) in (lba..).zip(buffer.chunks_exact_mut(number(self.block_len))) {
            stamp::fill(block, lba, self.nonce);
        }
    }

    /// Prepares a buffer for a read.
    pub(super) fn spoil(&self, buffer: &mut [u8]) {
        buffer.chunks_exact_mut(number(self.block_len)).for_each(stamp::spoil);
    }

    /// Compares what was read from `lba` on.
    pub(super) fn compare(&self, buffer: &[u8], lba: u64) -> Result<(), Failure> {
        for (lba, block) in (lba..).zip(buffer.chunks_exact(number(self.block_len))) {
            stamp::verify(block, lba, self.nonce).map_err(|mismatch| {
                let attempted = format!("verify LUN {}", self.lun);
                Failure::new(FailureKind::Mismatch, attempted, mismatch.to_string())
            })?;
        }
        Ok(())
    }
}

/// Writes extents, each block stamped.
pub(super) struct Writes<I> {
    pub(super) extents: I,
    pub(super) stamping: Stamping,
}

impl<I: Iterator<Item = Extent>> Work for Writes<I> {
    fn next(&mut self, buffer: &mut [u8]) -> Option<Issue> {
        let Extent { lba, blocks } = self.extents.next()?;
        let len = self.stamping.bytes(blocks);
        self.stamping.stamp(buffer.get_mut(..len)?, lba);
        Some(Issue { command: scsi::write(lba, blocks), len, lba })
    }

    fn finished(&mut self, _: &Finished<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Reads single blocks, and compares where there is something to compare with.
pub(super) struct Reads<I> {
    pub(super) lbas: I,
    pub(super) stamping: Stamping,
    pub(super) compared: bool,
}

impl<I: Iterator<Item = u64>> Work for Reads<I> {
    fn next(&mut self, buffer: &mut [u8]) -> Option<Issue> {
        let lba = self.lbas.next()?;
        self.stamping.spoil(buffer);
        Some(Issue { command: scsi::read(lba, 1), len: self.stamping.bytes(1), lba })
    }

    fn finished(&mut self, finished: &Finished<'_>) -> Result<(), Failure> {
        if self.compared { self.stamping.compare(finished.buffer, finished.lba) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_covers_every_block_once() {
        let extents: Vec<_> = sequence(10, 4).map(|e| (e.lba, e.blocks)).collect();
        assert_eq!(extents, [(0, 4), (4, 4), (8, 2)]);
        assert_eq!(sequence(0, 4).count(), 0);
        let beyond_32_bits = sequence(1 << 33, u32::MAX).last().unwrap();
        assert_eq!(beyond_32_bits, Extent { lba: 2 * u64::from(u32::MAX), blocks: 2 });
    }

    #[test]
    fn each_block_of_a_transfer_carries_its_own_address() {
        let stamping = Stamping { lun: 3, block_len: 512, nonce: 42 };
        let mut buffer = vec![0; 2048];
        stamping.stamp(&mut buffer, 100);
        assert_eq!(stamping.compare(&buffer, 100), Ok(()));
        buffer.copy_within(0..512, 1024);
        let failure = stamping.compare(&buffer, 100).unwrap_err();
        assert_eq!(
            (failure.kind, failure.attempted.as_str()),
            (FailureKind::Mismatch, "verify LUN 3")
        );
        assert!(failure.cause.starts_with("LBA 102 ") && failure.cause.contains("carries LBA 100"));
    }

    #[test]
    fn a_read_that_delivers_nothing_does_not_pass() {
        let stamping = Stamping { lun: 0, block_len: 512, nonce: 42 };
        let mut buffer = vec![0; 1024];
        stamping.stamp(&mut buffer, 7);
        stamping.spoil(&mut buffer);
        assert!(stamping.compare(&buffer, 7).is_err());
        assert!(stamping.compare(&buffer[512..], 8).is_err());
    }

    #[test]
    fn writes_put_the_stamps_into_the_buffer() {
        let stamping = Stamping { lun: 0, block_len: 512, nonce: 42 };
        let mut writes = Writes { extents: sequence(3, 2), stamping };
        let mut buffer = vec![0; 1024];
        let issue = writes.next(&mut buffer).unwrap();
        assert_eq!((issue.lba, issue.len, issue.command), (0, 1024, scsi::write(0, 2)));
        assert_eq!(stamping.compare(&buffer, 0), Ok(()));
        assert_eq!(writes.next(&mut buffer).unwrap().len, 512);
        assert!(writes.next(&mut buffer).is_none());
    }
}
