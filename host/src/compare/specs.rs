//! In what specs differ, key by key.

use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// How many keys are named.
const NAMED: usize = 3;

/// How long a value may be to be shown.
const SHORT: usize = 40;

/// The keys that specs, as they were written, have with several values, or not all have.
pub(super) fn difference(specs: &BTreeSet<&String>) -> Option<String> {
    if specs.len() < 2 {
        return None;
    }
    let read: Option<Vec<_>> = specs.iter().map(|spec| keys(spec)).collect();
    let Some(read) = read else { return Some("the specs differ".to_owned()) };
    let names: BTreeSet<&String> = read.iter().flat_map(BTreeMap::keys).collect();
    let differing: Vec<String> =
        names.into_iter().filter_map(|name| differs(name, &read)).collect();
    if differing.is_empty() {
        // Comments, or the order of keys.
        return None;
    }
    let more = match differing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let named = differing.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    Some(format!("the specs differ: {named}{more}"))
}

fn differs(name: &String, specs: &[BTreeMap<String, String>]) -> Option<String> {
    let values: BTreeSet<Option<&String>> = specs.iter().map(|keys| keys.get(name)).collect();
    if values.len() < 2 {
        return None;
    }
    let words = values.into_iter().map(|value| value.map_or("none", String::as_str));
    let words = words.collect::<Vec<_>>().join(" or ");
    Some(if words.chars().count() > SHORT { name.clone() } else { format!("{name} ({words})") })
}

/// Every key of a spec with its value; none where it is no TOML.
fn keys(spec: &str) -> Option<BTreeMap<String, String>> {
    let table = DeTable::parse(spec).ok()?;
    let mut keys = BTreeMap::new();
    read_table("", table.get_ref(), &mut keys);
    Some(keys)
}

fn read_table(path: &str, table: &DeTable<'_>, keys: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = key.get_ref();
        let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        read_value(path, value.get_ref(), keys);
    }
}

fn read_value(path: String, value: &DeValue<'_>, keys: &mut BTreeMap<String, String>) {
    let word = match value {
        DeValue::Table(table) => return read_table(&path, table, keys),
        DeValue::Array(values) => {
            for (n, value) in values.iter().enumerate() {
                read_value(format!("{path}[{n}]"), value.get_ref(), keys);
            }
            return;
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
    };
    keys.insert(path, word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_told_apart_by_their_keys() {
        let one = "a = 1\n[kernel]\nimage = \"debian\"\n[[benchmark]]\nsizes = [1, 2]\n";
        for (other, expected) in [
            (one.to_owned(), None),
            (format!("# the same\n{one}"), None),
            (one.replace("a = 1", "a = 2"), Some("the specs differ: a (1 or 2)")),
            (one.replace(", 2", ""), Some("the specs differ: benchmark[0].sizes[1] (none or 2)")),
            (one.replace("debian", &"x".repeat(50)), Some("the specs differ: kernel.image")),
            (
                "b = true".to_owned(),
                Some(
                    "the specs differ: a (none or 1), b (none or true), benchmark[0].sizes[0] \
                     (none or 1), and 2 more",
                ),
            ),
            ("no TOML".to_owned(), Some("the specs differ")),
        ] {
            let specs: Vec<String> = vec![one.to_owned(), other];
            assert_eq!(difference(&specs.iter().collect()).as_deref(), expected, "{specs:?}");
        }
    }
}
