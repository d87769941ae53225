//! The host's fio in the guest.

use std::fs;

use lunlab_initramfs::newc;
use lunlab_tests::Lunlab;
use serde_json::Value;

use crate::image::{build, command};

const NULL_BLK: &str = r#"
[[storage_object]]
name = "disk0"
backstore = "block"
device = "null_blk"
size = "64M"
device_parameters = { irqmode = 2, completion_nsec = 1000000 }
"#;

/// Samples of a fifth of a second, of which few are enough here.
const FIO: &str = r#"
[[benchmark]]
workload = "fio"
storage_object = "disk0"
via = "backing"
warm_up = "0ms"
budget = "1s"
samples_min = 4
"#;

fn samples(benchmark: &Value, series: &str) -> Vec<f64> {
    let all = benchmark["series"].as_array().unwrap();
    let found = all.iter().find(|each| each["name"] == series).unwrap();
    found["samples"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn the_hosts_fio_measures_in_the_guest_with_values_and_with_a_job_file() {
    let job = "job = \"own.fio\"\n";
    let wrong = "job = \"wrong.fio\"\n";
    let text = format!("{NULL_BLK}{FIO}queue_depth = [1, 8]\n{FIO}{job}{FIO}{wrong}");
    let lunlab = Lunlab::run();
    let place = lunlab.directory().path().to_owned();
    fs::write(place.join("own.fio"), "[own]\nioengine=psync\nbs=8k\nrw=randrw\n").unwrap();
    fs::write(place.join("wrong.fio"), "[own]\nno_such_option=1\n").unwrap();
    let run = lunlab.spec(&text).start().leaves_nothing();
    let verdict = run.verdict("fail", 1);
    assert!(verdict.reason.contains("no_such_option"), "{verdict:#?}");
    let result = run.result();
    let benchmarks = result["benchmarks"].as_array().unwrap();
    for benchmark in &benchmarks[..3] {
        assert!(samples(benchmark, "iops").len() >= 4, "{benchmark:#}");
        // The device answers no sooner than after a millisecond.
        assert!(samples(benchmark, "p50").iter().all(|ns| *ns >= 0.9e6), "{benchmark:#}");
        let version = benchmark["findings"]["version"].to_string();
        assert!(version.contains("fio-"), "{version}");
    }
    let rate = |n: usize| {
        samples(&benchmarks[n], "mb_per_s")[1] * 1e6 / samples(&benchmarks[n], "iops")[1]
    };
    assert!((rate(0) - 4096.0).abs() < 1.0 && (rate(2) - 8192.0).abs() < 1.0);
    let histograms = benchmarks[2]["histograms"].as_array().unwrap();
    let words: Vec<&Value> = histograms.iter().map(|each| &each["series"]).collect();
    assert_eq!(words, ["read", "write"]);
}

#[test]
fn the_image_has_fio_with_its_libraries_and_without_fio_there_is_none() {
    let text = format!("{NULL_BLK}{FIO}");
    let image = build(command().spec(&text), &["--transport", "virtio-serial"]);
    let entries: Vec<_> = newc::Reader::new(&image).map(Result::unwrap).collect();
    let has =
        |part: &str| entries.iter().any(|entry| String::from_utf8_lossy(entry.path).contains(part));
    for part in ["usr/bin/fio", "/libc.so.6", "/ld-linux"] {
        assert!(has(part), "{part}");
    }
    let lunlab = command().args(["--transport", "virtio-serial", "-o", "x.cpio"]).spec(&text);
    let refused = lunlab.env("PATH", "/nowhere").boots_nothing().finish();
    refused.exits(3).says("workload \"fio\" takes the host's fio").says("hint: apt install fio");
}
