//! Stripping: what binutils sees in a stripped module is what was there, without debug information.

#![cfg(test)]

use lunlab_initramfs::elf::{is_signed, modinfo, strip_debug};
use proptest::prelude::*;
use std::borrow::Cow;
use std::path::Path;
use std::process::Command;

/// Source with what modules have: sections by name, data with relocations, BTF-like leftovers.
const SOURCE: &str = r#"
#define SECTION(name) __attribute__((section(name), used, aligned(8)))
static const char info[] SECTION(".modinfo") = "depends=a,b\0name=sample";
static const char versions[] SECTION("__versions") = "versions";
extern int imported(const char *text, int value);
static int counter[64];
__attribute__((aligned(64))) int table[3] = {1, 2, 3};
struct record { int (*call)(int); const char *name; };
static int local(int value) { return counter[value & 63] += imported("text", value); }
struct record exported SECTION(".data.exported") = { local, "a string of its own" };
int init_module(void) { return local(table[1]) + exported.call(3); }
__asm__(".pushsection .BTF,\"\",@progbits\n.long 0xeb9f0001\n.popsection");
__asm__(".pushsection .odd,\"a\",@progbits\n.byte 1\n.popsection");
"#;

fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    assert_eq!(errors, "", "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn compile(directory: &Path, options: &[&str]) -> Vec<u8> {
    std::fs::write(directory.join("m.c"), SOURCE).unwrap();
    let fixed = ["-c", "m.c", "-o", "m.o", "-O2", "-ffunction-sections", "-fno-pie"];
    run("gcc", &[&fixed, options].concat(), directory);
    std::fs::read(directory.join("m.o")).unwrap()
}

/// What readelf says of each section but the debug and the emptied ones, and the groups that debug
/// sections were in (the module loader does not look at groups): name, type, size, flags.
fn sections(directory: &Path, file: &str) -> Vec<String> {
    let listing = run("readelf", &["-SW", file], directory);
    let rows = listing.lines().filter_map(|line| line.split_once(']'));
    let rows = rows.filter(|(index, _)| index.trim_start().starts_with('['));
    let fields = rows.map(|(_, row)| row.split_whitespace().collect::<Vec<_>>());
    let kept = fields.filter(|row| {
        row.len() > 6 && !row[0].contains(".debug") && !["NULL", "Name", ".group"].contains(&row[0])
    });
    // Offsets move. Sizes of the symbol and string tables differ between strippers.
    let without_offset = kept.map(|row| {
        let is_table = row[0].ends_with("tab");
        if is_table { row[..2].join(" ") } else { [row[0], row[1], row[4], row[6]].join(" ") }
    });
    without_offset.collect()
}

fn contents(directory: &Path, file: &str, sections: &[String]) -> Vec<(String, String)> {
    let names = sections.iter().map(|row| row.split(' ').next().unwrap());
    let names = names.filter(|name| !name.contains("rel") && !name.ends_with("tab"));
    let dump = |name: &str| {
        let text = run("readelf", &["-x", name, file], directory);
        (name.to_owned(), text)
    };
    names.map(dump).collect()
}

/// Relocations by the names of their sections and symbols, not by their numbers.
fn relocations(directory: &Path, file: &str) -> Vec<String> {
    let listing = run("objdump", &["-r", file], directory);
    let parts = listing.split("\n\n").filter(|part| part.contains("RELOCATION"));
    parts.filter(|part| !part.contains(".debug")).map(|part| part.trim().to_owned()).collect()
}

/// Symbols and their kinds, but for those of emptied sections.
fn symbols(directory: &Path, file: &str) -> Vec<String> {
    let listing = run("nm", &["-p", file], directory);
    let kept = listing.lines().filter(|line| !line.contains(" n ") && !line.contains(" a "));
    kept.map(str::to_owned).collect()
}

fn assert_stripped_faithfully(directory: &Path, module: &[u8]) -> Vec<u8> {
    let stripped = strip_debug(module).into_owned();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).unwrap();
    write("before.o", module);
    write("after.o", &stripped);
    run("objcopy", &["--strip-debug", "before.o", "objcopy.o"], directory);
    let kept = sections(directory, "after.o");
    assert_eq!(kept, sections(directory, "before.o"));
    assert_eq!(kept, sections(directory, "objcopy.o"));
    assert_eq!(contents(directory, "after.o", &kept), contents(directory, "before.o", &kept));
    assert_eq!(relocations(directory, "after.o"), relocations(directory, "before.o"));
    assert_eq!(symbols(directory, "after.o"), symbols(directory, "before.o"));
    assert!(!run("readelf", &["-SW", "after.o"], directory).contains(".debug"));
    stripped
}

#[test]
fn debug_sections_go_and_all_else_stays() {
    for options in [&["-g"][..], &["-g3"], &["-g", "-gz"], &["-gdwarf-4", "-fdebug-types-section"]]
    {
        let directory = tempfile::tempdir().unwrap();
        let module = compile(directory.path(), options);
        let stripped = assert_stripped_faithfully(directory.path(), &module);
        assert!(stripped.len() < module.len(), "{options:?}");
        assert_eq!(modinfo(&stripped).unwrap(), b"depends=a,b\0name=sample\0");
        assert!(matches!(strip_debug(&stripped), Cow::Borrowed(_)), "{options:?}: again");
    }
}

#[test]
fn the_stripped_object_links_and_runs_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let module = compile(directory.path(), &["-g"]);
    let main = "int init_module(void); int imported(const char *t, int v) { return t[0] + v; }\n\
        int main(void) { return init_module() != 't' + 2 + 't' + 3; }";
    std::fs::write(directory.path().join("main.c"), main).unwrap();
    std::fs::write(directory.path().join("stripped.o"), strip_debug(&module)).unwrap();
    run(
        "gcc",
        &["-no-pie", "main.c", "stripped.o", "-o", "main", "-z", "noexecstack"],
        directory.path(),
    );
    run("./main", &[], directory.path());
}

#[test]
fn what_has_no_debug_information_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let module = compile(directory.path(), &["-g0"]);
    assert!(matches!(strip_debug(&module), Cow::Borrowed(_)));
}

#[test]
fn signed_modules_stay_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let mut module = compile(directory.path(), &["-g"]);
    assert!(!is_signed(&module));
    module.extend_from_slice(b"~Module signature appended~\n");
    assert!(is_signed(&module));
    assert!(matches!(strip_debug(&module), Cow::Borrowed(bytes) if bytes == module));
}

#[test]
fn programs_and_other_files_stay_as_they_are() {
    let program = std::fs::read("/proc/self/exe").unwrap();
    for file in [&program[..], b"", b"\x7fELF", b"text"] {
        assert!(matches!(strip_debug(file), Cow::Borrowed(_)));
    }
    assert_eq!(modinfo(&program), Err("it has no .modinfo section"));
    assert_eq!(modinfo(b"text"), Err("not an ELF file"));
}

proptest! {
    #[test]
    fn damaged_modules_are_stripped_or_left(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        header in proptest::collection::vec((0..64_usize, any::<u8>()), 0..2),
        length in any::<proptest::sample::Index>(),
    ) {
        static MODULE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            compile(tempfile::tempdir().unwrap().path(), &["-g"])
        });
        let mut module = MODULE.clone();
        // The section headers are at the end: most damage goes there.
        let tail = module.len() - 40 * 64;
        for (place, byte) in damage {
            module[tail + place.index(40 * 64)] = byte;
        }
        for (place, byte) in header {
            module[place] = byte;
        }
        for module in [&module[..], &module[..length.index(module.len())]] {
            prop_assert!(strip_debug(module).len() <= module.len() + 64 * 64);
            let _result = modinfo(module);
        }
    }
}
