//! The whole run.

use lunlab_tests::Lunlab;

#[test]
fn the_default_run_passes() {
    let run = Lunlab::run().start();
    run.wait_for("the agent runs");
    let leftovers = run.leftovers();
    eprintln!("{leftovers:#?}");
    let run = run.finish();
    run.verdict("pass", 0);
    leftovers.assert_gone(std::time::Instant::now() + lunlab_tests::GRACE);
}
