//! Finding the kernel that `--kernel` names, with its modules and its configuration.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::bzimage::{self, BzImage, BzImageError};
use super::config::{KernelConfig, Origin};
use super::elf::{ElfError, Vmlinux};
use super::{Images, Kernel, ModulesDir};
use crate::cache::{Cache, Record};
use crate::error::Error;

/// The largest configuration that is read; real ones have 120 to 300 kB.
const CONFIG_LIMIT: u64 = 8 << 20;

/// Where kernels are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The root of the file system that has boot/, lib/modules/ and usr/lib/modules/: `/`, but for tests.
    pub root: &'a Path,
    /// The directory a relative path starts from: the spec's, or the current one.
    pub base: &'a Path,
    /// The cache, whose kernels/ has what `make setup` unpacked.
    pub cache: &'a Cache,
}

impl Search<'_> {
    /// Finds the kernel that `asked` names; its modules come from `modules` where that is given.
    ///
    /// `asked` is `debian`, a path (build tree, bzImage, vmlinux, an unpacked package, or a modules directory with its vmlinuz), or a release.
    ///
    /// # Errors
    /// Environment: nothing of that name, or an image that is no kernel. Boot: one that is cut short.
    pub fn find(&self, asked: &str, modules: Option<&Path>) -> Result<Kernel, Error> {
        let found = self.locate(asked)?;
        let release = self.release_of(&found)?;
        let modules = match modules {
            Some(dir) => Some(modules_given(&self.resolve(dir), &release)?),
            None => self.modules_of(asked, &found, &release),
        };
        let configs = self.config_candidates(&found, &release, modules.as_ref());
        let config = configs.into_iter().find(|path| path.is_file());
        Ok(Kernel { images: found.images, release, modules, config })
    }

    /// The kernels that can be named by release, with the directory of their image, newest name last.
    #[must_use]
    pub fn releases(&self) -> Vec<(String, PathBuf)> {
        let mut all: Vec<_> = self
            .release_dirs()
            .iter()
            .flat_map(|dir| names_in(dir))
            .chain(
                names_in(&self.root.join("boot"))
                    .filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned)),
            )
            .filter(|name| name != "default")
            .collect();
        all.sort();
        all.dedup();
        all.into_iter()
            .filter_map(|release| {
                let image =
                    self.images_of_release(&release).into_iter().find(|path| path.is_file())?;
                Some((release, image))
            })
            .collect()
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), std::env::var_os("HOME")) {
            (Ok(below), Some(home)) => Path::new(&home).join(below),
            _ => std::path::absolute(self.base.join(path)).unwrap_or_else(|_| self.base.join(path)),
        }
    }

    fn locate(&self, asked: &str) -> Result<Found, Error> {
        if asked.is_empty() {
            return Err(Error::usage("no kernel named: the name is empty"));
        }
        if asked == "debian" {
            return self.locate_debian();
        }
        let path = self.resolve(Path::new(asked));
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => locate_in_dir(&path),
            Ok(_) => Found::image(&path),
            Err(error) if asked.contains('/') || error.kind() != io::ErrorKind::NotFound => {
                Err(Error::environment(format!("kernel {}: {error}", path.display()))
                    .with_hint("name a build tree, a bzImage, a vmlinux, a release, or `debian`"))
            }
            Err(_) => self.locate_release(asked),
        }
    }

    fn locate_debian(&self) -> Result<Found, Error> {
        let dir = self.cache.root().join("kernels/default");
        let hint = "run `make setup`, which fetches it, or name another with --kernel";
        let real = fs::canonicalize(&dir).map_err(|error| {
            Error::environment(format!("kernel debian: {}: {error}", dir.display())).with_hint(hint)
        })?;
        locate_in_dir(&real).map_err(|error| error.with_hint(hint))
    }

    fn locate_release(&self, release: &str) -> Result<Found, Error> {
        let candidates = self.images_of_release(release);
        if let Some(image) = candidates.iter().find(|path| path.exists()) {
            return Found::image(image);
        }
        let looked: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        let known: Vec<_> = self.releases().into_iter().map(|(release, _)| release).collect();
        let hint = match known.as_slice() {
            [] => {
                "name a build tree, a bzImage or a vmlinux; or run `make setup` for `debian`".into()
            }
            known => format!("these releases are here: {}", known.join(", ")),
        };
        let message =
            format!("kernel {release}: no such file, and no such release at {}", looked.join(", "));
        Err(Error::environment(message).with_hint(hint))
    }

    /// Directories whose entries are named by release.
    fn release_dirs(&self) -> [PathBuf; 3] {
        [
            self.root.join("lib/modules"),
            self.root.join("usr/lib/modules"),
            self.cache.root().join("kernels"),
        ]
    }

    fn images_of_release(&self, release: &str) -> Vec<PathBuf> {
        let mut images = vec![self.root.join("boot").join(format!("vmlinuz-{release}"))];
        for dir in &self.release_dirs()[..2] {
            images.push(dir.join(release).join("vmlinuz"));
        }
        images.extend(images_of_package(&self.cache.root().join("kernels").join(release), release));
        images
    }

    fn release_of(&self, found: &Found) -> Result<String, Error> {
        if let Some(tree) = &found.tree
            && let Some(release) = release_of_tree(tree)
        {
            return Ok(release);
        }
        let image = found.images.primary();
        let release = match &found.images {
            Images { vmlinux: Some(path), .. } => vmlinux_release(self.cache, path)?,
            _ => open_bzimage(image)?.1.release,
        };
        release.ok_or_else(|| {
            Error::environment(format!(
                "{}: no kernel release in it: is it Linux?",
                image.display()
            ))
        })
    }

    fn modules_of(&self, asked: &str, found: &Found, release: &str) -> Option<ModulesDir> {
        if let Some(tree) = found.tree_of(release) {
            return Some(ModulesDir::BuildTree(tree));
        }
        let mut dirs = found.modules_beside(release);
        for dir in &self.release_dirs()[..2] {
            dirs.push(dir.join(release));
        }
        // Those in the cache belong to a kernel named by release; an image by itself is taken by
        // itself, however well its release is known.
        if asked == release {
            let package = self.cache.root().join("kernels").join(release);
            dirs.extend(MODULES_IN_PACKAGE.map(|below| package.join(below).join(release)));
        }
        dirs.into_iter().find(|dir| is_modules_dir(dir)).map(ModulesDir::Installed)
    }

    fn config_candidates(
        &self,
        found: &Found,
        release: &str,
        modules: Option<&ModulesDir>,
    ) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let named = format!("config-{release}");
        if let Some(tree) = found.tree_of(release) {
            paths.extend(configs_of_tree(&tree));
        }
        let beside = found.images.primary().parent().map(Path::to_owned).unwrap_or_default();
        paths.push(beside.join(&named));
        match modules {
            Some(ModulesDir::BuildTree(tree)) => paths.extend(configs_of_tree(tree)),
            Some(ModulesDir::Installed(dir)) => {
                paths.push(dir.join("config"));
                paths.extend(
                    dir.ancestors().skip(3).take(2).map(|root| root.join("boot").join(&named)),
                );
                paths.extend(configs_of_tree(&dir.join("build")));
            }
            None => {}
        }
        paths.push(self.root.join("boot").join(&named));
        paths.push(self.root.join("usr/lib/modules").join(release).join("config"));
        paths
    }
}

/// Where an unpacked package keeps modules, below its root.
const MODULES_IN_PACKAGE: [&str; 2] = ["lib/modules", "usr/lib/modules"];

fn images_of_package(root: &Path, release: &str) -> Vec<PathBuf> {
    let mut images = vec![root.join("boot").join(format!("vmlinuz-{release}"))];
    images.extend(MODULES_IN_PACKAGE.map(|dir| root.join(dir).join(release).join("vmlinuz")));
    images
}

/// What a name led to, before the image is read.
struct Found {
    images: Images,
    /// The build tree, where the name was one.
    tree: Option<PathBuf>,
}

impl Found {
    fn image(path: &Path) -> Result<Self, Error> {
        let mut start = Vec::new();
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        file.take(0x268).read_to_end(&mut start).map_err(|error| unreadable(path, &error))?;
        let images = match start.as_slice() {
            start if start.starts_with(b"\x7fELF") => {
                Images { vmlinux: Some(path.to_owned()), bzimage: None }
            }
            start if bzimage::has_magic(start) => {
                Images { vmlinux: None, bzimage: Some(path.to_owned()) }
            }
            start => return Err(no_kernel(path, start)),
        };
        Ok(Self { images, tree: None })
    }

    /// The build tree that made the image: the one named, or the one an image of this release lies in.
    fn tree_of(&self, release: &str) -> Option<PathBuf> {
        if self.tree.is_some() {
            return self.tree.clone();
        }
        let image = self.images.primary();
        let above = image.ancestors().skip(1).take(4);
        above
            .map(Path::to_owned)
            .find(|dir| is_build_tree(dir) && release_of_tree(dir).as_deref() == Some(release))
    }

    /// Where the package or the directory that the image lies in keeps its modules.
    fn modules_beside(&self, release: &str) -> Vec<PathBuf> {
        let Some(dir) = self.images.primary().parent() else { return Vec::new() };
        let mut dirs = vec![dir.to_owned()];
        if let Some(root) = dir.parent() {
            dirs.extend(MODULES_IN_PACKAGE.map(|below| root.join(below).join(release)));
        }
        dirs
    }
}

fn locate_in_dir(dir: &Path) -> Result<Found, Error> {
    if let Some(images) = built_images(dir) {
        let tree = is_build_tree(dir).then(|| dir.to_owned());
        return Ok(Found { images, tree });
    }
    let beside = dir.join("vmlinuz");
    if beside.is_file() {
        return Found::image(&beside);
    }
    let boot = dir.join("boot");
    let mut packaged =
        names_in(&boot).filter(|name| name.starts_with("vmlinuz-")).collect::<Vec<_>>();
    let mut images: Vec<_> = packaged.drain(..).map(|name| boot.join(name)).collect();
    for modules in MODULES_IN_PACKAGE.map(|below| dir.join(below)) {
        let releases = names_in(&modules).map(|release| modules.join(release).join("vmlinuz"));
        images.extend(releases.filter(|path| path.is_file()));
    }
    match images.as_slice() {
        [image] => Found::image(image),
        [] => Err(no_kernel_in(dir)),
        several => Err(Error::environment(format!(
            "{}: {} kernels in it, none of them chosen",
            dir.display(),
            several.len()
        ))
        .with_hint(format!("name one of them, such as {}", several[0].display()))),
    }
}

fn no_kernel_in(dir: &Path) -> Error {
    let hint = if dir.join("Kbuild").exists() || dir.join("Makefile").exists() {
        "build it first (`make -j$(nproc)`), or name the output directory (make's O=)"
    } else {
        "name a build tree, a bzImage or a vmlinux"
    };
    Error::environment(format!(
        "{}: no kernel in it: looked for vmlinux, arch/x86/boot/bzImage, vmlinuz, boot/vmlinuz-*",
        dir.display()
    ))
    .with_hint(hint)
}

fn no_kernel(path: &Path, start: &[u8]) -> Error {
    let error = match start {
        start if start.len() < 0x268 => Error::boot(format!(
            "{} is cut short: {} bytes are no kernel image",
            path.display(),
            start.len()
        )),
        _ => {
            Error::environment(format!("{}: neither an x86 bzImage nor a vmlinux", path.display()))
        }
    };
    error.with_hint("name a bzImage, a vmlinux, a build tree or a release")
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    let plain = Error::environment(format!("read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => plain
            .with_hint(format!("sudo chmod a+r {}, or use a copy you can read", path.display())),
        _ => plain,
    }
}

/// What a build left in `dir`, where it is a build tree.
fn built_images(dir: &Path) -> Option<Images> {
    let present = |path: PathBuf| path.is_file().then_some(path);
    let images = Images {
        vmlinux: present(dir.join("vmlinux")),
        bzimage: present(dir.join("arch/x86/boot/bzImage")),
    };
    (images.vmlinux.is_some() || images.bzimage.is_some()).then_some(images)
}

/// A directory that merely has a vmlinux in it is not one: it may be anybody's home.
fn is_build_tree(dir: &Path) -> bool {
    let has = |name: &&str| dir.join(name).exists();
    [".config", "include/config"].iter().any(has)
        || (["modules.order", "modules.builtin"].iter().any(has) && built_images(dir).is_some())
}

fn release_of_tree(tree: &Path) -> Option<String> {
    let text = read_text(&tree.join("include/config/kernel.release"), 256).ok()?;
    Some(text.trim().to_owned()).filter(|release| !release.is_empty())
}

/// `auto.conf` is what the last build really used; `.config` may have been edited since.
fn configs_of_tree(tree: &Path) -> [PathBuf; 2] {
    [tree.join("include/config/auto.conf"), tree.join(".config")]
}

fn modules_given(dir: &Path, release: &str) -> Result<ModulesDir, Error> {
    if is_build_tree(dir) {
        return Ok(ModulesDir::BuildTree(dir.to_owned()));
    }
    let candidates = [
        dir.to_owned(),
        dir.join(release),
        dir.join("lib/modules").join(release),
        dir.join("usr/lib/modules").join(release),
    ];
    candidates.into_iter().find(|dir| is_modules_dir(dir)).map(ModulesDir::Installed).ok_or_else(|| {
        Error::environment(format!(
            "{}: no modules of {release} in it: looked for modules.order, modules.builtin and kernel/, there and below {release}, lib/modules/{release} and usr/lib/modules/{release}",
            dir.display()
        ))
        .with_hint("name the directory that `make modules_install` filled, or the build tree")
    })
}

/// A headers package leaves a directory of the same name with nothing but links in it.
fn is_modules_dir(dir: &Path) -> bool {
    ["modules.order", "modules.builtin", "kernel"].iter().any(|name| dir.join(name).exists())
}

fn names_in(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads and parses a configuration file.
pub(super) fn read_config(path: &Path) -> Result<KernelConfig, Error> {
    let text = read_text(path, CONFIG_LIMIT).map_err(|error| unreadable(path, &error))?;
    Ok(KernelConfig::parse(&text, Origin::File(path.to_owned())))
}

pub(super) fn open_bzimage(path: &Path) -> Result<(BufReader<File>, BzImage), Error> {
    let mut file = BufReader::new(File::open(path).map_err(|error| unreadable(path, &error))?);
    let parsed = BzImage::read(&mut file).map_err(|error| bad_bzimage(path, &error))?;
    Ok((file, parsed))
}

pub(super) fn bad_bzimage(path: &Path, error: &BzImageError) -> Error {
    let message = format!("bzImage {}: {error}", path.display());
    let plain = Error::environment(message.clone());
    match error {
        BzImageError::CutShort { .. } => Error::boot(message).with_hint("copy or build it again"),
        BzImageError::Io(error) => unreadable(path, error),
        _ => plain,
    }
}

pub(super) fn open_vmlinux(path: &Path) -> Result<(File, Vmlinux), Error> {
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let parsed = Vmlinux::read(&mut file).map_err(|error| bad_vmlinux(path, &error))?;
    Ok((file, parsed))
}

fn bad_vmlinux(path: &Path, error: &ElfError) -> Error {
    let message = format!("vmlinux {}: {error}", path.display());
    let plain = Error::environment(message.clone());
    match error {
        ElfError::CutShort { .. } => Error::boot(message).with_hint("copy or build it again"),
        ElfError::Io(error) => unreadable(path, error),
        _ => plain.with_hint("lunlab boots x86-64 kernels"),
    }
}

/// The release in a vmlinux's banner: remembered, because finding it means reading megabytes.
fn vmlinux_release(cache: &Cache, path: &Path) -> Result<Option<String>, Error> {
    let (mut file, parsed) = open_vmlinux(path)?;
    let key = path.to_string_lossy();
    if let Some(record) = cache.recall("release", &key) {
        return Ok(record.facts.first().cloned());
    }
    let mut record = Record::begin();
    record.depends_on(path);
    let release = parsed.release(&mut file).map_err(|error| unreadable(path, &error))?;
    record.facts.extend(release.clone());
    cache.record("release", &key, &record);
    Ok(release)
}

#[cfg(test)]
mod tests {
    use super::super::boot::{BootChoice, BootMode};
    use super::super::bzimage::tests::{bzimage, gzip};
    use super::super::elf::tests::{note, vmlinux};
    use super::*;
    use crate::error::Category;

    struct Lab {
        dir: tempfile::TempDir,
        cache: Cache,
    }

    impl Lab {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::at(dir.path().join("cache")).unwrap();
            Self { dir, cache }
        }

        /// Writes a file below the laboratory's root directory.
        fn put(&self, path: &str, bytes: &[u8]) -> PathBuf {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            path
        }

        fn find(&self, asked: &str) -> Result<Kernel, Error> {
            self.find_with(asked, None)
        }

        fn find_with(&self, asked: &str, modules: Option<&Path>) -> Result<Kernel, Error> {
            let (root, base) = (&self.dir.path().join("root"), &self.dir.path().join("work"));
            Search { root, base, cache: &self.cache }.find(asked, modules)
        }

        fn boot(&self, kernel: &Kernel, choice: BootChoice) -> Result<(BootMode, bool), Error> {
            let image = kernel.boot_image(&self.cache, choice, &mut |_| {})?;
            Ok((image.mode, image.remark.is_some()))
        }
    }

    fn banner(release: &str) -> Vec<u8> {
        format!("Linux version {release} (me@here) #1").into_bytes()
    }

    fn with_pvh(release: &str) -> Vec<u8> {
        vmlinux(&banner(release), &note(b"Xen\0", 18, &[0, 0, 16, 0]))
    }

    fn without_pvh(release: &str) -> Vec<u8> {
        vmlinux(&banner(release), b"")
    }

    fn packed(vmlinux: &[u8], release: &str) -> Vec<u8> {
        bzimage(&gzip(vmlinux), release)
    }

    #[test]
    fn a_release_is_found_in_every_place_distributions_use() {
        for place in [
            "root/boot/vmlinuz-6.1-a",
            "root/lib/modules/6.1-a/vmlinuz",
            "root/usr/lib/modules/6.1-a/vmlinuz",
        ] {
            let lab = Lab::new();
            let image = lab.put(place, &packed(&with_pvh("6.1-a"), "6.1-a"));
            lab.put("root/usr/lib/modules/6.1-a/modules.order", b"");
            lab.put("root/boot/config-6.1-a", b"CONFIG_NET=y\n");
            let kernel = lab.find("6.1-a").unwrap();
            assert_eq!(kernel.images.bzimage, Some(image));
            let modules = lab.dir.path().join("root/usr/lib/modules/6.1-a");
            assert!(kernel.modules == Some(ModulesDir::Installed(modules)), "{place}");
            assert!(kernel.config.unwrap().ends_with("boot/config-6.1-a"));
        }
    }

    #[test]
    fn an_unknown_release_says_where_it_was_looked_for_and_what_there_is() {
        let lab = Lab::new();
        lab.put("root/boot/vmlinuz-6.1-a", &packed(&with_pvh("6.1-a"), "6.1-a"));
        let error = lab.find("6.1-b").unwrap_err();
        assert_eq!(error.category(), Category::Environment);
        assert!(error.to_string().contains("root/boot/vmlinuz-6.1-b"), "{error}");
        assert_eq!(error.hint(), Some("these releases are here: 6.1-a"));
        assert!(lab.find("debian").unwrap_err().hint().unwrap().contains("make setup"));
        assert!(lab.find("./6.1-a").unwrap_err().to_string().contains("ENOENT"));
    }

    #[test]
    fn a_headers_package_is_no_modules_directory() {
        let lab = Lab::new();
        lab.put("root/boot/vmlinuz-6.1-a", &packed(&with_pvh("6.1-a"), "6.1-a"));
        fs::create_dir_all(lab.dir.path().join("root/lib/modules/6.1-a/build")).unwrap();
        assert_eq!(lab.find("6.1-a").unwrap().modules, None);
        lab.put("cache/kernels/6.1-a/lib/modules/6.1-a/modules.builtin", b"");
        let modules = lab.find("6.1-a").unwrap().modules.unwrap();
        assert!(modules.path().ends_with("kernels/6.1-a/lib/modules/6.1-a"), "{modules:?}");
    }

    #[test]
    fn a_build_tree_brings_release_modules_and_the_configuration_it_was_built_with() {
        let lab = Lab::new();
        lab.put("work/linux/arch/x86/boot/bzImage", &packed(&with_pvh("6.9"), "6.9"));
        lab.put("work/linux/include/config/kernel.release", b"6.9-tree\n");
        lab.put("work/linux/.config", b"");
        let tree = lab.dir.path().join("work/linux");
        for asked in ["linux", "./linux/", tree.to_str().unwrap()] {
            let kernel = lab.find(asked).unwrap();
            assert_eq!(kernel.release, "6.9-tree");
            assert_eq!(kernel.modules, Some(ModulesDir::BuildTree(tree.clone())));
            assert!(kernel.config.unwrap().ends_with(".config"));
        }
        lab.put("work/linux/include/config/auto.conf", b"");
        assert!(lab.find("linux").unwrap().config.unwrap().ends_with("auto.conf"));
        lab.put("work/linux/vmlinux", &with_pvh("6.9-tree"));
        assert_eq!(lab.find("linux").unwrap().images.primary(), tree.join("vmlinux"));
        let image = lab.find("linux/vmlinux").unwrap();
        assert_eq!(image.modules, Some(ModulesDir::BuildTree(tree)));
        lab.put("work/source/Makefile", b"");
        lab.put("work/just/vmlinux", &with_pvh("6.1-just"));
        assert_eq!(lab.find("just").unwrap().modules, None);
        assert!(lab.find("source").unwrap_err().hint().unwrap().contains("build it first"));
    }

    #[test]
    fn modules_given_come_first_and_must_be_modules() {
        let lab = Lab::new();
        lab.put("work/vmlinux", &with_pvh("6.1-a"));
        lab.put("root/lib/modules/6.1-a/modules.order", b"");
        let given = lab.put("work/inst/lib/modules/6.1-a/modules.order", b"");
        let given = given.parent().unwrap().to_owned();
        for dir in ["inst", "inst/lib/modules", "inst/lib/modules/6.1-a"] {
            let kernel = lab.find_with("vmlinux", Some(Path::new(dir))).unwrap();
            assert_eq!(kernel.modules, Some(ModulesDir::Installed(given.clone())));
        }
        let error = lab.find_with("vmlinux", Some(Path::new("."))).unwrap_err();
        assert!(error.to_string().contains("no modules of 6.1-a"), "{error}");
    }

    #[test]
    fn boot_mode_follows_the_note_and_the_choice() {
        let lab = Lab::new();
        lab.put("work/with", &packed(&with_pvh("6.1"), "6.1"));
        lab.put("work/without", &packed(&without_pvh("6.1"), "6.1"));
        lab.put("work/bzip2", &bzimage(b"BZh9 and so on", "6.1"));
        lab.put("work/vmlinux", &without_pvh("6.1"));
        let boot = |name: &str, choice| lab.boot(&lab.find(name).unwrap(), choice);
        assert_eq!(boot("with", BootChoice::Auto), Ok((BootMode::Pvh, false)));
        assert_eq!(boot("with", BootChoice::Bzimage), Ok((BootMode::Bzimage, false)));
        assert_eq!(boot("without", BootChoice::Auto), Ok((BootMode::Bzimage, true)));
        assert_eq!(boot("bzip2", BootChoice::Auto), Ok((BootMode::Bzimage, true)));
        for name in ["without", "vmlinux"] {
            let error = boot(name, BootChoice::Pvh).unwrap_err();
            assert!(error.hint().unwrap().contains("CONFIG_PVH=y"), "{error}");
        }
        for choice in [BootChoice::Auto, BootChoice::Bzimage] {
            let error = boot("vmlinux", choice).unwrap_err();
            assert_eq!(error.category(), Category::Environment);
            assert!(error.to_string().contains("only a vmlinux"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_kernel_is_told_apart_from_a_cut_one() {
        let lab = Lab::new();
        lab.put("work/text", &[b'x'; 5000]);
        lab.put("work/ls", &vmlinux(b"a program", b""));
        lab.put("work/empty", b"");
        for (name, words, category) in [
            ("text", "neither", Category::Environment),
            ("ls", "no kernel release", Category::Environment),
            ("empty", "cut short: 0 bytes", Category::Boot),
        ] {
            let error = lab.find(name).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.category(), category);
        }
    }

    #[test]
    fn a_replaced_image_is_unpacked_again() {
        let lab = Lab::new();
        lab.put("work/bzImage", &packed(&with_pvh("6.1"), "6.1"));
        assert_eq!(
            lab.boot(&lab.find("bzImage").unwrap(), BootChoice::Auto),
            Ok((BootMode::Pvh, false))
        );
        lab.put("work/bzImage", &packed(&without_pvh("6.1"), "6.1"));
        let mode = lab.boot(&lab.find("bzImage").unwrap(), BootChoice::Auto);
        assert_eq!(mode, Ok((BootMode::Bzimage, true)));
    }

    #[test]
    fn an_embedded_configuration_is_read_where_there_is_no_file() {
        let lab = Lab::new();
        let config = gzip(b"CONFIG_VIRTIO_VSOCKETS=y\n");
        let contents = [&banner("6.1")[..], b"\0IKCFG_ST", &config, b"IKCFG_ED"].concat();
        let elf = vmlinux(&contents, b"");
        lab.put("work/vmlinux", &elf);
        lab.put("work/bzImage", &packed(&elf, "6.1"));
        for name in ["vmlinux", "bzImage"] {
            let read = lab.find(name).unwrap().read_config(&lab.cache).unwrap().unwrap();
            let setting = read.setting("CONFIG_VIRTIO_VSOCKETS");
            assert_eq!(
                (setting, read.origin),
                (super::super::config::Setting::BuiltIn, Origin::Embedded)
            );
        }
    }
}
