//! Blocks and transactions from their bytes.

use std::fmt;

use crate::transaction::{Input, Output, Transaction};

/// A block: its header and its transactions, each with the bytes it was read from.
#[derive(Debug)]
pub struct Block<'a> {
    /// The root of the tree of transaction ids, as the header has it.
    pub merkle_root: [u8; 32],
    /// The transactions.
    pub transactions: Vec<(Transaction, &'a [u8])>,
}

/// Bytes that are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// They end too early.
    Short,
    /// A count has a longer form than it needs, which would give one transaction two ids.
    Count,
    /// Bytes follow.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "it ends too early",
            Self::Count => "a count is not in its shortest form",
            Self::Trailing => "bytes follow it",
        })
    }
}

impl std::error::Error for Malformed {}

/// Bytes of a header, and where the root stands in it.
pub(super) const HEADER: usize = 80;
pub(super) const ROOT_AT: usize = 36;

/// The fewest bytes of a transaction, an input and an output: they bound what a count can make us keep ready.
const LEAST_TRANSACTION: usize = 10;
const LEAST_INPUT: usize = 41;
const LEAST_OUTPUT: usize = 9;

impl<'a> Block<'a> {
    /// Reads a block.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut left = Left(bytes);
        let header = left.take(HEADER)?;
        let mut merkle_root = [0; 32];
        merkle_root.copy_from_slice(&header[ROOT_AT..ROOT_AT + 32]);
        let transactions = left.many(LEAST_TRANSACTION, |left| {
            let before = left.0;
            let transaction = left.transaction()?;
            Ok((transaction, &before[..before.len() - left.0.len()]))
        })?;
        if !left.0.is_empty() {
            return Err(Malformed::Trailing);
        }
        Ok(Self { merkle_root, transactions })
    }
}

/// What is still to be read.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, left) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = left;
        Ok(*taken)
    }

    fn count(&mut self) -> Result<usize, Malformed> {
        let [first] = self.array()?;
        let (count, least) = match first {
            0xff => (u64::from_le_bytes(self.array()?), 1 << 32),
            0xfe => (u32::from_le_bytes(self.array()?).into(), 1 << 16),
            0xfd => (u16::from_le_bytes(self.array()?).into(), 253),
            short => (short.into(), 0),
        };
        if count < least {
            return Err(Malformed::Count);
        }
        usize::try_from(count).map_err(|_| Malformed::Short)
    }

    /// A count, and as many as that, each of `least` bytes or more.
    fn many<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count()?;
        if count > self.0.len() / least {
            return Err(Malformed::Short);
        }
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(read(self)?);
        }
        Ok(all)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let count = self.count()?;
        self.take(count).map(<[u8]>::to_vec)
    }

    fn transaction(&mut self) -> Result<Transaction, Malformed> {
        Ok(Transaction {
            version: u32::from_le_bytes(self.array()?),
            inputs: self.many(LEAST_INPUT, Self::input)?,
            outputs: self.many(LEAST_OUTPUT, Self::output)?,
            lock_time: u32::from_le_bytes(self.array()?),
        })
    }

    fn input(&mut self) -> Result<Input, Malformed> {
        Ok(Input {
            txid: self.array()?,
            index: u32::from_le_bytes(self.array()?),
            script: self.bytes()?,
            sequence: u32::from_le_bytes(self.array()?),
        })
    }

    fn output(&mut self) -> Result<Output, Malformed> {
        Ok(Output { value: u64::from_le_bytes(self.array()?), script: self.bytes()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made::block;
    use proptest::prelude::*;

    #[test]
    fn what_is_cut_short_or_longer_is_no_block() {
        let bytes = block(&crate::blocks::made::transactions(5));
        assert_eq!(Block::read(&bytes).unwrap().transactions.len(), 5);
        for length in 0..bytes.len() {
            assert_eq!(Block::read(&bytes[..length]).unwrap_err(), Malformed::Short, "{length}");
        }
        assert_eq!(Block::read(&[&bytes[..], &[0]].concat()).unwrap_err(), Malformed::Trailing);
        let mut long = bytes.clone();
        long.splice(HEADER..=HEADER, [0xfd, 5, 0]);
        assert_eq!(Block::read(&long).unwrap_err(), Malformed::Count);
        long.splice(HEADER..HEADER + 3, [0xff; 9]);
        assert_eq!(Block::read(&long).unwrap_err(), Malformed::Short);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 80..200)) {
            let _either = Block::read(&bytes);
        }
    }
}
