//! A quick gate of `make conformance`, and that its comparison goes red when it should: with the
//! program itself, as make runs it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lunlab_tests::{Finished, GRACE, Lunlab, descendants, write_program};
use rustix::process::Signal;

/// Suites that together read, write, compare, reserve, ask and are refused, and take a few seconds.
const GATE: &str = "SCSI.TestUnitReady,SCSI.Inquiry,SCSI.ReadCapacity1?,SCSI.ModeSense6,\
                    SCSI.Read10,SCSI.Write16.Simple,SCSI.Write16.WriteProtect,\
                    SCSI.CompareAndWrite.Simple,SCSI.CompareAndWrite.Unwritten,\
                    SCSI.ProutReserve,SCSI.ReportSupportedOpcodes,SCSI.ReceiveCopyResults,\
                    SCSI.Unmap,SCSI.MultipathIO.Reset,SCSI.ReadOnly";

/// One test that takes no time.
const ONE: &str = "SCSI.TestUnitReady.Simple";

fn conformance(words: &[&str]) -> Lunlab {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_conformance"));
    Lunlab::command(["--output", "left"]).args(words).program(program)
}

/// On a target that somebody else is supposed to hold, or not.
fn given(url: &str, baseline: &Path, words: &[&str]) -> Finished {
    let url = ["--url", url, "--backstore", "fileio", "--baseline"];
    conformance(&url).args([baseline]).args(words).boots_nothing().finish()
}

fn committed(backstore: &str) -> String {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/baseline/6.1");
    fs::read_to_string(place.join(backstore).with_extension("txt")).unwrap()
}

/// A directory with a baseline for the one backstore.
fn baseline(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("fileio.txt"), text).unwrap();
    directory
}

#[test]
fn the_quick_gate_is_as_the_committed_baseline_says() {
    let gate = conformance(&["--backstore", "fileio", "--jobs", "1", "--filter", GATE]).finish();
    gate.exits(0).shows("as the baseline says").shows(" 0 hang    0 error");
    assert!(gate.stdout.contains(", kernel "), "{}", gate.story());
}

#[test]
fn a_changed_baseline_is_a_difference_either_way() {
    let line = format!("{ONE} pass\n");
    let text = committed("fileio");
    assert!(text.contains(&line));
    let changed = baseline(
        &text
            .replace(&line, &format!("{ONE} fail test_testunitready_simple.c:40\n"))
            .replace("SCSI.ModeSense6.AllPages pass\n", "SCSI.ModeSense6.Gone pass\n")
            .replace("SCSI.Verify10.VerifyProtect fail", "SCSI.Verify10.VerifyProtect skip"),
    );
    let filter = format!("{ONE},SCSI.ModeSense6,SCSI.Verify10.VerifyProtect");
    let words = ["--backstore", "fileio", "--jobs", "1", "--filter", &filter, "--baseline"];
    let compared = conformance(&words).args([changed.path()]).finish();
    compared.exits(1).shows("not as the baseline says");
    compared.shows(&format!("better  {ONE}: fail test_testunitready_simple.c:40 -> pass"));
    compared.shows("other   SCSI.ModeSense6.AllPages: not in the baseline -> pass");
    compared.shows("other   SCSI.ModeSense6.Gone: pass -> no such test");
    compared.shows("worse   SCSI.Verify10.VerifyProtect: skip ");
}

#[test]
fn a_target_that_is_not_there_is_an_error_and_no_failure_of_the_kernel() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let known = baseline(&committed("fileio"));
    let url = format!("iscsi://{free}/iqn.2026-01.org.lunlab.test:none/0");
    let one = given(&url, known.path(), &["--filter", ONE]);
    one.exits(1).shows(&format!("worse   {ONE}: pass -> error exit-255"));
    let all = given(&url, known.path(), &[]);
    all.exits(2).shows("given up: 3 tests in a row came to no result");
    all.shows("227 tests were not run");
    let update = given(&url, known.path(), &["--filter", ONE, "--update"]);
    update.exits(1);
    let kept = fs::read_to_string(known.path().join("fileio.txt")).unwrap();
    assert_eq!(kept, committed("fileio"), "an error is nothing to compare with later");
}

#[test]
fn a_test_that_hangs_is_ended_at_its_deadline() {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url =
        format!("iscsi://{}/iqn.2026-01.org.lunlab.test:mute/0", silent.local_addr().unwrap());
    let known = baseline(&format!("{ONE} pass\n"));
    let begun = Instant::now();
    let hung = given(&url, known.path(), &["--filter", ONE, "--deadline", "0.5"]);
    hung.exits(1).shows(&format!("worse   {ONE}: pass -> hang deadline"));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_filter_that_matches_nothing_is_refused() {
    let none = conformance(&["--filter", "Read10"]).boots_nothing().finish();
    none.exits(2).says("no test is called like that");
    let none = conformance(&["--backstore", "floppy"]).boots_nothing().finish();
    none.exits(2).says("no backstore floppy");
}

#[test]
fn without_a_baseline_nothing_is_as_it_should_be() {
    let nothing = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("iscsi://{free}/iqn.2026-01.org.lunlab.test:none/0");
    let unknown = given(&url, nothing.path(), &["--filter", ONE]);
    unknown.exits(1).shows("there is no baseline").shows("--update writes it");
}

/// A `lunlab` that holds nothing, and ends as one does under which the kernel went wrong.
#[test]
fn a_machine_that_ends_fails_the_run_and_the_test_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let fake = directory.path().join("lunlab");
    let script = "#!/bin/sh\n\
                  echo iscsi://127.0.0.1:1/iqn.2026-01.org.lunlab.test:fake/0\n\
                  echo 'kernel           6.1.0-fake (/boot/fake), pvh' >&2\n\
                  echo 'verdict          KERNEL-BUG (exit 6) in 1.0 s: oops' >&2\n\
                  exit 6\n";
    write_program(&fake, script);
    let words = ["--backstore", "ramdisk", "--jobs", "1", "--filter", ONE];
    let ended = conformance(&words).env("LUNLAB", &fake).boots_nothing().finish();
    ended.exits(1).shows("ramdisk, kernel 6.1.0-fake");
    ended.shows(&format!("a bad end after {ONE}: KERNEL-BUG (exit 6) in 1.0 s: oops"));
}

#[test]
fn a_machine_that_never_gives_a_target_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let fake = directory.path().join("lunlab");
    let script =
        "#!/bin/sh\necho 'verdict          PROVISION (exit 9): mkdir: EINVAL' >&2\nexit 9\n";
    write_program(&fake, script);
    let words = ["--backstore", "fileio,ramdisk", "--jobs", "1", "--filter", ONE];
    let ended = conformance(&words).env("LUNLAB", &fake).boots_nothing().finish();
    ended.exits(2).shows("given up: PROVISION (exit 9): mkdir: EINVAL");
    assert_eq!(ended.stdout.matches("1 tests were not run").count(), 2, "{}", ended.story());
}

/// Everything the run started is gone soon after it.
#[test]
fn however_it_is_ended_nothing_it_started_stays() {
    for (signal, code) in [(Signal::TERM, Some(130)), (Signal::KILL, None)] {
        let run = conformance(&["--backstore", "ramdisk", "--jobs", "1"]).start();
        run.wait_for("ramdisk: iscsi://");
        let started = descendants(run.process().id);
        assert!(started.len() > 1, "{started:#?}");
        run.signal(signal);
        let ended = run.finish();
        assert_eq!(ended.signal().is_none().then(|| ended.code()), code, "{}", ended.story());
        // Those it could not wait for take the target down first.
        let deadline = Instant::now() + 10 * GRACE;
        for process in &started {
            assert!(process.ends_before(deadline), "{:?}", process.command_line());
        }
    }
}

#[test]
fn ctrl_c_at_its_terminal_ends_it_and_its_machine() {
    let words = ["--backstore", "ramdisk", "--jobs", "1"];
    let mut run = conformance(&words).start_on_terminal();
    run.wait_for("ramdisk: iscsi://");
    let started = descendants(run.process().id);
    run.type_on_terminal(b"\x03");
    run.finish().exits(130);
    for process in &started {
        assert!(process.ends_before(Instant::now() + GRACE), "{:?}", process.command_line());
    }
}
