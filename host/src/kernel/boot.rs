//! How the kernel is entered: through PVH, or as the bzImage it is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::bzimage::BzImageError;
use super::find::{bad_bzimage, open_bzimage, open_vmlinux};
use super::{Images, Kernel};
use crate::cache::{Cache, Record, Stored};
use crate::error::Error;

/// How long an unpacked kernel is kept unused, and how many are.
const KEEP_FOR: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);
const KEEP: usize = 10;

/// What `--boot` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BootChoice {
    /// PVH where the kernel can, else as it is.
    #[default]
    Auto,
    /// PVH or nothing.
    Pvh,
    /// The bzImage as it is.
    Bzimage,
}

/// How the kernel is entered.
///
/// PVH enters the uncompressed kernel directly: the decompressor inside a bzImage does not run, so that the kernel is not
/// relocated (no KASLR of the image, as with `nokaslr`) and a bug in the decompressor does not show. `--boot bzimage` tests
/// those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// The vmlinux, through the entry point of its PVH note.
    Pvh,
    /// The bzImage, by the Linux boot protocol.
    Bzimage,
}

impl fmt::Display for BootMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pvh => "pvh",
            Self::Bzimage => "bzimage",
        })
    }
}

/// What QEMU's `-kernel` gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootImage {
    /// The file.
    pub path: PathBuf,
    /// How QEMU will enter it.
    pub mode: BootMode,
    /// Why not PVH, where that was wanted and could not be.
    pub remark: Option<String>,
}

/// Why a bzImage could not be unpacked.
#[derive(Debug)]
pub enum UnpackError {
    /// It is packed in a format that only its own decompressor knows: it boots as it is.
    UnknownFormat(Error),
    /// It is damaged, or the cache cannot be written.
    Failed(Error),
}

impl Kernel {
    /// The image to boot, unpacked into the cache where need be; `progress` is told before that is done.
    ///
    /// # Errors
    /// Environment: damaged images, and a choice that this kernel cannot follow.
    pub fn boot_image(
        &self,
        cache: &Cache,
        choice: BootChoice,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BootImage, Error> {
        match choice {
            BootChoice::Bzimage => self.as_bzimage(None),
            BootChoice::Pvh => self.through_pvh(cache, progress)?.map_err(|refusal| {
                Error::environment(format!("boot {} through PVH: {refusal}", self.release))
                    .with_hint("set CONFIG_PVH=y in its configuration, or use --boot auto")
            }),
            BootChoice::Auto => match self.through_pvh(cache, progress)? {
                Ok(image) => Ok(image),
                Err(refusal) => self.as_bzimage(Some(refusal)),
            },
        }
    }

    /// The outer error is a damaged kernel, the inner one says why it cannot be PVH.
    fn through_pvh(
        &self,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Result<BootImage, String>, Error> {
        let path = match &self.images {
            Images { vmlinux: Some(path), .. } => path.clone(),
            Images { bzimage: Some(path), .. } => match unpacked(cache, path, progress) {
                Ok(stored) => stored.path,
                Err(UnpackError::UnknownFormat(error)) => return Ok(Err(error.to_string())),
                Err(UnpackError::Failed(error)) => return Err(error),
            },
            _ => return Err(Error::internal("a kernel without an image")),
        };
        let (_, vmlinux) = open_vmlinux(&path)?;
        Ok(match vmlinux.pvh_entry {
            Some(_) => Ok(BootImage { path, mode: BootMode::Pvh, remark: None }),
            None => Err("it has no PVH entry (CONFIG_PVH is not set)".to_owned()),
        })
    }

    fn as_bzimage(&self, remark: Option<String>) -> Result<BootImage, Error> {
        let Some(path) = &self.images.bzimage else {
            let vmlinux = self.images.primary().display();
            let why = remark.unwrap_or_else(|| "a vmlinux boots through PVH only".to_owned());
            return Err(Error::environment(format!("boot {vmlinux} as a bzImage: there is only a vmlinux, and {why}"))
                .with_hint("name the bzImage (arch/x86/boot/bzImage after `make bzImage`), or set CONFIG_PVH=y"));
        };
        open_bzimage(path)?;
        Ok(BootImage { path: path.clone(), mode: BootMode::Bzimage, remark })
    }
}

/// The vmlinux inside `bzimage`, from the cache or put there now.
///
/// # Errors
/// See [`UnpackError`].
pub(super) fn unpacked(
    cache: &Cache,
    bzimage: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Stored, UnpackError> {
    let key = bzimage.to_string_lossy();
    if let Some(stored) = cache.recall("vmlinux", &key).and_then(|record| record.output) {
        return Ok(stored);
    }
    let mut record = Record::begin();
    record.depends_on(bzimage);
    let (mut file, parsed) = open_bzimage(bzimage).map_err(UnpackError::Failed)?;
    progress(&format!("unpacking {}", bzimage.display()));
    let vmlinux = parsed.unpack(&mut file).map_err(|error| {
        let told = bad_bzimage(bzimage, &error);
        match error {
            BzImageError::UnknownFormat => UnpackError::UnknownFormat(told),
            _ => UnpackError::Failed(told),
        }
    })?;
    cache.prune("vmlinux", KEEP, KEEP_FOR);
    let stored = cache.store("vmlinux", &vmlinux).map_err(UnpackError::Failed)?;
    record.output = Some(stored.clone());
    cache.record("vmlinux", &key, &record);
    Ok(stored)
}
