use super::engine::Uring;
use crate::direct::Direct;
use lunlab_bench::storage::Shape;
use lunlab_bench::storage::access::Request;
use lunlab_bench::storage::source::{Engine, Pass, Source};
use lunlab_bench::workload::{Stopped, Told, Values};
use rustix::fs::OFlags;
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

const SIZE: u32 = 4096;

fn file(blocks: u32) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(u64::from(blocks * SIZE)).unwrap();
    file
}

fn engine(file: &NamedTempFile, depth: u32) -> Uring {
    let direct = Direct::open(file.path().to_str().unwrap(), OFlags::RDWR).unwrap();
    let range = direct.range(0, 0).unwrap();
    Uring::new(direct, range, Shape { size: SIZE, depth }).unwrap()
}

fn pass(engine: &mut Uring, read: bool) -> Result<(), Stopped> {
    let blocks = engine.marks().blocks();
    engine.drive(&mut Pass::new(blocks, read, &mut |_: Told<'_>| {}))
}

/// What a whole run told.
#[derive(Default)]
struct Heard {
    samples: BTreeMap<String, Vec<f64>>,
    buckets: BTreeMap<String, u64>,
    findings: BTreeMap<String, String>,
}

fn run(file: &NamedTempFile, given: &[(&str, &str)]) -> (Heard, Result<(), Stopped>) {
    let quick = [
        ("path", file.path().to_str().unwrap()),
        ("access", "random"),
        ("read_percent", "100"),
        ("block_size", "4096"),
        ("queue_depth", "8"),
        ("warm_up", "1"),
        ("sample_time", "1"),
        ("samples_min", "3"),
        ("samples_max", "5"),
        ("budget", "10"),
        ("precision", "1%"),
    ];
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let values: Values = given.iter().chain(&quick).map(own).collect();
    let mut heard = Heard::default();
    let outcome = super::run(&values, &mut |told: Told<'_>| match told {
        Told::Sample { series, value, .. } => {
            heard.samples.entry(series.to_owned()).or_default().push(value);
        }
        Told::Bucket { series, count, .. } => {
            *heard.buckets.entry(series.to_owned()).or_default() += count;
        }
        Told::Finding { name, text } => drop(heard.findings.insert(name.into(), text.into())),
        _ => {}
    });
    (heard, outcome)
}

#[test]
fn every_measured_request_is_in_a_histogram_and_every_interval_a_sample() {
    for (given, reads, writes) in [
        (&[("access", "sequential")][..], true, false),
        (&[("read_percent", "0")], false, true),
        (&[("read_percent", "50"), ("verify", "true")], true, true),
    ] {
        let (heard, outcome) = run(&file(64), given);
        assert_eq!(outcome, Ok(()), "{given:?}");
        for series in ["iops", "mb_per_s", "cpu_per_io"] {
            let samples = &heard.samples[series];
            assert!((3..=5).contains(&samples.len()), "{given:?} {series}: {samples:?}");
            assert!(samples.iter().all(|value| *value > 0.0), "{given:?} {series}: {samples:?}");
        }
        let counts = ["read", "write"].map(|series| heard.buckets.get(series).copied());
        assert_eq!(counts.map(|count| count.is_some()), [reads, writes], "{given:?}");
        let total: u64 = counts.iter().flatten().sum();
        assert_eq!(heard.findings["requests"], format!("{total} while measured"));
        assert_eq!(heard.findings.contains_key("verified"), given.len() == 2, "{given:?}");
    }
}

#[test]
fn a_block_that_changed_behind_our_back_is_found_by_its_byte() {
    let file = file(64);
    let mut engine = engine(&file, 8);
    engine.marks().begin().unwrap();
    pass(&mut engine, false).unwrap();
    pass(&mut engine, true).unwrap();
    assert_eq!(engine.marks().checked(), 64);

    let at = u64::from(40 * SIZE + 512);
    file.as_file().write_all_at(&[0; 512], at).unwrap();
    file.as_file().sync_all().unwrap();
    let error = pass(&mut engine, true).unwrap_err().to_string();
    let words = format!("data at byte {at}: generation 1 was written there, zeros were read");
    assert!(error.ends_with(&words), "{error}");
}

#[test]
fn a_write_that_was_lost_is_found_by_its_generation() {
    let file = file(64);
    let mut engine = engine(&file, 8);
    engine.marks().begin().unwrap();
    pass(&mut engine, false).unwrap();
    let old = std::fs::read(file.path()).unwrap();
    pass(&mut engine, false).unwrap();
    std::fs::write(file.path(), old).unwrap();
    file.as_file().sync_all().unwrap();
    let error = pass(&mut engine, true).unwrap_err().to_string();
    assert!(error.contains("generation 2 was written there, generation 1 was read"), "{error}");
}

#[test]
fn no_block_has_two_requests_and_the_depth_is_kept() {
    /// Random requests over few blocks; notes how many are in flight.
    struct Crowd {
        access: lunlab_bench::storage::access::Access,
        left: u32,
        blocks: u64,
        most: usize,
    }
    impl Source for Crowd {
        fn next(&mut self, busy: &dyn Fn(u64) -> bool) -> Option<Request> {
            self.left = self.left.checked_sub(1)?;
            let in_flight = (0..self.blocks).filter(|block| busy(*block)).count();
            self.most = self.most.max(in_flight);
            let request = self.access.next(busy);
            assert!(!busy(request.block));
            Some(request)
        }
        fn done(&mut self, _read: bool, _latency: Duration) {}
        fn looked(&mut self, _now: Instant) {}
    }
    let file = file(9);
    let mut engine = engine(&file, 8);
    engine.marks().begin().unwrap();
    pass(&mut engine, false).unwrap();
    let access = lunlab_bench::storage::access::Access::new(9, true, 50, 1);
    let mut crowd = Crowd { access, left: 5000, blocks: 9, most: 0 };
    engine.drive(&mut crowd).unwrap();
    assert_eq!(crowd.most, 7, "and the one that was chosen then");
    pass(&mut engine, true).unwrap();
}

#[test]
fn what_cannot_be_done_is_told() {
    let file = file(4);
    for (given, words) in [
        (&[("queue_depth", "8")][..], "8 requests of 4096 bytes in 16384 bytes"),
        (&[("block_size", "4194304"), ("queue_depth", "1024")], "1024 requests of 4194304 bytes"),
        (&[("path", "/nowhere/at/all")], "open /nowhere/at/all: ENOENT"),
        (&[("path", "/"), ("queue_depth", "1")], "open /: EISDIR"),
    ] {
        // Directories are no storage, and a write is what tells.
        let given = [given, &[("read_percent", "50")]].concat();
        let error = run(&file, &given).1.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn an_error_names_operation_address_and_cause() {
    let file = file(8);
    let mut engine = engine(&file, 2);
    file.as_file().set_len(0).unwrap();
    let error = pass(&mut engine, true).unwrap_err().to_string();
    assert!(error.starts_with("read 4096 bytes at byte 0 of "), "{error}");
    assert!(error.ends_with(": 0 of 4096 bytes"), "{error}");
}
