//! The blocks that are used, and in verify mode what each of them holds.

use super::{Shape, VERIFIED_BLOCKS, stamp};
use crate::workload::Stopped;

/// The blocks of a part of a device, each as large as a request.
pub struct Marks {
    offset: u64,
    blocks: u64,
    size: u32,
    /// How often each block was written, in verify mode.
    generations: Option<Vec<u32>>,
    checked: u64,
}

impl Marks {
    /// Over so many bytes from `offset` on; nothing is marked yet.
    ///
    /// # Errors
    /// Where the requests in flight have no block each: two on one at once would write what no one
    /// could check.
    pub fn new(offset: u64, length: u64, shape: Shape) -> Result<Self, Stopped> {
        let Shape { size, depth } = shape;
        let blocks = length / u64::from(size.max(1));
        if blocks < u64::from(depth) {
            let problem = format!("{depth} requests of {size} bytes in {length} bytes");
            return Err(Stopped::Failed(problem));
        }
        Ok(Self { offset, blocks, size, generations: None, checked: 0 })
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Bytes of each.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The first byte of a block, from the device's beginning.
    #[must_use]
    pub fn address(&self, block: u64) -> u64 {
        self.offset.saturating_add(block.saturating_mul(u64::from(self.size)))
    }

    /// From now on blocks are marked when they are written, and checked when they are read.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn begin(&mut self) -> Result<(), Stopped> {
        let blocks = self.blocks;
        let count = usize::try_from(blocks).ok().filter(|_| blocks <= VERIFIED_BLOCKS);
        let refusal = || Stopped::Failed(format!("{blocks} blocks are too many to verify"));
        self.generations = Some(vec![0; count.ok_or_else(refusal)?]);
        Ok(())
    }

    /// Whether that was begun.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.generations.is_some()
    }

    /// Marks what is about to be written to a block.
    pub fn mark(&mut self, block: u64, memory: &mut [u8]) {
        let address = self.address(block);
        let generations = self.generations.as_mut();
        if let Some(generation) = generations.and_then(|all| all.get_mut(index(block))) {
            *generation = generation.saturating_add(1);
            stamp::fill(memory, address, u64::from(*generation));
        }
    }

    /// Checks what was read from a block.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn check(&mut self, block: u64, memory: &[u8]) -> Result<(), String> {
        let Some(generations) = &self.generations else { return Ok(()) };
        let generation = generations.get(index(block)).copied().unwrap_or_default();
        stamp::check(memory, self.address(block), u64::from(generation))?;
        self.checked += 1;
        Ok(())
    }

    /// How many reads held what was written there.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked
    }
}

/// Blocks are counted in a vector where they are marked, so their numbers fit.
fn index(block: u64) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { size: 512, depth: 2 };

    #[test]
    fn a_block_is_good_while_it_holds_what_was_written_last() {
        let mut marks = Marks::new(4096, 2048, SHAPE).unwrap();
        let mut memory = [vec![0; 512], vec![0; 512]];
        assert_eq!(marks.check(3, &memory[0]), Ok(()), "nothing is marked yet");
        marks.begin().unwrap();
        for generation in &mut memory {
            marks.mark(3, generation);
        }
        assert_eq!(marks.check(3, &memory[1]), Ok(()));
        assert_eq!((marks.checked(), marks.address(3)), (1, 5632));
        let error = marks.check(3, &memory[0]).unwrap_err();
        assert!(
            error.contains("byte 5632: generation 2 was written there, generation 1"),
            "{error}"
        );
        assert!(marks.check(4, &memory[1]).is_err(), "there is no such block");
    }

    #[test]
    fn each_request_in_flight_has_a_block_of_its_own() {
        assert_eq!(Marks::new(0, 1024, SHAPE).map(|marks| marks.blocks()), Ok(2));
        let error = Marks::new(0, 1023, SHAPE).map(|marks| marks.blocks()).unwrap_err();
        assert_eq!(error.to_string(), "2 requests of 512 bytes in 1023 bytes");
        let mut many = Marks::new(0, (VERIFIED_BLOCKS + 1) * 512, SHAPE).unwrap();
        assert!(many.begin().is_err() && !many.begun());
    }
}
