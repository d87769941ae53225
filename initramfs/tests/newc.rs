//! Archives: our writer, our reader and GNU cpio agree, and no bytes upset the reader.

#![cfg(test)]

use lunlab_initramfs::newc::{Archive, Entry, Kind, Node, ReadProblem, Reader, append, read};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

fn cpio(directory: &Path, arguments: &[&str], input: &[u8]) -> (Vec<u8>, String) {
    let mut child = Command::new("cpio")
        .args(arguments)
        .current_dir(directory)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("GNU cpio must be installed");
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // cpio stops reading at the first trailer; that is no failure.
        scope.spawn(move || stdin.write_all(input).unwrap_or_default());
        child.wait_with_output().unwrap()
    });
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "cpio {arguments:?}: {errors}");
    (output.stdout, errors)
}

fn sample() -> Archive<'static> {
    let mut archive = Archive::new();
    archive.add("/init", 0o755, Node::File(b"#!agent")).unwrap();
    archive.add("dev/console", 0o600, Node::CharacterDevice { major: 5, minor: 1 }).unwrap();
    archive.add("tmp", 0o1777, Node::Directory).unwrap();
    archive.add("lib/modules/a.ko", 0o644, Node::File(&[7; 1001])).unwrap();
    archive.add("lib/link", 0o777, Node::Symlink(b"modules/a.ko")).unwrap();
    archive.add("lib/empty", 0o400, Node::File(b"")).unwrap();
    archive
}

fn paths(entries: &[Entry<'_>]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8(entry.path.to_vec()).unwrap()).collect()
}

fn find<'a>(entries: &[Entry<'a>], path: &str) -> Entry<'a> {
    *entries.iter().find(|entry| entry.path == path.as_bytes()).expect(path)
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let mut archive = Archive::new();
    archive.add("d/f", 0o640, Node::File(b"hello")).unwrap();
    let expected = [
        "070701000000010000",
        "41ED00000000000000000000000200000000000000000000000000000000000000000000000000000002000000",
        "00d\0",
        "070701000000020000",
        "81A0000000000000000000000001000000000000000500000000000000000000000000000000000000040000",
        "0000d/f\0\0\0hello\0\0\0",
        "07070100000000000000000000000000000000000000010000000000000000000000000000000000000000000000",
        "000000000B00000000TRAILER!!!\0\0\0\0",
    ];
    let written = archive.to_bytes();
    assert_eq!(String::from_utf8(written.clone()).unwrap(), expected.concat());
    assert_eq!(written.len() % 4, 0);
}

#[test]
fn entries_are_sorted_and_have_their_parents() {
    let bytes = sample().to_bytes();
    let entries = read(&bytes).unwrap();
    let expected = [
        "dev",
        "dev/console",
        "init",
        "lib",
        "lib/empty",
        "lib/link",
        "lib/modules",
        "lib/modules/a.ko",
        "tmp",
    ];
    assert_eq!(paths(&entries), expected);
    assert_eq!(find(&entries, "lib").mode_string(), "drwxr-xr-x");
    assert!(entries.iter().all(|entry| (entry.uid, entry.gid, entry.mtime) == (0, 0, 0)));
}

#[test]
fn the_order_of_adding_makes_no_difference() {
    let mut one = Archive::new();
    one.add("a/b", 0o600, Node::File(b"1")).unwrap();
    one.add("a", 0o700, Node::Directory).unwrap();
    let mut other = Archive::new();
    other.add("a", 0o700, Node::Directory).unwrap();
    other.add("a/b", 0o600, Node::File(b"1")).unwrap();
    assert_eq!(one.to_bytes(), other.to_bytes());
}

#[test]
fn what_the_kernel_would_skip_or_misread_is_refused() {
    let long = "x".repeat(4096);
    let paths =
        ["", "/", "//a", "a//b", "a/", ".", "..", "./a", "a/../b", "a\0b", "TRAILER!!!", &long];
    for path in paths {
        assert!(Archive::new().add(path, 0, Node::Directory).is_err(), "{path:?}");
    }
    assert!(Archive::new().add("x".repeat(4095), 0, Node::Directory).is_ok());
    assert!(Archive::new().add("a", 0o10_000, Node::Directory).is_err());
    assert!(Archive::new().add("a", 0o777, Node::Symlink(long.as_bytes())).is_err());
    assert!(Archive::new().add("a", 0o777, Node::Symlink(b"")).is_err());
}

#[test]
fn a_path_is_taken_once_and_only_directories_have_something_in_them() {
    let mut archive = sample();
    let before = archive.to_bytes();
    let message =
        |error: Result<(), _>| error.map_err(|e: lunlab_initramfs::newc::WriteError| e.to_string());
    assert_eq!(
        message(archive.add("init", 0, Node::File(b""))),
        Err("add /init to the archive: it is there already".to_owned())
    );
    assert!(archive.add("lib", 0, Node::File(b"")).is_err());
    assert_eq!(
        message(archive.add("init/x/y", 0, Node::File(b""))),
        Err("add /init/x/y to the archive: its parent is not a directory".to_owned())
    );
    assert_eq!(archive.to_bytes(), before);
}

#[test]
fn gnu_cpio_lists_what_we_write() {
    let (listing, errors) = cpio(Path::new("/"), &["-itvn", "--quiet"], &sample().to_bytes());
    let listing = String::from_utf8(listing).unwrap();
    let lines: Vec<_> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(errors, "");
    let expected = [
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 dev",
        "crw------- 1 0 0 5, 1 Jan 1 1970 dev/console",
        "-rwxr-xr-x 1 0 0 7 Jan 1 1970 init",
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 lib",
        "-r-------- 1 0 0 0 Jan 1 1970 lib/empty",
        "lrwxrwxrwx 1 0 0 12 Jan 1 1970 lib/link -> modules/a.ko",
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 lib/modules",
        "-rw-r--r-- 1 0 0 1001 Jan 1 1970 lib/modules/a.ko",
        "drwxrwxrwt 2 0 0 0 Jan 1 1970 tmp",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn gnu_cpio_unpacks_what_we_write() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = sample().to_bytes();
    let only = ["-id", "--quiet", "--no-absolute-filenames", "init", "lib", "lib/*", "tmp"];
    let (_, errors) = cpio(directory.path(), &only, &bytes);
    assert_eq!(errors, "");
    let path = |name: &str| directory.path().join(name);
    assert_eq!(std::fs::read(path("init")).unwrap(), b"#!agent");
    assert_eq!(path("init").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(std::fs::read(path("lib/link")).unwrap(), [7; 1001]);
    assert_eq!(std::fs::read_link(path("lib/link")).unwrap(), Path::new("modules/a.ko"));
    assert!(path("tmp").is_dir());
}

/// A directory with hard links, a symlink, a pipe and odd sizes, packed by GNU cpio.
fn packed_by_cpio(directory: &Path, extra: &[&str]) -> Vec<u8> {
    let path = |name: &str| directory.join(name);
    std::fs::create_dir(path("sub")).unwrap();
    std::fs::write(path("first"), b"shared content").unwrap();
    std::fs::hard_link(path("first"), path("second")).unwrap();
    std::fs::hard_link(path("first"), path("sub/third")).unwrap();
    std::fs::write(path("sub/odd"), [1; 333]).unwrap();
    std::fs::write(path("empty"), b"").unwrap();
    symlink("sub/odd", path("link")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::fs::set_permissions(path("sub/odd"), PermissionsExt::from_mode(0o4751)).unwrap();
    let names = "./first\n.\n./second\nsub\nsub/third\nsub/odd\nempty\nlink\npipe\n/dev/null\n";
    cpio(directory, &[&["-o", "--quiet", "-H", "newc"], extra].concat(), names.as_bytes()).0
}

#[test]
fn we_read_what_gnu_cpio_writes() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = packed_by_cpio(directory.path(), &[]);
    assert_eq!(bytes.len() % 512, 0);
    let entries = read(&bytes).unwrap();
    let expected = [
        ".",
        "sub",
        "sub/odd",
        "empty",
        "link",
        "pipe",
        "/dev/null",
        "first",
        "second",
        "sub/third",
    ];
    let mut found = paths(&entries);
    found.sort();
    assert_eq!(found, {
        let mut sorted = expected;
        sorted.sort_unstable();
        sorted
    });
    for name in ["first", "second", "sub/third"] {
        assert_eq!(
            (find(&entries, name).links, find(&entries, name).data),
            (3, &b"shared content"[..])
        );
    }
    assert_eq!(find(&entries, "sub/odd").data, [1; 333]);
    assert_eq!(find(&entries, "sub/odd").mode_string(), "-rwsr-x--x");
    assert_eq!(find(&entries, "link").data, b"sub/odd");
    assert_eq!(find(&entries, "pipe").kind(), Kind::Fifo);
    let null = find(&entries, "/dev/null");
    assert_eq!((null.kind(), null.node_device), (Kind::CharacterDevice, (1, 3)));
}

#[test]
fn reproducible_archives_of_gnu_cpio_keep_hard_links_apart() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = packed_by_cpio(directory.path(), &["--reproducible"]);
    let entries = read(&bytes).unwrap();
    assert_eq!(find(&entries, "second").data, b"shared content");
    assert_eq!(find(&entries, "sub/odd").data, [1; 333]);
    assert_eq!(find(&entries, "empty").data, b"");
}

#[test]
fn archives_of_both_kinds_follow_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = packed_by_cpio(directory.path(), &[]);
    let first = read(&bytes).unwrap().len();
    append(&mut bytes, &sample().to_bytes());
    bytes.extend_from_slice(&[0; 512]);
    append(&mut bytes, &sample().to_bytes());
    let entries = read(&bytes).unwrap();
    assert_eq!(entries.len(), first + 2 * 9);
    assert_eq!(entries.iter().map(|entry| entry.archive).max(), Some(2));
    assert!(entries.iter().all(|entry| entry.offset % 4 == 0));
}

#[test]
fn hard_links_of_two_archives_are_not_mixed_up() {
    let entry = |data: &str| {
        // The path `./f` with its NUL takes 4 bytes, which end 2 after a multiple of 4.
        let header = format!("070701{:08X}{:08X}{:016X}{:08X}{:08X}", 9, 0o100_644, 0, 2, 0);
        let sizes = format!("{:08X}{:032X}{:08X}{:08X}", data.len(), 0, 4, 0);
        format!("{header}{sizes}./f\0\0\0{data}{}", "\0".repeat((4 - data.len() % 4) % 4))
            .into_bytes()
    };
    let trailer = Archive::new().to_bytes();
    let bytes = [entry(""), entry("one!"), trailer.clone(), entry("two!"), trailer].concat();
    let entries = read(&bytes).unwrap();
    assert_eq!(paths(&entries), ["./f", "./f", "./f"]);
    let data: Vec<_> = entries.iter().map(|entry| entry.data).collect();
    assert_eq!(data, [b"one!", b"one!", b"two!"]);
}

fn problem(bytes: &[u8]) -> (usize, ReadProblem) {
    let error = read(bytes).unwrap_err();
    (error.offset, error.problem)
}

#[test]
fn every_cut_is_reported_with_its_place() {
    let whole = sample().to_bytes();
    let entries = read(&whole).unwrap();
    let trailer = whole.len() - 124;
    for length in 1..whole.len() - 3 {
        let starts = entries.iter().map(|entry| entry.offset).chain([trailer]);
        let last = starts.filter(|start| *start <= length).max().unwrap();
        let (offset, problem) = problem(&whole[..length]);
        assert_eq!(problem, ReadProblem::Truncated, "{length}");
        // A cut may fall into the padding after an entry: then the next one is missing.
        assert!(
            offset == last || offset == length.next_multiple_of(4),
            "{length}: {offset} {last}"
        );
    }
}

#[test]
fn what_is_no_archive_is_named() {
    let good = sample().to_bytes();
    let with = |tail: &[u8]| [&good[..], tail].concat();
    assert_eq!(problem(&with(b"garbage.")), (good.len(), ReadProblem::NoHeader));
    assert_eq!(
        problem(&with(&[&[0; 2], &good[..]].concat())),
        (good.len() + 2, ReadProblem::Unaligned)
    );
    let gzip = read(&with(&[0x1f, 0x8b, 8, 0])).unwrap_err();
    let expected = format!("read newc entry at byte {}: gzip data, not a newc header", good.len());
    assert_eq!(gzip.to_string(), expected);
    let mut sign = good.clone();
    sign[6] = b'+';
    assert_eq!(problem(&sign), (0, ReadProblem::BadField));
    let mut endless = good.clone();
    endless[110 + 3] = b'x';
    assert_eq!(problem(&endless), (0, ReadProblem::BadPath));
    let mut huge = good;
    huge[54..62].copy_from_slice(b"ffffffff");
    assert_eq!(problem(&huge), (0, ReadProblem::Truncated));
    assert_eq!(read(&[]).unwrap(), []);
    assert_eq!(read(&[0; 1000]).unwrap(), []);
}

#[test]
fn a_reader_stops_after_an_error() {
    let bytes = [&sample().to_bytes()[..124], b"garbage."].concat();
    assert_eq!(Reader::new(&bytes).filter(Result::is_err).take(10).count(), 1);
}

#[derive(Debug, Clone)]
enum Content {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Device(u32, u32),
}

impl Content {
    fn node(&self) -> Node<'_> {
        match self {
            Self::Directory => Node::Directory,
            Self::File(data) => Node::File(data),
            Self::Symlink(target) => Node::Symlink(target),
            Self::Device(major, minor) => Node::CharacterDevice { major: *major, minor: *minor },
        }
    }

    fn matches(&self, entry: &Entry<'_>) -> bool {
        match self {
            Self::Directory => entry.kind() == Kind::Directory,
            Self::File(data) => entry.kind() == Kind::File && entry.data == data,
            Self::Symlink(target) => entry.kind() == Kind::Symlink && entry.data == target,
            Self::Device(major, minor) => {
                entry.kind() == Kind::CharacterDevice && entry.node_device == (*major, *minor)
            }
        }
    }
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Directory),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Content::File),
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(Content::Symlink),
        any::<(u32, u32)>().prop_map(|(major, minor)| Content::Device(major, minor)),
    ]
}

fn contents() -> impl Strategy<Value = BTreeMap<String, (u32, Content)>> {
    proptest::collection::btree_map(
        "[a-c]{1,3}(/[a-c]{1,2}){0,2}",
        (0..0o10_000_u32, content()),
        0..12,
    )
}

proptest! {
    #[test]
    fn reading_gives_back_what_was_written(contents in contents()) {
        let mut archive = Archive::new();
        let mut added = BTreeMap::new();
        for (path, (mode, content)) in &contents {
            if archive.add(path, *mode, content.node()).is_ok() {
                added.insert(path.as_str(), (*mode, content));
            }
        }
        let bytes = archive.to_bytes();
        let entries = read(&bytes).unwrap();
        prop_assert!(entries.is_sorted_by_key(|entry| entry.path));
        for entry in &entries {
            let path = str::from_utf8(entry.path).unwrap();
            match added.remove(path) {
                Some((mode, content)) => {
                    prop_assert_eq!(entry.mode & 0o7777, mode);
                    prop_assert!(content.matches(entry), "{:?} {:?}", content, entry);
                }
                None => prop_assert_eq!(entry.mode_string(), "drwxr-xr-x"),
            }
            if let Some((parent, _)) = path.rsplit_once('/') {
                prop_assert_eq!(find(&entries, parent).kind(), Kind::Directory);
            }
        }
        prop_assert!(added.is_empty(), "{:?}", added);
    }

    #[test]
    fn any_bytes_give_entries_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Reader::new(&bytes).take(600).count() < 600);
    }

    #[test]
    fn a_damaged_archive_gives_entries_or_an_error(
        damage in proptest::collection::vec((0..2000_usize, any::<u8>()), 1..6),
        length in 0..2400_usize,
    ) {
        let mut bytes = [sample().to_bytes(), sample().to_bytes()].concat();
        for (place, byte) in damage {
            bytes[place] = byte;
        }
        bytes.truncate(length);
        for entry in Reader::new(&bytes).filter_map(Result::ok) {
            prop_assert!(entry.offset + 110 + entry.data.len() <= bytes.len());
            prop_assert_eq!(entry.mode_string().len(), 10);
        }
    }
}
