//! Workloads by name, in a guest and on the host itself.

use std::time::Instant;

use lunlab_tests::{Finished, GRACE, Lunlab};
use rustix::process::Signal;
use serde_json::Value;

const QUICK: [&str; 6] = ["-p", "samples_max=5", "-p", "samples_min=5", "-p", "warm_up=10ms"];

const LONG: [&str; 6] = ["-p", "budget=10m", "-p", "precision=0%", "-p", "samples_max=100000"];

fn bench(words: &[&str]) -> Lunlab {
    Lunlab::command(["bench"]).args(words)
}

/// What every benchmark has, wherever it ran.
fn is_whole(benchmark: &Value, workload: &str) {
    assert_eq!((&benchmark["workload"], &benchmark["done"]), (&workload.into(), &true.into()));
    let compiled = benchmark["compiled"].as_str().unwrap();
    assert!(compiled.contains("musl, opt-level 3"), "{compiled}");
    for series in benchmark["series"].as_array().unwrap() {
        let samples = series["samples"].as_array().unwrap();
        assert!(samples.len() == 5, "{series}");
        assert!(samples.iter().all(|sample| sample.as_f64().unwrap() > 0.0), "{series}");
    }
    let gauges = benchmark["conditions"]["gauges"].as_array().unwrap();
    for name in ["calibration_ns", "clock_ms"] {
        let gauge = gauges.iter().find(|gauge| gauge["name"] == name).unwrap();
        assert!(gauge["before"].as_f64().unwrap() > 0.0, "{gauge}");
        assert!(gauge["after"].as_f64().unwrap() > 0.0, "{gauge}");
    }
}

#[test]
fn workloads_run_in_a_guest_and_on_the_host_by_one_program() {
    let guest = bench(&["hash", "txid48", "-p", "size=32,64"]).args(QUICK).finish();
    guest.verdict("pass", 0);
    let document = guest.result();
    for (n, (workload, series)) in [("hash", 8), ("txid48", 4)].into_iter().enumerate() {
        let benchmark = &document["benchmarks"][n];
        is_whole(benchmark, workload);
        assert_eq!(benchmark["series"].as_array().unwrap().len(), series, "{benchmark}");
    }
    assert!(document["kernel"]["release"].is_string());

    let local = bench(&["hash", "--local", "-p", "size=32"]).args(QUICK).boots_nothing().finish();
    local.verdict("pass", 0);
    let document = local.result();
    is_whole(&document["benchmarks"][0], "hash");
    assert!(document["kernel"].is_null() && document["qemu"].is_null());
}

#[test]
fn what_cannot_be_counted_is_told() {
    let local = bench(&["calibration", "--local", "-p", "count=true"]).args(QUICK);
    let document = local.boots_nothing().finish().result();
    let counters = document["benchmarks"][0]["counters"].as_array().unwrap();
    assert_eq!(counters.len(), 6, "{counters:?}");
    for counter in counters {
        assert_ne!(counter["value"].is_null(), counter["problem"].is_null(), "{counter}");
    }
}

#[test]
fn what_ends_it_on_the_host_itself_ends_the_workload_and_keeps_the_samples() {
    for (signal, kind) in [(Signal::INT, "interrupted"), (Signal::KILL, "incomplete")] {
        let run = bench(&["calibration", "--local"]).args(LONG).boots_nothing().start();
        run.wait_for("measuring calibration").wait_for_result(|document| taken(document) > 3);
        let leftovers = run.leftovers();
        assert_eq!(leftovers.processes.len(), 2, "the workload's is one of its own");
        run.signal(signal);
        let run = run.finish();
        leftovers.assert_gone(Instant::now() + GRACE);
        let document = run.result();
        assert_eq!(document["verdict"]["kind"], kind);
        assert!(document["benchmarks"][0]["done"] == false && taken(&document) > 3);
    }
}

#[test]
fn a_signal_that_the_workload_meets_first_is_an_interruption_all_the_same() {
    let run = bench(&["calibration", "--local"]).args(LONG).boots_nothing().start();
    run.wait_for("measuring calibration").wait_for_result(|document| taken(document) > 3);
    let leftovers = run.leftovers();
    let own = run.process().id;
    let workload = leftovers.processes.iter().find(|process| process.id != own);
    workload.expect("the workload's").signal(Signal::TERM);
    run.signal(Signal::TERM);
    run.finish().verdict("interrupted", 143);
    leftovers.assert_gone(Instant::now() + GRACE);
}

/// How many samples a result has.
fn taken(document: &Value) -> usize {
    document["benchmarks"][0]["series"][0]["samples"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_terminal_has_a_live_line_and_shapes_that_fit_and_a_pipe_has_neither() {
    let command = |term| {
        let brief = ["-p", "samples_max=20", "-p", "precision=0%", "-p", "budget=1s"];
        bench(&["calibration", "--local"]).args(brief).env("TERM", term).boots_nothing()
    };
    let has_shape = |text: &str| text.chars().any(|c| ('▁'..='█').contains(&c));
    for (term, live) in [("xterm", true), ("dumb", false)] {
        let run = command(term).start_on_terminal().finish();
        run.exits(0);
        // It has 80 columns, as it does not know better.
        let (before, summary) = run.stdout.split_once("host ").unwrap();
        assert_eq!(before.contains("\x1b["), live, "{before:?}");
        assert_eq!(before.contains(" s] measuring calibration"), !live, "{before:?}");
        let shapes: Vec<&str> = summary.lines().filter(|line| has_shape(line)).collect();
        assert!(!shapes.is_empty(), "{summary}");
        assert!(shapes.iter().all(|line| line.trim_end().chars().count() <= 80), "{shapes:#?}");
    }
    let run = command("xterm").finish();
    run.exits(0);
    let all = run.stdout + &run.stderr;
    assert!(!all.contains('\x1b') && !has_shape(&all), "{all}");
}

#[test]
fn a_list_is_a_sweep_and_what_is_wrong_is_told_before_anything_starts() {
    let swept = bench(&["calibration", "--local", "-p", "sample_time=1ms,2ms"]).args(QUICK);
    let document = swept.boots_nothing().finish().result();
    let times = document["benchmarks"].as_array().unwrap().iter();
    let times: Vec<_> = times.map(|each| each["parameters"]["sample_time"].as_u64()).collect();
    assert_eq!(times, [Some(1), Some(2)]);

    let refused = |words: &[&str], text: &str| {
        let finished: Finished = bench(words).boots_nothing().finish();
        finished.exits(2).says(text);
        assert!(finished.results().is_empty());
    };
    refused(&["hsh"], "did you mean \"hash\"?");
    refused(&["hash", "-p", "siz=1K"], "did you mean \"size\"?");
    refused(&["hash", "-p", "size=1X"], "is not a size");
    refused(&["hash", "--local", "-p", "budget=2"], "has no unit");
    refused(&["hash", "--local", "-p", "samples_min=300"], "more than samples_max = 200");
    refused(&["iblt", "-p", "entries=10"], "twice the entries is the most");
    refused(&["hash", "-p", "size=32", "-p", "size=64"], "-p size=32,64 for both");
    refused(&["hash", "--local", "--dry-run"], "cannot be used with");
    refused(&["digest"], "it measures a storage object");
    let list = bench(&[]).boots_nothing().finish();
    list.exits(0).shows("hash").shows("budget=5s");
}
