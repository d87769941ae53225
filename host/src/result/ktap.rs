//! `ktap.txt`: KTAP version 1 (Documentation/dev-tools/ktap.rst).

use super::case::{Case, Outcome, cases};
use super::document::Document;
use crate::escape;

/// The result as KTAP. The plan comes first, so a text cut short is seen to be.
#[must_use]
pub fn to_ktap(document: &Document) -> String {
    let cases = cases(document);
    let mut lines = vec!["KTAP version 1".to_owned(), format!("1..{}", cases.len())];
    for (number, case) in (1..).zip(&cases) {
        lines.extend(diagnostics(case));
        lines.push(result_line(number, case));
    }
    lines.join("\n") + "\n"
}

fn result_line(number: usize, case: &Case) -> String {
    let name = in_description(&case.name);
    match &case.outcome {
        Outcome::Passed => format!("ok {number} {name}"),
        Outcome::Skipped(reason) => format!("ok {number} {name} # SKIP {}", in_description(reason)),
        Outcome::Failed(..) => format!("not ok {number} {name}"),
    }
}

fn diagnostics(case: &Case) -> Vec<String> {
    match &case.outcome {
        Outcome::Failed(reason, lines) => {
            let all = std::iter::once(reason).chain(lines);
            all.map(|line| format!("# {}", escape::terminal(line))).collect()
        }
        _ => Vec::new(),
    }
}

/// A `#` in a description would begin a directive.
fn in_description(text: &str) -> String {
    escape::terminal(text).replace('#', "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::document::tests::passed;

    #[test]
    fn a_passed_run_reads_like_this() {
        assert_eq!(
            to_ktap(&passed()),
            "KTAP version 1\n1..5\nok 1 boot\nok 2 provision\nok 3 check capacity of LUN 0\n\
             ok 4 benchmark hash\nok 5 verdict\n"
        );
    }

    #[test]
    fn a_failed_run_says_why_and_cannot_be_made_to_say_ok() {
        let mut document = passed();
        document.timeline.truncate(2);
        document.checks[0] = crate::result::CheckResult {
            name: "a # SKIP\nok 9".into(),
            ok: false,
            detail: "x\nok 3 forged".into(),
        };
        document.verdict.kind = "panic".into();
        document.verdict.reason = "it \u{1b}[31mpanicked".into();
        document.verdict.lines = vec!["Kernel panic - not syncing: x".into()];
        assert_eq!(
            to_ktap(&document),
            "KTAP version 1\n1..5\nok 1 boot\nok 2 provision # SKIP not reached\n\
             # x\\x0aok 3 forged\nnot ok 3 check a % SKIP\\x0aok 9\nok 4 benchmark hash\n\
             # panic: it \\x1b[31mpanicked\n# Kernel panic - not syncing: x\nnot ok 5 verdict\n"
        );
    }
}
