//! `[[disk]]`: QEMU's disks, and what their images say of themselves.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Access, OFlags, access};

use super::keys::DISK;
use super::{require, text};
use crate::spec::reader::{Reader, Section};
use crate::spec::{Base, Bus, Disk, DiskAio, DiskCache, DiskContent, ImageFormat};

/// What a QCOW2 image begins with; its size in bytes stands at 24, big-endian
/// (docs/interop/qcow2.rst of QEMU).
const QCOW2_MAGIC: &[u8; 4] = b"QFI\xfb";

pub(super) fn read_all(root: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Vec<Disk> {
    let sections = root.sections("disk", DISK, reader);
    sections.iter().map(|section| read(section, base, reader)).collect()
}

fn read(section: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Disk {
    require(section, "serial", "a name such as \"scratch0\"", reader);
    let read_only = section.boolean("read_only", reader).unwrap_or(false);
    let (content, size) = read_content(section, base, read_only, reader);
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
    reader: &mut Reader<'_>,
) -> (DiskContent, u64) {
    let size = section.size("size", reader);
    let format = section.choice("format", &ImageFormat::WORDS, reader);
    let snapshot = section.boolean("snapshot", reader).unwrap_or(false);
    let Some(image) = section.string("image", "a path", reader) else {
        if !section.has("image") {
            require(section, "size", "a size such as \"1G\", or image,", reader);
            refuse(section, ["format", "snapshot"], "is for an image, this is scratch", reader);
        }
        return (DiskContent::Scratch, size.unwrap_or_default());
    };
    refuse(section, ["size"], "is for scratch, an image has its own", reader);
    let path = std::path::absolute(base.join(image)).unwrap_or_else(|_| base.join(image));
    reader.path(section.span_of("image"), &path);
    let format = format.unwrap_or(ImageFormat::Raw);
    let size = match look_at(&path, format, read_only || snapshot) {
        Ok(Image { size, looks_like_qcow2 }) => {
            if looks_like_qcow2 {
                let note = "begins like a qcow2 image and is taken for a raw one";
                reader.note(&section.path.key("image"), note);
            }
            size
        }
        Err((problem, hint)) => {
            let message = format!("{}: {problem}", crate::escape::terminal(image));
            let (span, path) = (section.span_of("image"), section.path.key("image"));
            reader.fault_with_hint(span, path, message, hint.map(str::to_owned));
            0
        }
    };
    (DiskContent::Image { path, format, snapshot }, size)
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
        reader.fault_with_hint(span, path, why, Some("leave it out".to_owned()));
    }
}

struct Image {
    size: u64,
    looks_like_qcow2: bool,
}

type Problem = (String, Option<&'static str>);

/// Reads the size of an image, and sees whether it can be used.
fn look_at(path: &Path, format: ImageFormat, unchanged: bool) -> Result<Image, Problem> {
    // Opening a pipe would wait for its other end.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = File::options().read(true).custom_flags(nonblocking).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let hint = "scratch disks need no file: size = \"1G\"";
            ("there is no such file".to_owned(), Some(hint))
        }
        _ => (error.to_string(), None),
    })?;
    let kind = file.metadata().map_err(|error| (error.to_string(), None))?;
    if !is_data(&kind) {
        return Err(("this is neither a file nor a block device".to_owned(), None));
    }
    if !unchanged && access(path, Access::WRITE_OK).is_err() {
        let hint = "read_only = true, or snapshot = true";
        return Err(("it cannot be written to".to_owned(), Some(hint)));
    }
    let mut head = [0; 32];
    let has_head = file.read_exact(&mut head).is_ok();
    let is_qcow2 = has_head && head.starts_with(QCOW2_MAGIC);
    match format {
        ImageFormat::Raw => {
            let size = file.seek(SeekFrom::End(0)).map_err(|error| (error.to_string(), None))?;
            Ok(Image { size: size - size % 512, looks_like_qcow2: is_qcow2 })
        }
        ImageFormat::Qcow2 if is_qcow2 => {
            let size = head.last_chunk().map_or(0, |size| u64::from_be_bytes(*size));
            Ok(Image { size: size - size % 512, looks_like_qcow2: false })
        }
        ImageFormat::Qcow2 => Err(("this is no qcow2 image".to_owned(), Some("format = \"raw\""))),
    }
}

fn is_data(kind: &Metadata) -> bool {
    kind.is_file() || kind.file_type().is_block_device()
}
