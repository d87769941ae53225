//! What the messages of all inputs share, by blocks of SHA-256: the states after their common beginnings, and their
//! common ends.
//!
//! The message of an input is the blanked transaction with one script spliced in. So all messages begin alike up to the
//! scripts; and messages whose scripts are equally long are equally long, and have the same bytes at the same places
//! after their scripts: the same blocks, padding included.

use std::collections::BTreeMap;

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

use super::lanes::{self, LANES, START, Schedule, State};
use super::message::{Blanked, Unsigned};
use super::way::Signed;

/// A transaction prepared for hashing by blocks; `E` is a block as it is kept: [`Plain`] or [`Schedule`].
pub(super) struct Shared<E> {
    blanked: Blanked,
    /// The states after 0, 1, 2… blocks of the blanked transaction, as far as there are inputs.
    begun: Vec<State>,
    /// By the length of the scripts, with their lengths before them.
    ends: BTreeMap<usize, End<E>>,
}

/// A block of a message.
pub(super) type Plain = [u8; 64];

/// Messages from their scripts on: what stands before is not theirs.
struct End<E> {
    bytes: Vec<u8>,
    blocks: Vec<E>,
}

impl Shared<Plain> {
    /// Keeps blocks as they are.
    pub(super) fn plain(unsigned: &Unsigned) -> Self {
        Self::of(unsigned, |block| *block)
    }

    /// Hashes for two inputs in turns, block by block: the processor begins the one's block while it waits for the
    /// other's.
    pub(super) fn in_turns(&self, inputs: &[usize]) -> Vec<Signed> {
        let pair = |states: &mut [State], blocks: &[Plain]| {
            for block in blocks {
                states.iter_mut().for_each(|state| compress256(state, std::slice::from_ref(block)));
            }
        };
        self.hash(inputs, 2, pair)
    }
}

impl Shared<Schedule> {
    /// Makes the schedule of every block.
    pub(super) fn schedules(unsigned: &Unsigned) -> Self {
        Self::of(unsigned, lanes::schedule)
    }

    /// Hashes for as many inputs at once as there are lanes.
    pub(super) fn in_lanes(&self, inputs: &[usize]) -> Vec<Signed> {
        let lanes = |states: &mut [State], blocks: &[Schedule]| {
            let mut all = [START; LANES];
            all[..states.len()].copy_from_slice(states);
            lanes::compress(&mut all, blocks);
            states.copy_from_slice(&all[..states.len()]);
        };
        self.hash(inputs, LANES, lanes)
    }
}

impl<E> Shared<E> {
    fn of(unsigned: &Unsigned, keep: impl Fn(&Plain) -> E) -> Self {
        let blanked = Blanked::of(unsigned);
        let mut ends = BTreeMap::new();
        for script in &blanked.scripts {
            ends.entry(script.len()).or_insert_with(|| End::of(&blanked, script.len(), &keep));
        }
        Self { begun: begun(&blanked), ends, blanked }
    }

    /// Hashes for groups of at most so many inputs, each of one length of script, with what takes shared blocks into
    /// the states of a group.
    fn hash(
        &self,
        inputs: &[usize],
        most: usize,
        compress: impl Fn(&mut [State], &[E]),
    ) -> Vec<Signed> {
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for input in inputs {
            by_length.entry(self.blanked.scripts[*input].len()).or_default().push(*input);
        }
        let mut signed = Vec::with_capacity(inputs.len());
        for (length, inputs) in &by_length {
            let end = &self.ends[length];
            for group in inputs.chunks(most) {
                let last = group.iter().max().copied().unwrap_or_default();
                let shared = (self.blanked.script_at(last) + length).div_ceil(64);
                let own = |input: &usize| self.own(*input, end, shared);
                let mut states: Vec<State> = group.iter().map(own).collect();
                compress(&mut states, &end.blocks[shared..]);
                signed.extend(group.iter().copied().zip(states.iter().map(finish)));
            }
        }
        signed
    }

    /// The state of an input's message before the block from which its group goes on together.
    fn own(&self, input: usize, end: &End<E>, shared: usize) -> State {
        let script = &self.blanked.scripts[input];
        let at = self.blanked.script_at(input);
        let mut state = self.begun[at / 64];
        let before = &self.blanked.bytes[at / 64 * 64..at];
        let bytes = [before, script, &end.bytes[at + script.len()..64 * shared]].concat();
        compress256(&mut state, bytes.as_chunks().0);
        state
    }
}

impl<E> End<E> {
    /// Moves what follows the scripts to where it is in messages with scripts of that length, and pads it (FIPS 180-4,
    /// 5.1.1).
    fn of(blanked: &Blanked, script: usize, keep: impl Fn(&Plain) -> E) -> Self {
        let mut bytes = vec![0; script - 1];
        bytes.extend(&blanked.bytes);
        let bits = 8 * bytes.len() as u64;
        bytes.push(0x80);
        bytes.resize((bytes.len() + 8).next_multiple_of(64) - 8, 0);
        bytes.extend(bits.to_be_bytes());
        let blocks = bytes.as_chunks().0.iter().map(keep).collect();
        Self { bytes, blocks }
    }
}

fn begun(blanked: &Blanked) -> Vec<State> {
    let last = blanked.scripts.len().saturating_sub(1);
    let blocks = blanked.bytes[..blanked.script_at(last)].as_chunks().0;
    let mut state = START;
    let after = |block| {
        compress256(&mut state, std::slice::from_ref(block));
        state
    };
    std::iter::once(START).chain(blocks.iter().map(after)).collect()
}

/// SHA-256 of the digest that a state is.
fn finish(state: &State) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Sha256::digest(digest).into()
}
