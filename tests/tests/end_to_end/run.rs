//! The whole run, and what is started by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lunlab_tests::{Finished, Lunlab, kernels, tools};
use serde_json::Value;

use crate::results;
use crate::specs::{SHORT, TWO_LUNS};

#[test]
fn the_default_run_passes_and_tells_all() {
    let run = Lunlab::run().start();
    run.wait_for("measuring iscsi-randread");
    let run = run.leaves_nothing();
    run.verdict("pass", 0);
    let document = run.result();
    results::has_what_design_names(&document);
    results::timeline_ascends_through_every_phase(&document);
    results::has_every_file(&run);
    results::kernel_log_is_whole(&run);
    the_initiator_held(&document);
    randread_is_measured(&document);
    hashes_are_measured(&document);
    the_target_was_read_back(&document);
    the_summary_shows(&run, &document);
    dry_run_prints_that_command(&document);
}

fn the_initiator_held(document: &Value) {
    let check = &document["checks"][0];
    assert_eq!((&check["name"], &check["ok"]), (&"initiator".into(), &true.into()), "{check}");
}

fn randread_is_measured(document: &Value) {
    let benchmark = &document["benchmarks"][0];
    assert_eq!(benchmark["workload"], "iscsi-randread");
    let given = [("block_size", 4096), ("queue_depth", 32), ("seconds", 5), ("lun", 0)];
    for (name, value) in given {
        assert_eq!(benchmark["parameters"][name], value, "{name}");
    }
    let samples = benchmark["series"][0]["samples"].as_array().unwrap();
    assert!((10..=20).contains(&samples.len()), "{samples:?}");
    let iops: Vec<f64> = samples.iter().map(|sample| sample.as_f64().unwrap()).collect();
    assert!(iops.iter().all(|each| *each >= 0.0) && iops.iter().sum::<f64>() > 0.0, "{iops:?}");
    let metric = |name: &str| benchmark["metrics"][name].as_f64().unwrap();
    let mean = iops.iter().sum::<f64>() / f64::from(u32::try_from(iops.len()).unwrap());
    assert!((metric("iops") / mean - 1.0).abs() < 0.1, "{} IOPS, samples {mean}", metric("iops"));
    let rate = metric("iops") * 4096.0 / 1e6;
    assert!((metric("mb_per_s") / rate - 1.0).abs() < 0.01, "{} MB/s", metric("mb_per_s"));
    let latencies = ["min", "p50", "p90", "p99", "p99.9", "p99.99", "max"]
        .map(|p| benchmark["latency_ns"][p].as_f64());
    let latencies = latencies.map(|latency| latency.expect("a percentile"));
    assert!(latencies.is_sorted() && latencies[0] > 0.0, "{latencies:?}");
}

fn hashes_are_measured(document: &Value) {
    let benchmark = &document["benchmarks"][1];
    assert_eq!(benchmark["workload"], "hash");
    let series = benchmark["series"].as_array().unwrap();
    let names: Vec<&str> = series.iter().filter_map(|series| series["name"].as_str()).collect();
    assert_eq!(names, ["sha2", "bitcoin_sha256", "bitcoin_sha256d", "murmur3_x64_128"]);
    for series in series {
        assert!(series["samples"].as_array().unwrap().len() >= 10, "{series}");
        assert_eq!(series["unit"], "ns");
        let number = |key: &str| series["summary"][key].as_f64().unwrap();
        assert!(number("p25") <= number("median") && number("median") <= number("p75"));
        assert!(number("median") > 0.0 && number("spread") >= 0.0, "{series}");
    }
}

fn the_target_was_read_back(document: &Value) {
    let target = &document["target"];
    let wwn = target["wwn"].as_str().unwrap();
    let read_back = target["read_back"].as_object().unwrap();
    let value = |path: String| read_back.get(&path).and_then(Value::as_str).unwrap_or("absent");
    assert_eq!(value("target/core/fileio_0/disk0/enable".into()), "1");
    assert_eq!(value(format!("target/iscsi/{wwn}/tpgt_1/enable")), "1");
    assert!(value("target/core/fileio_0/disk0/info".into()).contains("Size: 67108864"));
}

fn the_summary_shows(run: &Finished, document: &Value) {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).expect("a text");
    let told = ["/kernel/release", "/kernel/boot_mode", "/accelerator/name", "/accelerator/reason"];
    let also = ["/transport/name", "/transport/reason", "/target/wwn", "/target/portal", "/run_id"];
    for pointer in told.iter().chain(&also) {
        run.shows(text(pointer));
    }
    run.shows("PASS (exit 0)").shows("qemu-spawn").shows("spread").shows(" IOPS").shows(" ns");
}

/// The words of a dry run are those of the run, but for the paths that are each run's own.
fn dry_run_prints_that_command(document: &Value) {
    let run = Lunlab::run().args(["--dry-run"]).boots_nothing().start();
    let directory = run.directory().path().to_owned();
    let run = run.leaves_nothing();
    run.exits(0);
    assert!(run.results().is_empty(), "a dry run made a result");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1, "there is more than `runtime`");
    let typed = run.stdout.replace("\\\n", "");
    let planned = shlex::split(&typed).expect("words as a shell has them");
    let real = document["qemu"]["argv"].as_array().unwrap();
    let real: Vec<&str> = real.iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(planned.len(), real.len(), "{planned:#?}");
    let initrd = |words: &[String]| words[1 + at(words, "-initrd")].clone();
    let directory_of = |initrd: String| Path::new(&initrd).parent().unwrap().to_owned();
    let real: Vec<String> = real.into_iter().map(str::to_owned).collect();
    let (ours, theirs) = (directory_of(initrd(&planned)), directory_of(initrd(&real)));
    for (planned, real) in planned.iter().zip(&real) {
        let moved = real.replace(theirs.to_str().unwrap(), ours.to_str().unwrap());
        assert_eq!(*planned, moved);
    }
}

fn at(words: &[String], word: &str) -> usize {
    words.iter().position(|each| each == word).unwrap_or_else(|| panic!("no {word}"))
}

#[test]
fn json_goes_to_stdout_alone_and_repro_runs_it_again_from_anywhere() {
    let run = Lunlab::run().args(["--format", "json"]).spec(TWO_LUNS).start();
    run.wait_for("checking the target");
    let run = run.leaves_nothing();
    run.verdict("pass", 0);
    let printed: Value = serde_json::from_str(&run.stdout).expect("stdout is one document");
    assert_eq!(printed, run.result());
    two_luns_were_checked(&printed);

    let elsewhere = tempfile::tempdir().unwrap();
    let mut repro = Command::new(run.result_directory().join("repro.sh"));
    let path = std::env::join_paths(
        [elsewhere.path().to_owned()].into_iter().chain(std::env::split_paths(env!("PATH"))),
    );
    std::os::unix::fs::symlink(lunlab_tests::program(), elsewhere.path().join("lunlab")).unwrap();
    repro.current_dir(elsewhere.path()).env("PATH", path.unwrap());
    let _permit = lunlab_tests::boots::one();
    let again = tools::output(&mut repro, lunlab_tests::DEADLINE);
    assert!(again.good && again.stdout.contains("PASS"), "{again:#?}");
    assert!(again.stdout.contains("LUN 5: file fileio 24M"), "{again:#?}");
}

fn two_luns_were_checked(document: &Value) {
    let luns = document["target"]["luns"].as_array().unwrap();
    let seen: Vec<_> = luns.iter().map(|lun| (lun["lun"].as_u64(), lun["size"].as_u64())).collect();
    assert_eq!(seen, [(Some(0), Some(8 << 20)), (Some(5), Some(24 << 20))]);
    let detail = document["checks"][0]["detail"].as_str().unwrap();
    for lun in ["LUN 0: ", "LUN 5: "] {
        let told = detail.split_once(lun).and_then(|(_, rest)| rest.split_once(" blocks written"));
        let blocks: u32 = told.expect(lun).0.parse().unwrap();
        // 64 are drawn, and two may be the same.
        assert!((56..=64).contains(&blocks), "{detail}");
    }
}

#[test]
fn one_file_is_all_of_lunlab() {
    let lunlab = Lunlab::run();
    let place = lunlab.directory().path().join("alone");
    fs::copy(lunlab_tests::program(), &place).unwrap();
    let kernel = kernels::debian();
    let empty = lunlab.directory().path().join("empty");
    let run = lunlab
        .program(place)
        .env("HOME", &empty)
        .env("XDG_CACHE_HOME", empty.join("cache"))
        .without("LUNLAB_AGENT")
        .args(["--kernel".as_ref(), kernel.image.as_os_str()])
        .args(["--modules".as_ref(), kernel.modules.as_os_str()])
        .spec(SHORT)
        .finish();
    run.verdict("pass", 0);
    assert!(empty.join("cache/lunlab").is_dir(), "it has a cache of its own");
}

#[test]
fn the_agent_runs_as_pid_1_only() {
    let run = tools::output(&mut Command::new(lunlab_tests::agent()), Duration::from_secs(10));
    assert!(run.stderr.contains("PID 1"), "{run:?}");
    let status = Command::new(lunlab_tests::agent()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn the_agent_is_one_small_program_that_needs_no_other_file() {
    let path = lunlab_tests::agent();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() <= 700_000, "{} bytes", bytes.len());
    assert_ne!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0);
    let elf = Elf::of(&bytes);
    assert_eq!(elf.kind, 3, "position-independent: ET_DYN");
    assert!(elf.segments.contains(&2), "which its dynamic segment relocates");
    assert!(!elf.segments.contains(&3), "static: no PT_INTERP");
    assert!(!elf.sections.contains(&2), "stripped: no SHT_SYMTAB");
}

/// What elf(5) says of a 64-bit little-endian program.
struct Elf {
    kind: u16,
    segments: Vec<u32>,
    sections: Vec<u32>,
}

impl Elf {
    fn of(bytes: &[u8]) -> Self {
        assert_eq!(&bytes[..6], b"\x7fELF\x02\x01");
        let half = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let place = |at: usize| {
            usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
        };
        let table = |offset: usize, size: u16, count: u16| {
            (0..usize::from(count)).map(move |n| offset + n * usize::from(size))
        };
        let segments = table(place(32), half(54), half(56)).map(word).collect();
        let sections = table(place(40), half(58), half(60)).map(|at| word(at + 4)).collect();
        Self { kind: half(16), segments, sections }
    }
}
