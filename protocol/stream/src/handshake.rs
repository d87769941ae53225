//! The first frame each way: who speaks, in which versions, and whether they belong to the run.
//!
//! The guest dials and speaks first; the host answers. Both check the other's token, on every
//! stream.

use crate::{Error, Received, Stream};
use lunlab_protocol::hello::{BuildId, Hello, HelloError};
use lunlab_protocol::version::VersionRange;
use std::time::Instant;

/// Why a stream was refused.
#[derive(Debug)]
pub enum Refusal {
    /// The stream broke before the hello was there.
    Stream(Error),
    /// The peer ended the stream without a hello.
    Ended,
    /// The first frame is no hello.
    Hello(HelloError),
    /// The hello has another run's token, or none.
    Token,
    /// No version in common.
    Version {
        /// What the peer speaks.
        theirs: VersionRange,
        /// The peer's build.
        build: BuildId,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream(error) => write!(f, "handshake: {error}"),
            Self::Ended => f.write_str("handshake: the peer ended the stream"),
            Self::Hello(error) => write!(f, "handshake: {error}"),
            Self::Token => f.write_str("handshake: wrong token"),
            Self::Version { theirs, build } => write!(
                f,
                "handshake: the peer ({}) speaks protocol version {theirs}, this end {}",
                build.as_str(),
                VersionRange::OURS
            ),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Stream(error)
    }
}

/// The guest's part: says hello, then waits for the host's. Gives the version to speak.
///
/// # Errors
/// When the host refuses, is not the run's host, or is silent until the deadline.
pub fn dial(stream: &mut Stream, ours: &Hello, deadline: Option<Instant>) -> Result<u16, Refusal> {
    stream.sender.send(&ours.encode())?;
    let theirs = receive_hello(stream, deadline)?;
    check(&theirs, ours)
}

/// The host's part: waits for the guest's hello and answers it. Gives the number of the stream.
///
/// A peer without the token learns nothing; one with the token and without a common version gets
/// the answer, so that it can say which versions would do.
///
/// # Errors
/// When the peer is not the run's guest, or is silent until the deadline. The stream is then
/// reset.
pub fn answer(
    stream: &mut Stream,
    ours: impl FnOnce(u32) -> Hello,
    deadline: Option<Instant>,
) -> Result<u32, Refusal> {
    let outcome = receive_hello(stream, deadline).and_then(|theirs| {
        let ours = ours(theirs.stream);
        let checked = check(&theirs, &ours);
        if !matches!(checked, Err(Refusal::Token)) {
            stream.sender.send(&ours.encode())?;
        }
        checked.map(|_version| theirs.stream)
    });
    if outcome.is_err() {
        stream.abort.abort();
    }
    outcome
}

fn receive_hello(stream: &mut Stream, deadline: Option<Instant>) -> Result<Hello, Refusal> {
    match stream.receiver.receive(deadline)? {
        Received::Payload(payload) => Hello::decode(payload).map_err(Refusal::Hello),
        Received::End => Err(Refusal::Ended),
    }
}

fn check(theirs: &Hello, ours: &Hello) -> Result<u16, Refusal> {
    if theirs.token != ours.token {
        return Err(Refusal::Token);
    }
    let refused = Refusal::Version { theirs: theirs.versions, build: theirs.build };
    theirs.versions.common(ours.versions).ok_or(refused)
}
