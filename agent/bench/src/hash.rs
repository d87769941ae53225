//! Workload `hash`: nanoseconds to hash messages of several sizes, by four functions.
//!
//! Thirty-two bytes is one transaction id: the question that size answers is what a cheaper hash than SHA-256 would
//! save where many of those are hashed. A mebibyte tells the speed in bulk.

mod function;

pub use function::{Digest, FUNCTIONS, Function};

use crate::sampling::{Variant, calls_for, sample};
use crate::unit;
use crate::workload::{Kind, Observer, Parameter, Run, Stopped, Told, Values, Workload};

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
    series: &[
        ("sha2", unit::NANOSECONDS),
        ("bitcoin_sha256", unit::NANOSECONDS),
        ("bitcoin_sha256d", unit::NANOSECONDS),
        ("murmur3_x64_128", unit::NANOSECONDS),
    ],
    run: Run::Here(run),
};

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
    fn more_bytes_take_longer() {
        let trial = Trial::of(&WORKLOAD, &[("size", "32,65536")]).unwrap();
        assert!(trial.median("sha2/65536") > 20.0 * trial.median("sha2"));
    }
}
