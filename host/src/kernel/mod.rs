//! The kernel under test: finding it, knowing what it has, and making it bootable.

pub mod boot;
pub mod bzimage;
pub mod config;
pub mod elf;
pub mod features;
pub mod find;
pub mod parameters;
pub mod plan;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Record};
use crate::digest::Digest;
use crate::error::Error;
use config::{KernelConfig, Origin};

/// The images of one kernel: at least one of them is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// The uncompressed kernel.
    pub vmlinux: Option<PathBuf>,
    /// The kernel as boot loaders take it.
    pub bzimage: Option<PathBuf>,
}

impl Images {
    /// The image that stands for the kernel: what was named, and a build tree's vmlinux.
    #[must_use]
    pub fn primary(&self) -> &Path {
        let image = self.vmlinux.as_ref().or(self.bzimage.as_ref());
        image.map(PathBuf::as_path).unwrap_or(Path::new(""))
    }
}

/// Where a kernel's modules are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModulesDir {
    /// As `make modules_install` lays them out.
    Installed(PathBuf),
    /// Straight from where they were built.
    BuildTree(PathBuf),
}

impl ModulesDir {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Installed(path) | Self::BuildTree(path) => path,
        }
    }

    /// What decides which modules there are: the lists a build leaves and, where modules are found by walking, the directories
    /// in which one may appear that is preferred to those there. (In kernel/ none appears without `modules_install`, which
    /// writes the lists.)
    #[must_use]
    pub fn inputs(&self) -> Vec<PathBuf> {
        let lists = ["modules.builtin", "modules.builtin.modinfo", "modules.order", "modules.dep"];
        let mut inputs: Vec<_> = lists.iter().map(|name| self.path().join(name)).collect();
        if let Self::Installed(root) = self {
            inputs.extend([root.clone(), root.join("kernel")]);
            let apart = ["kernel", "build", "source"];
            let others =
                directories_in(root).filter(|dir| !apart.iter().any(|name| dir.ends_with(name)));
            let mut queue: Vec<_> = others.collect();
            while let Some(dir) = queue.pop() {
                queue.extend(directories_in(&dir));
                inputs.push(dir);
            }
        }
        inputs
    }
}

/// A kernel that was found, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its images.
    pub images: Images,
    /// What `uname -r` will say.
    pub release: String,
    /// Its modules, where there are any.
    pub modules: Option<ModulesDir>,
    /// The file that holds its configuration, where there is one.
    pub config: Option<PathBuf>,
}

impl Kernel {
    /// The SHA-256 of the image, remembered until that changes.
    ///
    /// # Errors
    /// Environment, when the image cannot be read.
    pub fn digest(&self, cache: &Cache) -> Result<Digest, Error> {
        digest_of(cache, self.images.primary())
    }

    /// The configuration: from its file, else from inside the kernel (`CONFIG_IKCONFIG`), else none.
    ///
    /// # Errors
    /// Environment, when a file cannot be read or the image is damaged.
    pub fn read_config(&self, cache: &Cache) -> Result<Option<KernelConfig>, Error> {
        match &self.config {
            Some(path) => find::read_config(path).map(Some),
            None => Ok(embedded_config(cache, &self.images)?
                .map(|text| KernelConfig::parse(&text, Origin::Embedded))),
        }
    }
}

/// Directories in `dir`, links not followed.
fn directories_in(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

fn digest_of(cache: &Cache, image: &Path) -> Result<Digest, Error> {
    let key = image.to_string_lossy();
    let remembered = cache.recall("digest", &key);
    if let Some(digest) = remembered.and_then(|record| Digest::from_hex(record.facts.first()?)) {
        return Ok(digest);
    }
    let mut record = Record::begin();
    record.depends_on(image);
    let digest = File::open(image)
        .and_then(Digest::of_reader)
        .map_err(|error| find::unreadable(image, &error))?;
    record.facts.push(digest.to_string());
    cache.record("digest", &key, &record);
    Ok(digest)
}

fn embedded_config(cache: &Cache, images: &Images) -> Result<Option<String>, Error> {
    let path = match images {
        Images { vmlinux: Some(path), .. } => path.clone(),
        Images { bzimage: Some(path), .. } => match boot::unpacked(cache, path, &mut |_| {}) {
            Ok(stored) => stored.path,
            // In a format that is not unpacked here: there may be one, but no one can tell.
            Err(boot::UnpackError::UnknownFormat(_)) => return Ok(None),
            Err(boot::UnpackError::Failed(error)) => return Err(error),
        },
        _ => return Ok(None),
    };
    let (mut file, vmlinux) = find::open_vmlinux(&path)?;
    vmlinux.embedded_config(&mut file).map_err(|error| find::unreadable(&path, &error))
}
