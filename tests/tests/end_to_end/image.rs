//! The image: the same bytes wherever it is built, small, and an archive like any other.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lunlab_initramfs::newc;
use lunlab_tests::{Lunlab, kernels, program, tools};
use tempfile::TempDir;

/// What the default spec's image may have.
const MAX: usize = 3_500_000;

const TIME: Duration = Duration::from_secs(60);

/// Builds an image; the options come after `image build -o FILE`.
pub(crate) fn build<S: AsRef<std::ffi::OsStr>>(lunlab: Lunlab, options: &[S]) -> Vec<u8> {
    let lunlab = lunlab.args(["-o", "image.cpio"]).args(options).boots_nothing();
    let built = lunlab.finish();
    built.exits(0);
    fs::read(built.directory().path().join("image.cpio")).expect("read the image")
}

pub(crate) fn command() -> Lunlab {
    Lunlab::command(["image", "build"])
}

/// A cache that has the kernels and nothing else.
fn empty_cache() -> TempDir {
    let home = tempfile::tempdir().expect("make a directory");
    fs::create_dir(home.path().join("lunlab")).expect("make a cache");
    let kernels = kernels::cache().join("kernels");
    symlink(kernels, home.path().join("lunlab/kernels")).expect("link the kernels");
    home
}

/// A shell whose words come after the first; it can have an umask.
fn shell(script: &str, words: &[&Path]) -> Command {
    let mut command = tools::command("sh");
    command.args(["-c", script, "sh"]).args(words).stdin(Stdio::null());
    command
}

#[test]
fn the_default_image_is_small_and_the_same_from_any_place_cache_umask_and_time_zone() {
    let first = build(command(), &["--transport", "virtio-serial"]);
    assert!(first.len() <= MAX, "{} bytes", first.len());
    let (cache, place) = (empty_cache(), tempfile::tempdir().expect("make a directory"));
    // Another copy of the program, with other times and another mode, as from another checkout.
    let copy = place.path().join("lunlab copy");
    fs::copy(program(), &copy).expect("copy the program");
    let image = place.path().join("image.cpio");
    let script = "umask 0; cd /; exec \"$1\" image build --transport virtio-serial -o \"$2\"";
    let mut command = shell(script, &[&copy, &image]);
    command.env("XDG_CACHE_HOME", cache.path()).env("TZ", "Pacific/Kiritimati").env("HOME", "/");
    let output = tools::output(command.env("LC_ALL", "C"), TIME);
    assert!(output.good, "{output:#?}");
    assert!(fs::read(&image).expect("read the image") == first, "the bytes differ");
}

#[test]
fn another_user_builds_the_same_bytes() {
    if !rustix::process::geteuid().is_root() {
        // Only root can be another user; the other test has changed everything else.
        return;
    }
    let first = build(command(), &["--transport", "virtio-serial"]);
    let place = tempfile::tempdir().expect("make a directory");
    let at = |name: &str| place.path().join(name);
    // The other user must be able to read all of it.
    let script = "cp \"$1\" \"$4/lunlab\" && mkdir -p \"$4/cache/lunlab/kernels\" \
        && cp -rL \"$2\" \"$4/cache/lunlab/kernels/$3\" \
        && ln -s \"$3\" \"$4/cache/lunlab/kernels/default\" \
        && chown -R 65534:65534 \"$4\" && chmod -R u=rwX,go= \"$4\" && cd \"$4\" \
        && XDG_CACHE_HOME=\"$4/cache\" exec setpriv --reuid 65534 --regid 65534 --clear-groups \
        ./lunlab image build --transport virtio-serial -o image.cpio";
    let debian = kernels::debian();
    let kernel = kernels::cache().join("kernels").join(&debian.release);
    let release = PathBuf::from(debian.release);
    let mut command = shell(script, &[&program(), &kernel, &release, place.path()]);
    let output = tools::output(&mut command, TIME);
    assert!(output.good, "{output:#?}");
    assert!(fs::read(at("image.cpio")).expect("read the image") == first, "the bytes differ");
}

/// The paths an image has, as `image list` names them.
fn listed(archive: &Path) -> BTreeSet<String> {
    let list = Lunlab::command(["image", "list"]).args([archive]).boots_nothing().finish();
    list.exits(0);
    let path = |line: &str| line.split_whitespace().next_back().map(str::to_owned);
    list.stdout.lines().filter_map(path).collect()
}

#[test]
fn gnu_cpio_reads_what_is_written_and_what_it_writes_is_listed() {
    let place = tempfile::tempdir().expect("make a directory");
    let image = build(command(), &["--transport", "virtio-serial"]);
    let ours = place.path().join("ours.cpio");
    fs::write(&ours, &image).expect("write the image");
    let unpacked = place.path().join("unpacked");
    fs::create_dir(&unpacked).expect("make a directory");
    let listing = shell("cpio --quiet -t < \"$1\"", &[&ours]);
    let listing = tools::output(&mut { listing }, TIME);
    assert!(listing.good && listing.stderr.is_empty(), "{listing:#?}");
    let theirs: BTreeSet<String> = listing.stdout.lines().map(str::to_owned).collect();
    assert_eq!(theirs, listed(&ours));
    assert!(theirs.contains("init"), "{theirs:?}");
    // cpio cannot make devices for everybody; all else comes back as it was.
    let script = "cd \"$1\" && cpio --quiet -id --no-absolute-filenames 'init' '*.ko' < \"$2\" \
        && find . | LC_ALL=C sort | cpio --quiet -o -H newc > \"$3\"";
    let again = place.path().join("again.cpio");
    let output = tools::output(&mut shell(script, &[&unpacked, &ours, &again]), TIME);
    assert!(output.good, "{output:#?}");
    let files = |bytes: &[u8]| -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = newc::read(bytes).expect("a newc archive");
        let files = entries.iter().filter(|entry| entry.kind() == newc::Kind::File);
        let pairs = files.map(|entry| (entry.path.to_vec(), entry.data.to_vec()));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort();
        pairs
    };
    let written = fs::read(&again).expect("read cpio's archive");
    assert!(files(&written) == files(&image), "files differ after a way through GNU cpio");
    assert_eq!(
        listed(&again),
        newc::read(&written)
            .expect("a newc archive")
            .iter()
            .map(|entry| String::from_utf8_lossy(entry.path).into_owned())
            .collect::<BTreeSet<_>>()
    );
}
