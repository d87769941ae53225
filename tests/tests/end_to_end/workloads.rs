//! Workloads of the guest, and what becomes of what they tell.

use lunlab_tests::Lunlab;
use serde_json::Value;

/// Mixed requests over loopback, verified where data is kept, each at two queue depths; and the
/// raw null_blk for the bound.
const STORAGE: &str = r#"
[[storage_object]]
name = "file"
backstore = "fileio"
size = "8M"
[[storage_object]]
name = "null"
backstore = "block"
device = "null_blk"
size = "64M"

[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "file" }, { lun = 1, storage_object = "null" }]

[[benchmark]]
workload = "storage"
storage_object = "file"
via = "loopback"
read_percent = 70
queue_depth = [1, 8]
verify = true
count = true
budget = "1s"
check = ["p99 <= 60s", "write_p99.99 <= 60s", "iops >= 1"]

[[benchmark]]
workload = "storage"
storage_object = "null"
via = ["loopback", "backing"]
access = "sequential"
budget = "500ms"
check = ["read_p50 <= 1ns"]
"#;

#[test]
fn storage_is_measured_verified_and_checked() {
    let run = Lunlab::run().spec(STORAGE).finish();
    run.verdict("fail", 1);
    let document = run.result();
    let benchmarks = document["benchmarks"].as_array().unwrap();
    let asked: Vec<(&str, &str, u64)> = benchmarks
        .iter()
        .map(|benchmark| {
            let given = &benchmark["parameters"];
            let word = |key: &str| given[key].as_str().unwrap();
            (word("storage_object"), word("via"), given["queue_depth"].as_u64().unwrap())
        })
        .collect();
    let loopback = "loopback";
    assert_eq!(
        asked,
        [
            ("file", loopback, 1),
            ("file", loopback, 8),
            ("null", loopback, 32),
            ("null", "backing", 32)
        ]
    );
    for (n, benchmark) in benchmarks.iter().enumerate() {
        let mixed = n < 2;
        was_measured(benchmark, if mixed { &["read", "write"] } else { &["read"] });
        assert_eq!(benchmark["findings"]["opened"], "direct", "{benchmark}");
        assert!(!mixed || counted(benchmark, "requests", "context-switches") > 10, "{benchmark}");
        let verified = benchmark["findings"]["verified"].as_str().unwrap_or_default();
        // All of the 2048 blocks in the end, and those that were read before.
        let reads: u64 = verified.split(' ').next().unwrap().parse().unwrap_or(0);
        assert_eq!(reads > 2048, mixed, "{verified}");
    }
    checks_hold_but_one_that_cannot(&document);
}

/// What a counter came to over a region; those of a guest's kernel are there on every processor.
pub(crate) fn counted(benchmark: &Value, region: &str, name: &str) -> u64 {
    let counters = benchmark["counters"].as_array().unwrap();
    let found = counters.iter().find(|each| each["region"] == region && each["name"] == name);
    let value = found.and_then(|counter| counter["value"].as_u64());
    value.unwrap_or_else(|| panic!("no {name} over {region} in {counters:#?}"))
}

/// Samples in keeping with each other, and percentiles in order.
pub(crate) fn was_measured(benchmark: &Value, requests: &[&str]) {
    assert_eq!((&benchmark["done"], &benchmark["errors"]), (&true.into(), &Value::Array(vec![])));
    let median = |name: &str| {
        let series = benchmark["series"].as_array().unwrap();
        let series = series.iter().find(|series| series["name"] == name).unwrap();
        assert!(series["samples"].as_array().unwrap().len() >= 10, "{series}");
        series["summary"]["median"].as_f64().unwrap()
    };
    let iops = median("iops");
    assert!((10.0..50e6).contains(&iops), "{iops}");
    assert!((median("mb_per_s") / (iops * 4096.0 / 1e6) - 1.0).abs() < 1e-6);
    assert!(median("cpu_per_io") > 0.0);
    let told = benchmark["findings"]["requests"].as_str().unwrap();
    let buckets = benchmark["histograms"].as_array().unwrap();
    let names: Vec<&str> = buckets.iter().map(|each| each["series"].as_str().unwrap()).collect();
    assert_eq!(names, requests);
    let buckets = buckets.iter().flat_map(|each| each["buckets"].as_array().unwrap());
    let total: u64 = buckets.map(|bucket| bucket[1].as_u64().unwrap()).sum();
    assert_eq!(told, format!("{total} while measured"));
    for prefix in requests.iter().map(|name| format!("{name}_")).chain(["".to_owned()]) {
        let latency = |p: &str| benchmark["latency_ns"][format!("{prefix}{p}")].as_f64().unwrap();
        let latencies = ["p50", "p90", "p99", "p99.9", "p99.99", "max"].map(latency);
        assert!(latencies.is_sorted() && latencies[0] > 0.0, "{prefix}: {latencies:?}");
    }
}

fn checks_hold_but_one_that_cannot(document: &Value) {
    let checks = document["checks"].as_array().unwrap();
    for check in checks.iter().filter(|check| check["name"].as_str().unwrap().contains("storage")) {
        let impossible = check["name"].as_str().unwrap().contains("1ns");
        assert_eq!(check["ok"], !impossible, "{check}");
    }
    assert_eq!(checks.iter().filter(|check| check["ok"] == false).count(), 2, "{checks:?}");
}
