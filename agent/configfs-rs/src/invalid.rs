//! The one error of every checked name and value.

use std::fmt;

/// How much of a refused text an error repeats.
const SHOWN: usize = 80;

/// A text that is not what it was given as: nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    what: &'static str,
    /// Quoted, and cut where it is long.
    text: String,
    problem: String,
    hint: Option<&'static str>,
}

impl Invalid {
    /// Says that `text` is not a `what`, and why.
    pub(crate) fn new(what: &'static str, text: &str, problem: impl Into<String>) -> Invalid {
        Invalid {
            what,
            text: match text.char_indices().nth(SHOWN) {
                Some((cut, _)) => format!("{:?}…", &text[..cut]),
                None => format!("{text:?}"),
            },
            problem: problem.into(),
            hint: None,
        }
    }

    /// Says all that is wrong with `text`, where anything is.
    pub(crate) fn unless_fine<const N: usize>(
        what: &'static str,
        text: &str,
        problems: [Option<String>; N],
    ) -> Result<(), Invalid> {
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(Invalid::new(what, text, problems.join(", and ")))
    }

    /// Adds a way out.
    pub(crate) fn with_hint(self, hint: &'static str) -> Invalid {
        Invalid { hint: Some(hint), ..self }
    }

    /// Gives what was expected, such as `storage object name`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Gives a way out, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.what, self.text, self.problem)
    }
}

impl std::error::Error for Invalid {}
