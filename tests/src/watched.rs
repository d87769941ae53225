//! A child process whose output is read as it comes.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Process;

/// One output of a child, as far as it has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(Arc<(Mutex<Bytes>, Condvar)>);

#[derive(Debug, Default)]
struct Bytes {
    read: Vec<u8>,
    ended: bool,
}

impl Output {
    /// Reads to the end in a thread of its own.
    pub(crate) fn of(mut source: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let filled = output.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal whose last program is gone ends with EIO.
            while let Ok(n @ 1..) = source.read(&mut buffer) {
                filled.add(|bytes| bytes.read.extend_from_slice(&buffer[..n]));
            }
            filled.add(|bytes| bytes.ended = true);
        });
        output
    }

    fn add(&self, change: impl FnOnce(&mut Bytes)) {
        let (bytes, changed) = &*self.0;
        change(&mut bytes.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }

    /// What has come so far.
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes.read).into_owned()
    }

    /// Waits until what has come holds; false when the output ended or time ran out before.
    pub(crate) fn wait(&self, holds: impl Fn(&str) -> bool, deadline: Instant) -> bool {
        let found = |bytes: &Bytes| holds(&String::from_utf8_lossy(&bytes.read));
        let (bytes, changed) = &*self.0;
        let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let (bytes, _) = changed
            .wait_timeout_while(bytes, left, |bytes| !bytes.ended && !found(bytes))
            .unwrap_or_else(PoisonError::into_inner);
        found(&bytes)
    }
}

/// A child process whose output is read as it comes; killed when dropped.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    process: Process,
    /// Standard output.
    pub(crate) stdout: Output,
    /// Standard error.
    pub(crate) stderr: Output,
    deadline: Instant,
}

impl Watched {
    /// Starts a command, its standard input empty unless it was given one.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command, limit: Duration) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut watched = Self::of(Self::spawn(command), Output::default(), limit);
        watched.stdout = watched.child.stdout.take().map(Output::of).unwrap_or_default();
        watched.stderr = watched.child.stderr.take().map(Output::of).unwrap_or_default();
        watched
    }

    pub(crate) fn spawn(command: &mut Command) -> Child {
        command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"))
    }

    /// A child that was started with an output that is standard output and error in one.
    pub(crate) fn of(child: Child, output: Output, limit: Duration) -> Self {
        let process = Process::open(child.id()).expect("a child that was not waited for is there");
        let (stdout, stderr) = (output.clone(), output);
        Self { child, process, stdout, stderr, deadline: Instant::now() + limit }
    }

    /// When it counts as stuck.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it is not over at its deadline.
    pub fn wait(&mut self) -> ExitStatus {
        if !self.process.ends_before(self.deadline) {
            let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
            panic!("did not end in time\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        }
        let status = self.child.wait().expect("wait for a child");
        // Whoever inherited the outputs may keep them open; that is not waited for for long.
        let end = Instant::now() + crate::GRACE;
        self.stdout.wait(|_| false, end);
        self.stderr.wait(|_| false, end);
        status
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // One that has ended needs neither.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
