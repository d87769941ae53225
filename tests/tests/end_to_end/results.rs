//! What a result has in it.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use lunlab_tests::{Finished, Lunlab};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use crate::specs::{SHORT, measured};

/// The phases that every good run goes through.
const PHASES: [&str; 8] =
    ["qemu-spawn", "kernel", "init", "modules", "channel", "target-ready", "login", "done"];

pub(crate) fn has_what_design_names(document: &Value) {
    assert_eq!(document["schema"], 1);
    let texts = [
        "/run_id",
        "/started_at",
        "/finished_at",
        "/lunlab_version",
        "/host/cpu_model",
        "/kernel/release",
        "/kernel/sha256",
        "/kernel/boot_mode",
        "/qemu/version",
        "/qemu/argv/0",
        "/accelerator/name",
        "/accelerator/reason",
        "/transport/name",
        "/transport/reason",
        "/target/wwn",
        "/target/portal",
        "/verdict/kind",
        "/verdict/reason",
    ];
    for pointer in texts {
        let text = document.pointer(pointer).and_then(Value::as_str);
        assert!(text.is_some_and(|text| !text.is_empty()), "{pointer}: {text:?}");
    }
    assert_eq!(document["kernel"]["sha256"].as_str().map(str::len), Some(64));
    assert!(document["verdict"]["also"].is_array() && document["verdict"]["lines"].is_array());
    assert!(document["qemu"]["argv"].as_array().is_some_and(|argv| argv.len() > 10));
}

pub(crate) fn timeline_ascends_through_every_phase(document: &Value) {
    let timeline = document["timeline"].as_array().unwrap();
    let phases: Vec<(&str, f64)> = timeline
        .iter()
        .map(|each| (each["phase"].as_str().unwrap(), each["ms"].as_f64().unwrap()))
        .collect();
    assert!(phases.iter().map(|(_, ms)| ms).is_sorted(), "{phases:?}");
    assert!(phases.iter().all(|(_, ms)| *ms > 0.0), "{phases:?}");
    let place = |wanted: &str| phases.iter().position(|(phase, _)| *phase == wanted);
    for phase in PHASES {
        assert!(place(phase).is_some(), "no {phase} in {phases:?}");
    }
    // What must come before what, whichever of two that are free comes first.
    let order = ["qemu-spawn", "kernel", "init", "channel", "target-ready", "login", "done"];
    assert!(order.map(place).is_sorted(), "{phases:?}");
    assert!(place("init") < place("modules") && place("modules") < place("target-ready"));
    let duration = document["duration_ms"].as_f64().unwrap();
    assert!(phases.last().is_some_and(|(_, ms)| *ms <= duration), "{phases:?} in {duration} ms");
}

pub(crate) fn has_every_file(run: &Finished) {
    let directory = run.result_directory();
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "console.log",
        "junit.xml",
        "kmsg.jsonl",
        "ktap.txt",
        "repro.sh",
        "result.json",
        "spec.toml",
    ];
    assert_eq!(names, expected);
    let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(run.result()["run_id"], name.as_str());
    junit_agrees_with_ktap(run, 0);
}

/// Both list the same cases; so many of them failed.
fn junit_agrees_with_ktap(run: &Finished, failures: usize) {
    let junit = Junit::parse(&run.result_file("junit.xml"));
    let ktap = run.result_file("ktap.txt");
    let mut lines = ktap.lines();
    assert_eq!(lines.next(), Some("KTAP version 1"));
    assert_eq!(lines.next(), Some(format!("1..{}", junit.cases.len()).as_str()));
    let results: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    assert_eq!(results.len(), junit.cases.len(), "{ktap}");
    for (n, (line, case)) in results.iter().zip(&junit.cases).enumerate() {
        let n = n + 1;
        let both = [format!("ok {n} {case}"), format!("not ok {n} {case}")];
        assert!(both.iter().any(|each| line.starts_with(each.as_str())), "{line:?} {both:?}");
    }
    let bad = results.iter().filter(|line| line.starts_with("not ok")).count();
    assert_eq!((bad, junit.failures), (failures, failures), "{ktap}");
}

/// What a reader of JUnit's format sees.
#[derive(Debug, Default)]
struct Junit {
    cases: Vec<String>,
    failures: usize,
}

impl Junit {
    fn parse(text: &str) -> Self {
        let mut junit = Self::default();
        let mut reader = Reader::from_str(text);
        // Ends that do not match their starts are errors; so is a text that ends too early.
        reader.config_mut().check_end_names = true;
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{error}\n{text}")) {
                Event::Start(tag) => {
                    depth += 1;
                    junit.add(&tag);
                }
                Event::Empty(tag) => junit.add(&tag),
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0, "not well-formed\n{text}");
        junit
    }

    fn add(&mut self, tag: &BytesStart<'_>) {
        match tag.name().as_ref() {
            b"testcase" => {
                let name = tag.try_get_attribute("name").unwrap().expect("a name");
                self.cases.push(
                    name.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned(),
                );
            }
            b"failure" | b"error" => self.failures += 1,
            _ => {}
        }
    }
}

/// From the kernel's first record, none missing.
pub(crate) fn kernel_log_is_whole(run: &Finished) {
    let log = run.result_file("kmsg.jsonl");
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (expected, record) in records.iter().enumerate() {
        assert_eq!(record["sequence"], expected, "{record}");
    }
    assert!(records[0]["text"].as_str().unwrap().starts_with("Linux version"), "{}", records[0]);
    assert_eq!(run.result()["kmsg"]["records"], records.len());
    assert_eq!(run.result()["kmsg"]["lost"], 0);
}

#[test]
fn a_check_that_does_not_hold_is_in_every_file() {
    let text = measured(1, "iops >= 100000000");
    let run = Lunlab::run().args(["--results", "lunlab-results"]).spec(&text).start();
    run.wait_for("measuring");
    let run = run.leaves_nothing();
    let verdict = run.verdict("fail", 1);
    assert!(verdict.reason.contains("iops >= 100000000"), "{verdict:#?}");
    assert!(verdict.also.is_empty(), "{verdict:#?}");
    let document = run.result();
    let check = document["checks"].as_array().unwrap().iter().find(|check| check["ok"] == false);
    let detail =
        check.and_then(|check| check["detail"].as_str()).expect("the check with its value");
    let measured = document["benchmarks"][0]["metrics"]["iops"].as_f64().unwrap();
    assert!(measured > 0.0 && measured < 1e8, "{measured} IOPS, {detail}");
    // The check, and the verdict that follows from it.
    junit_agrees_with_ktap(&run, 2);
    assert_eq!(run.result_file("spec.toml"), text);
    run.shows("FAIL (exit 1)").shows("iops >= 100000000").shows("again");
}

#[test]
fn a_result_that_cannot_be_kept_is_told_before_anything_boots() {
    let lunlab = Lunlab::run().args(["--results", "taken"]).spec(SHORT).boots_nothing();
    fs::write(lunlab.directory().path().join("taken"), "").unwrap();
    let run = lunlab.start().leaves_nothing();
    run.exits(3).says("taken");
    assert!(!run.stderr.contains("starting QEMU"), "{}", run.stderr);
}

#[test]
fn a_run_is_made_again_from_anywhere_with_what_lies_beside_its_spec() {
    // The portal is taken, so that nothing boots and a result is written all the same.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = format!(
        "[[disk]]\nserial = \"d\"\nimage = \"disk.raw\"\nsnapshot = true\n\
         [[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = \"1M\"\n\
         [[target]]\nwwn = \"iqn.2024-05.org.example:one\"\n[[target.tpg]]\n\
         portals = [\"{}\"]\nluns = [{{ lun = 0, storage_object = \"a\" }}]\n\
         chap = {{ userid = \"u\", password_file = \"one.secret\" }}\n",
        taken.local_addr().unwrap()
    );
    let secret = "canary-canary-01";
    let run = Lunlab::run().spec(&spec).secret("one.secret", secret).boots_nothing();
    let beside = Arc::clone(run.directory());
    fs::write(beside.path().join("disk.raw"), vec![0; 1 << 20]).unwrap();
    let run = run.finish();
    run.exits(3);
    let copy = run.result_file("spec.toml");
    assert!(!copy.contains(secret), "{copy}");
    let names = ["disk.raw", "one.secret"];
    let absolute = names.iter().fold(spec, |text, name| {
        text.replace(&format!("\"{name}\""), &format!("{:?}", beside.path().join(name)))
    });
    assert_eq!(copy, absolute);

    // Both lines that make it again; here, neither file is.
    let word = |line: &str| shlex::split(line).unwrap();
    let again = run.stdout.lines().find_map(|line| line.trim().strip_prefix("again")).map(word);
    let script = run.result_file("repro.sh");
    let script = script.lines().find_map(|line| line.strip_prefix("exec ")).map(word);
    for words in [again, script] {
        let mut words = words.expect("a line that runs it again");
        assert_eq!(words.remove(0), "lunlab");
        let path = match words.pop().unwrap() {
            named if named.starts_with('$') => run.result_directory().join("spec.toml"),
            named => named.into(),
        };
        assert!(path.is_absolute(), "{}", path.display());
        let dry = Lunlab::command(words).args(["--dry-run"]).args([path]).boots_nothing().finish();
        let image = beside.path().join("disk.raw").display().to_string();
        dry.exits(0).shows(&image);
    }
}
