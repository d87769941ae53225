//! PID 1 of a guest that runs rtslib: runs Python with a script of the image's.

use lunlab_rtslib::{PORT, guest};
use std::fs::File;
use std::process::{Command, ExitCode, Stdio};

/// What Python runs.
const SCRIPT: &str = "/rtslib/script.py";

/// Where rtslib wants LIO's state; it is looked for before anything else.
const STATE: [&str; 3] =
    ["/etc/rtslib-fb-target", "/etc/rtslib-fb-target/pr", "/etc/rtslib-fb-target/alua"];

fn main() -> ExitCode {
    guest(&STATE, python)
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
