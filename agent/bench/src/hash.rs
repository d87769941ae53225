//! Workload `hash`: nanoseconds to hash 32 bytes, by four functions.
//!
//! Thirty-two bytes is one transaction id: the question the series answer is what a cheaper hash than SHA-256 would
//! save where many of those are hashed.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bitcoin_hashes::{sha256, sha256d};
use sha2::{Digest, Sha256};

/// Bytes hashed at a time.
pub const INPUT: usize = 32;

/// Hashes timed together are at most this many, so that a clock that stands still ends calibration.
const MAX_BATCH: u32 = 1 << 26;

/// One hash function of one library.
#[derive(Clone, Copy)]
pub struct Series {
    /// What results call it.
    pub name: &'static str,
    hash: fn(&[u8; INPUT]) -> Vec<u8>,
    time: fn(u32) -> Duration,
    known: [(&'static [u8; INPUT], &'static str); 2],
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Series({})", self.name)
    }
}

/// How long to measure one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Hashing before the first sample: caches and clock frequency settle, and the batch is calibrated.
    pub warm_up: Duration,
    /// How many samples to take.
    pub samples: u32,
    /// About how long each takes.
    pub sample_time: Duration,
}

impl Default for Budget {
    /// A quarter of a second for each series, about one second for all.
    fn default() -> Budget {
        let (warm_up, sample_time) = (Duration::from_millis(15), Duration::from_millis(12));
        Budget { warm_up, samples: 20, sample_time }
    }
}

/// A function gave another digest than the published one: its speed means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongDigest {
    /// The series.
    pub series: &'static str,
    /// What it should have given, in hexadecimal.
    pub expected: &'static str,
    /// What it gave.
    pub found: String,
}

impl fmt::Display for WrongDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hash with {}: got {}, not {}", self.series, self.found, self.expected)
    }
}

impl std::error::Error for WrongDigest {}

const ZEROS: &[u8; INPUT] = &[0; INPUT];

const COUNTING: &[u8; INPUT] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31,
];

const SHA256: [(&[u8; INPUT], &str); 2] = [
    (ZEROS, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"),
    (COUNTING, "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"),
];

static SERIES: [Series; 4] = [
    Series {
        name: "sha2",
        hash: |input| sha2(input).to_vec(),
        time: |count| time(count, sha2),
        known: SHA256,
    },
    Series {
        name: "bitcoin_sha256",
        hash: |input| bitcoin_sha256(input).to_vec(),
        time: |count| time(count, bitcoin_sha256),
        known: SHA256,
    },
    Series {
        name: "bitcoin_sha256d",
        hash: |input| bitcoin_sha256d(input).to_vec(),
        time: |count| time(count, bitcoin_sha256d),
        known: [
            (ZEROS, "2b32db6c2c0a6235fb1397e8225ea85e0f0e6e8c7b126d0016ccbde0e667151e"),
            (COUNTING, "2f287b4d3d4910f6cada9e1bd1b4648099e8c52c81aa4a6aebfa6fc86f19834e"),
        ],
    },
    Series {
        name: "murmur3_x64_128",
        hash: |input| murmur3(input).to_vec(),
        time: |count| time(count, murmur3),
        known: [
            (ZEROS, "d05cde4a283c72313c2d34b31b1dc010"),
            (COUNTING, "0f502fb622906dc65111c3346e0a051c"),
        ],
    },
];

/// Gives the series, in the order results have them.
pub fn series() -> &'static [Series] {
    &SERIES
}

/// Measures one series; `on_sample` is given the nanoseconds of one hash as each sample ends.
///
/// The digests are checked first: a wrong one is an error, never a number.
pub fn measure(
    series: &Series,
    budget: Budget,
    on_sample: &mut dyn FnMut(f64),
) -> Result<(), WrongDigest> {
    check(series)?;
    let batch = calibrate(series.time, budget);
    for _ in 0..budget.samples {
        on_sample(nanoseconds((series.time)(batch), batch));
    }
    Ok(())
}

fn check(series: &Series) -> Result<(), WrongDigest> {
    for (input, expected) in series.known {
        let found: String = (series.hash)(input).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != expected {
            return Err(WrongDigest { series: series.name, expected, found });
        }
    }
    Ok(())
}

fn nanoseconds(elapsed: Duration, count: u32) -> f64 {
    elapsed.as_secs_f64() * 1e9 / f64::from(count)
}

/// Hashes for the time of the warm-up at least, and gives how many hashes fill one sample.
fn calibrate(time: fn(u32) -> Duration, budget: Budget) -> u32 {
    // Long enough for the clock, short enough not to overrun the warm-up by much.
    let enough = budget.sample_time / 4;
    let (mut batch, mut spent) = (16, Duration::ZERO);
    loop {
        let elapsed = time(batch);
        spent = spent.saturating_add(elapsed);
        if elapsed < enough && batch < MAX_BATCH {
            batch *= 2;
        } else if spent >= budget.warm_up || elapsed.is_zero() {
            return scale(batch, elapsed, budget.sample_time);
        }
    }
}

/// Gives how many hashes take `wanted` when `batch` of them took `elapsed`: 1 to 2^26.
fn scale(batch: u32, elapsed: Duration, wanted: Duration) -> u32 {
    let count = u128::from(batch) * wanted.as_nanos() / elapsed.as_nanos().max(1);
    u32::try_from(count).unwrap_or(MAX_BATCH).clamp(1, MAX_BATCH)
}

/// Times `count` hashes of as many inputs. Neither the input nor the digest can be known to the compiler, so none of
/// them can be left out.
fn time<const N: usize>(count: u32, hash: impl Fn(&[u8; INPUT]) -> [u8; N]) -> Duration {
    let mut input = *COUNTING;
    let start = Instant::now();
    for number in 0..count {
        input[..4].copy_from_slice(&number.to_le_bytes());
        black_box(hash(black_box(&input)));
    }
    start.elapsed()
}

#[inline]
fn sha2(input: &[u8; INPUT]) -> [u8; 32] {
    Sha256::digest(input).into()
}

#[inline]
fn bitcoin_sha256(input: &[u8; INPUT]) -> [u8; 32] {
    sha256::hash(input).to_byte_array()
}

#[inline]
fn bitcoin_sha256d(input: &[u8; INPUT]) -> [u8; 32] {
    sha256d::hash(input).to_byte_array()
}

#[inline]
fn murmur3(input: &[u8; INPUT]) -> [u8; 16] {
    to_bytes(mur3::murmurhash3_x64_128(input, 0))
}

/// The reference writes both halves to memory in the order of a little-endian machine.
fn to_bytes((low, high): (u64, u64)) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Budget =
        Budget { warm_up: Duration::ZERO, samples: 3, sample_time: Duration::from_micros(50) };

    #[test]
    fn every_series_gives_the_published_digests_and_its_samples() {
        for series in series() {
            let mut samples = Vec::new();
            measure(series, SHORT, &mut |sample| samples.push(sample)).unwrap();
            assert_eq!(samples.len(), 3, "{series:?}");
            assert!(samples.iter().all(|sample| *sample > 0.0), "{series:?}: {samples:?}");
        }
    }

    #[test]
    fn a_wrong_digest_is_an_error_and_gives_no_sample() {
        let broken = Series { hash: |_| vec![0xab, 0x0c], ..SERIES[0] };
        let mut samples = 0;
        let error = measure(&broken, SHORT, &mut |_| samples += 1).unwrap_err();
        assert_eq!(samples, 0);
        assert_eq!(error.found, "ab0c");
        assert!(error.to_string().starts_with("hash with sha2: got ab0c, not 66687aad"));
    }

    /// The value by which SMHasher, home of the reference, tells a true MurmurHash3 x64 128: a hash of the hashes of 256
    /// keys of 0 to 255 bytes, each with a seed of its own.
    #[test]
    fn murmur3_has_the_verification_value_of_its_reference() {
        let keys: Vec<u8> = (0..=255).collect();
        let seed = |length: usize| u32::try_from(256 - length).unwrap();
        let hashes: Vec<u8> = (0..256)
            .flat_map(|length| to_bytes(mur3::murmurhash3_x64_128(&keys[..length], seed(length))))
            .collect();
        let value = to_bytes(mur3::murmurhash3_x64_128(&hashes, 0));
        assert_eq!(u32::from_le_bytes(value[..4].try_into().unwrap()), 0x6384_BA69);
    }

    #[test]
    fn the_two_libraries_agree_and_double_is_twice() {
        for first in 0..=255 {
            let mut input = *COUNTING;
            input[0] = first;
            assert_eq!(sha2(&input), bitcoin_sha256(&input));
            assert_eq!(bitcoin_sha256d(&input), sha2(&sha2(&input)));
        }
    }

    #[test]
    fn a_batch_fills_its_sample_whatever_the_clock_says() {
        let ms = Duration::from_millis;
        assert_eq!(scale(1000, ms(1), ms(10)), 10_000);
        assert_eq!(scale(1, ms(100), ms(1)), 1);
        assert_eq!(scale(16, Duration::ZERO, Duration::from_micros(1)), 16_000);
        assert_eq!(scale(MAX_BATCH, Duration::ZERO, Duration::MAX), MAX_BATCH);
        let budget = Budget { warm_up: ms(1), samples: 1, sample_time: ms(1) };
        assert_eq!(calibrate(|_| Duration::ZERO, budget), MAX_BATCH);
        assert_eq!(calibrate(|count| Duration::from_nanos(100) * count, budget), 10_000);
    }
}
