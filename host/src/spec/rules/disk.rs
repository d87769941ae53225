//! QEMU's disks.

use super::{Finding, check_repeats, not_a_multiple, size_out_of_range, top};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::name::check_disk_serial;
use crate::spec::{Disk, DiskAio, DiskCache, DiskContent, STORAGE_OBJECT_SIZE, Spec};

/// How many disks a machine may have: each takes a slot of QEMU's only PCI bus, which others need
/// as well.
const DISKS_MAX: usize = 16;

pub(super) fn check(spec: &Spec, findings: &mut Vec<Finding>) {
    for (index, disk) in spec.disks.iter().enumerate() {
        check_disk(disk, &top("disk").index(index), findings);
    }
    let serial = |(index, disk): (usize, &Disk)| {
        (top("disk").index(index).key("serial"), quoted(&disk.serial))
    };
    let serials: Vec<_> = spec.disks.iter().enumerate().map(serial).collect();
    check_repeats(&serials, "the serial of another disk", "take another serial", findings);
    if spec.disks.len() > DISKS_MAX {
        let message = format!("there are {}, at most {DISKS_MAX} are allowed", spec.disks.len());
        let finding = Finding::new(top("disk").index(DISKS_MAX), message);
        findings.push(finding.way_out("leave the rest out, or take loop or brd devices"));
    }
}

fn check_disk(disk: &Disk, path: &KeyPath, findings: &mut Vec<Finding>) {
    if let Err(error) = check_disk_serial(&disk.serial) {
        findings.push(Finding::new(path.key("serial"), error));
    }
    match &disk.content {
        DiskContent::Scratch => check_size(disk.size, path.key("size"), findings),
        DiskContent::Image { path: image, .. } => {
            let shown = image.to_string_lossy();
            if shown.chars().any(char::is_control) {
                let message = format!("{} has a control character", quoted(&shown));
                let finding = Finding::new(path.key("image"), message);
                findings.push(finding.way_out("give the file another name"));
            }
            let before = findings.len();
            check_size(disk.size, path.key("image"), findings);
            for finding in &mut findings[before..] {
                finding.hint =
                    Some("name another image, or let truncate -s make it larger".to_owned());
            }
        }
    }
    let direct = matches!(disk.cache, DiskCache::None | DiskCache::Directsync);
    if disk.aio == DiskAio::Native && !direct {
        let message =
            format!("native needs a cache of none or directsync, not {}", { disk.cache.name() });
        let finding = Finding::new(path.key("aio"), message).given(vec![path.key("cache")]);
        findings.push(finding.way_out("cache = \"none\""));
    }
}

fn check_size(size: u64, path: KeyPath, findings: &mut Vec<Finding>) {
    if !STORAGE_OBJECT_SIZE.contains(&size) {
        findings.push(Finding::new(path, size_out_of_range(size, &STORAGE_OBJECT_SIZE)));
    } else if !size.is_multiple_of(512) {
        findings.push(Finding::new(path, not_a_multiple(size, 512)));
    }
}
