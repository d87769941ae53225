//! Workload `sighash`: what is hashed to check the signatures of one huge transaction, in several ways.
//!
//! For each input all of the transaction is hashed, so that the bytes grow with the square of the inputs: the transaction
//! of 5,570 inputs that a block had in July 2015 took 25 seconds to check.

mod case;
mod lanes;
mod message;
mod shared;
mod way;

pub use case::{CASES, Case};
pub use lanes::LANES;
pub use message::{Blanked, Unsigned};
pub use way::{Hash, Signed, Way, cpus};

use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use bitcoin_hashes::sha256d;
use sha2::{Digest as _, Sha256};

use crate::sampling::{Variant, sample};
use crate::statistics::Summary;
use crate::unit;
use crate::workload::{
    Kind, Observer, Parameter, Run, Series, Stopped, Told, Values, Workload, Wrong,
};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "sighash",
    about: "legacy signature hashing of one huge transaction: copied, in place, from midstates, in lanes, on all CPUs",
    parameters: &[
        Parameter {
            name: "case",
            about: "the transaction: 5,570 inputs, or the worst of 1 MB or 8 MB",
            kind: Kind::Word(&["mega", "worst-1mb", "worst-8mb"]),
            default: "mega",
            many: false,
        },
        Parameter {
            name: "inputs_measured",
            about: "for how many inputs a sample hashes, in groups of 32, at least one for each CPU; the rest is extrapolated",
            kind: Kind::Number { least: 1, most: 1_000_000 },
            default: "32",
            many: false,
        },
    ],
    series: Series::Always(&[
        ("plain", unit::GIGABYTES),
        ("copy", unit::GIGABYTES),
        ("copy time", unit::MILLISECONDS),
        ("copy ratio", unit::RATIO),
        ("in-place", unit::GIGABYTES),
        ("in-place time", unit::MILLISECONDS),
        ("in-place ratio", unit::RATIO),
        ("midstate", unit::GIGABYTES),
        ("midstate time", unit::MILLISECONDS),
        ("midstate ratio", unit::RATIO),
        ("in-turns", unit::GIGABYTES),
        ("in-turns time", unit::MILLISECONDS),
        ("in-turns ratio", unit::RATIO),
        ("lanes", unit::GIGABYTES),
        ("lanes time", unit::MILLISECONDS),
        ("lanes ratio", unit::RATIO),
        ("parallel", unit::GIGABYTES),
        ("parallel time", unit::MILLISECONDS),
        ("parallel ratio", unit::RATIO),
        ("parallel-lanes", unit::GIGABYTES),
        ("parallel-lanes time", unit::MILLISECONDS),
        ("parallel-lanes ratio", unit::RATIO),
    ]),
    rule,
    run: Run::Here(run),
};

/// No more inputs than the transaction has.
fn rule(values: &Values) -> Result<(), Wrong> {
    let case = CASES.iter().find(|case| case.name == values.text("case"));
    let most = case.map_or(u64::MAX, |case| case.inputs as u64);
    let measured = values.number("inputs_measured").unwrap_or_default();
    if measured <= most {
        return Ok(());
    }
    let name = values.text("case");
    Err(Wrong {
        keys: ["inputs_measured", "case"],
        message: format!("{measured} inputs are more than {name} has, which is {most}"),
        hint: format!("inputs_measured = {most} or less"),
    })
}

/// What is measured: some inputs of a transaction, with the digests they must have.
struct Subject {
    unsigned: Unsigned,
    inputs: Vec<usize>,
    expected: Vec<[u8; 32]>,
    /// What is hashed for one input.
    message: Vec<u8>,
    blanked: Blanked,
}

impl Subject {
    fn of(case: &Case, measured: usize) -> Self {
        let unsigned = case.transaction();
        let inputs = spread(unsigned.scripts.len(), measured.max(LANES * cpus()));
        // The slow way, and by another library than the ways measured.
        let digest = |input: &usize| sha256d::hash(&unsigned.message(*input)).to_byte_array();
        let expected = inputs.iter().map(digest).collect();
        let (message, blanked) = (unsigned.message(0), Blanked::of(&unsigned));
        Self { unsigned, inputs, expected, message, blanked }
    }

    /// Bytes that are hashed for all inputs where nothing is saved.
    fn bytes(&self) -> u64 {
        self.message.len() as u64 * self.unsigned.scripts.len() as u64
    }

    /// Hashes for the inputs measured, group by group, each right after plain hashing of as many messages: what disturbs
    /// the machine disturbs both. A group takes longer than a message, and is held against the message in the middle.
    fn measure(&self, way: Way) -> Result<Measured, Stopped> {
        let start = Instant::now();
        let hash = way.prepare(&self.unsigned);
        let prepared = start.elapsed().as_secs_f64();
        let mut measured = Measured { prepared, ..Measured::default() };
        for group in self.inputs.chunks(way.group().unwrap_or(usize::MAX)) {
            let messages: Vec<f64> = group.iter().map(|_| self.plain_seconds()).collect();
            let plain: f64 = messages.iter().sum();
            let start = Instant::now();
            let signed = hash(group);
            let took = start.elapsed().as_secs_f64();
            self.check(way, group, signed)?;
            measured.plain += plain;
            measured.hashed += took;
            // Compared by the byte, since groups differ in what is saved.
            let undisturbed = match way.group() {
                Some(_) => median(&messages) * messages.len() as f64,
                None => plain,
            };
            measured.by_byte.push(undisturbed / took * self.part_hashed(way, group));
        }
        let all: Vec<usize> = (0..self.unsigned.scripts.len()).collect();
        measured.saving = 1.0 / self.part_hashed(way, &all);
        Ok(measured.scaled(all.len() as f64 / self.inputs.len() as f64))
    }

    /// The part of the inputs' messages that is hashed for each input.
    fn part_hashed(&self, way: Way, inputs: &[usize]) -> f64 {
        if !way.saves() {
            return 1.0;
        }
        let saved: usize = inputs.iter().map(|input| self.saved(*input)).sum();
        1.0 - saved as f64 / (self.message.len() * inputs.len()) as f64
    }

    /// Bytes before an input's script: whole blocks of SHA-256.
    fn saved(&self, input: usize) -> usize {
        self.blanked.script_at(input) / 64 * 64
    }

    fn check(&self, way: Way, group: &[usize], mut signed: Vec<Signed>) -> Result<(), Stopped> {
        signed.sort_unstable();
        let right = |input: &usize| {
            let at = self.inputs.binary_search(input).ok()?;
            Some((*input, *self.expected.get(at)?))
        };
        let wrong =
            group.iter().zip(0..).find(|(input, at)| signed.get(*at).copied() != right(input));
        wrong.map_or(Ok(()), |(input, _)| {
            Err(Stopped::Failed(format!("sighash {}: wrong digest for input {input}", way.name())))
        })
    }

    /// Seconds to hash a message that lies ready.
    fn plain_seconds(&self) -> f64 {
        let start = Instant::now();
        black_box(Sha256::digest(black_box(&self.message)));
        start.elapsed().as_secs_f64()
    }
}

fn median(numbers: &[f64]) -> f64 {
    Summary::of(numbers).map_or(0.0, |summary| summary.median)
}

/// Seconds of one sample.
#[derive(Default)]
struct Measured {
    /// What is done once for a transaction.
    prepared: f64,
    /// What is done for each input.
    hashed: f64,
    /// Plain hashing of as many messages.
    plain: f64,
    /// Speed against plain hashing for each byte that is hashed, in each group.
    by_byte: Vec<f64>,
    /// All bytes for each byte that is hashed.
    saving: f64,
}

impl Measured {
    fn scaled(self, scale: f64) -> Self {
        Self { hashed: self.hashed * scale, plain: self.plain * scale, ..self }
    }

    fn seconds(&self) -> f64 {
        self.prepared + self.hashed
    }

    /// Speed against plain hashing of all messages: from the group in the middle, so that a few disturbed ones do not
    /// matter; what is prepared counts too.
    fn ratio(&self) -> f64 {
        1.0 / (1.0 / (median(&self.by_byte) * self.saving) + self.prepared / self.plain)
    }
}

/// Groups of as many inputs as there are lanes, evenly spread over all.
fn spread(all: usize, measured: usize) -> Vec<usize> {
    if measured.next_multiple_of(LANES) >= all {
        return (0..all).collect();
    }
    let groups = measured.div_ceil(LANES);
    let share = all / groups;
    let first = |group| group * share + (share - LANES) / 2;
    (0..groups).flat_map(|group| first(group)..first(group) + LANES).collect()
}

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let name = values.text("case");
    let case = CASES.iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| Stopped::Failed(format!("sighash has no case {name}")))?;
    run_case(case, values, observer)
}

fn run_case(case: &Case, values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let measured = usize::try_from(values.number("inputs_measured")?).unwrap_or(usize::MAX);
    let subject = Subject::of(case, measured);
    tell_figures(&subject, observer);
    for way in Way::ALL {
        let hash = way.prepare(&subject.unsigned);
        let mut signed = Vec::new();
        observer.region(way.name(), &mut || signed = hash(&subject.inputs));
        subject.check(way, &subject.inputs, signed)?;
    }
    observer.tell(Told::Finding {
        name: "digests",
        text: "every way gives those of another library over serialized copies",
    });
    let taken = [const { Cell::new([0.0; 3]) }; Way::ALL.len()];
    sample(&values.budget()?, &mut variants(&subject, &taken), observer)
}

/// One sample of each way, and what follows from it without measuring.
fn variants<'a>(
    subject: &'a Subject,
    taken: &'a [Cell<[f64; 3]>; Way::ALL.len()],
) -> Vec<Variant<'a>> {
    let gigabytes = move |seconds: f64| subject.bytes() as f64 / 1e9 / seconds;
    let mut variants = Vec::new();
    for (way, taken) in Way::ALL.into_iter().zip(taken) {
        variants.push(Variant::new(way.name(), unit::GIGABYTES, move || {
            let measured = subject.measure(way)?;
            taken.set([measured.seconds(), measured.ratio(), measured.plain]);
            Ok(gigabytes(measured.seconds()))
        }));
        let series = |what| format!("{} {what}", way.name());
        let seconds = || Ok(taken.get()[0] * 1e3);
        variants.push(Variant::new(series("time"), unit::MILLISECONDS, seconds));
        variants.push(Variant::new(series("ratio"), unit::RATIO, || Ok(taken.get()[1])));
        if way == Way::InPlace {
            let plain = move || Ok(gigabytes(taken.get()[2]));
            variants.push(Variant::new("plain", unit::GIGABYTES, plain));
        }
    }
    variants
}

fn tell_figures(subject: &Subject, observer: &mut dyn Observer) {
    let all = subject.unsigned.scripts.len();
    let of = match subject.inputs.len() {
        measured if measured == all => format!("all {all}"),
        measured => {
            format!("{measured} of {all}: times and rates are extrapolated to all from these")
        }
    };
    let saved: usize = (0..all).map(|input| subject.saved(input)).sum();
    for (name, text) in [
        ("inputs measured", of),
        ("bytes hashed", subject.bytes().to_string()),
        ("bytes of a message", subject.message.len().to_string()),
        ("bytes hashed from midstates", (subject.bytes() - saved as u64).to_string()),
        (
            "bytes a rate counts",
            "those of all messages, also where a way need not hash them".to_owned(),
        ),
        ("CPUs", cpus().to_string()),
        ("lanes by", vectors()),
    ] {
        observer.tell(Told::Finding { name, text: &text });
    }
}

/// Which vectors of the processor's the lanes are in: `Avx512`, `Sse2`.
fn vectors() -> String {
    let level = format!("{:?}", fearless_simd::Level::new());
    level.split('(').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn inputs_measured_are_groups_spread_over_all() {
        assert_eq!(spread(40, 64), (0..40).collect::<Vec<_>>());
        assert_eq!(spread(33, 1), (0..32).collect::<Vec<_>>());
        for (all, measured) in [(100, 90), (5570, 64), (3300, 3200), (22_500, 33)] {
            let inputs = spread(all, measured);
            assert_eq!(inputs.len(), usize::min(measured.next_multiple_of(LANES), all));
            assert!(inputs.is_sorted_by(|a, b| a < b) && inputs.iter().all(|input| *input < all));
            let middle = inputs.iter().sum::<usize>() / inputs.len();
            assert!(middle.abs_diff(all / 2) <= LANES, "{all} {measured}: {middle}");
        }
    }

    /// Small enough for a program that is not optimized, and large enough not to be measured whole.
    const SMALL: Case = Case { name: "small", inputs: 300, outputs: 340 };

    #[test]
    fn every_series_that_is_promised_is_told() {
        let run = Run::Here(|values, observer| run_case(&SMALL, values, observer));
        let trial = Trial::of(&Workload { run, ..WORKLOAD }, &[]).unwrap();
        let mut promised: Vec<_> = WORKLOAD.series.with(&Values::default());
        promised.sort_unstable();
        let told: Vec<_> =
            trial.series().map(|series| (series.to_owned(), trial.unit(series))).collect();
        assert_eq!(told, promised);
        if cpus() * LANES < 300 {
            assert!(
                trial.findings["inputs measured"].contains(" of 300: "),
                "{:?}",
                trial.findings
            );
        }
        // 300 messages of the inputs without scripts, one script, and 340 bytes of outputs.
        let message = 4 + 3 + 300 * 41 + 25 + 1 + 340 + 4 + 4;
        assert_eq!(trial.findings["bytes hashed"], (300 * message).to_string());
        assert_eq!(trial.regions.len(), Way::ALL.len());
    }

    #[test]
    fn a_wrong_digest_is_a_failure_that_names_the_input() {
        let mut subject = Subject::of(&SMALL, 1);
        subject.expected[1][0] ^= 1;
        let input = subject.inputs[1];
        let wrong = format!("sighash in-place: wrong digest for input {input}");
        assert_eq!(subject.measure(Way::InPlace).err(), Some(Stopped::Failed(wrong)));
        subject.expected.pop();
        assert!(subject.measure(Way::ParallelLanes).is_err());
    }

    #[test]
    fn a_ratio_counts_what_is_saved_and_what_is_prepared() {
        let measured = Measured {
            prepared: 0.0,
            hashed: 1.0,
            plain: 1.0,
            by_byte: vec![0.1, 1.0, 1.0],
            saving: 2.0,
        };
        assert_eq!(measured.ratio(), 2.0);
        assert_eq!(Measured { prepared: 0.5, ..measured }.ratio(), 1.0);
    }

    #[test]
    fn there_is_no_case_of_another_name() {
        assert!(Trial::of(&WORKLOAD, &[("case", "x")]).is_err());
        let Kind::Word(names) = WORKLOAD.parameters[0].kind else { panic!() };
        assert!(CASES.iter().map(|case| case.name).eq(names.iter().copied()));
    }
}
