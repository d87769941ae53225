//! A payment channel: what both sides hash each time its state changes.
//!
//! A new state is a new commitment transaction. It spends the channel's one output, and pays to both sides and into each
//! hashed timelock contract; every contract has a key of its own for this state, so that the state can be revoked later.

use bitcoin_hashes::{Hash as _, HashEngine as _, HmacEngine, hash160, sha256d, sha512};
use sha2::{Digest as _, Sha256};

use super::hmac::Hmac;
use crate::pattern::id;
use crate::sighash::Unsigned;
use crate::transaction::{Input, Output, Transaction, double_sha256, p2pkh};

/// One side of a channel.
#[derive(Clone, Debug)]
pub struct Channel {
    chain_code: [u8; 32],
    derivation: Hmac,
    secret: [u8; 32],
    contracts: Vec<Contract>,
    /// What is signed for a state, to be filled in: all but the contracts' outputs and the state's number stays.
    message: Vec<u8>,
}

/// Money for who shows the preimage in time.
#[derive(Clone, Debug)]
struct Contract {
    preimage: [u8; 32],
    hash: [u8; 32],
}

/// A preimage was not that of its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongPreimage {
    /// The contract's number.
    pub contract: usize,
}

/// Bytes of an output that pays to the hash of a script.
const P2SH_OUTPUT: usize = 32;

/// The two keys that together spend the channel's output, in its script.
const FUNDING_SCRIPT: usize = 71;

/// Bytes after the outputs: lock time, and how much is signed.
const AFTER: usize = 8;

impl Channel {
    /// Opens the channel of a number, with so many contracts.
    #[must_use]
    pub fn open(number: u64, contracts: usize) -> Self {
        let seed = number << 32;
        let contract = |contract: usize| {
            let preimage = id(seed + 3 + contract as u64);
            Contract { preimage, hash: Sha256::digest(preimage).into() }
        };
        let (chain_code, secret) = (id(seed), id(seed + 1));
        let mut channel = Self {
            chain_code,
            derivation: Hmac::new(&chain_code),
            secret,
            contracts: (0..contracts).map(contract).collect(),
            message: Vec::new(),
        };
        channel.message = channel.unsigned(0, &vec![[0; 20]; contracts]).message(0);
        channel
    }

    /// Checks all preimages, derives the keys of a state, and gives what is signed for it.
    ///
    /// # Errors
    /// A preimage that is not its contract's.
    pub fn update(&mut self, state: u32) -> Result<[u8; 32], WrongPreimage> {
        self.check_preimages()?;
        for contract in 0..self.contracts.len() {
            let key = self.key(state, contract);
            let output = hash160::hash(&script(&self.contracts[contract].hash, &key));
            self.set_output(contract, output.as_byte_array());
        }
        Ok(self.commit(state))
    }

    /// Checks that every preimage is that of its contract.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_preimages(&self) -> Result<(), WrongPreimage> {
        let right = |contract: &Contract| Sha256::digest(contract.preimage)[..] == contract.hash;
        let wrong = self.contracts.iter().position(|contract| !right(contract));
        wrong.map_or(Ok(()), |contract| Err(WrongPreimage { contract }))
    }

    /// Derives the key of a contract in a state; that of a real channel would be multiplied with the curve's generator.
    #[must_use]
    pub fn key(&self, state: u32, contract: usize) -> [u8; 32] {
        self.derivation.derive(&self.secret, self.index(state, contract)).0
    }

    /// Hashes the commitment of a state as it is.
    pub fn commit(&mut self, state: u32) -> [u8; 32] {
        let at = self.message.len() - AFTER;
        self.message[at..at + 4].copy_from_slice(&state.to_le_bytes());
        double_sha256(&self.message)
    }

    fn index(&self, state: u32, contract: usize) -> u32 {
        let [a, b, c, d, ..] =
            (self.contracts.len() * usize::try_from(state).unwrap_or(0) + contract).to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) & (u32::MAX >> 1)
    }

    fn set_output(&mut self, contract: usize, hash: &[u8; 20]) {
        let from_end = (self.contracts.len() - contract) * P2SH_OUTPUT + AFTER;
        // value, length, HASH160 and the push stand before the hash
        let at = self.message.len() - from_end + 8 + 1 + 2;
        self.message[at..at + 20].copy_from_slice(hash);
    }

    /// The commitment of a state, whose contracts pay to these hashes.
    fn unsigned(&self, state: u32, hashes: &[[u8; 20]]) -> Unsigned {
        let to_sides = (0..2).map(|side| Output { value: 1_000_000, script: p2pkh(side) });
        let to_contract = |hash: &[u8; 20]| Output {
            value: 10_000,
            script: [&[0xa9, 20], &hash[..], &[0x87]].concat(),
        };
        let outputs = to_sides.chain(hashes.iter().map(to_contract)).collect();
        let inputs = vec![Input::spending(self.secret, 0)];
        Unsigned {
            transaction: Transaction { version: 1, inputs, outputs, lock_time: state },
            scripts: vec![vec![0x52; FUNDING_SCRIPT]],
        }
    }

    /// What [`Channel::update`] must give: slowly, by another library, and with the whole transaction made anew.
    #[must_use]
    pub fn expected(&self, state: u32) -> [u8; 32] {
        let hash = |(number, contract): (usize, &Contract)| {
            let mut engine = HmacEngine::<sha512::HashEngine>::new(&self.chain_code);
            engine.input(&[0]);
            engine.input(&self.secret);
            engine.input(&(self.index(state, number) | 1 << 31).to_be_bytes());
            let both = engine.finalize().to_byte_array();
            let mut key = [0; 32];
            key.copy_from_slice(&both[..32]);
            hash160::hash(&script(&contract.hash, &key)).to_byte_array()
        };
        let hashes: Vec<_> = self.contracts.iter().enumerate().map(hash).collect();
        sha256d::hash(&self.unsigned(state, &hashes).message(0)).to_byte_array()
    }

    /// Has a preimage that is not its contract's.
    #[cfg(test)]
    pub(super) fn spoil(&mut self, contract: usize) {
        self.contracts[contract].preimage[0] ^= 1;
    }
}

/// The script of a contract: `SHA256 <hash> EQUALVERIFY <key> CHECKSIG`.
fn script(hash: &[u8; 32], key: &[u8; 32]) -> [u8; 70] {
    let mut script = [0; 70];
    script[..2].copy_from_slice(&[0xa8, 32]);
    script[2..34].copy_from_slice(hash);
    script[34..37].copy_from_slice(&[0x88, 33, 2]);
    script[37..69].copy_from_slice(key);
    script[69] = 0xac;
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_what_another_library_makes_of_it_anew() {
        for contracts in [0, 1, 10, 300] {
            let mut channel = Channel::open(7, contracts);
            for state in [0, 1, 2, 70_000] {
                assert_eq!(
                    channel.update(state),
                    Ok(channel.expected(state)),
                    "{contracts} {state}"
                );
            }
        }
    }

    #[test]
    fn states_and_channels_differ() {
        let mut channels = [Channel::open(1, 2), Channel::open(2, 2)];
        let mut all: Vec<_> = channels
            .iter_mut()
            .flat_map(|channel| [channel.update(1), channel.update(2)])
            .collect();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert_ne!(channels[0].key(1, 0), channels[0].key(1, 1));
    }

    #[test]
    fn a_wrong_preimage_is_found() {
        let mut channel = Channel::open(1, 5);
        channel.spoil(3);
        assert_eq!(channel.update(1), Err(WrongPreimage { contract: 3 }));
    }
}
