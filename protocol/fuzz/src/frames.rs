//! The fuzz target: frames, and what is in them. What is checked is in `check`.

#![no_main]

mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    check::check(input);
});
