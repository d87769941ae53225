//! Blocking streams between host and guest, whatever carries them.
//!
//! A [`Stream`] moves payloads both ways, with end-of-stream and reset. It is either *direct* (a
//! connected socket of its own, [`direct`]) or *multiplexed* (one of many on a virtio-serial port,
//! [`mux`]). Every stream begins with a [`handshake`]. [`splice`] joins one to a TCP connection.
//!
//! The two ends of lunlab share this crate, so that what one writes the other reads, and so that
//! tests run both ends in one process.

pub mod bytes;
pub mod direct;
pub mod handshake;
pub mod mux;
pub mod pipe;
pub mod splice;

use lunlab_protocol::frame::FrameError;
use lunlab_protocol::mux::MuxError;
use std::io;
use std::time::Instant;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Bytes, at least one. On a direct stream, one frame's payload.
    Payload(&'a [u8]),
    /// The peer will send nothing more.
    End,
}

/// Why a stream cannot go on.
#[derive(Debug)]
pub enum Error {
    /// The peer reset it, or this end did.
    Reset,
    /// The transport closed without an end-of-stream.
    Closed,
    /// The peer went silent: nothing came before the deadline. With how many bytes of how many had
    /// come of a frame under way.
    Silent(Option<(usize, usize)>),
    /// The bytes are no frames.
    Frame(FrameError),
    /// The frames are no mux frames.
    Mux(MuxError),
    /// The transport failed.
    Io(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reset => f.write_str("reset by the peer"),
            Self::Closed => f.write_str("closed without an end of stream"),
            Self::Silent(None) => f.write_str("the peer went silent"),
            Self::Silent(Some((have, want))) => {
                write!(f, "the peer went silent in mid-frame ({have} of {want} bytes)")
            }
            Self::Frame(error) => error.fmt(f),
            Self::Mux(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<MuxError> for Error {
    fn from(error: MuxError) -> Self {
        Self::Mux(error)
    }
}

/// The sending half.
pub trait Transmit: Send {
    /// Sends bytes, however many; blocks while the peer has no room.
    ///
    /// # Errors
    /// When the stream is over.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error>;

    /// Sends each of `payloads` as a frame of its own where the stream has frames, together.
    ///
    /// # Errors
    /// When the stream is over.
    fn send_each(&mut self, payloads: &[&[u8]]) -> Result<(), Error> {
        payloads.iter().try_for_each(|payload| self.send(payload))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the stream is over.
    fn end(&mut self) -> Result<(), Error>;
}

/// The receiving half.
pub trait Receive: Send {
    /// Waits for the next payload, at most until `deadline`.
    ///
    /// # Errors
    /// When the stream is over otherwise than by its end, or the deadline passes.
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Received<'_>, Error>;

    /// Whether the next [`Receive::receive`] will not wait.
    fn is_ready(&self) -> bool;
}

/// Resets a stream from any thread; both halves then fail.
pub trait Abort: Send + Sync {
    /// Resets it. What was under way is lost; doing it twice is harmless.
    fn abort(&self);
}

/// Both halves of a stream and the means to break it off.
pub struct Stream {
    /// The sending half.
    pub sender: Box<dyn Transmit>,
    /// The receiving half.
    pub receiver: Box<dyn Receive>,
    /// Breaks it off.
    pub abort: std::sync::Arc<dyn Abort>,
}

/// How long until `deadline`, as poll(2) wants it; `None` waits for ever.
fn time_left(deadline: Option<Instant>) -> Option<rustix::event::Timespec> {
    deadline.map(|at| {
        let left = at.saturating_duration_since(Instant::now());
        rustix::event::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        }
    })
}
