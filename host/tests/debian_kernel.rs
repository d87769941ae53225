//! The kernel that `make setup` fetched: found, unpacked, planned, and made into an image.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lunlab::cache::Cache;
use lunlab::error::Category;
use lunlab::image::{Needs, base_segment, write_initrd};
use lunlab::kernel::boot::{BootChoice, BootMode};
use lunlab::kernel::features::{
    BASE, CONFIGFS, CRC32C, FILEIO, ISCSI_TARGET, TARGET, VIRTIO_PCI, VSOCK,
};
use lunlab::kernel::find::Search;
use lunlab::kernel::plan::plan_modules;
use lunlab::kernel::{Kernel, ModulesDir};
use lunlab_initramfs::image::GuestFile;

/// A cache of the test's own, which has the user's kernels.
struct Lab {
    dir: tempfile::TempDir,
    cache: Cache,
}

impl Lab {
    fn new() -> Self {
        let real = Cache::open().unwrap().root().join("kernels");
        assert!(real.join("default").exists(), "no {}: run `make setup`", real.display());
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        std::os::unix::fs::symlink(real, cache.root().join("kernels")).unwrap();
        Self { dir, cache }
    }

    fn find(&self, asked: &str, modules: Option<&Path>) -> Result<Kernel, lunlab::error::Error> {
        let root = self.dir.path().join("root");
        Search { root: &root, base: self.dir.path(), cache: &self.cache }.find(asked, modules)
    }

    /// The kernel's vmlinux, from a cache that all tests share: unpacking is slow without optimisation.
    fn vmlinux(&self, kernel: &Kernel) -> PathBuf {
        let shared = Cache::at(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")).unwrap();
        kernel.boot_image(&shared, BootChoice::Pvh, &mut |_| {}).unwrap().path
    }

    /// A tree as kbuild leaves it: vmlinux, .ko files, lists, and no modules.dep.
    fn build_tree(&self) -> PathBuf {
        let debian = self.find("debian", None).unwrap();
        let tree = self.dir.path().join("linux");
        let Some(ModulesDir::Installed(modules)) = &debian.modules else { panic!("{debian:?}") };
        fs::create_dir_all(tree.join("include/config")).unwrap();
        fs::write(tree.join("include/config/kernel.release"), format!("{}\n", debian.release))
            .unwrap();
        fs::copy(self.vmlinux(&debian), tree.join("vmlinux")).unwrap();
        fs::copy(debian.config.as_ref().unwrap(), tree.join(".config")).unwrap();
        fs::copy(modules.join("modules.builtin"), tree.join("modules.builtin")).unwrap();
        let order = fs::read_to_string(modules.join("modules.order")).unwrap();
        let order = order.replace("kernel/", "").replace(".ko\n", ".o\n");
        fs::write(tree.join("modules.order"), order).unwrap();
        let status = std::process::Command::new("cp")
            .arg("-r")
            .args(
                ["drivers", "net", "fs", "lib", "crypto"]
                    .map(|dir| modules.join("kernel").join(dir)),
            )
            .arg(&tree)
            .status();
        assert!(status.unwrap().success());
        tree
    }
}

fn needs() -> Needs {
    let mut features = BASE.to_vec();
    features.extend([VIRTIO_PCI, VSOCK, CRC32C, CONFIGFS, TARGET, FILEIO, ISCSI_TARGET]);
    Needs { features, modules: Vec::new() }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn debian_is_found_whole_and_boots_through_pvh() {
    let lab = Lab::new();
    let kernel = lab.find("debian", None).unwrap();
    assert!(kernel.release.contains("cloud-amd64"), "{kernel:?}");
    assert!(kernel.modules.is_some() && kernel.config.is_some(), "{kernel:?}");
    let mut told = Vec::new();
    let mut boot =
        |choice| kernel.boot_image(&lab.cache, choice, &mut |text| told.push(text.to_owned()));
    let first = boot(BootChoice::Auto).unwrap();
    assert_eq!(first.mode, BootMode::Pvh);
    assert_eq!(boot(BootChoice::Pvh).unwrap(), first);
    assert_eq!(boot(BootChoice::Bzimage).unwrap().path, kernel.images.primary());
    assert_eq!(told.len(), 1, "unpacked once: {told:?}");
    assert_eq!(kernel.digest(&lab.cache).unwrap(), kernel.digest(&lab.cache).unwrap());
}

#[test]
fn its_release_leads_to_its_modules_and_an_image_by_itself_has_none() {
    let lab = Lab::new();
    let debian = lab.find("debian", None).unwrap();
    let by_release = lab.find(&debian.release, None).unwrap();
    let modules =
        |kernel: &Kernel| fs::canonicalize(kernel.modules.as_ref().unwrap().path()).unwrap();
    assert_eq!(modules(&by_release), modules(&debian));
    fs::copy(debian.images.primary(), lab.dir.path().join("bzImage")).unwrap();
    let bare = lab.find("bzImage", None).unwrap();
    let vmlinux = lab.find(lab.vmlinux(&debian).to_str().unwrap(), None).unwrap();
    for kernel in [&bare, &vmlinux] {
        assert_eq!(kernel.release, debian.release);
        assert_eq!((&kernel.modules, &kernel.config), (&None, &None));
    }
    let error = vmlinux.boot_image(&lab.cache, BootChoice::Bzimage, &mut |_| {}).unwrap_err();
    assert_eq!(error.category(), Category::Environment);
}

#[test]
fn cut_images_say_how_much_is_missing() {
    let lab = Lab::new();
    let debian = lab.find("debian", None).unwrap();
    let (bzimage, vmlinux) = (read(debian.images.primary()), read(&lab.vmlinux(&debian)));
    for (name, whole) in [("bzImage", bzimage), ("vmlinux", vmlinux)] {
        // Behind the ELF file proper, a vmlinux from a bzImage has relocations that PVH does without.
        for part in [whole.len() - (2 << 20), whole.len() / 2, 4096, 300, 0] {
            fs::write(lab.dir.path().join(name), &whole[..part]).unwrap();
            let error = lab
                .find(name, None)
                .and_then(|kernel| kernel.boot_image(&lab.cache, BootChoice::Auto, &mut |_| {}));
            let error = error.unwrap_err();
            assert_eq!(error.category(), Category::Boot);
            assert!(error.to_string().contains("cut short"), "{name} {part}: {error}");
        }
    }
}

#[test]
fn a_bare_vmlinux_is_tried_without_modules() {
    let lab = Lab::new();
    let vmlinux = lab.vmlinux(&lab.find("debian", None).unwrap());
    let kernel = lab.find(vmlinux.to_str().unwrap(), None).unwrap();
    let doubt = kernel.contents(&lab.cache).unwrap().doubt(&needs().features).unwrap();
    assert!(doubt.contains("vsock") && doubt.contains("iscsi target"), "{doubt}");
    let base = base_segment(&lab.cache, &kernel, &needs(), b"agent", &[]).unwrap();
    assert!(base.channel.is_empty() && base.rest.is_empty());
}

#[test]
fn channel_modules_come_first_and_nothing_twice() {
    let lab = Lab::new();
    let kernel = lab.find("debian", None).unwrap();
    let contents = kernel.contents(&lab.cache).unwrap();
    let plan = plan_modules(&contents, &needs().features, &["null-blk".to_owned()]).unwrap();
    let names = |modules: &[lunlab_initramfs::modules::Module]| -> Vec<String> {
        modules.iter().map(|module| module.name.clone()).collect()
    };
    let (channel, rest) = (names(&plan.channel), names(&plan.rest));
    assert_eq!(channel.last().unwrap(), "vmw_vsock_virtio_transport");
    assert!(channel.contains(&"virtio_pci".to_owned()), "{channel:?}");
    assert_eq!(rest.last().unwrap(), "null_blk");
    assert!(rest.contains(&"iscsi_target_mod".to_owned()), "{rest:?}");
    let mut all = [channel, rest].concat();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    let error = plan_modules(&contents, &[], &["no-such".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("no module no_such"), "{error}");
    assert_eq!(error.category(), Category::Environment);
}

#[test]
fn modules_of_another_kernel_are_refused_with_both_releases() {
    let lab = Lab::new();
    let mut contents = lab.find("debian", None).unwrap().contents(&lab.cache).unwrap();
    let theirs = std::mem::replace(&mut contents.release, "6.9.0-mine".to_owned());
    let error = plan_modules(&contents, &[VSOCK], &[]).unwrap_err();
    assert_eq!(error.category(), Category::Environment);
    let (said, hint) = (error.to_string(), error.hint().unwrap());
    assert!(said.contains(&format!("built for kernel {theirs}, and this is 6.9.0-mine")), "{said}");
    assert!(hint.contains("--modules"), "{hint}");
}

#[test]
fn an_image_is_built_once_and_again_when_anything_changed() {
    let lab = Lab::new();
    let tree = lab.build_tree();
    let kernel = lab.find(tree.to_str().unwrap(), None).unwrap();
    assert_eq!(kernel.modules, Some(ModulesDir::BuildTree(tree.clone())));
    let segment = || base_segment(&lab.cache, &kernel, &needs(), b"agent", &[]).unwrap();
    let settle = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while segment().built {
            assert!(Instant::now() < deadline, "never found in the cache");
        }
        segment()
    };
    let first = segment();
    assert!(first.built);
    assert_eq!(settle().digest, first.digest);
    // Replaced in place, by as many bytes: an unsigned module is stripped of debug information, this one stays as it is.
    let module = tree.join("drivers/target/target_core_file.ko");
    let mut bytes = read(&module);
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    fs::write(&module, &bytes).unwrap();
    let second = segment();
    assert!(second.built && second.digest != first.digest);
    let second = settle();
    // A damaged image in the cache is made again.
    let image = read(&second.path);
    for damage in [&image[..image.len() / 2], &vec![0; image.len()]] {
        fs::write(&second.path, damage).unwrap();
        let again = segment();
        assert!(again.built);
        assert_eq!((read(&again.path) == image, again.digest), (true, second.digest));
    }
    let other = base_segment(&lab.cache, &kernel, &needs(), b"another agent", &[]).unwrap();
    assert!(other.built && other.digest != second.digest);
    fs::write(tree.join("modules.builtin"), "kernel/drivers/target/target_core_file.ko\n").unwrap();
    assert!(segment().built);
    assert!(!segment().rest.iter().any(|path| path.contains("target_core_file")));
}

#[test]
fn eight_at_once_agree() {
    let lab = Lab::new();
    let kernel = lab.find("debian", None).unwrap();
    let digests: Vec<_> = std::thread::scope(|scope| {
        let build = || {
            let segment = base_segment(&lab.cache, &kernel, &needs(), b"agent", &[]).unwrap();
            let image = lab.vmlinux(&kernel);
            (segment.digest, read(&segment.path).len() as u64 == segment.size, image)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(digests.iter().all(|one| *one == digests[0] && one.1), "{digests:?}");
}

#[test]
fn initrd_is_private_and_both_its_archives_are_read_back() {
    let lab = Lab::new();
    let kernel = lab.find("debian", None).unwrap();
    let base = base_segment(&lab.cache, &kernel, &needs(), b"agent", &[]).unwrap();
    let to = lab.dir.path().join("initrd");
    let files = [GuestFile { path: "/run/lunlab", mode: 0o600, bytes: b"token" }];
    write_initrd(&base, &files, &to).unwrap();
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(write_initrd(&base, &files, &to).is_err(), "an initrd is never written over");
    let mut bytes = Vec::new();
    fs::File::open(&to).unwrap().read_to_end(&mut bytes).unwrap();
    let entries = lunlab_initramfs::newc::read(&bytes).unwrap();
    let find = |path: &str| entries.iter().find(|entry| entry.path == path.as_bytes()).unwrap();
    assert_eq!((find("run/lunlab").archive, find("run/lunlab").data), (1, &b"token"[..]));
    for path in base.channel.iter().chain(&base.rest) {
        assert_eq!(find(path.trim_start_matches('/')).archive, 0);
    }
}
