//! A workload on the host itself: the program that a guest would run, as a child of this one.

use crate::embedded;
use crate::error::Error;
use crate::spec::Measured;
use lunlab_protocol::event::Event;
use lunlab_stream::pipe;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a signal may take to be noticed.
const SOON: Duration = Duration::from_millis(100);

/// Who runs workloads.
pub trait Listener {
    /// Takes what a workload tells, heard of at that instant.
    fn take(&mut self, event: &Event<'_>, at: Instant);

    /// Looked at often, in between; gives whether it is to go on.
    fn goes_on(&mut self) -> bool;
}

/// The program in memory, from where it is started.
#[derive(Debug)]
pub struct Program(File);

impl Program {
    /// Writes the embedded program to memory: no file system need allow what it is for.
    ///
    /// # Errors
    /// Environment, when there is none or no memory for it.
    pub fn new() -> Result<Self, Error> {
        let bytes = embedded::workloads()?;
        let failed = |error: std::io::Error| {
            Error::environment(format!("hold a program in memory: {error}"))
        };
        let memory = memfd_create("lunlab-workloads", MemfdFlags::CLOEXEC)
            .map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(memory);
        file.write_all(bytes).map_err(failed)?;
        Ok(Self(file))
    }

    fn start(&self, number: u32, asked: &Measured) -> Result<Child, Error> {
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let mut command = Command::new(path);
        command.arg(number.to_string()).arg(asked.workload);
        command.args(asked.values.iter().map(|(key, value)| format!("{key}={value}")));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
            .spawn()
            .map_err(|error| Error::environment(format!("start {}: {error}", asked.workload)))
    }

    /// Runs a workload, giving what it tells as it comes, unless it is not to go on.
    ///
    /// # Errors
    /// Environment, when it cannot be started, or ended without a word.
    pub fn run(
        &self,
        number: u32,
        asked: &Measured,
        listener: &mut dyn Listener,
    ) -> Result<(), Error> {
        let mut child = self.start(number, asked)?;
        let Some(mut output) = child.stdout.take() else {
            return Err(Error::internal("a child has no output".to_owned()));
        };
        let (told, heard) = channel();
        let reader = std::thread::spawn(move || {
            pipe::receive_payloads(&mut output, |payload| {
                // Nobody listens any more when it was stopped.
                let _stopped = told.send((payload.to_vec(), Instant::now()));
            })
        });
        let mut ended = false;
        let mut stopped = false;
        loop {
            match heard.recv_timeout(SOON) {
                Ok((payload, at)) => {
                    if let Ok(event) = lunlab_protocol::message::decode::<Event<'_>>(&payload) {
                        ended |= matches!(event, Event::BenchmarkEnded { .. });
                        listener.take(&event, at);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            stopped = !ended && !listener.goes_on();
            if stopped {
                // One that has just ended by itself is no longer there.
                let _gone = child.kill();
                break;
            }
        }
        let status = child.wait();
        let read = reader.join();
        if ended || stopped || !listener.goes_on() {
            return Ok(());
        }
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let why = match read {
            Ok(Err(error)) => format!("; {error}"),
            _ => String::new(),
        };
        Err(Error::environment(format!("{} ended without a word: {how}{why}", asked.workload)))
    }
}
