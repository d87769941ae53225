//! SIGINT and SIGTERM at each phase, from a terminal too.

use lunlab_tests::{Finished, Lunlab, Running};
use rustix::process::Signal;

use crate::specs::{SHORT, measured};

/// Ends a run by a signal as soon as it says that; nothing of it may be left.
fn interrupted(run: Running, phase: &str, signal: Signal) -> Finished {
    run.wait_for(phase).signal(signal);
    run.leaves_nothing()
}

#[test]
fn sigint_while_it_boots() {
    let run = Lunlab::run().spec(SHORT).start();
    let run = interrupted(run, "starting QEMU", Signal::INT);
    let verdict = run.verdict("interrupted", 130);
    assert!(verdict.reason.contains("SIGINT") && verdict.also.is_empty(), "{verdict:#?}");
    run.shows("INTERRUPTED (exit 130)");
}

#[test]
fn sigterm_while_it_provisions() {
    let run = Lunlab::run().spec(SHORT).start();
    let run = interrupted(run, "the agent is connected", Signal::TERM);
    assert!(run.verdict("interrupted", 143).reason.contains("SIGTERM"));
}

#[test]
fn sigterm_while_it_measures() {
    let run = Lunlab::run().spec(&measured(60, "iops >= 1")).start();
    let run = interrupted(run, "measuring", Signal::TERM);
    let verdict = run.verdict("interrupted", 143);
    assert!(verdict.also.is_empty(), "what was not measured has not failed: {verdict:#?}");
}

#[test]
fn a_check_that_failed_before_stands_beside_the_interruption() {
    let spec = measured(1, "iops >= 100000000") + "[[benchmark]]\nworkload = \"hash\"\n";
    let run = interrupted(Lunlab::run().spec(&spec).start(), "measuring hash", Signal::INT);
    assert_eq!(run.verdict("interrupted", 130).also, ["fail"]);
}

#[test]
fn ctrl_c_on_a_terminal() {
    let mut run = Lunlab::run().spec(&measured(60, "iops >= 1")).start_on_terminal();
    run.wait_for("measuring iscsi-randread");
    let leftovers = run.leftovers();
    run.type_on_terminal(b"\x03");
    let run = run.finish();
    leftovers.assert_gone(std::time::Instant::now() + lunlab_tests::GRACE);
    run.verdict("interrupted", 130);
    run.shows("INTERRUPTED (exit 130)");
}

/// The terminal's signal hits every process that has not left its foreground yet.
#[test]
fn ctrl_c_on_a_terminal_while_it_starts() {
    for _ in 0..6 {
        let mut run = Lunlab::run().spec(SHORT).start_on_terminal();
        run.wait_for("starting QEMU");
        run.type_on_terminal(b"\x03");
        run.leaves_nothing().verdict("interrupted", 130);
    }
}
