//! Kernels in every form they come in: images, with and without the modules' directory they belong
//! to, and the tree somebody works in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use lunlab_initramfs::{elf, newc};
use lunlab_tests::kernels::{Debian, debian};
use lunlab_tests::{Finished, Lunlab, tools};
use tempfile::TempDir;

use crate::image;

/// A target, checked, and nothing measured.
const SPEC: &str = r#"
[[storage_object]]
name = "disk0"
backstore = "fileio"
size = "8M"
[[target]]
wwn = "iqn.2026-01.org.lunlab.test:kernels"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "disk0" }]
"#;

const WITH_HELLO: &str = "[kernel]\nmodules = [\"hello\"]\n";

const TIME: Duration = Duration::from_secs(120);

fn run(program: &mut Command) {
    let output = tools::output(program, TIME);
    assert!(output.good, "{program:?}: {output:#?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a file has a directory")).expect("make a directory");
    fs::copy(from, to).unwrap_or_else(|error| panic!("copy {}: {error}", from.display()));
}

/// The kernel's vmlinux, in the cache: what is booted through PVH.
fn vmlinux() -> PathBuf {
    booted(&["--kernel", "debian"])
}

/// What QEMU would boot.
fn booted<S: AsRef<std::ffi::OsStr>>(options: &[S]) -> PathBuf {
    let run = Lunlab::run().args(["--dry-run"]).args(options).boots_nothing().finish();
    run.exits(0);
    let line = run.stdout.lines().find_map(|line| line.trim().strip_prefix("-kernel "));
    PathBuf::from(line.expect("-kernel").trim_end_matches('\\').trim())
}

fn boots<S: AsRef<std::ffi::OsStr>>(options: &[S], mode: &str) -> Finished {
    let run = Lunlab::run().spec(SPEC).args(options).finish();
    run.verdict("pass", 0);
    let result = run.result();
    assert_eq!(result["kernel"]["boot_mode"], mode);
    assert_eq!(result["kernel"]["release"], debian().release.as_str());
    run
}

#[test]
fn a_bzimage_with_its_modules_boots_as_it_is() {
    let Debian { image, modules, .. } = debian();
    let options = ["--kernel".into(), image, "--modules".into(), modules];
    boots(&[&options[..], &["--boot".into(), "bzimage".into()]].concat(), "bzimage");
}

#[test]
fn a_vmlinux_with_its_modules_boots_through_pvh() {
    let modules = debian().modules;
    let options = ["--kernel".into(), vmlinux(), "--modules".into(), modules];
    boots(&[&options[..], &["--boot".into(), "pvh".into()]].concat(), "pvh");
    let refused = Lunlab::run().args(options).args(["--boot", "bzimage"]).boots_nothing().finish();
    refused.exits(3).says("there is only a vmlinux");
}

/// The bzImage with its payload packed anew (Documentation/arch/x86/boot.rst: payload_offset at
/// 0x248 counts from behind the setup sectors, payload_length is at 0x24c; the stream ends in the
/// size of what is in it; syssize at 0x1f4 counts paragraphs behind the setup sectors).
fn repack(bzimage: &[u8], vmlinux: &[u8], packed: Vec<u8>) -> Vec<u8> {
    let word =
        |at: usize| u32::from_le_bytes(bzimage[at..at + 4].try_into().expect("4 bytes")) as usize;
    let setup = (usize::from(bzimage[0x1f1]) + 1) * 512;
    let payload = setup + word(0x248);
    let size = u32::try_from(vmlinux.len()).expect("less than 4 GiB");
    let length = u32::try_from(packed.len() + 4).expect("less than 4 GiB");
    let mut image = bzimage[..payload].to_vec();
    image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
    image.extend(packed);
    image.extend(size.to_le_bytes());
    image.resize(image.len().next_multiple_of(512), 0);
    let paragraphs = u32::try_from((image.len() - setup) / 16).expect("less than 64 GiB");
    image[0x1f4..0x1f8].copy_from_slice(&paragraphs.to_le_bytes());
    image
}

#[test]
fn the_same_vmlinux_comes_out_of_a_bzimage_however_it_is_packed() {
    let (kernel, vmlinux) = (debian(), vmlinux());
    let (bzimage, plain) =
        (fs::read(&kernel.image).expect("read"), fs::read(&vmlinux).expect("read"));
    let place = tempfile::tempdir().expect("make a directory");
    for packer in [["gzip", "-1"], ["xz", "-0"], ["lz4", "-l"], ["zstd", "-1"]] {
        let [name, option] = packer;
        let output = tools::command(name).args([option, "-c"]).arg(&vmlinux).output();
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.status.success(), "{name}: {output:?}");
        let image = place.path().join(format!("bzImage-{name}"));
        fs::write(&image, repack(&bzimage, &plain, output.stdout)).expect("write");
        let options = ["--kernel".into(), image, "--modules".into(), kernel.modules.clone()];
        assert_eq!(booted(&options), vmlinux, "{name}: the cache goes by contents");
    }
}

/// Two modules outside any tree, one of which needs the other, with debug information, not signed.
const HELLO: [(&str, &str); 3] = [
    ("Makefile", "obj-m := hello.o hello_words.o\n"),
    (
        "hello_words.c",
        "#include <linux/module.h>\n\
         const char *hello_greeting(void) { return \"hello from outside\"; }\n\
         EXPORT_SYMBOL_GPL(hello_greeting);\n\
         MODULE_LICENSE(\"GPL\");\n",
    ),
    (
        "hello.c",
        "#include <linux/module.h>\n\
         const char *hello_greeting(void);\n\
         static int count = 3;\n\
         module_param(count, int, 0444);\n\
         static int __init hello_init(void)\n\
         { pr_info(\"%s, count %d\\n\", hello_greeting(), count); return 0; }\n\
         static void __exit hello_exit(void) { }\n\
         module_init(hello_init); module_exit(hello_exit);\n\
         MODULE_LICENSE(\"GPL\");\n",
    ),
];

/// Builds them against the headers package, once for all tests.
fn hello() -> &'static Path {
    static BUILT: OnceLock<TempDir> = OnceLock::new();
    let build = || {
        let place = tempfile::tempdir().expect("make a directory");
        for (name, text) in HELLO {
            fs::write(place.path().join(name), text).expect("write a source");
        }
        let headers = format!("/usr/src/linux-headers-{}", debian().release);
        let external = format!("M={}", place.path().display());
        // What this test's own `make` passed on is not for the kernel's.
        let mut make = tools::command("make");
        make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
        run(make.args(["-C", &headers, &external, "modules"]));
        place
    };
    BUILT.get_or_init(build).path()
}

/// Where below its kernel/ directory the modules of a kernel are.
fn module_files(modules: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut queue = vec![modules.join("kernel")];
    while let Some(directory) = queue.pop() {
        for entry in fs::read_dir(directory).expect("list a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                queue.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ko") {
                let name = path.file_stem().expect("a name").to_string_lossy().replace('-', "_");
                found.insert(name, path);
            }
        }
    }
    found
}

/// The modules in an image, by name.
fn modules_in(image: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let entries = newc::read(image).expect("a newc archive");
    let modules = entries.iter().filter_map(|entry| {
        let path = String::from_utf8_lossy(entry.path).into_owned();
        let name = path.rsplit('/').next()?.strip_suffix(".ko")?;
        Some((name.to_owned(), entry.data.to_vec()))
    });
    modules.collect()
}

/// The Debian kernel as kbuild would have left it: vmlinux, bzImage, the files kbuild writes, .ko
/// files beside .o files, with debug information and without signatures, and no modules.dep.
fn build_tree(place: &Path) -> PathBuf {
    let Debian { release, image, modules } = debian();
    let tree = place.join("linux");
    copy(&vmlinux(), &tree.join("vmlinux"));
    copy(&image, &tree.join("arch/x86/boot/bzImage"));
    copy(&image.with_file_name(format!("config-{release}")), &tree.join(".config"));
    copy(&modules.join("modules.builtin"), &tree.join("modules.builtin"));
    fs::create_dir_all(tree.join("include/config")).expect("make a directory");
    fs::write(tree.join("include/config/kernel.release"), format!("{release}\n")).expect("write");
    let order = fs::read_to_string(modules.join("modules.order")).expect("read modules.order");
    let order = order.replace("kernel/", "").replace(".ko\n", ".o\n");
    fs::write(tree.join("modules.order"), order).expect("write modules.order");
    let debug = place.join("dwarf");
    fs::write(&debug, [0xd3; 50_000]).expect("write");
    let needed = modules_in(&image::build(image::command(), &["--transport", "vhost-user-vsock"]));
    for (name, from) in module_files(&modules) {
        let short = from.strip_prefix(modules.join("kernel")).expect("it is below kernel/");
        let to = tree.join(short);
        if needed.contains_key(&name) {
            copy(&from, &to);
            // objcopy keeps sections only: the signature behind them goes.
            let section = format!(".debug_info={}", debug.display());
            run(tools::command("objcopy").args(["--add-section", &section]).arg(&to));
            fs::write(to.with_extension("o"), "an object").expect("write");
            fs::write(to.with_extension("mod.o"), "an object").expect("write");
        }
    }
    copy_hello(&tree.join("drivers/misc/hello"));
    tree
}

fn copy_hello(to: &Path) {
    for file in ["hello.ko", "hello.o", "hello_words.ko", "hello_words.o", "Module.symvers"] {
        copy(&hello().join(file), &to.join(file));
    }
}

/// By what binutils see.
fn has_debug_information(module: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().expect("make a file");
    fs::write(file.path(), module).expect("write a module");
    let output = tools::output(tools::command("readelf").arg("-SW").arg(file.path()), TIME);
    assert!(output.good && output.stdout.contains(".modinfo"), "{output:#?}");
    output.stdout.contains(" .debug_info ")
}

#[test]
fn a_build_tree_is_booted_straight_from_where_it_was_built() {
    let place = tempfile::tempdir().expect("make a directory");
    let tree = build_tree(place.path());
    let spec = format!("{WITH_HELLO}{SPEC}");
    let run = Lunlab::run().spec(&spec).args(["--kernel".as_ref(), tree.as_os_str()]).finish();
    run.verdict("pass", 0);
    assert_eq!(run.result()["kernel"]["boot_mode"], "pvh");
    let kmsg = run.result_file("kmsg.jsonl");
    assert!(kmsg.contains("hello from outside, count 3"), "{}", run.story());
    // What went into the image: debug information stays where it was built.
    fs::write(place.path().join("spec.toml"), &spec).expect("write the spec");
    let kernel = [place.path().join("spec.toml"), "--kernel".into(), tree.clone()];
    let modules = modules_in(&image::build(image::command(), &kernel));
    for (name, at) in [
        ("hello", "drivers/misc/hello"),
        ("hello_words", "drivers/misc/hello"),
        ("target_core_mod", "drivers/target"),
    ] {
        let built = fs::read(tree.join(at).join(format!("{name}.ko"))).expect("read a module");
        let packed = &modules[name];
        assert!(has_debug_information(&built) && !has_debug_information(packed), "{name}");
        assert!(!elf::is_signed(&built) && packed.len() + 40_000 < built.len(), "{name}");
    }
}

#[test]
fn signed_modules_are_packed_byte_for_byte() {
    let files = module_files(&debian().modules);
    let packed = modules_in(&image::build(image::command(), &["--transport", "virtio-serial"]));
    assert!(packed.len() > 5, "{:?}", packed.keys());
    for (name, bytes) in &packed {
        assert!(elf::is_signed(bytes), "{name}: Debian signs its modules");
        assert!(fs::read(&files[name]).expect("read a module") == *bytes, "{name}");
    }
}

/// A modules directory with the needed modules only, each made by `make`.
fn modules_directory(place: &Path, mut make: impl FnMut(usize, &Path, &Path)) -> PathBuf {
    let Debian { release, modules, .. } = debian();
    let root = place.join(release);
    let needed = modules_in(&image::build(image::command(), &["--transport", "vhost-user-vsock"]));
    for list in ["modules.builtin", "modules.order"] {
        copy(&modules.join(list), &root.join(list));
    }
    let files = module_files(&modules).into_iter().filter(|(name, _)| needed.contains_key(name));
    for (index, (_, from)) in files.enumerate() {
        let to = root.join(from.strip_prefix(&modules).expect("it is in there"));
        fs::create_dir_all(to.parent().expect("a directory")).expect("make a directory");
        make(index, &from, &to);
    }
    root
}

#[test]
fn compressed_modules_give_the_same_image_as_plain_ones() {
    let place = tempfile::tempdir().expect("make a directory");
    let packers = [("xz", "xz"), ("zstd", "zst"), ("gzip", "gz")];
    let root = modules_directory(place.path(), |index, from, to| {
        let (packer, suffix) = packers[index % packers.len()];
        let output = tools::command(packer).arg("-c").arg(from).output().expect("pack a module");
        assert!(output.status.success(), "{packer}: {output:?}");
        fs::write(format!("{}.{suffix}", to.display()), output.stdout).expect("write");
    });
    let transport = ["--transport", "vhost-user-vsock"];
    let plain = image::build(image::command(), &transport);
    let packed =
        image::build(image::command().args(["--modules".as_ref(), root.as_os_str()]), &transport);
    assert!(plain == packed, "{} and {} bytes", plain.len(), packed.len());
}

#[test]
fn a_module_that_is_not_there_is_named_before_anything_boots() {
    let run = Lunlab::run().spec("[kernel]\nmodules = [\"no-such\"]\n").boots_nothing().finish();
    run.exits(3).says("no_such").says(&debian().release);
    assert!(run.results().is_empty(), "{:?}", run.results());
}

#[test]
fn a_driver_that_is_not_there_is_named_with_its_symbol_before_anything_boots() {
    let place = tempfile::tempdir().expect("make a directory");
    let root = modules_directory(place.path(), |_, from, to| {
        if !from.ends_with("iscsi_target_mod.ko") {
            symlink(from, to).expect("link a module");
        }
    });
    let options = ["--modules".as_ref(), root.as_os_str()];
    let run = Lunlab::run().spec(SPEC).args(options).boots_nothing().finish();
    run.exits(3).says("iscsi target").says("iscsi_target_mod").says("CONFIG_ISCSI_TARGET");
}

#[test]
fn modules_of_another_kernel_are_refused_with_both_releases() {
    let Debian { release, .. } = debian();
    let other = release.replacen('6', "9", 1);
    assert!(other != release && other.len() == release.len());
    let place = tempfile::tempdir().expect("make a directory");
    let root = modules_directory(place.path(), |_, from, to| {
        let mut bytes = fs::read(from).expect("read a module");
        let (old, new) = (format!("vermagic={release}"), format!("vermagic={other}"));
        let at = bytes.windows(old.len()).position(|bytes| bytes == old.as_bytes());
        let at = at.expect("a module has a vermagic");
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
        fs::write(to, bytes).expect("write a module");
    });
    let options = ["--modules".as_ref(), root.as_os_str()];
    let run = Lunlab::run().spec(SPEC).args(options).boots_nothing().finish();
    run.exits(3).says(&format!("built for kernel {other}, and this is {release}"));
}
