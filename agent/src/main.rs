//! `lunlab-agent`: the only program of the guest.

use lunlab_agent::{boot, power, serve};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        let mut stderr = std::io::stderr();
        let _nobody_to_tell =
            writeln!(stderr, "lunlab-agent: runs as PID 1 of a guest only; see `lunlab --help`");
        return ExitCode::from(2);
    }
    power::install_panic_hook();
    match boot::boot().and_then(serve::serve) {
        Ok(serve::End::PowerOff) => {}
        // Provoked: what it looks like when PID 1 ends by itself.
        Ok(serve::End::Exit) => return ExitCode::SUCCESS,
        Err(error) => power::say(&format!("{error}")),
    }
    power::off()
}
