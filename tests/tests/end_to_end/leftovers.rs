//! What is left when `lunlab` cannot clean up after itself, and runs beside one another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lunlab_tests::{DEADLINE, Finished, GRACE, Lunlab, boots};
use rustix::process::Signal;

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
    assert!(has("spec.toml") && has("kmsg.jsonl") && !has("result.json"), "{name}");
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

#[test]
fn sigkill_while_it_measures_leaves_nothing_running_and_what_was_seen() {
    let run = killed_at("measuring");
    let console = kept(&run);
    assert!(console.contains("] "), "the console has the kernel's words: {console:?}");
    assert!(run.result_file("kmsg.jsonl").lines().count() > 100, "the kernel log was kept");
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
    let documents: Vec<serde_json::Value> = runs
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

fn each_has_its_result(documents: &[serde_json::Value], directory: &Path) {
    let results = directory.join("lunlab-results");
    for document in documents {
        let path = results.join(document["run_id"].as_str().unwrap()).join("result.json");
        let kept: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(kept, *document);
        assert_eq!(kept["verdict"]["kind"], "pass");
    }
}
