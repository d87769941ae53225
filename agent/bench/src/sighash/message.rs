//! What is hashed for the signature of an input, by the rules before witnesses, signing all of the transaction.
//!
//! The transaction with the scripts of all inputs taken out, but for the one that is signed: there stands the script of
//! the output it spends. Four bytes follow that say how much is signed. SHA-256 of SHA-256 of that is signed.

use crate::transaction::{Transaction, write_count};

/// `SIGHASH_ALL`, as it stands at the end.
const SIGN_ALL: [u8; 4] = 1_u32.to_le_bytes();

/// A transaction to be signed, and for every input the script of the output it spends.
#[derive(Clone, Debug)]
pub struct Unsigned {
    /// The transaction.
    pub transaction: Transaction,
    /// The scripts of what it spends: as many as there are inputs.
    pub scripts: Vec<Vec<u8>>,
}

impl Unsigned {
    /// What is hashed for an input, made as Bitcoin Core made it until 2015: by a changed copy of the transaction.
    #[must_use]
    pub fn message(&self, input: usize) -> Vec<u8> {
        let mut copy = self.transaction.clone();
        for (number, blanked) in copy.inputs.iter_mut().enumerate() {
            blanked.script = match number == input {
                true => self.scripts[number].clone(),
                false => Vec::new(),
            };
        }
        let mut bytes = copy.to_bytes();
        bytes.extend(SIGN_ALL);
        bytes
    }
}

/// The bytes that are the same for all inputs: no scripts at all. What is hashed for an input is these, with its script
/// spliced in.
#[derive(Debug)]
pub struct Blanked {
    /// The transaction without its inputs' scripts, and what follows it.
    pub bytes: Vec<u8>,
    /// The scripts with their lengths before them, which take the place of one byte each.
    pub scripts: Vec<Vec<u8>>,
    first: usize,
}

/// Bytes of an input without script: transaction id, index, length, sequence.
const INPUT: usize = 32 + 4 + 1 + 4;

impl Blanked {
    /// Takes the scripts out.
    #[must_use]
    pub fn of(unsigned: &Unsigned) -> Self {
        let transaction = &unsigned.transaction;
        let mut bytes = transaction.version.to_le_bytes().to_vec();
        write_count(transaction.inputs.len(), &mut bytes);
        let first = bytes.len() + 36;
        for input in &transaction.inputs {
            bytes.extend(input.txid);
            bytes.extend(input.index.to_le_bytes());
            bytes.push(0);
            bytes.extend(input.sequence.to_le_bytes());
        }
        write_count(transaction.outputs.len(), &mut bytes);
        transaction.outputs.iter().for_each(|output| output.write(&mut bytes));
        bytes.extend(transaction.lock_time.to_le_bytes());
        bytes.extend(SIGN_ALL);
        let with_length = |script: &Vec<u8>| {
            let mut bytes = Vec::with_capacity(script.len() + 1);
            write_count(script.len(), &mut bytes);
            bytes.extend(script);
            bytes
        };
        Self { bytes, scripts: unsigned.scripts.iter().map(with_length).collect(), first }
    }

    /// Where the script of an input begins: all before it is the same for this input and all after it.
    #[must_use]
    pub fn script_at(&self, input: usize) -> usize {
        self.first + input * INPUT
    }

    /// The three parts of what is hashed for an input.
    #[must_use]
    pub fn parts(&self, input: usize) -> [&[u8]; 3] {
        let at = self.script_at(input);
        [&self.bytes[..at], &self.scripts[input], &self.bytes[at + 1..]]
    }

    /// How many bytes are hashed for an input.
    #[must_use]
    pub fn length(&self, input: usize) -> usize {
        self.bytes.len() - 1 + self.scripts[input].len()
    }
}
