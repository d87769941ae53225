//! One test of `iscsi-test-cu` in a process and a directory of its own.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lunlab_tests::{Process, tools};

use crate::interruption::Interruption;
use crate::listing;
use crate::outcome::{End, Outcome, classify};

/// What the tool is called.
const TOOL: &str = "iscsi-test-cu";

/// The name is the tool's, and fixed: another reason for a directory of its own.
const REPORT: &str = "CUnitAutomated-Results.xml";

/// What the tool lists; no target is needed for that.
pub(crate) fn list() -> Vec<String> {
    let listed = tools::output(tools::command(TOOL).arg("--list"), Duration::from_secs(30));
    listing::tests(&listed.stdout)
}

/// What one test needs.
#[derive(Debug)]
pub(crate) struct Test<'a> {
    pub(crate) name: &'a str,
    /// Paths to the LUN; the tool makes use of a second one in tests of several paths only.
    pub(crate) urls: &'a [String],
    /// Made anew.
    pub(crate) directory: &'a Path,
    pub(crate) deadline: Duration,
}

/// Runs it; none when it was interrupted.
pub(crate) fn run(test: &Test<'_>, interruption: &Interruption) -> io::Result<Option<Outcome>> {
    match fs::remove_dir_all(test.directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(test.directory)?,
    }
    let file = |name: &str| File::create(test.directory.join(name));
    let mut command = prepare(test);
    command.stdin(Stdio::null()).stdout(file("stdout")?).stderr(file("stderr")?);
    let mut child = Killed(command.spawn()?);
    let process = Process::open(child.0.id()).expect("a child that was not waited for is there");
    let end = match process.ends_before_or(Instant::now() + test.deadline, interruption) {
        None => return Ok(None),
        Some(false) => End::Deadline,
        Some(true) => end(child.0.wait()?),
    };
    let read = |name: &str| fs::read(test.directory.join(name));
    let stdout = read("stdout")?;
    let report = read(REPORT).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Some(classify(end, &String::from_utf8_lossy(&stdout), report.as_deref())))
}

/// The tool goes when the thread that runs it goes, however that happens.
fn prepare(test: &Test<'_>) -> Command {
    let mut command = tools::command("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(tools::find(TOOL)).current_dir(test.directory);
    // The LUN is ours: tests that write may, and those that wipe it as well. Some skips are told
    // with all the rest only.
    let options = ["--dataloss", "--allow-sanitize", "--xml", "--Verbose-scsi"];
    command.args(options).args(["--test", test.name]).args(test.urls);
    command
}

fn end(status: ExitStatus) -> End {
    status.code().map_or_else(|| End::Signal(status.signal().unwrap_or_default()), End::Exit)
}

/// A child that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // One that has ended needs neither.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
