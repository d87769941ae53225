//! What is wrong with a spec, and where.

use std::fmt;

/// The way to a value from the top of a spec: `target[0].tpg[0].luns[1].lun`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPath(Vec<Segment>);

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Into a table.
    Key(String),
    /// Into an array, counted from 0.
    Index(usize),
}

impl KeyPath {
    /// The path of `key` in the table this path names.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Segment::Key(key.to_owned()))
    }

    /// The path of element `index` of the array this path names.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    /// The steps from the top.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether this is the top of the spec.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name TOML gives to the table at this path: its keys, without numbers.
    #[must_use]
    pub fn table_name(&self) -> String {
        let keys = self.0.iter().filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    /// Whether this path is `prefix` or lies below it.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    fn then(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    f.write_str(if position == 0 { "" } else { "." })?;
                    write_key(f, key)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a key as TOML would: bare when it can be, quoted and escaped otherwise.
fn write_key(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.len() <= QUOTED_MAX && key.chars().all(bare) {
        f.write_str(key)
    } else {
        f.write_str(&quoted(key))
    }
}

/// How much of a value from a spec is shown in a message.
const QUOTED_MAX: usize = 60;

/// A text from the spec, quoted, escaped and cut to a length that fits a message.
#[must_use]
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}

/// A place in the text of a spec; both numbers count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Position {
    /// The place of byte `offset` of `text`.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before[line_start..].trim_start_matches('\u{feff}');
        Self { line: before.matches('\n').count() + 1, column: in_line.chars().count() + 1 }
    }
}

/// One thing wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands in the text; nothing for a value that came from the command line.
    pub position: Option<Position>,
    /// The key it is about; empty for faults of TOML itself.
    pub key: KeyPath,
    /// What is wrong and what is allowed, in one sentence without a full stop.
    pub message: String,
    /// A way out, where there is one to name.
    pub hint: Option<String>,
}

impl Fault {
    /// The fault as one line, `file` being what the user calls the spec: `spec.toml:3:9: machine.cpus: …`.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        let mut line = match self.position {
            Some(Position { line, column }) => format!("{file}:{line}:{column}: "),
            None => String::new(),
        };
        if !self.key.is_empty() {
            line.push_str(&format!("{}: ", self.key));
        }
        line + &self.message
    }
}

/// Everything wrong with a spec, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// All faults, one per line, each followed by its hint on a line of its own.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        let lines = self.0.iter().flat_map(|fault| {
            let hint = fault.hint.as_ref().map(|hint| format!("  hint: {hint}"));
            std::iter::once(fault.render(file)).chain(hint)
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render("spec"))
    }
}

impl std::error::Error for Faults {}

/// The one of `known` that `word` was most likely meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words cost quadratic time and resemble nothing.
    if word.len() > QUOTED_MAX {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&fold(word), &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 2).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice of separator are not what tells two words apart.
fn fold(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_toml() {
        let path = KeyPath::default().key("target").key("tpg").key("luns").index(1).key("lun");
        assert_eq!(path.to_string(), "target.tpg.luns[1].lun");
        assert_eq!(KeyPath::default().key("a b\u{1b}[31m").to_string(), "\"a b\\u{1b}[31m\"");
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "\u{feff}a = 1\nä = \"ö\" x";
        let at = |needle: &str| Position::of(text, text.find(needle).unwrap());
        assert_eq!(at("a"), Position { line: 1, column: 1 });
        assert_eq!(at("x"), Position { line: 2, column: 9 });
        assert_eq!(Position::of("a", 99), Position { line: 1, column: 2 });
    }

    #[test]
    fn the_nearest_word_is_found_or_none_is() {
        let known = ["image", "modules", "cmdline"];
        assert_eq!(nearest("imgae", known), Some("image"));
        assert_eq!(nearest("CmdLine", known), Some("cmdline"));
        assert_eq!(nearest("module", known), Some("modules"));
        assert_eq!(nearest("frequency", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(quoted(&"ü".repeat(100)), format!("{:?}…", "ü".repeat(60)));
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
    }
}
