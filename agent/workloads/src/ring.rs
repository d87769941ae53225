//! Reads and writes in flight on one file, by io_uring.
//!
//! The only unsafe module of the program: a request's memory belongs to the kernel until its
//! completion was taken, which no borrow expresses. The ring therefore owns the memory and the file,
//! lends a slot only while no request is in flight on it, and frees nothing before all are back.

#![expect(unsafe_code, reason = "memory that the kernel writes to")]

use io_uring::{IoUring, opcode, types};
use rustix::fd::{AsRawFd, OwnedFd};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;

/// O_DIRECT wants memory in the device's blocks: a page is enough for all of them.
const ALIGNMENT: usize = 4096;

/// A ring, its slots and its file.
pub(crate) struct Ring {
    ring: IoUring,
    file: OwnedFd,
    memory: NonNull<u8>,
    layout: Layout,
    size: u32,
    in_flight: Vec<bool>,
}

/// A request that is over: its slot, and the bytes it moved or a negative error number.
pub(crate) type Completion = (usize, i32);

impl Ring {
    /// A ring over `file` with so many slots of `size` bytes each.
    ///
    /// # Errors
    /// What io_uring_setup(2) came to; `Unsupported` where io_uring is older than Linux 5.6, which
    /// brought IORING_OP_READ; `OutOfMemory`.
    pub(crate) fn new(file: OwnedFd, slots: u32, size: u32) -> io::Result<Self> {
        let ring = IoUring::new(slots.max(1))?;
        if !ring.params().is_feature_rw_cur_pos() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let slots = usize::try_from(slots.max(1)).unwrap_or(usize::MAX);
        let bytes = slots.checked_mul(size as usize).filter(|bytes| *bytes > 0);
        let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes, ALIGNMENT).ok());
        let layout = layout.ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: the layout's size is not 0, as filtered above.
        let memory = unsafe { alloc_zeroed(layout) };
        let memory = NonNull::new(memory).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { ring, file, memory, layout, size, in_flight: vec![false; slots] })
    }

    /// The memory of a slot; nothing while a request is in flight on it.
    pub(crate) fn slot(&mut self, slot: usize) -> Option<&mut [u8]> {
        let memory = self.address(slot)?;
        // SAFETY: `address` gives the beginning of `size` initialized bytes that this ring owns and
        // that no request is in flight on; the borrow of the ring keeps one from being started.
        Some(unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), self.size as usize) })
    }

    /// Where an idle slot begins.
    fn address(&self, slot: usize) -> Option<NonNull<u8>> {
        self.in_flight.get(slot).filter(|in_flight| !**in_flight)?;
        // SAFETY: a slot of that number exists, so the sum lies within the one allocation.
        Some(unsafe { self.memory.add(slot * self.size as usize) })
    }

    /// Readies a request on an idle slot; [`Ring::wait`] hands it to the kernel.
    ///
    /// # Errors
    /// When the slot is not idle.
    pub(crate) fn start(&mut self, slot: usize, read: bool, offset: u64) -> io::Result<()> {
        let memory = self.address(slot).ok_or(io::ErrorKind::ResourceBusy)?.as_ptr();
        let file = types::Fd(self.file.as_raw_fd());
        let entry = if read {
            opcode::Read::new(file, memory, self.size).offset(offset).build()
        } else {
            opcode::Write::new(file, memory, self.size).offset(offset).build()
        };
        let entry = entry.user_data(slot as u64);
        // SAFETY: file and memory live as long as the ring, which drops them only once every request
        // is back, and nobody touches the slot while it is in flight.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.map_err(|_| io::ErrorKind::QuotaExceeded)?;
        self.in_flight[slot] = true;
        Ok(())
    }

    /// Hands over what was readied, and waits until at least one request is over.
    ///
    /// # Errors
    /// What io_uring_enter(2) came to.
    pub(crate) fn wait(&mut self, into: &mut Vec<Completion>) -> io::Result<()> {
        into.clear();
        while let Err(error) = self.ring.submit_and_wait(1) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        for entry in self.ring.completion() {
            let slot = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
            if let Some(in_flight) = self.in_flight.get_mut(slot) {
                *in_flight = false;
                into.push((slot, entry.result()));
            }
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut over = Vec::new();
        while self.in_flight.contains(&true) {
            if self.wait(&mut over).is_err() {
                // What the kernel may still write to is better lost than given to others.
                return;
            }
        }
        // SAFETY: it was allocated with this layout, and nothing is in flight on it any more.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;
    use std::os::fd::OwnedFd;

    fn ring(slots: u32) -> Ring {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        Ring::new(OwnedFd::from(file), slots, 4096).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_every_request_comes_back() {
        let mut ring = ring(3);
        for read in [false, true] {
            for slot in 0..3 {
                let byte = u8::try_from(slot + 1).unwrap();
                ring.slot(slot).unwrap().fill(if read { 0 } else { byte });
                ring.start(slot, read, slot as u64 * 4096).unwrap();
                assert!(ring.slot(slot).is_none());
                assert!(ring.start(slot, read, 0).is_err());
            }
            let (mut back, mut batch) = (Vec::new(), Vec::new());
            while back.len() < 3 {
                ring.wait(&mut batch).unwrap();
                back.append(&mut batch);
            }
            back.sort_unstable();
            assert_eq!(back, [(0, 4096), (1, 4096), (2, 4096)]);
            for slot in 0..3 {
                let byte = u8::try_from(slot + 1).unwrap();
                assert!(ring.slot(slot).unwrap().iter().all(|found| *found == byte));
            }
        }
        assert!(ring.slot(3).is_none());
        assert_eq!(ring.slot(0).unwrap().as_ptr().align_offset(super::ALIGNMENT), 0);
    }

    #[test]
    fn a_ring_goes_with_requests_in_flight() {
        let mut ring = ring(8);
        for slot in 0..8 {
            ring.start(slot, false, 0).unwrap();
        }
        drop(ring);
    }
}
