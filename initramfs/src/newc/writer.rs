//! Writing: the same bytes for the same entries, whoever writes them and where.

use super::{
    ALIGNMENT, CHARACTER_DEVICE, DIRECTORY, HEADER_LEN, MAGIC, PATH_MAX, REGULAR, SYMLINK, TRAILER,
};
use std::collections::BTreeMap;

/// Mode of a directory that is there only because something is in it.
const PARENT_MODE: u32 = 0o755;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node<'a> {
    /// A directory.
    Directory,
    /// A regular file and its content.
    File(&'a [u8]),
    /// A symbolic link and its target.
    Symlink(&'a [u8]),
    /// A character device node.
    CharacterDevice {
        /// Major device number.
        major: u32,
        /// Minor device number.
        minor: u32,
    },
}

/// Why an entry cannot be in an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("add /{path} to the archive: {problem}")]
pub struct WriteError {
    path: String,
    problem: &'static str,
}

/// Entries to be written, sorted by path, each with all its parents.
#[derive(Debug, Clone, Default)]
pub struct Archive<'a> {
    entries: BTreeMap<Vec<u8>, (u32, Node<'a>)>,
}

impl<'a> Archive<'a> {
    /// An archive without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry at `path`, with the permission bits `mode`; missing parents become directories
    /// of mode 0755. A slash at the start of the path means nothing.
    ///
    /// A directory may be added again, which changes its mode.
    ///
    /// # Errors
    ///
    /// A path that is empty, longer than the kernel accepts, or has empty, `.` or `..` components
    /// or a NUL; a path that is taken; a parent that is not a directory; content of 4 GiB or more.
    pub fn add(
        &mut self,
        path: impl AsRef<[u8]>,
        mode: u32,
        node: Node<'a>,
    ) -> Result<(), WriteError> {
        let path = path.as_ref();
        let path = path.strip_prefix(b"/").unwrap_or(path);
        self.check(path, mode, node).map_err(|problem| WriteError {
            path: String::from_utf8_lossy(path).escape_debug().to_string(),
            problem,
        })?;
        for parent in parents(path) {
            self.entries.entry(parent.to_vec()).or_insert((PARENT_MODE, Node::Directory));
        }
        self.entries.insert(path.to_vec(), (mode, node));
        Ok(())
    }

    fn check(&self, path: &[u8], mode: u32, node: Node<'_>) -> Result<(), &'static str> {
        check_path(path)?;
        if mode > 0o7777 {
            return Err("the mode has more than permission bits");
        }
        match node {
            Node::File(data) if u32::try_from(data.len()).is_err() => {
                return Err("newc holds less than 4 GiB per file");
            }
            Node::Symlink(target) if target.is_empty() || target.len() >= PATH_MAX => {
                return Err("the link's target is empty or too long");
            }
            _ => {}
        }
        if parents(path).any(|parent| self.is_taken(parent)) {
            return Err("its parent is not a directory");
        }
        match self.entries.get(path) {
            Some((_, Node::Directory)) if node == Node::Directory => Ok(()),
            Some(_) => Err("it is there already"),
            None => Ok(()),
        }
    }

    fn is_taken(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|(_, node)| *node != Node::Directory)
    }

    /// The whole archive, its trailer included; its length is a multiple of 4.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut output = Vec::with_capacity(self.len_bound());
        // Numbers of our own, counted from 1: those of the host's files would differ between hosts.
        for (inode, (path, (mode, node))) in (1..).zip(&self.entries) {
            write_entry(&mut output, inode, path, *mode, *node);
        }
        write_header(&mut output, &Header { links: 1, ..Header::default() }, TRAILER);
        output
    }

    fn len_bound(&self) -> usize {
        let fixed = HEADER_LEN + 1 + 2 * ALIGNMENT;
        let entry = |(path, (_, node)): (&Vec<u8>, &(u32, Node<'_>))| {
            fixed + path.len() + node_data(*node).len()
        };
        self.entries.iter().map(entry).sum::<usize>() + fixed + TRAILER.len()
    }
}

/// Appends `segment` to `base`, aligned as the kernel wants it between archives.
pub fn append(base: &mut Vec<u8>, segment: &[u8]) {
    pad(base);
    base.extend_from_slice(segment);
}

fn check_path(path: &[u8]) -> Result<(), &'static str> {
    if path.len() >= PATH_MAX {
        return Err("the path is too long");
    }
    if path.contains(&0) {
        return Err("the path has a NUL in it");
    }
    if path == TRAILER {
        return Err("that name ends an archive");
    }
    let mut components = path.split(|byte| *byte == b'/');
    if components.any(|component| matches!(component, b"" | b"." | b"..")) {
        return Err("the path has an empty, `.` or `..` component");
    }
    Ok(())
}

/// Every directory above `path`, outermost first.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(index, _)| &path[..index])
}

/// The fields that are not always zero.
#[derive(Default)]
struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    size: u32,
    device: (u32, u32),
}

fn write_entry(output: &mut Vec<u8>, inode: u32, path: &[u8], mode: u32, node: Node<'_>) {
    let data = node_data(node);
    let (kind, links, device) = match node {
        Node::Directory => (DIRECTORY, 2, (0, 0)),
        Node::File(_) => (REGULAR, 1, (0, 0)),
        Node::Symlink(_) => (SYMLINK, 1, (0, 0)),
        Node::CharacterDevice { major, minor } => (CHARACTER_DEVICE, 1, (major, minor)),
    };
    let header = Header { inode, mode: kind | mode, links, size: len_u32(data), device };
    write_header(output, &header, path);
    output.extend_from_slice(data);
    pad(output);
}

fn write_header(output: &mut Vec<u8>, header: &Header, path: &[u8]) {
    let (major, minor) = header.device;
    let path_size = len_u32(path) + 1;
    // ino, mode, uid, gid, nlink, mtime, filesize, dev (2), rdev (2), namesize, check
    let fields = [
        header.inode,
        header.mode,
        0,
        0,
        header.links,
        0,
        header.size,
        0,
        0,
        major,
        minor,
        path_size,
        0,
    ];
    output.extend_from_slice(MAGIC);
    for field in fields {
        output.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    output.extend_from_slice(path);
    output.push(0);
    pad(output);
}

fn node_data(node: Node<'_>) -> &[u8] {
    match node {
        Node::File(data) | Node::Symlink(data) => data,
        Node::Directory | Node::CharacterDevice { .. } => &[],
    }
}

/// The length of what [`Archive::add`] has let in.
fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn pad(output: &mut Vec<u8>) {
    output.resize(output.len().next_multiple_of(ALIGNMENT), 0);
}
