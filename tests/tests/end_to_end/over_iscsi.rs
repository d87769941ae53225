//! The workload `storage` over iSCSI, beside the loopback fabric and the bound.

use std::thread;

use lunlab_tests::clients::{Client, Ours};
use lunlab_tests::{Finished, Lunlab};
use serde_json::{Value, json};

use crate::specs::SHORT;
use crate::workloads::was_measured;

/// A device whose requests take 4 ms, one whose take no time, and one that keeps what is written.
const SPEC: &str = r#"
[[storage_object]]
name = "timed"
backstore = "block"
device = "null_blk"
device_parameters = { irqmode = 2, completion_nsec = 4000000 }
size = "64M"
[[storage_object]]
name = "prompt"
backstore = "block"
device = "null_blk"
size = "64M"
[[storage_object]]
name = "file"
backstore = "fileio"
size = "8M"

[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "timed" }]
[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "prompt" }, { lun = 1, storage_object = "timed" }, { lun = 5, storage_object = "file" }]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:reader"
mapped_luns = [{ mapped_lun = 2, lun = 5, write_protect = true }]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:writer"

[[benchmark]]
workload = "storage"
storage_object = "timed"
via = ["backing", "loopback", "iscsi"]
queue_depth = [1, 8]
budget = "300ms"

[[benchmark]]
workload = "storage"
storage_object = "prompt"
via = ["backing", "iscsi"]
queue_depth = 1
budget = "300ms"

[[benchmark]]
workload = "storage"
storage_object = "file"
via = "iscsi"
read_percent = 70
offset = "2M"
length = "1M"
queue_depth = 8
verify = true
count = true
budget = "500ms"
check = ["write_p99.99 <= 60s", "iops >= 1", "cpu_per_io <= 1s"]
"#;

#[test]
fn one_sweep_puts_the_bound_the_loopback_fabric_and_iscsi_side_by_side() {
    let run = Lunlab::run().spec(SPEC).finish();
    run.verdict("pass", 0);
    let document = run.result();
    let (file, reads) = document["benchmarks"].as_array().unwrap().split_last().unwrap();
    reads.iter().for_each(|benchmark| was_measured(benchmark, &["read"]));
    was_measured(file, &["read", "write"]);
    let series = |benchmark: &Value| -> Vec<Value> {
        let all = benchmark["series"].as_array().unwrap();
        all.iter().map(|series| series["name"].clone()).collect()
    };
    assert!(reads.iter().all(|benchmark| series(benchmark) == series(&reads[0])));
    let (timed, prompt) = reads.split_at(6);
    // Whichever way, none ends before its time is over, and as many as are in flight go at once.
    for pair in timed.chunks(2) {
        for (benchmark, depth) in pair.iter().zip([1.0, 8.0]) {
            assert_eq!(benchmark["parameters"]["queue_depth"], depth);
            assert!(ms(benchmark, "p50") >= 3.9, "{benchmark}");
            assert!(metric(benchmark, "iops") <= depth / 4e-3 * 1.1, "{benchmark}");
        }
        assert!(metric(&pair[1], "iops") > 2.0 * metric(&pair[0], "iops"), "{pair:#?}");
    }
    assert!(ms(&prompt[1], "p50") > 2.0 * ms(&prompt[0], "p50"), "{prompt:#?}");
    is_of_the_host(&timed[5], "LUN 1 of iqn.2024-05.org.example:one as ", "iblock_0/timed");
    is_of_the_host(file, "LUN 5 of iqn.2024-05.org.example:one as ", "file");
    let writer = file["findings"]["opened"].as_str().unwrap();
    assert!(writer.ends_with(" as iqn.2024-05.org.example:writer"), "the reader may not: {writer}");
    // All 256 blocks in the end, and those that were read before.
    assert!(first_number(&file["findings"]["verified"]) > 256, "{file}");
    assert!(file["findings"]["counted"].as_str().unwrap().starts_with("nothing: "));
    says_what_it_measures(&run);
}

fn ms(benchmark: &Value, name: &str) -> f64 {
    benchmark["latency_ns"][name].as_f64().unwrap() / 1e6
}

fn metric(benchmark: &Value, name: &str) -> f64 {
    benchmark["metrics"][name].as_f64().unwrap()
}

fn first_number(text: &Value) -> u64 {
    text.as_str().unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// What the host's initiator says of itself, and LIO of its requests.
fn is_of_the_host(benchmark: &Value, opened: &str, object: &str) {
    let findings = &benchmark["findings"];
    assert!(findings["opened"].as_str().unwrap().starts_with(opened), "{findings}");
    assert!(benchmark["compiled"].as_str().unwrap().contains("libiscsi"), "{benchmark}");
    let gauges = benchmark["conditions"]["gauges"].as_array().unwrap();
    let calibration = gauges.iter().find(|gauge| gauge["name"] == "calibration_ns").unwrap();
    assert!(calibration["before"].as_f64().is_some() && calibration["after"].as_f64().is_some());
    let counters = benchmark["statistics"].as_object().unwrap();
    let path = format!("{object}/statistics/scsi_lu/num_cmds");
    let commands = counters.iter().find(|(name, _)| name.ends_with(&path)).unwrap().1;
    assert!(commands.as_u64().unwrap() >= first_number(&findings["requests"]), "{counters:#?}");
}

fn says_what_it_measures(run: &Finished) {
    run.says("measuring storage (6 of 9)").shows("of the initiator's process on the host");
}

#[test]
fn what_somebody_else_writes_behind_its_back_is_found_and_nothing_else_is() {
    const IQN: &str = "iqn.2015-04.org.example:short";
    let held = Lunlab::up().spec(SHORT).hold();
    let values = json!({
        "access": "random", "read_percent": "50", "block_size": "4096", "queue_depth": "8",
        "offset": "1048576", "length": "1048576", "verify": "true", "warm_up": "0",
        "sample_time": "20", "samples_min": "20", "samples_max": "20", "budget": "0",
        "precision": "1%",
    });
    let target = json!({ "portal": held.portal(), "iqn": IQN });
    let job = json!({ "job": "storage", "target": target, "lun": 0, "values": values });
    Ours::run(&job).done();
    let other = Client::new(held.portal(), IQN, 0, "iqn.2024-05.org.example:other");
    let ours = thread::scope(|scope| {
        let ours = scope.spawn(|| Ours::run(&job));
        while !ours.is_finished() {
            assert!(other.qemu_io(&["write -P 0x5a 1M 1M"]).good);
        }
        ours.join().unwrap()
    });
    ours.failed(&["verify LUN 0", "wrong data at byte ", "bytes 5a5a5a5a5a5a5a5a"]);
    held.stop().verdict("pass", 0);
}
