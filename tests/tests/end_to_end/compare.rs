//! Results compared, and kernels run by turns.

use lunlab_tests::{Finished, Lunlab, controls};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Takes turns with a completion time of so many nanoseconds for B, and 20 ms for A.
fn ab(completion_b: f64, words: &[&str]) -> Finished {
    let command = Lunlab::command(["ab", "-n", "3"]);
    let slow = command.directory().path().join("b.toml");
    fs::write(&slow, controls::spec(completion_b)).unwrap();
    let slow = slow.display().to_string();
    let command = command.args(["--spec-b", &slow]).args(words);
    command.spec(&controls::spec(2e7)).within(lunlab_tests::DEADLINE * 4).finish()
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{}", finished.story()))
}

/// What `lunlab compare` says of the results of an experiment.
fn compared(experiment: &Path, words: &[&str]) -> Finished {
    let sides = ["a", "b"].map(|side| experiment.join(side).display().to_string());
    Lunlab::command(["compare"]).args(sides).args(words).boots_nothing().finish()
}

#[test]
fn the_same_kernel_is_neither_better_nor_worse_than_itself() {
    let run = ab(2e7, &["--format", "json"]);
    run.exits(0).says("run 6 of 6, B: pass");
    let document = json(&run);
    let row = controls::row(&document).unwrap();
    assert!(["same", "cannot-tell"].contains(&row["judgement"].as_str().unwrap()), "{row}");
    assert_eq!(document["interleaved"], true);
    assert_eq!(document["a"]["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn half_as_much_again_is_found_and_fails_and_is_found_again_in_the_results() {
    let run = ab(3e7, &["--fail-on", "3%"]);
    run.exits(1).shows("latency p50 is worse by more than 3 %");
    let place = &run.results()[0];
    let again = compared(place, &["--format", "json"]);
    let document = json(again.exits(0));
    let row = controls::row(&document).unwrap();
    let ratio = row["ratio"].as_f64().unwrap();
    assert!(row["judgement"] == "worse" && (1.3..1.6).contains(&ratio), "{row}");
    compared(place, &["--fail-on", "90%"]).exits(0);
}

#[test]
fn ctrl_c_keeps_what_was_finished_and_compares_it() {
    let command = Lunlab::command(["ab", "-n", "5"]).spec(&controls::spec(1e6));
    let run = command.within(lunlab_tests::DEADLINE * 2).start();
    run.wait_for("run 2 of 10, B: pass").signal(Signal::INT);
    let run = run.leaves_nothing();
    run.exits(130).shows("latency p50");
    let sides = ["a", "b"].map(|side| run.results()[0].join(side));
    assert!(sides.iter().all(|side| fs::read_dir(side).unwrap().next().is_some()));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    for (words, part) in [
        (vec!["compare", "last~1", "last"], "there are not so many"),
        (vec!["compare"], "no results are named"),
        (vec!["compare", "--a", "last"], "only one side is named"),
        (vec!["compare", "x", "y", "--fail-on", "lots"], "write a number from 0"),
        (vec!["ab", "-n", "0"], "0 is not in 1..=1000"),
        (vec!["ab", "--kernel", "a", "--kernel", "b", "--kernel", "c"], "more than two"),
        (vec!["ab", "-"], "standard input is read once"),
    ] {
        Lunlab::command(words).boots_nothing().finish().exits(2).says(part);
    }
}
