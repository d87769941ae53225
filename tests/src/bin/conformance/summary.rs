//! What is said in the end, and the exit code that goes with it.

use std::fmt;
use std::path::PathBuf;

use crate::baseline::{Baseline, Difference, Direction, Outcomes, compare};
use crate::listing::Filter;
use crate::outcome::{VERDICTS, Verdict};
use crate::suite::State;

/// The kernels that share a baseline: those of one version, `6.1` of `6.1.0-56-cloud-amd64`.
pub(crate) fn family(release: &str) -> String {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
    format!("{major}.{minor}")
}

/// What the baseline is.
#[derive(Debug)]
pub(crate) enum Known {
    /// No kernel ran, so there is none to look for.
    No,
    /// There is none yet; it would be here.
    Missing(PathBuf),
    /// It was read from here.
    Read(PathBuf, Baseline),
}

/// A backstore, and how it compares.
#[derive(Debug)]
pub(crate) struct Judged {
    backstore: String,
    state: State,
    known: Known,
    differences: Vec<Difference>,
    updated: bool,
}

impl Judged {
    pub(crate) fn new(backstore: &str, state: State, known: Known, filter: &Filter) -> Self {
        let differences = match &known {
            Known::Read(_, baseline) => {
                // What was not run is told as that, and not as gone.
                let asked = |name: &str| filter.matches(name) && !state.is_to_come(name);
                compare(&baseline.outcomes, &state.outcomes, asked)
            }
            _ => Vec::new(),
        };
        Self { backstore: backstore.to_owned(), state, known, differences, updated: false }
    }

    /// Takes what was seen for the baseline; with the file's new text, unless what was seen is no
    /// good as one: not all was run, something came to no result, or a machine to a bad end.
    pub(crate) fn updated(mut self, filter: &Filter) -> (Self, Option<(PathBuf, String)>) {
        let (file, old) = match &self.known {
            Known::Read(file, baseline) => (file.clone(), baseline.clone()),
            Known::Missing(file) => (file.clone(), Baseline::default()),
            Known::No => return (self, None),
        };
        if !self.is_sound() {
            return (self, None);
        }
        // A filtered run knows nothing of the other tests.
        let old = if filter.is_all() { Baseline::default() } else { old };
        let new = old.updated(self.about(), self.state.outcomes.clone());
        self.updated = true;
        (self, Some((file, new.to_string())))
    }

    fn about(&self) -> Vec<String> {
        let release = self.state.release.as_deref().unwrap_or("unknown");
        vec![format!("{}, kernel {release}; `make conformance` explains", self.backstore)]
    }

    fn is_sound(&self) -> bool {
        let errors = count(&self.state.outcomes, "", Verdict::Error);
        self.is_whole() && self.state.problems.is_empty() && errors == 0
    }

    fn is_whole(&self) -> bool {
        self.state.left() == 0 && self.state.given_up.is_none()
    }

    pub(crate) fn exit_code(&self) -> u8 {
        let as_known = match self.known {
            Known::Read(..) => self.differences.is_empty(),
            _ => false,
        };
        if !self.is_whole() {
            2
        } else {
            u8::from(!(self.is_sound() && (as_known || self.updated)))
        }
    }

    fn verdicts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for family in ["SCSI.", "iSCSI."] {
            let counts = VERDICTS.map(|verdict| {
                let n = count(&self.state.outcomes, family, verdict);
                format!("{n:>4} {verdict}")
            });
            let all = self.state.outcomes.keys().filter(|name| name.starts_with(family)).count();
            if all > 0 {
                writeln!(
                    f,
                    "  {:<5} {all:>4}: {}",
                    family.trim_end_matches('.'),
                    counts.join(" ")
                )?;
            }
        }
        Ok(())
    }

    fn comparison(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.known {
            _ if self.updated => writeln!(f, "  the baseline is written"),
            Known::No => writeln!(f, "  there is nothing to compare"),
            Known::Missing(file) => {
                writeln!(f, "  there is no baseline {}: --update writes it", file.display())
            }
            Known::Read(..) if self.differences.is_empty() => {
                writeln!(f, "  as the baseline says")
            }
            Known::Read(file, _) => {
                writeln!(f, "  not as the baseline says ({}):", file.display())?;
                for (direction, word) in WORDS {
                    let these = self.differences.iter().filter(|d| d.direction() == direction);
                    for difference in these {
                        writeln!(f, "    {word:<8}{difference}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

const WORDS: [(Direction, &str); 3] =
    [(Direction::Worse, "worse"), (Direction::Better, "better"), (Direction::Other, "other")];

fn count(outcomes: &Outcomes, family: &str, verdict: Verdict) -> usize {
    let of = |name: &str| name.starts_with(family);
    outcomes.iter().filter(|(name, outcome)| of(name) && outcome.verdict == verdict).count()
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.state.took.map_or(0, |(begun, ended)| (ended - begun).as_secs());
        let kernel = self.state.release.as_deref().unwrap_or("not ours");
        writeln!(f, "{}, kernel {kernel}, {seconds} s", self.backstore)?;
        self.verdicts(f)?;
        for problem in &self.state.problems {
            writeln!(f, "  the machine came to a bad end after {problem}")?;
        }
        if let Some(reason) = &self.state.given_up {
            writeln!(f, "  given up: {reason}")?;
        }
        if self.state.left() > 0 {
            writeln!(f, "  {} tests were not run", self.state.left())?;
        }
        self.comparison(f)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Judged, Known, family};
    use crate::baseline::Baseline;
    use crate::listing::Filter;
    use crate::suite::State;

    const SEEN: &str = "SCSI.A.Fails fail a.c:1\nSCSI.A.Passes pass\n";

    fn seen(text: &str) -> State {
        let mut state = State::default();
        state.outcomes = Baseline::parse(text).unwrap().outcomes;
        state
    }

    fn with_problem() -> State {
        let mut state = seen(SEEN);
        state.problems.push("SCSI.A.Fails: oops".to_owned());
        state
    }

    fn given_up() -> State {
        let mut state = seen(SEEN);
        state.given_up = Some("no target".to_owned());
        state
    }

    fn judged(state: State, baseline: &str) -> Judged {
        let baseline = Baseline::parse(baseline).unwrap();
        Judged::new("fileio", state, Known::Read("b".into(), baseline), &Filter::default())
    }

    /// What an update would write.
    fn written(judged: Judged, filter: &str) -> Option<String> {
        judged.updated(&Filter::new(filter)).1.map(|(_, text)| text)
    }

    #[test]
    fn kernels_of_one_version_are_one_family() {
        assert_eq!(family("6.1.0-56-cloud-amd64"), "6.1");
        assert_eq!(family("7.0+deb14-cloud-amd64"), "7.0");
        assert_eq!(family("6.12-rc3"), "6.12");
        assert_eq!(family("next"), "0.0");
    }

    #[test]
    fn only_what_is_whole_sound_and_known_is_good() {
        assert_eq!(judged(seen(SEEN), SEEN).exit_code(), 0);
        assert_eq!(judged(seen(SEEN), &SEEN.replace("fail a.c:1", "pass")).exit_code(), 1);
        assert_eq!(judged(with_problem(), SEEN).exit_code(), 1);
        assert_eq!(judged(given_up(), SEEN).exit_code(), 2);
        let missing = Known::Missing(PathBuf::from("b"));
        let missing = Judged::new("fileio", seen(SEEN), missing, &Filter::default());
        assert_eq!(missing.exit_code(), 1);
        let nothing = Judged::new("fileio", seen(""), Known::No, &Filter::default());
        assert_eq!(nothing.exit_code(), 1);
    }

    #[test]
    fn an_update_takes_what_was_seen_unless_that_is_unsound() {
        let old = "SCSI.A.Fails pass\nSCSI.B.Gone pass\n";
        let whole = written(judged(seen(SEEN), old), "").unwrap();
        assert!(whole.ends_with(SEEN) && !whole.contains("Gone"), "{whole}");
        let some = written(judged(seen(SEEN), old), "SCSI.A").unwrap();
        assert!(some.contains(SEEN) && some.contains("SCSI.B.Gone pass"), "{some}");
        assert_eq!(written(judged(with_problem(), old), ""), None);
        assert_eq!(written(judged(given_up(), old), ""), None);
    }
}
