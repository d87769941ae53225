//! `[[disk]]`: QEMU's disks, and what their images say of themselves.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Access, OFlags, access};

use super::keys::DISK;
use super::{require, shell_word, text};
use crate::spec::fault::{KeyPath, quoted};
use crate::spec::reader::{Reader, Section};
use crate::spec::{
    Base, Bus, Disk, DiskAio, DiskCache, DiskContent, ImageFormat, STORAGE_OBJECT_SIZE,
};

/// What QEMU's disks are made of, in bytes.
const SECTOR: u64 = 512;

/// What a QCOW2 image begins with; its size in bytes stands at 24, big-endian
/// (docs/interop/qcow2.rst of QEMU).
const QCOW2_MAGIC: &[u8; 4] = b"QFI\xfb";

pub(super) fn read_all(root: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Vec<Disk> {
    let sections = root.sections("disk", DISK, reader);
    let mut used = Vec::new();
    sections.iter().map(|section| read(section, base, &mut used, reader)).collect()
}

/// The images so far, whatever they are called, with the keys that name them and their lines.
type Used = Vec<(Identity, KeyPath, usize)>;

fn read(section: &Section<'_>, base: Base<'_>, used: &mut Used, reader: &mut Reader<'_>) -> Disk {
    require(section, "serial", "a name such as \"scratch0\"", reader);
    let read_only = section.boolean("read_only", reader).unwrap_or(false);
    let (content, size) = read_content(section, base, read_only, used, reader);
    Disk {
        serial: text(section, "serial", reader).unwrap_or_default(),
        bus: section.choice("bus", &Bus::WORDS, reader).unwrap_or(Bus::VirtioBlk),
        content,
        size,
        read_only,
        cache: section.choice("cache", &DiskCache::WORDS, reader).unwrap_or(DiskCache::Writeback),
        aio: section.choice("aio", &DiskAio::WORDS, reader).unwrap_or(DiskAio::Threads),
    }
}

fn read_content(
    section: &Section<'_>,
    base: Base<'_>,
    read_only: bool,
    used: &mut Used,
    reader: &mut Reader<'_>,
) -> (DiskContent, u64) {
    let size = section.size("size", reader);
    let format = section.choice("format", &ImageFormat::WORDS, reader);
    let snapshot = section.boolean("snapshot", reader).unwrap_or(false);
    let Some(image) = section.string("image", "a path", reader) else {
        if !section.has("image") {
            require(section, "size", "a size such as \"1G\", or image,", reader);
            refuse(
                section,
                ["format", "snapshot"],
                "is for an image, this disk is scratch",
                reader,
            );
        }
        return (DiskContent::Scratch, size.unwrap_or_default());
    };
    refuse(section, ["size"], "is for a scratch disk, an image has a size of its own", reader);
    let path = std::path::absolute(base.join(image)).unwrap_or_else(|_| base.join(image));
    reader.path(section.span_of("image"), &path);
    let format = format.unwrap_or(ImageFormat::Raw);
    let size = match look_at(&path, format, read_only || snapshot) {
        Ok(Image { size, looks_like_qcow2, identity }) => {
            refuse_second_use(section, image, identity, used, reader);
            if looks_like_qcow2 {
                let note = "begins like a qcow2 image and is taken for a raw one";
                reader.note(&section.path.key("image"), note);
            }
            size
        }
        Err((problem, hint)) => {
            let message = format!("{}: {problem}", quoted(image));
            let (span, path) = (section.span_of("image"), section.path.key("image"));
            reader.fault_with_hint(span, path, message, Some(hint));
            0
        }
    };
    (DiskContent::Image { path, format, snapshot }, size)
}

/// Reports an image that another disk has: both would write to it.
fn refuse_second_use(
    section: &Section<'_>,
    image: &str,
    identity: Identity,
    used: &mut Used,
    reader: &mut Reader<'_>,
) {
    let (span, path) = (section.span_of("image"), section.path.key("image"));
    if let Some((_, other, line)) = used.iter().find(|(known, ..)| *known == identity) {
        let message = format!(
            "{} is the image of another disk already ({other}, line {line})",
            quoted(image)
        );
        let hint = Some("take a copy, or a disk with two LUNs".to_owned());
        reader.fault_with_hint(span, path, message, hint);
        return;
    }
    used.push((identity, path, reader.line_of(&span)));
}

/// Reports keys that go with another kind of disk.
fn refuse<const N: usize>(
    section: &Section<'_>,
    keys: [&str; N],
    why: &str,
    reader: &mut Reader<'_>,
) {
    for key in keys.into_iter().filter(|key| section.has(key)) {
        let (span, path) = (section.span_of(key), section.path.key(key));
        let message = format!("{} {why}", section.shown(key));
        reader.fault_with_hint(span, path, message, Some("leave it out".to_owned()));
    }
}

struct Image {
    size: u64,
    looks_like_qcow2: bool,
    identity: Identity,
}

/// What is the same for all names of a file: whether it is a block device, and two numbers.
type Identity = (bool, u64, u64);

/// A fault with its way out.
type Problem = (String, String);

/// Reads the size of an image, and sees whether it can be used.
fn look_at(path: &Path, format: ImageFormat, unchanged: bool) -> Result<Image, Problem> {
    // Opening a pipe would wait for its other end.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = File::options().read(true).custom_flags(nonblocking).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => problem("there is no such file", SCRATCH),
        ErrorKind::PermissionDenied => problem("you may not read it", "chmod u+r, or a copy"),
        _ => problem(&error.to_string(), SCRATCH),
    })?;
    let failed = |error: std::io::Error| problem(&error.to_string(), SCRATCH);
    let kind = file.metadata().map_err(failed)?;
    if !is_data(&kind) {
        return Err(problem("this is neither a regular file nor a block device", SCRATCH));
    }
    if !unchanged && access(path, Access::WRITE_OK).is_err() {
        return Err(problem("it cannot be written to", "read_only = true, or snapshot = true"));
    }
    let identity = identity(&kind);
    let mut head = [0; 32];
    let has_head = file.read_exact(&mut head).is_ok();
    let is_qcow2 = has_head && head.starts_with(QCOW2_MAGIC);
    match format {
        ImageFormat::Raw => {
            let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
            whole_sectors(path, size)?;
            Ok(Image { size, looks_like_qcow2: is_qcow2, identity })
        }
        ImageFormat::Qcow2 if is_qcow2 => {
            let size = head.last_chunk().map_or(0, |size| u64::from_be_bytes(*size));
            Ok(Image { size: size - size % SECTOR, looks_like_qcow2: false, identity })
        }
        ImageFormat::Qcow2 => Err(problem("this is no qcow2 image", "format = \"raw\"")),
    }
}

/// The way out where a file does not have to be.
const SCRATCH: &str = "name the image's file; a scratch disk needs none: size = \"1G\"";

fn problem(what: &str, hint: &str) -> Problem {
    (what.to_owned(), hint.to_owned())
}

/// QEMU would round a raw image down, and the guest would miss its end. Of one that is too small for
/// a disk that is said instead.
fn whole_sectors(path: &Path, size: u64) -> Result<(), Problem> {
    if size.is_multiple_of(SECTOR) || size < *STORAGE_OBJECT_SIZE.start() {
        return Ok(());
    }
    let whole = size.next_multiple_of(SECTOR);
    let hint = format!("truncate -s {whole} {}", shell_word(path));
    Err((format!("its {size} bytes are no whole sectors of {SECTOR}"), hint))
}

/// Two nodes may be one block device.
fn identity(metadata: &Metadata) -> Identity {
    if metadata.file_type().is_block_device() {
        (true, 0, metadata.rdev())
    } else {
        (false, metadata.dev(), metadata.ino())
    }
}

fn is_data(kind: &Metadata) -> bool {
    kind.is_file() || kind.file_type().is_block_device()
}
