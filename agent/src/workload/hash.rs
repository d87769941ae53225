//! Workload `hash`: nanoseconds to hash 32 bytes, by each function.

use std::time::Duration;

use super::{Job, Tell, Told};
use lunlab_bench::hash::FUNCTIONS;
use lunlab_bench::sampling::calls_for;

/// How many samples of each function, and about how long one takes: a second for all.
const SAMPLES: u32 = 20;
const SAMPLE_TIME: Duration = Duration::from_millis(12);

pub(super) fn run(_job: &Job, tell: Tell<'_>) -> Result<(), String> {
    for function in FUNCTIONS {
        let mut input = [0x5a; 32];
        let mut time = |calls| Ok(function.time(calls, &mut input));
        let calls = function
            .check(32)
            .and_then(|()| calls_for(SAMPLE_TIME, &mut time))
            .map_err(|stopped| stopped.to_string())?;
        for _ in 0..SAMPLES {
            let value = function.time(calls, &mut input).as_secs_f64() * 1e9 / f64::from(calls);
            tell(Told::Sample { series: function.name, unit: "ns", value });
        }
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
