//! Typed reading of TOML tables: what has another type, form or range than it should becomes a
//! fault with its place, and reading goes on, so that all faults are found in one go.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, KeyPath, Position, Segment, nearest, quoted};
use super::quantity::{
    DURATION_FORM, QuantityError, SIZE_FORM, mend_duration, mend_size, parse_duration, parse_size,
};
use super::sections::keys::{SECRETS, places_of, synonym_of};
use crate::escape;

/// The text being read and what was found wrong with it so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    /// Keys whose values could not be read.
    unread: Vec<KeyPath>,
    /// Keys that an unknown key was probably meant to be: naming those as missing too would be
    /// saying one thing twice.
    suggested: Vec<KeyPath>,
    notes: Vec<String>,
    /// Values that are paths, with what they stand for.
    paths: Vec<(Range<usize>, PathBuf)>,
}

/// One table of the spec, with the way to it.
pub(super) struct Section<'a> {
    pub(super) path: KeyPath,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// The keys it may have; none listed when that is not known yet.
    known: &'static [&'static str],
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

/// Where the value at `path` stands, or else the innermost table on the way that exists.
pub(super) fn locate(text: &str, root: &Spanned<DeTable<'_>>, path: &KeyPath) -> Position {
    let mut span = root.span();
    let mut value: Option<&DeValue<'_>> = None;
    for segment in path.segments() {
        let next = match (value, segment) {
            (None, Segment::Key(key)) => root.get_ref().get(key.as_str()),
            (Some(DeValue::Array(items)), Segment::Index(index)) => items.get(*index),
            (Some(value), Segment::Key(key)) => value.as_table().and_then(|t| t.get(key.as_str())),
            (_, Segment::Index(_)) => None,
        };
        let Some(next) = next else { break };
        span = next.span();
        value = Some(next.get_ref());
    }
    Position::of(text, span.start)
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            faults: Vec::new(),
            unread: Vec::new(),
            suggested: Vec::new(),
            notes: Vec::new(),
            paths: Vec::new(),
        }
    }

    /// The keys that have no value worth judging: what was read for them only stands in.
    pub(super) fn unread(&self) -> Vec<KeyPath> {
        self.unread.iter().chain(&self.suggested).cloned().collect()
    }

    /// Remembers that what stands for a key is not what was written.
    pub(super) fn stand_in(&mut self, key: KeyPath) {
        self.unread.push(key);
    }

    /// Tells the user what was understood differently from how it was written.
    pub(super) fn note(&mut self, key: &KeyPath, message: impl Display) {
        self.notes.push(format!("{key}: {message}"));
    }

    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Remembers which path a value stands for.
    pub(super) fn path(&mut self, at: Range<usize>, path: &Path) {
        self.paths.push((at, std::path::absolute(path).unwrap_or_else(|_| path.to_owned())));
    }

    /// The text with each path absolute and all else as it is, to be read from anywhere.
    pub(super) fn anchored(&self) -> String {
        let mut paths: Vec<_> = self.paths.iter().collect();
        // The last first: those before it stay where they are.
        paths.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
        let mut text = self.text.to_owned();
        for (at, path) in paths {
            // One that is not text could be written in no spec.
            if let Some(path) = path.to_str() {
                text.replace_range(at.clone(), &escape::toml(path));
            }
        }
        text
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn fault(&mut self, at: Range<usize>, key: KeyPath, message: impl Display) {
        self.fault_with_hint(at, key, message, None);
    }

    pub(super) fn fault_with_hint(
        &mut self,
        at: Range<usize>,
        key: KeyPath,
        message: impl Display,
        hint: Option<String>,
    ) {
        self.unread.push(key.clone());
        self.tell(at, key, message, hint);
    }

    /// Adds a fault that leaves no value unread.
    fn tell(
        &mut self,
        at: Range<usize>,
        key: KeyPath,
        message: impl Display,
        hint: Option<String>,
    ) {
        let position = Some(Position::of(self.text, at.start));
        self.faults.push(Fault { position, key, message: message.to_string(), hint });
    }

    /// The line of a place, counted from 1.
    pub(super) fn line_of(&self, at: &Range<usize>) -> usize {
        Position::of(self.text, at.start).line
    }

    fn wrong_type(&mut self, value: Value<'_>, key: KeyPath, expected: &str) {
        let found = type_name(value.get_ref());
        let shown = if may_be_secret(&key) { "this".to_owned() } else { describe(value.get_ref()) };
        let message = format!("{shown} is {found}, {expected} is needed");
        self.fault(value.span(), key, message);
    }
}

impl<'a> Section<'a> {
    /// The whole spec.
    pub(super) fn root(
        table: &'a Spanned<DeTable<'a>>,
        known: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Self {
        Self::open(KeyPath::default(), table.get_ref(), table.span(), known, reader)
    }

    /// A table, its unknown keys reported.
    fn open(
        path: KeyPath,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        known: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Self {
        let section = Self { path, table, span, known };
        section.report_unknown_keys(reader);
        section
    }

    /// The same table, held against another list of keys: for tables whose keys depend on one of
    /// their values.
    pub(super) fn with_known(
        self,
        known: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Self {
        Self::open(self.path, self.table, self.span, known, reader)
    }

    fn report_unknown_keys(&self, reader: &mut Reader<'_>) {
        let here = self.path.table_name();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if self.known.is_empty() || self.known.contains(&name) || self.is_secret(name) {
                continue;
            }
            let synonym = synonym_of(&here, name);
            let suggestion =
                nearest(name, self.known.iter().copied()).filter(|_| synonym.is_none());
            let mut places = places_of(name);
            places.retain(|place| place.trim_matches(['[', ']']) != here);
            let hint = match (synonym, suggestion, places.as_slice()) {
                (Some(meant), ..) => format!("here it is called {meant}"),
                (_, Some(meant), _) => format!("did you mean {meant:?}?"),
                (_, _, []) => "leave it out".to_owned(),
                (_, _, places) => format!("it belongs in {}", places.join(" or ")),
            };
            let message = format!("unknown key, known here: {}", self.known.join(", "));
            reader.suggested.extend(suggestion.map(|meant| self.path.key(meant)));
            reader.tell(key.span(), self.path.key(name), message, Some(hint));
        }
    }

    /// Whether this key would carry a secret, which whoever reads this table refuses by name.
    fn is_secret(&self, name: &str) -> bool {
        SECRETS.contains(&name) && self.known.contains(&"password_file")
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn get(&self, key: &str) -> Option<Value<'a>> {
        self.table.get(key)
    }

    /// Reports `key` as missing from this table.
    pub(super) fn missing(&self, key: &str, needed: &str, reader: &mut Reader<'_>) {
        let path = self.path.key(key);
        if !reader.suggested.contains(&path) {
            reader.fault(self.span.clone(), path, format!("missing, {needed} is needed"));
        }
    }

    pub(super) fn string(
        &self,
        key: &str,
        needed: &str,
        reader: &mut Reader<'_>,
    ) -> Option<&'a str> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            reader.wrong_type(value, self.path.key(key), needed);
        }
        text
    }

    pub(super) fn strings(
        &self,
        key: &str,
        needed: &str,
        reader: &mut Reader<'_>,
    ) -> Vec<Item<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let expected = format!("a list of {needed}s");
            reader.wrong_type(value, self.path.key(key), &expected);
            return Vec::new();
        };
        let mut strings = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = self.path.key(key).index(index);
            match item.get_ref().as_str() {
                Some(text) => strings.push(Item { text, path, span: item.span() }),
                None => {
                    reader.wrong_type(item, path, &format!("a {needed}"));
                    // The numbers of those after it are no longer theirs.
                    reader.suggested.push(self.path.key(key));
                }
            }
        }
        strings
    }

    /// A whole number within `range`.
    pub(super) fn integer<T>(
        &self,
        key: &str,
        range: &RangeInclusive<T>,
        reader: &mut Reader<'_>,
    ) -> Option<T>
    where
        T: Copy + PartialOrd + Display + TryFrom<i128>,
    {
        let value = self.get(key)?;
        let expected = range_form(range);
        let Some(integer) = value.get_ref().as_integer() else {
            reader.wrong_type(value, self.path.key(key), &expected);
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| T::try_from(number).ok());
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let shown = describe(value.get_ref());
        reader.fault(value.span(), self.path.key(key), out_of_range(&shown, range));
        None
    }

    /// True or false.
    pub(super) fn boolean(&self, key: &str, reader: &mut Reader<'_>) -> Option<bool> {
        let value = self.get(key)?;
        let truth = value.get_ref().as_bool();
        if truth.is_none() {
            reader.wrong_type(value, self.path.key(key), "true or false");
        }
        truth
    }

    /// Names with values, in the order they are written; `truth` is how false and true are.
    pub(super) fn pairs(&self, key: &str, truth: [&str; 2], reader: &mut Reader<'_>) -> Vec<Pair> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let path = self.path.key(key);
        let Some(table) = value.get_ref().as_table() else {
            reader.wrong_type(value, path, "a table of names and values");
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut pairs = Vec::new();
        for (name, value) in entries {
            let path = path.key(name.get_ref());
            match scalar(value.get_ref(), truth) {
                Some(text) => pairs.push(Pair {
                    name: name.get_ref().to_string(),
                    text,
                    shown: describe(value.get_ref()),
                    path,
                    name_span: name.span(),
                    span: value.span(),
                }),
                None => {
                    reader.wrong_type(value, path, "true or false, a whole number or a string");
                }
            }
        }
        pairs
    }

    /// Texts by name, in the order in which they are written.
    pub(super) fn texts(&self, key: &str, reader: &mut Reader<'_>) -> Vec<Entry<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let path = self.path.key(key);
        let Some(table) = value.get_ref().as_table() else {
            reader.wrong_type(value, path, "a table of names and texts");
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut texts = Vec::new();
        for (name, value) in entries {
            let (name, name_span) = (name.get_ref().as_ref(), name.span());
            let path = path.key(name);
            match value.get_ref().as_str() {
                Some(text) => texts.push(Entry { name, text, path, name_span }),
                None => reader.wrong_type(value, path, "a string"),
            }
        }
        texts
    }

    /// Where this table begins.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where the value of `key` stands, or else this table.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.get(key).map_or_else(|| self.span(), Spanned::span)
    }

    /// The value of `key` as it was written, for messages.
    pub(super) fn shown(&self, key: &str) -> String {
        self.get(key).map_or_else(String::new, |value| describe(value.get_ref()))
    }

    /// A size in bytes, as a number or as text with a unit.
    pub(super) fn size(&self, key: &str, reader: &mut Reader<'_>) -> Option<u64> {
        let value = self.get(key)?;
        let parsed = match value.get_ref() {
            DeValue::String(text) => parse_size(text).map_err(|e| (e, mend_size(text))),
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| {
                    let negative = number.as_str().starts_with('-');
                    let error =
                        if negative { QuantityError::Malformed } else { QuantityError::TooLarge };
                    (error, None)
                }),
            _ => Err((QuantityError::Malformed, None)),
        };
        self.quantity(key, value, parsed, "a size", SIZE_FORM, reader)
    }

    /// A duration, as text with a unit.
    pub(super) fn duration(&self, key: &str, reader: &mut Reader<'_>) -> Option<Duration> {
        let value = self.get(key)?;
        let parsed = match value.get_ref() {
            DeValue::String(text) => parse_duration(text).map_err(|e| (e, mend_duration(text))),
            DeValue::Integer(number) => {
                Err((QuantityError::NoUnit, mend_duration(number.as_str())))
            }
            _ => Err((QuantityError::Malformed, None)),
        };
        self.quantity(key, value, parsed, "a duration", DURATION_FORM, reader)
    }

    fn quantity<T>(
        &self,
        key: &str,
        value: Value<'_>,
        parsed: Result<T, (QuantityError, Option<String>)>,
        what: &str,
        form: &str,
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        let shown = describe(value.get_ref());
        let (error, meant) = match parsed {
            Ok(quantity) => return Some(quantity),
            Err(problem) => problem,
        };
        let problem = match error {
            QuantityError::TooLarge => format!("{shown} is too large, {form}"),
            QuantityError::NoUnit => format!("{shown} has no unit, {form}"),
            QuantityError::Malformed => format!("{shown} is not {what}, {form}"),
        };
        let hint = meant.map(|meant| format!("did you mean {meant:?}?"));
        reader.fault_with_hint(value.span(), self.path.key(key), problem, hint);
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let Some(text) = value.get_ref().as_str() else {
            reader.wrong_type(value, self.path.key(key), &format!("one of {list}"));
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let message = format!("{} is unknown, one of {list} is needed", quoted(text));
            let meant = nearest(text, words.iter().map(|(word, _)| *word));
            let hint = meant.map(|word| format!("did you mean {word:?}?"));
            reader.fault_with_hint(value.span(), self.path.key(key), message, hint);
        }
        found
    }

    /// This table once for each combination of what stands in lists under `keys`; the values keep
    /// their places. More than `most` are a fault, and so is an empty list.
    pub(super) fn sweep(
        &self,
        keys: &[&str],
        most: usize,
        reader: &mut Reader<'_>,
    ) -> Vec<DeTable<'a>> {
        let mut tables = vec![self.table.clone()];
        let mut lists: Vec<_> = self.table.iter().collect();
        lists.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in lists {
            let key = name.get_ref().as_ref();
            let Some(items) = value.get_ref().as_array().filter(|_| keys.contains(&key)) else {
                continue;
            };
            let path = self.path.key(key);
            if items.is_empty() {
                let hint = Some("leave it out for its default".to_owned());
                reader.fault_with_hint(value.span(), path, "the list is empty", hint);
                continue;
            }
            if tables.len().saturating_mul(items.len()) > most {
                let message = format!("the lists make more than {most} benchmarks together");
                let hint = Some("shorten the lists, or run several specs".to_owned());
                reader.fault_with_hint(value.span(), path, message, hint);
                return tables;
            }
            let with = |table: &DeTable<'a>, item: &Spanned<DeValue<'a>>| {
                let mut table = table.clone();
                table.insert(name.clone(), item.clone());
                table
            };
            // The first list varies slowest, as the words of the spec are read.
            tables = tables
                .iter()
                .flat_map(|table| items.iter().map(move |item| with(table, item)))
                .collect();
        }
        tables
    }

    /// The same place with another table.
    pub(super) fn over<'b>(&self, table: &'b DeTable<'b>) -> Section<'b> {
        Section { path: self.path.clone(), table, span: self.span.clone(), known: self.known }
    }

    /// The table under `key`.
    pub(super) fn section(
        &self,
        key: &str,
        known: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let value = self.get(key)?;
        let path = self.path.key(key);
        let Some(table) = value.get_ref().as_table() else {
            reader.wrong_type(value, path.clone(), &format!("one table [{}]", path.table_name()));
            return None;
        };
        Some(Self::open(path, table, value.span(), known, reader))
    }

    /// Where the value of `name` in the table under `key` stands, or else what is around it.
    pub(super) fn span_within(&self, key: &str, name: &str) -> Range<usize> {
        let table = self.get(key).and_then(|value| value.get_ref().as_table());
        let value = table.and_then(|table| table.get(name));
        value.map_or_else(|| self.span_of(key), Spanned::span)
    }

    /// The tables of the array under `key`.
    pub(super) fn sections(
        &self,
        key: &str,
        known: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Vec<Self> {
        let path = self.path.key(key);
        self.tables(key, reader)
            .into_iter()
            .map(|(index, table, span)| Self::open(path.index(index), table, span, known, reader))
            .collect()
    }

    fn tables(&self, key: &str, reader: &mut Reader<'_>) -> Vec<Element<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let path = self.path.key(key);
        let Some(items) = value.get_ref().as_array() else {
            reader.wrong_type(value, path.clone(), &format!("a list of tables, each [[{path}]],"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref().as_table() {
                Some(table) => tables.push((index, table, item.span())),
                None => {
                    reader.wrong_type(item, path.index(index), "a table");
                    // The numbers of those after it are no longer theirs.
                    reader.suggested.push(path.clone());
                }
            }
        }
        tables
    }
}

/// Whether somebody may have put a secret there: what stands in its place is not shown.
fn may_be_secret(path: &KeyPath) -> bool {
    path.segments().iter().any(|segment| match segment {
        Segment::Key(key) => key == "chap" || key.contains("password"),
        Segment::Index(_) => false,
    })
}

/// A plain value as it is written to the kernel.
fn scalar(value: &DeValue<'_>, [no, yes]: [&str; 2]) -> Option<String> {
    match value {
        DeValue::Boolean(truth) => Some(if *truth { yes } else { no }.to_owned()),
        DeValue::Integer(number) => {
            i128::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A table of an array, with its number and place.
type Element<'a> = (usize, &'a DeTable<'a>, Range<usize>);

/// One name with its value.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) text: String,
    /// The value as it was written, for messages.
    pub(super) shown: String,
    pub(super) path: KeyPath,
    pub(super) name_span: Range<usize>,
    pub(super) span: Range<usize>,
}

/// One name with its text.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) path: KeyPath,
    pub(super) name_span: Range<usize>,
}

/// One text of a list.
pub(super) struct Item<'a> {
    pub(super) text: &'a str,
    pub(super) path: KeyPath,
    pub(super) span: Range<usize>,
}

/// What a range allows, in words.
pub(super) fn range_form<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// The fault of a number outside its range.
pub(super) fn out_of_range<T: Display>(shown: &dyn Display, range: &RangeInclusive<T>) -> String {
    format!("{shown} is out of range, {} is needed", range_form(range))
}

/// A value as it was written, cut and escaped; lists and tables are only named.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) if number.radix() == 10 => {
            quoted(number.as_str()).replace('"', "")
        }
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| "this".to_owned(), |number| number.to_string()),
        DeValue::Float(number) => quoted(number.as_str()).replace('"', ""),
        DeValue::Boolean(truth) => truth.to_string(),
        _ => "this".to_owned(),
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
