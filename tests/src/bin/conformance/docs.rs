//! That `docs/conformance.md` explains what the committed baselines have, all of it and no more.
//!
//! A row is: tests, as patterns between backquotes; backstores, `all` or names; verdict and
//! reason's key, as the baseline has them; whose it is; why.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::baseline::{Baseline, Outcomes};
use crate::listing::Filter;
use crate::outcome::{Outcome, Verdict};

const DOCS: &str = include_str!("../../../../docs/conformance.md");

/// A row of the table.
#[derive(Debug)]
struct Row<'a> {
    patterns: Vec<Filter>,
    backstores: Vec<&'a str>,
    outcome: String,
    whose: &'a str,
    why: &'a str,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
        let [tests, backstores, outcome, whose, why, ""] = cells[..] else {
            panic!("not a row: {line}");
        };
        let patterns = tests.split(',').map(|each| Filter::new(each.trim().trim_matches('`')));
        Some(Self {
            patterns: patterns.collect(),
            backstores: backstores.split(", ").collect(),
            outcome: outcome.replace('`', ""),
            whose,
            why,
        })
    }

    fn is_of(&self, backstore: &str) -> bool {
        self.backstores.iter().any(|each| *each == "all" || *each == backstore)
    }

    fn explains(&self, backstore: &str, name: &str, outcome: &Outcome) -> bool {
        self.is_of(backstore)
            && self.outcome == outcome.to_string()
            && self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

fn rows() -> Vec<Row<'static>> {
    DOCS.lines().filter_map(Row::parse).collect()
}

/// What is to be explained, by backstore.
fn to_explain() -> BTreeMap<String, Outcomes> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/baseline/6.1");
    let files = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let baselines = files.map(|file| {
        let mut outcomes = Baseline::parse(&fs::read_to_string(&file).unwrap()).unwrap().outcomes;
        outcomes.retain(|_, outcome| outcome.verdict != Verdict::Pass);
        (file.file_stem().unwrap().to_str().unwrap().to_owned(), outcomes)
    });
    baselines.collect()
}

#[test]
fn each_failure_and_skip_in_a_baseline_is_explained_once() {
    let rows = rows();
    for (backstore, outcomes) in to_explain() {
        for (name, outcome) in &outcomes {
            let n = rows.iter().filter(|row| row.explains(&backstore, name, outcome)).count();
            assert_eq!(n, 1, "{backstore}: {name} {outcome}");
        }
    }
}

#[test]
fn each_explanation_is_of_something_in_each_baseline_it_names() {
    let all = to_explain();
    for row in rows() {
        assert!(["kernel", "tool", "us"].contains(&row.whose), "{row:#?}");
        assert!(row.why.len() > 10, "{row:#?}");
        for (backstore, outcomes) in all.iter().filter(|(backstore, _)| row.is_of(backstore)) {
            for pattern in &row.patterns {
                let mut those = outcomes.iter().filter(|(name, _)| pattern.matches(name));
                let explains = those.any(|(name, outcome)| row.explains(backstore, name, outcome));
                assert!(explains, "{backstore} has nothing like {pattern:?} of {row:#?}");
            }
        }
        let known = |name: &&str| *name == "all" || all.contains_key(*name);
        assert!(row.backstores.iter().all(known), "{row:#?}");
    }
}

#[test]
fn the_baselines_keep_what_was_promised() {
    let failures = |backstore: &str| {
        let outcomes = &to_explain()[backstore];
        let failed = outcomes.iter().filter(|(name, _)| name.starts_with("SCSI."));
        failed.filter(|(_, outcome)| outcome.verdict == Verdict::Fail).count()
    };
    assert!(failures("fileio") <= 9, "{}", failures("fileio"));
    assert!(failures("ramdisk") <= 17, "{}", failures("ramdisk"));
    for (backstore, outcomes) in to_explain() {
        assert!(outcomes.values().all(|outcome| outcome.verdict != Verdict::Hang), "{backstore}");
    }
}
