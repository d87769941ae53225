//! Workload `iblt`: what it takes to find the transactions in which two mempools differ.
//!
//! Both are made into invertible Bloom lookup tables of 48-bit names, [`crate::txid48`]; the difference of the tables gives the
//! transactions that one side lacks. Building hashes every transaction, so it is there that a cheaper hash pays.

mod table;

pub use table::{Difference, Stuck, Table};

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::hash::{FUNCTIONS, Function};
use crate::pattern::id;
use crate::sampling::{Variant, calls_for, sample};
use crate::unit;
use crate::workload::{
    Kind, Observer, Parameter, Run, Series, Stopped, Told, Values, Workload, Wrong,
};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "iblt",
    about: "an invertible Bloom lookup table of transaction ids: built by each hash, subtracted and decoded",
    parameters: &[
        Parameter {
            name: "entries",
            about: "transaction ids in each of the two sets",
            kind: Kind::Number { least: 1, most: 4_000_000 },
            default: "10000,100000,1000000",
            many: true,
        },
        Parameter {
            name: "differences",
            about: "ids that are in one of the two sets only, half in each; at most twice the entries",
            kind: Kind::Number { least: 1, most: 1_000_000 },
            default: "1000",
            many: false,
        },
    ],
    series: Series::Of(series_of),
    rule,
    run: Run::Here(run),
};

/// What can be sampled of a table.
const PARTS: [&str; 2] = ["build", "decode"];

fn series(function: &str, entries: u64, part: &str) -> String {
    format!("{function}/{entries} {part}")
}

fn series_of(values: &Values) -> Vec<(String, &'static str)> {
    let entries = values.numbers("entries").unwrap_or_default();
    let each = entries.into_iter().flat_map(|entries| HASHES.map(|function| (function, entries)));
    let each =
        each.flat_map(|(function, entries)| PARTS.map(|part| series(function, entries, part)));
    each.map(|series| (series, unit::NANOSECONDS)).collect()
}

/// Half of the differences are in the one set, half in the other.
fn rule(values: &Values) -> Result<(), Wrong> {
    let differences = values.number("differences").unwrap_or_default();
    let entries = values.numbers("entries").unwrap_or_default().into_iter().min();
    let entries = entries.unwrap_or_default();
    let least = differences.div_ceil(2);
    if entries >= least {
        return Ok(());
    }
    Err(Wrong {
        keys: ["differences", "entries"],
        message: format!(
            "two sets of {entries} entries cannot have {differences} differences, twice the entries is the most"
        ),
        hint: format!("differences = {} or less, or entries = {least} or more", 2 * entries),
    })
}

/// The hashes compared.
const HASHES: [&str; 2] = ["sha2", "murmur3_x64_128"];

/// The seed of the short names.
const SEED: u64 = 0x6c75_6e6c_6162;

/// Two sets of transaction ids, and in what they differ by the names that one hash gives them.
struct Sets<'a> {
    function: &'a Function,
    ours: &'a [[u8; 32]],
    theirs: &'a [[u8; 32]],
    /// Made once, to be subtracted.
    their_table: Table,
    expected: Difference,
}

impl<'a> Sets<'a> {
    /// The first `entries` ids against the last of as many, with `differences` that are in one set only.
    fn of(
        function: &'a Function,
        txids: &'a [[u8; 32]],
        entries: usize,
        differences: usize,
    ) -> Self {
        let (ours, theirs) = (&txids[..entries], &txids[differences / 2..]);
        let names = |txids: &[[u8; 32]]| {
            let mut names: Vec<_> = txids.iter().map(|txid| function.txid48(SEED, txid)).collect();
            names.sort_unstable();
            names
        };
        let expected =
            Difference { ours: names(&txids[..differences / 2]), theirs: names(&txids[entries..]) };
        let their_table = build(function, theirs, differences);
        Self { function, ours, theirs, their_table, expected }
    }

    fn differences(&self) -> usize {
        self.expected.ours.len() + self.expected.theirs.len()
    }

    fn build(&self) -> Table {
        build(self.function, self.ours, self.differences())
    }

    /// Finds the difference between a table of ours and theirs.
    fn decode(&self, ours: &Table) -> Result<Difference, Stuck> {
        let mut difference = ours.clone();
        difference.subtract(&self.their_table);
        difference.decode()
    }

    fn check(&self, decoded: &Result<Difference, Stuck>) -> Result<(), Stopped> {
        let what = match decoded {
            Ok(found) if *found == self.expected => return Ok(()),
            Ok(found) => {
                format!("{} and {} ids that are not those", found.ours.len(), found.theirs.len())
            }
            Err(stuck) => {
                format!("{} ids, and {} cells could not be decoded", stuck.found, stuck.cells)
            }
        };
        Err(Stopped::Failed(format!(
            "iblt of {} entries by {} in {} cells: {} and {} differ; found {what}",
            self.ours.len().max(self.theirs.len()),
            self.function.name,
            self.their_table.len(),
            self.expected.ours.len(),
            self.expected.theirs.len(),
        )))
    }
}

fn build(function: &Function, txids: &[[u8; 32]], differences: usize) -> Table {
    let mut table = Table::for_differences(differences);
    txids.iter().for_each(|txid| table.add(function.txid48(SEED, txid)));
    table
}

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let budget = values.budget()?;
    let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let differences = number(values.number("differences")?);
    let sizes: Vec<usize> = values.numbers("entries")?.into_iter().map(number).collect();
    rule(values)?;
    let most = sizes.iter().max().copied().unwrap_or_default();
    let txids: Vec<_> = (0..(most + differences) as u64).map(id).collect();
    let functions = || FUNCTIONS.iter().filter(|function| HASHES.contains(&function.name));
    let mut sets = Vec::new();
    for entries in sizes {
        // Half of the differences are ours, the rest theirs.
        let txids = &txids[..entries + differences - differences / 2];
        for function in functions() {
            function.check(40)?;
            sets.push(Sets::of(function, txids, entries, differences));
        }
    }
    let mut variants = Vec::new();
    for sets in &sets {
        variants.extend(measured(sets, budget.sample_time, observer)?);
    }
    sample(&budget, &mut variants, observer)
}

/// Checks one pair of sets, tells of it, and gives what to sample.
fn measured<'a>(
    sets: &'a Sets<'_>,
    sample_time: Duration,
    observer: &mut dyn Observer,
) -> Result<[Variant<'a>; 2], Stopped> {
    let series = |part: &str| series(sets.function.name, sets.ours.len() as u64, part);
    let [built, decoded_in] = PARTS.map(series);
    let table = sets.build();
    let mut decoded = Ok(Difference::default());
    observer.region(&built, &mut || {
        black_box(sets.build());
    });
    observer.region(&decoded_in, &mut || decoded = sets.decode(&table));
    sets.check(&decoded)?;
    let found = format!(
        "{} ids of ours and {} of theirs, out of {} cells of 16 bytes: exactly the difference",
        sets.expected.ours.len(),
        sets.expected.theirs.len(),
        table.len()
    );
    observer.tell(Told::Finding { name: &format!("{decoded_in}d"), text: &found });
    let build = move |calls| {
        let start = Instant::now();
        (0..calls).for_each(|_| drop(black_box(sets.build())));
        Ok(start.elapsed())
    };
    let decode = move |calls| {
        let start = Instant::now();
        for _ in 0..calls {
            sets.check(&black_box(sets.decode(&table)))?;
        }
        Ok(start.elapsed())
    };
    Ok([
        per_entry(built, sets.ours.len(), sample_time, build)?,
        per_entry(decoded_in, sets.differences(), sample_time, decode)?,
    ])
}

/// Nanoseconds for one of so many entries that a call works on.
fn per_entry<'a>(
    series: String,
    entries: usize,
    sample_time: Duration,
    mut time: impl FnMut(u32) -> Result<Duration, Stopped> + 'a,
) -> Result<Variant<'a>, Stopped> {
    let calls = calls_for(sample_time, &mut time)?;
    let each = f64::from(calls) * entries as f64;
    Ok(Variant::new(series, unit::NANOSECONDS, move || Ok(time(calls)?.as_secs_f64() * 1e9 / each)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn each_hash_builds_and_decodes_every_size() {
        let given = [("entries", "1000,3000"), ("differences", "75")];
        let trial = Trial::of(&WORKLOAD, &given).unwrap();
        assert_eq!(trial.series().count(), 8);
        assert!(trial.median("sha2/3000 build") > trial.median("murmur3_x64_128/3000 build"));
        let found = &trial.findings["sha2/3000 decoded"];
        assert!(found.starts_with("37 ids of ours and 38 of theirs, out of 192 cells"), "{found}");
    }

    #[test]
    fn differences_that_the_sets_cannot_have_are_refused() {
        let told = Trial::of(&WORKLOAD, &[("entries", "10,1000"), ("differences", "75")]).err();
        let why =
            "two sets of 10 entries cannot have 75 differences, twice the entries is the most";
        assert_eq!(told, Some(Stopped::Failed(why.into())));
        let judged = |entries, differences| {
            let given = [("entries", entries), ("differences", differences)];
            WORKLOAD.check(&WORKLOAD.values_for_tests(&given)).map_err(|wrong| wrong.hint)
        };
        assert_eq!(judged("10,1000", "20"), Ok(()));
        let hint = "differences = 20 or less, or entries = 11 or more";
        assert_eq!(judged("1000,10", "21"), Err(hint.to_owned()));
    }

    #[test]
    fn a_wrong_decode_is_a_failure_with_its_numbers() {
        let txids: Vec<_> = (0..110).map(id).collect();
        let mut sets = Sets::of(&FUNCTIONS[0], &txids, 100, 20);
        let right = sets.decode(&sets.build());
        assert_eq!(sets.check(&right), Ok(()));
        sets.expected.ours.pop();
        let told = sets.check(&right).unwrap_err().to_string();
        let numbers =
            "iblt of 100 entries by sha2 in 80 cells: 9 and 10 differ; found 10 and 10 ids";
        assert!(told.starts_with(numbers), "{told}");
        let stuck = sets.check(&Err(Stuck { found: 3, cells: 7 })).unwrap_err().to_string();
        assert!(stuck.ends_with("found 3 ids, and 7 cells could not be decoded"), "{stuck}");
    }
}
