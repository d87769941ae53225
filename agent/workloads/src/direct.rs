//! Reading and writing past the page cache: what another path wrote is seen, and what is written is
//! seen by every other path.

use configfs_rs::Errno;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SeekFrom, fsync, open, seek};
use rustix::io::{pread, pwrite};

/// O_DIRECT wants memory, offsets and lengths in the device's blocks; this is a multiple of all
/// that Linux had before large ones came (6.15), and a page.
const ALIGNMENT: usize = 4096;

/// Bytes moved at a time.
const PIECE: usize = 64 * ALIGNMENT;

/// A part of a file or device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// An open file or device.
pub(crate) struct Direct {
    path: String,
    fd: OwnedFd,
    size: u64,
    direct: bool,
}

impl Direct {
    /// Opens it with O_DIRECT, or without where its file system has none: a tmpfs (before 6.6) is
    /// itself the page cache.
    pub(crate) fn open(path: &str, access: OFlags) -> Result<Self, String> {
        let flags = access | OFlags::CLOEXEC;
        let error = |errno| format!("open {path}: {}", Errno::from(errno));
        let (fd, direct) = match open(path, flags | OFlags::DIRECT, Mode::empty()) {
            Err(rustix::io::Errno::INVAL) => {
                (open(path, flags, Mode::empty()).map_err(error)?, false)
            }
            other => (other.map_err(error)?, true),
        };
        let failed = |errno| format!("seek to the end of {path}: {}", Errno::from(errno));
        let size = seek(&fd, SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), fd, size, direct })
    }

    /// The range asked for; a length of 0 goes to the end.
    pub(crate) fn range(&self, offset: u64, length: u64) -> Result<Range, String> {
        let Self { path, size, .. } = self;
        let left = size.checked_sub(offset).filter(|left| *left >= length).ok_or_else(|| {
            format!("{path} has {size} bytes: too few for {length} from {offset} on")
        })?;
        Ok(Range { offset, length: if length == 0 { left } else { length } })
    }

    /// Gives the bytes of a range in order, in pieces.
    pub(crate) fn read(&self, range: Range, mut take: impl FnMut(&[u8])) -> Result<(), String> {
        let mut memory = Memory::new();
        let buffer = memory.aligned();
        let end = range.offset.saturating_add(range.length);
        // Whole blocks around the range are read, and what was not asked for is left out.
        let mut before = usize::try_from(range.offset % ALIGNMENT_U64).unwrap_or(0);
        let mut at = range.offset - range.offset % ALIGNMENT_U64;
        while at < end {
            let count = self.read_at(buffer, at)?;
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(count);
            take(buffer.get(before..wanted).unwrap_or(&[]));
            before = 0;
            at = at.saturating_add(count as u64);
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, String> {
        let count = pread(&self.fd, &mut *buffer, at)
            .map_err(|errno| format!("read {} at {at}: {}", self.path, Errno::from(errno)))?;
        // In the middle a read that is short is no whole number of blocks only where the file ends.
        let whole = count == buffer.len() || at.saturating_add(count as u64) >= self.size;
        match (count, whole) {
            (0, _) => Err(format!("read {} at {at}: it ends before its size", self.path)),
            (_, true) => Ok(count),
            (_, false) if count.is_multiple_of(ALIGNMENT) => Ok(count),
            (_, false) => Err(format!("read {} at {at}: only {count} bytes", self.path)),
        }
    }

    /// Writes a range, in pieces that `fill` is given with their offsets, and makes it durable.
    pub(crate) fn write(
        &self,
        range: Range,
        mut fill: impl FnMut(u64, &mut [u8]),
    ) -> Result<(), String> {
        let mut memory = Memory::new();
        let buffer = memory.aligned();
        let (mut at, mut left) = (range.offset, range.length);
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
            let piece = &mut buffer[..count];
            fill(at, piece);
            self.write_at(piece, at)?;
            at = at.saturating_add(count as u64);
            left -= count as u64;
        }
        fsync(&self.fd).map_err(|errno| format!("fsync {}: {}", self.path, Errno::from(errno)))
    }

    fn write_at(&self, piece: &[u8], at: u64) -> Result<(), String> {
        match pwrite(&self.fd, piece, at) {
            Ok(count) if count == piece.len() => Ok(()),
            Ok(count) => {
                Err(format!("write {} at {at}: {count} of {} bytes", self.path, piece.len()))
            }
            Err(errno) => Err(format!("write {} at {at}: {}", self.path, Errno::from(errno))),
        }
    }

    /// Its path and the file itself.
    pub(crate) fn into_parts(self) -> (String, OwnedFd) {
        (self.path, self.fd)
    }

    /// How it was opened, for the result.
    pub(crate) fn way(&self) -> &'static str {
        if self.direct { "direct" } else { "page cache" }
    }
}

/// [`ALIGNMENT`] where offsets are counted.
const ALIGNMENT_U64: u64 = 4096;

/// Memory in which aligned bytes are found without unsafe code.
struct Memory(Vec<u8>);

impl Memory {
    fn new() -> Self {
        Self(vec![0; PIECE + ALIGNMENT])
    }

    fn aligned(&mut self) -> &mut [u8] {
        let skip = self.0.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        &mut self.0[skip..skip + PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT, Direct, Memory, PIECE, Range};
    use rustix::fs::OFlags;

    fn file(length: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
        use std::io::Write;
        let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file.as_file().sync_all().unwrap();
        (file, bytes)
    }

    fn read(file: &tempfile::NamedTempFile, offset: u64, length: u64) -> Result<Vec<u8>, String> {
        let direct = Direct::open(file.path().to_str().unwrap(), OFlags::RDONLY)?;
        let mut bytes = Vec::new();
        direct.read(direct.range(offset, length)?, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    #[test]
    fn any_range_is_read_whole() {
        let (file, bytes) = file(PIECE + 5 * ALIGNMENT + 300);
        let end = bytes.len();
        for (from, to) in
            [(0, end), (0, 1), (511, 513), (4096, 8192), (PIECE - 1, PIECE + 1), (end - 1, end)]
        {
            let length = u64::try_from(to - from).unwrap();
            let found = read(&file, u64::try_from(from).unwrap(), length).unwrap();
            assert!(found == bytes[from..to], "{from}..{to}");
        }
        assert!(read(&file, 100, 0).unwrap() == bytes[100..]);
    }

    #[test]
    fn a_range_beyond_the_end_is_refused() {
        let (file, bytes) = file(5000);
        for (offset, length) in [(5001, 0), (5000, 1), (0, 5001), (u64::MAX, u64::MAX)] {
            let error = read(&file, offset, length).unwrap_err();
            assert!(error.contains("has 5000 bytes"), "{error}");
        }
        assert_eq!(read(&file, 0, 5000).unwrap(), bytes);
        assert!(read(&file, 5000, 0).unwrap().is_empty());
    }

    #[test]
    fn a_range_is_written_and_nothing_else() {
        let (file, mut bytes) = file(PIECE + 3 * ALIGNMENT);
        let direct = Direct::open(file.path().to_str().unwrap(), OFlags::RDWR).unwrap();
        let range = Range { offset: 4096, length: u64::try_from(PIECE).unwrap() + 4096 };
        let mut offsets = Vec::new();
        direct
            .write(range, |at, piece| {
                offsets.push(at);
                piece.fill(0xee);
            })
            .unwrap();
        assert_eq!(offsets, [4096, 4096 + u64::try_from(PIECE).unwrap()]);
        bytes[4096..8192 + PIECE].fill(0xee);
        assert!(std::fs::read(file.path()).unwrap() == bytes);
    }

    #[test]
    fn memory_is_aligned_wherever_it_lies() {
        for _ in 0..8 {
            let mut memory = Memory::new();
            let aligned = memory.aligned();
            assert_eq!((aligned.as_ptr().align_offset(ALIGNMENT), aligned.len()), (0, PIECE));
        }
    }

    #[test]
    fn what_is_not_there_is_told() {
        let error = Direct::open("/nowhere/at/all", OFlags::RDONLY).err().unwrap();
        assert_eq!(error, "open /nowhere/at/all: ENOENT");
    }
}
