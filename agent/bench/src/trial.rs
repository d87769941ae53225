//! For tests: a workload, run briefly, and all it told.

use std::collections::BTreeMap;

use crate::statistics::Summary;
use crate::workload::{Observer, Run, Stopped, Told, Whose, Workload};

/// What a workload told.
#[derive(Default)]
pub(crate) struct Trial {
    samples: BTreeMap<String, (String, Vec<f64>)>,
    /// Its findings by name.
    pub(crate) findings: BTreeMap<String, String>,
    /// The parts it let be counted.
    pub(crate) regions: Vec<String>,
}

impl Observer for Trial {
    fn tell(&mut self, told: Told<'_>) {
        match told {
            Told::Sample { series, unit, value } => {
                assert!(value.is_finite(), "{series}: {value}");
                let entry = self.samples.entry(series.to_owned()).or_default();
                entry.0 = unit.to_owned();
                entry.1.push(value);
            }
            Told::Finding { name, text } => {
                self.findings.insert(name.to_owned(), text.to_owned());
            }
            Told::Bucket { .. } | Told::Counter { .. } | Told::Progress { .. } => {}
        }
    }

    fn begin(&mut self, region: &str, _whose: Whose) {
        self.regions.push(region.to_owned());
    }
}

impl Trial {
    /// Runs it with these values as a workload gets them, briefly.
    pub(crate) fn of(workload: &Workload, values: &[(&str, &str)]) -> Result<Self, Stopped> {
        let Run::Here(run) = workload.run else { panic!("{} needs a driver", workload.name) };
        let values = workload.values_for_tests(values);
        let mut trial = Self::default();
        run(&values, &mut trial)?;
        // Whatever takes samples takes the parameter `count`.
        let counts = !workload.is_sampled() || !trial.regions.is_empty();
        assert!(counts, "{} has no region", workload.name);
        let promised: BTreeMap<_, _> = workload.series.with(&values).into_iter().collect();
        let told = trial.series().map(|series| (series.to_owned(), trial.unit(series)));
        assert!(told.eq(promised), "{}: {:?}", workload.name, trial.samples.keys());
        Ok(trial)
    }

    pub(crate) fn series(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(String::as_str)
    }

    pub(crate) fn unit(&self, series: &str) -> &str {
        &self.samples[series].0
    }

    pub(crate) fn samples(&self, series: &str) -> &[f64] {
        &self.samples[series].1
    }

    pub(crate) fn median(&self, series: &str) -> f64 {
        Summary::of(self.samples(series)).unwrap().median
    }
}
