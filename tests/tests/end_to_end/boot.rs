//! Boots that are repeated.

use std::fs;

use lunlab_tests::{Lunlab, ports, write_program};
use rustix::process::Signal;
use serde_json::Value;

/// In the order in which they are reached.
const PHASES: [&str; 6] = ["qemu-spawn", "kernel", "init", "channel", "modules", "target-ready"];

fn spec(boots: u32) -> String {
    // Every machine has the same port.
    let [port] = ports::free();
    format!(
        "[[storage_object]]\nname = \"disk0\"\nbackstore = \"ramdisk\"\nsize = \"1M\"\n\
         [[target]]\nwwn = \"iqn.2024-05.org.example:boot\"\n[[target.tpg]]\ntag = 1\n\
         luns = [{{ lun = 0, storage_object = \"disk0\" }}]\nportals = [\"127.0.0.1:{port}\"]\n\
         [[benchmark]]\nworkload = \"boot\"\nboots = {boots}\nwarm_up_boots = 0\n\
         check = [\"target-ready <= 100s\"]\n"
    )
}

fn samples(document: &Value, name: &str) -> Vec<f64> {
    let all = document["benchmarks"][0]["series"].as_array().unwrap();
    let of = all.iter().find(|each| each["name"] == name);
    let of = of.and_then(|of| of["samples"].as_array()).into_iter().flatten();
    of.map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn each_boot_is_a_sample_of_every_phase_and_they_come_in_order() {
    let run = Lunlab::run().spec(&spec(2)).finish();
    run.verdict("pass", 0);
    let document = run.result();
    assert_eq!(document["benchmarks"][0]["done"], true);
    let reached = PHASES.map(|phase| samples(&document, phase));
    assert!(reached.iter().all(|samples| samples.len() == 2), "{reached:?}");
    let mut in_all = 0.0;
    for boot in 0..2 {
        let of: Vec<f64> = reached.iter().map(|samples| samples[boot]).collect();
        assert!(of.is_sorted() && of[0] > 0.0, "{of:?}");
        for (n, pair) in PHASES.windows(2).enumerate() {
            let step = samples(&document, &format!("{} to {}", pair[0], pair[1]))[boot];
            assert!((step - (of[n + 1] - of[n])).abs() < 1e-6, "{pair:?}: {step} of {of:?}");
        }
        in_all += of[5];
    }
    // They came after the run's own machine, and within the run.
    let own = document["timeline"].as_array().unwrap();
    let done = own.iter().find(|each| each["phase"] == "done").unwrap()["ms"].as_f64().unwrap();
    let whole = document["duration_ms"].as_f64().unwrap();
    assert!(done + in_all < whole, "{done} and {in_all} of {whole}");
    let console = run.result_file("console.log");
    assert!(console.contains("--- lunlab: boot 2 of 2\n"), "{console}");
    // One login, which is the check's: nobody comes to a machine that is only booted.
    assert_eq!(document["checks"].as_array().unwrap().len(), 2, "{}", document["checks"]);
}

#[test]
fn a_boot_that_fails_is_the_run_s_verdict() {
    let command = Lunlab::run().spec(&spec(3));
    let place = command.directory().path().to_owned();
    let path = std::env::var("PATH").unwrap();
    // The run's own machine is the first that it starts; the third does not come up.
    let script = format!(
        "#!/bin/sh\nn=0\ncase \"$*\" in *-initrd*)\n\
         [ -e {place}/count ] && read n < {place}/count\nn=$((n + 1))\necho $n > {place}/count\n\
         esac\n[ $n = 3 ] && echo 'out of order' >&2 && exit 1\n\
         PATH='{path}' exec qemu-system-x86_64 \"$@\"\n",
        place = place.display()
    );
    let programs = place.join("programs");
    fs::create_dir(&programs).unwrap();
    write_program(&programs.join("qemu-system-x86_64"), &script);
    let run = command
        .env("PATH", format!("{}:{path}", programs.display()))
        .args(["--accelerator", "tcg"]);
    let run = run.finish();
    let verdict = run.verdict("boot", 4);
    assert!(verdict.reason.starts_with("boot 2 of 3: QEMU ended early"), "{verdict:?}");
    assert!(verdict.lines.contains("out of order"), "{verdict:?}");
    let document = run.result();
    let benchmark = &document["benchmarks"][0];
    assert!(benchmark["done"] == false && benchmark["errors"][0] == *verdict.reason, "{benchmark}");
    assert_eq!(samples(&document, "target-ready").len(), 1);
}

#[test]
fn ctrl_c_ends_all_and_keeps_the_boots_there_were() {
    let run = Lunlab::run().spec(&spec(100)).start();
    run.wait_for("measuring boot")
        .wait_for_result(|document| !samples(document, "init").is_empty());
    run.signal(Signal::INT);
    let run = run.leaves_nothing();
    run.verdict("interrupted", 130);
    let document = run.result();
    assert_eq!(document["benchmarks"][0]["done"], false);
    assert!(document["benchmarks"][0]["errors"].as_array().is_none_or(Vec::is_empty));
    let reached = PHASES.map(|phase| samples(&document, phase).len());
    assert!(reached[0] > 0 && reached.iter().all(|count| *count == reached[0]), "{reached:?}");
}
