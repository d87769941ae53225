//! Workload `boot`: the boot timeline, repeated.
//!
//! The host does it: after the run's own machine has ended it boots others like it, one after the other, and each is a sample.

use crate::unit::MILLISECONDS;
use crate::workload::{Kind, Parameter, Run, Series, Workload, independent};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "boot",
    about: "the boot timeline: the same machine booted again and again, after the run's own has ended",
    parameters: &[
        Parameter::new(
            "boots",
            "how many are sampled",
            Kind::Number { least: 2, most: 1000 },
            "10",
        ),
        Parameter::new(
            "warm_up_boots",
            "how many go before",
            Kind::Number { least: 0, most: 100 },
            "1",
        ),
    ],
    series: Series::Always(&[
        ("qemu-spawn", MILLISECONDS),
        ("kernel", MILLISECONDS),
        ("init", MILLISECONDS),
        ("channel", MILLISECONDS),
        ("modules", MILLISECONDS),
        ("target-ready", MILLISECONDS),
        ("qemu-spawn to kernel", MILLISECONDS),
        ("kernel to init", MILLISECONDS),
        ("init to channel", MILLISECONDS),
        ("channel to modules", MILLISECONDS),
        ("modules to target-ready", MILLISECONDS),
    ]),
    rule: independent,
    run: Run::Host,
};

/// The phases that are sampled, in the order in which they are reached.
pub const PHASES: [&str; 6] =
    ["qemu-spawn", "kernel", "init", "channel", "modules", "target-ready"];

/// The samples of one boot: when each phase was reached, and how long after the one before it.
#[must_use]
pub fn samples(at: impl Fn(&str) -> Option<f64>) -> Vec<(String, f64)> {
    let reached = PHASES.iter().filter_map(|phase| Some(((*phase).to_owned(), at(phase)?)));
    let steps = PHASES.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        Some((format!("{before} to {after}"), at(after)? - at(before)?))
    });
    reached.chain(steps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Values;

    #[test]
    fn each_phase_and_each_step_is_a_declared_series() {
        let place = |phase: &str| {
            PHASES.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]).find(|(name, _)| **name == phase)
        };
        let samples = samples(|phase| place(phase).map(|(_, ms)| ms));
        let names: Vec<&str> = samples.iter().map(|(name, _)| name.as_str()).collect();
        let declared = WORKLOAD.series.with(&Values::default());
        let declared: Vec<&str> = declared.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, declared);
        let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 1.0, 2.0, 4.0, 8.0, 16.0]);
    }

    #[test]
    fn a_phase_that_was_not_reached_is_no_sample() {
        let samples = samples(|phase| (phase != "modules").then_some(1.0));
        assert!(
            samples.iter().all(|(name, _)| !name.contains("modules")) && samples.len() == 8,
            "{samples:?}"
        );
    }
}
