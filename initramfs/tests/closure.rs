//! What a program needs, by our own search and by the loader's own word.

#![cfg(test)]

use lunlab_initramfs::closure::{ClosureError, Contents, Host};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// At the place it has on this system.
fn closure(program: &Path, files: &Host) -> Result<Contents, ClosureError> {
    lunlab_initramfs::closure::closure(program, program, files)
}

fn paths(program: &Path) -> BTreeSet<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = closure(program, &Host).unwrap().into_keys().collect();
    paths.remove(Path::new("/etc/ld.so.cache"));
    paths
}

/// What the program's interpreter says it loads: `name => path (address)`.
fn listed(program: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let path = |line: &str| {
        let line = line.split("=>").last().unwrap_or(line).trim();
        line.starts_with('/').then(|| PathBuf::from(line.split(" (").next().unwrap()))
    };
    text.lines().filter_map(path).collect()
}

fn canonical(paths: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    paths.iter().map(|path| path.canonicalize().unwrap()).collect()
}

#[test]
fn programs_of_this_system_bring_what_their_loader_loads() {
    let programs = ["/bin/sh", "/usr/bin/env", "/usr/bin/qemu-system-x86_64", "/usr/bin/fio"];
    let programs = programs.iter().map(Path::new).filter(|program| program.exists());
    let mut tried = 0;
    for program in programs {
        let mut expected = listed(program);
        expected.insert(program.to_owned());
        assert_eq!(canonical(&paths(program)), canonical(&expected), "{}", program.display());
        tried += 1;
    }
    assert!(tried >= 2);
}

/// A directory of small libraries that `cc` makes.
struct Workshop(tempfile::TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes `name`, which calls what it needs so that the linker keeps it.
    fn make(&self, name: &str, symbol: &str, calls: &[&str], words: &[&str]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let declared: String = calls.iter().map(|call| format!("int {call}(void);")).collect();
        let called: String = calls.iter().map(|call| format!("+{call}()")).collect();
        let source = self.path("source.c");
        std::fs::write(&source, format!("{declared}int {symbol}(void){{return 0{called};}}\n"))
            .unwrap();
        let mut cc = Command::new("cc");
        cc.arg(&source).arg("-o").arg(&path).args(words).current_dir(self.0.path());
        let output = cc.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn library(&self, name: &str, symbol: &str, calls: &[&str], words: &[&str]) {
        let soname =
            format!("-Wl,-soname,{}", Path::new(name).file_name().unwrap().to_str().unwrap());
        let all = [&["-shared", "-fPIC", &soname], words].concat();
        self.make(name, symbol, calls, &all);
    }

    /// Those of its own among what a program needs.
    fn own(&self, program: &str) -> BTreeSet<PathBuf> {
        let paths = paths(&self.path(program)).into_iter();
        paths.filter_map(|path| path.strip_prefix(self.0.path()).ok().map(Path::to_owned)).collect()
    }
}

fn set(names: &[&str]) -> BTreeSet<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

const ALLOW: &str = "-Wl,--allow-shlib-undefined";
const OLD: &str = "-Wl,--disable-new-dtags";
const NEW: &str = "-Wl,--enable-new-dtags";

#[test]
fn an_rpath_counts_for_what_is_needed_further_down_and_a_runpath_does_not() {
    let shop = Workshop::new();
    shop.library("lib/liblow.so", "low", &[], &[]);
    shop.library("lib/libmid.so", "mid", &["low"], &["-Llib", "-llow"]);
    let words = |tags| ["-Llib", "-lmid", ALLOW, tags, "-Wl,-rpath,$ORIGIN/../lib"];
    shop.make("bin/old", "main", &["mid"], &words(OLD));
    assert_eq!(shop.own("bin/old"), set(&["bin/old", "lib/libmid.so", "lib/liblow.so"]));
    shop.make("bin/new", "main", &["mid"], &words(NEW));
    let error = closure(&shop.path("bin/new"), &Host).unwrap_err();
    let words = error.to_string();
    assert!(
        words.starts_with("find liblow.so, which /") && words.contains("lib/libmid.so needs"),
        "{words}"
    );
    assert!(error.hint().unwrap().contains("liblow.so"));
}

#[test]
fn a_program_behind_a_link_has_its_libraries_where_the_guest_will_look() {
    let shop = Workshop::new();
    shop.library("opt/lib/libone.so", "one", &[], &[]);
    let origin = ["-Lopt/lib", "-lone", NEW, "-Wl,-rpath,${ORIGIN}/../lib"];
    shop.make("opt/bin/program", "main", &["one"], &origin);
    std::fs::create_dir(shop.path("bin")).unwrap();
    symlink("../opt/bin/program", shop.path("bin/program")).unwrap();
    assert_eq!(shop.own("bin/program"), set(&["bin/program", "lib/libone.so"]));
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let shop = Workshop::new();
    shop.library("good/libone.so", "one", &[], &[]);
    let rpath = ["-Lgood", "-lone", "-Wl,-rpath,$ORIGIN/bad:$ORIGIN/good"];
    shop.make("program", "main", &["one"], &rpath);
    let mut bytes = std::fs::read(shop.path("good/libone.so")).unwrap();
    bytes[18] ^= 0xff;
    std::fs::create_dir(shop.path("bad")).unwrap();
    std::fs::write(shop.path("bad/libone.so"), bytes).unwrap();
    assert_eq!(shop.own("program"), set(&["program", "good/libone.so"]));
}

#[test]
fn a_static_program_is_all_it_needs() {
    let shop = Workshop::new();
    shop.make("alone", "_start", &[], &["-static", "-nostdlib"]);
    let all = closure(&shop.path("alone"), &Host).unwrap();
    assert_eq!(all.into_keys().collect::<Vec<_>>(), [shop.path("alone")]);
}

#[test]
fn a_script_brings_its_interpreter_and_what_env_looks_for() {
    let shop = Workshop::new();
    for (line, expected) in [
        ("#!/bin/sh -e", &["/bin/sh"][..]),
        ("#! /usr/bin/env -S sh\n", &["/usr/bin/env", "/usr/bin/sh"]),
    ] {
        std::fs::write(shop.path("script"), line).unwrap();
        let all = paths(&shop.path("script"));
        for path in expected.iter().map(PathBuf::from).chain([shop.path("script")]) {
            assert!(all.contains(&path), "{line}: {all:?}");
        }
        assert!(all.iter().any(|path| path.to_string_lossy().contains("libc.so")), "{all:?}");
    }
}

#[test]
fn what_is_no_program_is_told() {
    let shop = Workshop::new();
    let itself = format!("#!{}", shop.path("odd").display());
    for (bytes, problem) in [
        (&b"hello"[..], "neither an ELF file nor a script"),
        (b"", "neither an ELF file nor a script"),
        (b"#!\n", "names no interpreter"),
        (b"#!/nowhere/at/all\n", "read /nowhere/at/all"),
        (itself.as_bytes(), "too many scripts"),
    ] {
        std::fs::write(shop.path("odd"), bytes).unwrap();
        let error = closure(&shop.path("odd"), &Host).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let error = closure(Path::new("/nowhere/at/all"), &Host).unwrap_err().to_string();
    assert!(error.starts_with("read /nowhere/at/all: No such file"), "{error}");
}

#[test]
fn no_damage_to_a_program_is_more_than_an_error() {
    let shop = Workshop::new();
    shop.library("libone.so", "one", &[], &[]);
    shop.make("program", "main", &["one"], &["-L.", "-lone", "-Wl,-rpath,$ORIGIN"]);
    let whole = std::fs::read(shop.path("program")).unwrap();
    let try_bytes = |bytes: &[u8]| {
        std::fs::write(shop.path("damaged"), bytes).unwrap();
        closure(&shop.path("damaged"), &Host).is_ok()
    };
    assert!(try_bytes(&whole));
    assert!((0..whole.len()).step_by(499).all(|end| !try_bytes(&whole[..end]) || end > 64));
    for at in (0..0x400).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        try_bytes(&bytes);
    }
}
