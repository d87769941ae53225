//! Workload `hash`: nanoseconds a hash, for each series.

use super::{Job, Tell, Told};
use lunlab_bench::hash;

pub(super) fn run(_job: &Job, tell: Tell<'_>) -> Result<(), String> {
    for series in hash::series() {
        let take = &mut |value| tell(Told::Sample { series: series.name, unit: "ns", value });
        hash::measure(series, hash::Budget::default(), take).map_err(|error| error.to_string())?;
    }
    Ok(())
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
