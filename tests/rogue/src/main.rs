//! A guest agent that misbehaves, to see that the host notices, says so and ends in time.
//!
//! It boots by the agent's own steps and then does what `lunlab_rogue=` on the kernel command line
//! names: one of [`misdeed::OnControl`], or a list of [`misdeed::OnStreams`] with which control
//! itself behaves; or it is the agent, beside something that listens on a portal's port.

mod control;
mod misdeed;
mod streams;

use lunlab_agent::channel::{ChannelError, Dialler};
use lunlab_agent::modules::ModuleError;
use lunlab_agent::mounts::{MountError, mount_early};
use lunlab_agent::segment::{Segment, SegmentError};
use lunlab_agent::{boot, power, serve};
use misdeed::Misdeeds;
use std::process::ExitCode;

/// What went wrong against its will.
enum Failure {
    Mount(MountError),
    Segment(SegmentError),
    Module(ModuleError),
    Channel(ChannelError),
    Stream(lunlab_stream::Error),
    Io(std::io::Error),
    Orders(String),
    Boot(boot::BootError),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mount(error) => error.fmt(f),
            Self::Segment(error) => error.fmt(f),
            Self::Module(error) => error.fmt(f),
            Self::Channel(error) => error.fmt(f),
            Self::Stream(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Boot(error) => error.fmt(f),
            Self::Orders(unknown) => write!(f, "lunlab_rogue={unknown}: no such misdeed"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<lunlab_stream::Error> for Failure {
    fn from(error: lunlab_stream::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

fn main() -> ExitCode {
    if std::process::id() != 1 {
        return ExitCode::from(2);
    }
    power::install_panic_hook();
    if let Err(failure) = misbehave() {
        power::say(&failure.to_string());
    }
    power::off()
}

fn misbehave() -> Result<(), Failure> {
    mount_early().map_err(Failure::Mount)?;
    let orders = Misdeeds::of_kernel()?;
    let on_streams = match orders {
        Misdeeds::BusyPort(port) => {
            let _listener = std::net::TcpListener::bind(("0.0.0.0", port))?;
            return boot::boot().and_then(serve::serve).map(drop).map_err(Failure::Boot);
        }
        Misdeeds::OnControl(misdeed) => Err(misdeed),
        Misdeeds::OnStreams(misdeeds) => Ok(misdeeds),
    };
    let segment = Segment::read().map_err(Failure::Segment)?;
    boot::load_channel_modules(&segment).map_err(Failure::Module)?;
    let token = segment.token.clone();
    match on_streams {
        Err(misdeed) => {
            let (_dialler, fd) = Dialler::reach(segment.channel, token.clone())?;
            control::misbehave(misdeed, fd, token)
        }
        Ok(misdeeds) => {
            let (dialler, link, requests) = Dialler::connect(segment.channel, token.clone())?;
            streams::misbehave(&misdeeds, dialler, link, requests, &token)
        }
    }
}
