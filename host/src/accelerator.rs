//! Choosing the accelerator: KVM where a small known-good guest really runs under it, else TCG.
//!
//! A /dev/kvm that opens proves little: in nested clouds without vmx or svm it may run real mode and still fail, or be
//! thousands of times too slow, at the first 64-bit kernel code. So the probe guest (probe/guest.S) does what a kernel does
//! first, within a deadline. The kernel under test is never retried on another accelerator: that could hide its own bug.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use crate::cache::{Cache, Record};
use crate::digest::Digest;
use crate::error::Error;
use crate::qemu::program::Program;

/// The probe guest as build.rs assembled it.
static GUEST: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.elf"));

/// QEMU's status when the guest reports 42 and 43: isa-debug-exit makes it `(value << 1) | 1`.
const SURVIVED: i32 = 85;
const INT3_NOT_TAKEN: i32 = 87;

/// Firmware and loop take 0.2 s where they run at all. The tests' stand-ins for QEMU end by
/// themselves, however busy the machine is.
const DEADLINE: Duration = Duration::from_millis(if cfg!(test) { 20_000 } else { 700 });

/// How long a missed deadline is believed: the host may have been busy.
const DOUBT: Duration = Duration::from_secs(600);

/// What `--accelerator` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceleratorChoice {
    /// KVM where it works, else TCG.
    #[default]
    Auto,
    /// KVM or nothing.
    Kvm,
    /// QEMU's own translator.
    Tcg,
}

impl AcceleratorChoice {
    /// The words for it in specs and on the command line.
    pub const WORDS: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("kvm", Self::Kvm), ("tcg", Self::Tcg)];
}

/// What QEMU runs the guest with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's hardware.
    Kvm,
    /// QEMU's own translator.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

/// An accelerator, and why it and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// The reason, in words to be shown.
    pub reason: String,
}

/// Why KVM will not do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    reason: String,
    hint: Option<&'static str>,
}

impl Refusal {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }
}

/// Chooses; the probe's result is remembered until the host reboots or its QEMU changes.
///
/// # Errors
/// Environment: KVM was demanded and does not work, or the cache cannot be written.
pub fn choose(choice: AcceleratorChoice, qemu: &Program, cache: &Cache) -> Result<Chosen, Error> {
    if choice == AcceleratorChoice::Tcg {
        return Ok(Chosen { accelerator: Accelerator::Tcg, reason: "asked for".to_owned() });
    }
    let usable = kvm_is_usable(Path::new("/dev/kvm"), qemu, cache)?;
    match (usable, choice) {
        (Ok(reason), _) => Ok(Chosen { accelerator: Accelerator::Kvm, reason }),
        (Err(refusal), AcceleratorChoice::Kvm) => {
            let hint = refusal.hint.unwrap_or("use --accelerator auto or tcg");
            Err(Error::environment(format!("accelerator kvm: {}", refusal.reason)).with_hint(hint))
        }
        (Err(refusal), _) => {
            let hint = refusal.hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            Ok(Chosen {
                accelerator: Accelerator::Tcg,
                reason: format!("{}{hint}", refusal.reason),
            })
        }
    }
}

fn kvm_is_usable(
    device: &Path,
    qemu: &Program,
    cache: &Cache,
) -> Result<Result<String, Refusal>, Error> {
    if let Err(error) = File::options().read(true).write(true).open(device) {
        return Ok(Err(unopenable(device, &error)));
    }
    let outcome = remembered_probe(qemu, cache)?;
    let device = device.display();
    Ok(match outcome {
        Outcome::Ran => Ok(format!("a test guest ran under {device}")),
        Outcome::Failed(what) | Outcome::TooSlow(what) => Err(Refusal::new(format!(
            "{device} is here but a test guest did not run under it: {what}"
        ))),
    })
}

fn unopenable(device: &Path, error: &io::Error) -> Refusal {
    let device = device.display();
    match error.kind() {
        io::ErrorKind::NotFound => Refusal::new(format!("{device} does not exist")),
        io::ErrorKind::PermissionDenied => Refusal {
            reason: format!("{device}: permission denied"),
            hint: Some("add yourself to group kvm: sudo usermod -aG kvm $USER, then log in again"),
        },
        _ => Refusal::new(format!("{device}: {error}")),
    }
}

/// How the probe guest fared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// It did all it had to.
    Ran,
    /// It cannot run here.
    Failed(String),
    /// It missed the deadline, for whatever reason.
    TooSlow(String),
}

fn remembered_probe(qemu: &Program, cache: &Cache) -> Result<Outcome, Error> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let key = format!("{boot_id}\n{}\n{}", qemu.path.display(), Digest::of(GUEST));
    let remembered = cache.recall("accelerator", &key);
    if let Some(outcome) = remembered.and_then(|record| from_facts(&record.facts, now())) {
        return Ok(outcome);
    }
    let mut record = Record::begin();
    record.depends_on(&qemu.path);
    let guest = cache.store("probe", GUEST)?.path;
    let outcome = run_guest(qemu, &["-accel", "kvm", "-cpu", "host"], &guest, DEADLINE)?;
    record.facts = to_facts(&outcome, now());
    cache.record("accelerator", &key, &record);
    Ok(outcome)
}

fn to_facts(outcome: &Outcome, now: u64) -> Vec<String> {
    match outcome {
        Outcome::Ran => vec!["ran".to_owned()],
        Outcome::Failed(what) => vec!["failed".to_owned(), what.clone()],
        Outcome::TooSlow(what) => vec!["too slow".to_owned(), what.clone(), now.to_string()],
    }
}

fn from_facts(facts: &[String], now: u64) -> Option<Outcome> {
    let facts: Vec<_> = facts.iter().map(String::as_str).collect();
    match facts.as_slice() {
        ["ran"] => Some(Outcome::Ran),
        ["failed", what] => Some(Outcome::Failed((*what).to_owned())),
        ["too slow", what, at] => {
            let age = now.checked_sub(at.parse().ok()?)?;
            (age < DOUBT.as_secs()).then(|| Outcome::TooSlow((*what).to_owned()))
        }
        _ => None,
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Runs the guest and judges how it ended.
///
/// timeout(1) keeps the deadline rather than this process, so that a guest that hangs is ended though lunlab be killed.
fn run_guest(
    qemu: &Program,
    accelerator: &[&str],
    guest: &Path,
    deadline: Duration,
) -> Result<Outcome, Error> {
    let mut command = Command::new("timeout");
    command
        .args(["-s", "KILL", &format!("{:.3}", deadline.as_secs_f64())])
        .arg(&qemu.path)
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-machine", "q35", "-m", "32"])
        .args(accelerator)
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel"])
        .arg(guest)
        .stdin(Stdio::null());
    let output = qemu.withheld.keep_from(&mut command).output().map_err(|error| {
        Error::environment(format!("run a test guest with timeout(1): {error}"))
    })?;
    Ok(judge(output.status, &String::from_utf8_lossy(&output.stderr), deadline))
}

fn judge(status: ExitStatus, stderr: &str, deadline: Duration) -> Outcome {
    let complaint = stderr.lines().find(|line| !line.is_empty() && !line.contains("warning:"));
    match (status.code(), status.signal(), complaint) {
        (Some(SURVIVED), _, _) => Outcome::Ran,
        (Some(INT3_NOT_TAKEN), _, _) => Outcome::Failed("its int3 was not taken".to_owned()),
        (_, _, Some(line)) => {
            // QEMU begins its complaints with its name.
            let words = line.split_once(": ").filter(|(name, _)| name.starts_with("qemu-system-"));
            Outcome::Failed(format!("QEMU: {}", words.map_or(line, |(_, words)| words)))
        }
        (_, Some(9), _) | (Some(137), _, _) => {
            Outcome::TooSlow(format!("it did not finish within {} ms", deadline.as_millis()))
        }
        _ => Outcome::Failed(format!("QEMU ended with {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Category;
    use crate::withheld::Withheld;
    use std::path::PathBuf;

    struct Lab {
        dir: tempfile::TempDir,
        cache: Cache,
    }

    impl Lab {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::at(dir.path().join("cache")).unwrap();
            Self { dir, cache }
        }

        /// A QEMU that does what `script` says, and a device that opens.
        fn fake(&self, script: &str) -> (Program, PathBuf) {
            let path = self.dir.path().join("qemu");
            crate::qemu::program::tests::write_script(&path, script);
            let device = self.dir.path().join("kvm");
            fs::write(&device, "").unwrap();
            (Program { path, version: String::new(), withheld: Withheld::default() }, device)
        }

        fn probe(&self, script: &str) -> Result<String, String> {
            let (qemu, device) = self.fake(script);
            kvm_is_usable(&device, &qemu, &self.cache).unwrap().map_err(|refusal| refusal.reason)
        }
    }

    fn run_under_tcg(guest: &[u8], deadline: Duration) -> Outcome {
        let lab = Lab::new();
        let qemu = Program::find(&lab.cache, Withheld::default()).unwrap();
        let guest = lab.cache.store("probe", guest).unwrap().path;
        let args = ["-accel", "tcg", "-cpu", "max"];
        run_guest(&qemu, &args, &guest, deadline).unwrap()
    }

    #[test]
    fn probe_guest_runs_under_tcg() {
        assert_eq!(run_under_tcg(GUEST, Duration::from_secs(20)), Outcome::Ran);
    }

    #[test]
    fn a_guest_that_never_exits_is_ended_and_named_too_slow() {
        // `cli; hlt` at the entry: the guest does nothing, for ever.
        let mut guest = GUEST.to_vec();
        let entry = guest.windows(2).position(|pair| pair == [0xfa, 0xfc]).unwrap();
        guest[entry..entry + 4].copy_from_slice(&[0xfa, 0xf4, 0xeb, 0xfd]);
        let outcome = run_under_tcg(&guest, Duration::from_millis(300));
        assert_eq!(outcome, Outcome::TooSlow("it did not finish within 300 ms".into()));
    }

    #[test]
    fn a_guest_whose_int3_goes_nowhere_fails() {
        // The int3 becomes a nop.
        let mut guest = GUEST.to_vec();
        let at = guest.windows(2).position(|pair| pair == [0xcc, 0x83]).unwrap();
        guest[at] = 0x90;
        let outcome = run_under_tcg(&guest, Duration::from_secs(20));
        assert_eq!(outcome, Outcome::Failed("its int3 was not taken".into()));
    }

    #[test]
    fn a_device_that_is_not_there_or_not_ours_is_said_in_words() {
        let (device, lab) = (Path::new("/dev/kvm"), Lab::new());
        let refusal = unopenable(device, &io::ErrorKind::NotFound.into());
        assert_eq!(refusal.reason, "/dev/kvm does not exist");
        let refusal = unopenable(device, &io::ErrorKind::PermissionDenied.into());
        assert_eq!(refusal.reason, "/dev/kvm: permission denied");
        assert!(refusal.hint.unwrap().contains("group kvm"));
        let (qemu, _) = lab.fake("exit 85");
        let absent = lab.dir.path().join("no-kvm");
        assert!(kvm_is_usable(&absent, &qemu, &lab.cache).unwrap().is_err());
    }

    #[test]
    fn only_the_guests_own_report_counts_as_running() {
        let lab = Lab::new();
        assert!(lab.probe("exit 85").is_ok());
        for (script, what) in [
            ("echo 'warning: x' >&2; echo 'MSR 0x10a' >&2; kill -ABRT $$", "MSR 0x10a"),
            ("exit 87", "int3"),
            ("exit 0", "exit status: 0"),
        ] {
            let reason = lab.probe(script).unwrap_err();
            assert!(reason.contains("a test guest did not run under it"), "{reason}");
            assert!(reason.contains(what), "{script}: {reason}");
        }
    }

    #[test]
    fn a_result_is_remembered_until_qemu_changes() {
        let lab = Lab::new();
        let runs = lab.dir.path().join("runs");
        let script = format!("echo run >> {}; exit 85", runs.display());
        let (qemu, device) = lab.fake(&script);
        let ask = || kvm_is_usable(&device, &qemu, &lab.cache).unwrap().unwrap();
        let count = || fs::read_to_string(&runs).unwrap().lines().count();
        // The first few may come too soon after the file was written for their result to be kept.
        let remembered = (0..1000).any(|_| {
            ask();
            let before = count();
            ask();
            count() == before
        });
        assert!(remembered);
        let before = count();
        (0..20).for_each(|_| drop(ask()));
        assert_eq!(count(), before);
        lab.fake("exit 87");
        assert!(kvm_is_usable(&device, &qemu, &lab.cache).unwrap().is_err());
    }

    #[test]
    fn a_missed_deadline_is_believed_for_ten_minutes_only() {
        let slow = Outcome::TooSlow("slow".into());
        let facts = to_facts(&slow, 1000);
        assert_eq!(from_facts(&facts, 1599), Some(slow));
        assert_eq!(from_facts(&facts, 1600), None);
        for outcome in [Outcome::Ran, Outcome::Failed("x".into())] {
            assert_eq!(from_facts(&to_facts(&outcome, 0), 1 << 40), Some(outcome));
        }
    }

    #[test]
    fn demanding_kvm_where_it_fails_is_an_environment_error() {
        let lab = Lab::new();
        let (qemu, _) = lab.fake("exit 1");
        let auto = choose(AcceleratorChoice::Auto, &qemu, &lab.cache).unwrap();
        assert_eq!(auto.accelerator, Accelerator::Tcg);
        assert!(auto.reason.contains("/dev/kvm"), "{}", auto.reason);
        let error = choose(AcceleratorChoice::Kvm, &qemu, &lab.cache).unwrap_err();
        assert_eq!(error.category(), Category::Environment);
        let tcg = choose(AcceleratorChoice::Tcg, &qemu, &lab.cache).unwrap();
        assert_eq!(tcg.accelerator, Accelerator::Tcg);
    }
}
