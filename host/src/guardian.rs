//! The guardian: a process that outlives `lunlab` by a moment and leaves nothing behind.
//!
//! It leads a process group in which QEMU and every helper run, and holds the reading end of a
//! pipe whose other end only `lunlab` has. When that closes, for whatever reason, it removes the
//! runtime directory and kills its group, itself included. A process group, unlike a list of
//! process ids, cannot name a stranger; and as every child joins it before it becomes another
//! program, there is no moment at which one could be missed.

use crate::error::Error;
use crate::runtime_directory;
use crate::withheld::Withheld;
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_current_process_group, kill_process_group, waitid,
};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// How often a directory that fills while it is removed is tried.
const ATTEMPTS: u32 = 1000;

/// The hidden subcommand that runs [`watch`].
pub const SUBCOMMAND: &str = "guardian";

/// A running guardian.
pub struct Guardian {
    child: Child,
    pipe: Option<ChildStdin>,
    directory: PathBuf,
    withheld: Withheld,
}

impl Guardian {
    /// Starts it for a runtime directory, and makes that. Neither it nor what it guards gets the
    /// variables that are withheld.
    ///
    /// # Errors
    /// When this program cannot be started once more, or the directory cannot be made.
    pub fn start(directory: &Path, withheld: Withheld) -> Result<Self, Error> {
        let mut command = own_command()?;
        command
            .arg(SUBCOMMAND)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = withheld
            .keep_from(&mut command)
            .spawn()
            .map_err(|error| Error::environment(format!("start the guardian: {error}")))?;
        let (pipe, greeting) = (child.stdin.take(), child.stdout.take());
        let guardian = Self { child, pipe, directory: directory.to_owned(), withheld };
        // Until it leads its group, a terminal's Ctrl-C hits it as well; then nobody would watch.
        // Its directory after that: at no moment is there one that nobody removes.
        let started = match greeting.map(|mut greeting| greeting.read_exact(&mut [0])) {
            Some(Ok(())) => runtime_directory::create(directory),
            _ => Err(Error::environment("start the guardian: it ended at once")),
        };
        match started {
            Ok(()) => Ok(guardian),
            Err(error) => {
                guardian.finish();
                Err(error)
            }
        }
    }

    /// Puts a command under its guard, without what is withheld from all of them.
    pub fn guard<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        // A process id that does not fit is not one; 0 would be a group of the child's own.
        command.process_group(i32::try_from(self.child.id()).unwrap_or(0));
        self.withheld.keep_from(command)
    }

    /// What it keeps from those it guards.
    #[must_use]
    pub fn withheld(&self) -> &Withheld {
        &self.withheld
    }

    /// Lets it do its work now and waits until it has: afterwards every guarded process has been
    /// killed and the directory is gone.
    ///
    /// What a guardian that was killed could not do is done here. Until it is reaped, nobody else
    /// can have its process group's number.
    pub fn finish(mut self) {
        drop(self.pipe.take());
        if let Some(pid) = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0)) {
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ended = retry_on_intr(|| waitid(WaitId::Pid(pid), ended));
            remove(&self.directory);
            let _nobody_left = kill_process_group(pid, Signal::KILL);
        }
        // It ends by its own SIGKILL; there is nothing to learn from that.
        let _killed = self.child.wait();
    }
}

/// This program, to be run once more.
///
/// # Errors
/// When its path cannot be found.
pub fn own_command() -> Result<Command, Error> {
    // Not current_exe(): a lunlab that is rebuilt while it runs must start itself, not its heir.
    Ok(Command::new("/proc/self/exe"))
}

/// The guardian's body: waits for the pipe to close, then removes and kills.
pub fn watch(directory: &Path) -> ! {
    // Whoever started it waits for this; one that is gone is noticed next.
    let mut greeting = std::io::stdout();
    let _gone = greeting.write_all(&[0]).and_then(|()| greeting.flush());
    let mut nothing = [0; 64];
    let mut pipe = std::io::stdin();
    while pipe.read(&mut nothing).is_ok_and(|n| n > 0) {}
    // Before the kill, which ends this process too.
    remove(directory);
    loop {
        let _does_not_return = kill_current_process_group(Signal::KILL);
    }
}

/// Removes a directory in which processes that have not been killed yet may be making sockets.
/// Once it is gone they cannot; what cannot be removed stays.
fn remove(directory: &Path) {
    for _ in 0..ATTEMPTS {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
            _ => return,
        }
    }
}

/// Whether this process leads its group, as a guardian must: else the kill would hit its caller.
#[must_use]
pub fn leads_its_group() -> bool {
    Pid::from_raw(i32::try_from(std::process::id()).unwrap_or(0))
        .is_some_and(|own| rustix::process::getpgrp() == own)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Guardian, remove};
    use crate::spec::{Base, Spec};
    use crate::withheld::Withheld;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::mpsc::channel;

    /// A guardian whose process only leads the group.
    pub(crate) fn stand_in(withheld: Withheld) -> Guardian {
        let mut leader = Command::new("cat");
        let mut child = leader.stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let directory = tempfile::tempdir().unwrap().path().join("runtime");
        Guardian { pipe: child.stdin.take(), child, directory, withheld }
    }

    #[test]
    fn what_it_guards_is_in_its_group_and_has_no_secrets() {
        let text = "[[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = \"64M\"\n\
                    [[target]]\nwwn = \"iqn.2024-05.org.example:one\"\n[[target.tpg]]\n\
                    luns = [{ lun = 0, storage_object = \"a\" }]\n\
                    chap = { userid = \"u\", password_env = \"CHAP\" }\n";
        let environment = |_: &str| Some("canary-canary".into());
        let base = Base { directory: Path::new("/"), home: None, environment };
        let guardian = stand_in(Withheld::of(&Spec::parse(text, base).unwrap()));
        let mut command = Command::new("sh");
        command.args(["-c", "env; ps -o pgid= -p $$"]);
        command.env("CHAP", "canary-canary").env("CONTROL", "passes");
        let output = guardian.guard(&mut command).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("CONTROL=passes") && !said.contains("canary"), "{said}");
        let group = said.lines().last().unwrap().trim();
        assert_eq!(group, guardian.child.id().to_string());
        guardian.finish();
    }

    #[test]
    fn a_directory_that_fills_meanwhile_is_removed() {
        for _ in 0..20 {
            let parent = tempfile::tempdir().unwrap();
            let directory = parent.path().join("runtime");
            std::fs::create_dir(&directory).unwrap();
            let (begun, begins) = channel();
            let filler = std::thread::spawn({
                let directory = directory.clone();
                move || {
                    let fill = |n: u32| std::fs::write(directory.join(n.to_string()), "");
                    (0..)
                        .take_while(|n| fill(*n).is_ok())
                        .for_each(|_| begun.send(()).unwrap_or(()));
                }
            });
            begins.recv().unwrap();
            remove(&directory);
            assert!(!directory.exists());
            filler.join().unwrap();
        }
    }
}
