use super::*;
use crate::result::document::{Conditions, tests::passed};
use crate::result::{Benchmark, Document, Series};
use std::path::PathBuf;

/// A side of a made-up experiment: what its boots and samples are around.
#[derive(Clone, Copy)]
struct Truth {
    median: f64,
    /// Standard deviation of boots, and of samples in one, as parts.
    boot: f64,
    sample: f64,
}

fn noise(random: &mut fastrand::Rng, deviation: f64) -> f64 {
    ((0..12).map(|_| random.f64()).sum::<f64>() - 6.0) * deviation
}

fn run(number: usize, truth: Truth, random: &mut fastrand::Rng) -> Found {
    let off = noise(random, truth.boot);
    let samples =
        (0..20).map(|_| truth.median * (off + noise(random, truth.sample)).exp()).collect();
    let series =
        Series { name: "iops".into(), unit: "1/s".into(), samples, at_ms: vec![], summary: None };
    let benchmark = Benchmark {
        workload: "iscsi-randread".into(),
        parameters: [("queue_depth".to_owned(), 4.into())].into(),
        done: true,
        series: vec![series],
        latency_ns: [("p50".to_owned(), 1e6)].into(),
        ..Benchmark::default()
    };
    let document = Document {
        run_id: format!("run-{number:03}"),
        started_at: format!("2026-01-01T00:00:00.{number:03}Z"),
        benchmarks: vec![benchmark],
        ..passed()
    };
    Found {
        directory: PathBuf::new(),
        document,
        json: String::new(),
        spec: None,
        incomplete: false,
    }
}

/// `pairs` runs of each side by turns: ABBA.
fn interleaved_runs(a: Truth, b: Truth, pairs: usize, seed: u64) -> (Vec<Found>, Vec<Found>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (first, second) = if pair % 2 == 0 { (0, 1) } else { (1, 0) };
        of_a.push(run(2 * pair + first, a, &mut random));
        of_b.push(run(2 * pair + second, b, &mut random));
    }
    (of_a, of_b)
}

fn usual() -> Limits {
    Limits::new(None, None)
}

fn alike(count: usize) -> (Vec<Found>, Vec<Found>) {
    let truth = Truth { median: 1000.0, boot: 0.005, sample: 0.02 };
    interleaved_runs(truth, truth, count, 1)
}

#[test]
fn the_same_is_called_same_and_a_tenth_less_is_found_with_its_size() {
    let a = Truth { median: 1000.0, boot: 0.01, sample: 0.03 };
    let judged = |b: Truth, seed| {
        let (a, b) = interleaved_runs(a, b, 8, seed);
        let comparison = compare(&a, &b, usual());
        assert!(comparison.interleaved);
        (comparison.rows[0].judgement, comparison.rows[0].ratio.unwrap())
    };
    let same: Vec<Judgement> = (0..20).map(|seed| judged(a, seed).0).collect();
    let count = |judgement| same.iter().filter(|each| **each == judgement).count();
    assert!(count(Judgement::Same) >= 18, "{same:?}");
    assert!(count(Judgement::Better) + count(Judgement::Worse) <= 1, "{same:?}");

    let slower = Truth { median: 900.0, ..a };
    let found: Vec<(Judgement, f64)> = (0..10).map(|seed| judged(slower, seed)).collect();
    let right = |(judgement, ratio): &&(Judgement, f64)| {
        *judgement == Judgement::Worse && (0.87..=0.93).contains(ratio)
    };
    assert!(found.iter().filter(right).count() >= 9, "{found:?}");
}

#[test]
fn noise_is_called_neither_same_nor_different() {
    let truth = Truth { median: 1000.0, boot: 0.15, sample: 0.05 };
    let judged = |seed| {
        let (a, b) = interleaved_runs(truth, truth, 4, seed);
        compare(&a, &b, usual()).rows[0].judgement
    };
    let unsure = (0..40).filter(|seed| judged(*seed) == Judgement::CannotTell).count();
    assert!(unsure >= 35, "{unsure} of 40");
}

#[test]
fn few_runs_are_never_the_same_and_say_why() {
    let (a, b) = alike(2);
    assert_eq!(compare(&a, &b, usual()).rows[0].judgement, Judgement::CannotTell);
    let (a, b) = alike(1);
    let row = &compare(&a, &b, usual()).rows[0];
    assert_eq!(row.judgement, Judgement::CannotTell);
    assert!(row.reason.as_deref().unwrap().contains("how much boots differ"), "{row:?}");
    let slow = Truth { median: 500.0, boot: 0.0, sample: 0.02 };
    let (_, b) = interleaved_runs(slow, slow, 1, 2);
    assert_eq!(compare(&a, &b, usual()).rows[0].judgement, Judgement::Worse);
}

#[test]
fn turns_are_seen_by_when_runs_began() {
    let (a, b) = alike(4);
    let seen = |a: &[Found], b: &[Found]| compare(a, b, usual()).interleaved;
    assert!(seen(&a, &b) && !seen(&a[..3], &b) && !seen(&a[..1], &b[..1]));
    let all = [a, b].concat();
    let (early, late): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|run| run.document.run_id.as_str() < "run-004");
    assert!(!seen(&early, &late));
}

/// Something done to the runs of B.
type Spoil = fn(&mut Document);

#[test]
fn runs_of_another_machine_are_left_out_with_the_reason() {
    let cases: [(Spoil, &str); 4] = [
        (|run| run.host.cpu_model = "another".into(), "another CPU: another, not a cpu"),
        (|run| run.accelerator.as_mut().unwrap().name = "kvm".into(), "accelerator: kvm, not tcg"),
        (|run| run.kernel.as_mut().unwrap().boot_mode = "pvh".into(), "another boot mode"),
        (|run| run.host.cpu_count = 64, "number of CPUs of the host: 64, not 2"),
    ];
    for (spoil, reason) in cases {
        let (a, mut b) = alike(4);
        spoil(&mut b[2].document);
        let comparison = compare(&a, &b, usual());
        assert_eq!((comparison.left_out.len(), comparison.b.runs.len()), (1, 3));
        assert!(comparison.left_out[0].reason.contains(reason), "{:?}", comparison.left_out);
        assert!(comparison.table().contains("left out: B run-005"), "{}", comparison.table());
        for run in &mut b {
            spoil(&mut run.document);
        }
        assert!(!compare(&a, &b, usual()).compared());
    }
}

#[test]
fn what_cannot_be_relied_on_is_not_compared_and_says_why() {
    let cases: [(Spoil, &str); 7] = [
        (|run| run.benchmarks[0].skipped = Some("no io_uring".into()), "B: skipped: no io_uring"),
        (|run| run.benchmarks[0].errors.push("EIO".into()), "B: failed: EIO"),
        (|run| run.benchmarks[0].conditions.clock_ratio = Some(1.1), "clock went 1.10 times"),
        (
            |run| {
                run.benchmarks[0].series.clear();
                run.benchmarks[0].latency_ns.clear();
            },
            "B: it has no samples",
        ),
        (
            |run| run.benchmarks[0].compiled = Some("musl, opt-level z".into()),
            "compiled as musl, opt-level z, and in A as glibc",
        ),
        (|run| run.benchmarks.clear(), "B has none"),
        (
            |run| _ = run.benchmarks[0].parameters.insert("queue_depth".into(), 8.into()),
            "B has other parameters: queue_depth 8, not 4",
        ),
    ];
    for (spoil, reason) in cases {
        let (mut a, mut b) = alike(3);
        for run in &mut a {
            run.document.benchmarks[0].compiled = Some("glibc".into());
        }
        for run in &mut b {
            spoil(&mut run.document);
        }
        let row = &compare(&a, &b, usual()).rows[0];
        assert_eq!(row.judgement, Judgement::NotCompared);
        assert!(row.reason.as_deref().unwrap().contains(reason), "{row:?}");
    }
}

#[test]
fn what_to_bear_in_mind_stands_beside_what_is_compared() {
    let (a, mut b) = alike(4);
    b[0].document.benchmarks[0].conditions =
        Conditions { noisy: vec!["steal".into()], ..Conditions::default() };
    b[1].document.benchmarks[0].skipped = Some("gone".into());
    b[2].document.benchmarks[0].done = false;
    b[2].document.verdict.kind = "interrupted".into();
    b[3].incomplete = true;
    let comparison = compare(&a, &b, usual());
    let row = &comparison.rows[0];
    assert_eq!((row.judgement, row.b.unwrap().runs), (Judgement::Same, 3));
    let table = comparison.table();
    for part in [
        "B: 1 of 3 runs noisy: steal",
        "B: 1 of 4 runs left out: skipped: gone",
        "B: 1 of 3 runs cut short",
        "run-005 ended with interrupted",
        "run-006 is incomplete",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }
}

#[test]
fn only_what_is_worse_for_certain_fails() {
    let a = Truth { median: 1000.0, boot: 0.002, sample: 0.01 };
    for (median, fail_on, failed) in
        [(900.0, 0.03, true), (900.0, 0.12, false), (1100.0, 0.03, false), (975.0, 0.03, false)]
    {
        let (a, b) = interleaved_runs(a, Truth { median, ..a }, 5, 3);
        let comparison = compare(&a, &b, Limits::new(None, Some(fail_on)));
        assert_eq!(comparison.failed, failed, "{median} {fail_on} {:?}", comparison.rows[0]);
    }
}

#[test]
fn what_a_measured_and_b_did_not_is_a_failure_where_one_is_asked_for() {
    let cases: [(Spoil, Option<&str>); 10] = [
        (|_| (), None),
        (|run| run.benchmarks.clear(), Some("B has none")),
        (|run| run.benchmarks[0].errors.push("EIO".into()), Some("B: failed: EIO")),
        (|run| run.benchmarks[0].skipped = Some("gone".into()), Some("B: skipped: gone")),
        (|run| run.benchmarks[0].series.clear(), Some("B has no samples of it")),
        (
            |run| run.benchmarks[0].series[0].samples = vec![0.0; 9],
            Some("a median of B is not above 0"),
        ),
        (
            |run| _ = run.benchmarks[0].parameters.insert("queue_depth".into(), 8.into()),
            Some("B has other parameters: queue_depth 8, not 4"),
        ),
        (
            |run| {
                if run.run_id == "run-001" {
                    run.benchmarks[0].errors.push("EIO".into());
                }
            },
            Some("failed in 1 of 4 runs, and in none of A's"),
        ),
        // More than A has is no failure.
        (
            |run| run.benchmarks.push(Benchmark { workload: "new".into(), ..Benchmark::default() }),
            None,
        ),
        // Those on another machine say nothing of the kernel.
        (|run| run.host.cpu_model = "another".into(), None),
    ];
    for (spoil, reason) in cases {
        let (a, mut b) = alike(4);
        b.iter_mut().for_each(|run| spoil(&mut run.document));
        let comparison = compare(&a, &b, Limits::new(None, Some(0.03)));
        let failure = comparison.rows.iter().find_map(|row| row.failure.clone());
        let expected = reason.map(|reason| format!("not measured in B as in A: {reason}"));
        assert!(
            failure.as_deref().unwrap_or_default().contains(reason.unwrap_or_default()),
            "{failure:?}, not {expected:?}"
        );
        assert_eq!((failure.is_some(), comparison.failed), (reason.is_some(), reason.is_some()));
        let said = comparison.table().contains("is not measured in B as in A");
        assert_eq!(said, reason.is_some(), "{}", comparison.table());
        assert!(!compare(&a, &b, usual()).failed, "nobody asked");
    }
}

/// Runs of one kernel as they were: the 99th percentiles of latencies, in milliseconds.
const TAILS: [[f64; 3]; 2] = [[16.05, 12.80, 13.52], [18.83, 17.61, 14.45]];

#[test]
fn one_tail_a_run_is_no_ground_for_a_verdict() {
    let (mut runs, _) = alike(3);
    for tails in TAILS {
        for (run, tail) in runs.iter_mut().zip(tails) {
            run.document.benchmarks[0].latency_ns = [("p99".to_owned(), tail * 1e6)].into();
        }
        for (n, m) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            let judged = |a: &[Found], b: &[Found]| compare(a, b, usual()).rows[1].judgement;
            assert_eq!(judged(&runs[n..=n], &runs[m..=m]), Judgement::CannotTell, "{n} {m}");
            let others = [runs[n].clone(), runs[m].clone()];
            assert_eq!(judged(&runs[n..=n], &others), Judgement::CannotTell, "{n} and {m}");
        }
    }
}

#[test]
fn a_file_is_known_by_its_contents_and_not_by_its_path() {
    for (path, contents, reason) in [
        ("/b/job.fio", "5e", None),
        ("/a/job.fio", "00", Some("B has other parameters: job with other contents")),
    ] {
        let (mut a, mut b) = alike(3);
        for (runs, path, contents) in [(&mut a, "/a/job.fio", "5e"), (&mut b, path, contents)] {
            for run in runs {
                let parameters = &mut run.document.benchmarks[0].parameters;
                parameters.insert("job".into(), path.into());
                parameters.insert("job_sha256".into(), contents.into());
            }
        }
        let row = &compare(&a, &b, usual()).rows[0];
        assert_eq!(row.judgement == Judgement::NotCompared, reason.is_some(), "{row:?}");
        assert_eq!(row.reason.as_deref(), reason);
    }
}

#[test]
fn the_table_fits_and_is_harmless() {
    let (mut a, mut b) = alike(3);
    for run in a.iter_mut().chain(&mut b) {
        run.document.benchmarks.push(Benchmark {
            workload: "storage\x1b[31m".into(),
            parameters: (0..30).map(|n| (format!("parameter_{n}"), n.into())).collect(),
            done: true,
            series: vec![Series {
                name: "a series with a name that is much longer than its column".into(),
                unit: "ns".into(),
                samples: vec![1.23456e15; 10],
                at_ms: vec![],
                summary: None,
            }],
            ..Benchmark::default()
        });
        let mut other = run.document.benchmarks[1].clone();
        other.parameters.insert("parameter_3".into(), "another".repeat(5).into());
        run.document.benchmarks.push(other);
        run.document.verdict.reason = "words ".repeat(60);
        run.document.verdict.kind = "fail".into();
    }
    for run in &mut b {
        // The least number there is.
        run.document.benchmarks[0].series[0].samples = vec![5e-324; 9];
    }
    let table = compare(&a, &b, Limits::new(None, Some(0.03))).table();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(!table.contains('\x1b') && table.contains("parameter_3=3"), "{table}");
    assert!(!table.contains("parameter_4="), "{table}");
}

#[test]
fn programs_find_what_people_see() {
    let (a, b) = alike(4);
    let comparison = compare(&a, &b, usual());
    let json: serde_json::Value = serde_json::from_str(&comparison.to_json().unwrap()).unwrap();
    for (pointer, expected) in [
        ("/schema", serde_json::json!(1)),
        ("/interleaved", true.into()),
        ("/failed", false.into()),
        ("/rows/0/judgement", "same".into()),
        ("/rows/0/better", "higher".into()),
        ("/rows/0/a/runs", 4.into()),
        ("/rows/0/b/samples", 80.into()),
        ("/limits/margin", 0.05.into()),
        ("/rows/1/series", "latency p50".into()),
        ("/rows/1/unit", "ns".into()),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
    let (low, high) = comparison.rows[0].interval.unwrap();
    assert_eq!(json["rows"][0]["interval"], serde_json::json!([low, high]));
}

#[test]
fn boots_of_one_run_show_how_boots_differ() {
    // Each sample is a boot, which is off by its own part.
    let boots = |slower: f64, seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut one = |median| {
            let truth = Truth { median, boot: 0.0, sample: 0.03 };
            let mut run = run(0, truth, &mut random);
            run.document.benchmarks[0].workload = "boot".into();
            run.document.benchmarks[0].latency_ns.clear();
            vec![run]
        };
        let (a, b) = (one(1000.0), one(1000.0 * slower));
        let row = compare(&a, &b, usual()).rows.swap_remove(0);
        assert_eq!(row.a.map(|a| (a.runs, a.samples)), Some((1, 20)));
        row.judgement
    };
    let count =
        |slower, judgement| (0..100).filter(|seed| boots(slower, *seed) == judgement).count();
    assert!(count(1.0, Judgement::Same) >= 90);
    assert_eq!(count(1.0, Judgement::Better) + count(1.0, Judgement::Worse), 0);
    // More of what has the unit 1/s is better.
    assert!(count(1.1, Judgement::Better) >= 95);
}
