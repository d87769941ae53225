//! Closures over trees of made-up modules, laid out as installed and as built.

#![cfg(test)]

use lunlab_initramfs::modules::{Error, ModuleTree, Presence, canonical_name};
use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn ko(modinfo: &[&str]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let section = object.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::ReadOnlyData);
    let strings: String = modinfo.iter().map(|record| format!("{record}\0")).collect();
    object.append_section_data(section, strings.as_bytes(), 1);
    object.write().unwrap()
}

/// A directory in which files are made by path, with all their parents.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn ko(self, path: &str, modinfo: &[&str]) -> Self {
        self.file(path, ko(modinfo))
    }

    fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.root().join(path)).unwrap();
        self
    }

    fn open(&self) -> ModuleTree {
        ModuleTree::open(self.root()).unwrap()
    }

    fn order(&self, names: &[&str]) -> Vec<String> {
        self.open().closure(names).unwrap().into_iter().map(|module| module.name).collect()
    }

    fn has(&self, name: &str, path: &str) -> bool {
        self.open().presence(name) == Presence::Module(self.root().join(path))
    }
}

fn installed() -> Tree {
    Tree::new()
        .ko("kernel/drivers/target/target_core_mod.ko", &["depends=configfs,scsi-common"])
        .ko("kernel/drivers/target/iscsi/iscsi_target_mod.ko", &["depends=target_core_mod"])
        .ko("kernel/drivers/scsi/scsi_common.ko", &["depends="])
        .ko("kernel/fs/configfs/configfs.ko", &["depends="])
        .ko("kernel/drivers/nvme/nvme-tcp.ko", &["depends=nvme-core"])
        .ko("kernel/drivers/nvme/nvme-core.ko", &["depends=", "name=nvme_core"])
        .file("modules.builtin", "kernel/net/core/failover-net.ko\nkernel/fs/ext4/ext4.ko\n")
        .file(
            "modules.builtin.modinfo",
            "crc32c.alias=crypto-crc32c\0usb.alias=usb:v*\0aes.license=GPL\0",
        )
}

#[test]
fn modules_follow_what_they_depend_on() {
    let tree = installed();
    let expected = ["configfs", "scsi_common", "target_core_mod", "iscsi_target_mod"];
    assert_eq!(tree.order(&["iscsi_target_mod"]), expected);
    assert_eq!(
        tree.order(&["nvme_tcp", "scsi_common", "iscsi-target-mod", "nvme-tcp"]),
        ["nvme_core", "nvme_tcp", "scsi_common", "configfs", "target_core_mod", "iscsi_target_mod"]
    );
    assert_eq!(tree.order(&[]), [""; 0]);
}

#[test]
fn a_module_comes_with_its_file_and_its_bytes() {
    let tree = installed();
    let modules = tree.open().closure(&["nvme-core"]).unwrap();
    assert_eq!(modules.len(), 1);
    assert_eq!(modules[0].name, "nvme_core");
    assert_eq!(modules[0].path, tree.root().join("kernel/drivers/nvme/nvme-core.ko"));
    assert_eq!(modules[0].bytes, ko(&["depends=", "name=nvme_core"]));
}

#[test]
fn presence_tells_builtin_module_and_absent_apart() {
    let tree = installed();
    for builtin in ["failover_net", "failover-net", "ext4", "crc32c", "crypto_crc32c", "aes"] {
        assert_eq!(tree.open().presence(builtin), Presence::Builtin, "{builtin}");
    }
    assert!(tree.has("nvme_tcp", "kernel/drivers/nvme/nvme-tcp.ko"));
    assert!(tree.has("nvme-tcp", "kernel/drivers/nvme/nvme-tcp.ko"));
    for absent in ["", "nvme", "usb:v1", "../modules", "nvme-tcp.ko"] {
        assert_eq!(tree.open().presence(absent), Presence::Absent, "{absent}");
    }
    assert!(tree.open().lists_builtin());
    assert!(!Tree::new().open().lists_builtin());
    assert_eq!(canonical_name("a-b_c-d"), "a_b_c_d");
}

#[test]
fn what_is_built_in_needs_no_module() {
    let tree = installed().ko("extra/x.ko", &["depends=ext4,aes", "softdep=pre: crypto-crc32c"]);
    assert_eq!(tree.order(&["ext4", "x", "failover-net"]), ["x"]);
}

#[test]
fn a_builtin_wins_over_a_stale_module_and_a_module_over_an_alias() {
    let tree = installed().ko("kernel/fs/ext4/ext4.ko", &[]).ko("kernel/crypto/crc32c.ko", &[]);
    assert_eq!(tree.open().presence("ext4"), Presence::Builtin);
    assert!(tree.has("crc32c", "kernel/crypto/crc32c.ko"));
}

#[test]
fn soft_dependencies_go_before_and_after_where_they_exist() {
    let tree = Tree::new()
        .ko("a.ko", &["depends=hard", "softdep=pre: first missing post: last"])
        .ko("hard.ko", &[])
        .ko("first.ko", &["depends=below"])
        .ko("below.ko", &[])
        .ko("last.ko", &["depends=a"]);
    assert_eq!(tree.order(&["a"]), ["below", "first", "hard", "a", "last"]);
}

#[test]
fn hard_dependencies_decide_where_soft_ones_contradict_them() {
    let tree = Tree::new()
        .ko("top.ko", &["depends=a"])
        .ko("a.ko", &["softdep=pre: user", "softdep=post: other"])
        .ko("user.ko", &["depends=a"])
        .ko("other.ko", &["depends=top"]);
    assert_eq!(tree.order(&["a"]), ["a", "top", "other", "user"]);
    assert_eq!(tree.order(&["top"]), ["a", "top", "user", "other"]);
}

#[test]
fn soft_dependencies_in_a_circle_end() {
    let tree = Tree::new()
        .ko("a.ko", &["softdep=pre: b"])
        .ko("b.ko", &["softdep=pre: c"])
        .ko("c.ko", &["softdep=pre: a post: c"]);
    assert_eq!(tree.order(&["a"]), ["c", "b", "a"]);
    assert_eq!(tree.order(&["b"]), ["a", "c", "b"]);
}

#[test]
fn hard_dependencies_in_a_circle_end_with_each_module_once() {
    let tree = Tree::new()
        .ko("a.ko", &["depends=b"])
        .ko("b.ko", &["depends=c"])
        .ko("c.ko", &["depends=a,c"]);
    let mut order = tree.order(&["a"]);
    order.sort();
    assert_eq!(order, ["a", "b", "c"]);
}

#[test]
fn a_missing_module_is_named_with_who_needs_it() {
    let tree = installed().ko("extra/x.ko", &["depends=nvme-tcp,not-there"]);
    let message = |names: &[&str]| tree.open().closure(names).unwrap_err().to_string();
    let root = tree.root().display();
    assert_eq!(
        message(&["x"]),
        format!("find module not_there, which x needs, in {root}: neither a module nor built in")
    );
    assert_eq!(
        message(&["ext4", "no-such"]),
        format!("find module no_such in {root}: neither a module nor built in")
    );
}

fn compress(command: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn compressed_modules_are_decompressed() {
    let module = ko(&["depends=plain"]);
    let tree = Tree::new()
        .ko("kernel/plain.ko", &[])
        .file("kernel/x-a.ko.xz", compress(&["xz", "--check=crc32", "--lzma2=dict=1MiB"], &module))
        .file("kernel/x-b.ko.zst", compress(&["zstd", "-q"], &module))
        .file("kernel/x-c.ko.gz", compress(&["gzip", "-9"], &module));
    let modules = tree.open().closure(&["x_a", "x_b", "x_c"]).unwrap();
    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["plain", "x_a", "x_b", "x_c"]);
    assert!(modules[1..].iter().all(|found| found.bytes == module));
}

#[test]
fn files_that_are_no_modules_are_reported() {
    let cut = compress(&["xz"], &ko(&[]));
    let tree = Tree::new()
        .file("text.ko", "not a module")
        .file("empty.ko", "")
        .file("cut.ko.xz", &cut[..cut.len() / 2])
        .link("dangling.ko", "nowhere");
    let error = |name| tree.open().closure(&[name]).unwrap_err();
    assert!(matches!(error("text"), Error::NotAModule { problem: "not an ELF file", .. }));
    assert!(matches!(error("empty"), Error::NotAModule { .. }));
    assert!(matches!(error("cut"), Error::Decompress { .. }));
    assert!(matches!(error("dangling"), Error::Read { .. }));
    assert!(error("cut").to_string().ends_with("cut.ko.xz: decompress xz data: it is cut short"));
    assert!(ModuleTree::open(&tree.root().join("no-such-directory")).is_err());
}

#[test]
fn updates_win_over_the_kernels_own_and_links_are_not_followed() {
    let tree = installed()
        .ko("updates/dkms/nvme-core.ko", &["depends=scsi_common"])
        .ko("weak-updates/nvme-core.ko", &[])
        .ko("sources/inner.ko", &[])
        .ko("build.d/of-its-own.ko", &[])
        .ko(".hidden/hidden.ko", &[])
        .link("build", "/")
        .link("source", ".")
        .link("kernel/loop", "../kernel")
        .link("kernel/linked.ko", "fs/configfs/configfs.ko");
    assert!(tree.has("nvme_core", "updates/dkms/nvme-core.ko"));
    assert_eq!(tree.order(&["nvme-core"]), ["scsi_common", "nvme_core"]);
    assert!(tree.has("linked", "kernel/linked.ko"));
    assert!(tree.has("inner", "sources/inner.ko"));
    assert!(tree.has("configfs", "kernel/fs/configfs/configfs.ko"));
    assert_eq!(tree.open().presence("hidden"), Presence::Absent);
}

#[test]
fn a_modules_directory_may_be_put_together_of_links() {
    let packages = installed();
    let tree = Tree::new().link("kernel", packages.root().join("kernel").to_str().unwrap());
    assert!(tree.has("nvme_tcp", "kernel/drivers/nvme/nvme-tcp.ko"));
}

#[test]
fn modules_order_of_an_installed_tree_is_not_believed() {
    let tree = installed().file("modules.order", "kernel/other.ko\n").ko("extra/own.ko", &[]);
    assert!(tree.has("own", "extra/own.ko"));
    assert!(tree.has("configfs", "kernel/fs/configfs/configfs.ko"));
}

fn built(order: &str) -> Tree {
    Tree::new()
        .file("vmlinux", "")
        .file(".config", "CONFIG_MODULES=y\n")
        .file("Module.symvers", "")
        .file("modules.order", order)
        .file("modules.builtin", "kernel/fs/ext4/ext4.ko\n")
        .ko("drivers/target/target_core_mod.ko", &["depends=configfs"])
        .file("drivers/target/target_core_mod.o", "")
        .ko("fs/configfs/configfs.ko", &[])
        .ko("drivers/left/over.ko", &[])
        .file("drivers/left/modules.order", "drivers/left/over.o\n")
}

#[test]
fn a_build_tree_has_what_its_modules_order_lists() {
    let old = "kernel/drivers/target/target_core_mod.ko\nkernel/fs/configfs/configfs.ko\n";
    for order in
        [old, &old.replace("kernel/", ""), &old.replace("kernel/", "").replace(".ko", ".o")]
    {
        let tree = built(order);
        assert_eq!(tree.order(&["target-core-mod", "ext4"]), ["configfs", "target_core_mod"]);
        assert_eq!(tree.open().presence("over"), Presence::Absent);
    }
}

#[test]
fn a_build_tree_without_modules_order_has_what_is_in_it() {
    let tree = built("");
    fs::remove_file(tree.root().join("modules.order")).unwrap();
    let tree = tree.ko("mods/lib/modules/1/kernel/fs/configfs/configfs.ko", &["depends=over"]);
    assert_eq!(tree.order(&["target_core_mod", "over"]), ["configfs", "target_core_mod", "over"]);
    assert!(tree.has("configfs", "fs/configfs/configfs.ko"));
}

#[test]
fn external_modules_in_a_build_tree_are_found() {
    let tree = built("fs/configfs/configfs.o\n")
        .ko("mine/deep/own.ko", &["depends=configfs"])
        .file("mine/Module.symvers", "");
    assert_eq!(tree.order(&["own"]), ["configfs", "own"]);
}

#[test]
fn an_external_module_directory_is_a_tree_of_its_own() {
    let tree = Tree::new()
        .file("Makefile", "")
        .file("modules.order", "/elsewhere/a.o\n")
        .file("Module.symvers", "")
        .ko("a.ko", &["depends=b"])
        .ko("sub/b.ko", &[]);
    assert_eq!(tree.order(&["a"]), ["b", "a"]);
}

#[test]
fn a_module_that_is_listed_but_not_built_is_absent_with_a_hint() {
    let tree = built("fs/xfs/xfs.o\n");
    assert_eq!(tree.open().presence("xfs"), Presence::Absent);
    let error = tree.open().closure(&["xfs"]).unwrap_err();
    let root = tree.root().display();
    assert_eq!(
        error.hint().unwrap(),
        format!("modules.order lists xfs, but it is not built: make -C {root} modules")
    );
    assert_eq!(tree.open().closure(&["other"]).unwrap_err().hint(), None);
}
