//! Which parameters tell a benchmark from the others of its workload.

use super::document::Benchmark;
use crate::spec::format_size;
use lunlab_bench::sampling::Budget;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a benchmark was run with.
pub(crate) type Parameters = BTreeMap<String, Value>;

/// Names and values, as a person reads them.
pub(crate) type Telling<'a> = Vec<(&'a str, String)>;

/// What so many of a hundred have says nothing of them.
const NEARLY_ALL: usize = 80;

/// For each of some benchmarks what tells it from others: what they have in common is left out, what nearly all have as
/// well, and how they were sampled. Where that leaves two alike, it is all that is not the same in all.
pub(crate) fn telling<'a>(benchmarks: &[(&'a str, &'a Parameters)]) -> Vec<Telling<'a>> {
    let brief: Vec<_> = told(benchmarks, |name, part| !is_sampling(name) && part < NEARLY_ALL);
    let mut first = BTreeMap::new();
    let mut ambiguous = BTreeSet::new();
    for ((workload, parameters), words) in benchmarks.iter().zip(&brief) {
        let one = first.entry((workload, words)).or_insert(parameters);
        if one != &parameters {
            ambiguous.insert((*workload, words.clone()));
        }
    }
    let whole = told(benchmarks, |_, part| part < 100);
    let chosen = |((words, whole), (workload, _)): ((Telling<'a>, _), &(&'a str, _))| {
        if ambiguous.contains(&(*workload, words.clone())) { whole } else { words }
    };
    brief.clone().into_iter().zip(whole).zip(benchmarks).map(chosen).collect()
}

/// The parameters whose value so many of a hundred have that it is worth telling.
fn told<'a>(
    benchmarks: &[(&'a str, &'a Parameters)],
    is_worth_it: impl Fn(&str, usize) -> bool,
) -> Vec<Telling<'a>> {
    let mut all = BTreeMap::<&str, usize>::new();
    let mut having = BTreeMap::<(&str, &str, String), usize>::new();
    for (workload, parameters) in benchmarks {
        *all.entry(workload).or_default() += 1;
        for (name, value) in *parameters {
            *having.entry((workload, name, value.to_string())).or_default() += 1;
        }
    }
    let of_one = |(workload, parameters): &(&'a str, &'a Parameters)| {
        let worth = |(name, value): &(&'a String, &Value)| {
            let count = having.get(&(workload, name, value.to_string())).copied().unwrap_or(0);
            is_worth_it(name, count * 100 / all.get(workload).copied().unwrap_or(1).max(1))
        };
        let worth = parameters.iter().filter(worth);
        worth.map(|(name, value)| (name.as_str(), shown(name, value))).collect()
    };
    benchmarks.iter().map(of_one).collect()
}

fn is_sampling(name: &str) -> bool {
    Budget::PARAMETERS.iter().any(|parameter| parameter.name == name)
}

/// The workload and what tells: `storage, queue_depth 32`.
pub(crate) fn label(workload: &str, telling: &Telling) -> String {
    let words = telling.iter().map(|(name, value)| format!(", {name} {value}"));
    std::iter::once(workload.to_owned()).chain(words).collect()
}

/// What to call each benchmark of a run: its workload, with what tells it from the others in brackets, as
/// `storage (queue_depth 32)`, and with a number where that is the same.
pub(crate) fn names(benchmarks: &[Benchmark]) -> Vec<String> {
    let all: Vec<_> =
        benchmarks.iter().map(|each| (each.workload.as_str(), &each.parameters)).collect();
    let mut names: Vec<String> = Vec::with_capacity(all.len());
    let mut times = BTreeMap::<String, usize>::new();
    for ((workload, _), telling) in all.iter().zip(telling(&all)) {
        let words: Vec<String> =
            telling.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let name = match words.join(", ") {
            nothing if nothing.is_empty() => (*workload).to_owned(),
            words => format!("{workload} ({words})"),
        };
        let time = times.entry(name.clone()).or_default();
        *time += 1;
        names.push(if *time == 1 { name } else { format!("{name}, number {time}") });
    }
    names
}

/// A parameter's value as a spec would have it, without quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A parameter's value as a person has it: bytes in the units of specs.
pub(crate) fn shown(name: &str, value: &Value) -> String {
    let bytes = value.as_u64().filter(|_| name.contains("size") || name.contains("bytes"));
    bytes.map_or_else(|| plain(value), format_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labels(benchmarks: &[Value]) -> Vec<String> {
        let parameters: Vec<Parameters> =
            benchmarks.iter().map(|each| serde_json::from_value(each.clone()).unwrap()).collect();
        let named: Vec<_> = parameters.iter().map(|each| ("w", each)).collect();
        telling(&named).iter().map(|words| label("w", words)).collect()
    }

    #[test]
    fn what_nearly_all_have_is_told_of_the_others_only() {
        let mut all: Vec<Value> =
            (1..=8).map(|n| json!({"depth": n, "object": "a", "budget": 400, "same": 1})).collect();
        all.push(json!({"depth": 4, "object": "b", "budget": 1000, "same": 1}));
        let labels = labels(&all);
        assert_eq!(labels[0], "w, depth 1");
        assert_eq!(labels[3], "w, depth 4");
        assert_eq!(labels[8], "w, depth 4, object b");
    }

    #[test]
    fn two_that_would_be_called_the_same_are_told_apart_by_how_they_were_sampled() {
        let labels = labels(&[json!({"a": 1, "budget": 1}), json!({"a": 1, "budget": 2})]);
        assert_eq!(labels, ["w, budget 1", "w, budget 2"]);
        assert_eq!(super::telling(&[]), Vec::<Telling>::new());
    }

    #[test]
    fn each_benchmark_of_a_run_has_a_name_of_its_own() {
        let of = |workload: &str, parameters: Value| Benchmark {
            workload: workload.to_owned(),
            parameters: serde_json::from_value(parameters).unwrap(),
            ..Benchmark::default()
        };
        let all = [
            of("hash", json!({"size": 32})),
            of("storage", json!({"block_size": 4096, "via": "iscsi"})),
            of("storage", json!({"block_size": 65536, "via": "iscsi"})),
            of("hash", json!({"size": 32})),
        ];
        let expected =
            ["hash", "storage (block_size 4K)", "storage (block_size 64K)", "hash, number 2"];
        assert_eq!(names(&all), expected);
    }
}
