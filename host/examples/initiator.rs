//! The initiator's child process by itself: jobs on stdin, reports on stdout.

use std::process::ExitCode;

fn main() -> ExitCode {
    lunlab::initiator::child::main()
}
