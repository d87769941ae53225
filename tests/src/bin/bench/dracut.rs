//! The recipe that lunlab replaces, measured beside it where dracut is installed: an image by
//! dracut, booted to the shell in which a person would now set the target up by hand.
//!
//! In the recipe's favour, its network is left out, for whose address it would wait, and so is
//! systemd, with which today's dracut never comes to a shell by itself; what would be typed into
//! the shell is not counted.

use crate::figures::{Figure, Report};
use crate::floor::{self, End};
use crate::{Failure, Subject};
use lunlab::kernel::ModulesDir;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the recipe has in its image.
const DRIVERS: &str =
    "iscsi_target_mod target_core_mod target_core_file target_core_iblock configfs";
const PROGRAMS: &str = "ps grep netstat";
const MODULES: &str = "bash base shutdown";
const NOT_MODULES: &str =
    "systemd systemd-networkd systemd-sysusers dbus dbus-daemon network ifcfg";

/// What dracut says before its shell, and the shell's prompt.
const AT_THE_SHELL: [&str; 2] = ["Dropping to debug shell", "dracut:/#"];

/// How long its shell is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

const TICK: Duration = Duration::from_millis(500);

/// The image that dracut made.
pub(crate) struct Recipe {
    image: Vec<u8>,
}

/// Makes the image, and reports what that took; without dracut, that there is none.
///
/// # Errors
/// When files cannot be written; what dracut itself cannot do is only remarked.
pub(crate) fn prepare(subject: &Subject, report: &mut Report) -> Result<Option<Recipe>, Failure> {
    if Command::new("dracut").arg("--version").output().is_err() {
        report.remark("dracut is not installed: its recipe was not measured");
        return Ok(None);
    }
    let scratch = tempfile::tempdir()?;
    let kernel = &subject.plan.kernel;
    let Some(ModulesDir::Installed(modules)) = &kernel.modules else {
        report.remark("dracut's recipe needs a modules directory: not measured");
        return Ok(None);
    };
    if let Err(problem) = index_modules(modules, &kernel.release, scratch.path()) {
        report.remark(format!("dracut's recipe was not measured: {problem}"));
        return Ok(None);
    }
    let image = scratch.path().join("initramfs");
    let begun = Instant::now();
    let built = run(dracut(&kernel.release, scratch.path(), &image));
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    if let Err(problem) = built {
        report.remark(format!("dracut's recipe was not measured: {problem}"));
        return Ok(None);
    }
    let image = fs::read(image)?;
    let megabytes = u32::try_from(image.len()).map_or(f64::INFINITY, f64::from) / 1e6;
    report.add(Figure::single("dracut recipe: image built", "ms", took));
    report.add(Figure::single("dracut recipe: image size", "MB", megabytes));
    Ok(Some(Recipe { image }))
}

/// A modules directory with the index that dracut wants and the kernel's package has not got.
fn index_modules(modules: &Path, release: &str, scratch: &Path) -> Result<(), Failure> {
    let indexed = scratch.join("lib/modules").join(release);
    fs::create_dir_all(&indexed)?;
    for entry in fs::read_dir(modules)? {
        let entry = entry?;
        symlink(entry.path(), indexed.join(entry.file_name()))?;
    }
    let mut depmod = Command::new("depmod");
    depmod.arg("--basedir").arg(scratch).arg(release);
    run(depmod)
}

fn dracut(release: &str, scratch: &Path, image: &Path) -> Command {
    let mut dracut = Command::new("dracut");
    dracut
        .args(["--kver", release, "--force", "--no-hostonly", "--kmoddir"])
        .arg(scratch.join("lib/modules").join(release))
        .args([
            "--drivers",
            DRIVERS,
            "--install",
            PROGRAMS,
            "--modules",
            MODULES,
            "--omit",
            NOT_MODULES,
        ])
        .arg(image);
    dracut
}

fn run(mut command: Command) -> Result<(), Failure> {
    let name = command.get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("run {name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().last().unwrap_or_default();
    Err(format!("{name}: {}: {last}", output.status).into())
}

/// Boots the image in the machine of a run; gives the milliseconds to its shell.
///
/// # Errors
/// When the shell does not appear.
pub(crate) fn boot(subject: &Subject, recipe: &Recipe) -> Result<f64, Failure> {
    let mut reached = None;
    let mut seen = Vec::new();
    let booted = floor::boot(subject, &recipe.image, without_rdinit, |console| {
        // A console that is silent is looked away from now and then, to see how late it is.
        let _blocks_without = console.set_read_timeout(Some(TICK));
        (seen, reached) = read_to_the_shell(console, Instant::now() + PATIENCE);
        End::Killed
    })?;
    match reached {
        Some(at) => Ok((at - booted.begun).as_secs_f64() * 1000.0),
        None => {
            let seen = String::from_utf8_lossy(&seen);
            let last = seen.lines().last().unwrap_or_default();
            let words = booted.ended.words;
            Err(format!("dracut's image did not come to its shell: {words} {last}").into())
        }
    }
}

/// dracut's `/init` is the kernel's default.
fn without_rdinit(argv: Vec<String>) -> Vec<String> {
    argv.into_iter().map(|word| word.replace(" rdinit=/init", "")).collect()
}

fn read_to_the_shell(console: &mut impl Read, deadline: Instant) -> (Vec<u8>, Option<Instant>) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while Instant::now() < deadline {
        match console.read(&mut buffer) {
            Ok(n) if n > 0 => seen.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => break,
        }
        let text = String::from_utf8_lossy(&seen);
        if AT_THE_SHELL.iter().any(|words| text.contains(words)) {
            return (seen, Some(Instant::now()));
        }
    }
    (seen, None)
}

#[cfg(test)]
mod tests {
    use super::read_to_the_shell;
    use std::time::{Duration, Instant};

    #[test]
    fn the_shell_is_known_by_its_words_and_not_by_the_end() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut console: &[u8] = b"dracut: FATAL: No or empty root= argument\n\ndracut:/# ";
        assert!(read_to_the_shell(&mut console, deadline).1.is_some());
        let mut console: &[u8] = b"Kernel panic\n";
        let (seen, reached) = read_to_the_shell(&mut console, deadline);
        assert_eq!((seen.as_slice(), reached), (&b"Kernel panic\n"[..], None));
    }
}
