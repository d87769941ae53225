//! Benchmarks, against what there is to measure.

use configfs_rs::lio::IscsiName;

use super::lun::no_storage_object;
use super::{Finding, chap, not_a_multiple, not_found, size_out_of_range, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::storage::attribute;
use crate::spec::{
    BLOCK_SIZES, Backstore, Benchmark, DemoMode, Fabric, HostCommand, IscsiDigest, IscsiRandread,
    Session, Spec, StorageObject, TIMEOUTS, Via,
};

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    for (index, benchmark) in spec.benchmarks.iter().enumerate() {
        let path = top("benchmark").index(index);
        match benchmark {
            Benchmark::IscsiRandread(asked) => check_randread(spec, asked, &path, findings),
            Benchmark::Hash(_) => {}
            Benchmark::Digest(asked) => {
                let range = (asked.offset, asked.length);
                let named = (asked.storage_object.as_str(), asked.via);
                let _read_only_will_do = check_access(spec, named, range, &path, findings);
            }
            Benchmark::Pattern(asked) => {
                let range = (asked.offset, asked.length);
                let named = (asked.storage_object.as_str(), asked.via);
                let object = check_access(spec, named, range, &path, findings);
                if object.is_some_and(|object| spec.is_read_only(object)) {
                    let message = format!("{} is read-only", quoted(&asked.storage_object));
                    let given = vec![top("storage_object"), top("disk")];
                    let finding = Finding::new(path.key("storage_object"), message);
                    findings.push(finding.given(given));
                }
            }
            Benchmark::HostCommand(asked) => check_host_command(asked, &path, findings),
        }
    }
}

fn check_randread(
    spec: &Spec,
    benchmark: &IscsiRandread,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let block_size = benchmark.block_size;
    if !BLOCK_SIZES.contains(&block_size) {
        let message = size_out_of_range(block_size, &BLOCK_SIZES);
        findings.push(Finding::new(path.key("block_size"), message));
    } else if !block_size.is_multiple_of(*BLOCK_SIZES.start()) {
        let message = not_a_multiple(block_size, *BLOCK_SIZES.start());
        findings.push(Finding::new(path.key("block_size"), message));
    }
    if let Some(region) = benchmark.region.filter(|region| *region < block_size) {
        let (region, block) = (format_size(region), format_size(block_size));
        let message = format!("{region} is smaller than one block of {block}");
        let given = vec![path.key("block_size")];
        findings.push(Finding::new(path.key("region"), message).given(given));
    }
    if let Some(Err(invalid)) = benchmark.initiator.as_deref().map(IscsiName::new) {
        findings.push(Finding::invalid(path.key("initiator"), &invalid));
    }
    if let Some(chap) = &benchmark.chap {
        chap::check_credentials(chap, &path.key("chap"), findings);
    }
    if let Some(session) = check_target(spec, benchmark, path, findings) {
        check_session(spec, benchmark, &session, path, findings);
    }
}

/// Checks that there is what the benchmark names, down to the portal.
fn check_target<'a>(
    spec: &'a Spec,
    benchmark: &'a IscsiRandread,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) -> Option<Session<'a>> {
    let given = || vec![top("target")];
    let Some(target) = spec.target_of(benchmark) else {
        let known: Vec<&str> = spec.iscsi_targets().map(|target| &*target.wwn).collect();
        findings.push(match &benchmark.target {
            Some(name) if !known.is_empty() => not_found(
                path.key("target"),
                "target of iscsi",
                name,
                &known,
                given(),
                "name one of them",
            ),
            _ => {
                let message = "iscsi-randread needs a [[target]] with a LUN, there is no target";
                Finding::new(path.key("workload"), message).given(given())
            }
        });
        return None;
    };
    let Some(tpg) = spec.tpg_of(benchmark) else {
        let tag = benchmark.tpg?;
        let known: Vec<String> = target.tpgs.iter().map(|tpg| tpg.tag.to_string()).collect();
        let message = format!("the target has no TPG {tag}, only {}", known.join(", "));
        findings.push(Finding::new(path.key("tpg"), message).given(given()));
        return None;
    };
    let named = benchmark.portal.filter(|portal| !tpg.portals.contains(portal));
    if named.is_some() || tpg.portals.is_empty() {
        let known: Vec<String> = tpg.portals.iter().map(ToString::to_string).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let portal = named.map(|portal| format!(" {portal}")).unwrap_or_default();
        let message = format!("the TPG has no portal{portal}, its portals: {known}");
        findings.push(Finding::new(path.key("portal"), message).given(given()));
        return None;
    }
    spec.session_of(benchmark)
}

fn check_session(
    spec: &Spec,
    benchmark: &IscsiRandread,
    session: &Session<'_>,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let given = || vec![top("target"), path.key("lun"), path.key("initiator")];
    let initiator = quoted(session.initiator);
    if !session.tpg.enable {
        let message = "its TPG is not enabled, nobody can log in";
        findings.push(Finding::new(path.key("workload"), message).given(given()));
    }
    let known = session.tpg.acl(session.initiator).is_some();
    if !known && session.tpg.demo_mode == DemoMode::Off {
        let message = format!("{initiator} has no ACL and demo_mode is off, it could not log in");
        findings.push(Finding::new(path.key("initiator"), message).given(given()));
        return;
    }
    check_digests(benchmark, session, path, findings);
    let seen = spec.luns_seen(session.tpg, session.initiator);
    let numbers: Vec<String> = seen.iter().map(|lun| lun.number.to_string()).collect();
    let only = if seen.is_empty() { "none".to_owned() } else { numbers.join(", ") };
    match (benchmark.lun, spec.lun_of(benchmark)) {
        (_, Some(lun)) => check_lun(benchmark, lun.storage_object, lun.number, path, findings),
        (Some(number), None) => {
            let message = format!("{initiator} sees no LUN {number}, only {only}");
            findings.push(Finding::new(path.key("lun"), message).given(given()));
        }
        (None, None) => {
            let message = format!("{initiator} sees no LUN to read");
            findings.push(Finding::new(path.key("workload"), message).given(given()));
        }
    }
}

fn check_lun(
    benchmark: &IscsiRandread,
    object: &StorageObject,
    number: u8,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let given = || vec![path.key("lun"), top("target"), top("storage_object"), top("disk")];
    if let Some(region) = benchmark.region.filter(|region| *region > object.size) {
        let (region, size) = (format_size(region), format_size(object.size));
        let message = format!("{region} is more than LUN {number} has, which is {size}");
        findings.push(Finding::new(path.key("region"), message).given(given()));
    }
    let block = object.block_size();
    if block > 512 && !benchmark.block_size.is_multiple_of(block) {
        let (own, block) = (benchmark.block_size, format_size(block));
        let message = format!("{own} bytes is not a multiple of LUN {number}'s blocks of {block}");
        findings.push(Finding::new(path.key("block_size"), message).given(given()));
    }
}

/// What both sides do not offer ends the login.
fn check_digests(
    benchmark: &IscsiRandread,
    session: &Session<'_>,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    for (key, parameter, asked) in [
        ("header_digest", "HeaderDigest", benchmark.header_digest),
        ("data_digest", "DataDigest", benchmark.data_digest),
    ] {
        let word = if asked == IscsiDigest::None { "None" } else { "CRC32C" };
        let offered = attribute(&session.tpg.parameters, parameter).unwrap_or("CRC32C,None");
        if !offered.split(',').any(|each| each == word) {
            let message = format!("{:?} is not offered, the TPG's {parameter} is {offered}", {
                asked.name()
            });
            let finding = Finding::new(path.key(key), message).given(vec![top("target")]);
            let other = if word == "None" { "crc32c" } else { "none" };
            findings.push(finding.way_out(&format!("{key} = {other:?}")));
        }
    }
}

/// Checks what reads or writes a storage object in the guest.
fn check_access<'a>(
    spec: &'a Spec,
    (name, via): (&str, Via),
    (offset, length): (u64, Option<u64>),
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) -> Option<&'a StorageObject> {
    let Some(object) = spec.storage_object(name) else {
        findings.push(no_storage_object(spec, name, path.key("storage_object")));
        return None;
    };
    let given = || vec![top("storage_object"), top("target"), path.key("storage_object")];
    if !object.stores_data() {
        let message = format!("{} stores nothing that could be read again", quoted(name));
        findings.push(Finding::new(path.key("storage_object"), message).given(given()));
    }
    if via == Via::Backing && object.backstore == Backstore::Ramdisk {
        let message = "a ramdisk has nothing under it that the guest could open";
        let finding = Finding::new(path.key("via"), message).given(given());
        findings.push(finding.way_out("via = \"loopback\", with a target of that fabric"));
    }
    let loopback = spec.targets.iter().filter(|target| target.fabric == Fabric::Loopback);
    let mut luns = loopback.flat_map(|target| &target.tpgs).flat_map(|tpg| &tpg.luns);
    if via == Via::Loopback && !luns.any(|lun| lun.storage_object == name) {
        let message = format!("no target of the fabric loopback exports {}", quoted(name));
        findings.push(Finding::new(path.key("via"), message).given(given()));
    }
    check_range(object, offset, length, path, findings);
    Some(object)
}

fn check_range(
    object: &StorageObject,
    offset: u64,
    length: Option<u64>,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let block = object.block_size().max(1);
    let given = || vec![top("storage_object"), path.key("storage_object"), top("disk")];
    let mut refuse = |key: &str, message: String| {
        findings.push(Finding::new(path.key(key), message).given(given()));
    };
    let left = object.size.saturating_sub(offset);
    let size = format_size(object.size);
    if left == 0 {
        let message = format!("{} is not within the storage object's {size}", format_size(offset));
        return refuse("offset", message);
    }
    if !offset.is_multiple_of(block) {
        refuse("offset", not_a_multiple(offset, block));
    }
    match length {
        Some(0) => refuse("length", "0 is nothing, leave it out for all that follows".to_owned()),
        Some(length) if length > left => {
            let (length, left) = (format_size(length), format_size(left));
            refuse("length", format!("{length} is more than follows, which is {left} of {size}"));
        }
        Some(length) if !length.is_multiple_of(block) => {
            refuse("length", not_a_multiple(length, block));
        }
        _ => {}
    }
}

fn check_host_command(asked: &HostCommand, path: &KeyPath, findings: &mut Vec<Finding>) {
    let command = path.key("command");
    if asked.command.first().is_none_or(String::is_empty) {
        let message = "empty, a program is needed, such as [\"sh\", \"-c\", \"…\"]";
        findings.push(Finding::new(command.clone(), message));
    }
    if let Some(index) = asked.command.iter().position(|word| word.contains('\0')) {
        findings.push(Finding::new(command.index(index), "has a NUL, which no argument can have"));
    }
    if let Some(timeout) = asked.timeout.filter(|timeout| !TIMEOUTS.contains(timeout)) {
        let [own, least, most] = [timeout, *TIMEOUTS.start(), *TIMEOUTS.end()].map(format_duration);
        let message = format!("{own} is out of range, {least} to {most} is allowed");
        findings.push(Finding::new(path.key("timeout"), message));
    }
}
