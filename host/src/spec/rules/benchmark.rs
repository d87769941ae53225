//! Benchmarks, against what there is to measure.

use lunlab_bench::workload::Wrong;
use lunlab_bench::{channel, smb};

use super::login::{self, By, of_targets};
use super::lun::no_storage_object;
use super::{Finding, not_a_multiple, over_iscsi, share, size_out_of_range, storage, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::{
    Access, BLOCK_SIZES, Backstore, Benchmark, Check, Fabric, HostCommand, IscsiRandread, Measured,
    Network, Spec, StorageObject, TIMEOUTS, Via, WORKLOADS,
};

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    for (benchmark, table) in spec.benchmarks.iter().zip(&spec.benchmark_tables) {
        let path = top("benchmark").index(*table);
        match benchmark {
            Benchmark::IscsiRandread(asked) => check_randread(spec, asked, &path, findings),
            Benchmark::Measured(asked) => {
                check_measured(spec, asked, &path, findings);
                over_iscsi::check_table(spec, asked, *table, &path, findings);
            }
            Benchmark::HostCommand(asked) => check_host_command(asked, &path, findings),
        }
    }
}

fn check_measured(spec: &Spec, asked: &Measured, path: &KeyPath, findings: &mut Vec<Finding>) {
    check_together(asked, path, findings);
    check_paths(spec, asked, path, findings);
    login::check_named(&asked.login, path, findings);
    if asked.workload == smb::WORKLOAD.name {
        share::check(spec, asked, path, findings);
    }
    let Some(access) = asked.access() else { return };
    let object = check_access(spec, access, asked.reads_back(), path, findings);
    let over_iscsi =
        access.via == Via::Iscsi && exports(spec, Fabric::Iscsi, access.storage_object);
    if let Some(object) = object.filter(|_| over_iscsi) {
        over_iscsi::check(spec, asked, object, path, findings);
    }
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

/// Refuses values that the workload cannot have together, at one that was given.
fn check_together(asked: &Measured, path: &KeyPath, findings: &mut Vec<Finding>) {
    let Some(Wrong { keys, message, hint }) = asked.wrong() else { return };
    let given = keys.iter().find(|key| !asked.is_default(key)).unwrap_or(&keys[0]);
    let finding = Finding::new(path.key(given), message);
    findings.push(finding.given(keys.map(|key| path.key(key)).to_vec()).way_out(&hint));
}

/// Refuses a way to the guest that this machine has not.
fn check_paths(spec: &Spec, asked: &Measured, path: &KeyPath, findings: &mut Vec<Finding>) {
    let wants_nic = asked.value("paths").split(',').any(|word| word == channel::NIC);
    if asked.workload == channel::WORKLOAD.name && wants_nic && spec.network == Network::None {
        let message = "\"nic\" needs a NIC, and the guest is on no network";
        let finding = Finding::new(path.key("paths"), message).given(vec![top("network")]);
        findings.push(finding.way_out("add [network] mode = \"user\", or leave it out"));
    }
    let of_nic = |check: &&Check| check.metric.name.starts_with("nic/");
    let checked = asked.checks.iter().find(of_nic).filter(|_| spec.network == Network::None);
    if let Some(check) = checked.filter(|_| asked.workload == channel::WORKLOAD.name && !wants_nic)
    {
        let text = quoted(&check.text);
        let message = format!("{text} is of a NIC, and the guest is on no network");
        let finding = Finding::new(path.key("check"), message).given(vec![top("network")]);
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
    let login = &benchmark.login;
    login::check_named(login, path, findings);
    let by = By { spec, login, workload: WORKLOADS[0], path };
    let Some(session) = by.session(findings) else { return };
    match spec.lun_of(login) {
        Some(lun) => check_lun(spec, benchmark, lun.storage_object, lun.number, path, findings),
        None => by.no_lun(&session, findings),
    }
}

/// Where the storage object of a name stands.
pub(super) fn path_of(spec: &Spec, name: &str) -> KeyPath {
    let all = top("storage_object");
    let at = spec.storage_objects.iter().position(|object| object.name == name);
    at.map_or(all.clone(), |at| all.index(at))
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

/// Checks what reads or writes a storage object.
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
    if let Some(fabric) = fabric_of(via).filter(|fabric| !exports(spec, *fabric, name)) {
        let word = via.name();
        let message =
            format!("\"{word}\" needs a target of that fabric, none exports {}", quoted(name));
        let mut given = given();
        given.extend(of_targets(spec, &["luns"]));
        let finding = Finding::new(path.key("via"), message).given(given);
        let way_out =
            format!("add a [[target]] with fabric = \"{}\" and a LUN of it", fabric.name());
        findings.push(finding.way_out(&match object.backstore {
            Backstore::Ramdisk => way_out,
            _ => way_out + ", or via = \"backing\"",
        }));
    }
    check_range(spec, object, offset, length, path, findings);
    Some(object)
}

fn fabric_of(via: Via) -> Option<Fabric> {
    match via {
        Via::Loopback => Some(Fabric::Loopback),
        Via::Iscsi => Some(Fabric::Iscsi),
        Via::Backing => None,
    }
}

fn exports(spec: &Spec, fabric: Fabric, name: &str) -> bool {
    let targets = spec.targets.iter().filter(|target| target.fabric == fabric);
    let mut luns = targets.flat_map(|target| &target.tpgs).flat_map(|tpg| &tpg.luns);
    luns.any(|lun| lun.storage_object == name)
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
