//! What is left when `lunlab` cannot clean up after itself, and runs beside one another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lunlab_tests::{DEADLINE, Finished, GRACE, Lunlab, boots};
use rustix::process::Signal;
use serde_json::Value;

use crate::specs::{SHORT, measured};

/// Kills `lunlab` itself when it says that.
fn killed_at(phase: &str) -> Finished {
    let run = Lunlab::run().spec(&measured(60, "iops >= 1")).start();
    run.wait_for(phase);
    let leftovers = run.leftovers();
    run.signal(Signal::KILL);
    let run = run.finish();
    leftovers.assert_gone(Instant::now() + GRACE);
    assert_eq!(run.signal(), Some(9));
    run
}

/// A run that was killed keeps what it had, under a name that says so.
fn kept(run: &Finished) -> String {
    let directory = run.result_directory();
    let name = directory.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with(".incomplete"), "{name}");
    let has = |file: &str| directory.join(file).exists();
    assert!(has("spec.toml") && has("kmsg.jsonl") && !has("junit.xml"), "{name}");
    run.result_file("console.log")
}

#[test]
fn sigkill_as_it_starts_leaves_nothing_running() {
    kept(&killed_at("starting QEMU"));
}

#[test]
fn sigkill_while_it_provisions_leaves_nothing_running() {
    kept(&killed_at("the agent is connected"));
}

/// One that is over soon, one that takes its time, one that never begins.
const LONG: &str = r#"
[kernel]
cmdline = "loglevel=7"
[[benchmark]]
workload = "hash"
samples_max = 5
samples_min = 5
[[benchmark]]
workload = "calibration"
budget = "10m"
precision = "0%"
samples_max = 100000
[[benchmark]]
workload = "txid48"
"#;

fn samples(benchmark: &Value) -> usize {
    benchmark["series"][0]["samples"].as_array().map_or(0, Vec::len)
}

/// A result has samples of a benchmark that is over, and some of one that is not.
fn is_within_the_second(document: &Value) -> bool {
    document["benchmarks"][0]["done"] == true && samples(&document["benchmarks"][1]) > 3
}

#[test]
fn sigkill_while_it_measures_leaves_nothing_running_and_what_was_measured() {
    let run = Lunlab::run().spec(LONG).start();
    run.wait_for("measuring").wait_for_result(is_within_the_second);
    let leftovers = run.leftovers();
    run.signal(Signal::KILL);
    let run = run.finish();
    leftovers.assert_gone(Instant::now() + GRACE);
    let console = kept(&run);
    assert!(console.contains("] "), "the console has the kernel's words: {console:?}");
    assert!(run.result_file("kmsg.jsonl").lines().count() > 100, "the kernel log was kept");
    let document = run.result();
    assert_eq!(document["verdict"]["kind"], "incomplete");
    is_usable(&run, "incomplete");
}

#[test]
fn ctrl_c_while_it_measures_keeps_what_was_measured() {
    let run = Lunlab::run().spec(LONG).start();
    run.wait_for("measuring").wait_for_result(is_within_the_second);
    run.signal(Signal::INT);
    let run = run.leaves_nothing();
    run.verdict("interrupted", 130);
    is_usable(&run, "interrupted");
}

/// What a run that ended before its time measured can be looked at, compared and taken elsewhere, and says what it is.
fn is_usable(run: &Finished, word: &str) {
    let document = run.result();
    assert!(is_within_the_second(&document), "{document:#}");
    assert_eq!(samples(&document["benchmarks"][2]), 0);
    let place = run.result_directory();
    let place = place.to_str().unwrap();
    let command = |words: &[&str]| {
        let lunlab = Lunlab::command(words).beside(run.directory()).boots_nothing().finish();
        lunlab.exits(0);
        lunlab
    };
    let csv = command(&["report", place, "--csv", "-"]).stdout;
    let second = csv.lines().filter(|line| line.contains("calibration")).count();
    assert_eq!(second, samples(&document["benchmarks"][1]), "{csv}");
    command(&["report", place, "-o", "page.html"]);
    let page = fs::read_to_string(run.directory().path().join("page.html")).unwrap();
    assert!(page.contains(&word.to_uppercase()), "the page says so");
    let compared = command(&["compare", place, place]);
    compared.shows(word).shows("1 of 1 runs cut short");
}

#[test]
fn a_killed_machine_leaves_nothing_either() {
    let run = Lunlab::run().spec(&measured(60, "iops >= 1")).start();
    run.wait_for("measuring");
    run.leftovers().running("qemu-system-x86_64").signal(Signal::KILL);
    run.leaves_nothing().verdict("agent-lost", 8);
}

#[test]
fn a_held_target_goes_with_its_holder() {
    let held = Lunlab::up().spec(SHORT).hold();
    let leftovers = held.running().leftovers();
    assert!(leftovers.ports.contains(&held.portal().port()), "{leftovers:#?}");
    held.stop().verdict("pass", 0);
    leftovers.assert_gone(Instant::now() + GRACE);
}

#[test]
fn eight_runs_at_once_in_one_directory_do_not_disturb_each_other() {
    let permit = Arc::new(boots::all());
    let directory = Arc::clone(Lunlab::run().directory());
    fs::write(directory.path().join("spec.toml"), measured(1, "iops >= 1")).unwrap();
    let start = |_| {
        let run = Lunlab::run().args(["--format", "json", "spec.toml"]).beside(&directory);
        run.under(&permit).within(2 * DEADLINE).start()
    };
    let runs: Vec<_> = (0..8).map(start).collect();
    let leftovers: Vec<_> = runs
        .iter()
        .map(|run| {
            run.wait_for("the agent is connected");
            run.leftovers()
        })
        .collect();
    let documents: Vec<Value> = runs
        .into_iter()
        .map(|run| {
            let run = run.finish();
            run.exits(0);
            serde_json::from_str(&run.stdout).unwrap()
        })
        .collect();
    let deadline = Instant::now() + GRACE;
    leftovers.iter().for_each(|leftovers| leftovers.assert_gone(deadline));
    let distinct = |pointer: &str| {
        let texts = documents.iter().map(|document| document.pointer(pointer).unwrap());
        texts.map(|text| text.as_str().unwrap()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((distinct("/run_id"), distinct("/target/portal")), (8, 8));
    each_has_its_result(&documents, directory.path());
}

fn each_has_its_result(documents: &[Value], directory: &Path) {
    let results = directory.join("lunlab-results");
    for document in documents {
        let path = results.join(document["run_id"].as_str().unwrap()).join("result.json");
        let kept: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(kept, *document);
        assert_eq!(kept["verdict"]["kind"], "pass");
    }
}
