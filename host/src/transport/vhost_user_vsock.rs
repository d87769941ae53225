//! vsock by `vhost-device-vsock`: QEMU shares the guest's memory with it, and what the guest dials
//! at CID 2, port N, arrives at the Unix socket `PATH_N`.

use crate::error::Error;
use crate::guardian::Guardian;
use crate::qemu::device::VhostUserVsock;
use crate::transport::{Arrival, OnArrival, Ready, Tokens, bind, greet, start};
use lunlab_protocol::request::Channel;
use lunlab_stream::direct;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The host's port. Each run has a device, and so a port space, of its own.
const PORT: u32 = 1;

/// The guest's CID, which nothing outside the device sees.
const CID: u32 = 3;

/// What the program may take to make its socket.
const START: Duration = Duration::from_secs(5);

fn vhost_socket(directory: &Path) -> PathBuf {
    directory.join("vhost-user")
}

/// What QEMU is told.
#[must_use]
pub fn device(directory: &Path) -> VhostUserVsock {
    VhostUserVsock { socket: vhost_socket(directory) }
}

/// Binds the socket the guest's streams arrive at, then starts the program and waits for its own.
///
/// # Errors
/// When the program cannot be started, or ends, or makes no socket.
pub fn prepare(program: &Path, directory: &Path, guardian: &Guardian) -> Result<Ready, Error> {
    let listener = bind(&directory.join(format!("vsock_{PORT}")))?;
    let helper = start_program(program, directory, guardian)?;
    Ok(Ready {
        device: Box::new(device(directory)),
        channel: Channel::Vsock { port: PORT },
        inherited: Vec::new(),
        helper: Some(helper),
        listen: Box::new(move |tokens, on_arrival| {
            start("vsock", move || accept(&listener, &tokens, &on_arrival))
        }),
    })
}

fn accept(listener: &UnixListener, tokens: &Tokens, on_arrival: &OnArrival) {
    loop {
        match listener.accept() {
            Ok((socket, _)) => greet(direct::stream(socket.into()), tokens, on_arrival),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return on_arrival(Arrival::Failed(format!("accept: {error}"))),
        }
    }
}

fn start_program(program: &Path, directory: &Path, guardian: &Guardian) -> Result<Child, Error> {
    let failed = |what: String| {
        Error::environment(format!("start {}: {what}", program.display()))
            .with_hint("--transport virtio-serial needs no program; `make setup` installs this one")
    };
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)
        .map_err(|errno| failed(format!("inotify: {errno}")))?;
    inotify::add_watch(&watch, directory, inotify::WatchFlags::CREATE)
        .map_err(|errno| failed(format!("inotify: {errno}")))?;
    let mut command = Command::new(program);
    command
        .args(["--guest-cid", &CID.to_string(), "--socket"])
        .arg(vhost_socket(directory))
        .arg("--uds-path")
        .arg(directory.join("vsock"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child =
        guardian.guard(&mut command).spawn().map_err(|error| failed(error.to_string()))?;
    match wait_for_socket(&watch, directory, &mut child) {
        Ok(()) => Ok(child),
        Err(what) => Err(failed(what)),
    }
}

/// Waits until the vhost-user socket is there. The program makes another one first or after; any
/// new file in the directory is a reason to look.
fn wait_for_socket(
    watch: &impl std::os::fd::AsFd,
    directory: &Path,
    child: &mut Child,
) -> Result<(), String> {
    let deadline = Instant::now() + START;
    let mut events = [0; 4096];
    while !vhost_socket(directory).exists() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}"));
        }
        if Instant::now() >= deadline {
            return Err(format!("it made no socket within {} s", START.as_secs()));
        }
        // Woken by a new file, or now and then to see whether the program still runs.
        let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let mut fds = [PollFd::new(watch, PollFlags::IN)];
        if matches!(poll(&mut fds, Some(&tick)), Ok(n) if n > 0) {
            let _drained = rustix::io::read(watch, &mut events);
        }
    }
    Ok(())
}
