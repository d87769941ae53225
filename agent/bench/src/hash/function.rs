//! The hash functions that are compared, and what shows that they are what they are called.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bitcoin_hashes::{sha256, sha256d};
use sha2::{Digest as _, Sha256};

use crate::workload::Stopped;

/// One hash function of one library.
#[derive(Clone, Copy)]
pub struct Function {
    /// What results call it.
    pub name: &'static str,
    hash: fn(&[u8]) -> Digest,
    time: fn(u32, &mut [u8]) -> Duration,
    known: [(&'static [u8; 32], &'static str); 2],
}

/// A digest, filled up with zeros where the function gives less.
pub type Digest = [u8; 32];

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

const ZEROS: &[u8; 32] = &[0; 32];

const COUNTING: &[u8; 32] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31,
];

const SHA256: [(&[u8; 32], &str); 2] = [
    (ZEROS, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"),
    (COUNTING, "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"),
];

const SHA256D: [(&[u8; 32], &str); 2] = [
    (ZEROS, "2b32db6c2c0a6235fb1397e8225ea85e0f0e6e8c7b126d0016ccbde0e667151e"),
    (COUNTING, "2f287b4d3d4910f6cada9e1bd1b4648099e8c52c81aa4a6aebfa6fc86f19834e"),
];

const MURMUR3: [(&[u8; 32], &str); 2] =
    [(ZEROS, "d05cde4a283c72313c2d34b31b1dc010"), (COUNTING, "0f502fb622906dc65111c3346e0a051c")];

/// Every function, in the order results have them.
pub const FUNCTIONS: &[Function] = &[
    Function { name: "sha2", hash: sha2, time: |n, input| time(n, input, sha2), known: SHA256 },
    Function {
        name: "bitcoin_sha256",
        hash: bitcoin_sha256,
        time: |n, input| time(n, input, bitcoin_sha256),
        known: SHA256,
    },
    Function {
        name: "bitcoin_sha256d",
        hash: bitcoin_sha256d,
        time: |n, input| time(n, input, bitcoin_sha256d),
        known: SHA256D,
    },
    Function {
        name: "murmur3_x64_128",
        hash: |input| padded(murmur3(input, 0)),
        time: |n, input| time(n, input, |input| murmur3(input, 0)),
        known: MURMUR3,
    },
];

impl Function {
    /// Hashes.
    #[inline]
    #[must_use]
    pub fn hash(&self, input: &[u8]) -> Digest {
        (self.hash)(input)
    }

    /// The short name of a transaction: 48 bits of the hash of a seed and its id.
    #[inline]
    #[must_use]
    pub fn txid48(&self, seed: u64, txid: &[u8; 32]) -> u64 {
        let mut input = [0; 40];
        let (head, tail) = input.split_at_mut(8);
        head.copy_from_slice(&seed.to_le_bytes());
        tail.copy_from_slice(txid);
        let [a, b, c, d, e, f, ..] = self.hash(&input);
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// Hashes as often as that, each time another input of that length, and gives what it took.
    pub fn time(&self, count: u32, input: &mut [u8]) -> Duration {
        (self.time)(count, input)
    }

    /// Checks it against published digests, and over `length` bytes against another implementation where there is one.
    ///
    /// # Errors
    /// A digest that is not what it should be: its speed means nothing.
    pub fn check(&self, length: usize) -> Result<(), Stopped> {
        for (input, expected) in self.known {
            let found = hex(&self.hash(input)[..expected.len() / 2]);
            self.expect(expected, &found)?;
        }
        let input: Vec<u8> = (0..=250).cycle().take(length).collect();
        let (expected, found) = match self.name {
            "sha2" => (bitcoin_sha256(&input), self.hash(&input)),
            "bitcoin_sha256" => (sha2(&input), self.hash(&input)),
            "bitcoin_sha256d" => (sha2(&sha2(&input)), self.hash(&input)),
            _ => (padded(VERIFICATION), padded(verification())),
        };
        self.expect(&hex(&expected), &hex(&found))
    }

    fn expect(&self, expected: &str, found: &str) -> Result<(), Stopped> {
        if found == expected {
            return Ok(());
        }
        Err(Stopped::Failed(format!("hash with {}: got {found}, not {expected}", self.name)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Times hashing. Neither the input nor the digest can be known to the compiler, so none of them can be left out.
fn time<D>(count: u32, input: &mut [u8], hash: impl Fn(&[u8]) -> D) -> Duration {
    let start = Instant::now();
    for number in 0..count {
        input.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
        black_box(hash(black_box(input)));
    }
    start.elapsed()
}

#[inline]
fn sha2(input: &[u8]) -> Digest {
    Sha256::digest(input).into()
}

#[inline]
fn bitcoin_sha256(input: &[u8]) -> Digest {
    sha256::hash(input).to_byte_array()
}

#[inline]
fn bitcoin_sha256d(input: &[u8]) -> Digest {
    sha256d::hash(input).to_byte_array()
}

/// The reference writes both halves to memory in the order of a little-endian machine.
#[inline]
fn murmur3(input: &[u8], seed: u32) -> [u8; 16] {
    let (low, high) = mur3::murmurhash3_x64_128(input, seed);
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

fn padded<const N: usize>(short: [u8; N]) -> Digest {
    let mut digest = [0; 32];
    digest.iter_mut().zip(short).for_each(|(to, from)| *to = from);
    digest
}

/// What SMHasher, home of the reference, expects of a true MurmurHash3 x64 128: 0x6384BA69.
const VERIFICATION: [u8; 4] = 0x6384_ba69_u32.to_le_bytes();

/// The value by which SMHasher tells it: a hash of the hashes of 256 keys of 0 to 255 bytes, each with a seed of its own.
fn verification() -> [u8; 4] {
    let keys: Vec<u8> = (0..=255).collect();
    let hashes: Vec<u8> = (1..=256_u32)
        .rev()
        .zip(0..keys.len())
        .flat_map(|(seed, length)| murmur3(&keys[..length], seed))
        .collect();
    let [a, b, c, d, ..] = murmur3(&hashes, 0);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_what_it_is_called() {
        for function in FUNCTIONS {
            for length in [4, 40, 64, 1000] {
                function.check(length).unwrap();
            }
        }
    }

    #[test]
    fn a_wrong_digest_is_told_with_both() {
        let broken = Function { hash: |_| [0xab; 32], ..FUNCTIONS[0] };
        let told = broken.check(4).unwrap_err().to_string();
        assert!(told.starts_with("hash with sha2: got abab") && told.contains(", not 66687aad"));
        let half_right = Function { hash: |input| sha2(&input[..4]), ..FUNCTIONS[0] };
        assert!(half_right.check(64).is_err());
    }

    #[test]
    fn every_hash_that_is_timed_has_another_input() {
        let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
        time(300, &mut [0; 5], |input| seen.borrow_mut().insert(input.to_vec()));
        assert_eq!(seen.borrow().len(), 300);
    }
}
