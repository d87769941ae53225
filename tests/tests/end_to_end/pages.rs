//! Pages of results, as a browser shows them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lunlab_tests::browser::{Browser, View};
use lunlab_tests::{Finished, Lunlab};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::specs::measured;

const LOOK: &str = include_str!("page.js");

/// A laptop, a small one, a narrow window; dark; A4 at 96 dots per inch without its margins.
const VIEWS: [View; 6] = [
    View { width: 1440, scheme: "light", medium: "screen" },
    View { width: 1024, scheme: "light", medium: "screen" },
    View { width: 600, scheme: "light", medium: "screen" },
    View { width: 1280, scheme: "dark", medium: "screen" },
    View { width: 688, scheme: "light", medium: "print" },
    View { width: 688, scheme: "dark", medium: "print" },
];

/// What a browser finds wrong with a page.
fn faults(browser: &mut Browser, page: &Path, view: View) -> Vec<String> {
    let mut faults = browser.open(page, view);
    let found = browser.evaluate(LOOK);
    faults.extend(found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()));
    faults
}

fn report(directory: &Arc<TempDir>, words: &[&str]) -> Finished {
    Lunlab::command(["report"]).args(words).beside(directory).boots_nothing().finish()
}

/// Samples that go up and down by a few percent, the same every time.
fn samples(middle: f64, count: u32) -> Vec<f64> {
    let step = |n: u32| f64::from(n * 7919 % 101) / 101.0 - 0.5;
    (0..count).map(|n| middle * (1.0 + 0.06 * step(n))).collect()
}

fn benchmark(workload: &str, parameters: Value, series: &[(&str, &str, f64, u32)]) -> Value {
    let series: Vec<Value> = series
        .iter()
        .map(|(name, unit, middle, count)| {
            // A result of an older version knows no times.
            let timed = if *unit == "MB/s" { 0 } else { *count };
            json!({
                "name": name, "unit": unit, "samples": samples(*middle, *count), "summary": null,
                "at_ms": (0..timed).map(|n| 7000.0 + 20.5 * f64::from(n)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "workload": workload, "parameters": parameters, "done": true, "series": series,
        "latency_ns": {}, "metrics": {}, "errors": [],
    })
}

/// Requests about a middle, with a few that took a hundred times as long.
fn histogram(middle: u64) -> Value {
    let around = (1..40).map(|n| (middle * (20 + n) / 40, 1 + 400 / (1 + n.abs_diff(20))));
    let late = [(middle * 30, 5), (middle * 100, 1)];
    json!([{"series": "read", "buckets": around.chain(late).collect::<Vec<(u64, u64)>>()}])
}

/// Everything a result can have, in awkward sizes.
fn rich(base: &Value, run: u32, speed: f64) -> Value {
    let mut benchmarks = Vec::new();
    for block_size in [512_u64, 4096, 65536, 1_048_576] {
        for depth in [1_u32, 2, 4, 8, 16, 32, 128] {
            let iops = speed * 30_000.0 * f64::from(depth) / f64::from(depth + 4);
            let parameters = json!({"block_size": block_size, "queue_depth": depth});
            let mut one = benchmark("randread", parameters, &[("iops", "1/s", iops, 20)]);
            one["histograms"] = histogram(block_size);
            benchmarks.push(one);
        }
    }
    let sizes = [("1 MB", 1.0), ("2 MB", 2.0), ("8 MB", 8.0), ("17 MB", 17.0)];
    let sizes = sizes.map(|(name, mb)| (name, "ms", 3.0 + mb * 12.0 / speed, 15));
    benchmarks.push(benchmark("blocks", json!({}), &sizes));
    let long = "a workload whose name somebody made very long indeed, with <tags> & 漢字 in it";
    let odd = [(long, "1/s", 1e9, 1500), ("flat", "ns", 0.0, 9), ("tiny", "MB/s", 1e-7, 5)];
    let mut odd = benchmark(long, json!({long: long}), &odd);
    odd["conditions"] = json!({"gauges": [], "clock_ratio": 1.0, "noisy": ["steal <b>time</b>"]});
    odd["counters"] =
        json!([{"region": long, "name": "cycles", "value": null, "problem": "no counters here"}]);
    benchmarks.push(odd);
    let mut skipped = benchmark("smb", json!({}), &[]);
    skipped["skipped"] = "no smbd on this host".into();
    benchmarks.push(skipped);
    let mut document = base.clone();
    document["run_id"] = format!("20260102T030405678Z-{run:08x}").into();
    document["benchmarks"] = benchmarks.into();
    document["verdict"] = json!({
        "kind": "kernel-bug", "exit_code": 6, "also": ["fail"], "reason": "BUG: <script>alert(1)",
        "lines": ["Call Trace: </script><script>throw 1</script>", long.repeat(9)],
    });
    document
}

/// A comparison of as many rows as `lunlab compare` may find.
fn comparison() -> Value {
    let row = |n: u32, judgement: &str| {
        let ratio = 0.9 + 0.02 * f64::from(n);
        json!({
            "workload": "randread", "parameters": {"queue_depth": n, "block_size": 4096},
            "series": "iops", "unit": "1/s", "a": {"value": 1000.0}, "b": {"value": 1000.0 * ratio},
            "ratio": ratio, "interval": [ratio * 0.98, ratio * 1.03], "judgement": judgement,
            "reason": null, "flags": [],
        })
    };
    let rows: Vec<Value> = (0..40)
        .zip(["worse", "same", "better", "cannot-tell"].into_iter().cycle())
        .map(|(n, word)| row(n, word))
        .collect();
    let run = |n: u32| format!("20260102T030405678Z-{n:08x}");
    json!({
        "a": {"runs": [run(0), run(1)]}, "b": {"runs": [run(3), run(4)]}, "rows": rows, "notes": [],
    })
}

/// A directory with a real result, rich ones made of it, and their pages.
fn pages() -> (Arc<TempDir>, Vec<PathBuf>) {
    let run = Lunlab::run().spec(&measured(2, "iops >= 1")).finish();
    run.exits(0);
    let directory = Arc::clone(run.directory());
    let real = run.result_directory();
    let place = directory.path();
    for n in 0..6 {
        let document = rich(&run.result(), n, if n < 3 { 1.0 } else { 0.9 });
        fs::create_dir(place.join(n.to_string())).unwrap();
        fs::write(place.join(format!("{n}/result.json")), document.to_string()).unwrap();
    }
    fs::write(place.join("compare.json"), comparison().to_string()).unwrap();
    let real = real.to_str().unwrap();
    let sets: [(&str, &[&str]); 5] = [
        ("real.html", &[real]),
        ("one.html", &["0"]),
        ("three.html", &["0", "1", real]),
        ("many.html", &["0", "1", "2", "3", "4", "5"]),
        ("sides.html", &["--a", "0", "1", "--b", "3", "4", "--compare", "compare.json"]),
    ];
    let made = sets.map(|(name, words)| {
        report(&directory, &[words, &["-o", name]].concat()).exits(0);
        place.join(name)
    });
    (directory, made.into())
}

#[test]
fn pages_are_whole_at_every_width_in_light_dark_and_print() {
    let (_directory, pages) = pages();
    let mut browser = Browser::start();
    for page in &pages {
        let found = VIEWS.map(|view| (view, faults(&mut browser, page, view)));
        let found: Vec<_> = found.iter().filter(|(_, faults)| !faults.is_empty()).collect();
        assert!(found.is_empty(), "{}: {found:#?}", page.display());
        let saved = browser.evaluate(
            "JSON.parse(document.getElementById('documents').textContent) && \
             document.getElementById('download').href.startsWith('blob:')",
        );
        assert_eq!(saved, true, "{}: its data can be saved", page.display());
    }
    let plots = browser.evaluate("document.querySelectorAll('svg').length");
    assert!(plots.as_u64().unwrap() > 40, "{plots}");
    // Pages that are wrong, to see that it is noticed.
    let page = fs::read_to_string(&pages[1]).unwrap();
    for (name, broken, fault) in broken(&page) {
        assert_ne!(broken, page, "{name}");
        let path = pages[1].with_file_name("broken.html");
        fs::write(&path, broken).unwrap();
        let found = faults(&mut browser, &path, VIEWS[0]);
        assert!(found.iter().any(|found| found.starts_with(fault)), "{name}: {found:#?}");
    }
}

/// A good page with one thing wrong, and how what is found of it begins.
fn broken(page: &str) -> [(&'static str, String, &'static str); 11] {
    let open = page.find("<meta http-equiv").unwrap();
    let close = open + page[open..].find('>').unwrap() + 1;
    let lax = [&page[..open], &page[close..]].concat();
    let text =
        |x: u32| format!("<text x=\"{x}\" y=\"60\" font-size=\"25\" fill=\"#1C2024\">word</text>");
    let into_plot = |what: &str| page.replacen("</svg>", &format!("{what}</svg>"), 1);
    let first_plot = page.find("<svg ").unwrap();
    let ends = first_plot + page[first_plot..].find("</svg>").unwrap();
    let (before, plot, after) = (&page[..first_plot], &page[first_plot..ends], &page[ends..]);
    let legend = "<span class=\"legend\"><span>";
    let unmarked = plot.replace("<circle", "<desc").replace("<rect", "<desc");
    let unmarked = unmarked.replace("<poly", "<desc");
    [
        ("an overlap", into_plot(&(text(400) + &text(410))), "overlap:"),
        ("a clipped word", into_plot(&text(1790)), "clipped:"),
        ("an empty plot", [before, &unmarked, after].concat(), "empty:"),
        (
            "a script error",
            lax.replacen("</body>", "<script>throw 1</script></body>", 1),
            "script error:",
        ),
        ("a script let in", page.replacen("</body>", "<script>1</script></body>", 1), "error:"),
        (
            "an image from elsewhere",
            lax.replacen("</body>", "<img src=\"http://127.0.0.1:1/\"></body>", 1),
            "network:",
        ),
        (
            "letters too large",
            page.replacen("</style>", ".pairs{display:block}.pairs svg{max-width:none}</style>", 1),
            "size:",
        ),
        (
            "a legend too long",
            page.replacen(
                "<span class=\"legend\">",
                &format!("{legend}{}</span>", "x".repeat(61)),
                1,
            ),
            "long:",
        ),
        (
            "a plot far down",
            page.replacen("</header>", &("<br>".repeat(200) + "</header>"), 1),
            "late:",
        ),
        ("a table gone", page.replacen("<tbody>", "<tfoot>", 99), "no table:"),
        ("ink on ink", page.replace("--paper: #ffffff", "--paper: #5f666d"), "faint:"),
    ]
}

#[test]
fn a_page_replaces_nothing_and_what_is_no_result_is_refused() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let place = directory.path();
    fs::write(place.join("report.html"), "mine").unwrap();
    fs::create_dir(place.join("other")).unwrap();
    fs::write(place.join("other/result.json"), "{}").unwrap();
    fs::create_dir(place.join("x.incomplete")).unwrap();
    // Each before anything is written.
    for (words, said) in [
        (&["other", "-o", "new.html"][..], "no result document"),
        (&["other"], "report.html is there already"),
        (&["missing", "-o", "new.html"], "read the result missing: there is nothing"),
        (&["x.incomplete", "-o", "new.html"], "it holds no result.json"),
        (&["--a", "other"], "--b"),
        (&[], "RESULT"),
    ] {
        report(&directory, words).exits(2).says(said);
    }
    assert_eq!(fs::read_to_string(place.join("report.html")).unwrap(), "mine");
    assert!(!place.join("new.html").exists());
}
