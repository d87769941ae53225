//! The way to the host: dialling it, control, and streams for the portal.

use crate::uevent::Uevents;
use lunlab_protocol::event::Event;
use lunlab_protocol::hello::{CONTROL, Hello, Token};
use lunlab_protocol::message::encode;
use lunlab_protocol::request::{CONTROL_PORT, Channel, STREAMS_PORT};
use lunlab_stream::handshake::{Refusal, dial};
use lunlab_stream::mux::Mux;
use lunlab_stream::{Receive, Stream, Transmit, direct};
use rustix::fs::{Mode, OFlags, open};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the host may take to answer a hello, and a device to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// The host's CID (include/uapi/linux/vm_sockets.h).
const HOST_CID: u32 = 2;

/// Why the host cannot be reached.
#[derive(Debug)]
pub enum ChannelError {
    /// A socket or device failed: what was attempted, and why.
    Io(String, std::io::Error),
    /// No virtio-serial port has this name.
    NoPort(&'static str),
    /// The host is not the run's.
    Refused(Refusal),
    /// The port that carries streams closed.
    Streams(lunlab_stream::Error),
}

impl std::fmt::Display for ChannelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::NoPort(name) => write!(f, "no virtio-serial port is named {name}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Streams(error) => write!(f, "virtio-serial port {STREAMS_PORT}: {error}"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// Dials the host; each stream of the run comes from here.
pub struct Dialler {
    token: Token,
    way: Way,
}

enum Way {
    Vsock { port: u32 },
    VirtioSerial(Mux),
}

/// The receiving half of control.
pub type Requests = Box<dyn Receive>;

impl Dialler {
    /// Reaches the host and opens control.
    ///
    /// # Errors
    /// When the transport's device is missing, or the host does not answer with the token.
    pub fn connect(channel: Channel, token: Token) -> Result<(Self, Link, Requests), ChannelError> {
        let (dialler, fd) = Self::reach(channel, token)?;
        let stream = dialler.greet(direct::stream(fd), CONTROL)?;
        Ok((dialler, Link::new(stream.sender), stream.receiver))
    }

    /// Reaches the host; nothing was said on control's descriptor yet.
    ///
    /// # Errors
    /// When the transport's device is missing.
    pub fn reach(channel: Channel, token: Token) -> Result<(Self, OwnedFd), ChannelError> {
        let (way, fd) = match channel {
            Channel::Vsock { port } => (Way::Vsock { port }, connect_vsock(port, CONTROL)?),
            Channel::VirtioSerial => {
                let control = open_port(CONTROL_PORT)?;
                (Way::VirtioSerial(carry_streams(open_port(STREAMS_PORT)?)?), control)
            }
        };
        Ok((Self { token, way }, fd))
    }

    /// Opens the stream the host asked for by `number`.
    ///
    /// # Errors
    /// As [`Dialler::connect`].
    pub fn open(&self, number: u32) -> Result<Stream, ChannelError> {
        self.greet(self.dial(number)?, number)
    }

    /// A stream on which nothing was said yet.
    ///
    /// # Errors
    /// When the transport has no room for it, or is gone.
    pub fn dial(&self, number: u32) -> Result<Stream, ChannelError> {
        match &self.way {
            Way::Vsock { port } => Ok(direct::stream(connect_vsock(*port, number)?)),
            Way::VirtioSerial(mux) => mux.open(number).map_err(ChannelError::Streams),
        }
    }

    fn greet(&self, mut stream: Stream, number: u32) -> Result<Stream, ChannelError> {
        let hello = Hello::ours(number, self.token.clone());
        let deadline = Some(Instant::now() + PATIENCE);
        dial(&mut stream, &hello, deadline).map_err(ChannelError::Refused)?;
        Ok(stream)
    }
}

/// Connects, again where the request or its answer was lost: a device that is just being started
/// has been seen to lose the first, and the kernel gives up on it after 2 s
/// (net/vmw_vsock/af_vsock.c, `VSOCK_DEFAULT_CONNECT_TIMEOUT`). One that answers nothing is started anew.
fn connect_vsock(port: u32, number: u32) -> Result<OwnedFd, ChannelError> {
    let deadline = Instant::now() + PATIENCE;
    let mut lost = 0;
    loop {
        match vsock::VsockStream::connect_with_cid_port(HOST_CID, port) {
            Ok(stream) => return Ok(OwnedFd::from(stream)),
            Err(error)
                if error.kind() == std::io::ErrorKind::TimedOut && Instant::now() < deadline =>
            {
                lost += 1;
                // Later streams share the device with control, which a reset would break.
                if lost % 2 == 0 && number == CONTROL {
                    // Where it cannot be, dialling again is all there is to do.
                    let _as_it_was = restart_vsock_device();
                }
            }
            Err(error) => {
                return Err(ChannelError::Io(format!("connect vsock {HOST_CID}:{port}"), error));
            }
        }
    }
}

/// Takes the device from its driver and gives it back, which resets it and sets its queues up again.
fn restart_vsock_device() -> std::io::Result<()> {
    let driver = Path::new("/sys/bus/virtio/drivers/vmw_vsock_virtio_transport");
    for entry in std::fs::read_dir(driver)?.flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b"virtio") {
            std::fs::write(driver.join("unbind"), name.as_encoded_bytes())?;
            std::fs::write(driver.join("bind"), name.as_encoded_bytes())?;
        }
    }
    Ok(())
}

fn carry_streams(fd: OwnedFd) -> Result<Mux, ChannelError> {
    let (mux, reader) = Mux::new(fd);
    std::thread::Builder::new()
        .name("streams".into())
        // The host opens nothing: the guest always dials.
        .spawn(move || reader.run(|_, stream| stream.abort.abort()))
        .map_err(|error| ChannelError::Io("start the thread that carries streams".into(), error))?;
    Ok(mux)
}

/// Opens the virtio-serial port of that name.
///
/// The driver learns the name from the device some time after it has loaded, and says so by a
/// uevent (drivers/char/virtio_console.c, `handle_control_message`).
fn open_port(name: &'static str) -> Result<OwnedFd, ChannelError> {
    let found = Uevents::listen().wait_for(Instant::now() + PATIENCE, || find_port(name));
    let path = found.ok_or(ChannelError::NoPort(name))?;
    open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| ChannelError::Io(format!("open {path}"), errno.into()))
}

fn find_port(name: &str) -> Option<String> {
    std::fs::read_dir("/sys/class/virtio-ports").ok()?.flatten().find_map(|entry| {
        let found = std::fs::read_to_string(entry.path().join("name")).ok()?;
        (found.trim_end() == name).then(|| format!("/dev/{}", entry.file_name().display()))
    })
}

/// The sending half of control, for every thread.
pub struct Link {
    sender: Mutex<Box<dyn Transmit>>,
}

impl Link {
    /// A link over any stream's sending half.
    #[must_use]
    pub fn new(sender: Box<dyn Transmit>) -> Self {
        Self { sender: Mutex::new(sender) }
    }

    /// Tells the host. A link that is gone is noticed where it is read.
    pub fn tell(&self, event: &Event<'_>) {
        self.tell_each(std::slice::from_ref(event));
    }

    /// Tells the host several things in one go.
    pub fn tell_each(&self, events: &[Event<'_>]) {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        send(&mut **sender, events);
    }

    /// Tells the host unless another thread is telling it something: for a panic, which may have
    /// happened in the middle of that.
    pub fn try_tell(&self, event: &Event<'_>) {
        if let Ok(mut sender) = self.sender.try_lock() {
            send(&mut **sender, std::slice::from_ref(event));
        }
    }
}

fn send(sender: &mut dyn Transmit, events: &[Event<'_>]) {
    let mut buffer = Box::new([0; lunlab_protocol::frame::MAX_PAYLOAD]);
    // What does not fit a frame was not cut where it was made; nothing else can be done here.
    let payloads: Vec<Vec<u8>> = events
        .iter()
        .filter_map(|event| encode(event, &mut buffer).ok().map(<[u8]>::to_vec))
        .collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    let _gone = sender.send_each(&payloads);
}
