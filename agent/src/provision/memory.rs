//! How much of the guest's memory storage may take: what is sparse is bounded, so that a write beyond fails instead of the kernel.

use crate::device::{self, Device, DeviceError, StandingDevice};
use crate::mounts::STORAGE_MOUNT;
use configfs_rs::plan::Step;
use lunlab_protocol::target::DeviceKind;
use rustix::fs::statvfs;
use rustix::io::Errno;

/// What is left to the kernel, in bytes, an eighth of what there is: sessions' buffers, dirty pages, the agent.
const RESERVE: std::ops::RangeInclusive<u64> = 32 << 20..=256 << 20;

/// The smallest bound: one with no room at all would be taken for none.
const PAGE: u64 = 4096;

/// What storage can take of the memory, in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    /// By what cannot be bounded and is yet to be taken: pages of ramdisks, brd and `null_blk`.
    pages: u64,
    /// By files on the tmpfs, all of them.
    files: u64,
    /// By each zram.
    zram: Vec<u64>,
}

impl Claims {
    fn of(devices: &[Device], files: &[Step], new: &[Step]) -> Self {
        let sizes = |kinds: &[DeviceKind]| -> Vec<u64> {
            let of_kind = devices.iter().filter(|device| kinds.contains(&device.kind));
            of_kind.filter(|device| device.stores_data()).map(|device| device.size).collect()
        };
        let pages = sum(&sizes(&[DeviceKind::Brd, DeviceKind::NullBlk])) + sum(&ramdisks(new));
        Self {
            // Their own bookkeeping beside them.
            pages: pages.saturating_add(pages / 32),
            files: sum(&sizes(&[DeviceKind::Loop])).saturating_add(sum(&file_sizes(files))),
            zram: sizes(&[DeviceKind::Zram]),
        }
    }

    fn sparse(&self) -> u64 {
        self.files.saturating_add(sum(&self.zram))
    }

    /// Shares what there is out, each as large as its claim allows; nothing where all of it fits.
    fn share(&self, available: u64) -> Option<Bounds> {
        let left =
            available.saturating_sub((available / 8).clamp(*RESERVE.start(), *RESERVE.end()));
        let left = left.saturating_sub(self.pages);
        let all = self.sparse();
        let part = |claim: u64| {
            let part = u128::from(claim) * u128::from(left) / u128::from(all.max(1));
            u64::try_from(part).unwrap_or(u64::MAX).max(PAGE)
        };
        (all > left).then(|| Bounds {
            files: part(self.files),
            zram: self.zram.iter().map(|claim| part(*claim)).collect(),
        })
    }
}

/// The most that each may take, in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Bounds {
    files: u64,
    zram: Vec<u64>,
}

fn sum(sizes: &[u64]) -> u64 {
    sizes.iter().fold(0, |sum, size| sum.saturating_add(*size))
}

fn file_sizes(steps: &[Step]) -> Vec<u64> {
    let size = |step: &Step| match step {
        Step::CreateFile { size, .. } => Some(*size),
        _ => None,
    };
    steps.iter().filter_map(size).collect()
}

fn ramdisks(steps: &[Step]) -> Vec<u64> {
    let pages = |step: &Step| match step {
        Step::WriteAttribute { path, value, .. } if path.name() == "control" => {
            let value = value.expose();
            let pages = value.split(',').find_map(|pair| pair.strip_prefix("rd_pages="))?;
            let none = value.split(',').any(|pair| pair == "rd_nullio=1");
            (!none).then(|| pages.parse::<u64>().unwrap_or(0).saturating_mul(PAGE))
        }
        _ => None,
    };
    steps.iter().filter_map(pages).collect()
}

/// Bounds what is sparse by what the guest has left; `new` is what is about to be carried out, of `all`.
///
/// Gives a sentence about it where there is less than could be written.
pub(super) fn bound(
    wanted: &[Device],
    standing: &[&StandingDevice],
    (all, new): (&[Step], &[Step]),
) -> Result<Option<String>, Box<DeviceError>> {
    let claims = Claims::of(wanted, all, new);
    if claims.sparse() == 0 {
        return Ok(None);
    }
    let used = used_by_files()?;
    let Some(bounds) = claims.share(available()?.saturating_add(used)) else { return Ok(None) };
    bound_files(bounds.files.max(used))?;
    let zram = wanted.iter().filter(|device| device.kind == DeviceKind::Zram);
    for (device, most) in zram.zip(&bounds.zram) {
        if let Some(standing) = standing.iter().find(|standing| standing.name == device.name) {
            device::bound_zram(standing, *most)?;
        }
    }
    let most = (bounds.files + sum(&bounds.zram)) >> 20;
    Ok(Some(format!(
        "sparse storage of {} MiB may take {most} MiB of the guest's memory: a write beyond fails",
        claims.sparse() >> 20
    )))
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available() -> Result<u64, Box<DeviceError>> {
    const PATH: &str = "/proc/meminfo";
    let text = std::fs::read_to_string(PATH).map_err(|error| {
        DeviceError::call("read", PATH, Errno::from_io_error(&error).unwrap_or(Errno::IO))
    })?;
    parse_available(&text)
        .ok_or_else(|| DeviceError::because("read", PATH, "it has no MemAvailable"))
}

fn parse_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn used_by_files() -> Result<u64, Box<DeviceError>> {
    let at = STORAGE_MOUNT.at;
    let found = statvfs(at).map_err(|errno| DeviceError::call("statvfs", at, errno))?;
    Ok(found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(found.f_frsize))
}

fn bound_files(most: u64) -> Result<(), Box<DeviceError>> {
    let options = format!("size={most}");
    STORAGE_MOUNT
        .change(&options)
        .map_err(|errno| DeviceError::call("remount", STORAGE_MOUNT.at, errno).with_value(&options))
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Claims, PAGE, file_sizes, parse_available, ramdisks};
    use configfs_rs::plan::Step;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_fits_is_not_bounded_and_what_does_not_is_shared_out() {
        let claims = Claims { pages: 100 * MIB, files: 300 * MIB, zram: vec![100 * MIB] };
        assert_eq!(claims.share(600 * MIB), None);
        let bounds = claims.share(400 * MIB).unwrap();
        // 400, less an eighth, less the pages: 250 for 400.
        assert_eq!(bounds, Bounds { files: 187 * MIB + MIB / 2, zram: vec![62 * MIB + MIB / 2] });
    }

    #[test]
    fn where_nothing_is_left_the_bound_is_a_page_and_no_number_overflows() {
        let claims = Claims { pages: u64::MAX, files: u64::MAX, zram: vec![u64::MAX; 3] };
        for available in [0, MIB, u64::MAX] {
            let bounds = claims.share(available).unwrap();
            assert_eq!(bounds, Bounds { files: PAGE, zram: vec![PAGE; 3] });
        }
        assert!(Claims { pages: 0, ..claims }.share(u64::MAX).unwrap().files > PAGE);
    }

    #[test]
    fn files_and_ramdisks_are_found_among_the_steps() {
        let write = |value| Step::write("target/core/rd_mcp_0/a/control", value, false, None);
        let steps = [
            Step::create_file("/run/lunlab/a.img", 7).unwrap(),
            write("rd_pages=3").unwrap(),
            write("rd_pages=9,rd_nullio=1").unwrap(),
            write("rd_pages=junk").unwrap(),
            write("fd_dev_name=/x,fd_dev_size=512").unwrap(),
        ];
        assert_eq!(file_sizes(&steps), [7]);
        assert_eq!(ramdisks(&steps), [3 * PAGE, 0]);
    }

    #[test]
    fn available_memory_is_read_or_known_to_be_absent() {
        let text = "MemTotal:  500 kB\nMemAvailable:     331244 kB\nBuffers: 0 kB\n";
        assert_eq!(parse_available(text), Some(331_244 * 1024));
        for text in
            ["", "MemAvailable: x kB", "MemAvailable: 5", "MemAvailable: 18446744073709551615 kB"]
        {
            assert_eq!(parse_available(text), None, "{text}");
        }
    }
}
