//! `lunlab`: see `lunlab --help`.

use clap::Parser;
use lunlab::cli::Cli;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let started = Instant::now();
    // clap prints help and usage errors itself, and exits with 0 or 2.
    let cli = Cli::parse();
    lunlab::commands::dispatch(cli, started)
}
