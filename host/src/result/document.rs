//! `result.json`: what a run was, did and found, for programs to read.

use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::capped_log::LogSummary;
use crate::verdict::Verdict;

/// The version of the schema. Keys may be added under one version; none is renamed or removed, and
/// none changes its meaning.
pub const SCHEMA: u32 = 1;

/// A whole result. What a run never came to know is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run's name, also that of its directory.
    pub run_id: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
    /// How long it took in milliseconds, by a clock that no one sets.
    pub duration_ms: f64,
    /// The version of `lunlab`.
    pub lunlab_version: String,
    /// The machine it ran on.
    pub host: Host,
    /// The kernel under test.
    pub kernel: Option<Kernel>,
    /// The QEMU that ran it.
    pub qemu: Option<Qemu>,
    /// The accelerator, and why that one.
    pub accelerator: Option<Choice>,
    /// The transport, and why that one.
    pub transport: Option<Transport>,
    /// The phases that were reached, in order.
    pub timeline: Vec<Phase>,
    /// The modules that were loaded, in that order.
    pub modules: Vec<ModuleLoad>,
    /// The target; null when the spec has none.
    pub target: Option<Target>,
    /// How the spec changed while the target was held, in order.
    #[serde(default)]
    pub spec_changes: Vec<SpecChange>,
    /// Everything that was checked.
    pub checks: Vec<CheckResult>,
    /// Everything that was measured.
    pub benchmarks: Vec<Benchmark>,
    /// The verdict.
    pub verdict: VerdictRecord,
    /// What the user should know though it changed nothing.
    pub notes: Vec<String>,
    /// What is known of the kernel's log.
    pub kmsg: Kmsg,
    /// The kernel's taint before and after.
    pub taint: Option<TaintChange>,
    /// The logs beside this file, and whether they are whole.
    pub logs: Vec<LogSummary>,
}

/// The machine a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The processor's own name.
    pub cpu_model: String,
    /// How many of its threads the run could use.
    pub cpu_count: u32,
    /// The release of its kernel.
    pub kernel: String,
}

/// The kernel under test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// The file that was booted.
    pub image: String,
    /// Its release, by its own word or its image's.
    pub release: Option<String>,
    /// The SHA-256 of the image that was given, in hexadecimal.
    pub sha256: String,
    /// How it was booted: `pvh` or `bzimage`.
    pub boot_mode: String,
}

/// The QEMU of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qemu {
    /// Its version.
    pub version: String,
    /// The program.
    pub path: String,
    /// Its whole command line, the program first.
    pub argv: Vec<String>,
}

/// Something chosen, or passed over, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The transport of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// Which.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Those that were preferred and could not be had.
    pub passed_over: Vec<Choice>,
}

/// A phase of a run and when it was reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name: `qemu-spawn`, `kernel`, `init`, `modules`, `channel`, `target-ready`, `login`,
    /// `finish`, `torn-down`, `done`.
    pub phase: String,
    /// Milliseconds since `lunlab` started.
    pub ms: f64,
}

/// A module that was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleLoad {
    /// Its path in the image.
    pub path: String,
    /// How long the kernel took to load it, in milliseconds.
    pub ms: f64,
}

/// What the kernel exported in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The name of the first target.
    pub wwn: String,
    /// Where initiators find it: address and port; null when it never was ready.
    pub portal: Option<String>,
    /// What its first TPG exports.
    pub luns: Vec<Lun>,
    /// Every target.
    #[serde(default)]
    pub targets: Vec<OneTarget>,
    /// What was set that is not LIO's own and that the spec did not ask for.
    #[serde(default)]
    pub defaults: Vec<String>,
    /// The block devices that were set up, and the disks that appeared.
    #[serde(default)]
    pub devices: Vec<DeviceFound>,
    /// What was written, as configfs gave it once all was set up, by path below the configfs root.
    pub read_back: BTreeMap<String, String>,
    /// Where that is not what was asked for.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Every attribute of the target tree before it was taken down; what is secret is `…`.
    #[serde(default)]
    pub tree: BTreeMap<String, String>,
}

/// One target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTarget {
    /// `iscsi` or `loopback`.
    pub fabric: String,
    /// Its name.
    pub wwn: String,
    /// Its TPGs.
    pub tpgs: Vec<OneTpg>,
}

/// One target portal group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTpg {
    /// Its tag.
    pub tag: u16,
    /// Whether it was enabled.
    pub enabled: bool,
    /// Addresses and ports on the host; empty when it never was ready.
    pub portals: Vec<String>,
    /// What it exports.
    pub luns: Vec<Lun>,
    /// The initiators that have an ACL.
    pub acls: Vec<String>,
}

/// A block device of the guest's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFound {
    /// Its name: the storage object's, or a part of it.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An attribute that the kernel has otherwise than it was asked to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its path below the configfs root.
    pub path: String,
    /// What was written.
    pub asked: String,
    /// What it reads; null where it cannot be read.
    pub found: Option<String>,
}

/// A LUN of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lun {
    /// Its number.
    pub lun: u8,
    /// What it exports.
    pub storage_object: String,
    /// What holds the data.
    pub backstore: String,
    /// How large it is, in bytes.
    pub size: u64,
}

/// A spec that changed while its target was held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpecChange {
    /// When, in milliseconds since `lunlab` started.
    pub ms: f64,
    /// What came of it.
    pub outcome: SpecChangeOutcome,
    /// What it makes come (`+`), go (`-`) or be another (`~`); empty where it was refused.
    pub lines: Vec<String>,
    /// Why it was not taken.
    pub problems: Vec<String>,
    /// How many steps were undone.
    pub undone: u32,
    /// How many steps were done.
    pub steps: u32,
    /// How long the guest took for it, in milliseconds.
    pub took_ms: f64,
}

/// What came of a changed spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpecChangeOutcome {
    /// Nothing of the target is another.
    #[default]
    Same,
    /// The target was changed.
    Changed,
    /// It was not tried.
    Refused,
    /// A step failed, and what stood before was put back as far as the problem says.
    Failed,
}

/// Something checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// What was checked.
    pub name: String,
    /// Whether it held.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// Something measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// The workload.
    pub workload: String,
    /// What it was run with.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Whether it ran to its end, well or not.
    #[serde(default)]
    pub done: bool,
    /// What was sampled; `hash` samples one series for each implementation.
    pub series: Vec<Series>,
    /// Request latencies in nanoseconds by percentile: `p50`, `p99.9`, `max`.
    pub latency_ns: BTreeMap<String, f64>,
    /// The values its checks look at, by the names they use; times in nanoseconds.
    pub metrics: BTreeMap<String, f64>,
    /// What it found that is no number: `sha256`.
    #[serde(default)]
    pub findings: BTreeMap<String, String>,
    /// By how much each of LIO's counters went up meanwhile, by path below the configfs root; null where they were not read. Beside them
    /// `threads/NAME-PID/cpu_ms`, milliseconds that each of its threads for iSCSI's connections ran.
    #[serde(default)]
    pub statistics: Option<BTreeMap<String, u64>>,
    /// What initiators with an ACL had agreed on with the target in the end, by path below the configfs root; null where
    /// it was not read.
    #[serde(default)]
    pub negotiated: Option<BTreeMap<String, String>>,
    /// What went wrong; a benchmark with errors has no result to rely on.
    pub errors: Vec<String>,
    /// Why it could not run here; null when it could.
    #[serde(default)]
    pub skipped: Option<String>,
    /// How what was measured was compiled: results that differ in it are not compared.
    #[serde(default)]
    pub compiled: Option<String>,
    /// How latencies were distributed.
    #[serde(default)]
    pub histograms: Vec<Histogram>,
    /// What counters came to over regions of it.
    #[serde(default)]
    pub counters: Vec<Counter>,
    /// What the machine was like meanwhile.
    #[serde(default)]
    pub conditions: Conditions,
}

/// How the latencies of some requests were distributed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Which requests: `read`.
    pub series: String,
    /// Upper ends of buckets in nanoseconds, ascending, and how many requests lay in each; empty ones are left out.
    pub buckets: Vec<(u64, u64)>,
}

/// What a counter came to over a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Which part of the workload.
    pub region: String,
    /// Which counter: `instructions`.
    pub name: String,
    /// What it came to; null where that is not known.
    pub value: Option<u64>,
    /// Why it is not known.
    pub problem: Option<String>,
}

/// What the machine was like while something was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Readings before and after.
    pub gauges: Vec<Gauge>,
    /// How many times as fast as the host's the guest's clock went during the run, for what the guest timed.
    pub clock_ratio: Option<f64>,
    /// Why the numbers are noisy; empty when nothing says so.
    pub noisy: Vec<String>,
}

/// One reading of the machine's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// What: `calibration_ns`, `steal_ms`, `mhz`.
    pub name: String,
    /// Before the benchmark.
    pub before: Option<f64>,
    /// After it.
    pub after: Option<f64>,
}

/// Samples of one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What was sampled.
    pub name: String,
    /// In which unit.
    pub unit: String,
    /// Every sample, in the order it was taken.
    pub samples: Vec<f64>,
    /// When each of them arrived, in milliseconds since `lunlab` started; empty where that is not known.
    #[serde(default)]
    pub at_ms: Vec<f64>,
    /// What they amount to; null without samples.
    pub summary: Option<Summary>,
}

/// Statistics of a series, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The median of the distances to the median.
    pub mad: f64,
    /// `p75 - p25` as a part of the median; about a median of 0 it is infinite, which is null in JSON.
    #[serde(deserialize_with = "finite_or_null")]
    pub spread: f64,
    /// The first quartile.
    pub p25: f64,
    /// The third quartile.
    pub p75: f64,
    /// The median's 95 % interval, by bootstrap; null with too few samples.
    #[serde(default)]
    pub interval: Option<(f64, f64)>,
}

/// JSON has no infinite numbers: they are written as null.
fn finite_or_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(from).map(|number| number.unwrap_or(f64::INFINITY))
}

/// The verdict as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// Its word: `pass`, `kernel-bug`.
    pub kind: String,
    /// What `lunlab` exited with.
    pub exit_code: u8,
    /// What else held.
    pub also: Vec<String>,
    /// One sentence.
    pub reason: String,
    /// The lines that led to it.
    pub lines: Vec<String>,
}

impl VerdictRecord {
    /// Whether it, or something beside it, is `kind`.
    #[must_use]
    pub fn includes(&self, kind: &str) -> bool {
        self.kind == kind || self.also.iter().any(|also| also == kind)
    }
}

impl From<&Verdict> for VerdictRecord {
    fn from(verdict: &Verdict) -> Self {
        Self {
            kind: verdict.kind.word().to_owned(),
            exit_code: verdict.exit_code,
            also: verdict.also.iter().map(|kind| kind.word().to_owned()).collect(),
            reason: verdict.reason.clone(),
            lines: verdict.lines.clone(),
        }
    }
}

/// What is known of the kernel's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kmsg {
    /// How many records arrived.
    pub records: u64,
    /// How many the kernel dropped before they could be read.
    pub lost: u64,
}

/// The kernel's taint before and after a run, as in /proc/sys/kernel/tainted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaintChange {
    /// When the agent started.
    pub before: u64,
    /// When it was last asked.
    pub after: u64,
    /// The letters and meanings of the flags in `after`.
    pub flags: Vec<String>,
}

impl Document {
    /// Whether a phase was reached.
    #[must_use]
    pub fn reached(&self, phase: &str) -> bool {
        self.timeline.iter().any(|reached| reached.phase == phase)
    }

    /// The document as it is written and printed, with a line break at its end.
    ///
    /// # Errors
    /// Only when something in it cannot be JSON, which none of its types allows.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}

/// A moment as results write it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn timestamp(moment: SystemTime) -> String {
    DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// A run that passed.
    pub(crate) fn passed() -> Document {
        let phase = |phase: &str, ms| Phase { phase: phase.into(), ms };
        Document {
            schema: SCHEMA,
            run_id: "20260102T030405678Z-0a1b2c3d".into(),
            started_at: timestamp(UNIX_EPOCH),
            finished_at: timestamp(UNIX_EPOCH + Duration::from_millis(4500)),
            duration_ms: 4500.0,
            lunlab_version: "0.1.0".into(),
            host: Host { cpu_model: "a cpu".into(), cpu_count: 2, kernel: "6.1.0".into() },
            kernel: Some(Kernel { release: Some("6.18.0".into()), ..Kernel::default() }),
            qemu: Some(Qemu { argv: vec!["qemu".into(), "-nodefaults".into()], ..Qemu::default() }),
            accelerator: Some(Choice { name: "tcg".into(), reason: "no /dev/kvm".into() }),
            transport: Some(Transport { name: "virtio-serial".into(), ..Transport::default() }),
            modules: Vec::new(),
            timeline: vec![
                phase("qemu-spawn", 10.0),
                phase("channel", 1900.0),
                phase("target-ready", 2400.0),
            ],
            target: Some(Target { wwn: "iqn.2024-05.org.example:one".into(), ..Target::default() }),
            spec_changes: vec![],
            checks: vec![CheckResult {
                name: "capacity of LUN 0".into(),
                ok: true,
                detail: "64M".into(),
            }],
            benchmarks: vec![Benchmark {
                workload: "hash".into(),
                series: vec![Series {
                    name: "sha2".into(),
                    unit: "ns".into(),
                    samples: vec![400.5, 401.0],
                    at_ms: vec![2500.0, 2501.5],
                    summary: None,
                }],
                ..Benchmark::default()
            }],
            verdict: VerdictRecord { kind: "pass".into(), ..VerdictRecord::default() },
            notes: vec![],
            kmsg: Kmsg { records: 300, lost: 0 },
            taint: None,
            logs: vec![],
        }
    }

    #[test]
    fn documents_survive_being_written_and_read() {
        let document = passed();
        let read: Document = serde_json::from_str(&document.to_json().unwrap()).unwrap();
        assert_eq!(read, document);
    }

    #[test]
    fn a_spread_about_nothing_survives_too() {
        let mut document = passed();
        document.benchmarks[0].series[0].summary = Some(Summary {
            median: 0.0,
            mad: 0.0,
            spread: f64::INFINITY,
            p25: 0.0,
            p75: 1.0,
            interval: None,
        });
        let read: Document = serde_json::from_str(&document.to_json().unwrap()).unwrap();
        assert_eq!(read, document);
    }

    #[test]
    fn the_keys_others_rely_on_are_there() {
        let value = serde_json::to_value(passed()).unwrap();
        for (pointer, expected) in [
            ("/schema", serde_json::json!(1)),
            ("/verdict/kind", "pass".into()),
            ("/verdict/exit_code", 0.into()),
            ("/verdict/also", serde_json::json!([])),
            ("/kernel/release", "6.18.0".into()),
            ("/qemu/argv", serde_json::json!(["qemu", "-nodefaults"])),
            ("/timeline/0", serde_json::json!({ "phase": "qemu-spawn", "ms": 10.0 })),
            ("/started_at", "1970-01-01T00:00:00.000Z".into()),
            ("/benchmarks/0/series/0/samples", serde_json::json!([400.5, 401.0])),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
    }
}
