//! Synthetic blocks in the form of real ones.

use bitcoin_hashes::sha256d;

use super::read::{HEADER, ROOT_AT};
use crate::pattern::id;
use crate::transaction::{Input, Output, Transaction, write_count};

/// Transactions of so many megabytes: 41,662 of 8 MB, as in the block of July 2015.
#[must_use]
pub fn count(megabytes: u64) -> u64 {
    megabytes * 41_662 / 8
}

/// The coinbase and what follows it: spending by signature with and without key, to one or two keys, of 158 to 226 bytes, 192 in the
/// mean.
#[must_use]
pub fn transactions(count: u64) -> Vec<Transaction> {
    let coinbase = Transaction {
        version: 1,
        inputs: vec![Input { txid: [0; 32], index: u32::MAX, script: vec![4; 8], sequence: 0 }],
        outputs: vec![Output::to_key(25_0000_0000, 0)],
        lock_time: 0,
    };
    std::iter::once(coinbase).chain((1..count).map(transaction)).collect()
}

/// Bytes of a script that shows a signature and no key.
const SIGNATURE: usize = 73;

fn transaction(number: u64) -> Transaction {
    let mut input = Input::spending(id(number), 0);
    if number % 4 < 2 {
        input.script.truncate(SIGNATURE);
    }
    let outputs = (0..=number % 2).map(|output| Output::to_key(1000 + number, 2 * number + output));
    Transaction { version: 1, inputs: vec![input], outputs: outputs.collect(), lock_time: 0 }
}

/// The bytes of a block of them.
#[must_use]
pub fn block(transactions: &[Transaction]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    write_count(transactions.len(), &mut bytes);
    let mut txids = Vec::new();
    for transaction in transactions {
        let at = bytes.len();
        transaction.write(&mut bytes);
        txids.push(sha256d::hash(&bytes[at..]).to_byte_array());
    }
    bytes[ROOT_AT..ROOT_AT + 32].copy_from_slice(&root(txids));
    bytes
}

/// The root of the tree of transaction ids, by another library than the one measured.
fn root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        let pair = |pair: &[[u8; 32]]| {
            let right = pair.last().copied().unwrap_or_default();
            sha256d::hash(&[pair[0], right].concat()).to_byte_array()
        };
        level = level.chunks(2).map(pair).collect();
    }
    level.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_one_to_the_bitcoin_crate() {
        for transactions in [1, 2, 7, 100] {
            let bytes = block(&super::transactions(transactions));
            let theirs: bitcoin::Block = bitcoin::consensus::deserialize(&bytes).unwrap();
            assert!(theirs.check_merkle_root(), "{transactions}");
            assert!(theirs.txdata[0].is_coinbase());
        }
    }

    #[test]
    fn eight_megabytes_are_41662_transactions() {
        assert_eq!([1, 8, 17].map(count), [5207, 41_662, 88_531]);
        for megabytes in [1, 8] {
            let bytes = block(&transactions(count(megabytes))).len();
            assert!(
                bytes.abs_diff(1_000_000 * usize::try_from(megabytes).unwrap()) < 1000,
                "{bytes}"
            );
        }
    }
}
