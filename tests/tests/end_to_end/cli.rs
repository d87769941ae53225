//! What is typed wrong, and help.

use lunlab_tests::{Finished, Lunlab};

use crate::specs::SHORT;

/// A command line that starts nothing.
fn only<const N: usize>(words: [&str; N]) -> Finished {
    let run = Lunlab::command(words).boots_nothing().start().leaves_nothing();
    assert!(run.results().is_empty(), "{words:?} made a result");
    run
}

fn refused(spec: &str) -> Finished {
    let run = Lunlab::run().spec(spec).boots_nothing().start().leaves_nothing();
    assert!(run.results().is_empty(), "a bad spec made a result");
    run.exits(2);
    run
}

#[test]
fn an_unknown_key_is_usage_with_the_nearest_one_line_and_column() {
    refused("[machine]\ncpus = 1\n  memmory = \"1G\"\n")
        .says("spec.toml:3:3")
        .says("memmory")
        .says("\"memory\"");
}

#[test]
fn a_bad_value_is_usage_with_line_and_column() {
    refused("[machine]\ncpus = 0\n").says("spec.toml:2:8").says("cpus");
    refused(&SHORT.replace("\"16M\"", "\"16 potatoes\"")).says("spec.toml:5:8").says("size");
    refused(&SHORT.replace("storage_object = \"disk0\"", "storage_object = \"disk1\""))
        .says("disk1")
        .says("did you mean \"disk0\"?");
    refused("[machine\n").says("spec.toml:1");
}

#[test]
fn a_spec_that_is_not_there_is_usage() {
    only(["run", "nothing.toml"]).exits(2).says("nothing.toml: ENOENT");
}

#[test]
fn bad_arguments_are_usage() {
    only(["run", "--transport", "pigeon"]).exits(2).says("vhost-user-vsock");
    only(["run", "--memory", "lots"]).exits(2).says("512M");
    only(["run", "--cpus", "0"]).exits(2).says("cpus");
    only(["runn"]).exits(2).says("'run'");
    only(["run", "--timeot", "5s"]).exits(2).says("--timeout");
}

#[test]
fn a_refusal_is_a_document_too() {
    let run = only(["run", "--format", "json", "nothing.toml"]);
    run.exits(2);
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["verdict"]["kind"], "usage");
    assert_eq!(document["verdict"]["exit_code"], 2);
    assert!(document["verdict"]["reason"].as_str().unwrap().contains("nothing.toml"));
}

#[test]
fn help_names_each_exit_code_and_shows_examples() {
    let help = only(["--help"]);
    help.exits(0);
    for word in ["run", "up", "image", "4 boot", "9 provision", "130, 143"] {
        help.shows(word);
    }
    for words in [["run", "--help"], ["up", "--help"]] {
        only(words).exits(0).shows("Examples:").shows("--kernel");
    }
    only(["image", "build", "--help"]).exits(0).shows("Examples:");
    only(["image", "list", "--help"]).exits(0).shows("Examples:");
    only(["--version"]).exits(0).shows("lunlab ");
}

#[test]
fn quiet_says_nothing_of_a_pass() {
    let run = Lunlab::run().args(["--quiet"]).spec(SHORT).finish();
    run.verdict("pass", 0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}
