//! A command of a run's that waits for the test.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{DEADLINE, Running};

/// A command of a run's (`host-command`) that waits for the test: the run stands still while the
/// test does its part.
#[derive(Debug)]
pub struct Rendezvous(TcpListener);

/// The run stands still until this is dropped.
#[derive(Debug)]
pub struct Standstill {
    stream: TcpStream,
    environment: Vec<(String, String)>,
}

impl Rendezvous {
    /// One that nobody waits at yet.
    ///
    /// # Panics
    /// When there is no port for it.
    #[must_use]
    pub fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("listen"))
    }

    /// The command as a spec has it: it tells its environment, then waits.
    ///
    /// # Panics
    /// When the port cannot be told.
    #[must_use]
    pub fn command(&self) -> String {
        let port = self.0.local_addr().expect("a port").port();
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; env | grep ^LUNLAB_ >&3; echo >&3; read -r go <&3"
        );
        format!("[\"bash\", \"-c\", {script:?}]")
    }

    /// Waits until the run has come here.
    ///
    /// # Panics
    /// When it does not in time, or ends before.
    #[must_use]
    #[track_caller]
    pub fn wait(&self, running: &Running) -> Standstill {
        let deadline = Timespec::try_from(DEADLINE).expect("a deadline within reach");
        let process = running.process();
        let mut either = [PollFd::new(&self.0, PollFlags::IN), PollFd::new(process, PollFlags::IN)];
        let came = poll(&mut either, Some(&deadline)) == Ok(1) && !either[0].revents().is_empty();
        assert!(came, "the run never came to its command\n{}", running.story());
        let (stream, _) = self.0.accept().expect("accept");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set a deadline");
        let told = BufReader::new(stream.try_clone().expect("copy a descriptor"));
        let lines = told.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let pairs = lines.filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Standstill { environment: pairs.collect(), stream }
    }
}

impl Default for Rendezvous {
    fn default() -> Self {
        Self::new()
    }
}

impl Standstill {
    /// What the command was told by a variable of lunlab's.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let named = self.environment.iter().find(|(each, _)| each == name);
        named.map(|(_, value)| value.as_str())
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        // A run that is gone needs no leave to go on.
        let _gone = self.stream.write_all(b"go\n");
    }
}
