//! PID 1 of a guest that asks the real kernel what configfs-rs says of it.
//!
//! Says a line for each check: `ok NAME`, or `FAILED NAME: why`. Last comes a control, which must
//! fail: it compares with a tree that was changed behind its back.

mod checks;
mod configuration;
mod traps;

use checks::{Bench, Check};
use lunlab_rtslib::guest;
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    guest(&[], check_all)
}

fn check_all(mut port: &File) -> Result<String, String> {
    let mut bench = Bench::new().map_err(|error| error.to_string())?;
    for (name, check) in checks::ALL.iter().chain(traps::ALL).chain([&checks::CONTROL]) {
        let line = match bench.run(*check) {
            Ok(()) => format!("ok {name}"),
            Err(why) => format!("FAILED {name}: {}", why.to_string().replace('\n', "; ")),
        };
        writeln!(port, "{line}").map_err(|error| error.to_string())?;
    }
    // The host knows which lines there must be, and judges them.
    Ok("exit status: 0".to_owned())
}

/// A check and what it shows.
type Named = (&'static str, Check);
