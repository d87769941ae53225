//! `[[benchmark]]`.

use super::keys::{HOST_COMMAND, ISCSI_RANDREAD};
use super::workload::{SWEEP, read as read_declared, swept};
use super::{chap, folded, require};
use crate::spec::check::{Check, CheckError, ISCSI_RANDREAD_METRICS, Metric};
use crate::spec::reader::{Reader, Section};
use crate::spec::workload::{self, Known};
use crate::spec::{
    Base, Benchmark, HostCommand, IscsiDigest, IscsiRandread, LUNS, Login, Measured, PortalSpec,
    QUEUE_DEPTHS, SECONDS, WORKLOADS,
};

/// Reads every table; one with lists in it stands for several benchmarks. With the number of the table that each came of.
pub(super) fn read_all(
    root: &Section<'_>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Vec<(usize, Benchmark)> {
    // Which keys are known depends on the workload.
    let sections = root.sections("benchmark", &[], reader);
    let mut benchmarks = Vec::new();
    for (index, section) in sections.into_iter().enumerate() {
        let workload = read_workload(&section, reader);
        let section = workload.with_known(section, reader);
        for table in section.sweep(&workload.swept(), SWEEP, reader) {
            benchmarks.push((index, workload.read(&section.over(&table), base, reader)));
        }
    }
    benchmarks
}

/// What decides the keys of a table.
#[derive(Clone, Copy)]
enum Workload {
    Own(&'static str),
    Declared(&'static Known),
    Unknown,
}

fn read_workload(section: &Section<'_>, reader: &mut Reader<'_>) -> Workload {
    let declared = lunlab_bench::WORKLOADS.iter().map(|workload| workload.name);
    let words: Vec<&str> = WORKLOADS.into_iter().chain(declared).collect();
    let choices: Vec<(&str, &'static str)> = words.iter().map(|name| (*name, *name)).collect();
    match section.choice("workload", &choices, reader) {
        Some(name) => workload::find(name).map_or(Workload::Own(name), Workload::Declared),
        None => {
            require(section, "workload", &format!("one of {}", words.join(", ")), reader);
            Workload::Unknown
        }
    }
}

impl Workload {
    fn with_known<'a>(self, section: Section<'a>, reader: &mut Reader<'_>) -> Section<'a> {
        let keys: &'static [&'static str] = match self {
            Self::Declared(known) => &known.keys,
            Self::Own("iscsi-randread") | Self::Unknown => ISCSI_RANDREAD,
            Self::Own(_) => HOST_COMMAND,
        };
        section.with_known(keys, reader)
    }

    /// The keys whose lists make a sweep.
    fn swept(self) -> Vec<&'static str> {
        match self {
            Self::Declared(known) => swept(known),
            Self::Own("iscsi-randread") => vec!["block_size", "queue_depth"],
            Self::Own(_) | Self::Unknown => Vec::new(),
        }
    }

    fn read(self, section: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Benchmark {
        match self {
            Self::Declared(known) => {
                Benchmark::Measured(read_declared(section, known, base, reader))
            }
            Self::Own("iscsi-randread") => {
                Benchmark::IscsiRandread(read_iscsi_randread(section, base, reader))
            }
            Self::Own(_) => Benchmark::HostCommand(read_host_command(section, reader)),
            // Something that no rule judges must stand in its place.
            Self::Unknown => Benchmark::Measured(Measured::default()),
        }
    }
}

fn read_iscsi_randread(
    section: &Section<'_>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> IscsiRandread {
    IscsiRandread {
        block_size: section.size("block_size", reader).unwrap_or(4096),
        queue_depth: section.integer("queue_depth", &QUEUE_DEPTHS, reader).unwrap_or(32),
        seconds: section.integer("seconds", &SECONDS, reader).unwrap_or(5),
        region: section.size("region", reader),
        login: read_login(section, base, reader),
        checks: read_checks(section, ISCSI_RANDREAD_METRICS, true, reader),
    }
}

pub(super) fn read_login(section: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Login {
    let digest = |key, reader: &mut Reader<'_>| {
        section.choice(key, &IscsiDigest::WORDS, reader).unwrap_or_default()
    };
    Login {
        lun: section.integer("lun", &LUNS, reader),
        target: folded(section, "target", reader),
        tpg: section.integer("tpg", &(0..=u16::MAX), reader),
        portal: read_portal(section, reader),
        initiator: folded(section, "initiator", reader),
        chap: chap::read(section, base, reader),
        header_digest: digest("header_digest", reader),
        data_digest: digest("data_digest", reader),
    }
}

fn read_portal(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<PortalSpec> {
    let written = section.string("portal", "a portal such as \"127.0.0.1:3260\"", reader)?;
    let parsed = PortalSpec::parse(written).map_err(|error| {
        let (span, path) = (section.span_of("portal"), section.path.key("portal"));
        reader.fault_with_hint(span, path, &error, error.hint());
    });
    parsed.ok()
}

fn read_host_command(section: &Section<'_>, reader: &mut Reader<'_>) -> HostCommand {
    require(section, "command", "a list such as [\"sh\", \"-c\", \"…\"]", reader);
    let words = section.strings("command", "word", reader);
    HostCommand {
        command: words.into_iter().map(|word| word.text.to_owned()).collect(),
        timeout: section.duration("timeout", reader),
    }
}

/// Reads checks of these metrics, which are not all where not every parameter could be read.
pub(super) fn read_checks(
    section: &Section<'_>,
    metrics: &[Metric],
    all: bool,
    reader: &mut Reader<'_>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    for item in section.strings("check", "check", reader) {
        match Check::parse(item.text, metrics) {
            Ok(check) => checks.push(check),
            Err(CheckError::UnknownMetric { .. }) if !all => {}
            Err(error) => {
                reader.fault_with_hint(item.span, item.path, &error, Some(error.hint()));
            }
        }
    }
    checks
}
