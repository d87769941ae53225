//! Every verdict by the real event. (`fail` is in `results`, `interrupted` in `interrupts`, and
//! `usage` in `cli`.)

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lunlab_tests::{Finished, Lunlab, Verdict, kernels, tools};
use rustix::process::Signal;

use crate::specs::SHORT;

fn refused(lunlab: Lunlab) -> Finished {
    let run = lunlab.boots_nothing().start().leaves_nothing();
    assert!(run.results().is_empty(), "nothing was started, and yet there is a result");
    run
}

#[test]
fn qemu_that_is_not_on_path_is_environment() {
    let lunlab = Lunlab::run().spec(SHORT);
    let empty = lunlab.directory().path().join("runtime");
    refused(lunlab.env("PATH", empty)).exits(3).says("qemu-system-x86_64").says("hint: apt-get");
}

#[test]
fn libiscsi_that_cannot_be_loaded_is_environment() {
    let lunlab = Lunlab::run().spec(SHORT).boots_nothing();
    let directory = lunlab.directory().path().join("libraries");
    fs::create_dir(&directory).unwrap();
    for version in ["", ".7", ".8", ".9", ".10"] {
        fs::write(directory.join(format!("libiscsi.so{version}")), "").unwrap();
    }
    let run = lunlab.env("LD_LIBRARY_PATH", directory).start().leaves_nothing();
    let verdict = run.verdict("environment", 3);
    assert!(verdict.reason.contains("libiscsi"), "{verdict:#?}");
    assert!(verdict.lines.contains("apt-get install"), "{verdict:#?}");
}

#[test]
fn a_transport_that_is_not_there_is_environment() {
    if Path::new("/dev/vhost-vsock").exists() {
        let lunlab = Lunlab::run().args(["--transport", "vhost-user-vsock"]).spec(SHORT);
        let empty = lunlab.directory().path().join("cache");
        let run = refused(lunlab.env("XDG_CACHE_HOME", empty).env("PATH", "/usr/bin"));
        run.exits(3).says("vhost-device-vsock").says("hint: ");
    } else {
        let run = refused(Lunlab::run().args(["--transport", "vhost-vsock"]).spec(SHORT));
        run.exits(3).says("/dev/vhost-vsock").says("hint: ");
    }
}

#[test]
fn a_feature_the_kernel_lacks_is_environment_and_is_named() {
    let lunlab = Lunlab::run();
    let modules = lunlab.directory().path().join("modules");
    modules_without(&kernels::debian().modules, &modules, "target_core_file");
    let run = refused(lunlab.args(["--modules".as_ref(), modules.as_os_str()]).spec(SHORT));
    run.exits(3).says("fileio").says("target_core_file").says("CONFIG_TCM_FILEIO");
}

/// A modules directory like another, but for one module; links stand for the files.
fn modules_without(like: &Path, at: &Path, missing: &str) {
    for path in files_below(like) {
        if !path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with(missing)) {
            let link = at.join(path.strip_prefix(like).unwrap());
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(&path, link).unwrap();
        }
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

/// The default kernel's ELF image, under a release name that no one has modules of.
fn bare_vmlinux(at: &Path) {
    let kernel = kernels::debian();
    let dry = Lunlab::run().args(["--dry-run"]).boots_nothing().finish();
    let words = shlex::split(&dry.exits(0).stdout.replace("\\\n", "")).unwrap();
    let image = words.iter().skip_while(|word| *word != "-kernel").nth(1).unwrap();
    let bytes = fs::read(image).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF", "the default kernel boots by PVH");
    let strange = kernel.release.replace("amd64", "alone");
    assert_ne!(strange, kernel.release);
    let mut bytes = bytes;
    let starts: Vec<usize> = bytes
        .windows(kernel.release.len())
        .enumerate()
        .filter_map(|(at, window)| (window == kernel.release.as_bytes()).then_some(at))
        .collect();
    for start in starts {
        bytes[start..start + strange.len()].copy_from_slice(strange.as_bytes());
    }
    fs::write(at, bytes).unwrap();
}

#[test]
fn a_bare_vmlinux_without_our_drivers_is_boot() {
    let lunlab = Lunlab::run().args(["--kernel", "./vmlinux"]).spec(SHORT);
    bare_vmlinux(&lunlab.directory().path().join("vmlinux"));
    let run = lunlab.start();
    run.wait_for("starting QEMU");
    let run = run.leaves_nothing();
    // Nothing tells what is built into it: it is tried, and that is said.
    assert!(run.verdict("boot", 4).also.is_empty(), "{}", run.story());
    run.shows("nothing tells whether kernel").shows("vsock");
}

#[test]
fn a_kernel_image_cut_short_is_boot() {
    let lunlab = Lunlab::run().args(["--kernel", "./bzImage"]).spec(SHORT);
    let image = fs::read(kernels::debian().image).unwrap();
    let path = lunlab.directory().path().join("bzImage");
    fs::write(&path, &image[..image.len() / 3]).unwrap();
    let run = lunlab.start().leaves_nothing();
    run.exits(4);
    let told = format!("{}{}", run.stdout, run.stderr);
    assert!(told.contains("cut short") && told.contains("bzImage"), "{told}");
}

#[test]
fn a_kernel_that_cannot_reach_the_host_is_boot() {
    let run = Lunlab::run().args(["--append", "module_blacklist=virtio_pci"]).spec(SHORT).start();
    run.wait_for("starting QEMU");
    let run = run.leaves_nothing();
    let verdict = run.verdict("boot", 4);
    assert!(verdict.also.is_empty(), "{verdict:#?}");
    // Only the console can tell why.
    for word in ["finit_module", "virtio_pci", "EPERM"] {
        assert!(verdict.reason.contains(word), "no {word:?} in {verdict:#?}");
    }
    run.shows("again");
}

#[test]
fn a_boot_that_takes_too_long_is_boot() {
    let run = Lunlab::run().args(["--boot-timeout", "500ms"]).spec(SHORT).start();
    let run = run.leaves_nothing();
    assert!(run.verdict("boot", 4).reason.contains("0.5 s"));
}

#[test]
fn qemu_that_ends_early_is_boot_in_its_own_words() {
    let run = Lunlab::run().args(["--qemu-arg", "-nonsense"]).spec(SHORT).start();
    let verdict = run.leaves_nothing().verdict("boot", 4);
    assert!(verdict.lines.contains("-nonsense: invalid option"), "{verdict:#?}");
}

/// Runs the short spec with something that goes wrong once the target is ready.
fn provoke(what: &str, arguments: &[&str]) -> Finished {
    let run = Lunlab::run().args(["--provoke", what]).args(arguments).spec(SHORT).start();
    run.wait_for("the agent is connected");
    run.leaves_nothing()
}

#[test]
fn a_panic_is_panic() {
    let run = provoke("panic", &[]);
    let verdict = run.verdict("panic", 5);
    assert!(verdict.reason.contains("sysrq triggered crash"), "{verdict:#?}");
    assert!(verdict.lines.contains("sysrq_handle_crash"), "{verdict:#?}");
    assert!(verdict.also.is_empty(), "{verdict:#?}");
    assert!(run.result_file("console.log").contains("Kernel panic - not syncing"));
}

fn shows_the_oops(verdict: &Verdict) {
    for line in ["Oops: 0", "RIP: 0010:", "emulate_tpu_store", "Call Trace:"] {
        assert!(verdict.lines.contains(line), "no {line:?} in {verdict:#?}");
    }
}

#[test]
fn an_oops_is_kernel_bug() {
    let run = provoke("oops", &[]);
    let verdict = run.verdict("kernel-bug", 6);
    shows_the_oops(&verdict);
    assert!(verdict.also.is_empty(), "{verdict:#?}");
    run.shows("emulate_tpu_store").shows("KERNEL-BUG (exit 6)");
}

#[test]
fn an_oops_that_panics_is_panic_and_also_kernel_bug() {
    let verdict = provoke("oops", &["--append", "oops=panic"]).verdict("panic", 5);
    assert_eq!(verdict.also, ["kernel-bug"]);
    shows_the_oops(&verdict);
    assert!(verdict.lines.contains("Kernel panic - not syncing: Fatal exception"), "{verdict:#?}");
}

#[test]
fn a_guest_that_never_finishes_is_timeout() {
    let verdict = provoke("hang", &["--timeout", "20s"]).verdict("timeout", 7);
    // Silence is not death: it is said when the agent was last heard of.
    assert!(verdict.reason.contains("20 s") && verdict.reason.contains("last heard of"));
}

#[test]
fn an_agent_that_ends_by_itself_is_agent_lost() {
    let verdict = provoke("agent-exit", &[]).verdict("agent-lost", 8);
    assert!(verdict.also.is_empty(), "{verdict:#?}");
    assert!(verdict.lines.contains("Attempted to kill init"), "{verdict:#?}");
}

#[test]
fn an_agent_that_panics_is_agent_lost_and_powers_off() {
    let run = provoke("agent-panic", &[]);
    let verdict = run.verdict("agent-lost", 8);
    assert!(verdict.reason.contains("panicked") && verdict.reason.contains("provoked"));
    let console = run.result_file("console.log");
    assert!(!console.contains("Kernel panic"), "it never returns to the kernel:\n{console}");
}

#[test]
fn a_channel_cut_from_outside_is_agent_lost() {
    tools::vhost_device_vsock();
    let lunlab = Lunlab::run().args(["--transport", "vhost-user-vsock"]);
    let run = lunlab.spec(&crate::specs::measured(30, "iops >= 1")).start();
    run.wait_for("measuring");
    run.leftovers().running("vhost-device-vsock").signal(Signal::KILL);
    let verdict = run.leaves_nothing().verdict("agent-lost", 8);
    assert!(verdict.reason.contains("SIGKILL"), "{verdict:#?}");
}

#[test]
fn a_target_the_kernel_refuses_is_provision_in_its_own_words() {
    let refuse = ["--append", "module_blacklist=target_core_file"];
    let run = Lunlab::run().args(refuse).spec(SHORT).start();
    run.wait_for("the agent is connected");
    let run = run.leaves_nothing();
    let verdict = run.verdict("provision", 9);
    for word in ["finit_module", "target_core_file", "EPERM"] {
        assert!(verdict.reason.contains(word), "no {word:?} in {verdict:#?}");
    }
    assert!(verdict.lines.contains("Module target_core_file is blacklisted"), "{verdict:#?}");
    run.shows("PROVISION (exit 9)");
}
