//! The kernel, the machine and deadlines.

use super::{Finding, not_a_multiple, size_out_of_range, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::quantity::{format_duration, format_size};
use crate::spec::reader::out_of_range;
use crate::spec::{CMDLINE_MAX, CPUS, Kernel, KernelChoice, MEMORY, MIB, Run, Spec, TIMEOUTS};

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    check_kernel(&spec.kernel, findings);
    check_machine(spec, findings);
    check_run(&spec.run, findings);
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
    for (module, text) in &kernel.module_parameters {
        check_parameters(module, text, findings);
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

fn check_parameters(module: &str, text: &str, findings: &mut Vec<Finding>) {
    let path = top("kernel").key("module_parameters").key(module);
    let length = text.len();
    if text.trim().is_empty() {
        findings.push(Finding::new(path, "empty, parameters such as \"rd_nr=2\" are needed"));
    } else if let Some(c) = text.chars().find(|c| c.is_control()) {
        let message = format!("{} has {c:?}, it must be one line of text", quoted(text));
        findings.push(Finding::new(path, message));
    } else if length > CMDLINE_MAX {
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
        Some(memory) => check_pages_fit(spec, memory, path, findings),
        None => check_pages_fit(spec, *MEMORY.end(), top("storage_object"), findings),
    }
}

fn check_pages_fit(spec: &Spec, memory: u64, path: KeyPath, findings: &mut Vec<Finding>) {
    let needed = spec.memory_needed();
    if needed > memory {
        let needed = needed.checked_next_multiple_of(MIB).unwrap_or(needed);
        let message = format!(
            "{} of memory is too little for ramdisk, brd and memory-backed null_blk of {} in all, {} is needed",
            format_size(memory),
            format_size(spec.page_bytes()),
            format_size(needed)
        );
        let hint = "fileio, loop and zram take memory only for what is written, and can be bounded"
            .to_owned();
        let objects = 0..spec.storage_objects.len();
        let given = objects.flat_map(|index| {
            let path = top("storage_object").index(index);
            ["backstore", "device", "nullio"].map(|key| path.key(key))
        });
        findings.push(Finding::new(path, message).given(given.collect()).hint(Some(hint)));
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
        let hint = format!("boot_timeout = {whole:?}, or a longer timeout");
        let finding = Finding::new(path.key("boot_timeout"), message);
        findings.push(finding.given(vec![path.key("timeout")]).way_out(&hint));
    }
}
