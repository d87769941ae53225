//! What one test came to, decided from what the tool left.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::report::Report;

/// What one test came to; better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Everything in it was tried, and held.
    Pass,
    /// It was not tried, or not all of it.
    Skip,
    /// An assertion did not hold.
    Fail,
    /// It was not over at its deadline.
    Hang,
    /// The tool did not come to a result: no target, no such test, a crash of its own.
    Error,
}

/// All of them.
pub(crate) const VERDICTS: [Verdict; 5] =
    [Verdict::Pass, Verdict::Skip, Verdict::Fail, Verdict::Hang, Verdict::Error];

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Fail => "fail",
            Self::Hang => "hang",
            Self::Error => "error",
        })
    }
}

impl FromStr for Verdict {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        VERDICTS.into_iter().find(|verdict| verdict.to_string() == word).ok_or(())
    }
}

/// A verdict and a short key for its reason, without blanks; empty for a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
}

impl Outcome {
    pub(crate) fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verdict, self.reason)?;
        Ok(())
    }
}

/// How the tool's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exit(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// It was killed at its deadline.
    Deadline,
}

/// Decides what a test came to: from how its process ended, its standard output and its report.
///
/// The tool counts a skip as a pass; only its text tells. Its exit status is 0 also when it ran
/// nothing, so the report must agree with it.
pub(crate) fn classify(end: End, stdout: &str, xml: Option<&str>) -> Outcome {
    let error = |reason: &str| Outcome::new(Verdict::Error, reason);
    let status = match end {
        End::Deadline => return Outcome::new(Verdict::Hang, "deadline"),
        End::Signal(signal) => return error(&format!("signal-{signal}")),
        End::Exit(status @ (0 | 1)) => status,
        End::Exit(status) => return error(&format!("exit-{status}")),
    };
    let Some(report) = xml.and_then(Report::parse) else { return error("no-report") };
    match (report.run, report.failed_at.is_empty(), status) {
        (1, true, 0) => passed_or_skipped(stdout),
        (1, false, 1) => Outcome::new(Verdict::Fail, places(&report.failed_at)),
        (1, ..) => error("exit-and-report-disagree"),
        (0, ..) => error("no-test-ran"),
        _ => error("several-tests-ran"),
    }
}

fn passed_or_skipped(stdout: &str) -> Outcome {
    let skips: BTreeSet<String> = said_by_test(stdout).filter_map(skipped).map(key).collect();
    if skips.is_empty() {
        return Outcome::new(Verdict::Pass, "");
    }
    Outcome::new(Verdict::Skip, skips.into_iter().collect::<Vec<_>>().join("+"))
}

/// Where the tool gives up on a test without its mark for that.
const UNMARKED: [&str; 2] = ["SWP is not changeable", "LBPRZ is clear. Skip"];

/// Why something was skipped, when this line says so.
fn skipped(line: &str) -> Option<&str> {
    let line = line.trim();
    let unmarked = UNMARKED.iter().any(|start| line.starts_with(start));
    let marked = line.strip_prefix("[SKIPPED]").or(line.strip_prefix("[SKIPPING]"));
    marked.or(unmarked.then_some(line))
}

/// What the test itself said. Before, the tool asks the target what it can, which gives a skip of
/// its own where REPORT SUPPORTED OPERATION CODES is missing; an empty line ends that.
fn said_by_test(stdout: &str) -> impl Iterator<Item = &str> {
    stdout.lines().skip_while(|line| !line.is_empty())
}

/// A sentence as a key: its words in small letters, without those that say nothing, and without
/// who says so.
fn key(sentence: &str) -> String {
    let sentence = sentence.split(" according to ").next().unwrap_or_default();
    const EMPTY: [&str; 5] = ["is", "the", "test", "skipping", "for"];
    let words = sentence.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    let words = words.filter(|word| !word.is_empty() && !EMPTY.contains(&word.as_str()));
    words.collect::<Vec<_>>().join("-")
}

/// `file.c:1,2,other.c:3`
fn places(places: &BTreeSet<(String, u32)>) -> String {
    let mut last = "";
    let words = places.iter().map(|(file, line)| {
        let same = std::mem::replace(&mut last, file) == file;
        if same { line.to_string() } else { format!("{file}:{line}") }
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{End, Outcome, VERDICTS, Verdict, classify};

    const PASS: &str = include_str!("fixtures/pass.xml");
    const FAIL: &str = include_str!("fixtures/fail.xml");
    const NONE: &str = include_str!("fixtures/no-test.xml");

    /// What the tool says before any test of its own, on a kernel without the command.
    const SET_UP: &str = "    [SKIPPED] REPORT_SUPPORTED_OPCODES is not implemented.\n\n";

    #[track_caller]
    fn comes_to(end: End, said: &str, xml: Option<&str>, verdict: Verdict, reason: &str) {
        let outcome = classify(end, &format!("{SET_UP}{said}"), xml);
        assert_eq!(outcome, Outcome::new(verdict, reason));
    }

    #[test]
    fn the_tools_own_skip_before_the_test_does_not_count() {
        comes_to(End::Exit(0), "", Some(PASS), Verdict::Pass, "");
        let outcome = classify(End::Exit(0), "\n", Some(PASS));
        assert_eq!(outcome.verdict, Verdict::Pass, "a kernel that has the command");
    }

    #[test]
    fn a_skip_is_no_pass() {
        let said = "    [SKIPPED] Logical unit is fully provisioned. Skipping test\n";
        let reason = "logical-unit-fully-provisioned";
        comes_to(End::Exit(0), said, Some(PASS), Verdict::Skip, reason);
        let again = "    [SKIPPED] REPORT_SUPPORTED_OPCODES is not implemented.\n";
        let reason = "report-supported-opcodes-not-implemented";
        comes_to(End::Exit(0), &format!("{again}{again}"), Some(PASS), Verdict::Skip, reason);
        let says = "    [SKIPPED] SANITIZE OVERWRITE is not implemented according to X.\n";
        comes_to(
            End::Exit(0),
            says,
            Some(PASS),
            Verdict::Skip,
            "sanitize-overwrite-not-implemented",
        );
        let unmarked = "    SWP is not changeable\n";
        comes_to(End::Exit(0), unmarked, Some(PASS), Verdict::Skip, "swp-not-changeable");
        let two = "    [SKIPPED] ORWRITE is not implemented.\n    [SKIPPED] A\n";
        comes_to(End::Exit(0), two, Some(PASS), Verdict::Skip, "a+orwrite-not-implemented");
    }

    #[test]
    fn a_failed_assertion_is_a_failure_with_its_places_whatever_was_skipped() {
        let said = "    [FAILED] wrong sense\n    [SKIPPED] the rest\n";
        let reason = "test_compareandwrite_simple.c:71,123";
        comes_to(End::Exit(1), said, Some(FAIL), Verdict::Fail, reason);
        let passed = "    [FAILED] PRIN command: failed with sense. RESERVATION CONFLICT\n";
        comes_to(End::Exit(0), passed, Some(PASS), Verdict::Pass, "");
    }

    #[test]
    fn nothing_run_is_an_error_though_the_status_is_0() {
        comes_to(End::Exit(0), "", Some(NONE), Verdict::Error, "no-test-ran");
        comes_to(End::Exit(0), "", None, Verdict::Error, "no-report");
        comes_to(End::Exit(0), "", Some(&PASS[..300]), Verdict::Error, "no-report");
    }

    #[test]
    fn status_and_report_must_agree() {
        comes_to(End::Exit(1), "", Some(PASS), Verdict::Error, "exit-and-report-disagree");
        comes_to(End::Exit(0), "", Some(FAIL), Verdict::Error, "exit-and-report-disagree");
        let two = PASS.replace("<RUN> 1 </RUN>", "<RUN> 2 </RUN>");
        comes_to(End::Exit(0), "", Some(&two), Verdict::Error, "several-tests-ran");
    }

    #[test]
    fn no_target_a_crash_and_a_hang_are_told_apart() {
        comes_to(End::Exit(255), "", None, Verdict::Error, "exit-255");
        comes_to(End::Exit(10), "", None, Verdict::Error, "exit-10");
        comes_to(End::Signal(11), "", None, Verdict::Error, "signal-11");
        comes_to(End::Deadline, "", Some(PASS), Verdict::Hang, "deadline");
    }

    #[test]
    fn verdicts_are_read_as_they_are_written() {
        for verdict in VERDICTS {
            assert_eq!(verdict.to_string().parse(), Ok(verdict));
        }
        assert_eq!("passed".parse::<Verdict>(), Err(()));
    }
}
