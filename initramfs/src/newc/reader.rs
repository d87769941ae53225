//! Reading: archives of whatever origin, one after another.

use super::{
    ALIGNMENT, CHARACTER_DEVICE, DIRECTORY, HEADER_LEN, KIND_MASK, MAGIC, REGULAR, SYMLINK, TRAILER,
};
use crate::decompress::Compression;
use std::collections::HashMap;

/// The kind of file an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device node.
    CharacterDevice,
    /// A block device node.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A mode that names no kind of file.
    Unknown,
}

/// One entry of an archive, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Byte offset of the header in the input.
    pub offset: usize,
    /// Which of the concatenated archives it is in, counted from 0.
    pub archive: usize,
    /// The path, without NUL, else unchanged (`./x` stays `./x`).
    pub path: &'a [u8],
    /// Kind and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub links: u32,
    /// Modification time in seconds since 1970.
    pub mtime: u32,
    /// Inode number, which with `device` tells hard links of one archive from one another.
    pub inode: u32,
    /// Device the file was on, major and minor.
    pub device: (u32, u32),
    /// Device that a device node names, major and minor.
    pub node_device: (u32, u32),
    /// A file's content or a symlink's target.
    pub data: &'a [u8],
}

impl Entry<'_> {
    /// The kind of file.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.mode & KIND_MASK {
            DIRECTORY => Kind::Directory,
            REGULAR => Kind::File,
            SYMLINK => Kind::Symlink,
            CHARACTER_DEVICE => Kind::CharacterDevice,
            0o060_000 => Kind::BlockDevice,
            0o010_000 => Kind::Fifo,
            0o140_000 => Kind::Socket,
            _ => Kind::Unknown,
        }
    }

    /// Kind and permissions as `ls -l` writes them: `-rwxr-xr-x`.
    #[must_use]
    pub fn mode_string(&self) -> String {
        let kind = match self.kind() {
            Kind::Directory => 'd',
            Kind::File => '-',
            Kind::Symlink => 'l',
            Kind::CharacterDevice => 'c',
            Kind::BlockDevice => 'b',
            Kind::Fifo => 'p',
            Kind::Socket => 's',
            Kind::Unknown => '?',
        };
        let groups = [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')];
        let permissions = groups.into_iter().flat_map(|(shift, special, both, alone)| {
            let bits = self.mode >> shift;
            let execute = match (bits & 1 != 0, self.mode & special != 0) {
                (true, true) => both,
                (false, true) => alone,
                (true, false) => 'x',
                (false, false) => '-',
            };
            let letter = |mask, letter| if bits & mask != 0 { letter } else { '-' };
            [letter(4, 'r'), letter(2, 'w'), execute]
        });
        std::iter::once(kind).chain(permissions).collect()
    }

    fn link_key(&self) -> (usize, u32, (u32, u32)) {
        (self.archive, self.inode, self.device)
    }
}

/// What is wrong with an archive, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read newc entry at byte {offset}: {problem}")]
pub struct ReadError {
    /// Byte offset in the input.
    pub offset: usize,
    /// What is wrong there.
    pub problem: ReadProblem,
}

/// What can be wrong with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadProblem {
    /// The input ends before the archive does.
    #[error("the archive is cut short")]
    Truncated,
    /// Something else stands where a header belongs.
    #[error("no newc header")]
    NoHeader,
    /// A compressed archive follows.
    #[error("{} data, not a newc header", .0.name())]
    Compressed(Compression),
    /// An archive starts at an offset that the kernel does not accept.
    #[error("the archive does not start at a multiple of 4")]
    Unaligned,
    /// A field is not a hexadecimal number.
    #[error("a header field is not a hexadecimal number")]
    BadField,
    /// A path does not end with a NUL.
    #[error("the path has no end")]
    BadPath,
}

/// Reads all entries of all archives in `data` and gives every hard link its content.
///
/// # Errors
///
/// The first thing that is wrong with the input.
pub fn read(data: &[u8]) -> Result<Vec<Entry<'_>>, ReadError> {
    let mut entries = Reader::new(data).collect::<Result<Vec<_>, _>>()?;
    resolve_hard_links(&mut entries);
    Ok(entries)
}

/// GNU cpio writes the content of a file with several links once, with the last of them.
fn resolve_hard_links(entries: &mut [Entry<'_>]) {
    let is_linked = |entry: &Entry<'_>| entry.kind() == Kind::File && entry.links > 1;
    let contents: HashMap<_, _> = entries
        .iter()
        .filter(|entry| is_linked(entry) && !entry.data.is_empty())
        .map(|entry| (entry.link_key(), entry.data))
        .collect();
    for entry in entries.iter_mut().filter(|entry| is_linked(entry)) {
        if let Some(data) = contents.get(&entry.link_key()) {
            entry.data = data;
        }
    }
}

/// Iterates over the entries of concatenated archives as they stand there; trailers are left out.
///
/// Ends after the first error.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
    archive: usize,
    inside: bool,
    failed: bool,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `data`.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, offset: 0, archive: 0, inside: false, failed: false }
    }

    /// The next entry that is not a trailer, `None` at the end of the input.
    fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ReadProblem> {
        loop {
            if !self.inside && !self.find_archive()? {
                return Ok(None);
            }
            let (entry, end) = parse_entry(self.data, self.offset, self.archive)?;
            self.offset = end;
            if entry.path != TRAILER {
                return Ok(Some(entry));
            }
            self.inside = false;
            self.archive += 1;
        }
    }

    /// Skips the zeros before an archive; false where nothing follows them.
    fn find_archive(&mut self) -> Result<bool, ReadProblem> {
        let rest = self.data.get(self.offset..).unwrap_or_default();
        let Some(zeros) = rest.iter().position(|byte| *byte != 0) else {
            return Ok(false);
        };
        self.offset += zeros;
        self.inside = true;
        if rest[zeros..].starts_with(MAGIC) && !self.offset.is_multiple_of(ALIGNMENT) {
            return Err(ReadProblem::Unaligned);
        }
        Ok(true)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.next_entry();
        self.failed = entry.is_err();
        entry.map_err(|problem| ReadError { offset: self.offset, problem }).transpose()
    }
}

/// The entry whose header is at `offset`, and the offset of what follows it.
fn parse_entry(
    data: &[u8],
    offset: usize,
    archive: usize,
) -> Result<(Entry<'_>, usize), ReadProblem> {
    let rest = data.get(offset..).unwrap_or_default();
    check_magic(rest)?;
    let header = rest.get(..HEADER_LEN).ok_or(ReadProblem::Truncated)?;
    let [inode, mode, uid, gid, links, mtime, size, major, minor, rmajor, rminor, path_size, _] =
        parse_fields(&header[MAGIC.len()..])?;
    let path_start = offset + HEADER_LEN;
    let (path, path_end) = slice(data, path_start, path_size)?;
    let (content, end) = slice(data, align(path_end)?, size)?;
    let entry = Entry {
        offset,
        archive,
        path: path_without_nul(path)?,
        mode,
        uid,
        gid,
        links,
        mtime,
        inode,
        device: (major, minor),
        node_device: (rmajor, rminor),
        data: content,
    };
    Ok((entry, align(end)?))
}

fn check_magic(rest: &[u8]) -> Result<(), ReadProblem> {
    if rest.starts_with(MAGIC) {
        return Ok(());
    }
    // Also `b""`: what is there is right, but there is not enough of it.
    if MAGIC.starts_with(rest) {
        return Err(ReadProblem::Truncated);
    }
    match Compression::detect(rest) {
        Compression::None => Err(ReadProblem::NoHeader),
        compression => Err(ReadProblem::Compressed(compression)),
    }
}

fn parse_fields(digits: &[u8]) -> Result<[u32; 13], ReadProblem> {
    let mut fields = [0; 13];
    for (field, digits) in fields.iter_mut().zip(digits.chunks_exact(8)) {
        *field = parse_hex(digits).ok_or(ReadProblem::BadField)?;
    }
    Ok(fields)
}

/// `u32::from_str_radix` would take a sign too.
fn parse_hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | digit)
    })
}

/// `size` bytes at `start`, and where they end.
fn slice(data: &[u8], start: usize, size: u32) -> Result<(&[u8], usize), ReadProblem> {
    let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
    let end = end.ok_or(ReadProblem::Truncated)?;
    // An empty slice may start in padding that the last entry of an input has not got.
    if size == 0 {
        return Ok((&[], end));
    }
    data.get(start..end).map(|bytes| (bytes, end)).ok_or(ReadProblem::Truncated)
}

fn align(offset: usize) -> Result<usize, ReadProblem> {
    offset.checked_next_multiple_of(ALIGNMENT).ok_or(ReadProblem::Truncated)
}

/// Some writers pad a path with several NULs, so that the content is aligned to a page.
fn path_without_nul(path: &[u8]) -> Result<&[u8], ReadProblem> {
    match path.split_last() {
        Some((0, _)) => Ok(path.split(|byte| *byte == 0).next().unwrap_or_default()),
        _ => Err(ReadProblem::BadPath),
    }
}
