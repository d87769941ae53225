//! `[[benchmark]]`.

use super::keys::{DIGEST, HASH, HOST_COMMAND, ISCSI_RANDREAD, PATTERN};
use super::{chap, folded, require, text};
use crate::spec::check::{Check, HASH_METRICS, ISCSI_RANDREAD_METRICS, Metric};
use crate::spec::reader::{Reader, Section};
use crate::spec::{
    Base, Benchmark, Digest, Hash, HostCommand, IscsiDigest, IscsiRandread, LUNS, Pattern,
    PortalSpec, QUEUE_DEPTHS, SECONDS, Via, WORKLOADS,
};

pub(super) fn read_all(
    root: &Section<'_>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Benchmark> {
    // Which keys are known depends on the workload.
    let sections = root.sections("benchmark", &[], reader);
    sections.into_iter().map(|section| read(section, base, reader)).collect()
}

fn read(section: Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Benchmark {
    let words = WORKLOADS.map(|name| (name, name));
    match section.choice("workload", &words, reader) {
        Some("iscsi-randread") => {
            let section = section.with_known(ISCSI_RANDREAD, reader);
            Benchmark::IscsiRandread(read_iscsi_randread(&section, base, reader))
        }
        Some("digest") => {
            let section = section.with_known(DIGEST, reader);
            Benchmark::Digest(read_digest(&section, reader))
        }
        Some("pattern") => {
            let section = section.with_known(PATTERN, reader);
            Benchmark::Pattern(read_pattern(&section, reader))
        }
        Some("host-command") => {
            let section = section.with_known(HOST_COMMAND, reader);
            Benchmark::HostCommand(read_host_command(&section, reader))
        }
        Some(_) => {
            let section = section.with_known(HASH, reader);
            let checks = read_checks(&section, HASH_METRICS, reader);
            Benchmark::Hash(Hash { checks })
        }
        None => {
            let section = section.with_known(ISCSI_RANDREAD, reader);
            require(&section, "workload", &format!("one of {}", WORKLOADS.join(", ")), reader);
            // Something must stand in its place, or the numbers of those after it would shift.
            Benchmark::Hash(Hash { checks: Vec::new() })
        }
    }
}

fn read_iscsi_randread(
    section: &Section<'_>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> IscsiRandread {
    let digest = |key, reader: &mut Reader<'_>| {
        section.choice(key, &IscsiDigest::WORDS, reader).unwrap_or(IscsiDigest::None)
    };
    IscsiRandread {
        block_size: section.size("block_size", reader).unwrap_or(4096),
        queue_depth: section.integer("queue_depth", &QUEUE_DEPTHS, reader).unwrap_or(32),
        seconds: section.integer("seconds", &SECONDS, reader).unwrap_or(5),
        region: section.size("region", reader),
        lun: section.integer("lun", &LUNS, reader),
        target: folded(section, "target", reader),
        tpg: section.integer("tpg", &(0..=u16::MAX), reader),
        portal: read_portal(section, reader),
        initiator: folded(section, "initiator", reader),
        chap: chap::read(section, base, reader),
        header_digest: digest("header_digest", reader),
        data_digest: digest("data_digest", reader),
        checks: read_checks(section, ISCSI_RANDREAD_METRICS, reader),
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

fn read_digest(section: &Section<'_>, reader: &mut Reader<'_>) -> Digest {
    let (storage_object, via) = read_access(section, reader);
    let offset = section.size("offset", reader).unwrap_or_default();
    Digest { storage_object, via, offset, length: section.size("length", reader) }
}

fn read_pattern(section: &Section<'_>, reader: &mut Reader<'_>) -> Pattern {
    let (storage_object, via) = read_access(section, reader);
    Pattern {
        storage_object,
        via,
        seed: section.integer("seed", &(0..=u64::MAX), reader).unwrap_or_default(),
        offset: section.size("offset", reader).unwrap_or_default(),
        length: section.size("length", reader),
    }
}

fn read_access(section: &Section<'_>, reader: &mut Reader<'_>) -> (String, Via) {
    require(section, "storage_object", "the name of one", reader);
    require(section, "via", "loopback or backing", reader);
    let name = text(section, "storage_object", reader).unwrap_or_default();
    (name, section.choice("via", &Via::WORDS, reader).unwrap_or(Via::Backing))
}

fn read_host_command(section: &Section<'_>, reader: &mut Reader<'_>) -> HostCommand {
    require(section, "command", "a list such as [\"sh\", \"-c\", \"…\"]", reader);
    let words = section.strings("command", "word", reader);
    HostCommand {
        command: words.into_iter().map(|word| word.text.to_owned()).collect(),
        timeout: section.duration("timeout", reader),
    }
}

fn read_checks(section: &Section<'_>, metrics: &[Metric], reader: &mut Reader<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for item in section.strings("check", "check", reader) {
        match Check::parse(item.text, metrics) {
            Ok(check) => checks.push(check),
            Err(error) => {
                reader.fault_with_hint(item.span, item.path, &error, Some(error.hint()));
            }
        }
    }
    checks
}
