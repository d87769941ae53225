//! Benchmarks, against what there is to measure.

use configfs_rs::lio::IscsiName;
use lunlab_bench::channel;

use super::lun::no_storage_object;
use super::{Finding, chap, not_a_multiple, not_found, size_out_of_range, storage, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::storage::attribute;
use crate::spec::{
    Access, BLOCK_SIZES, Backstore, Benchmark, DemoMode, Fabric, HostCommand, IscsiDigest,
    IscsiRandread, Measured, Network, Session, Spec, StorageObject, TIMEOUTS, Via,
};

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    for (benchmark, table) in spec.benchmarks.iter().zip(&spec.benchmark_tables) {
        let path = top("benchmark").index(*table);
        match benchmark {
            Benchmark::IscsiRandread(asked) => check_randread(spec, asked, &path, findings),
            Benchmark::Measured(asked) => check_measured(spec, asked, &path, findings),
            Benchmark::HostCommand(asked) => check_host_command(asked, &path, findings),
        }
    }
}

fn check_measured(spec: &Spec, asked: &Measured, path: &KeyPath, findings: &mut Vec<Finding>) {
    check_paths(spec, asked, path, findings);
    let Some(access) = asked.access() else { return };
    let object = check_access(spec, access, asked.reads_back(), path, findings);
    let name = quoted(access.storage_object);
    if asked.writes() && object.is_some_and(|object| spec.is_read_only(object)) {
        let message = format!("{name} is read-only");
        let given = vec![path_of(spec, access.storage_object), top("disk")];
        let finding = Finding::new(path.key("storage_object"), message).given(given);
        findings.push(finding.way_out("name one without read_only = true"));
    }
    if let Some(object) = object.filter(|_| asked.workload == lunlab_bench::storage::WORKLOAD.name)
    {
        let object = (object, path_of(spec, &object.name));
        storage::check(asked, object, path, findings);
    }
}

/// Refuses a way to the guest that this machine has not.
fn check_paths(spec: &Spec, asked: &Measured, path: &KeyPath, findings: &mut Vec<Finding>) {
    let wants_nic = asked.value("paths").split(',').any(|word| word == channel::NIC);
    if asked.workload == channel::WORKLOAD.name && wants_nic && spec.network == Network::None {
        let message = "\"nic\" needs a NIC, and the guest is on no network";
        let finding = Finding::new(path.key("paths"), message).given(vec![top("network")]);
        findings.push(finding.way_out("add [network] mode = \"user\", or leave it out"));
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
        let finding = Finding::new(path.key("region"), message).given(given);
        findings.push(finding.way_out(&format!("region = {block:?}, or leave it out")));
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

/// What tells targets and TPGs apart, and `keys` of each TPG.
fn of_targets(spec: &Spec, keys: &[&str]) -> Vec<KeyPath> {
    let mut paths = Vec::new();
    for (index, target) in spec.targets.iter().enumerate() {
        let path = top("target").index(index);
        paths.extend(["wwn", "fabric"].map(|key| path.key(key)));
        if target.tpgs.is_empty() {
            paths.push(path.key("tpg"));
        }
        for number in 0..target.tpgs.len() {
            let tpg = path.key("tpg").index(number);
            paths.extend(keys.iter().chain(&["tag"]).map(|key| tpg.key(key)));
        }
    }
    if paths.is_empty() { vec![top("target")] } else { paths }
}

/// Where the storage object of a name stands.
fn path_of(spec: &Spec, name: &str) -> KeyPath {
    let all = top("storage_object");
    let at = spec.storage_objects.iter().position(|object| object.name == name);
    at.map_or(all.clone(), |at| all.index(at))
}

/// Checks that there is what the benchmark names, down to the portal.
fn check_target<'a>(
    spec: &'a Spec,
    benchmark: &'a IscsiRandread,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) -> Option<Session<'a>> {
    let given = |keys: &[&str]| of_targets(spec, keys);
    let Some(target) = spec.target_of(benchmark) else {
        let known: Vec<&str> = spec.iscsi_targets().map(|target| &*target.wwn).collect();
        findings.push(match &benchmark.target {
            Some(name) if !known.is_empty() => not_found(
                path.key("target"),
                "target of iscsi",
                name,
                &known,
                given(&[]),
                "name one of them",
            ),
            _ => {
                let message =
                    "iscsi-randread needs a [[target]] of iscsi with a LUN, there is none";
                let finding = Finding::new(path.key("workload"), message).given(given(&[]));
                finding.way_out("add a [[target]], or take the benchmark out")
            }
        });
        return None;
    };
    let Some(tpg) = spec.tpg_of(benchmark) else {
        let tag = benchmark.tpg?;
        let known: Vec<String> = target.tpgs.iter().map(|tpg| tpg.tag.to_string()).collect();
        let message = format!("the target has no TPG {tag}, only {}", known.join(", "));
        let finding = Finding::new(path.key("tpg"), message).given(given(&[]));
        findings.push(finding.way_out("name one of them, or leave it out for the first"));
        return None;
    };
    let named = benchmark.portal.filter(|portal| !tpg.portals.contains(portal));
    if named.is_some() || tpg.portals.is_empty() {
        let known: Vec<String> = tpg.portals.iter().map(ToString::to_string).collect();
        let message = match (named, known.as_slice()) {
            (Some(portal), [_, ..]) => {
                format!("the TPG has no portal {portal}, only {}", known.join(", "))
            }
            _ => "the TPG has no portal at which it could be reached".to_owned(),
        };
        let finding = Finding::new(path.key("portal"), message).given(given(&["portals"]));
        findings.push(finding.way_out(match tpg.portals.as_slice() {
            [] => "give the TPG one: portals = [\"127.0.0.1\"]",
            _ => "name one of them, or leave it out for the first",
        }));
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
    let given = |keys: &[&str]| {
        let own = ["lun", "initiator"].map(|key| path.key(key));
        own.into_iter().chain(of_targets(spec, keys)).collect::<Vec<_>>()
    };
    let initiator = quoted(session.initiator);
    if !session.tpg.enable {
        let message = "iscsi-randread could not log in, its TPG is not enabled";
        let finding = Finding::new(path.key("workload"), message).given(given(&["enable"]));
        findings.push(finding.way_out("enable = true in that TPG"));
    }
    let known = session.tpg.acl(session.initiator).is_some();
    if !known && session.tpg.demo_mode == DemoMode::Off {
        let message = format!("{initiator} has no ACL and demo_mode is off, it could not log in");
        let finding = Finding::new(path.key("initiator"), message).given(given(&[
            "acl",
            "demo_mode",
            "attributes",
        ]));
        findings.push(finding.way_out(match session.tpg.acls.as_slice() {
            [] => "give the TPG an [[target.tpg.acl]] of that name, or demo_mode = \"writable\"",
            _ => "name the initiator of an ACL, or add an [[target.tpg.acl]]",
        }));
        return;
    }
    check_digests(spec, benchmark, session, path, findings);
    let seen = spec.luns_seen(session.tpg, session.initiator);
    let numbers: Vec<String> = seen.iter().map(|lun| lun.number.to_string()).collect();
    let only = if seen.is_empty() { "none".to_owned() } else { numbers.join(", ") };
    match (benchmark.lun, spec.lun_of(benchmark)) {
        (_, Some(lun)) => {
            check_lun(spec, benchmark, lun.storage_object, lun.number, path, findings)
        }
        (Some(number), None) => {
            let message = format!("{initiator} sees no LUN {number}, only {only}");
            let finding = Finding::new(path.key("lun"), message).given(given(&["luns", "acl"]));
            let out = "leave it out for the lowest it sees, or add it to luns or mapped_luns";
            findings.push(finding.way_out(out));
        }
        (None, None) => {
            let message = format!("iscsi-randread reads a LUN, and {initiator} sees none");
            let finding =
                Finding::new(path.key("workload"), message).given(given(&["luns", "acl"]));
            findings.push(finding.way_out("give its ACL mapped_luns, or the TPG luns"));
        }
    }
}

fn check_lun(
    spec: &Spec,
    benchmark: &IscsiRandread,
    object: &StorageObject,
    number: u8,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let given = || {
        let mut given = of_targets(spec, &["luns", "acl"]);
        given.extend([path.key("lun"), path.key("initiator"), top("disk")]);
        given.push(path_of(spec, &object.name));
        given
    };
    if let Some(region) = benchmark.region.filter(|region| *region > object.size) {
        let (region, size) = (format_size(region), format_size(object.size));
        let message = format!("{region} is more than LUN {number} has, which is {size}");
        let finding = Finding::new(path.key("region"), message).given(given());
        findings.push(finding.way_out(&format!("region = {size:?}")));
    }
    let block = object.block_size();
    if block > 512 && !benchmark.block_size.is_multiple_of(block) {
        let (own, block) = (benchmark.block_size, format_size(block));
        let message = format!("{own} bytes is not a multiple of LUN {number}'s blocks of {block}");
        let finding = Finding::new(path.key("block_size"), message).given(given());
        findings.push(finding.way_out(&format!("block_size = {block:?}")));
    }
}

/// What both sides do not offer ends the login.
fn check_digests(
    spec: &Spec,
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
            let finding =
                Finding::new(path.key(key), message).given(of_targets(spec, &["parameters"]));
            let other = if word == "None" { "crc32c" } else { "none" };
            findings.push(finding.way_out(&format!("{key} = {other:?}")));
        }
    }
}

/// Checks what reads or writes a storage object in the guest.
fn check_access<'a>(
    spec: &'a Spec,
    access: Access<'_>,
    reads_back: bool,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) -> Option<&'a StorageObject> {
    let Access { storage_object: name, via, offset, length } = access;
    let Some(object) = spec.storage_object(name) else {
        findings.push(no_storage_object(spec, name, path.key("storage_object")));
        return None;
    };
    let given = || vec![path_of(spec, name), path.key("storage_object")];
    if reads_back && !object.stores_data() {
        let message = format!("{} stores nothing that could be read again", quoted(name));
        let finding = Finding::new(path.key("storage_object"), message).given(given());
        findings.push(finding.way_out(match object.device {
            Some(_) => "give it device_parameters = { memory_backed = true }",
            None => "leave nullio out of it",
        }));
    }
    if via == Via::Backing && object.backstore == Backstore::Ramdisk {
        let message = "\"backing\" opens what is under it, and a ramdisk has nothing there";
        let finding = Finding::new(path.key("via"), message).given(given());
        findings.push(finding.way_out("via = \"loopback\", with a target of that fabric"));
    }
    let loopback = spec.targets.iter().filter(|target| target.fabric == Fabric::Loopback);
    let mut luns = loopback.flat_map(|target| &target.tpgs).flat_map(|tpg| &tpg.luns);
    if via == Via::Loopback && !luns.any(|lun| lun.storage_object == name) {
        let message =
            format!("\"loopback\" needs a target of that fabric, none exports {}", quoted(name));
        let mut given = given();
        given.extend(of_targets(spec, &["luns"]));
        let finding = Finding::new(path.key("via"), message).given(given);
        findings.push(finding.way_out(match object.backstore {
            Backstore::Ramdisk => "add a [[target]] with fabric = \"loopback\" and a LUN of it",
            _ => {
                "add a [[target]] with fabric = \"loopback\" and a LUN of it, or via = \"backing\""
            }
        }));
    }
    check_range(spec, object, offset, length, path, findings);
    Some(object)
}

fn check_range(
    spec: &Spec,
    object: &StorageObject,
    offset: u64,
    length: Option<u64>,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let block = object.block_size().max(1);
    let given = || vec![path_of(spec, &object.name), path.key("storage_object"), top("disk")];
    let mut refuse = |key: &str, message: String, hint: &str| {
        findings.push(Finding::new(path.key(key), message).given(given()).way_out(hint));
    };
    let blocks = format!("a multiple of {}", format_size(block));
    let left = object.size.saturating_sub(offset);
    let size = format_size(object.size);
    if left == 0 {
        let message = format!("{} is not within the storage object's {size}", format_size(offset));
        return refuse("offset", message, "leave it out for the beginning");
    }
    if !offset.is_multiple_of(block) {
        refuse("offset", not_a_multiple(offset, block), &blocks);
    }
    match length {
        Some(0) => {
            let message = "0 is nothing, at least one block is needed".to_owned();
            refuse("length", message, "leave it out for all that follows");
        }
        Some(length) if length > left => {
            let (length, left) = (format_size(length), format_size(left));
            let message = format!("{length} is more than follows, which is {left} of {size}");
            refuse("length", message, "leave it out for all that follows");
        }
        Some(length) if !length.is_multiple_of(block) => {
            refuse("length", not_a_multiple(length, block), &blocks);
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
        findings.push(Finding::new(
            command.index(index),
            format!("{} has a NUL, which no argument can have", quoted(&asked.command[index])),
        ));
    }
    if let Some(timeout) = asked.timeout.filter(|timeout| !TIMEOUTS.contains(timeout)) {
        let [own, least, most] = [timeout, *TIMEOUTS.start(), *TIMEOUTS.end()].map(format_duration);
        let message = format!("{own} is out of range, {least} to {most} is allowed");
        findings.push(Finding::new(path.key("timeout"), message));
    }
}
