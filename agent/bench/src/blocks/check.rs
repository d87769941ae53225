//! What a block must be whatever came before it: Bitcoin Core's `CheckBlock` and `CheckTransaction` of 2015, but for the proof of work.

use std::collections::BTreeSet;
use std::fmt;

use super::read::Block;
use crate::transaction::{Transaction, double_sha256};

/// What is wrong with a block; a number is that of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no transactions.
    Empty,
    /// It is longer than allowed.
    Long,
    /// The root in the header is not that of the transactions.
    Root,
    /// Transactions are repeated such that the root stays the same (CVE-2012-2459).
    Repeated,
    /// The first is not the coinbase, or another is.
    Coinbase(usize),
    /// It has no inputs or no outputs.
    Missing(usize),
    /// Its values are not those of money.
    Money(usize),
    /// It spends one output twice.
    SpentTwice(usize),
    /// It spends nothing though it is not the coinbase, or the coinbase's script has not 2 to 100 bytes.
    Input(usize),
    /// All have more signatures to check than allowed.
    Signatures,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no transactions"),
            Self::Long => write!(f, "more than {MOST_BYTES} bytes"),
            Self::Root => f.write_str("the header has another merkle root"),
            Self::Repeated => f.write_str("transactions repeated below the same merkle root"),
            Self::Coinbase(number) => write!(f, "transaction {number}: coinbase out of place"),
            Self::Missing(number) => write!(f, "transaction {number}: no inputs or no outputs"),
            Self::Money(number) => write!(f, "transaction {number}: values out of range"),
            Self::SpentTwice(number) => write!(f, "transaction {number}: an output spent twice"),
            Self::Input(number) => write!(f, "transaction {number}: a bad input"),
            Self::Signatures => write!(f, "more than {MOST_SIGNATURES} signature checks"),
        }
    }
}

impl std::error::Error for Fault {}

/// The longest block that is taken, in bytes.
pub const MOST_BYTES: usize = 20_000_000;

/// Signature checks allowed: one for 50 bytes of the longest block.
const MOST_SIGNATURES: usize = MOST_BYTES / 50;

/// All money there will be, in satoshi.
const MOST_MONEY: u64 = 21_000_000 * 100_000_000;

/// The ids of all transactions.
#[must_use]
pub fn txids(block: &Block<'_>) -> Vec<[u8; 32]> {
    block.transactions.iter().map(|(_, bytes)| double_sha256(bytes)).collect()
}

/// The root of the tree of transaction ids.
///
/// # Errors
/// Two equal ids beside each other at some height: such a block has the root of a shorter one.
pub fn merkle_root(mut level: Vec<[u8; 32]>) -> Result<[u8; 32], Fault> {
    while level.len() > 1 {
        if level.as_chunks::<2>().0.iter().any(|[left, right]| left == right) {
            return Err(Fault::Repeated);
        }
        let parent = |pair: &[[u8; 32]]| {
            let mut both = [0; 64];
            both[..32].copy_from_slice(&pair[0]);
            both[32..].copy_from_slice(&pair[pair.len() - 1]);
            double_sha256(&both)
        };
        level = level.chunks(2).map(parent).collect();
    }
    level.first().copied().ok_or(Fault::Empty)
}

/// Checks a block of so many bytes, but for its root.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(block: &Block<'_>, bytes: usize) -> Result<(), Fault> {
    if block.transactions.is_empty() {
        return Err(Fault::Empty);
    }
    if bytes > MOST_BYTES {
        return Err(Fault::Long);
    }
    let mut signatures = 0;
    for (number, (transaction, _)) in block.transactions.iter().enumerate() {
        if is_coinbase(transaction) != (number == 0) {
            return Err(Fault::Coinbase(number));
        }
        check_transaction(number, transaction)?;
        let inputs = transaction.inputs.iter().map(|input| &input.script);
        let scripts = inputs.chain(transaction.outputs.iter().map(|output| &output.script));
        signatures += scripts.map(|script| signature_checks(script)).sum::<usize>();
    }
    if signatures > MOST_SIGNATURES { Err(Fault::Signatures) } else { Ok(()) }
}

fn is_coinbase(transaction: &Transaction) -> bool {
    matches!(&transaction.inputs[..], [only] if is_null(only.txid, only.index))
}

fn is_null(txid: [u8; 32], index: u32) -> bool {
    index == u32::MAX && txid == [0; 32]
}

fn check_transaction(number: usize, transaction: &Transaction) -> Result<(), Fault> {
    let Transaction { inputs, outputs, .. } = transaction;
    if inputs.is_empty() || outputs.is_empty() {
        return Err(Fault::Missing(number));
    }
    let mut sum = 0_u64;
    for output in outputs {
        sum = sum.saturating_add(output.value);
        if output.value > MOST_MONEY || sum > MOST_MONEY {
            return Err(Fault::Money(number));
        }
    }
    let mut spent = BTreeSet::new();
    if !inputs.iter().all(|input| spent.insert((input.txid, input.index))) {
        return Err(Fault::SpentTwice(number));
    }
    let fine = match is_coinbase(transaction) {
        true => (2..=100).contains(&inputs[0].script.len()),
        false => !inputs.iter().any(|input| is_null(input.txid, input.index)),
    };
    if fine { Ok(()) } else { Err(Fault::Input(number)) }
}

/// Signatures a script may have checked, as counted before it is run: 20 where several keys are given. What follows a
/// push of more bytes than there are is not counted.
fn signature_checks(script: &[u8]) -> usize {
    let mut count = 0;
    let mut left = script;
    while let Some((code, rest)) = left.split_first() {
        let (length, rest) = match (code, rest) {
            (0x01..=0x4b, _) => (usize::from(*code), rest),
            (0x4c, [a, rest @ ..]) => (usize::from(*a), rest),
            (0x4d, [a, b, rest @ ..]) => (usize::from(u16::from_le_bytes([*a, *b])), rest),
            (0x4e, [a, b, c, d, rest @ ..]) => {
                let length = u32::from_le_bytes([*a, *b, *c, *d]);
                (usize::try_from(length).unwrap_or(usize::MAX), rest)
            }
            (0x4c..=0x4e, _) => return count,
            _ => (0, rest),
        };
        count += match code {
            0xac | 0xad => 1,
            0xae | 0xaf => 20,
            _ => 0,
        };
        let Some(after) = rest.get(length..) else { return count };
        left = after;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made;
    use crate::transaction::Output;

    fn check_bytes(bytes: &[u8]) -> Result<(), Fault> {
        let block = Block::read(bytes).unwrap();
        if merkle_root(txids(&block))? != block.merkle_root {
            return Err(Fault::Root);
        }
        check(&block, bytes.len())
    }

    #[test]
    fn each_fault_is_found() {
        type Spoil = fn(&mut Vec<Transaction>);
        let cases: [(Spoil, Result<(), Fault>); 14] = [
            (|_| (), Ok(())),
            (Vec::clear, Err(Fault::Empty)),
            (|all| drop(all.remove(0)), Err(Fault::Coinbase(0))),
            (
                |all| all[3] = Transaction { lock_time: 1, ..all[0].clone() },
                Err(Fault::Coinbase(3)),
            ),
            (|all| all[1].inputs.clear(), Err(Fault::Missing(1))),
            (|all| all[2].outputs.clear(), Err(Fault::Missing(2))),
            (|all| all[2].outputs[0].value = MOST_MONEY + 1, Err(Fault::Money(2))),
            (
                |all| all[2].outputs = vec![Output::to_key(MOST_MONEY, 1), Output::to_key(1, 1)],
                Err(Fault::Money(2)),
            ),
            (
                |all| {
                    let again = all[4].inputs[0].clone();
                    all[4].inputs.push(again);
                },
                Err(Fault::SpentTwice(4)),
            ),
            (|all| all[0].inputs[0].script.truncate(1), Err(Fault::Input(0))),
            (|all| all[0].inputs[0].script.resize(101, 0), Err(Fault::Input(0))),
            (
                |all| {
                    let nothing = all[0].inputs[0].clone();
                    all[5].inputs.push(nothing);
                },
                Err(Fault::Input(5)),
            ),
            (|all| all.extend_from_within(4..), Err(Fault::Repeated)),
            (
                |all| all[1].outputs[0].script = vec![0xae; MOST_SIGNATURES / 20 + 1],
                Err(Fault::Signatures),
            ),
        ];
        for (number, (spoil, expected)) in cases.into_iter().enumerate() {
            let mut transactions = made::transactions(6);
            spoil(&mut transactions);
            assert_eq!(check_bytes(&made::block(&transactions)), expected, "case {number}");
        }
    }

    #[test]
    fn another_root_or_too_many_bytes_are_faults() {
        let mut bytes = made::block(&made::transactions(6));
        let block = Block::read(&bytes).unwrap();
        assert_eq!(check(&block, MOST_BYTES + 1), Err(Fault::Long));
        bytes[40] ^= 1;
        assert_eq!(check_bytes(&bytes), Err(Fault::Root));
    }

    #[test]
    fn signatures_are_counted_outside_of_what_is_pushed() {
        for (script, count) in [
            (&[0xac, 0xad, 0xae, 0xaf][..], 42),
            (&[2, 0xac, 0xac, 0xac], 1),
            (&[0x4c, 1, 0xac, 0xac], 1),
            (&[0x4d, 1, 0, 0xac, 0xac], 1),
            (&[0x4e, 1, 0, 0, 0, 0xac, 0xac], 1),
            (&[0xac, 9, 0xac], 1),
            (&[0xac, 0x4d, 1], 1),
            (&crate::transaction::p2pkh(1), 1),
        ] {
            assert_eq!(signature_checks(script), count, "{script:02x?}");
        }
    }
}
