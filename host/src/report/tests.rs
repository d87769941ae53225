//! Pages of made-up results.

use super::{Comparison, Run, Side, csv, page};
use crate::result::{
    Benchmark, CheckResult, Conditions, Counter, Document, Histogram, Kernel, Phase, Series,
    VerdictRecord,
};

/// What a hostile guest would send.
const HOSTILE: &str = "</script><script>alert(1)</script><!--\" onload='x'&\u{1b}[31m\u{202e}\u{0}";

fn series(name: &str, unit: &str, samples: impl IntoIterator<Item = f64>) -> Series {
    Series {
        name: name.into(),
        unit: unit.into(),
        samples: samples.into_iter().collect(),
        at_ms: vec![],
        summary: None,
    }
}

fn randread(depth: u32) -> Benchmark {
    let samples = (0..20).map(|n| f64::from(depth * 1000 + n * 7 % 13));
    Benchmark {
        workload: "randread".into(),
        parameters: [("queue_depth".to_owned(), depth.into())].into(),
        done: true,
        series: vec![series("iops", "1/s", samples)],
        histograms: vec![Histogram {
            series: "read".into(),
            buckets: vec![(100_000, 5), (200_000, 50), (900_000, 1)],
        }],
        ..Benchmark::default()
    }
}

fn blocks() -> Benchmark {
    let at = |mb: u32| series(&format!("{mb} MB"), "ms", (0..9).map(|n| f64::from(mb * 12 + n)));
    Benchmark {
        workload: "blocks".into(),
        series: [1, 8, 17].map(at).into(),
        findings: [("fit".to_owned(), "12 ms per MB".to_owned())].into(),
        ..Benchmark::default()
    }
}

fn run(label: &str, side: Option<Side>, benchmarks: Vec<Benchmark>) -> Run {
    let phase = |phase: &str, ms| Phase { phase: phase.into(), ms };
    let document = Document {
        timeline: vec![phase("kernel", 300.0), phase("target-ready", 900.0), phase("done", 9e3)],
        checks: vec![CheckResult { name: "p99".into(), ok: false, detail: "too late".into() }],
        verdict: VerdictRecord {
            kind: "fail".into(),
            exit_code: 1,
            reason: "p99 does not hold".into(),
            ..VerdictRecord::default()
        },
        benchmarks,
        ..crate::result::passed()
    };
    let json = document.to_json().unwrap();
    Run { label: label.into(), side, incomplete: false, document, json }
}

fn comparison(word: &str) -> Comparison {
    let row = |series: &str, ratio: Option<f64>, judgement: &str| {
        serde_json::json!({
            "workload": word, "parameters": {word: word}, "series": series, "unit": word,
            "a": {"value": 1.0}, "b": {"value": 2.0}, "ratio": ratio,
            "interval": ratio.map(|ratio| (ratio * 0.9, ratio * 1.1)), "judgement": judgement,
            "reason": word, "flags": [word], "better": "lower",
        })
    };
    let rows =
        [row("slower", Some(1.1), "worse"), row("alike", Some(1.0), word), row("new", None, "x")];
    serde_json::from_value(serde_json::json!({
        "a": {"runs": ["1", "2"]}, "b": {"runs": ["3"]}, "rows": rows, "notes": [word],
        "left_out": [{"side": "B", "run": "4", "reason": "another CPU"}],
    }))
    .unwrap()
}

#[test]
fn a_comparison_belongs_to_its_runs_on_their_sides() {
    let comparison = comparison("x");
    let cases: [(&[&str], &[&str], Option<&str>); 5] = [
        (&["2", "1"], &["3", "4"], None),
        (&["3", "4"], &["1", "2"], Some("its A has 1, which is not given")),
        (&["1"], &["3", "4"], Some("its A has 2, which is not given")),
        (&["1", "2"], &["3"], Some("its B has 4, which is not given")),
        (&["1", "2"], &["3", "4", "5"], Some("its B does not have 5")),
    ];
    for (a, b, expected) in cases {
        assert_eq!(comparison.unlike(a, b).as_deref(), expected, "{a:?} {b:?}");
    }
}

fn sections(page: &str) -> Vec<&str> {
    page.split("<section id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn a_page_has_a_section_for_what_there_is_and_the_verdict_first() {
    let benchmarks = [1, 4, 16].map(randread).into_iter().chain([blocks()]);
    let page = page(&[run("run 1", None, benchmarks.collect())], None);
    let expected = [
        "checks",
        "sweeps",
        "scaling",
        "measured",
        "boot",
        "latency",
        "over-time",
        "parameters",
        "raw",
    ];
    assert_eq!(sections(&page), expected);
    let verdict = page.find("class=\"verdict bad\">FAIL<").unwrap();
    assert!(verdict < page.find("<section").unwrap());
    // a sweep, a scaling, three latencies, three and three over time, and the boot
    assert_eq!(page.matches("<svg ").count(), 12);
    assert_eq!(page.matches("<figure>").count(), page.matches("<svg ").count());
    assert!(page.contains("By the workload, fit: 12 ms per MB."));
}

#[test]
fn what_is_missing_is_left_out() {
    let mut bare = run("run 1", None, vec![Benchmark::default()]);
    bare.document.timeline.clear();
    bare.document.checks.clear();
    let page = page(&[bare], None);
    assert_eq!(sections(&page), ["parameters", "raw"]);
    assert!(!page.contains("<svg"));
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let text = || HOSTILE.to_owned();
    let hostile = Benchmark {
        workload: text(),
        parameters: [(text(), HOSTILE.into())].into(),
        series: vec![
            series(HOSTILE, HOSTILE, [1.0, 2.0, 3.0, 4.0]),
            series(&format!("{HOSTILE} 1 MB"), "ms", [1.0]),
            series(&format!("{HOSTILE} 2 MB"), "ms", [2.0]),
            series(&format!("{HOSTILE} 3 MB"), "ms", [3.0]),
        ],
        errors: vec![text()],
        skipped: Some(text()),
        histograms: vec![Histogram { series: text(), buckets: vec![(1000, 1)] }],
        counters: vec![Counter {
            region: text(),
            name: text(),
            value: None,
            problem: Some(text()),
        }],
        conditions: Conditions { noisy: vec![text()], ..Conditions::default() },
        findings: [(format!("fit {HOSTILE}"), text())].into(),
        ..Benchmark::default()
    };
    let mut run = run(HOSTILE, None, vec![hostile.clone()]);
    let document = &mut run.document;
    document.timeline[0].phase = text();
    document.verdict.reason = text();
    document.verdict.kind = text();
    document.verdict.lines = vec![text()];
    document.notes = vec![text()];
    document.kernel = Some(Kernel { image: text(), release: Some(text()), ..Kernel::default() });
    run.json = run.document.to_json().unwrap();
    let compared = comparison(HOSTILE);
    let page = page(&[run.clone(), run], Some(&compared));
    assert_eq!(page.matches("<script").count(), 2, "the data and the download");
    assert_eq!(page.matches("</script>").count(), 2);
    let shown = page.split("<script").next().unwrap();
    for raw in ["<!--", "\u{1b}", "\u{202e}", "\u{0}", "onload='"] {
        assert!(!shown.contains(raw), "{raw:?}");
    }
}

#[test]
fn the_raw_json_is_in_the_page_and_stays_what_it_was() {
    let one = run("run 1", None, vec![randread(1)]);
    let page = page(&[one.clone(), run("run 2", None, vec![])], None);
    let data = page.split("application/json").nth(1).unwrap();
    let data = data.split_once('>').unwrap().1.split("</script>").next().unwrap();
    let documents: Vec<Document> = serde_json::from_str(data).unwrap();
    assert_eq!(documents[0], one.document);
    assert_eq!(documents.len(), 2);
}

#[test]
fn extreme_samples_are_drawn_without_complaint() {
    let odd: [&[f64]; 6] = [
        &[0.0; 9],
        &[1e308, -1e308, 0.0, 1.0],
        &[f64::NAN, f64::INFINITY, 1.0, 2.0],
        &[5.0; 5],
        &[-1.0, -2.0, -3.0, -4.0],
        &[1e-300; 4],
    ];
    for samples in odd {
        let mut benchmark = randread(1);
        benchmark.series.push(series("odd", "ms", samples.iter().copied()));
        benchmark.histograms = vec![Histogram {
            series: "odd".into(),
            buckets: vec![(0, 1), (1, u64::MAX), (u64::MAX, u64::MAX)],
        }];
        let page = page(
            &[run("A", Some(Side::A), vec![benchmark]), run("B", Some(Side::B), vec![])],
            None,
        );
        assert!(!page.contains("NaN") && page.contains("<svg"), "{samples:?}");
    }
}

#[test]
fn many_samples_make_a_plot_of_bounded_size() {
    let mut benchmark = randread(1);
    benchmark.series = vec![series("iops", "1/s", (0..100_000).map(f64::from))];
    let mut run = run("run 1", None, vec![benchmark]);
    run.json = "{}".into();
    assert!(page(&[run], None).len() < 200_000);
}

#[test]
fn of_too_many_figures_those_beside_a_sweep_are_drawn_first() {
    let mut benchmarks: Vec<Benchmark> = (1..=40).map(randread).collect();
    let alone = Benchmark { workload: "alone".into(), ..randread(7) };
    benchmarks.push(alone);
    let page = page(&[run("run 1", None, benchmarks)], None);
    for id in ["latency", "over-time"] {
        let section = page.split(&format!("id=\"{id}\"")).nth(1).unwrap();
        let section = section.split("</section>").next().unwrap();
        assert_eq!(section.matches("<figure>").count(), 24, "{id}");
        assert!(section.contains("<figcaption>alone: "), "{id}");
        assert!(section.contains("17 more are not drawn"), "{id}");
    }
}

#[test]
fn csv_has_a_line_for_each_sample() {
    let mut one = run("run 1", None, vec![randread(2), blocks()]);
    one.document.benchmarks[0].series[0].name = "a,\"b\"\n".into();
    one.document.benchmarks[0].series[0].at_ms = vec![7.25];
    let csv = csv(&[one]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "run,workload,parameters,series,unit,index,value,at_ms");
    let id = crate::result::passed().run_id;
    assert_eq!(
        lines[1],
        format!("{id},randread,queue_depth 2,\"a,\"\"b\"\"\\x0a\",1/s,0,2000,7.250")
    );
    assert_eq!(lines.len(), 1 + 20 + 27);
    assert_eq!(lines[47], format!("{id},blocks,,17 MB,ms,8,212,"));
}

#[test]
fn a_comparison_is_a_forest_and_a_table_of_all_its_rows() {
    let sides = [run("A", Some(Side::A), vec![]), run("B", Some(Side::B), vec![])];
    let page = page(&sides, Some(&comparison("w")));
    assert_eq!(sections(&page)[..2], ["comparison", "runs"]);
    let first = page.split("</h1>").next().unwrap();
    assert!(first.ends_with("class=\"verdict bad\">WORSE</span> B against A"), "{first}");
    let section =
        page.split("id=\"comparison\"").nth(1).unwrap().split("</section>").next().unwrap();
    let points = section.matches("<circle").count() + section.matches("<polygon").count();
    assert_eq!(points, 2);
    for cell in ["<td>w: slower</td>", "<td>worse</td>", "<td>w: new</td>"] {
        assert!(section.contains(cell), "{cell}");
    }
}
