//! How much memory a spec needs.

use super::{Backstore, DeviceKind, MIB, Spec, StorageObject};

/// How much memory a machine has before storage is counted, in bytes.
const BASE: u64 = 512 * MIB;

/// What kernel, image and agent need for themselves, in bytes: not to be had for ramdisks.
const RESERVE: u64 = 128 * MIB;

/// What sparse storage has without asking, in bytes.
const SPARSE_FREE: u64 = 128 * MIB;

/// The most that sparse storage adds to the memory of a machine, in bytes.
const SPARSE_MAX: u64 = 2048 * MIB;

impl Spec {
    /// The memory of the machine in bytes: what the spec says, or else 512 MiB, plus all ramdisks, brd devices and
    /// memory-backed `null_blk`, and a 32nd of them, because nothing bounds what they take, plus what files, loop devices and
    /// zram have together beyond 128 MiB, up to 2 GiB of it, because they are sparse and few runs fill them.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let sparse = self.sparse_bytes().saturating_sub(SPARSE_FREE).min(SPARSE_MAX);
        let computed = BASE.saturating_add(self.page_footprint()).saturating_add(sparse);
        let computed = computed.checked_next_multiple_of(MIB).unwrap_or(u64::MAX);
        self.machine.memory.unwrap_or(computed)
    }

    /// The least memory in which what cannot be bounded fits, in bytes.
    #[must_use]
    pub fn memory_needed(&self) -> u64 {
        self.page_footprint().saturating_add(RESERVE)
    }

    /// How large the storage is that cannot be bounded, in bytes.
    pub(super) fn page_bytes(&self) -> u64 {
        self.total(is_made_of_pages)
    }

    /// What sparse storage takes of the guest's memory once all of it was written, in bytes; the guest bounds it.
    pub(super) fn sparse_bytes(&self) -> u64 {
        self.total(is_sparse)
    }

    /// What storage takes that cannot be bounded: its pages, and for each page of a ramdisk a scatterlist entry of 32
    /// bytes and the kernel's own 64 (drivers/target/target_core_rd.c), rounded up to a 32nd.
    fn page_footprint(&self) -> u64 {
        let bytes = self.page_bytes();
        bytes.saturating_add(bytes / 32)
    }

    fn total(&self, counts: fn(&StorageObject) -> bool) -> u64 {
        let sizes = self.storage_objects.iter().filter(|object| counts(object));
        sizes.fold(0, |total, object| object.size.saturating_add(total))
    }
}

/// Whether all its bytes may end up as pages that nothing takes back, and no bound can be set to them.
pub(super) fn is_made_of_pages(object: &StorageObject) -> bool {
    match &object.device {
        None => object.backstore == Backstore::Ramdisk && !object.nullio,
        Some(device) => match device.kind {
            DeviceKind::Brd => true,
            DeviceKind::NullBlk => device.stores_data(),
            DeviceKind::Zram | DeviceKind::Loop | DeviceKind::Disk => false,
        },
    }
}

fn is_sparse(object: &StorageObject) -> bool {
    match &object.device {
        None => object.backstore == Backstore::Fileio,
        Some(device) => matches!(device.kind, DeviceKind::Zram | DeviceKind::Loop),
    }
}
