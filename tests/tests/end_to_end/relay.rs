//! A block sent to peers behind one uplink, in the guest's network namespaces.

use std::time::Duration;

use lunlab_tests::{Finished, Lunlab};
use serde_json::Value;

use crate::workloads::counted;

const PEERS: u32 = 8;
const RATE: f64 = 10e6;
/// What a token bucket lets pass at once.
const BURST: f64 = 16_384.0;

fn relay(words: &[&str]) -> Finished {
    let values = ["samples_min=3", "samples_max=3", "warm_up=0s", "budget=1s"];
    let values = values.iter().flat_map(|value| ["-p", value]);
    let words = ["bench", "relay"].into_iter().chain(values).chain(words.iter().copied());
    Lunlab::command(words).within(Duration::from_secs(240)).finish()
}

fn median(benchmark: &Value, series: &str) -> f64 {
    let all = benchmark["series"].as_array().unwrap();
    let of = all.iter().find(|each| each["name"] == series);
    of.unwrap_or_else(|| panic!("no {series}"))["summary"]["median"].as_f64().unwrap()
}

/// The first number of a finding.
fn number(benchmark: &Value, finding: &str) -> f64 {
    let text = benchmark["findings"][finding].as_str();
    let text = text.unwrap_or_else(|| panic!("no {finding} in {}", benchmark["findings"]));
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn copies_take_their_turns_or_all_the_time_and_differences_hardly_any() {
    let finished = relay(&["-p", "count=true"]);
    finished.verdict("pass", 0);
    let document = finished.result();
    let benchmark = &document["benchmarks"][0];
    assert_eq!(benchmark["done"], true, "{benchmark}");
    let block = number(benchmark, "block");
    let copy = block * 8.0 / RATE * 1e3;
    let burst = BURST * 8.0 / RATE * 1e3;
    let mut together = Vec::new();
    for peer in 1..=PEERS {
        let serial = median(benchmark, &format!("serial/peer {peer}"));
        let bound = f64::from(peer) * copy;
        assert!(
            (bound - burst..bound * 1.15 + 0.5 * copy).contains(&serial),
            "{peer}: {serial} of {bound}"
        );
        together.push(median(benchmark, &format!("all-at-once/peer {peer}")));
    }
    together.sort_by(f64::total_cmp);
    let all = f64::from(PEERS) * copy;
    assert!(together[0] > 2.0 * copy && together[3] > 0.75 * all, "{together:?} of {all}");
    assert!((all - burst..1.3 * all).contains(&together[7]), "{together:?} of {all}");
    assert!(median(benchmark, "iblt/last peer") < all);
    for mode in ["all-at-once", "serial", "iblt"] {
        // Eight peers wait for what comes slowly.
        assert!(counted(benchmark, mode, "context-switches") > 16, "{benchmark:#}");
    }
    let sent = number(benchmark, "iblt sent");
    let whole = number(benchmark, "serial sent");
    assert!((whole / block / f64::from(PEERS) - 1.0).abs() < 1e-9, "{whole} of {block}");
    assert!(sent > 0.0 && sent < whole / 10.0, "{sent} of {whole}");
    orphan_rates_follow_from_the_first_peers_time(benchmark);
}

fn orphan_rates_follow_from_the_first_peers_time(benchmark: &Value) {
    for mode in ["all-at-once", "serial", "iblt"] {
        let seconds = median(benchmark, &format!("{mode}/first peer")) / 1e3;
        let told = number(benchmark, &format!("{mode} orphan rate"));
        let expected = (1.0 - (-seconds / 600.0).exp()) * 100.0;
        assert!((told - expected).abs() < 1e-4, "{mode}: {told} and {expected}");
    }
    let rate =
        |mode, size| number(benchmark, &format!("{mode} orphan rate of {size} MB at 1 Mbit/s"));
    assert!(
        rate("serial", 8) < rate("all-at-once", 8)
            && rate("all-at-once", 1) < rate("all-at-once", 8)
    );
    assert!((9.0..13.0).contains(&rate("serial", 8)), "64 s and headers: {}", rate("serial", 8));
}
