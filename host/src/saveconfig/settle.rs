//! What lunlab's own rules have against a spec that was imported is taken out of it.
//!
//! A saved configuration may hold what a kernel took and a spec refuses: a queue deeper than the
//! guest's backstore has, a write cache that a buffered file cannot be without. The rules know;
//! here they are only obeyed.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::Table;
use super::reader::Notes;
use crate::spec::{Base, Spec};

/// Without these a table is none, or another one.
const NEEDED: [&str; 13] = [
    "name",
    "backstore",
    "size",
    "device",
    "disk",
    "serial",
    "wwn",
    "fabric",
    "luns",
    "portals",
    "initiator",
    "mapped_luns",
    "chap",
];

/// How often taking something out may bring something else to light.
const ROUNDS: usize = 8;

/// Takes out of the tables what a spec may not have, as far as it can do without.
pub(super) fn settle(mut tables: Vec<Table>, notes: &Notes) -> Vec<Table> {
    for _ in 0..ROUNDS {
        let text: String = tables.iter().map(ToString::to_string).collect();
        // Secrets are not there, which is a fault of what is needed.
        let base = Base { directory: Path::new("/"), home: None, environment: |_| None };
        let Err(faults) = Spec::parse(&text, base) else { break };
        let mut removed = false;
        for fault in &faults.0 {
            let key = fault.key.to_string();
            if take_out(&mut tables, &key) {
                notes.add(format!("(spec) {key}"), format!("{}: left out", fault.message));
                removed = true;
            }
        }
        if !removed {
            break;
        }
    }
    tables
}

/// Takes out what is at a path such as `target[0].tpg[1].attributes.login_timeout`.
fn take_out(tables: &mut [Table], key: &str) -> bool {
    let paths = paths(tables);
    let below = |path: &String| key.strip_prefix(path.as_str())?.strip_prefix('.').map(str::len);
    let nearest = paths.iter().enumerate().filter_map(|(n, path)| Some((below(path)?, n))).min();
    let Some((left, index)) = nearest else { return false };
    let rest = key.get(key.len() - left..).unwrap_or_default();
    let mut segments = rest.split(['.', '[']);
    let Some(first) = segments.next().filter(|first| !NEEDED.contains(first)) else {
        return false;
    };
    tables.get_mut(index).is_some_and(|table| table.remove(first, segments.next()))
}

/// The path of each table: `storage_object[2]`, `storage_object[2].alua_group[0]`, `discovery`.
fn paths(tables: &[Table]) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut latest: BTreeMap<&str, String> = BTreeMap::new();
    let mut path = |table: &Table| {
        let name = table.name();
        let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
        let before = latest.get(parent).map(|parent| format!("{parent}.")).unwrap_or_default();
        let mut path = format!("{before}{last}");
        if table.repeats() {
            let number = count.entry(path.clone()).or_default();
            path = format!("{path}[{number}]");
            *number += 1;
        }
        latest.insert(name, path.clone());
        path
    };
    tables.iter().map(&mut path).collect()
}

#[cfg(test)]
mod tests {
    use super::{Notes, Table, paths, settle};
    use crate::saveconfig::document::Item;

    #[test]
    fn tables_are_counted_within_their_parents() {
        let headers = [
            "[[target]]",
            "[[target.tpg]]",
            "[[target.tpg]]",
            "[[target.tpg.acl]]",
            "[[target]]",
            "[[target.tpg]]",
            "[discovery]",
        ];
        assert_eq!(
            paths(&headers.map(Table::new)),
            [
                "target[0]",
                "target[0].tpg[0]",
                "target[0].tpg[1]",
                "target[0].tpg[1].acl[0]",
                "target[1]",
                "target[1].tpg[0]",
                "discovery",
            ]
        );
    }

    #[test]
    fn what_the_rules_refuse_goes_and_what_is_needed_stays() {
        let mut table = Table::new("[[storage_object]]");
        table.set("name", "a");
        table.set("backstore", "ramdisk");
        table.set("size", "1 parsec");
        let deep = |name: &str| (name.to_owned(), Item::Integer(256));
        table.set("attributes", Item::Inline(vec![deep("queue_depth")]));
        let notes = Notes::default();
        let settled = settle(vec![table], &notes);
        assert!(settled[0].to_string().contains("parsec"));
        let mut table = settled.into_iter().next().unwrap();
        table.set("size", "1M");
        let settled = settle(vec![table], &notes);
        assert!(!settled[0].has("attributes"), "{}", settled[0]);
        let notes = notes.into_vec();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].place, "(spec) storage_object[0].attributes.queue_depth");
    }
}
