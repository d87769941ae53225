//! A trial of the disks: QEMU opens them for a machine that never runs, so that what it refuses is known before anything boots.

use crate::error::Error;
use crate::guardian::Guardian;
use crate::qemu::device::Device;
use crate::qemu::disk::{Drive, devices};
use crate::qemu::process::read_words;
use crate::spec::{DiskAio, DiskCache};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long QEMU may take, which is less than a tenth of a second where nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// What makes it end well once all is open.
const QUIT: &[u8] = br#"{"execute":"qmp_capabilities"}{"execute":"quit"}"#;

/// QEMU's command line for a trial of these disks.
#[must_use]
pub fn argv(program: &Path, drives: &[Drive]) -> Vec<String> {
    let mut all = vec![program.display().to_string()];
    let fixed =
        "-machine q35 -S -m 16M -nodefaults -no-user-config -display none -sandbox on -qmp stdio";
    all.extend(fixed.split(' ').map(str::to_owned));
    all.extend(devices(drives.to_vec()).iter().flat_map(|device| device.qemu_args()));
    all
}

/// Has QEMU open the disks, writing to none of them.
///
/// # Errors
/// Environment: QEMU refuses one (a way of I/O that it or the host's kernel lacks, an image in use, a file system without O_DIRECT,
/// more disks than the machine has slots), or does not run.
pub fn open_drives(
    program: &Path,
    drives: &[Drive],
    directory: &Path,
    guardian: &Guardian,
) -> Result<(), Error> {
    if drives.is_empty() {
        return Ok(());
    }
    let mut qemu = super::process::command(&argv(program, drives), directory)?;
    qemu.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |error| Error::environment(format!("start {}: {error}", program.display()));
    let mut qemu = guardian.guard(&mut qemu).spawn().map_err(failed)?;
    let (status, words) = finish(&mut qemu)?;
    if status.success() { Ok(()) } else { Err(refusal(drives, &words, status)) }
}

/// Waits for its end, or ends it.
fn finish(qemu: &mut Child) -> Result<(ExitStatus, String), Error> {
    let (input, stderr) = (qemu.stdin.take(), qemu.stderr.take());
    let (ended, end) = channel();
    let reader = std::thread::Builder::new().name("disk trial".into()).spawn(move || {
        // A QEMU that has ended does not read; its status tells.
        let _unread = input.map(|mut input| input.write_all(QUIT));
        let words = stderr.map(|stderr: std::process::ChildStderr| read_words(stderr.take(4096)));
        let _nobody_waits = ended.send(words.unwrap_or_default());
    });
    let failed = |error| Error::environment(format!("wait for QEMU's trial of the disks: {error}"));
    drop(reader.map_err(failed)?);
    let words = end.recv_timeout(PATIENCE);
    if words.is_err() {
        // One that has just ended is reaped below all the same.
        let _ended = qemu.kill();
    }
    let status = qemu.wait().map_err(failed)?;
    Ok((status, words.unwrap_or_else(|_| format!("not open after {} s", PATIENCE.as_secs()))))
}

/// Which disk it is about, and QEMU's words for it.
fn refusal(drives: &[Drive], words: &str, status: ExitStatus) -> Error {
    let named = drives.iter().find_map(|drive| {
        let args = drive.qemu_args();
        let cause = args.iter().find_map(|arg| words.split_once(&format!(" {arg}: ")))?.1;
        Some((drive, cause.lines().collect::<Vec<_>>().join(", ")))
    });
    match named {
        Some((drive, cause)) => {
            let refused = Error::environment(format!("disk {}: QEMU: {cause}", drive.disk.serial));
            match hint(drive) {
                Some(hint) => refused.with_hint(hint),
                None => refused,
            }
        }
        None => Error::environment(format!("QEMU's trial of the disks: {status}: {words}")),
    }
}

/// The settings that not every host or file system can have.
fn hint(drive: &Drive) -> Option<&'static str> {
    if drive.disk.aio == DiskAio::IoUring {
        Some(
            "io_uring is up to QEMU's build and to the host (kernel.io_uring_disabled); aio = \"threads\" works everywhere",
        )
    } else if matches!(drive.disk.cache, DiskCache::None | DiskCache::Directsync) {
        Some(
            "its file system may lack O_DIRECT, as tmpfs does before Linux 6.6: cache = \"writeback\" does not need it, and XDG_RUNTIME_DIR says where scratch disks are",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;
    use crate::qemu::disk::drives;
    use crate::qemu::disk::tests::scratch;
    use crate::spec::{Bus, Disk, DiskAio};
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::ExitStatus;

    #[test]
    fn what_qemu_refuses_is_told_of_the_disk_it_is_about() {
        let disks = [
            scratch("one", Bus::Nvme),
            Disk { aio: DiskAio::IoUring, ..scratch("two", Bus::VirtioBlk) },
        ];
        let drives = drives(&disks, Path::new("/r"));
        let told = |words: &str| refusal(&drives, words, ExitStatus::from_raw(256));
        let drive = drives[1].drive_value();
        let error = told(&format!("qemu-system-x86_64: -drive {drive}: invalid aio option"));
        assert_eq!(error.to_string(), "disk two: QEMU: invalid aio option");
        assert!(error.hint().unwrap().contains("kernel.io_uring_disabled"));
        let error = told("q: -device nvme,drive=disk-one,serial=one: Failed to get lock\nIn use?");
        assert_eq!(error.to_string(), "disk one: QEMU: Failed to get lock, In use?");
        assert_eq!(error.hint(), None);
        let error = told("cannot open shared object");
        let expected = "QEMU's trial of the disks: exit status: 1: cannot open shared object";
        assert_eq!(error.to_string(), expected);
    }
}
