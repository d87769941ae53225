//! What can be known of a disk's image before QEMU opens it.

use crate::error::Error;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What every qcow2 image begins with (docs/interop/qcow2.txt).
const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";

/// What QEMU's disks are made of, in bytes.
const SECTOR: u64 = 512;

/// An image as a disk uses it.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The disk's serial.
    pub serial: &'a str,
    /// The file.
    pub path: &'a Path,
    /// Whether its format is qcow2, or else raw.
    pub qcow2: bool,
    /// Whether QEMU writes to it.
    pub written: bool,
}

/// Something wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which of the images, from 0.
    pub image: usize,
    /// What is wrong: usage, or environment where the host is what refuses.
    pub error: Error,
}

/// Finds everything wrong with images: what is no file, may not be opened, has another format or half a sector, or is used twice.
#[must_use]
pub fn problems(images: &[Image<'_>]) -> Vec<Problem> {
    let mut used = HashMap::new();
    let mut problems = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let checked = image.open().and_then(|(file, meta)| {
            // Two nodes may be one block device.
            let block = meta.file_type().is_block_device();
            let same = if block { (0, meta.rdev()) } else { (meta.dev(), meta.ino()) };
            if let Some(other) = used.insert((block, same), image.serial) {
                return Err(image.usage(format!("disk {other} uses it, too")));
            }
            image.check_contents(file, block)
        });
        problems.extend(checked.err().map(|error| Problem { image: number, error }));
    }
    problems
}

impl Image<'_> {
    fn usage(&self, problem: impl std::fmt::Display) -> Error {
        Error::usage(format!("disk {}: image {}: {problem}", self.serial, self.path.display()))
    }

    fn refused(&self, error: &io::Error) -> Error {
        let Self { serial, path, .. } = self;
        match error.kind() {
            io::ErrorKind::NotFound => self.usage("no such file"),
            _ => Error::environment(format!("disk {serial}: image {}: {error}", path.display())),
        }
    }

    fn open(&self) -> Result<(File, Metadata), Error> {
        let meta = self.path.metadata().map_err(|error| self.refused(&error))?;
        // Before it is opened: a pipe would wait for its other end.
        if !meta.is_file() && !meta.file_type().is_block_device() {
            return Err(self.usage("neither a file nor a block device"));
        }
        let opened = File::options().read(true).write(self.written).open(self.path);
        let file = opened.map_err(|error| {
            let plain = self.refused(&error);
            let readable = self.written && File::open(self.path).is_ok();
            let hint = "it may be read: read_only = true or snapshot = true leaves it as it is";
            if readable { plain.with_hint(hint) } else { plain }
        })?;
        Ok((file, meta))
    }

    fn check_contents(&self, mut file: File, block: bool) -> Result<(), Error> {
        let mut magic = Vec::new();
        let read = file.by_ref().take(4).read_to_end(&mut magic);
        read.map_err(|error| self.refused(&error))?;
        let is_qcow2 = magic == QCOW2_MAGIC;
        match (self.qcow2, is_qcow2) {
            (true, false) => {
                Err(self.usage("format is qcow2, and it is not").with_hint("format = \"raw\""))
            }
            (false, true) => {
                Err(self.usage("format is raw, and it is qcow2").with_hint("format = \"qcow2\""))
            }
            (true, true) => Ok(()),
            (false, false) => self.check_size(&mut file, block),
        }
    }

    fn check_size(&self, file: &mut File, block: bool) -> Result<(), Error> {
        // The size of a block device is where its end is.
        let size = file.seek(SeekFrom::End(0)).map_err(|error| self.refused(&error))?;
        let whole = size.next_multiple_of(SECTOR).max(SECTOR);
        if size == whole {
            return Ok(());
        }
        let problem = self.usage(format!("{size} bytes are no whole sectors of {SECTOR}"));
        let hint = format!("truncate -s {whole} {}", self.path.display());
        Err(if block { problem } else { problem.with_hint(hint) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, problems};
    use crate::error::Category;
    use std::fs;
    use std::path::Path;

    fn image<'a>(serial: &'a str, path: &'a Path) -> Image<'a> {
        Image { serial, path, qcow2: false, written: true }
    }

    fn told(images: &[Image<'_>]) -> Vec<(usize, String)> {
        let problems = problems(images);
        problems.into_iter().map(|found| (found.image, found.error.to_string())).collect()
    }

    #[test]
    fn all_that_is_wrong_is_found_in_one_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, bytes: &[u8]| fs::write(path(name), bytes).unwrap();
        write("good", &[0; 1024]);
        write("odd", &[0; 513]);
        write("empty", &[]);
        write("qcow2", b"QFI\xfb\0\0\0\x03");
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let names = ["good", "odd", "empty", "qcow2", "pipe", "absent", ".", "good"];
        let paths = names.map(path);
        let images: Vec<_> = paths.iter().map(|path| image("s", path)).collect();
        let at = |name: &str| format!("disk s: image {}/{name}: ", directory.path().display());
        let expected = [
            (1, at("odd") + "513 bytes are no whole sectors of 512"),
            (2, at("empty") + "0 bytes are no whole sectors of 512"),
            (3, at("qcow2") + "format is raw, and it is qcow2"),
            (4, at("pipe") + "neither a file nor a block device"),
            (5, at("absent") + "no such file"),
            (6, at(".") + "neither a file nor a block device"),
            (7, at("good") + "disk s uses it, too"),
        ];
        assert_eq!(told(&images), expected);
        let odd = &problems(&images)[0].error;
        assert_eq!(odd.category(), Category::Usage);
        let hint = format!("truncate -s 1024 {}", path("odd").display());
        assert_eq!(odd.hint(), Some(hint.as_str()));
    }

    #[test]
    fn a_link_to_an_image_is_the_image() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&file, [0; 512]).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let found = told(&[image("one", &file), image("two", &link)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.ends_with("b: disk one uses it, too"), "{found:?}");
    }

    #[test]
    fn the_format_must_be_what_the_image_says() {
        let directory = tempfile::tempdir().unwrap();
        let (real, fake) = (directory.path().join("real"), directory.path().join("fake"));
        fs::write(&real, b"QFI\xfb\0\0\0\x03").unwrap();
        fs::write(&fake, b"QFI").unwrap();
        let qcow2 = |path| Image { qcow2: true, ..image("s", path) };
        assert_eq!(told(&[qcow2(&real)]), []);
        let found = told(&[qcow2(&fake)]);
        assert!(found[0].1.ends_with("fake: format is qcow2, and it is not"), "{found:?}");
    }
}
