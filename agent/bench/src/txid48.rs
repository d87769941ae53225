//! Workload `txid48`: nanoseconds to shorten a transaction id to 48 bits, by four functions.
//!
//! A seed of eight bytes makes the short names of one block others than those of the next, so that nobody can prepare
//! two transactions of one name.

use std::hint::black_box;
use std::time::Instant;

use crate::hash::{FUNCTIONS, Function};
use crate::sampling::{Variant, sample};
use crate::workload::{Observer, Run, Series, Stopped, Values, Workload, independent};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "txid48",
    about: "nanoseconds to hash a seed of 8 bytes and a transaction id of 32 to 48 bits",
    parameters: &[],
    series: Series::Always(crate::hash::SERIES),
    rule: independent,
    run: Run::Here(run),
};

/// Calls of a region.
const CALLS: u32 = 100_000;

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let budget = values.budget()?;
    let mut variants = Vec::new();
    for function in FUNCTIONS {
        function.check(40)?;
        observer.region(function.name, &mut || shorten(function, CALLS));
        let time = |calls| {
            let start = Instant::now();
            shorten(function, calls);
            Ok(start.elapsed())
        };
        variants.push(Variant::nanoseconds(function.name, &budget, time)?);
    }
    sample(&budget, &mut variants, observer)
}

fn shorten(function: &Function, calls: u32) {
    let mut txid = crate::pattern::id(0);
    for number in 0..calls {
        txid[..4].copy_from_slice(&number.to_le_bytes());
        black_box(function.txid48(black_box(7), black_box(&txid)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn it_is_the_first_48_bits_of_seed_and_id() {
        // sha256sum and a reference of MurmurHash3 over eight bytes 1, 0, … and thirty-two zeros.
        for (name, known) in KNOWN {
            let function = FUNCTIONS.iter().find(|function| function.name == name).unwrap();
            assert_eq!(function.txid48(1, &[0; 32]), known, "{name}");
            assert_ne!(function.txid48(2, &[0; 32]), known, "{name}");
        }
    }

    #[test]
    fn every_function_has_samples() {
        let trial = Trial::of(&WORKLOAD, &[]).unwrap();
        for series in trial.series() {
            assert!(trial.median(series) > 0.0);
        }
    }

    const KNOWN: [(&str, u64); 3] = [
        ("sha2", 0x9641_3159_8fb6),
        ("bitcoin_sha256d", 0xdb6c_db65_ef93),
        ("murmur3_x64_128", 0xab01_8713_6375),
    ];
}
