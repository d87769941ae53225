//! Workload `fio`: the flexible I/O tester of the host, in the guest.
//!
//! Its parameters stand in fio's `[global]` section, before a job file of the user's: what that says itself goes before.

use crate::digest::RANGE;
use crate::unit;
use crate::workload::{Kind, Parameter, Run, Series, VIA, Workload, independent};

/// Where the program is in a guest.
pub const PROGRAM: &str = "/usr/bin/fio";

/// What [fio(1)](https://fio.readthedocs.io) calls them.
const RW: &[&str] = &["randread", "randwrite", "randrw", "read", "write", "rw"];
const ENGINES: &[&str] = &["io_uring", "libaio", "psync", "pvsync2", "sync", "vsync"];

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "fio",
    about: "the host's fio on a storage object, within the guest",
    parameters: &[
        Parameter::new("storage_object", "the name of one", Kind::StorageObject, ""),
        Parameter::new("via", "through a loopback target, or past LIO", Kind::Word(VIA), ""),
        Parameter::new("job", "a job file of fio's", Kind::File, ""),
        Parameter::new("rw", "what it does, in fio's words", Kind::Word(RW), "randread"),
        Parameter::new("read_percent", "of a hundred mixed requests, how many read", PERCENT, "50"),
        Parameter::new("block_size", "bytes of a request", BLOCK, "4K"),
        Parameter::new("queue_depth", "requests in flight", DEPTH, "32"),
        Parameter::new("ioengine", "how it does them", Kind::Word(ENGINES), "io_uring"),
        Parameter::new("offset", "where its use begins", RANGE, ""),
        Parameter::new("length", "how much is used; all that follows when left out", RANGE, ""),
    ],
    series: Series::Always(SERIES),
    rule: independent,
    run: Run::Driver,
};

const PERCENT: Kind = Kind::Number { least: 0, most: 100 };
const BLOCK: Kind = Kind::Size { least: 512, most: 4 << 20 };
const DEPTH: Kind = Kind::Number { least: 1, most: 1024 };

/// What is sampled.
pub const SERIES: &[(&str, &str)] = &[
    ("iops", unit::PER_SECOND),
    ("mb_per_s", unit::MEGABYTES),
    ("cpu_per_io", unit::NANOSECONDS),
    ("p50", unit::NANOSECONDS),
    ("p90", unit::NANOSECONDS),
    ("p99", unit::NANOSECONDS),
    ("p99.9", unit::NANOSECONDS),
    ("p99.99", unit::NANOSECONDS),
    ("max", unit::NANOSECONDS),
];

/// The longest job file, in bytes.
pub const JOB: usize = 1 << 20;

/// fio's options, and the parameters that are their values.
pub const OPTIONS: [(&str, &str); 7] = [
    ("rw", "rw"),
    ("rwmixread", "read_percent"),
    ("bs", "block_size"),
    ("iodepth", "queue_depth"),
    ("ioengine", "ioengine"),
    ("offset", "offset"),
    ("size", "length"),
];

/// The first lines of what fio says, in one: it may go on with all its options.
#[must_use]
pub fn first_words(words: &str) -> String {
    let lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let cut = lines.take(3).map(|line| line.chars().take(200).collect::<String>());
    cut.collect::<Vec<_>>().join("; ")
}
