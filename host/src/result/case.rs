//! A result as a list of cases, which is what CI systems understand.

use super::document::{Benchmark, Document};
use super::telling::names;

/// One thing that could have gone right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What.
    pub name: String,
    /// Whether it did.
    pub outcome: Outcome,
}

/// Whether a case went right. What was never reached is not a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Passed,
    /// It did not; with a reason, and lines that show it.
    Failed(String, Vec<String>),
    /// It was not tried; with the reason.
    Skipped(String),
}

/// The cases of a result: boot, provisioning where there is a target, each check, each benchmark,
/// and last the verdict, which alone decides.
#[must_use]
pub fn cases(document: &Document) -> Vec<Case> {
    let mut cases = vec![case("boot", boot(document))];
    if document.target.is_some() || document.verdict.includes("provision") {
        cases.push(case("provision", provision(document)));
    }
    cases.extend(document.checks.iter().map(|check| {
        let failed = || Outcome::Failed(check.detail.clone(), Vec::new());
        let outcome = if check.ok { Outcome::Passed } else { failed() };
        case(&format!("check {}", check.name), outcome)
    }));
    let names = names(&document.benchmarks);
    let benchmarks = document.benchmarks.iter().zip(names);
    cases.extend(
        benchmarks.map(|(benchmark, name)| case(&format!("benchmark {name}"), measured(benchmark))),
    );
    cases.push(case("verdict", verdict(document)));
    cases
}

fn case(name: &str, outcome: Outcome) -> Case {
    Case { name: name.to_owned(), outcome }
}

fn boot(document: &Document) -> Outcome {
    let never_tried = ["usage", "environment", "interrupted"];
    if document.reached("channel") {
        Outcome::Passed
    } else if never_tried.contains(&document.verdict.kind.as_str()) {
        Outcome::Skipped(document.verdict.reason.clone())
    } else {
        Outcome::Failed(document.verdict.reason.clone(), Vec::new())
    }
}

fn provision(document: &Document) -> Outcome {
    if document.verdict.includes("provision") {
        Outcome::Failed(document.verdict.reason.clone(), Vec::new())
    } else if document.reached("target-ready") {
        Outcome::Passed
    } else {
        Outcome::Skipped("not reached".to_owned())
    }
}

fn measured(benchmark: &Benchmark) -> Outcome {
    if let Some(first) = benchmark.errors.first() {
        Outcome::Failed(first.clone(), benchmark.errors.clone())
    } else if benchmark.series.iter().all(|series| series.samples.is_empty()) {
        Outcome::Failed("nothing was measured".to_owned(), Vec::new())
    } else {
        Outcome::Passed
    }
}

fn verdict(document: &Document) -> Outcome {
    let verdict = &document.verdict;
    if verdict.kind == "pass" && verdict.exit_code == 0 {
        Outcome::Passed
    } else {
        let reason = format!("{}: {}", verdict.kind, verdict.reason);
        Outcome::Failed(reason, verdict.lines.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::document::tests::passed;

    fn outcome(document: &Document, name: &str) -> Option<Outcome> {
        cases(document).into_iter().find(|case| case.name == name).map(|case| case.outcome)
    }

    #[test]
    fn a_passed_run_passes_in_all_its_cases() {
        let cases = cases(&passed());
        let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(
            names,
            ["boot", "provision", "check capacity of LUN 0", "benchmark hash", "verdict"]
        );
        assert!(cases.iter().all(|case| case.outcome == Outcome::Passed));
    }

    #[test]
    fn what_was_not_reached_or_not_measured_never_passes() {
        let mut document = passed();
        document.timeline.clear();
        document.benchmarks[0].series[0].samples.clear();
        document.verdict.kind = "panic".into();
        document.verdict.exit_code = 5;
        for name in ["boot", "provision", "benchmark hash", "verdict"] {
            assert_ne!(outcome(&document, name), Some(Outcome::Passed), "{name}");
        }
        document.verdict.kind = "environment".into();
        assert!(matches!(outcome(&document, "boot"), Some(Outcome::Skipped(_))));
    }

    #[test]
    fn a_run_without_target_has_no_provisioning() {
        let mut document = passed();
        document.target = None;
        assert_eq!(outcome(&document, "provision"), None);
        document.verdict.also.push("provision".into());
        assert!(matches!(outcome(&document, "provision"), Some(Outcome::Failed(..))));
    }
}
