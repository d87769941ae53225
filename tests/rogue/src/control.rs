//! Misdeeds on control.

use crate::Failure;
use crate::misdeed::OnControl;
use lunlab_protocol::event::Event;
use lunlab_protocol::frame::{END, MAX_PAYLOAD, RESET, header};
use lunlab_protocol::hello::{CONTROL, Hello, Token};
use lunlab_protocol::message::encode;
use lunlab_protocol::version::VersionRange;
use lunlab_stream::{Stream, direct, handshake};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

/// Versions nobody speaks.
pub(crate) const NO_VERSIONS: VersionRange = VersionRange { oldest: 900, newest: 901 };

/// Does it, then does nothing for ever, unless it is to end.
pub(crate) fn misbehave(misdeed: OnControl, fd: OwnedFd, token: Token) -> Result<(), Failure> {
    let mut raw = File::from(fd.try_clone()?);
    let mut stream = direct::stream(fd);
    let hello = Hello::ours(CONTROL, token);
    match misdeed {
        OnControl::WrongToken => {
            stream.sender.send(&Hello { token: Token::new([0; 32]), ..hello }.encode())?;
        }
        OnControl::WrongVersion => {
            stream.sender.send(&Hello { versions: NO_VERSIONS, ..hello }.encode())?;
        }
        OnControl::Garbage => stream.sender.send(&[0xa5; 64])?,
        OnControl::Mute => {}
        OnControl::SilentHello => {
            let whole = framed(&hello.encode())?;
            raw.write_all(whole.get(..whole.len() / 2).unwrap_or_default())?;
        }
        OnControl::SilentFrame => {
            greet(&mut stream, &hello)?;
            raw.write_all(framed(&[7; 100])?.get(..30).unwrap_or_default())?;
        }
        OnControl::HugeFrame => {
            greet(&mut stream, &hello)?;
            let length = u16::try_from(MAX_PAYLOAD + 1).unwrap_or(u16::MAX - 1);
            raw.write_all(&length.to_le_bytes())?;
        }
        OnControl::GarbageFrames => {
            greet(&mut stream, &hello)?;
            (0..2000).try_for_each(|_| stream.sender.send(&[0xff; 100]))?;
        }
        OnControl::EndEarly => {
            greet(&mut stream, &hello)?;
            raw.write_all(&END)?;
        }
        OnControl::ResetEarly => {
            greet(&mut stream, &hello)?;
            raw.write_all(&RESET)?;
        }
        OnControl::FinishedEarly => {
            greet(&mut stream, &hello)?;
            return finish(&mut stream);
        }
    }
    loop {
        std::thread::park();
    }
}

fn greet(stream: &mut Stream, hello: &Hello) -> Result<(), Failure> {
    let refused = |refusal: handshake::Refusal| std::io::Error::other(refusal.to_string());
    handshake::dial(stream, hello, None).map_err(refused)?;
    Ok(())
}

fn finish(stream: &mut Stream) -> Result<(), Failure> {
    let mut buffer = [0; MAX_PAYLOAD];
    if let Ok(finished) = encode(&Event::Finished, &mut buffer) {
        stream.sender.send(finished)?;
    }
    // The acknowledgement.
    stream.receiver.receive(None)?;
    Ok(())
}

fn framed(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    let header = header(payload.len()).map_err(lunlab_stream::Error::from)?;
    Ok([header.as_slice(), payload].concat())
}
