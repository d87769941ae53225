//! Workload `hash`: nanoseconds a hash, for each function.

use super::{Job, Tell, Told};
use lunlab_bench::hash;
use lunlab_bench::workload::{self, Run, Values};

/// A quarter of a second for each function, about one second for all.
const VALUES: [(&str, &str); 7] = [
    ("size", "32"),
    ("warm_up", "60"),
    ("sample_time", "12"),
    ("samples_min", "20"),
    ("samples_max", "20"),
    ("budget", "0"),
    ("precision", "1%"),
];

pub(super) fn run(_job: &Job, tell: Tell<'_>) -> Result<(), String> {
    let Run::Here(run) = hash::WORKLOAD.run else { return Err("hash needs a driver".into()) };
    let values: Values =
        VALUES.map(|(name, value)| (name.into(), value.into())).into_iter().collect();
    let mut take = |told: workload::Told<'_>| {
        if let workload::Told::Sample { series, unit, value } = told {
            tell(Told::Sample { series, unit, value });
        }
    };
    run(&values, &mut take).map_err(|stopped| stopped.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Told;
    use super::super::tests::job;

    #[test]
    fn hash_gives_samples_of_every_series() {
        let mut seen = std::collections::BTreeMap::new();
        super::run(&job("hash", &[]), &mut |told| {
            let Told::Sample { series, unit, value } = told else { panic!("{told:?}") };
            assert!(unit == "ns" && value > 0.0);
            *seen.entry(series.to_owned()).or_insert(0) += 1;
        })
        .unwrap();
        assert_eq!(seen.len(), 4);
        assert!(seen.values().all(|n| *n == 20), "{seen:?}");
    }
}
