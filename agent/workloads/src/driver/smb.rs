//! Workload `smb`: mounts a share of the host's Samba, and reads, writes, makes and removes files on it.
//!
//! `cache=none` and `actimeo=0`: data and attributes come by the wire each time, so it is that which is measured. The interface's
//! own counters are held against what was read and written.

mod dialect;
mod metadata;
mod mount;
mod sequential;
mod wire;

use configfs_rs::Errno;
use dialect::check_dialect;
use lunlab_bench::sampling::{Variant, sample};
use lunlab_bench::smb::given;
use lunlab_bench::unit;
use lunlab_bench::workload::{Observer, Stopped, Told, Values, Whose};
use metadata::Metadata;
use mount::{Mount, Share};
use rustix::fs::statfs;
use sequential::Sequential;
use std::path::Path;
use wire::Wire;

/// Where the share is mounted.
const AT: &str = "/run/lunlab-smb";

/// What the client says its file systems are (fs/smb/common/smb2pdu.h, include/uapi/linux/magic.h).
const MAGIC: [u64; 2] = [0xfe53_4d42, 0xff53_4d42];

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let share = Share::of(values)?;
    let mount = Mount::new(&share, Path::new(AT))?;
    let outcome = measure(values, &share, observer);
    // Also of a run that went well: a connection that was given up and made again is part of what was measured.
    if let Some(said) = mount.complaints() {
        observer.tell(Told::Finding { name: "client", text: &said });
    }
    match outcome {
        Ok(()) => mount.unmount(),
        Err(stopped) => Err(mount.with_log(stopped)),
    }
}

fn measure(values: &Values, share: &Share, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let mut tell = |name: &str, text: &str| observer.tell(Told::Finding { name, text });
    tell("share", &share.shown());
    tell("dialect", &format!("{:#06x}", check_dialect(values.text("vers"))?));
    tell_size(values.number_or_zero(given::TOTAL)?, &mut tell)?;
    let at = Path::new(AT);
    let sequential = Sequential::new(
        at,
        values.number("block_size")?,
        values.number("file_size")?,
        Wire::find()?,
    );
    let metadata = Metadata::new(at, values.number("files")?)?;
    let per_second = |name, act: fn(&Metadata) -> Result<f64, Stopped>| {
        let metadata = &metadata;
        Variant::new(name, unit::PER_SECOND, move || act(metadata))
    };
    // In the order in which one leaves behind what the next needs.
    let mut variants = [
        Variant::new("write", unit::MEGABYTES, || sequential.write()),
        Variant::new("read", unit::MEGABYTES, || sequential.read()),
        per_second("create", Metadata::create),
        per_second("stat", Metadata::stat),
        per_second("list", Metadata::list),
        per_second("rename", Metadata::rename),
        per_second("unlink", Metadata::unlink),
    ];
    // What the client does for its caller is counted with it, and checking what was read as well.
    observer.begin("share", Whose::Own);
    let outcome = sample(&values.budget()?, &mut variants, observer);
    observer.end();
    outcome?;
    drop(variants);
    observer.tell(Told::Finding { name: "wire", text: &sequential.wire_words() });
    Ok(())
}

/// Tells what statfs(2) says, and holds it against the file system that the share is on.
fn tell_size(host_total: u64, tell: &mut dyn FnMut(&str, &str)) -> Result<(), Stopped> {
    let found = statfs(AT).map_err(|errno| failed(&format!("statfs {AT}"), errno))?;
    let number = |value: i64| u64::try_from(value).unwrap_or_default();
    let (kind, block) = (number(found.f_type), number(found.f_bsize));
    let (total, free) =
        (found.f_blocks.saturating_mul(block), found.f_bavail.saturating_mul(block));
    tell("statfs type", &format!("{kind:#x}"));
    tell("statfs block size", &block.to_string());
    tell("statfs total", &total.to_string());
    tell("statfs free", &free.to_string());
    tell("statfs total on the host", &host_total.to_string());
    let wrong = if !MAGIC.contains(&kind) {
        format!(
            "its type is {kind:#x}, and the CIFS client's are {:#x} and {:#x}",
            MAGIC[0], MAGIC[1]
        )
    } else if total == 0 || free > total {
        format!("{free} bytes are free of {total}")
    } else if host_total > 0 && total > host_total {
        // A quota of the user's may make it less.
        format!("it has {total} bytes, and what the share is on has {host_total}")
    } else {
        return Ok(());
    };
    Err(Stopped::Failed(format!("statfs {AT}: {wrong}")))
}

fn failed(what: &str, errno: rustix::io::Errno) -> Stopped {
    Stopped::Failed(format!("{what}: {}", Errno::from(errno)))
}

/// As [`failed`], with the name of the error's number.
fn io_failed(what: &str, path: &Path, error: &std::io::Error) -> Stopped {
    let name = error.raw_os_error().map(|number| Errno::new(number).to_string());
    let name = name.unwrap_or_else(|| error.to_string());
    Stopped::Failed(format!("{what} {}: {name}", path.display()))
}

#[cfg(test)]
mod tests {
    use crate::driver::tests::findings;
    use lunlab_bench::workload::Stopped;

    #[test]
    fn without_a_server_it_is_skipped_with_the_reason() {
        let stopped = findings("smb", &[("vers", "3.1.1")]).unwrap_err();
        let Stopped::Skipped(why) = stopped else { panic!("{stopped}") };
        assert!(why.contains("guest"), "{why}");
    }
}
