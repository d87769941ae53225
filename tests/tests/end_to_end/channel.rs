//! Round trips and throughput of the ways between host and guest.

use lunlab_tests::{Finished, Lunlab};
use serde_json::Value;

const PATHS: [&str; 3] = ["stream", "portal", "nic"];
const KINDS: [&str; 4] = ["round trip", "round trip/4096", "to guest", "to host"];
const SAMPLES: usize = 6;
/// Bytes of a transfer.
const BULK: f64 = 262_144.0;

fn channel(transport: &str) -> Finished {
    let values = ["samples_min=6", "samples_max=6", "warm_up=1ms", "sample_time=4ms", "bulk=256K"];
    let values = values.iter().flat_map(|value| ["-p", value]);
    let words = ["bench", "channel", "--transport", transport].into_iter().chain(values);
    let finished = Lunlab::command(words).finish();
    finished.verdict("pass", 0);
    finished
}

fn samples(benchmark: &Value, name: &str) -> Vec<f64> {
    let all = benchmark["series"].as_array().unwrap();
    let of = all.iter().find(|each| each["name"] == name);
    let of = of.unwrap_or_else(|| panic!("no {name}"))["samples"].as_array().unwrap();
    of.iter().map(|value| value.as_f64().unwrap()).collect()
}

/// How many round trips a histogram has, and the least and the greatest number of seconds they took together.
fn trips(benchmark: &Value, name: &str) -> (u64, f64) {
    let all = benchmark["histograms"].as_array().unwrap();
    let of = all.iter().find(|each| each["series"] == name);
    let buckets =
        of.unwrap_or_else(|| panic!("no histogram {name}"))["buckets"].as_array().unwrap();
    let bucket = |bucket: &Value| (bucket[0].as_f64().unwrap(), bucket[1].as_u64().unwrap());
    buckets.iter().map(bucket).fold((0, 0.0), |(all, seconds), (up_to, count)| {
        let many = f64::from(u32::try_from(count).unwrap());
        (all + count, seconds + up_to * many / 1e9)
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn numbers_are_of_this_run(document: &Value) {
    let benchmark = &document["benchmarks"][0];
    let mut spent = 0.0;
    for path in PATHS {
        for kind in KINDS {
            let name = format!("{path}/{kind}");
            let of = samples(benchmark, &name);
            assert!(of.len() == SAMPLES && of.iter().all(|value| *value > 0.0), "{name}: {of:?}");
            if kind.starts_with("round") {
                let (count, seconds) = trips(benchmark, &name);
                assert!(count >= 9 * 6, "{name}: {count}");
                let percentile =
                    |p| benchmark["latency_ns"][format!("{name}_{p}")].as_f64().unwrap();
                let ends = [percentile("p50"), percentile("p99"), percentile("max")];
                assert!(
                    ends.is_sorted() && of.iter().all(|value| *value <= ends[2] * 1.001),
                    "{name}"
                );
                spent += seconds;
            } else {
                // At least one transfer each.
                spent += of.iter().map(|rate| BULK / 1e6 / rate).sum::<f64>();
            }
        }
    }
    let phase = |name| {
        let phases = document["timeline"].as_array().unwrap();
        phases.iter().find(|each| each["phase"] == name).unwrap()["ms"].as_f64().unwrap()
    };
    let elapsed = (phase("done") - phase("target-ready")) / 1e3;
    assert!(spent < elapsed * 1.002, "{spent} s measured in {elapsed} s");
    stands_beside_the_nic(benchmark);
}

fn stands_beside_the_nic(benchmark: &Value) {
    let findings = benchmark["findings"].as_object().unwrap();
    assert!(!findings.contains_key("left out"), "{findings:?}");
    for (path, kind) in
        ["stream", "portal"].into_iter().flat_map(|path| KINDS.map(|kind| (path, kind)))
    {
        let own = samples(benchmark, &format!("{path}/{kind}"));
        let nic = samples(benchmark, &format!("nic/{kind}"));
        let expected = median(own.iter().zip(nic).map(|(own, nic)| own / nic).collect());
        let told = findings[&format!("{path}/{kind} of nic's")].as_str().unwrap();
        let told: f64 = told.split(' ').next().unwrap().parse().unwrap();
        assert!((told - expected).abs() <= 0.0006, "{path}/{kind}: {told}, not {expected}");
    }
}

#[test]
fn every_transport_and_its_portal_stand_beside_a_nic_and_each_other() {
    let runs = ["vhost-user-vsock", "virtio-serial"].map(|transport| {
        let run = channel(transport);
        let document = run.result();
        assert_eq!(document["transport"]["name"], transport);
        numbers_are_of_this_run(&document);
        run
    });
    let places = runs.each_ref().map(|run| run.result_directory().display().to_string());
    let compare = Lunlab::command(["compare", "--format", "json"]).args(&places).boots_nothing();
    let compared: Value = serde_json::from_str(&compare.finish().exits(0).stdout).unwrap();
    let rows = compared["rows"].as_array().unwrap();
    for (path, kind) in PATHS.into_iter().flat_map(|path| KINDS.map(|kind| (path, kind))) {
        let name = format!("{path}/{kind}");
        let row = rows.iter().find(|row| row["series"] == name);
        assert!(row.is_some_and(|row| row["ratio"].as_f64().is_some()), "{name}: {row:?}");
    }
    let notes = compared["notes"].to_string();
    assert!(notes.contains("different transports: vhost-user-vsock, virtio-serial"), "{notes}");
}

#[test]
fn without_a_nic_the_rest_is_measured_and_that_is_told() {
    let spec = "[channel]\ntransport = \"virtio-serial\"\n\
        [[benchmark]]\nworkload = \"channel\"\nsize = 1\nbulk = [\"4K\", \"64K\"]\nsamples_min = 2\n\
        samples_max = 2\nsample_time = \"1ms\"\nwarm_up = \"0s\"\ncheck = [\"portal/to host >= 0.001\"]\n";
    let run = Lunlab::run().spec(spec).finish();
    run.verdict("pass", 0);
    let document = run.result();
    // A sweep: the guest's program is started again, and dials again.
    for benchmark in document["benchmarks"].as_array().unwrap() {
        assert_eq!(benchmark["done"], true);
        let series = benchmark["series"].as_array().unwrap();
        assert!(
            series.len() == 6
                && series.iter().all(|each| !each["name"].as_str().unwrap().starts_with("nic"))
        );
        let told = benchmark["findings"]["left out"].as_str().unwrap();
        assert!(told.starts_with("nic: the spec has no network"), "{told}");
    }
    let local = Lunlab::command(["bench", "channel", "--local"]).boots_nothing().finish();
    local.exits(2).says("it needs a guest");
}
