//! PID 1 of a guest that runs rtslib: loads modules, mounts configfs, runs Python with a script of
//! the image's, and powers off.
//!
//! What it has to say goes to the second serial port, where the kernel does not speak. The last
//! line there is [`END`] and how it ended.

use lunlab_agent::mounts::{CONFIGFS, MountError, mount_early, mount_one};
use lunlab_agent::{modules, power};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

/// Where the host listens.
const PORT: &str = "/dev/ttyS1";

/// Which modules to load, one path a line, in that order.
const MODULES: &str = "/rtslib/modules";

/// What Python runs.
const SCRIPT: &str = "/rtslib/script.py";

/// Begins the last line.
const END: &str = "rtslib-guest ended:";

/// Where rtslib wants LIO's state; it is looked for before anything else.
const STATE: [&str; 3] =
    ["/etc/rtslib-fb-target", "/etc/rtslib-fb-target/pr", "/etc/rtslib-fb-target/alua"];

fn main() -> ExitCode {
    if std::process::id() != 1 {
        return ExitCode::from(2);
    }
    power::install_panic_hook();
    if let Err(problem) = run() {
        power::say(&format!("rtslib-guest: {problem}"));
    }
    power::off()
}

fn run() -> Result<(), String> {
    mount_early().map_err(|error| error.to_string())?;
    let mut port = OpenOptions::new()
        .write(true)
        .open(PORT)
        .map_err(|error| format!("open {PORT}: {error}"))?;
    let outcome = prepare().and_then(|()| python(&port));
    let outcome = outcome.unwrap_or_else(|problem| problem);
    // The last one to close it waits until all has gone out (drivers/tty/tty_port.c).
    writeln!(port, "\n{END} {outcome}").map_err(|error| format!("write {PORT}: {error}"))
}

fn prepare() -> Result<(), String> {
    for at in STATE {
        fs::create_dir_all(at).map_err(|error| format!("mkdir {at}: {error}"))?;
    }
    let list = fs::read_to_string(MODULES).map_err(|error| format!("{MODULES}: {error}"))?;
    for path in list.lines() {
        modules::load(path, "").map_err(|error| error.to_string())?;
    }
    mount_one(&CONFIGFS).map_err(|error: MountError| error.to_string())
}

fn python(port: &File) -> Result<String, String> {
    let copy = || port.try_clone().map(Stdio::from).map_err(|error| format!("{PORT}: {error}"));
    let status = Command::new("/usr/bin/python3")
        .args(["-S", "-B", "-OO", SCRIPT])
        .env_clear()
        .env("PYTHONHOME", "/usr")
        .env("PYTHONPATH", "/usr/lib/python3/dist-packages")
        .stdin(Stdio::null())
        .stdout(copy()?)
        .stderr(copy()?)
        .status()
        .map_err(|error| format!("run python3: {error}"))?;
    Ok(status.to_string())
}
