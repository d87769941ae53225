//! TOML as a person would write a spec: a table for each item, short things inline.

use std::fmt::{self, Write};

use crate::escape;
use serde_json::Value;

/// The width within which a value stays on one line.
const WIDTH: usize = 100;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Item>),
    /// An inline table.
    Inline(Vec<(String, Item)>),
}

impl Item {
    /// What JSON and TOML both have.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Bool(value) => Self::Boolean(*value),
            Value::Number(number) => Self::Integer(number.as_i64()?),
            Value::Array(items) => {
                Self::List(items.iter().map(Self::from_json).collect::<Option<_>>()?)
            }
            Value::Object(members) => Self::Inline(
                members
                    .iter()
                    .map(|(key, value)| Some((key.clone(), Self::from_json(value)?)))
                    .collect::<Option<_>>()?,
            ),
            Value::Null => return None,
        })
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Item {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<u8> for Item {
    fn from(value: u8) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u16> for Item {
    fn from(value: u16) -> Self {
        Self::Integer(value.into())
    }
}

impl From<i64> for Item {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

/// One table with its header; its keys are written in the order they are set.
#[derive(Clone, Debug)]
pub(super) struct Table {
    header: &'static str,
    entries: Vec<(String, Item)>,
}

impl Table {
    /// An empty table under this header, brackets and all.
    pub(super) fn new(header: &'static str) -> Self {
        Self { header, entries: Vec::new() }
    }

    /// Sets a key; what was set before is replaced.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Item>) {
        let value = value.into();
        match self.entries.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key.to_owned(), value)),
        }
    }

    /// Sets a key when there is something to set.
    pub(super) fn set_some(&mut self, key: &str, value: Option<impl Into<Item>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Sets a key to an inline table unless that is empty.
    pub(super) fn set_inline(&mut self, key: &str, entries: Vec<(String, Item)>) {
        if !entries.is_empty() {
            self.set(key, Item::Inline(entries));
        }
    }

    /// Takes a key out, or one of its inline table: that as well once it is empty. Says whether
    /// there was one.
    pub(super) fn remove(&mut self, key: &str, inner: Option<&str>) -> bool {
        let Some(index) = self.entries.iter().position(|(known, _)| known == key) else {
            return false;
        };
        if let (Some(inner), Some((_, Item::Inline(entries)))) =
            (inner, self.entries.get_mut(index))
        {
            let before = entries.len();
            entries.retain(|(known, _)| known != inner);
            if !entries.is_empty() {
                return entries.len() < before;
            }
        }
        self.entries.remove(index);
        true
    }

    /// Its name, without brackets.
    pub(super) fn name(&self) -> &'static str {
        self.header.trim_matches(['[', ']'])
    }

    /// Whether there may be several of it.
    pub(super) fn repeats(&self) -> bool {
        self.header.starts_with("[[")
    }

    /// Whether a key was set.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == key)
    }

    /// Whether nothing was set.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.header)?;
        for (key, value) in &self.entries {
            let line = format!("{} = {value}", Key(key));
            match value {
                Item::List(items) if line.len() > WIDTH => {
                    writeln!(f, "{} = [", Key(key))?;
                    items.iter().try_for_each(|item| writeln!(f, "    {item},"))?;
                    writeln!(f, "]")?;
                }
                _ => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&escape::toml(text)),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => {
                f.write_char('[')?;
                separated(f, items, |f, item| write!(f, "{item}"))?;
                f.write_char(']')
            }
            Self::Inline(entries) => {
                f.write_str("{ ")?;
                separated(f, entries, |f, (key, value)| write!(f, "{} = {value}", Key(key)))?;
                f.write_str(" }")
            }
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    each: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(index, item)| {
        if index > 0 {
            f.write_str(", ")?;
        }
        each(f, item)
    })
}

/// A key, bare where TOML allows that.
struct Key<'a>(&'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !self.0.is_empty() && self.0.bytes().all(bare) {
            f.write_str(self.0)
        } else {
            f.write_str(&escape::toml(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, Table};
    use proptest::prelude::*;
    use toml::Spanned;
    use toml::de::{DeTable, DeValue};

    #[test]
    fn tables_read_as_a_person_would_write_them() {
        let mut table = Table::new("[[storage_object]]");
        table.set("name", "disk0");
        table.set_inline("attributes", vec![("emulate_tpu".into(), true.into())]);
        table.set_inline("nothing", Vec::new());
        table.set("luns", Item::List(vec![Item::Integer(1), Item::Integer(2)]));
        let expected = "\
[[storage_object]]
name = \"disk0\"
attributes = { emulate_tpu = true }
luns = [1, 2]
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_long_list_has_a_line_for_each_item() {
        let mut table = Table::new("[t]");
        let long = "x".repeat(60);
        table.set("list", Item::List(vec![long.as_str().into(), long.as_str().into()]));
        assert_eq!(table.to_string().lines().count(), 5);
        assert!(DeTable::parse(&table.to_string()).is_ok());
    }

    fn member<'a>(table: &'a Spanned<DeValue<'a>>, key: &str) -> &'a Spanned<DeValue<'a>> {
        table.get_ref().as_table().unwrap().get(key).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_a_parser_reads(key in any::<String>(), text in any::<String>()) {
            let mut table = Table::new("[t]");
            table.set_inline("inline", vec![(key.clone(), Item::Text(text.clone()))]);
            let written = table.to_string();
            let read = DeTable::parse(&written).unwrap();
            let inline = member(read.get_ref().get("t").unwrap(), "inline");
            prop_assert_eq!(member(inline, &key).get_ref().as_str(), Some(text.as_str()));
        }
    }
}
