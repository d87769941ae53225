//! The host's fio in the guest.

use std::fs;

use lunlab_initramfs::newc;
use lunlab_tests::{Lunlab, boots};
use serde_json::Value;

use crate::image::{build, command};
use crate::workloads::counted;

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
count = true
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
    let text = format!("{NULL_BLK}{FIO}queue_depth = [1, 8]\n{FIO}{job}");
    let lunlab = Lunlab::run();
    let place = lunlab.directory().path().to_owned();
    fs::write(place.join("own.fio"), "[own]\nioengine=psync\nbs=8k\nrw=randrw\n").unwrap();
    let run = lunlab.spec(&text).start().leaves_nothing();
    run.verdict("pass", 0);
    let result = run.result();
    let benchmarks = result["benchmarks"].as_array().unwrap();
    let shown = benchmarks[2]["parameters"].as_object().unwrap();
    assert!(["ioengine", "block_size", "rw"].iter().all(|key| !shown.contains_key(*key)));
    for benchmark in &benchmarks[..3] {
        assert!(samples(benchmark, "iops").len() >= 4, "{benchmark:#}");
        // The device answers no sooner than after a millisecond.
        assert!(samples(benchmark, "p50").iter().all(|ns| *ns >= 0.9e6), "{benchmark:#}");
        // A program has its pages to get first.
        assert!(counted(benchmark, "fio", "page-faults") > 100, "{benchmark:#}");
        let version = benchmark["findings"]["version"].to_string();
        assert!(version.contains("fio-"), "{version}");
    }
    // fio reads its two sums while its jobs go on, so that a request may be in one and not the other.
    let bytes_each = |n: usize| {
        let sum = |series| samples(&benchmarks[n], series).iter().sum::<f64>();
        sum("mb_per_s") * 1e6 / sum("iops")
    };
    for (n, block_size) in [(0, 4096.0), (1, 4096.0), (2, 8192.0)] {
        let ratio = bytes_each(n) / block_size;
        assert!((0.9..1.1).contains(&ratio), "{ratio}: {:#}", benchmarks[n]);
    }
    let histograms = benchmarks[2]["histograms"].as_array().unwrap();
    let words: Vec<&Value> = histograms.iter().map(|each| &each["series"]).collect();
    assert_eq!(words, ["read", "write"]);
}

#[test]
fn a_job_that_fio_does_not_take_boots_nothing() {
    let lunlab = Lunlab::run().boots_nothing();
    let place = lunlab.directory().path().to_owned();
    fs::write(place.join("wrong.fio"), "[own]\nno_such_option=1\n").unwrap();
    let run = lunlab.spec(&format!("{NULL_BLK}{FIO}job = \"wrong.fio\"\n")).finish();
    run.exits(2).says("benchmark[0].job: fio refuses it: Bad option <no_such_option=1>");
}

/// What both do to the device: eight requests of 4 KiB in flight, anywhere, by io_uring past the page cache. Its timer takes most
/// of the time.
fn by_turns() -> String {
    let device = NULL_BLK.replace("1000000", "8000000");
    let of = |workload: &str| {
        format!(
            "[[benchmark]]\nworkload = \"{workload}\"\nstorage_object = \"disk0\"\nvia = \"backing\"\nqueue_depth = 8\n\
             warm_up = \"200ms\"\nsample_time = \"250ms\"\nbudget = \"2s\"\nprecision = \"0%\"\nsamples_min = 4\n"
        )
    };
    let turns: Vec<String> = (0..4).map(|_| of("storage") + &of("fio")).collect();
    device + &turns.concat()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn our_random_reads_and_fios_agree_within_a_tenth() {
    let quiet = std::sync::Arc::new(boots::all());
    let run = Lunlab::run().spec(&by_turns()).under(&quiet).finish();
    run.verdict("pass", 0);
    let result = run.result();
    let of = |workload: &str| {
        let all = result["benchmarks"].as_array().unwrap().iter();
        let turns = all.filter(|benchmark| benchmark["workload"] == workload);
        turns.map(|benchmark| median(samples(benchmark, "iops"))).collect::<Vec<f64>>()
    };
    let (ours, fios) = (of("storage"), of("fio"));
    assert!(ours.len() == 4 && fios.len() == 4, "{ours:?} {fios:?}");
    // Eight in flight, each at least 8 ms: more would be no measurement of this device.
    assert!(ours.iter().chain(&fios).all(|iops| *iops < 1050.0), "{ours:?} {fios:?}");
    let ratio = median(ours.clone()) / median(fios.clone());
    assert!((0.9..1.1).contains(&ratio), "{ratio:.3}: {ours:?} {fios:?}");
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
