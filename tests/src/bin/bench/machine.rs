//! What was measured on, and whether two command lines of QEMU's are the same machine.

use crate::Subject;

/// The machine and the kernel under test.
pub(crate) fn describe(subject: &Subject) -> Vec<(&'static str, String)> {
    let plan = &subject.plan;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let host_kernel = read("/proc/sys/kernel/osrelease");
    vec![
        ("cpu", format!("{}, {cores} cores, load {}", cpu_model(), load())),
        ("host kernel", host_kernel),
        ("qemu", plan.program.version.clone()),
        ("accelerator", format!("{}: {}", plan.accelerator.accelerator, plan.accelerator.reason)),
        ("transport", plan.transport.transport.name().to_owned()),
        ("kernel", format!("{}, {}", plan.kernel.release, plan.boot.mode)),
        ("lunlab", subject.lunlab.display().to_string()),
    ]
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn cpu_model() -> String {
    let text = read("/proc/cpuinfo");
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':'])).to_owned()
}

/// How busy the host was in the last minute, this program apart.
fn load() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()
}

/// A command line without what is another in every run: its directory, and a CID the host's kernel
/// gave.
pub(crate) fn comparable(argv: &[String]) -> Vec<String> {
    let initrd = argv.iter().skip_while(|word| *word != "-initrd").nth(1);
    let directory = initrd.and_then(|path| path.rsplit_once('/')).map_or("", |(dir, _)| dir);
    argv.iter().map(|word| without_cid(word).replace(directory, "RUN")).collect()
}

fn without_cid(word: &str) -> String {
    let parts = word.split(',');
    let kept = parts.map(|part| if part.starts_with("guest-cid=") { "guest-cid=N" } else { part });
    kept.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::comparable;

    fn argv(line: &str) -> Vec<String> {
        comparable(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn directory_and_cid_are_a_runs_own_and_all_else_counts() {
        let one = argv("qemu -device vhost-vsock-pci,guest-cid=77,vhostfd=3 -initrd /t/a/initrd");
        let two = argv("qemu -device vhost-vsock-pci,guest-cid=9,vhostfd=3 -initrd /t/b/initrd");
        assert_eq!(one, two);
        let more =
            argv("qemu -device vhost-vsock-pci,guest-cid=9,vhostfd=3 -initrd /t/b/initrd -s");
        assert_ne!(one, more);
        assert_ne!(argv("qemu -append a -initrd /x/i"), argv("qemu -append b -initrd /x/i"));
    }
}
