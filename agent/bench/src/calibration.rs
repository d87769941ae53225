//! Workload `calibration`: a loop that always does the same. What it takes says how fast the machine is now, and how evenly.

use std::hint::black_box;
use std::time::Instant;

use crate::sampling::{Variant, sample};
use crate::unit;
use crate::workload::{Observer, Run, Series, Stopped, Values, Workload, independent};

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "calibration",
    about: "a loop of integer arithmetic that always does the same: how steady the machine is",
    parameters: &[],
    series: Series::Always(&[("loop", unit::NANOSECONDS)]),
    rule: independent,
    run: Run::Here(run),
};

/// Steps of the loop: about 0.1 ms on a processor, 2 ms where one is emulated.
const STEPS: u32 = 100_000;

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let budget = values.budget()?;
    let time = |loops| {
        let start = Instant::now();
        (0..loops).for_each(|_| work());
        Ok(start.elapsed())
    };
    observer.region("loop", &mut work);
    sample(&budget, &mut [Variant::nanoseconds("loop", &budget, time)?], observer)
}

/// The least time of a few loops, in nanoseconds: what the machine can do when nothing disturbs it.
#[must_use]
pub fn nanoseconds() -> f64 {
    let once = || {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e9
    };
    (0..10).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// The generator of Knuth's MMIX: each step needs the one before, so that no processor does two at once.
fn work() {
    let mut state = black_box(1_u64);
    for _ in 0..STEPS {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
    black_box(state);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Told;

    #[test]
    fn it_gives_samples_within_its_budget() {
        let values = WORKLOAD.values_for_tests(&[("samples_max", "5"), ("samples_min", "5")]);
        let mut samples = Vec::new();
        run(&values, &mut |told: Told<'_>| {
            if let Told::Sample { value, unit, .. } = told {
                assert_eq!(unit, "ns");
                samples.push(value);
            }
        })
        .unwrap();
        assert_eq!(samples.len(), 5);
        assert!(samples.iter().all(|ns| *ns > 1000.0), "{samples:?}");
    }
}
