//! Workload `blocks`: what it takes to read and check blocks of several sizes, and whether it grows with the size alone.

mod check;
mod fit;
mod made;
mod read;

pub use check::{Fault, MOST_BYTES, check, merkle_root, txids};
pub use fit::Line;
pub use made::{block, count, transactions};
pub use read::{Block, Malformed};

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Instant;

use crate::sampling::{Variant, sample};
use crate::statistics::Summary;
use crate::unit;
use crate::workload::{
    Kind, Observer, Parameter, Run, Series, Stopped, Told, Values, Workload, independent,
};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "blocks",
    about: "parse, transaction ids, merkle root and context-free checks of blocks, and the line through their times",
    parameters: &[Parameter {
        name: "megabytes",
        about: "sizes of blocks in 10^6 bytes",
        kind: Kind::Number { least: 1, most: 19 },
        default: "1,8,17",
        many: true,
    }],
    series: Series::Of(series_of),
    rule: independent,
    run: Run::Here(run),
};

fn series_of(values: &Values) -> Vec<(String, &'static str)> {
    let sizes = values.numbers("megabytes").unwrap_or_default();
    let of_size = |megabytes: u64| {
        let parts = STAGES.map(|stage| format!("{megabytes} MB {stage}"));
        std::iter::once(format!("{megabytes} MB")).chain(parts)
    };
    sizes.into_iter().flat_map(of_size).map(|series| (series, unit::MILLISECONDS)).collect()
}

/// Milliseconds of parsing, transaction ids, merkle root and checks.
type Stages = [f64; 4];

const STAGES: [&str; 4] = ["parse", "txids", "merkle", "checks"];

/// A block to be checked over and over.
struct Subject {
    megabytes: u64,
    bytes: Vec<u8>,
    /// The stages of every sample.
    taken: RefCell<Vec<Stages>>,
}

impl Subject {
    fn of(megabytes: u64) -> Self {
        let bytes = block(&transactions(count(megabytes)));
        Self { megabytes, bytes, taken: RefCell::default() }
    }

    fn name(&self) -> String {
        format!("{} MB", self.megabytes)
    }

    /// Does all of it once.
    fn stages(&self) -> Result<Stages, Stopped> {
        let mut start = Instant::now();
        let mut lap = || {
            let took = start.elapsed();
            start = Instant::now();
            took.as_secs_f64() * 1e3
        };
        let block = Block::read(black_box(&self.bytes)).map_err(|problem| self.failed(&problem))?;
        let parse = lap();
        let ids = txids(&block);
        let hashing = lap();
        let root = merkle_root(ids).map_err(|fault| self.failed(&fault))?;
        let merkle = lap();
        check(&block, self.bytes.len()).map_err(|fault| self.failed(&fault))?;
        let checks = lap();
        if root != block.merkle_root || block.transactions.len() as u64 != count(self.megabytes) {
            return Err(self.failed(&"merkle root or transactions are not those it was made with"));
        }
        Ok([parse, hashing, merkle, checks])
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Stopped {
        Stopped::Failed(format!("block of {}: {why}", self.name()))
    }

    /// The first of its variants takes a sample; the others tell what it was made of.
    fn variants(&self) -> Vec<Variant<'_>> {
        let whole = Variant::new(self.name(), unit::MILLISECONDS, move || {
            let stages = self.stages()?;
            self.taken.borrow_mut().push(stages);
            Ok(stages.iter().sum())
        });
        let part = |(stage, name)| {
            Variant::new(format!("{} {name}", self.name()), unit::MILLISECONDS, move || {
                Ok(self.taken.borrow().last().map_or(0.0, |stages| stages[stage]))
            })
        };
        std::iter::once(whole).chain(STAGES.into_iter().enumerate().map(part)).collect()
    }

    /// Its size in megabytes, and the median time of all stages.
    fn point(&self) -> Option<(f64, f64)> {
        let totals: Vec<f64> =
            self.taken.borrow().iter().map(|stages| stages.iter().sum()).collect();
        Some((self.bytes.len() as f64 / 1e6, Summary::of(&totals)?.median))
    }
}

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let subjects: Vec<_> = values.numbers("megabytes")?.into_iter().map(Subject::of).collect();
    for subject in &subjects {
        let mut outcome = Ok(());
        observer.region(&subject.name(), &mut || outcome = subject.stages().map(drop));
        outcome?;
        let text =
            format!("{} transactions in {} bytes", count(subject.megabytes), subject.bytes.len());
        observer.tell(Told::Finding { name: &subject.name(), text: &text });
    }
    let mut variants: Vec<_> = subjects.iter().flat_map(Subject::variants).collect();
    sample(&values.budget()?, &mut variants, observer)?;
    drop(variants);
    tell_fit(&subjects, observer);
    Ok(())
}

/// Tells of the line through the medians; of none where there are no two sizes.
fn tell_fit(subjects: &[Subject], observer: &mut dyn Observer) {
    let points: Vec<_> = subjects.iter().filter_map(Subject::point).collect();
    let Some(line) = Line::through(&points) else { return };
    let mut tell = |name: &str, value: f64| {
        observer.tell(Told::Finding { name, text: &format!("{value:.4}") });
    };
    tell("fit slope ms/MB", line.slope);
    tell("fit intercept ms", line.intercept);
    tell("fit R²", line.r_squared);
    for (subject, residual) in subjects.iter().zip(&line.residuals) {
        tell(&format!("fit residual {} ms", subject.name()), *residual);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn every_size_has_its_stages_and_all_have_a_line() {
        let trial = Trial::of(&WORKLOAD, &[("megabytes", "1,2")]).unwrap();
        assert_eq!(trial.series().count(), 10);
        for size in ["1 MB", "2 MB"] {
            let stages: f64 =
                STAGES.iter().map(|stage| trial.samples(&format!("{size} {stage}"))[0]).sum();
            assert!((stages - trial.samples(size)[0]).abs() < 1e-9, "{size}");
        }
        let slope: f64 = trial.findings["fit slope ms/MB"].parse().unwrap();
        assert!((slope - (trial.median("2 MB") - trial.median("1 MB"))).abs() < 0.01 * slope.abs());
        assert_eq!(trial.findings["fit R²"], "1.0000");
        assert!(
            trial.findings["1 MB"].starts_with("5207 transactions in 99"),
            "{:?}",
            trial.findings
        );
        assert_eq!(trial.findings["fit residual 2 MB ms"].trim_start_matches('-'), "0.0000");
    }

    #[test]
    fn one_size_has_samples_and_no_line() {
        let trial = Trial::of(&WORKLOAD, &[("megabytes", "1")]).unwrap();
        assert_eq!(trial.findings.len(), 1);
    }

    #[test]
    fn a_block_that_is_not_as_made_is_a_failure() {
        let mut subject = Subject::of(1);
        subject.bytes[40] ^= 1;
        let told = subject.stages().unwrap_err().to_string();
        assert!(told.starts_with("block of 1 MB: merkle root"), "{told}");
        subject.bytes.pop();
        assert_eq!(subject.stages().unwrap_err().to_string(), "block of 1 MB: it ends too early");
    }
}
