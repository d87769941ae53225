//! fio's output as it comes: documents of JSON, and between them what it says otherwise.

use super::report::Report;
use std::io::{BufRead, Read};

/// The longest document: a job's histograms have at most some thousand bins.
const DOCUMENT: usize = 16 << 20;
const LINE: u64 = 1 << 16;
/// How much of what is no JSON is kept.
const WORDS: usize = 3000;

/// A part of the output.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// A whole document.
    Report(Box<Report>),
    /// A document that cannot be read, and why.
    Damaged(String),
}

/// Reads fio's output.
pub(super) struct Stream<R> {
    output: R,
    /// What it said that is no JSON.
    pub(super) words: String,
}

impl<R: BufRead> Stream<R> {
    pub(super) fn new(output: R) -> Self {
        Self { output, words: String::new() }
    }

    /// The next line with its end; empty at the end of the output. A longer one comes in pieces.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.output.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// Reads on to the end of a document. fio indents all but its first and its last line.
    fn document(&mut self) -> Part {
        let mut document = b"{".to_vec();
        loop {
            match self.line() {
                Ok(line) if line.is_empty() => {
                    return Part::Damaged("it ends within its JSON".into());
                }
                Ok(line) => document.extend(&line),
                Err(error) => return Part::Damaged(error.to_string()),
            }
            if document.len() > DOCUMENT {
                return Part::Damaged(format!("its JSON has more than {DOCUMENT} bytes"));
            }
            if document.ends_with(b"\n}\n") || document.ends_with(b"\n}") {
                let report = serde_json::from_slice(&document).map(Box::new);
                return report.map_or_else(|error| Part::Damaged(error.to_string()), Part::Report);
            }
        }
    }
}

impl<R: BufRead> Iterator for Stream<R> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        loop {
            let line = self.line().ok().filter(|line| !line.is_empty())?;
            if line.trim_ascii() == b"{" {
                return Some(self.document());
            }
            keep(&mut self.words, &line);
        }
    }
}

/// Adds to words as long as there is room.
pub(super) fn keep(words: &mut String, line: &[u8]) {
    if words.len() < WORDS {
        let line = String::from_utf8_lossy(line);
        words.extend(line.chars().take(WORDS - words.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "{\n  \"timestamp_ms\" : 7,\n  \"jobs\" : [\n  ]\n}\n";

    fn parts(text: &str) -> (Vec<Part>, String) {
        let mut stream = Stream::new(text.as_bytes());
        let parts = stream.by_ref().collect();
        (parts, stream.words)
    }

    #[test]
    fn documents_are_found_between_other_words() {
        let text = format!("fio: hello\n{DOCUMENT}\n{DOCUMENT}bye\n");
        let (parts, words) = parts(&text);
        let report: Report = serde_json::from_str(DOCUMENT).unwrap();
        let expected = || Part::Report(Box::new(report.clone()));
        assert_eq!(parts, [expected(), expected()]);
        assert_eq!(words, "fio: hello\n\nbye\n");
    }

    #[test]
    fn what_is_no_report_or_has_no_end_is_damaged() {
        for text in ["{\n", "{\n \"a\": 1,\n", "{\n  \"jobs\" : 3\n}\n", "{\n\x07\n}\n"] {
            assert!(matches!(parts(text).0[..], [Part::Damaged(_)]), "{text}");
        }
        let endless = format!("{{\n{}", " \n".repeat(super::DOCUMENT));
        assert!(matches!(&parts(&endless).0[0], Part::Damaged(why) if why.contains("more than")));
    }

    #[test]
    fn words_without_end_are_not_kept() {
        let (parts, words) = parts(&"x".repeat(1 << 20));
        assert_eq!((parts.len(), words.len()), (0, WORDS));
    }
}
