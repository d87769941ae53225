//! What a run shows and leaves: the document, the summary, the command that makes it again.

use crate::error::{Category, Error};
use crate::escape::terminal;
use crate::output::{self, Verbosity};
use crate::report::sparkline;
use crate::result::telling::names;
use crate::result::{
    self, Benchmark, Choice, Counter, Difference, Document, Histogram, Host, Kernel, LogSummary,
    OneTarget, OneTpg, Phase, Qemu, Reproduction, SCHEMA, Series, SpecChange, SpecChangeOutcome,
    Target, Transport, VerdictRecord, shell_line, timestamp,
};
use crate::run::Outcome;
use crate::run::plan::Plan;
use crate::run::record::Learnt;
use crate::spec::format_size;
use crate::verdict::{Fact, Kind, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Everything known of a run that is over.
pub(super) struct Report<'a> {
    pub(super) plan: &'a Plan,
    pub(super) outcome: &'a Outcome,
    pub(super) began: SystemTime,
    pub(super) started: Instant,
    pub(super) command: Vec<String>,
    pub(super) logs: Vec<LogSummary>,
    /// How many columns the summary has, for histograms: none where a program reads it.
    pub(super) columns: Option<usize>,
}

impl Report<'_> {
    /// The result document.
    pub(super) fn document(&self, run_id: &str) -> Document {
        let (plan, learnt) = (self.plan, &self.outcome.learnt);
        let faults = self.logs.iter().filter_map(|log| {
            log.fault.as_ref().map(|fault| format!("{} is not whole: {fault}", log.name))
        });
        let notes = plan.notes.iter().chain(&learnt.notes).cloned().chain(faults);
        let notes = notes.chain(as_it_began(&learnt.spec_changes)).collect();
        let phases = learnt.timeline.phases().into_iter();
        let path = |path: &Path| path.display().to_string();
        Document {
            kernel: Some(Kernel {
                image: path(plan.kernel.images.primary()),
                release: Some(plan.kernel.release.clone()),
                sha256: plan.kernel_digest.to_string(),
                boot_mode: plan.boot.mode.to_string(),
            }),
            qemu: Some(Qemu {
                version: plan.program.version.clone(),
                path: path(&plan.program.path),
                argv: self.outcome.argv.clone(),
            }),
            accelerator: Some(Choice {
                name: plan.accelerator.accelerator.to_string(),
                reason: plan.accelerator.reason.clone(),
            }),
            transport: Some(transport(plan)),
            timeline: phases.map(|(phase, ms)| Phase { phase: phase.to_owned(), ms }).collect(),
            modules: learnt.modules.clone(),
            target: learnt.target.clone(),
            spec_changes: learnt.spec_changes.clone(),
            checks: learnt.checks.clone(),
            benchmarks: learnt.benchmarks.clone(),
            notes,
            kmsg: learnt.kmsg,
            taint: learnt.taint.clone(),
            logs: self.logs.clone(),
            ..empty(run_id, self.began, self.started, (&learnt.verdict).into())
        }
    }

    /// What makes the run again.
    pub(super) fn reproduction(&self) -> Reproduction {
        let (command, qemu_argv) = (self.command.clone(), self.outcome.argv.clone());
        Reproduction { command, qemu_argv }
    }

    /// What a person takes in at a glance.
    pub(super) fn summary(&self, document: &Document, place: &Path) -> String {
        let mut text = Table::default();
        for (name, line) in decided(self.plan) {
            text.row(name, &line);
        }
        text.row("boot", &timeline(document));
        if let Some(target) = &document.target {
            target_rows(&mut text, target, self.plan.transport.transport.name());
        }
        for check in &document.checks {
            let outcome = if check.ok { "ok" } else { "does not hold" };
            text.row("check", &format!("{}: {outcome}: {}", check.name, check.detail));
        }
        for (benchmark, name) in document.benchmarks.iter().zip(names(&document.benchmarks)) {
            benchmark_rows(&mut text, benchmark, &name, self.columns);
        }
        for note in &document.notes {
            text.row("note", note);
        }
        self.verdict_rows(&mut text, document, place);
        text.0
    }

    fn verdict_rows(&self, text: &mut Table, document: &Document, place: &Path) {
        let verdict = &document.verdict;
        if verdict.exit_code != 0 {
            self.failure_rows(text, verdict, place);
        }
        text.row("verdict", &verdict_line(document));
        for hint in document.verdict.lines.iter().filter_map(|line| line.strip_prefix(HINT)) {
            text.row("hint", hint);
        }
        text.row("result", &place.display().to_string());
    }

    fn failure_rows(&self, text: &mut Table, verdict: &VerdictRecord, place: &Path) {
        for line in verdict.lines.iter().filter(|line| !line.starts_with(HINT)).take(40) {
            text.row("|", line);
        }
        let tail = &self.outcome.learnt.console_tail;
        if !tail.is_empty() {
            text.row("console", "the last lines:");
            for line in tail {
                text.row("|", line);
            }
        }
        let mut words = self.command.clone();
        let spec = place.join("spec.toml");
        words.push(std::path::absolute(&spec).unwrap_or(spec).display().to_string());
        text.row("again", &shell_line(&words));
    }
}

/// How a line of a verdict begins that is a way out; it stands beside the verdict.
const HINT: &str = "hint: ";

/// Everything known of workloads that ran on the host itself.
pub(super) struct Local {
    /// How many columns the summary has, for histograms: none where a program reads it.
    pub(super) columns: Option<usize>,
    pub(super) learnt: Learnt,
    pub(super) began: SystemTime,
    pub(super) started: Instant,
    pub(super) command: Vec<String>,
}

impl Local {
    /// The result document: it has no kernel and no machine but the host.
    pub(super) fn document(&self, run_id: &str) -> Document {
        Document {
            checks: self.learnt.checks.clone(),
            benchmarks: self.learnt.benchmarks.clone(),
            notes: self.learnt.notes.clone(),
            ..empty(run_id, self.began, self.started, (&self.learnt.verdict).into())
        }
    }

    /// What makes it again.
    pub(super) fn reproduction(&self) -> Reproduction {
        Reproduction { command: self.command.clone(), qemu_argv: Vec::new() }
    }

    /// What a person takes in at a glance.
    pub(super) fn summary(&self, document: &Document, place: &Path) -> String {
        let mut text = Table::default();
        let Host { cpu_model, cpu_count, kernel } = &document.host;
        text.row("host", &format!("{cpu_count} × {cpu_model}, kernel {kernel}"));
        for check in &document.checks {
            let outcome = if check.ok { "ok" } else { "does not hold" };
            text.row("check", &format!("{}: {outcome}: {}", check.name, check.detail));
        }
        for (benchmark, name) in document.benchmarks.iter().zip(names(&document.benchmarks)) {
            benchmark_rows(&mut text, benchmark, &name, self.columns);
        }
        text.row("verdict", &verdict_line(document));
        text.row("result", &place.display().to_string());
        text.0
    }
}

/// Shows a result as it was asked for.
pub(super) fn show(document: &Document, summary: &str, json: bool, verbosity: Verbosity) {
    if json {
        match document.to_json() {
            Ok(json) => drop(output::text(&json)),
            Err(error) => output::progress(&format!("lunlab: write the result: {error}")),
        }
    } else if verbosity > Verbosity::Quiet || document.verdict.exit_code != 0 {
        let _nobody_reads = output::text(summary);
    }
}

/// The verdict in a line.
fn verdict_line(document: &Document) -> String {
    let verdict = &document.verdict;
    let also = match verdict.also.as_slice() {
        [] => String::new(),
        also => format!("; also {}", also.join(", ")),
    };
    let (kind, code) = (verdict.kind.to_uppercase(), verdict.exit_code);
    let seconds = document.duration_ms / 1000.0;
    format!("{kind} (exit {code}) in {seconds:.1} s: {}{also}", verdict.reason)
}

/// The most LUNs of a TPG, and lines of a finding, that a summary shows; the result has all.
const LUNS: usize = 8;
const LINES: usize = 5;

/// A two-column text; whatever came from a guest is made harmless.
#[derive(Default)]
struct Table(String);

/// What the copy of the spec is not, once the target was changed.
fn as_it_began(changes: &[SpecChange]) -> Option<String> {
    let changed = changes.iter().any(|change| change.outcome == SpecChangeOutcome::Changed);
    changed.then(|| {
        "spec.toml is as the run began with it; what changed since is in result.json under \
         spec_changes"
            .to_owned()
    })
}

impl Table {
    fn row(&mut self, name: &str, line: &str) {
        // Writing to a string cannot fail.
        let _infallible = writeln!(self.0, "{name:<16} {}", terminal(line));
    }
}

/// What was decided, a line each, for those who want to know before it runs.
pub(super) fn decisions(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> =
        decided(plan).into_iter().map(|(name, line)| format!("{name}: {line}")).collect();
    let built = if plan.base.built { "built now" } else { "from the cache" };
    let kilobytes = plan.base.size / 1000;
    lines.push(format!("image: {kilobytes} kB, {built}"));
    lines
}

fn decided(plan: &Plan) -> Vec<(&'static str, String)> {
    let image = plan.kernel.images.primary().display();
    let transport = transport(plan);
    vec![
        ("kernel", format!("{} ({image}), {}", plan.kernel.release, plan.boot.mode)),
        ("accelerator", format!("{}, {}", plan.accelerator.accelerator, plan.accelerator.reason)),
        ("transport", transport_words(&transport)),
    ]
}

fn transport_words(transport: &Transport) -> String {
    let passed_over = transport.passed_over.iter();
    let why: Vec<String> =
        passed_over.map(|each| format!("not {}: {}", each.name, each.reason)).collect();
    let why = if why.is_empty() { transport.reason.clone() } else { why.join("; ") };
    format!("{}, {why}", transport.name)
}

fn transport(plan: &Plan) -> Transport {
    let chosen = &plan.transport;
    let passed_over = chosen
        .passed_over
        .iter()
        .map(|(each, reason)| Choice { name: each.name().to_owned(), reason: reason.clone() });
    Transport {
        name: chosen.transport.name().to_owned(),
        reason: chosen.reason.clone(),
        passed_over: passed_over.collect(),
    }
}

fn timeline(document: &Document) -> String {
    let phases = document.timeline.iter();
    let phases = phases
        .filter(|each| !["channel-modules", "finish", "torn-down"].contains(&each.phase.as_str()));
    let words: Vec<String> =
        phases.map(|each| format!("{} {:.2}", each.phase, each.ms / 1000.0)).collect();
    if words.is_empty() {
        "nothing was started".to_owned()
    } else {
        format!("{} s", words.join("  "))
    }
}

fn target_rows(text: &mut Table, target: &Target, transport: &str) {
    let mut name = "target";
    for one in &target.targets {
        for tpg in &one.tpgs {
            let several =
                if one.tpgs.len() > 1 { format!(" tpg {}", tpg.tag) } else { String::new() };
            text.row(name, &format!("{}{several}{}", one.wwn, tpg_words(one, tpg)));
            name = "";
            for lun in tpg.luns.iter().take(LUNS) {
                let size = format_size(lun.size);
                let object = format!("{} {} {size}", lun.storage_object, lun.backstore);
                text.row("", &format!("LUN {}: {object}", lun.lun));
            }
            if let Some(more) = tpg.luns.len().checked_sub(LUNS).filter(|more| *more > 0) {
                text.row("", &format!("and {more} LUNs more"));
            }
            if one.fabric == "iscsi" {
                let portals = match tpg.portals.as_slice() {
                    [] => "never ready".to_owned(),
                    portals => portals.join(", "),
                };
                text.row("portal", &format!("{portals}, over {transport}"));
            }
        }
    }
    for line in &target.defaults {
        text.row("defaults", line);
    }
    for device in &target.devices {
        let size = format_size(device.size);
        text.row("device", &format!("{}: {} of {size}", device.name, device.node));
    }
    for difference in &target.differences {
        let Difference { path, asked, found } = difference;
        let found = found.as_deref().unwrap_or("unreadable");
        text.row("differs", &format!("{path}: asked for {asked}, the kernel has {found}"));
    }
}

fn tpg_words(target: &OneTarget, tpg: &OneTpg) -> String {
    let mut words = Vec::new();
    if target.fabric != "iscsi" {
        words.push(target.fabric.clone());
    }
    if !tpg.enabled {
        words.push("not enabled".to_owned());
    }
    match tpg.acls.len() {
        0 => {}
        1 => words.push("1 ACL".to_owned()),
        n => words.push(format!("{n} ACLs")),
    }
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// The width of the first column, and the space behind it.
const NAMES: usize = 17;

/// What is left of a row for a shape beside these words; none on what is no terminal, and a row that the terminal would
/// break has none.
fn room(words: &str, columns: Option<usize>) -> usize {
    columns.unwrap_or(0).saturating_sub(NAMES + words.chars().count() + 1)
}

fn benchmark_rows(text: &mut Table, benchmark: &Benchmark, name: &str, columns: Option<usize>) {
    let mut lines = benchmark_lines(benchmark, columns);
    if lines.is_empty() {
        lines.push(if benchmark.done { "done" } else { "not measured" }.to_owned());
    }
    let telling = name.strip_prefix(&benchmark.workload).unwrap_or_default();
    let telling = telling.trim_start_matches([',', ' ']);
    let told = (!telling.is_empty()).then(|| telling.to_owned());
    let workload = std::iter::once(benchmark.workload.as_str()).chain(std::iter::repeat(""));
    for (name, line) in workload.zip(told.into_iter().chain(lines)) {
        text.row(name, &line);
    }
}

fn benchmark_lines(benchmark: &Benchmark, columns: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for series in &benchmark.series {
        if let Some(line) = series_line(series) {
            let shape = sparkline::of_samples(&series.samples, room(&line, columns));
            lines.push([line, shape.unwrap_or_default()].join(" ").trim_end().to_owned());
        }
    }
    lines.extend(percentiles_line(benchmark));
    let shapes = benchmark.histograms.iter();
    lines.extend(shapes.filter_map(|histogram| latency_line(histogram, columns)));
    for (what, found) in &benchmark.findings {
        lines.extend(found.lines().take(LINES).map(|line| format!("{what}: {line}")));
        if let Some(more) = found.lines().count().checked_sub(LINES).filter(|more| *more > 0) {
            lines.push(format!("{what}: … {more} lines more, in result.json"));
        }
    }
    lines.extend(counter_lines(&benchmark.counters));
    lines.extend(benchmark.skipped.iter().map(|reason| format!("skipped: {reason}")));
    lines.extend(benchmark.conditions.noisy.iter().map(|reason| format!("noisy: {reason}")));
    lines.extend(benchmark.errors.iter().map(|error| format!("error: {error}")));
    lines
}

/// What all requests together came to.
fn percentiles_line(benchmark: &Benchmark) -> Option<String> {
    let rate = benchmark.metrics.get("mb_per_s")?;
    let latency = |p: &str| benchmark.latency_ns.get(p).map(|ns| ns / 1e6);
    let (p50, p99, p9999) = (latency("p50")?, latency("p99")?, latency("p99.99")?);
    let max = latency("max")?;
    Some(format!(
        "{rate:.1} MB/s, latency p50 {p50:.2} p99 {p99:.2} p99.99 {p9999:.2} max {max:.2} ms"
    ))
}

/// The shape of a histogram between its ends, in milliseconds.
fn latency_line(histogram: &Histogram, columns: Option<usize>) -> Option<String> {
    let ends = [histogram.buckets.first()?.0, histogram.buckets.last()?.0];
    let [low, high] = ends.map(|ns| Duration::from_nanos(ns).as_secs_f64() * 1e3);
    let (before, after) =
        (format!("{} latency {low:.3} ", histogram.series), format!(" {high:.3} ms"));
    let shape = sparkline::of_buckets(
        &histogram.buckets,
        room(&[before.as_str(), &after].concat(), columns),
    )?;
    Some([before, shape, after].concat())
}

/// What was counted over each region in a line, and in another what was not, by reason.
fn counter_lines(counters: &[Counter]) -> Vec<String> {
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Counter { region, name, value, problem } in counters {
        match value {
            Some(value) => known.entry(region).or_default().push(format!("{name} {value}")),
            None => {
                let names = unknown.entry(problem.as_deref().unwrap_or("no reason")).or_default();
                names.extend(Some(name.as_str()).filter(|name| !names.contains(name)));
            }
        }
    }
    let known = known.into_iter().map(|(region, all)| format!("{region}: {}", all.join(", ")));
    let unknown =
        unknown.into_iter().map(|(why, names)| format!("not counted: {}: {why}", names.join(", ")));
    known.chain(unknown).collect()
}

fn series_line(series: &Series) -> Option<String> {
    let summary = series.summary.as_ref()?;
    let (one, unit) = unit_of(series, summary.median);
    let label = if series.name == "iops" { String::new() } else { format!("{} ", series.name) };
    let (median, spread, n) =
        (number(summary.median / one), summary.spread * 100.0, series.samples.len());
    Some(format!("{label}median {median}{unit}, spread {spread:.1} % ({n} samples)"))
}

/// The unit in which a series is shown, and how many of its own that is.
fn unit_of(series: &Series, value: f64) -> (f64, String) {
    match series.unit.as_str() {
        "1/s" if series.name == "iops" => (1.0, " IOPS".to_owned()),
        "1/s" => (1.0, "/s".to_owned()),
        "ratio" => (1.0, String::new()),
        "ns" if value >= 1e9 => (1e9, " s".to_owned()),
        "ns" if value >= 1e6 => (1e6, " ms".to_owned()),
        "ns" if value >= 1e4 => (1e3, " us".to_owned()),
        "ms" if value >= 1e4 => (1e3, " s".to_owned()),
        unit => (1.0, format!(" {unit}")),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 | 10.0..1000.0 => format!("{value:.1}"),
        0.0..1.0 => format!("{value:.4}"),
        0.0..10.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// The document of a run that was refused before anything started.
pub(super) fn refusal(error: &Error, started: Instant) -> String {
    let kind = match error.category() {
        Category::Usage => Kind::Usage,
        Category::Environment | Category::Internal => Kind::Environment,
        Category::Boot => Kind::Boot,
    };
    let hint = error.hint().map(|hint| format!("hint: {hint}"));
    let fact = Fact::new(kind, error.to_string()).with_lines(hint.into_iter().collect());
    let verdict = (&Verdict::judge(&[fact])).into();
    let document = empty("", SystemTime::now(), started, verdict);
    document.to_json().unwrap_or_default()
}

fn empty(run_id: &str, began: SystemTime, started: Instant, verdict: VerdictRecord) -> Document {
    Document {
        schema: SCHEMA,
        run_id: run_id.to_owned(),
        started_at: timestamp(began),
        finished_at: timestamp(SystemTime::now()),
        duration_ms: started.elapsed().as_secs_f64() * 1000.0,
        lunlab_version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host(),
        kernel: None,
        qemu: None,
        accelerator: None,
        transport: None,
        timeline: Vec::new(),
        modules: Vec::new(),
        target: None,
        spec_changes: Vec::new(),
        checks: Vec::new(),
        benchmarks: Vec::new(),
        verdict,
        notes: Vec::new(),
        kmsg: result::Kmsg::default(),
        taint: None,
        logs: Vec::new(),
    }
}

fn host() -> Host {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    Host {
        cpu_model: model.map_or_else(String::new, |(_, name)| name.to_owned()),
        cpu_count: u32::try_from(count).unwrap_or(u32::MAX),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Summary;

    #[test]
    fn a_series_is_told_in_the_unit_that_suits_it() {
        for (name, unit, median, told) in [
            ("iops", "1/s", 7558.0, "median 7558 IOPS"),
            ("channels", "1/s", 7558.0, "channels median 7558/s"),
            ("ratio", "ratio", 0.5, "ratio median 0.5000"),
            ("sha2", "ns", 923.0, "sha2 median 923.0 ns"),
            ("p50", "ns", 12_345.0, "p50 median 12.3 us"),
            ("p50", "ns", 4.5e6, "p50 median 4.50 ms"),
            ("last peer", "ms", 66_800.0, "last peer median 66.8 s"),
            ("read", "MB/s", 30.8, "read median 30.8 MB/s"),
        ] {
            let (p25, p75) = (median * 0.9, median * 1.15);
            let summary = Summary { median, mad: 0.0, spread: 0.25, p25, p75, interval: None };
            let (name, unit, samples) = (name.to_owned(), unit.to_owned(), vec![median]);
            let series = Series { name, unit, samples, at_ms: vec![], summary: Some(summary) };
            let expected = format!("{told}, spread 25.0 % (1 samples)");
            assert_eq!(series_line(&series), Some(expected));
        }
    }
}
