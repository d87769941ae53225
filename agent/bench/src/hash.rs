//! Workload `hash`: nanoseconds to hash messages of several sizes, by four functions.
//!
//! Thirty-two bytes is one transaction id: the question that size answers is what a cheaper hash than SHA-256 would
//! save where many of those are hashed. A mebibyte tells the speed in bulk.

mod function;

pub use function::{Digest, FUNCTIONS, Function};

use std::time::{Duration, Instant};

use crate::sampling::{Variant, calls_for, sample};
use crate::unit;
use crate::workload::{
    Kind, Observer, Parameter, Run, Series, Stopped, Told, Values, Workload, Wrong,
};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "hash",
    about: "nanoseconds to hash a message, by SHA-256 of two libraries, double SHA-256 and Murmur3",
    parameters: &[Parameter {
        name: "size",
        about: "bytes of a message",
        kind: Kind::Size { least: 4, most: 64 << 20 },
        default: "32,40,64,1K,1M",
        many: true,
    }],
    series: Series::Of(series_of),
    rule,
    run: Run::Here(run),
};

fn series_of(values: &Values) -> Vec<(String, &'static str)> {
    let sizes = values.numbers("size").unwrap_or_default();
    let of_size = |size| {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        FUNCTIONS.iter().map(move |function| (series(function, size), unit::NANOSECONDS))
    };
    sizes.into_iter().flat_map(of_size).collect()
}

/// The most bytes of all sizes together: each function has a message of each, and a guest has little memory.
const MOST: u64 = 64 << 20;

fn rule(values: &Values) -> Result<(), Wrong> {
    let sizes = values.numbers("size").unwrap_or_default();
    let all = sizes.iter().fold(0, |all: u64, size| all.saturating_add(*size));
    if all <= MOST {
        return Ok(());
    }
    Err(Wrong {
        keys: ["size"; 2],
        message: format!("all sizes together are {all} bytes, {MOST} is the most"),
        hint: "measure some of them in a benchmark of their own".to_owned(),
    })
}

/// One for each of [`FUNCTIONS`].
pub(crate) const SERIES: &[(&str, &str)] = &[
    ("sha2", unit::NANOSECONDS),
    ("bitcoin_sha256", unit::NANOSECONDS),
    ("bitcoin_sha256d", unit::NANOSECONDS),
    ("murmur3_x64_128", unit::NANOSECONDS),
];

/// The size whose series have no size in their names.
const TXID: usize = 32;

fn series(function: &Function, size: usize) -> String {
    match size {
        TXID => function.name.to_owned(),
        _ => format!("{}/{size}", function.name),
    }
}

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let budget = values.budget()?;
    let mut variants = Vec::new();
    let mut regions = Vec::new();
    for size in values.numbers("size")? {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        for function in FUNCTIONS {
            function.check(size)?;
            let mut input = vec![0x5a; size];
            let mut time = move |calls| Ok(function.time(calls, &mut input));
            let calls = calls_for(budget.sample_time, &mut time)?;
            let name = series(function, size);
            variants.push(Variant::nanoseconds(name.clone(), &budget, time)?);
            regions.push((name, function, size, calls));
        }
    }
    observer
        .tell(Told::Finding { name: "digests", text: "as published, and as other libraries give" });
    sample(&budget, &mut variants, observer)?;
    for (name, function, size, calls) in regions {
        let mut input = vec![0x5a; size];
        observer.region(&name, &mut || {
            function.time(calls, &mut input);
        });
    }
    Ok(())
}

/// The same for 32 bytes, until the time is over however tight the interval is, and in little room: for PID 1. `tell` is given the
/// name of a function and nanoseconds.
///
/// # Errors
/// A function that gives a wrong digest, and a value that is no number.
pub fn in_rounds(values: &Values, tell: &mut dyn FnMut(&str, f64)) -> Result<(), Stopped> {
    let milliseconds = |name| values.number(name).map(Duration::from_millis);
    let (warm_up, sample_time) = (milliseconds("warm_up")?, milliseconds("sample_time")?);
    let (least, most) = (values.number("samples_min")?, values.number("samples_max")?);
    let time = milliseconds("budget")?;
    let mut input = [0x5a; TXID];
    let mut calls = [0; FUNCTIONS.len()];
    for (function, calls) in FUNCTIONS.iter().zip(&mut calls) {
        function.check(TXID)?;
        *calls = calls_for(sample_time, &mut |calls| Ok(function.time(calls, &mut input)))?;
    }
    let mut start = Instant::now();
    let (mut warm, mut rounds) = (false, 0);
    while !warm || rounds < least || (rounds < most && start.elapsed() < time) {
        if !warm && start.elapsed() >= warm_up {
            (warm, start) = (true, Instant::now());
        }
        for (function, calls) in FUNCTIONS.iter().zip(calls) {
            let took = function.time(calls, &mut input).as_secs_f64();
            if warm {
                tell(function.name, took * 1e9 / f64::from(calls));
            }
        }
        rounds += u64::from(warm);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn every_function_has_samples_of_every_size() {
        let trial = Trial::of(&WORKLOAD, &[("size", "32,1024")]).unwrap();
        let names: Vec<_> = trial.series().collect();
        assert_eq!(
            names,
            [
                "bitcoin_sha256",
                "bitcoin_sha256/1024",
                "bitcoin_sha256d",
                "bitcoin_sha256d/1024",
                "murmur3_x64_128",
                "murmur3_x64_128/1024",
                "sha2",
                "sha2/1024",
            ]
        );
        for name in names {
            assert_eq!(trial.unit(name), "ns");
            assert!(trial.samples(name).len() >= 3, "{name}");
        }
        assert_eq!(trial.regions.len(), 8);
    }

    #[test]
    fn rounds_have_every_function_and_keep_to_their_bounds() {
        for (bound, expected) in [("budget", 4), ("samples_max", 4)] {
            let values = WORKLOAD.values_for_tests(&[
                ("samples_min", "4"),
                ("samples_max", if bound == "budget" { "100" } else { "4" }),
                ("budget", if bound == "budget" { "0" } else { "10000" }),
            ]);
            let mut seen = std::collections::BTreeMap::new();
            in_rounds(&values, &mut |name, ns| {
                assert!(ns > 0.0);
                *seen.entry(name.to_owned()).or_insert(0) += 1;
            })
            .unwrap();
            assert!(seen.len() == 4 && seen.values().all(|n| *n == expected), "{bound}: {seen:?}");
        }
    }

    #[test]
    fn more_bytes_take_longer() {
        let trial = Trial::of(&WORKLOAD, &[("size", "32,65536")]).unwrap();
        assert!(trial.median("sha2/65536") > 20.0 * trial.median("sha2"));
    }
}
