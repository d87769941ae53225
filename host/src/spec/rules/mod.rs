//! The rules that values of a spec obey, alone and together, on plain data.

use std::ops::RangeInclusive;

use crate::spec::fault::{Fault, KeyPath, Position, nearest, quoted};
use crate::spec::name::{check_storage_object, check_wwn};
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::reader::out_of_range;
use crate::spec::{
    BLOCK_SIZES, Benchmark, CMDLINE_MAX, CPUS, IscsiRandread, Kernel, KernelChoice, Lun, MEMORY,
    MIB, Run, STORAGE_OBJECT_SIZE, Spec, StorageObject, TIMEOUTS, Tpg,
};

/// A broken rule.
pub(super) struct Finding {
    path: KeyPath,
    /// Other values the rule looked at: when one of those could not be read, what stands in its
    /// place proves nothing.
    given: Vec<KeyPath>,
    message: String,
    hint: Option<String>,
}

impl Finding {
    fn new(path: KeyPath, message: impl ToString) -> Self {
        Self { path, given: Vec::new(), message: message.to_string(), hint: None }
    }

    fn given(self, given: Vec<KeyPath>) -> Self {
        Self { given, ..self }
    }

    fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// Whether it still says something when the values of the keys in `unread` only stand in for
    /// what could not be read.
    pub(super) fn stands(&self, unread: &[KeyPath]) -> bool {
        let judged = || self.given.iter().chain([&self.path]);
        let overlap = |a: &KeyPath, b: &KeyPath| a.starts_with(b) || b.starts_with(a);
        !unread.iter().any(|key| judged().any(|path| overlap(path, key)))
    }

    pub(super) fn into_fault(self, locate: impl Fn(&KeyPath) -> Option<Position>) -> Fault {
        let position = locate(&self.path);
        Fault { position, key: self.path, message: self.message, hint: self.hint }
    }
}

/// Every rule the spec breaks.
pub(super) fn find_faults(spec: &Spec) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_kernel(&spec.kernel, &mut findings);
    check_machine(spec, &mut findings);
    check_storage_objects(&spec.storage_objects, &mut findings);
    check_targets(spec, &mut findings);
    check_benchmarks(spec, &mut findings);
    check_run(&spec.run, &mut findings);
    findings
}

/// What is allowed and yet probably not what was meant.
pub(super) fn find_notes(spec: &Spec) -> Vec<String> {
    let tpgs = spec.targets.iter().flat_map(|target| &target.tpgs);
    let luns = tpgs.flat_map(|tpg| &tpg.luns);
    let exported: Vec<&str> = luns.map(|lun| lun.storage_object.as_str()).collect();
    let unused = spec.storage_objects.iter().filter(|o| !exported.contains(&o.name.as_str()));
    unused.map(|object| format!("storage object {:?} is exported by no LUN", object.name)).collect()
}

fn top(key: &str) -> KeyPath {
    KeyPath::default().key(key)
}

fn check_kernel(kernel: &Kernel, findings: &mut Vec<Finding>) {
    let path = top("kernel").key("image");
    let image = match &kernel.image {
        KernelChoice::Name(name) => name.as_str().into(),
        KernelChoice::Path(path) => path.to_string_lossy(),
    };
    if image.is_empty() {
        findings.push(Finding::new(path, "empty, debian, a release or a path is needed"));
    } else if image.chars().any(char::is_control) {
        let message = format!("{} has a control character", quoted(&image));
        findings.push(Finding::new(path, message));
    }
    let path = top("kernel").key("cmdline");
    if let Some(c) = kernel.cmdline.chars().find(|c| c.is_control()) {
        let message = format!("{} has {c:?}, it must be one line of text", quoted(&kernel.cmdline));
        findings.push(Finding::new(path.clone(), message));
    }
    if kernel.cmdline.len() > CMDLINE_MAX {
        let length = kernel.cmdline.len();
        let message = format!("{length} bytes are too many, at most {CMDLINE_MAX} are allowed");
        findings.push(Finding::new(path, message));
    }
}

fn check_machine(spec: &Spec, findings: &mut Vec<Finding>) {
    let cpus = spec.machine.cpus;
    if !CPUS.contains(&cpus) {
        findings.push(Finding::new(top("machine").key("cpus"), out_of_range(&cpus, &CPUS)));
    }
    let path = top("machine").key("memory");
    match spec.machine.memory {
        Some(memory) if !MEMORY.contains(&memory) => {
            findings.push(Finding::new(path, size_out_of_range(memory, &MEMORY)));
        }
        Some(memory) if !memory.is_multiple_of(MIB) => {
            findings.push(Finding::new(path, not_a_multiple(memory, MIB)));
        }
        Some(memory) => check_ramdisks_fit(spec, memory, path, findings),
        None => check_ramdisks_fit(spec, *MEMORY.end(), top("storage_object"), findings),
    }
}

fn check_ramdisks_fit(spec: &Spec, memory: u64, path: KeyPath, findings: &mut Vec<Finding>) {
    let needed = spec.memory_needed();
    if needed > memory {
        let needed = needed.checked_next_multiple_of(MIB).unwrap_or(needed);
        let message = format!(
            "{} of memory is too little for ramdisks of {} in all, {} is needed",
            format_size(memory),
            format_size(spec.page_bytes()),
            format_size(needed)
        );
        let hint = "fileio is sparse and takes memory only for what is written".to_owned();
        findings
            .push(Finding::new(path, message).given(vec![top("storage_object")]).hint(Some(hint)));
    }
}

fn check_storage_objects(objects: &[StorageObject], findings: &mut Vec<Finding>) {
    for (index, object) in objects.iter().enumerate() {
        let path = top("storage_object").index(index);
        if let Err(error) = check_storage_object(&object.name) {
            findings.push(Finding::new(path.key("name"), error));
        } else if objects[..index].iter().any(|earlier| earlier.name == object.name) {
            let message = format!("{} names another storage object already", quoted(&object.name));
            findings.push(Finding::new(path.key("name"), message));
        }
        check_storage_object_size(object, path.key("size"), findings);
    }
}

fn check_storage_object_size(object: &StorageObject, path: KeyPath, findings: &mut Vec<Finding>) {
    let granularity = object.backstore.granularity();
    if !STORAGE_OBJECT_SIZE.contains(&object.size) {
        findings.push(Finding::new(path, size_out_of_range(object.size, &STORAGE_OBJECT_SIZE)));
    } else if !object.size.is_multiple_of(granularity) {
        findings.push(Finding::new(path, not_a_multiple(object.size, granularity)));
    }
}

fn check_targets(spec: &Spec, findings: &mut Vec<Finding>) {
    for (index, target) in spec.targets.iter().enumerate() {
        let path = top("target").index(index);
        if let Err(error) = check_wwn(&target.wwn) {
            findings.push(Finding::new(path.key("wwn"), error));
        }
        for (index, tpg) in target.tpgs.iter().enumerate() {
            check_luns(spec, tpg, &path.key("tpg").index(index).key("luns"), findings);
        }
    }
}

fn check_luns(spec: &Spec, tpg: &Tpg, path: &KeyPath, findings: &mut Vec<Finding>) {
    if tpg.luns.is_empty() {
        let message =
            "empty, at least one such as { lun = 0, storage_object = \"disk0\" } is needed";
        findings.push(Finding::new(path.clone(), message));
    }
    for (index, lun) in tpg.luns.iter().enumerate() {
        let at = path.index(index);
        if let Some(earlier) = tpg.luns[..index].iter().position(|other| other.lun == lun.lun) {
            let message = format!("{} is the number of another LUN already", lun.lun);
            let earlier = path.index(earlier).key("lun");
            findings.push(Finding::new(at.key("lun"), message).given(vec![earlier]));
        }
        check_reference(spec, lun, at.key("storage_object"), findings);
    }
}

fn check_reference(spec: &Spec, lun: &Lun, path: KeyPath, findings: &mut Vec<Finding>) {
    if spec.storage_object(&lun.storage_object).is_some() {
        return;
    }
    let names = || spec.storage_objects.iter().map(|object| object.name.as_str());
    let shown = quoted(&lun.storage_object);
    let message = if spec.storage_objects.is_empty() {
        format!("there is no storage object {shown}, a [[storage_object]] of that name is needed")
    } else {
        let known = names().map(quoted).collect::<Vec<_>>().join(", ");
        format!("there is no storage object {shown}, only {known}")
    };
    let objects = top("storage_object");
    let given = match spec.storage_objects.len() {
        0 => vec![objects],
        count => (0..count).map(|index| objects.index(index).key("name")).collect(),
    };
    let hint = nearest(&lun.storage_object, names()).map(|name| format!("did you mean {name:?}?"));
    findings.push(Finding::new(path, message).given(given).hint(hint));
}

fn check_benchmarks(spec: &Spec, findings: &mut Vec<Finding>) {
    for (index, benchmark) in spec.benchmarks.iter().enumerate() {
        if let Benchmark::IscsiRandread(benchmark) = benchmark {
            let path = top("benchmark").index(index);
            check_iscsi_randread(spec, benchmark, &path, findings);
        }
    }
}

fn check_iscsi_randread(
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
    check_lun_of(spec, benchmark, path, findings);
    if let Some(region) = benchmark.region {
        check_region(spec, benchmark, region, path, findings);
    }
}

fn check_lun_of(
    spec: &Spec,
    benchmark: &IscsiRandread,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    if spec.target_of(benchmark).is_none() {
        let message = "iscsi-randread needs a [[target]] with a LUN, there is no target";
        findings.push(Finding::new(path.key("workload"), message).given(vec![top("target")]));
        return;
    }
    let Some(session) = spec.session_of(benchmark) else { return };
    let seen = spec.luns_seen(session.tpg, session.initiator);
    if let Some(number) = benchmark.lun.filter(|number| seen.iter().all(|l| l.number != *number)) {
        let known = seen.iter().map(|lun| lun.number.to_string()).collect::<Vec<_>>().join(", ");
        let message = format!("there is no LUN {number}, only {known}");
        findings.push(Finding::new(path.key("lun"), message).given(vec![top("target")]));
    }
}

fn check_region(
    spec: &Spec,
    benchmark: &IscsiRandread,
    region: u64,
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    if region < benchmark.block_size {
        let (region, block) = (format_size(region), format_size(benchmark.block_size));
        let message = format!("{region} is smaller than one block of {block}");
        let given = vec![path.key("block_size")];
        findings.push(Finding::new(path.key("region"), message).given(given));
        return;
    }
    let Some(seen) = spec.lun_of(benchmark) else { return };
    let object = seen.storage_object;
    if region > object.size {
        let (region, size) = (format_size(region), format_size(object.size));
        let message = format!("{region} is more than LUN {} has, which is {size}", seen.number);
        let given = vec![path.key("lun"), top("target"), top("storage_object")];
        findings.push(Finding::new(path.key("region"), message).given(given));
    }
}

fn check_run(run: &Run, findings: &mut Vec<Finding>) {
    let path = top("run");
    for (key, timeout) in [("boot_timeout", run.boot_timeout), ("timeout", Some(run.timeout))] {
        if let Some(timeout) = timeout.filter(|timeout| !TIMEOUTS.contains(timeout)) {
            let message = format!(
                "{} is out of range, {} to {} is allowed",
                format_duration(timeout),
                format_duration(*TIMEOUTS.start()),
                format_duration(*TIMEOUTS.end())
            );
            findings.push(Finding::new(path.key(key), message));
        }
    }
    if let Some(boot) = run.boot_timeout.filter(|boot| *boot > run.timeout) {
        let (boot, whole) = (format_duration(boot), format_duration(run.timeout));
        let message = format!("{boot} is longer than the whole run may take, which is {whole}");
        findings
            .push(Finding::new(path.key("boot_timeout"), message).given(vec![path.key("timeout")]));
    }
}

fn size_out_of_range(size: u64, range: &RangeInclusive<u64>) -> String {
    let (least, most) = (format_size(*range.start()), format_size(*range.end()));
    format!("{} is out of range, {least} to {most} is allowed", format_size(size))
}

fn not_a_multiple(size: u64, granularity: u64) -> String {
    format!("{size} bytes is not a multiple of {}", format_size(granularity))
}
