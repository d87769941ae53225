//! What each test came to when somebody last looked, and how that differs from now.
//!
//! One line a test: its name, the verdict, and for all but a pass the reason's key. A test that
//! came to something else is a difference, be it better or worse: a baseline that is not true any
//! more hides the next change.

use std::collections::BTreeMap;
use std::fmt;

use crate::outcome::{Outcome, Verdict};

/// Outcomes by test.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// A baseline as it is in its file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// What the file is about, in lines that begin with `#`.
    pub(crate) about: Vec<String>,
    pub(crate) outcomes: Outcomes,
}

/// A line that is not one of a baseline's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine(usize);

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: not `TEST VERDICT REASON`, the reason left out for a pass", self.0)
    }
}

impl std::error::Error for BadLine {}

impl Baseline {
    pub(crate) fn parse(text: &str) -> Result<Self, BadLine> {
        let mut baseline = Self::default();
        for (index, line) in text.lines().enumerate() {
            if let Some(about) = line.strip_prefix('#') {
                baseline.about.push(about.trim().to_owned());
            } else if !line.trim().is_empty() {
                let (name, outcome) = entry(line).ok_or(BadLine(index + 1))?;
                if baseline.outcomes.insert(name, outcome).is_some() {
                    return Err(BadLine(index + 1));
                }
            }
        }
        Ok(baseline)
    }

    /// With these outcomes instead of those that were there.
    pub(crate) fn updated(mut self, about: Vec<String>, outcomes: Outcomes) -> Self {
        self.about = about;
        self.outcomes.extend(outcomes);
        self
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.about {
            writeln!(f, "# {line}")?;
        }
        for (name, outcome) in &self.outcomes {
            writeln!(f, "{}", format!("{name} {outcome}").trim_end())?;
        }
        Ok(())
    }
}

fn entry(line: &str) -> Option<(String, Outcome)> {
    let mut words = line.split_whitespace();
    let (name, verdict) = (words.next()?, words.next()?.parse().ok()?);
    let reason = words.next().unwrap_or_default();
    let complete = reason.is_empty() == (verdict == Verdict::Pass) && words.next().is_none();
    // What came to no result says nothing about the kernel.
    let meaningful = verdict != Verdict::Error;
    (complete && meaningful).then(|| (name.to_owned(), Outcome::new(verdict, reason)))
}

/// Which way a test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// A pass that became a skip, a skip that became a failure, …
    Worse,
    /// A failure that became a pass, …
    Better,
    /// The same verdict for another reason; a test that is new, or gone.
    Other,
}

/// A test that did not come to what the baseline says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) name: String,
    /// What the baseline says; none for a test that it does not have.
    pub(crate) was: Option<Outcome>,
    /// What it came to; none for a test that there is not any more.
    pub(crate) is: Option<Outcome>,
}

impl Difference {
    pub(crate) fn direction(&self) -> Direction {
        let (Some(was), Some(is)) = (&self.was, &self.is) else { return Direction::Other };
        match is.verdict.cmp(&was.verdict) {
            std::cmp::Ordering::Greater => Direction::Worse,
            std::cmp::Ordering::Less => Direction::Better,
            std::cmp::Ordering::Equal => Direction::Other,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = |outcome: &Option<Outcome>, none: &str| {
            let text = outcome.as_ref().map_or(none.to_owned(), Outcome::to_string);
            text.trim_end().to_owned()
        };
        let (was, is) = (say(&self.was, "not in the baseline"), say(&self.is, "no such test"));
        write!(f, "{}: {was} -> {is}", self.name)
    }
}

/// All that is not as the baseline says, of those tests that were asked for.
pub(crate) fn compare(
    baseline: &Outcomes,
    now: &Outcomes,
    asked_for: impl Fn(&str) -> bool,
) -> Vec<Difference> {
    let mut names: Vec<&String> = baseline.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    let differences = names.into_iter().filter(|name| asked_for(name)).filter_map(|name| {
        let (was, is) = (baseline.get(name).cloned(), now.get(name).cloned());
        (was != is).then(|| Difference { name: name.clone(), was, is })
    });
    differences.collect()
}

#[cfg(test)]
mod tests {
    use super::{Baseline, Direction, Outcomes, compare};

    const TEXT: &str = "\
# kernel 6.1.0-56-cloud-amd64
SCSI.A.Fails fail test_a.c:1,2
SCSI.A.Passes pass
SCSI.A.Skips skip orwrite-not-implemented
";

    fn outcomes(lines: &str) -> Outcomes {
        Baseline::parse(lines).unwrap().outcomes
    }

    #[test]
    fn a_baseline_is_read_as_it_is_written() {
        let baseline = Baseline::parse(TEXT).unwrap();
        assert_eq!(baseline.to_string(), TEXT);
        assert_eq!(baseline.outcomes.len(), 3);
    }

    #[test]
    fn a_line_that_is_none_is_refused_by_number() {
        for bad in [
            "A",
            "A passed",
            "A pass because",
            "A fail",
            "A fail x y",
            "A error exit-255",
            "SCSI.A.Passes pass",
        ] {
            let refused = Baseline::parse(&format!("{TEXT}{bad}\n")).unwrap_err().to_string();
            assert!(refused.starts_with("line 5: "), "{bad}: {refused}");
        }
    }

    #[test]
    fn the_same_outcomes_are_no_difference() {
        let now = outcomes(TEXT);
        assert_eq!(compare(&now, &now, |_| true), []);
    }

    #[test]
    fn every_change_is_a_difference_and_its_direction_is_told() {
        let was = outcomes(TEXT);
        let told = |now: &str| {
            let differences = compare(&was, &outcomes(now), |_| true);
            let told = differences.iter().map(|each| (each.direction(), each.to_string()));
            told.collect::<Vec<_>>()
        };
        let one = |now: &str, direction, text: &str| {
            assert_eq!(told(now), [(direction, text.to_owned())]);
        };
        one(
            &TEXT.replace("fail test_a.c:1,2", "pass"),
            Direction::Better,
            "SCSI.A.Fails: fail test_a.c:1,2 -> pass",
        );
        one(
            &TEXT.replace("Passes pass", "Passes skip x"),
            Direction::Worse,
            "SCSI.A.Passes: pass -> skip x",
        );
        one(
            &TEXT.replace("skip orwrite-not-implemented", "hang deadline"),
            Direction::Worse,
            "SCSI.A.Skips: skip orwrite-not-implemented -> hang deadline",
        );
        one(
            &TEXT.replace(":1,2", ":2"),
            Direction::Other,
            "SCSI.A.Fails: fail test_a.c:1,2 -> fail test_a.c:2",
        );
        one(
            &TEXT.replace("SCSI.A.Passes pass\n", ""),
            Direction::Other,
            "SCSI.A.Passes: pass -> no such test",
        );
        one(
            &format!("{TEXT}SCSI.B.New pass\n"),
            Direction::Other,
            "SCSI.B.New: not in the baseline -> pass",
        );
        assert_eq!(told("").len(), 3);
    }

    #[test]
    fn what_was_not_asked_for_is_not_compared_and_not_lost() {
        let was = Baseline::parse(TEXT).unwrap();
        let now = outcomes("SCSI.A.Passes pass\n");
        assert_eq!(compare(&was.outcomes, &now, |name| name == "SCSI.A.Passes"), []);
        let now = outcomes("SCSI.A.Passes skip x\n");
        let updated = was.updated(vec!["kernel 6.2".to_owned()], now).to_string();
        assert_eq!(
            updated,
            "# kernel 6.2\nSCSI.A.Fails fail test_a.c:1,2\nSCSI.A.Passes skip x\n\
             SCSI.A.Skips skip orwrite-not-implemented\n"
        );
    }
}
