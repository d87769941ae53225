//! Messages one way through a pipe: a program tells its parent what it measures.
//!
//! No handshake: both ends are of one build, and the parent made the pipe.

use lunlab_protocol::event::Event;
use lunlab_protocol::frame::{Decoder, Frame, header};
use lunlab_protocol::message::{Buffer, decode, encode};
use std::io::{Error, ErrorKind, Read, Write};

/// Writes one event as a frame.
///
/// # Errors
/// The writer's, and an event that does not fit a frame.
pub fn send(to: &mut impl Write, event: &Event<'_>, buffer: &mut Buffer) -> Result<(), Error> {
    let payload = encode(event, buffer).map_err(Error::other)?;
    let header = header(payload.len()).map_err(Error::other)?;
    to.write_all(&header)?;
    to.write_all(payload)?;
    to.flush()
}

/// Takes events until the other end closes the pipe.
///
/// # Errors
/// The reader's; what is no frame or no event; an end in the middle of one.
pub fn receive(from: &mut impl Read, mut take: impl FnMut(&Event<'_>)) -> Result<(), Error> {
    let mut wrong = Ok(());
    receive_payloads(from, |payload| match decode(payload) {
        Ok(event) if wrong.is_ok() => take(&event),
        Ok(_) => {}
        Err(error) => wrong = Err(Error::other(error)),
    })?;
    wrong
}

/// Takes the bytes of messages until the other end closes the pipe.
///
/// # Errors
/// The reader's; what is no frame; an end in the middle of one.
pub fn receive_payloads(from: &mut impl Read, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut decoder = Decoder::new();
    let mut bytes = [0; 4096];
    loop {
        let count = match from.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            return match decoder.partial() {
                Some(_) => Err(ErrorKind::UnexpectedEof.into()),
                None => Ok(()),
            };
        }
        let mut input = bytes.get(..count).unwrap_or(&[]);
        while let Some(frame) = decoder.feed(&mut input).map_err(Error::other)? {
            let Frame::Payload(payload) = frame else {
                return Err(Error::other("the stream was ended or reset in the middle"));
            };
            take(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lunlab_protocol::frame::MAX_PAYLOAD;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; MAX_PAYLOAD];
        for text in ["one", "two"] {
            send(&mut bytes, &Event::Note { text }, &mut buffer).unwrap();
        }
        bytes
    }

    fn read(mut bytes: &[u8]) -> (Vec<String>, Result<(), Error>) {
        let mut seen = Vec::new();
        let outcome = receive(&mut bytes, |event| seen.push(format!("{event:?}")));
        (seen, outcome)
    }

    #[test]
    fn what_was_sent_is_received_in_order() {
        let (seen, outcome) = read(&written());
        outcome.unwrap();
        assert_eq!(seen, ["Note { text: \"one\" }", "Note { text: \"two\" }"]);
    }

    #[test]
    fn an_end_in_the_middle_is_an_error_and_keeps_what_came() {
        let bytes = written();
        let (seen, outcome) = read(&bytes[..bytes.len() - 1]);
        assert_eq!((seen.len(), outcome.unwrap_err().kind()), (1, ErrorKind::UnexpectedEof));
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        assert!(read(&[1, 0, 0xff]).1.is_err());
        assert!(read(&[0, 0]).1.is_err(), "an end of stream");
        assert!(read(&[0xff, 0xff]).1.is_err(), "a reset");
    }
}
