//! Benchmarks of declared workloads, and sweeps.

use super::{base, exported, object, parse, told};
use crate::spec::{Base, Benchmark, Measured, Spec};

fn measured(spec: &Spec) -> Vec<&Measured> {
    let measured = spec.benchmarks.iter().map(|benchmark| match benchmark {
        Benchmark::Measured(measured) => measured,
        other => panic!("{other:?}"),
    });
    measured.collect()
}

#[test]
fn values_are_read_by_their_kind_and_defaults_filled_in() {
    let text = "[[benchmark]]\nworkload = \"hash\"\nsize = [\"1K\", 32]\nbudget = \"2s\"\nprecision = \"0.5%\"";
    let spec = parse(text).unwrap();
    let asked = measured(&spec)[0];
    let values = ["size", "budget", "precision", "warm_up"].map(|key| asked.value(key));
    assert_eq!(values, ["1024,32", "2000", "0.5%", "100"]);
    assert_eq!(asked.shown()["budget"], 2000);
}

#[test]
fn lists_make_a_benchmark_for_each_combination() {
    let text = exported(
        "[[benchmark]]\nworkload = \"iscsi-randread\"\nblock_size = [\"4K\", \"8K\"]\nqueue_depth = [1, 2]\n[[benchmark]]\nworkload = \"calibration\"",
    );
    let spec = parse(&text).unwrap();
    let pairs: Vec<_> = spec
        .benchmarks
        .iter()
        .filter_map(|benchmark| match benchmark {
            Benchmark::IscsiRandread(asked) => Some((asked.block_size, asked.queue_depth)),
            _ => None,
        })
        .collect();
    assert_eq!(pairs, [(4096, 1), (4096, 2), (8192, 1), (8192, 2)]);
    assert_eq!(spec.benchmark_tables, [0, 0, 0, 0, 1]);
}

#[test]
fn what_is_wrong_with_a_workload_is_told_once_with_its_place() {
    let bench = |line: &str| format!("[[benchmark]]\nworkload = \"calibration\"\n{line}");
    for (line, expected) in [
        ("samples_min = 1", "samples_min: 1 is out of range, a whole number from 2 to 100000"),
        ("budget = \"2h\"", "budget: 2h is out of range, 0ms to 1h is allowed"),
        ("budget = 5", "budget: 5 has no unit"),
        ("precision = \"much\"", "precision: \"much\" is not a percentage from 0% to 100%"),
        ("precision = 1", "precision: 1 is an integer, a percentage such as \"1%\""),
        ("budgt = \"1s\"", "hint: did you mean \"budget\"?"),
        ("budget = []", "budget: the list is empty"),
        ("budget = [\"1s\", 2]", "s.toml:3:17: benchmark[0].budget: 2 has no unit"),
        ("check = [\"lop <= 1ms\"]", "hint: did you mean \"loop\"?"),
        ("check = [\"loop <= 1\"]", "has no unit of time"),
    ] {
        let told = told(&bench(line));
        assert!(told.contains(expected), "{line}: {told}");
    }
    let twice = told(&bench("budget = [\"1s\", \"2s\"]\nsamples_min = 0"));
    assert_eq!(twice.matches("out of range").count(), 1, "{twice}");
}

#[test]
fn a_way_that_the_machine_has_not_is_refused() {
    let text = |paths: &str| format!("[[benchmark]]\nworkload = \"channel\"\npaths = {paths}\n");
    let told = told(&text("[\"stream\", \"nic\"]"));
    assert!(told.contains("benchmark[0].paths: \"nic\" needs a NIC"), "{told}");
    assert!(told.contains("hint: add [network] mode = \"user\", or leave it out"), "{told}");
    for paths in ["\"all\"", "[\"stream\", \"portal\"]"] {
        assert!(parse(&text(paths)).is_ok(), "{paths}");
    }
    assert!(parse(&(text("\"nic\"") + "[network]\nmode = \"user\"\n")).is_ok());
}

#[test]
fn values_that_do_not_go_together_are_refused_where_they_are_given() {
    let samples = "samples_min = 300 is more than samples_max = 200\n  hint: samples_min = 200 or less, or samples_max = 300 or more";
    for (workload, lines, expected) in [
        (
            "hash",
            "size = [\"64M\", 32]",
            "3:8: benchmark[0].size: all sizes together are 67108896 bytes, 67108864 is the most",
        ),
        (
            "iblt",
            "entries = 10000\ndifferences = 100000",
            "s.toml:4:15: benchmark[0].differences: two sets of 10000 entries cannot have 100000 differences, twice the entries is the most\n  hint: differences = 20000 or less, or entries = 50000 or more",
        ),
        (
            "iblt",
            "entries = [10, 100]\ndifferences = 30",
            "4:15: benchmark[0].differences: two sets of 10 entries cannot have 30",
        ),
        (
            "iblt",
            "entries = 10",
            "3:11: benchmark[0].entries: two sets of 10 entries cannot have 1000",
        ),
        (
            "hash",
            "samples_min = 10\nsamples_max = 5",
            "samples_max: samples_min = 10 is more than samples_max = 5",
        ),
        ("sighash", "samples_min = 300", &format!("3:15: benchmark[0].samples_min: {samples}")),
        ("hash", "samples_min = [5, 300]", "samples_min: samples_min = 300 is more"),
        (
            "sighash",
            "case = \"worst-1mb\"\ninputs_measured = 3301",
            "4:19: benchmark[0].inputs_measured: 3301 inputs are more than worst-1mb has, which is 3300\n  hint: inputs_measured = 3300 or less",
        ),
    ] {
        let told = told(&format!("[[benchmark]]\nworkload = \"{workload}\"\n{lines}"));
        assert!(told.contains(expected), "{lines}: {told}");
        assert_eq!(told.matches("hint").count(), 1, "{told}");
    }
    for good in
        ["\"iblt\"\nentries = 10\ndifferences = 20", "\"hash\"\nsamples_min = 5\nsamples_max = 5"]
    {
        assert!(parse(&format!("[[benchmark]]\nworkload = {good}")).is_ok(), "{good}");
    }
}

#[test]
fn the_greatest_number_of_samples_alone_lowers_the_least() {
    for (lines, expected) in [("samples_max = 5", "5"), ("samples_max = 50", "10")] {
        let spec = parse(&format!("[[benchmark]]\nworkload = \"hash\"\n{lines}")).unwrap();
        assert_eq!(measured(&spec)[0].value("samples_min"), expected, "{lines}");
    }
}

#[test]
fn checks_are_of_the_series_that_the_values_make() {
    for (workload, lines, good, bad) in [
        ("hash", "size = [77, 32]", &["sha2/77 <= 1ns", "sha2 <= 1s"][..], &["sha2/64 <= 1ns"][..]),
        ("hash", "size = 77", &["murmur3_x64_128/77 <= 1ns"], &["sha2 <= 1ns"]),
        ("txid48", "", &["sha2 <= 1ns"], &["sha2/32 <= 1ns"]),
        ("iblt", "entries = 5000", &["sha2/5000 build <= 1ms"], &["sha2/10000 build <= 1ms"]),
        ("blocks", "megabytes = [2, 3]", &["3 MB txids <= 1s", "2 MB <= 1s"], &["1 MB <= 1s"]),
        (
            "relay",
            "peers = 3\nmode = \"serial\"",
            &["serial/peer 3 <= 1s", "serial/first peer <= 1s"],
            &["serial/peer 4 <= 1s", "iblt/peer 1 <= 1s"],
        ),
        (
            "channel",
            "paths = \"stream\"\nsize = 8",
            &["stream/round trip/8_p99 <= 1s", "stream/to host >= 1"],
            &["stream/round trip <= 1s", "portal/to host >= 1"],
        ),
        ("channel", "", &["portal/round trip/4096 <= 1s"], &["nic/round trip <= 1s"]),
    ] {
        let text = |check: &str| {
            format!("[[benchmark]]\nworkload = \"{workload}\"\n{lines}\ncheck = [\"{check}\"]\n")
        };
        for check in good {
            assert!(parse(&text(check)).is_ok(), "{workload}: {check}: {}", told(&text(check)));
        }
        for check in bad {
            let told = told(&text(check));
            assert!(told.contains(".check") && told.contains("hint: "), "{check}: {told}");
        }
    }
    // A value that cannot be read says nothing of what is measured.
    let told =
        told("[[benchmark]]\nworkload = \"hash\"\nsize = \"77x\"\ncheck = [\"sha2/77 <= 1ns\"]");
    assert_eq!(told.matches("s.toml:").count(), 1, "{told}");
}

#[test]
fn a_sweep_has_a_bound() {
    let many: Vec<String> = (0..32).map(|n| format!("\"{}ms\"", n + 1)).collect();
    let list = many.join(", ");
    let text =
        format!("[[benchmark]]\nworkload = \"calibration\"\nbudget = [{list}]\nwarm_up = [{list}]");
    let told = told(&text);
    assert!(told.contains("4:11: benchmark[0].warm_up: the lists make more than 1000"), "{told}");
}

#[test]
fn every_workload_and_parameter_is_in_the_docs() {
    let docs =
        [include_str!("../../../../docs/workloads.md"), include_str!("../../../../docs/spec.md")]
            .concat();
    for workload in lunlab_bench::WORKLOADS {
        assert!(docs.contains(&format!("**`{}`**", workload.name)), "{}", workload.name);
        for parameter in workload.all_parameters() {
            let name = format!("`{}`", parameter.name);
            assert!(docs.contains(&name), "{} of {}", parameter.name, workload.name);
        }
    }
}

const FIO: &str =
    "[[benchmark]]\nworkload = \"fio\"\nstorage_object = \"disk0\"\nvia = \"backing\"\n";

#[test]
fn a_file_is_relative_to_the_spec_and_must_be_there() {
    let place = tempfile::tempdir().unwrap();
    let job = place.path().join("a.fio");
    std::fs::write(&job, "[a]\n").unwrap();
    let base = Base { directory: place.path(), ..base() };
    let text = |job: &str| exported(&format!("{FIO}job = \"{job}\"\n"));
    let (spec, copy) = Spec::parse_with_copy(&text("a.fio"), base).unwrap();
    let path = job.to_str().unwrap();
    let files: Vec<_> = measured(&spec)[0].files().collect();
    assert_eq!(files, [("job", path)]);
    assert!(copy.contains(&format!("job = \"{path}\"")), "{copy}");
    let shown = measured(&spec)[0].shown();
    let digest = crate::digest::Digest::of(b"[a]\n").to_string();
    assert_eq!((&shown["job"], &shown["job_sha256"]), (&path.into(), &digest.into()));
    for (written, problem) in [("b.fio", "No such file or directory"), (".", "Is a directory")] {
        let faults = Spec::parse(&text(written), base).unwrap_err().render("s.toml");
        let expected = format!("benchmark[0].job: {written:?}: {problem}");
        assert!(faults.contains(&expected) && faults.contains("hint: name a file"), "{faults}");
    }
}

#[test]
fn a_job_that_fio_does_not_take_is_refused_where_it_is_named_and_a_good_one_overrules() {
    let place = tempfile::tempdir().unwrap();
    let base = Base { directory: place.path(), ..base() };
    let text = exported(&format!("{FIO}job = \"a.fio\"\nqueue_depth = 8\n"));
    let read = |job: &str| {
        std::fs::write(place.path().join("a.fio"), job).unwrap();
        Spec::parse(&text, base).map_err(|faults| faults.render("s.toml"))
    };
    for (job, problem) in [
        ("[a]\nbsize=4k\n", "benchmark[0].job: fio refuses it: Bad option <bsize=4k>"),
        (
            "",
            "benchmark[0].job: it has no job, a section beside [global] is needed\n  hint: add a section",
        ),
    ] {
        let told = read(job).unwrap_err();
        assert!(told.contains(problem) && told.starts_with("s.toml:13:7: "), "{told}");
    }
    let spec = read("[a]\nrw=randwrite\nbs=16k\n").unwrap();
    let asked = measured(&spec)[0];
    let shown = asked.shown();
    assert!(!shown.contains_key("rw") && !shown.contains_key("block_size"));
    assert_eq!(shown["queue_depth"], 8);
}

#[test]
fn fio_writes_only_where_it_is_told_to_and_needs_nothing_stored() {
    for (rw, writes) in [("randread", false), ("read", false), ("randrw", true), ("write", true)] {
        let spec = parse(&exported(&format!("{FIO}rw = \"{rw}\"\n"))).unwrap();
        let asked = measured(&spec)[0];
        assert_eq!((asked.writes(), asked.reads_back()), (writes, false), "{rw}");
    }
}

#[test]
fn requests_fit_the_storage_object_and_the_memory() {
    let bench = |kind: &str, keys: &str| {
        let device = "device = \"null_blk\"\n[[benchmark]]\nworkload = \"storage\"\n";
        let keys = format!("storage_object = \"a\"\nvia = \"backing\"\n{keys}");
        object("block", &format!("{kind}{device}{keys}"))
    };
    let large_blocks = "attributes = { block_size = 4096 }\n";
    for (kind, keys, expected) in [
        (large_blocks, "block_size = 512", "block_size: 512 bytes is not a multiple of 4K"),
        ("", "block_size = 1000", "block_size: 1000 bytes is not a multiple of 512"),
        (
            "",
            "block_size = \"4M\"",
            "queue_depth: 32 requests of 4M are 128M in flight, at most 64M",
        ),
        ("", "length = \"64K\"", "queue_depth: 32 requests of 4K at a time do not fit in 64K"),
        ("", "length = \"64K\"", "hint: at most 16, or use more of the storage object"),
        ("", "block_size = [\"4K\", \"8M\"]", "block_size: 8M is out of range, 512 to 4M"),
        ("", "queue_depth = [1, 0]", "queue_depth: 0 is out of range"),
        ("", "read_percent = 101", "read_percent: 101 is out of range"),
        ("", "access = \"both\"", "access: \"both\""),
        ("", "verify = true", "\"a\" stores nothing that could be read again"),
        ("", "check = [\"p98 <= 1ms\"]", "\"p98\" in \"p98 <= 1ms\" is not measured"),
        (
            "",
            "check = [\"write_p99 <= 1s\"]",
            "\"write_p99\" in \"write_p99 <= 1s\" is not measured",
        ),
        (
            "",
            "read_percent = [50, 0]\ncheck = [\"read_p99 <= 1s\"]",
            "\"read_p99\" in \"read_p99 <= 1s\" is not measured",
        ),
    ] {
        let told = told(&bench(kind, keys));
        assert!(told.contains(expected), "{keys}: {told}");
    }
    for keys in [
        "read_percent = 50\nqueue_depth = [1, 32]\ncheck = [\"read_p99.99 <= 1s\", \"iops >= 1\"]",
        "block_size = \"1M\"\nqueue_depth = 64\naccess = \"sequential\"",
    ] {
        let spec = parse(&bench("", keys)).unwrap();
        assert!(spec.benchmarks.iter().all(|each| each.workload() == "storage"), "{keys}");
    }
}
