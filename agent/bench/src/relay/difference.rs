//! A block as what peers lack of it: an invertible Bloom lookup table of its transactions, less a peer's own, names them.
//!
//! The sender offers header, coinbase and table; a peer asks for the transactions that its mempool lacks, leaves out those that are only
//! there, and puts the block together. All but the coinbase are in the order of their ids, so that none has to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::blocks::{self, Block};
use crate::hash::{FUNCTIONS, Function};
use crate::iblt::Table;
use crate::transaction::double_sha256;

/// The seed of the short names.
const SEED: u64 = 0x0072_656c_6179;

/// Bytes of a short name.
const NAME: usize = 6;

/// A transaction of a block or a mempool.
#[derive(Clone, Debug)]
struct Entry {
    txid: [u8; 32],
    name: u64,
    bytes: Arc<[u8]>,
}

impl Entry {
    fn of(bytes: &[u8]) -> Self {
        let txid = double_sha256(bytes);
        Self { txid, name: function().txid48(SEED, &txid), bytes: bytes.into() }
    }
}

fn function() -> &'static Function {
    &FUNCTIONS[0]
}

/// A block that is to be sent, and what is in the mempools of those who get it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its transactions but for the coinbase, by their ids.
    entries: Vec<Entry>,
    /// Transactions that no block took.
    surplus: Vec<Entry>,
    /// How many of them each peer lacks.
    lacking: usize,
    /// What every peer is told first: header and coinbase, and a table of the rest.
    pub offer: Vec<u8>,
}

impl Sent {
    /// A block of about so many bytes. Each peer lacks a part of its transactions, and has as many as another part that are not in it.
    #[must_use]
    pub fn new(size: u64, lacking: f64, surplus: f64) -> Self {
        let count = (size.saturating_mul(blocks::count(8)) / 8_000_000).max(2);
        let part = |part: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to count"
            )]
            let number = (count as f64 * part.clamp(0.0, 1.0)).ceil() as u64;
            number
        };
        let mut transactions = blocks::transactions(count + part(surplus));
        let outside = transactions.split_off(usize::try_from(count).unwrap_or(usize::MAX));
        transactions[1..].sort_by_cached_key(|each| double_sha256(&each.to_bytes()));
        let bytes = blocks::block(&transactions);
        let of = |each: &crate::transaction::Transaction| Entry::of(&each.to_bytes());
        let entries: Vec<_> = transactions[1..].iter().map(of).collect();
        let others: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
        let head = bytes[..bytes.len() - others].to_vec();
        let lacking = usize::try_from(part(lacking)).unwrap_or(usize::MAX).min(entries.len());
        let offer = offer(&head, &table(&entries, lacking + outside.len()));
        Self { bytes, entries, surplus: outside.iter().map(of).collect(), lacking, offer }
    }

    /// How many transactions are in it, the coinbase included.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.entries.len() + 1
    }

    /// Its digest: what a peer must come to.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    fn differences(&self) -> usize {
        self.lacking + self.surplus.len()
    }

    /// The mempool of a peer: each lacks others.
    #[must_use]
    pub fn mempool(&self, peer: usize) -> Mempool {
        let count = self.entries.len();
        let first = peer * self.lacking % count.max(1);
        let has = |at: usize| (at + count - first) % count >= self.lacking;
        let entries = self.entries.iter().enumerate().filter(|(at, _)| has(*at));
        let entries = entries.map(|(_, entry)| entry).chain(&self.surplus).cloned().collect();
        Mempool { entries, differences: self.differences() }
    }

    /// The transactions that a peer asked for; nothing where it asks for others than the block's.
    #[must_use]
    pub fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let by_name: BTreeMap<u64, &Entry> = self.entries.iter().map(|e| (e.name, e)).collect();
        let (names, rest) = request.as_chunks::<NAME>();
        let mut answer = Vec::new();
        for [a, b, c, d, e, f] in names {
            let entry = by_name.get(&u64::from_le_bytes([*a, *b, *c, *d, *e, *f, 0, 0]))?;
            let length = u32::try_from(entry.bytes.len()).ok()?;
            answer.extend(length.to_le_bytes());
            answer.extend(entry.bytes.iter());
        }
        rest.is_empty().then_some(answer)
    }
}

/// The head of a block (its header, the number of its transactions, and the coinbase) and the table of the others.
fn offer(head: &[u8], table: &Table) -> Vec<u8> {
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes(), head, &table.to_bytes()].concat()
}

fn table(entries: &[Entry], differences: usize) -> Table {
    let mut table = Table::for_differences(differences);
    entries.iter().for_each(|entry| table.add(entry.name));
    table
}

/// What a peer has before the block comes.
#[derive(Clone, Debug)]
pub struct Mempool {
    entries: Vec<Entry>,
    differences: usize,
}

/// A block of which a peer lacks the transactions it asked for.
#[derive(Debug)]
pub struct Pending<'a> {
    head: &'a [u8],
    has: Vec<Entry>,
    /// What to ask for.
    pub request: Vec<u8>,
}

impl Mempool {
    /// Finds what is lacking of an offered block.
    ///
    /// # Errors
    /// An offer that is none, or one that tells not enough for the difference.
    pub fn request<'a>(&self, offer: &'a [u8]) -> Result<Pending<'a>, String> {
        let (head, theirs) = split(offer).ok_or("an offer that is cut short")?;
        let own = table(&self.entries, self.differences);
        let mut theirs = Table::from_bytes(theirs).filter(|theirs| theirs.len() == own.len());
        let table = theirs.as_mut().ok_or("a table of another size")?;
        table.subtract(&own);
        let difference = theirs.unwrap_or(own).decode().map_err(|stuck| {
            let (found, cells) = (stuck.found, stuck.cells);
            format!("the table gave {found} transactions, {cells} cells could not be decoded")
        })?;
        let left_out: BTreeSet<u64> = difference.theirs.into_iter().collect();
        let has = self.entries.iter().filter(|entry| !left_out.contains(&entry.name));
        let request =
            difference.ours.iter().flat_map(|name| name.to_le_bytes().into_iter().take(NAME));
        Ok(Pending { head, has: has.cloned().collect(), request: request.collect() })
    }
}

impl Pending<'_> {
    /// Puts the block together.
    ///
    /// # Errors
    /// What is no block, or not the one of its header.
    pub fn complete(mut self, answer: &[u8]) -> Result<Vec<u8>, String> {
        let mut left = answer;
        while !left.is_empty() {
            let (bytes, rest) = split(left).ok_or("transactions that are cut short")?;
            self.has.push(Entry::of(bytes));
            left = rest;
        }
        self.has.sort_unstable_by_key(|entry| entry.txid);
        let mut bytes = self.head.to_vec();
        self.has.iter().for_each(|entry| bytes.extend(entry.bytes.iter()));
        let block = Block::read(&bytes).map_err(|error| error.to_string())?;
        let coinbase = block.transactions.first().map(|(_, bytes)| double_sha256(bytes));
        // What was in the mempool has its id already.
        let txids = coinbase.into_iter().chain(self.has.iter().map(|entry| entry.txid));
        let root = blocks::merkle_root(txids.collect()).map_err(|error| error.to_string())?;
        let fits = root == block.merkle_root;
        if fits { Ok(bytes) } else { Err("another merkle root than the header's".to_owned()) }
    }
}

/// Bytes after their length, and what follows them.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(sent: &Sent, peer: usize) -> (Vec<u8>, usize) {
        let (mempool, offer) = (sent.mempool(peer), &sent.offer);
        let pending = mempool.request(offer).unwrap();
        let answer = sent.answer(&pending.request).unwrap();
        (pending.complete(&answer).unwrap(), offer.len() + answer.len())
    }

    #[test]
    fn every_peer_gets_the_same_block_by_far_fewer_bytes() {
        let sent = Sent::new(128 * 1024, 0.01, 0.02);
        assert!(sent.bytes.len().abs_diff(128 * 1024) < 2000, "{}", sent.bytes.len());
        for peer in [0, 1, 7, 200] {
            let (bytes, moved) = received(&sent, peer);
            assert!(bytes == sent.bytes, "{peer}");
            assert!(moved < sent.bytes.len() / 20, "{peer}: {moved}");
        }
    }

    #[test]
    fn mempools_may_have_all_of_it_or_nothing() {
        for (lacking, surplus) in [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)] {
            let sent = Sent::new(4096, lacking, surplus);
            let (bytes, _) = received(&sent, 3);
            assert!(bytes == sent.bytes, "{lacking} {surplus}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let sent = Sent::new(16_384, 0.1, 0.1);
        let (mempool, offer) = (sent.mempool(0), &sent.offer);
        for (offer, why) in [
            (&offer[..3], "cut short"),
            (&offer[..offer.len() - 16], "another size"),
            (&offer[..offer.len() - 3], "another size"),
        ] {
            assert!(mempool.request(offer).unwrap_err().contains(why), "{why}");
        }
        assert_eq!(sent.answer(&[0; 5]), None);
        assert_eq!(sent.answer(&[0; 6]), None);
        let complete = |answer: &[u8]| mempool.request(offer).unwrap().complete(answer);
        assert!(complete(&[9, 0, 0]).unwrap_err().contains("cut short"));
        assert!(complete(&[]).is_err());
    }

    #[test]
    fn a_table_too_small_for_the_difference_is_no_block() {
        let sent = Sent::new(128 * 1024, 0.01, 0.0);
        let mut mempool = sent.mempool(0);
        mempool.entries.truncate(50);
        let told = mempool.request(&sent.offer).unwrap_err();
        assert!(told.contains("could not be decoded"), "{told}");
    }
}
