//! Bitcoin transactions of the form of 2015, without witnesses: as data and as bytes.

use sha2::{Digest as _, Sha256};

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Which rules it follows.
    pub version: u32,
    /// What it spends.
    pub inputs: Vec<Input>,
    /// What it makes.
    pub outputs: Vec<Output>,
    /// The block or time before which it does not count.
    pub lock_time: u32,
}

/// What is spent: an output of another transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// That transaction.
    pub txid: [u8; 32],
    /// Which of its outputs.
    pub index: u32,
    /// What shows that it may be spent: a signature.
    pub script: Vec<u8>,
    /// Meant for replacing transactions.
    pub sequence: u32,
}

/// What is made: money that a script guards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Satoshi: 10^-8 bitcoin.
    pub value: u64,
    /// What must be shown to spend it.
    pub script: Vec<u8>,
}

/// Bytes of an output that pays to the hash of a key.
pub const P2PKH_OUTPUT: usize = 34;

/// Bytes of an input that shows a signature and a key.
pub const P2PKH_INPUT: usize = 148;

impl Input {
    /// Spends an output, with a signature and a key that only look like ones.
    #[must_use]
    pub fn spending(txid: [u8; 32], index: u32) -> Self {
        let filler = |seed: u64| crate::pattern::words(seed).flat_map(u64::to_le_bytes);
        let script: Vec<u8> = [72].into_iter().chain(filler(1).take(72)).chain([33]).collect();
        let script = script.into_iter().chain(filler(2).take(33)).take(107).collect();
        Self { txid, index, script, sequence: u32::MAX }
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.txid);
        out.extend(self.index.to_le_bytes());
        write_bytes(&self.script, out);
        out.extend(self.sequence.to_le_bytes());
    }
}

impl Output {
    /// Pays to the hash of a key.
    #[must_use]
    pub fn to_key(value: u64, key: u64) -> Self {
        Self { value, script: p2pkh(key) }
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.value.to_le_bytes());
        write_bytes(&self.script, out);
    }
}

/// The script that pays to the hash of a key: `DUP HASH160 <20 bytes> EQUALVERIFY CHECKSIG`.
#[must_use]
pub fn p2pkh(key: u64) -> Vec<u8> {
    let hash = crate::pattern::id(key);
    [&[0x76, 0xa9, 20], &hash[..20], &[0x88, 0xac]].concat()
}

impl Transaction {
    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.version.to_le_bytes());
        write_count(self.inputs.len(), out);
        self.inputs.iter().for_each(|input| input.write(out));
        write_count(self.outputs.len(), out);
        self.outputs.iter().for_each(|output| output.write(out));
        out.extend(self.lock_time.to_le_bytes());
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

/// SHA-256 of SHA-256.
#[must_use]
pub fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// Appends a count in Bitcoin's short form: one byte below 253, else a mark and two, four or eight bytes.
pub fn write_count(count: usize, out: &mut Vec<u8>) {
    let bytes = (count as u64).to_le_bytes();
    match count {
        0..=0xfc => out.push(bytes[0]),
        0xfd..=0xffff => out.extend([&[0xfd], &bytes[..2]].concat()),
        0x1_0000..=0xffff_ffff => out.extend([&[0xfe], &bytes[..4]].concat()),
        _ => out.extend([&[0xff], &bytes[..]].concat()),
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_count(bytes.len(), out);
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_published_forms() {
        for (count, bytes) in [
            (0, &[0][..]),
            (252, &[252]),
            (253, &[253, 253, 0]),
            (65_535, &[253, 255, 255]),
            (65_536, &[254, 0, 0, 1, 0]),
            (1 << 32, &[255, 0, 0, 0, 0, 1, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            write_count(count, &mut out);
            assert_eq!(out, bytes, "{count}");
        }
    }

    #[test]
    fn a_transaction_has_the_bytes_and_the_id_that_the_bitcoin_crate_gives_it() {
        let transaction = Transaction {
            version: 2,
            inputs: (0..300).map(|n| Input::spending(crate::pattern::id(n), 7)).collect(),
            outputs: (0..3).map(|n| Output::to_key(n * 1000, n)).collect(),
            lock_time: 9,
        };
        let bytes = transaction.to_bytes();
        assert_eq!(bytes.len(), 4 + 3 + 300 * P2PKH_INPUT + 1 + 3 * P2PKH_OUTPUT + 4);
        let theirs: bitcoin::Transaction = bitcoin::consensus::deserialize(&bytes).unwrap();
        let txid: [u8; 32] = *theirs.compute_txid().as_ref();
        assert_eq!(double_sha256(&bytes), txid);
        assert_eq!(theirs.output[2].value.to_sat(), 2000);
        assert!(theirs.output[0].script_pubkey.is_p2pkh());
    }
}
