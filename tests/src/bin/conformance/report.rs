//! What `CUnitAutomated-Results.xml` says: CUnit 2.1-3's format, as `iscsi-test-cu --xml` writes
//! it into its working directory. Its DTD is nowhere, so nothing but its elements is relied on.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::Event;

/// What a run of CUnit came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Test cases that were run.
    pub(crate) run: u32,
    /// Where assertions failed, `FILE:LINE`, each place once.
    pub(crate) failed_at: BTreeSet<(String, u32)>,
}

impl Report {
    /// Reads a report; none when it is cut short or not one.
    pub(crate) fn parse(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let (mut report, mut fields, mut text) =
            (Self::default(), Fields::default(), String::new());
        loop {
            match reader.read_event().ok()? {
                Event::Start(_) => text.clear(),
                Event::Text(part) => text.push_str(&part.decode().ok()?),
                Event::End(element) => {
                    fields.ends(element.name().as_ref(), text.trim(), &mut report)?;
                    if element.name().as_ref() == b"CUNIT_TEST_RUN_REPORT" {
                        return Some(report);
                    }
                }
                Event::Eof => return None,
                _ => {}
            }
        }
    }
}

/// Fields of the record that is being read.
#[derive(Debug, Default)]
struct Fields {
    file: String,
    line: u32,
    kind: String,
}

impl Fields {
    fn ends(&mut self, element: &[u8], text: &str, report: &mut Report) -> Option<()> {
        match element {
            b"FILE_NAME" => text.clone_into(&mut self.file),
            b"LINE_NUMBER" => self.line = text.parse().ok()?,
            b"CUNIT_RUN_TEST_FAILURE" => {
                report.failed_at.insert((std::mem::take(&mut self.file), self.line));
            }
            b"TYPE" => text.clone_into(&mut self.kind),
            b"RUN" if self.kind == "Test Cases" => report.run = text.parse().ok()?,
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    const PASS: &str = include_str!("fixtures/pass.xml");
    const FAIL: &str = include_str!("fixtures/fail.xml");
    const NONE: &str = include_str!("fixtures/no-test.xml");

    #[test]
    fn a_report_tells_what_ran_and_where_it_failed() {
        let pass = Report::parse(PASS).unwrap();
        assert_eq!((pass.run, pass.failed_at.len()), (1, 0));
        let fail = Report::parse(FAIL).unwrap();
        let file = "test_compareandwrite_simple.c".to_owned();
        assert_eq!(fail.run, 1);
        assert_eq!(fail.failed_at, [(file.clone(), 71), (file, 123)].into());
        assert_eq!(Report::parse(NONE).unwrap(), Report::default());
    }

    #[test]
    fn a_report_that_is_cut_short_anywhere_is_none() {
        let end = FAIL.rfind("</CUNIT_TEST_RUN_REPORT").unwrap();
        for length in (0..=end).step_by(97) {
            assert_eq!(Report::parse(&FAIL[..length]), None, "{length}");
        }
        assert_eq!(Report::parse("not XML at all"), None);
    }
}
