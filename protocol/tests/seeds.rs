//! The fuzzer's seeds, replayed by the fuzzer's own function; whoever has no libFuzzer checks them
//! too.

#[path = "../fuzz/src/check.rs"]
mod check;

use std::path::Path;

#[test]
fn every_seed_holds_and_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/frames");
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let understood = check::check(&std::fs::read(&path).unwrap());
        assert!(understood > 0, "{} leads the search nowhere", path.display());
        seeds += 1;
    }
    assert!(seeds >= 4, "only {seeds} seeds");
}

#[test]
fn bytes_that_say_nothing_are_not_understood() {
    assert_eq!(check::check(&[]), 0);
    assert_eq!(check::check(&[0, 0xff, 0x3f, 0xff]), 0);
}
