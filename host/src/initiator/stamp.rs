//! Blocks that carry their own address, so that a read can be judged by itself.
//!
//! A stamped block is little-endian 64-bit words: its LBA, the nonce of the run, then a sequence that
//! depends on both. Data from another address, from an earlier run, or damaged anywhere is seen.

use std::fmt;

const WORD: usize = size_of::<u64>();
/// Odd, so that no two words of one block are equal.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A block that is not what was written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Address that was read.
    pub lba: u64,
    /// Byte offset in the block of the first 8-byte word that differs.
    pub offset: usize,
    /// The word that was written.
    pub expected: u64,
    /// The word that came back.
    pub found: u64,
    /// What the block is, when all of it is a stamp, only not this one.
    pub carries: Option<Carried>,
}

/// A whole stamp in a place where it does not belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Written by this run for another address.
    Lba(u64),
    /// Written with another nonce: by an earlier run, or another phase of this one.
    Stale {
        /// Address it was written for.
        lba: u64,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lba, offset, expected, found, carries } = self;
        write!(f, "LBA {lba} byte {offset}: expected {expected:#018x}, got {found:#018x}")?;
        match carries {
            Some(Carried::Lba(other)) => write!(f, " (the block carries LBA {other})"),
            Some(Carried::Stale { lba }) => {
                write!(f, " (the block is a stale write, made for LBA {lba})")
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mismatch {}

/// Fills one logical block for its address; a length that is no multiple of 8 ends in a cut word.
pub fn fill(block: &mut [u8], lba: u64, nonce: u64) {
    for (chunk, word) in block.chunks_mut(WORD).zip(words(lba, nonce)) {
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}

/// Compares every byte of one logical block with what [`fill`] writes for this address.
pub fn verify(block: &[u8], lba: u64, nonce: u64) -> Result<(), Mismatch> {
    if is_stamp(block, lba, nonce) { Ok(()) } else { Err(first_difference(block, lba, nonce)) }
}

/// Makes a block invalid at both ends, so that a read which delivers too little cannot pass on
/// what the buffer held before.
pub fn spoil(block: &mut [u8]) {
    let last = block.len().saturating_sub(1) / WORD * WORD;
    for at in [0, last] {
        block[at..].iter_mut().take(WORD).for_each(|byte| *byte = !*byte);
    }
}

fn words(lba: u64, nonce: u64) -> impl Iterator<Item = u64> {
    let mut next = mix(lba ^ mix(nonce));
    [lba, nonce].into_iter().chain(std::iter::repeat_with(move || {
        next = next.wrapping_add(STRIDE);
        next
    }))
}

/// The finalizer of splitmix64: every bit of the input reaches every bit of the output.
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Runs for every block read, so it has no early exit: the sum of differences is one pass over the
/// block.
fn is_stamp(block: &[u8], lba: u64, nonce: u64) -> bool {
    let (whole, rest) = block.as_chunks::<WORD>();
    let mut expected = words(lba, nonce);
    let difference = whole
        .iter()
        .zip(expected.by_ref())
        .fold(0, |sum, (chunk, word)| sum | (u64::from_le_bytes(*chunk) ^ word));
    let cut = expected.next().unwrap_or_default().to_le_bytes();
    difference == 0 && rest == &cut[..rest.len()]
}

fn first_difference(block: &[u8], lba: u64, nonce: u64) -> Mismatch {
    let differing =
        block.chunks(WORD).zip(words(lba, nonce)).enumerate().find_map(|(i, (c, w))| {
            let (expected, found) = (w.to_le_bytes(), load(c));
            (expected[..c.len()] != *c).then_some((i * WORD, load(&expected[..c.len()]), found))
        });
    let (offset, expected, found) = differing.unwrap_or((block.len(), 0, 0));
    Mismatch { lba, offset, expected, found, carries: carried(block, nonce) }
}

fn carried(block: &[u8], nonce: u64) -> Option<Carried> {
    let (lba, its_nonce) = (load(block.get(..WORD)?), load(block.get(WORD..2 * WORD)?));
    is_stamp(block, lba, its_nonce).then_some(if its_nonce == nonce {
        Carried::Lba(lba)
    } else {
        Carried::Stale { lba }
    })
}

fn load(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(len: usize, lba: u64, nonce: u64) -> Vec<u8> {
        let mut block = vec![0xa5; len];
        fill(&mut block, lba, nonce);
        block
    }

    #[test]
    fn what_was_filled_verifies() {
        for len in [512, 520, 4096, 17, 4] {
            for lba in [0, 1, 8191, u64::MAX] {
                assert_eq!(verify(&stamped(len, lba, 42), lba, 42), Ok(()), "{len} {lba}");
            }
        }
    }

    #[test]
    fn every_single_bit_counts() {
        let good = stamped(512, 77, 42);
        for bit in 0..512 * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let mismatch = verify(&bad, 77, 42).unwrap_err();
            assert_eq!((mismatch.lba, mismatch.offset), (77, bit / 64 * 8), "bit {bit}");
            assert_eq!((mismatch.expected ^ mismatch.found).count_ones(), 1);
            assert_eq!(mismatch.carries, None);
        }
    }

    #[test]
    fn swapped_blocks_name_the_address_they_carry() {
        let mismatch = verify(&stamped(512, 9, 42), 7, 42).unwrap_err();
        assert_eq!(mismatch.carries, Some(Carried::Lba(9)));
        assert_eq!((mismatch.offset, mismatch.expected, mismatch.found), (0, 7, 9));
        assert!(mismatch.to_string().ends_with("(the block carries LBA 9)"), "{mismatch}");
    }

    #[test]
    fn a_stale_nonce_is_told_apart() {
        let mismatch = verify(&stamped(512, 7, 41), 7, 42).unwrap_err();
        assert_eq!(mismatch.carries, Some(Carried::Stale { lba: 7 }));
        assert_eq!(mismatch.offset, 8);
    }

    #[test]
    fn zeros_are_nobodys_stamp() {
        let mismatch = verify(&[0; 512], 0, 42).unwrap_err();
        assert_eq!((mismatch.offset, mismatch.expected, mismatch.found), (8, 42, 0));
        assert_eq!(mismatch.carries, None);
    }

    #[test]
    fn a_spoiled_block_fails_from_either_end() {
        for kept in [0..256, 256..512] {
            let good = stamped(512, 7, 42);
            let mut buffer = good.clone();
            spoil(&mut buffer);
            buffer[kept.clone()].copy_from_slice(&good[kept]);
            assert!(verify(&buffer, 7, 42).is_err());
        }
        spoil(&mut []);
    }

    #[test]
    fn neighbours_share_no_words() {
        let (one, two) = (stamped(512, 7, 42), stamped(512, 8, 42));
        let shared = one.chunks(8).filter(|word| two.chunks(8).any(|other| other == *word)).count();
        assert_eq!(shared, 1, "only the nonce");
    }
}
