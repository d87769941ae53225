//! Workload `pattern`: data in which every block says where it belongs.
//!
//! A block that was written to the wrong place, twice, or not at all cannot look right: it begins with its own address
//! and the seed, and the rest follows from both.

use crate::digest::RANGE;
use crate::workload::{Kind, Parameter, Run, Series, VIA, Workload, independent};

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "pattern",
    about: "a pattern written to a storage object in the guest, past the page cache",
    parameters: &[
        Parameter::new("storage_object", "the name of one", Kind::StorageObject, ""),
        Parameter::new("via", "through a loopback target, or past LIO", Kind::Word(VIA), ""),
        Parameter::new("seed", "what it is drawn from", SEED, "0"),
        Parameter::new("offset", "from which byte", RANGE, ""),
        Parameter::new("length", "how many bytes; all that follow when left out", RANGE, ""),
    ],
    series: Series::Always(&[]),
    rule: independent,
    run: Run::Driver,
};

const SEED: Kind = Kind::Number { least: 0, most: u64::MAX };

/// Bytes of a block: the smallest that any device takes.
pub const BLOCK: usize = 512;

/// Fills `bytes`, which are those of a device at `offset`. Both are counted in whole blocks: bytes of a last block that
/// is cut short are what the whole block would begin with.
///
/// ```
/// use lunlab_bench::pattern::{BLOCK, fill};
///
/// let mut whole = [0; 4 * BLOCK];
/// fill(7, 0, &mut whole);
/// let mut part = [0; BLOCK];
/// fill(7, 2 * BLOCK as u64, &mut part);
/// assert_eq!(whole[2 * BLOCK..3 * BLOCK], part);
/// ```
pub fn fill(seed: u64, offset: u64, bytes: &mut [u8]) {
    let first = offset / BLOCK as u64;
    for (address, block) in (first..).zip(bytes.chunks_mut(BLOCK)) {
        fill_block(seed, address, block);
    }
}

fn fill_block(seed: u64, address: u64, block: &mut [u8]) {
    let words = [address, seed].into_iter().chain(words(seed ^ mix(address)));
    for (to, word) in block.chunks_mut(8).zip(words) {
        to.iter_mut().zip(word.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
}

/// Words without end that follow from a seed, by SplitMix64.
pub(crate) fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = mix(seed);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(GOLDEN);
        mix(state)
    })
}

/// Thirty-two bytes that follow from a number, such as a transaction id.
pub(crate) fn id(number: u64) -> [u8; 32] {
    let mut id = [0; 32];
    for (to, word) in id.chunks_mut(8).zip(words(number)) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    id
}

/// Two to the 64th divided by the golden ratio, the step of SplitMix64 (Steele, Lea and Flood, 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64.
pub(crate) fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(seed: u64, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        fill(seed, offset, &mut bytes);
        bytes
    }

    #[test]
    fn a_block_begins_with_its_address_and_the_seed() {
        let bytes = filled(0xfeed, 1 << 40, 2 * BLOCK);
        for (n, block) in (0..).zip(bytes.chunks(BLOCK)) {
            assert_eq!(block[..8], ((1u64 << 31) + n).to_le_bytes());
            assert_eq!(block[8..16], 0xfeed_u64.to_le_bytes());
        }
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of SplitMix64 from the state 1234567.
        let mut state = 1_234_567u64;
        let next = || {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        };
        let found: Vec<u64> = std::iter::repeat_with(next).take(2).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn how_it_is_cut_into_pieces_does_not_matter() {
        let whole = filled(3, 0, 16 * BLOCK);
        for (piece, offset) in [(1, 5), (7, 2), (16, 0)] {
            let from = offset * BLOCK;
            let bytes = filled(3, from as u64, piece * BLOCK);
            assert_eq!(whole[from..from + bytes.len()], bytes);
        }
        assert_eq!(whole[..BLOCK + 100], filled(3, 0, BLOCK + 100));
    }

    #[test]
    fn no_two_blocks_and_no_two_seeds_are_alike() {
        let seeds = [0, 1, u64::MAX];
        let all: Vec<u8> = seeds.iter().flat_map(|seed| filled(*seed, 0, 64 * BLOCK)).collect();
        // Not even past the address and the seed.
        let distinct: std::collections::BTreeSet<&[u8]> =
            all.chunks(BLOCK).map(|block| &block[16..]).collect();
        assert_eq!(distinct.len(), 3 * 64);
    }
}
