//! The ways to hash for all inputs. Each adds one idea; all give the same digests.

use std::num::NonZero;

use sha2::{Digest as _, Sha256};

use super::lanes::LANES;
use super::message::{Blanked, Unsigned};
use super::shared::Shared;
use crate::transaction::double_sha256;

/// A way to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Copies the transaction and serializes it for each input, as Bitcoin Core did.
    Copy,
    /// Serializes once, and splices each script in while hashing.
    InPlace,
    /// Goes on from the state after what stands before the script.
    Midstate,
    /// From there on, two inputs block by block in turns.
    InTurns,
    /// From there on, as many inputs at once as there are lanes, with one message schedule for all.
    Lanes,
    /// In place, on all CPUs.
    Parallel,
    /// In lanes, on all CPUs.
    ParallelLanes,
}

/// Hashes for inputs of a transaction that is prepared, in any order.
pub type Hash<'a> = Box<dyn Fn(&[usize]) -> Vec<Signed> + Sync + 'a>;

/// An input and the digest that is signed for it.
pub type Signed = (usize, [u8; 32]);

impl Way {
    /// Every way, in the order of results.
    pub const ALL: [Self; 7] = [
        Self::InPlace,
        Self::Copy,
        Self::Midstate,
        Self::InTurns,
        Self::Lanes,
        Self::Parallel,
        Self::ParallelLanes,
    ];

    /// Its name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::InPlace => "in-place",
            Self::Midstate => "midstate",
            Self::InTurns => "in-turns",
            Self::Lanes => "lanes",
            Self::Parallel => "parallel",
            Self::ParallelLanes => "parallel-lanes",
        }
    }

    /// For how many inputs it hashes at once; `None` where that is all.
    #[must_use]
    pub fn group(self) -> Option<usize> {
        match self {
            Self::Copy | Self::InPlace | Self::Midstate => Some(1),
            Self::InTurns => Some(2),
            Self::Lanes => Some(LANES),
            Self::Parallel | Self::ParallelLanes => None,
        }
    }

    /// Whether what stands before an input's script is hashed once for all.
    #[must_use]
    pub fn saves(self) -> bool {
        !matches!(self, Self::Copy | Self::InPlace | Self::Parallel)
    }

    /// Does what is done once for a transaction.
    #[must_use]
    pub fn prepare(self, unsigned: &Unsigned) -> Hash<'_> {
        let blanked = || Blanked::of(unsigned);
        match self {
            Self::Copy => Box::new(|inputs| each(inputs, |i| double_sha256(&unsigned.message(i)))),
            Self::InPlace => {
                let blanked = blanked();
                Box::new(move |inputs| each(inputs, |i| in_place(&blanked, i)))
            }
            Self::Parallel => {
                let blanked = blanked();
                let part = move |part: &[usize]| each(part, |i| in_place(&blanked, i));
                Box::new(move |inputs| on_all_cpus(inputs, &part))
            }
            Self::Midstate => {
                let (blanked, begun) = midstates(blanked());
                Box::new(move |inputs| {
                    each(inputs, |i| from_midstate(&blanked, begun[i].clone(), i))
                })
            }
            Self::InTurns => {
                let shared = Shared::plain(unsigned);
                Box::new(move |inputs| shared.in_turns(inputs))
            }
            Self::Lanes => {
                let shared = Shared::schedules(unsigned);
                Box::new(move |inputs| shared.in_lanes(inputs))
            }
            Self::ParallelLanes => {
                let shared = Shared::schedules(unsigned);
                let part = move |part: &[usize]| shared.in_lanes(part);
                Box::new(move |inputs| on_all_cpus(inputs, &part))
            }
        }
    }
}

fn each(inputs: &[usize], digest: impl Fn(usize) -> [u8; 32]) -> Vec<Signed> {
    inputs.iter().map(|input| (*input, digest(*input))).collect()
}

fn in_place(blanked: &Blanked, input: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    blanked.parts(input).iter().for_each(|part| hash.update(part));
    Sha256::digest(hash.finalize()).into()
}

/// For every input, the hash of what stands before its script.
fn midstates(blanked: Blanked) -> (Blanked, Vec<Sha256>) {
    let (mut hash, mut at) = (Sha256::new(), 0);
    let begun = (0..blanked.scripts.len())
        .map(|input| {
            let end = blanked.script_at(input);
            hash.update(&blanked.bytes[at..end]);
            at = end;
            hash.clone()
        })
        .collect();
    (blanked, begun)
}

fn from_midstate(blanked: &Blanked, mut begun: Sha256, input: usize) -> [u8; 32] {
    let [_, script, after] = blanked.parts(input);
    begun.update(script);
    begun.update(after);
    Sha256::digest(begun.finalize()).into()
}

/// How many threads hash where all CPUs do.
#[must_use]
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Gives every CPU a part of the inputs.
fn on_all_cpus(inputs: &[usize], hash: &(dyn Fn(&[usize]) -> Vec<Signed> + Sync)) -> Vec<Signed> {
    let parts = inputs.chunks(inputs.len().div_ceil(cpus()).max(1));
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || hash(part))).collect();
        // A thread that panicked leaves its digests out, which then are not those expected.
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::id;
    use crate::transaction::{Input, Output, Transaction};
    use bitcoin::sighash::SighashCache;
    use bitcoin::{Script, consensus::deserialize};

    /// Scripts of the lengths given, over and over.
    fn unsigned(inputs: u64, outputs: u64, scripts: &[usize]) -> Unsigned {
        let lengths = scripts.iter().cycle();
        Unsigned {
            transaction: Transaction {
                version: 1,
                inputs: (0..inputs).map(|n| Input::spending(id(n), 3)).collect(),
                outputs: (0..outputs).map(|n| Output::to_key(n, n)).collect(),
                lock_time: 5,
            },
            scripts: (0..inputs)
                .zip(lengths)
                .map(|(n, length)| vec![n.to_le_bytes()[0] | 0x50; *length])
                .collect(),
        }
    }

    fn digests(signed: &[Signed]) -> Vec<[u8; 32]> {
        signed.iter().map(|(_, digest)| *digest).collect()
    }

    /// What the `bitcoin` crate says is signed.
    fn theirs(unsigned: &Unsigned) -> Vec<[u8; 32]> {
        let transaction: bitcoin::Transaction =
            deserialize(&unsigned.transaction.to_bytes()).unwrap();
        let cache = SighashCache::new(&transaction);
        let hash = |(input, script): (usize, &Vec<u8>)| {
            *cache.legacy_signature_hash(input, Script::from_bytes(script), 1).unwrap().as_ref()
        };
        unsigned.scripts.iter().enumerate().map(hash).collect()
    }

    #[test]
    fn every_way_gives_what_the_bitcoin_crate_gives() {
        for (inputs, outputs, scripts) in [
            (1, 1, &[25][..]),
            (2, 0, &[0, 25]),
            (33, 2, &[25]),
            (70, 40, &[25, 60, 25, 300, 24]),
            (300, 1, &[25, 23]),
        ] {
            let unsigned = unsigned(inputs, outputs, scripts);
            let expected = theirs(&unsigned);
            let all: Vec<usize> = (0..expected.len()).collect();
            for way in Way::ALL {
                let hash = way.prepare(&unsigned);
                let mut found = hash(&all);
                found.sort_unstable();
                assert_eq!(digests(&found), expected, "{way:?} of {inputs} inputs");
                let some = &all[all.len() / 3..=all.len() / 2];
                let mut found = hash(some);
                found.sort_unstable();
                assert_eq!(digests(&found), expected[some[0]..=some[some.len() - 1]], "{way:?}");
            }
        }
    }

    #[test]
    fn the_cases_measured_are_hashed_as_the_bitcoin_crate_does() {
        for case in &super::super::case::CASES[..2] {
            let unsigned = case.transaction();
            let transaction: bitcoin::Transaction =
                deserialize(&unsigned.transaction.to_bytes()).unwrap();
            let cache = SighashCache::new(&transaction);
            let inputs = [1700, unsigned.scripts.len() - 1];
            let expected: [[u8; 32]; 2] = inputs.map(|input| {
                let script = Script::from_bytes(&unsigned.scripts[input]);
                *cache.legacy_signature_hash(input, script, 1).unwrap().as_ref()
            });
            for way in Way::ALL {
                let mut found = way.prepare(&unsigned)(&inputs);
                found.sort_unstable();
                assert_eq!(digests(&found), expected, "{way:?} of {case:?}");
            }
        }
    }
}
