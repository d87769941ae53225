//! `junit.xml`.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::case::{Outcome, cases};
use super::document::Document;

/// The result as one JUnit suite. What XML cannot hold is left out of guest text.
///
/// # Errors
/// When the XML cannot be written, which memory alone decides.
pub fn to_junit(document: &Document) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("lunlab");
    suite.set_time(milliseconds(document.duration_ms));
    suite.add_property(("run_id", document.run_id.as_str()));
    if let Some(release) = document.kernel.as_ref().and_then(|kernel| kernel.release.as_deref()) {
        suite.add_property(("kernel", release));
    }
    for case in cases(document) {
        let mut test = TestCase::new(case.name, status(&case.outcome));
        test.set_classname("lunlab.run");
        suite.add_test_case(test);
    }
    let mut report = Report::new("lunlab");
    report.add_test_suite(suite);
    report.to_string()
}

fn status(outcome: &Outcome) -> TestCaseStatus {
    match outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
        Outcome::Failed(reason, lines) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(reason.as_str());
            if !lines.is_empty() {
                status.set_description(lines.join("\n"));
            }
            status
        }
    }
}

fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::document::tests::passed;

    #[test]
    fn the_suite_counts_what_failed_and_what_was_skipped() {
        let mut document = passed();
        let xml = to_junit(&document).unwrap();
        assert!(xml.contains("tests=\"5\" skipped=\"0\" errors=\"0\" failures=\"0\""), "{xml}");
        document.verdict.kind = "kernel-bug".into();
        document.timeline.truncate(2);
        let xml = to_junit(&document).unwrap();
        assert!(xml.contains("tests=\"5\" skipped=\"1\" errors=\"0\" failures=\"1\""), "{xml}");
    }

    #[test]
    fn guest_text_cannot_leave_its_element() {
        let mut document = passed();
        document.verdict.kind = "panic".into();
        document.verdict.reason = "\"/><evil a=\"\u{1b}[31m\u{0}".into();
        document.verdict.lines = vec!["</failure>]]><evil/>\u{8}".into()];
        let xml = to_junit(&document).unwrap();
        assert!(!xml.contains("<evil"), "{xml}");
        assert!(!xml.chars().any(|c| c.is_control() && c != '\n'), "{xml}");
    }
}
