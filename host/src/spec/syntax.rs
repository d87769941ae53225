//! TOML itself: what is not TOML, with its line and a way out.

use toml::Spanned;
use toml::de::DeTable;

use super::fault::{Fault, KeyPath, Position, quoted};

/// What TOML's parser says, in part, and what helps.
const WAYS_OUT: [(&str, &str); 11] = [
    ("duplicate key", "leave one of the two out"),
    ("string values must be quoted", "put the text in quotes: \"text\""),
    ("unquoted keys cannot contain", "a key has A-Z, a-z, 0-9, _ and -, others are in \"quotes\""),
    ("key with no value", "write key = value"),
    ("missing comma", "put a comma between, or close the list before"),
    ("invalid basic string", "close the text with a \""),
    ("invalid boolean", "put a text in quotes: \"text\"; true and false stand without"),
    ("unclosed array", "close it with ]"),
    ("unclosed inline table", "close it with }"),
    ("unclosed table", "close its name with ], or ]] where it began with [["),
    ("carriage return", "end lines with a newline"),
];

/// The way out where none is known.
const FORM: &str = "a spec has key = value, \"text\" in quotes, [table] and [[table]] headers";

/// Parses TOML; every syntax fault is reported, but one per line, because the later ones of a line
/// follow from the first.
pub(super) fn parse(text: &str) -> (Spanned<DeTable<'_>>, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| {
            let position = Position::of(text, error.span().map_or(0, |span| span.start));
            Fault {
                position: Some(position),
                key: KeyPath::default(),
                message: format!("{}{}", one_line(error.message()), excerpt(text, position)),
                hint: Some(way_out(error.message(), line(text, position.line)).to_owned()),
            }
        })
        .collect();
    faults.sort_by_key(|fault| fault.position);
    faults.dedup_by_key(|fault| fault.position.map(|position| position.line));
    (table, faults)
}

/// The faults of TOML, and of the rest those that do not follow from them.
pub(super) fn with_sound(text: &str, broken: Vec<Fault>, others: Vec<Fault>) -> Vec<Fault> {
    let lines: Vec<usize> = broken.iter().filter_map(line_of).collect();
    // What begins or ends on a line that is none of its own may reach further.
    let bounded = lines.iter().all(|line| is_plain(text, *line));
    let first = lines.first().copied().unwrap_or_default();
    let mut faults = broken;
    faults.extend(others.into_iter().filter(|fault| {
        let line = line_of(fault).unwrap_or_default();
        let there = !fault.message.starts_with("missing");
        there && !lines.contains(&line) && (bounded || line < first)
    }));
    faults.sort_by_key(|fault| fault.position);
    faults.iter_mut().for_each(super::add_example);
    faults
}

fn line_of(fault: &Fault) -> Option<usize> {
    fault.position.map(|position| position.line)
}

fn line(text: &str, number: usize) -> &str {
    text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
}

/// Whether a line is one key with a plain value.
fn is_plain(text: &str, number: usize) -> bool {
    let parts = line(text, number).split_once('=');
    parts.is_some_and(|(key, value)| {
        !key.contains('[') && !value.contains(['[', '{', '\'']) && { !value.contains("\"\"\"") }
    })
}

/// The line a fault is on; not where a secret may stand.
fn excerpt(text: &str, position: Position) -> String {
    let line = line(text, position.line).trim();
    let secret = line.to_ascii_lowercase().contains("password") || line.contains("chap");
    if secret || line.is_empty() { String::new() } else { format!(" in the line {}", quoted(line)) }
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}

fn way_out(message: &str, line: &str) -> &'static str {
    if line.trim_end().ends_with('=') {
        return "write a value after the =";
    }
    let known = WAYS_OUT.iter().find(|(part, _)| message.contains(part));
    known.map_or(FORM, |(_, hint)| hint)
}
