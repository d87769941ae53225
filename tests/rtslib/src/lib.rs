//! What the guests of the tests have in common: mounts, modules, and a serial port to speak through.
//!
//! What they have to say goes to the second serial port, where the kernel does not speak. The last
//! line there is `END` and how it ended.

use lunlab_agent::mounts::{CONFIGFS, MountError, mount_early, mount_one};
use lunlab_agent::{modules, power};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;

/// Where the host listens.
pub const PORT: &str = "/dev/ttyS1";

/// Which modules to load, one path a line, in that order.
const MODULES: &str = "/rtslib/modules";

/// Begins the last line.
const END: &str = "guest ended:";

/// What a guest is there for: speaks through the port, and gives how it ended.
pub type Work = fn(&File) -> Result<String, String>;

/// PID 1 of such a guest: makes the directories, prepares the target, does the work, powers off.
pub fn guest(directories: &[&str], work: Work) -> ExitCode {
    if std::process::id() != 1 {
        return ExitCode::from(2);
    }
    power::install_panic_hook();
    if let Err(problem) = run(directories, work) {
        power::say(&format!("guest: {problem}"));
    }
    power::off()
}

fn run(directories: &[&str], work: Work) -> Result<(), String> {
    mount_early().map_err(|error| error.to_string())?;
    let mut port = OpenOptions::new()
        .write(true)
        .open(PORT)
        .map_err(|error| format!("open {PORT}: {error}"))?;
    let outcome = prepare(directories).and_then(|()| work(&port));
    let outcome = outcome.unwrap_or_else(|problem| problem);
    // The last one to close it waits until all has gone out (drivers/tty/tty_port.c).
    writeln!(port, "\n{END} {outcome}").map_err(|error| format!("write {PORT}: {error}"))
}

fn prepare(directories: &[&str]) -> Result<(), String> {
    for at in directories {
        fs::create_dir_all(at).map_err(|error| format!("mkdir {at}: {error}"))?;
    }
    let list = fs::read_to_string(MODULES).map_err(|error| format!("{MODULES}: {error}"))?;
    for path in list.lines() {
        modules::load(path, "").map_err(|error| error.to_string())?;
    }
    mount_one(&CONFIGFS).map_err(|error: MountError| error.to_string())
}
