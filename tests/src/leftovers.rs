//! What a run has, and what of it is still there afterwards: by process ids, descriptors, sockets
//! and ports, never by names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process, held by a descriptor: its id cannot come to mean another.
#[derive(Debug)]
pub struct Process {
    /// Its id.
    pub id: u32,
    fd: OwnedFd,
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Process {
    /// A process that is there.
    #[must_use]
    pub fn open(id: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(id).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(|fd| Self { id, fd })
    }

    /// Waits for its end; false when it has not come by the deadline.
    #[must_use]
    pub fn ends_before(&self, deadline: Instant) -> bool {
        self.ends_before_or(deadline, &self.fd) == Some(true)
    }

    /// Waits for its end, or until something is to be read; none in that case, else whether it has
    /// ended by the deadline.
    #[must_use]
    pub fn ends_before_or(&self, deadline: Instant, interruption: impl AsFd) -> Option<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("a deadline within reach");
            let mut fds = [
                PollFd::new(&self.fd, PollFlags::IN),
                PollFd::from_borrowed_fd(interruption.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return Some(false),
                Ok(_) => return (!fds[0].revents().is_empty()).then_some(true),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => panic!("poll: {errno}"),
            }
        }
    }

    /// Sends it a signal; one that has ended takes none.
    pub fn signal(&self, signal: Signal) {
        let _ended = pidfd_send_signal(&self.fd, signal);
    }

    /// Its program and arguments.
    #[must_use]
    pub fn command_line(&self) -> Vec<String> {
        let text = fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        let words = text.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// The program it runs.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.id)).ok()
    }

    /// What its descriptors are, as `/proc` names them: `socket:[1234]`, a path.
    #[must_use]
    pub fn descriptors(&self) -> Vec<String> {
        let listed = fs::read_dir(format!("/proc/{}/fd", self.id));
        let entries = listed.into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.map(|link| link.display().to_string()).collect()
    }
}

/// Every process that was started by this one, or by one of those.
#[must_use]
pub fn descendants(id: u32) -> Vec<Process> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for id in process_ids() {
        if let Some(parent) = parent_of(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut ids = children.remove(&id).unwrap_or_default();
    let mut next = 0;
    while let Some(id) = ids.get(next) {
        ids.extend(children.remove(id).unwrap_or_default());
        next += 1;
    }
    ids.into_iter().filter_map(Process::open).collect()
}

fn process_ids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("there is a /proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// proc(5): the name stands in parentheses and may have any of them in it; then the state and the
/// parent.
fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Ports on which somebody listens for TCP, with the socket's inode.
fn listening() -> BTreeMap<u64, u16> {
    // proc_net_tcp(5): 0A is LISTEN; the local address is the second column, the inode the tenth.
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let lines = tables.iter().flatten().flat_map(|text| text.lines().skip(1));
    let ports = lines.filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let port = columns.get(1)?.rsplit_once(':')?.1;
        let inode = columns.get(9)?.parse().ok()?;
        (columns.get(3) == Some(&"0A"))
            .then(|| Some((inode, u16::from_str_radix(port, 16).ok()?)))?
    });
    ports.collect()
}

/// What a run has while it runs, to be asked for afterwards.
#[derive(Debug)]
pub struct Leftovers {
    /// `lunlab` and every process below it.
    pub processes: Vec<Process>,
    /// The ports any of them listens on.
    pub ports: BTreeSet<u16>,
    runtime: PathBuf,
}

impl Leftovers {
    /// Looks at a run: its first process, and the directory it was told to keep its own in, which
    /// must be nobody else's.
    #[must_use]
    pub fn of(id: u32, runtime: &Path) -> Self {
        let mut processes = descendants(id);
        processes.extend(Process::open(id));
        let listening = listening();
        let descriptors = processes.iter().flat_map(Process::descriptors);
        let inodes = descriptors.filter_map(|name| {
            name.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
        });
        let ports = inodes.filter_map(|inode| listening.get(&inode).copied()).collect();
        Self { processes, ports, runtime: runtime.to_owned() }
    }

    /// The process that runs this program, by its file name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn running(&self, program: &str) -> &Process {
        let runs = |process: &&Process| {
            process.program().is_some_and(|path| path.file_name().is_some_and(|f| f == program))
        };
        self.processes.iter().find(runs).unwrap_or_else(|| panic!("no {program} in {self:#?}"))
    }

    /// Waits for the end of every process, until the deadline.
    ///
    /// # Panics
    /// When something is left then: a process, a port, a socket, a file, whatever has any of them
    /// open.
    pub fn assert_gone(&self, deadline: Instant) {
        let mut left = String::new();
        for process in self.processes.iter().filter(|process| !process.ends_before(deadline)) {
            let _infallible = writeln!(left, "{}: {:?}", process.id, process.command_line());
        }
        let runtime = self.runtime.display().to_string();
        left.push_str(&strangers_after(&runtime, deadline));
        for path in fs::read_dir(&self.runtime).into_iter().flatten().flatten() {
            let _infallible = writeln!(left, "{}", path.path().display());
        }
        for port in listening().values().filter(|port| self.ports.contains(port)) {
            let _infallible = writeln!(left, "port {port} is listened on");
        }
        for socket in fs::read_to_string("/proc/net/unix").unwrap_or_default().lines() {
            if socket.contains(&runtime) {
                let _infallible = writeln!(left, "socket {socket}");
            }
        }
        assert!(left.is_empty(), "left behind:\n{left}");
    }
}

/// Waits for the end of processes nobody saw start, and of those they start meanwhile; says which
/// are left at the deadline.
fn strangers_after(runtime: &str, deadline: Instant) -> String {
    loop {
        let strangers = strangers(runtime);
        let stay: Vec<&Process> =
            strangers.iter().filter(|process| !process.ends_before(deadline)).collect();
        if strangers.is_empty() || !stay.is_empty() {
            let lines = stay.iter().map(|process| {
                format!("{} uses {runtime}: {:?}\n", process.id, process.command_line())
            });
            return lines.collect();
        }
    }
}

/// Processes that know the directory: it is in their environment, on their command line, or
/// something in it is open.
fn strangers(runtime: &str) -> Vec<Process> {
    let ids = process_ids().into_iter().filter(|id| *id != std::process::id());
    let knows = |process: &Process| {
        let told = ["environ", "cmdline"].iter().any(|file| {
            let bytes = fs::read(format!("/proc/{}/{file}", process.id)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(runtime)
        });
        told || process.descriptors().iter().any(|name| name.contains(runtime))
    };
    ids.filter_map(Process::open).filter(knows).collect()
}
