use lunlab_bench::relay::WORKLOAD;
use lunlab_bench::workload::{Stopped, Told};
use std::collections::BTreeMap;

const RATE: u64 = 20_000_000;

#[derive(Default, Debug)]
struct Heard {
    samples: BTreeMap<String, Vec<f64>>,
    findings: BTreeMap<String, String>,
}

/// Runs it briefly; nothing where this kernel or this user can have no namespaces, which is then said.
fn heard(given: &[(&str, &str)]) -> Option<Heard> {
    let rate = RATE.to_string();
    let quick =
        [("rate", rate.as_str()), ("warm_up", "0"), ("samples_min", "3"), ("samples_max", "3")];
    let defaults = [("block_size", "131072"), ("sample_time", "1"), ("budget", "0")];
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let values = given.iter().copied().chain(quick).chain(defaults).chain(WORKLOAD.defaults());
    let mut heard = Heard::default();
    let outcome = super::run(&values.map(own).collect(), &mut |told: Told<'_>| match told {
        Told::Sample { series, value, .. } => {
            heard.samples.entry(series.to_owned()).or_default().push(value);
        }
        Told::Finding { name, text } => {
            heard.findings.insert(name.to_owned(), text.to_owned());
        }
        _ => {}
    });
    match outcome {
        Ok(()) => Some(heard),
        Err(Stopped::Skipped(why)) => {
            // The guest's test has all of it; here only whoever may not is let off.
            assert!(!rustix::process::geteuid().is_root() && why.contains("EPERM"), "{why}");
            None
        }
        Err(Stopped::Failed(why)) => panic!("{why}"),
    }
}

#[test]
fn copies_arrive_at_once_or_one_after_the_other_and_differences_are_few_bytes() {
    let Some(heard) = heard(&[]) else { return };
    let block: f64 = heard.findings["block"].split(' ').next().unwrap().parse().unwrap();
    let copy_ms = block * 8.0 / 20_000_000.0 * 1e3;
    let median = |series: String| {
        let mut samples = heard.samples[&series].clone();
        samples.sort_by(f64::total_cmp);
        samples[1]
    };
    let mut together = Vec::new();
    for peer in 1..=8 {
        let serial = median(format!("serial/peer {peer}")) / copy_ms;
        let number = f64::from(peer);
        assert!((number - 0.2..number + 1.0).contains(&serial), "{peer}: {serial}");
        together.push(median(format!("all-at-once/peer {peer}")) / copy_ms);
    }
    // TCP gives some more than their share, but all wait for copies of others.
    together.sort_by(f64::total_cmp);
    let fine = together[0] > 2.0 && together[3] > 6.0 && together[7] < 10.0;
    assert!(fine, "{together:?}");
    let percent = heard.findings["iblt sent"].split(' ').nth(2).unwrap();
    assert!(percent.parse::<f64>().unwrap() < 10.0, "{percent}");
}

#[test]
fn one_peer_is_enough_and_modes_are_those_asked_for() {
    let Some(heard) = heard(&[("peers", "1"), ("mode", "serial"), ("block_size", "65536")]) else {
        return;
    };
    let series: Vec<&str> = heard.samples.keys().map(String::as_str).collect();
    assert_eq!(series, ["serial/first peer", "serial/last peer", "serial/peer 1"]);
    assert_eq!(heard.samples["serial/first peer"], heard.samples["serial/peer 1"]);
}
