//! What must hold for any bytes at all; shared with the test that replays the seeds.

use lunlab_protocol::event::Event;
use lunlab_protocol::frame::{Decoder, Frame, FrameError, MAX_PAYLOAD};
use lunlab_protocol::hello::Hello;
use lunlab_protocol::message;
use lunlab_protocol::mux::{self, Kind};
use lunlab_protocol::request::Request;

/// Reads `input` in every way there is: its first byte says how the rest is cut into chunks. Gives
/// how many payloads were something.
///
/// # Panics
/// When a law is broken: that is the find.
pub(crate) fn check(input: &[u8]) -> usize {
    let Some((pace, stream)) = input.split_first() else { return 0 };
    let frames = frames(cut(stream, *pace));
    assert_eq!(frames, self::frames([stream]), "frames depend on the chunking");
    let framed = frames.0.iter().filter(|payload| understood(payload)).count();
    // Also without a frame around it, so that the search gets to the messages sooner.
    let bare = stream.get(..MAX_PAYLOAD).unwrap_or(stream);
    framed + usize::from(understood(bare))
}

/// Chunks of uneven sizes, the first of them as long as `pace` says.
fn cut(mut stream: &[u8], pace: u8) -> impl Iterator<Item = &[u8]> {
    let mut size = pace;
    std::iter::from_fn(move || {
        let (chunk, rest) = stream.split_at(stream.len().min(usize::from(size) + 1));
        size = size.rotate_left(3).wrapping_add(pace);
        stream = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// How a stream came to its end.
#[derive(Debug, PartialEq)]
enum Ended {
    NotYet(Option<(usize, usize)>),
    End,
    Reset,
    Broken(FrameError),
}

fn frames<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Ended) {
    let mut decoder = Decoder::new();
    let mut payloads = Vec::new();
    let mut ended = None;
    for mut chunk in chunks {
        while !chunk.is_empty() {
            match decoder.feed(&mut chunk) {
                Ok(Some(Frame::Payload(payload))) => payloads.push(payload.to_vec()),
                Ok(Some(Frame::End)) => ended = Some(Ended::End),
                Ok(Some(Frame::Reset)) => ended = Some(Ended::Reset),
                Ok(None) => {}
                Err(error) => return (payloads, Ended::Broken(error)),
            }
        }
    }
    let partial = decoder.partial();
    (payloads, ended.unwrap_or(Ended::NotYet(partial)))
}

/// Whether the payload is such a message. A macro, as each reading has a lifetime of its own.
/// Compared by bytes, as a number that is none differs from itself; those read at first may have
/// been longer, as a varint can be written with more bytes than it needs.
macro_rules! same_again {
    ($message:ident, $payload:expr) => {
        message::decode::<$message<'_>>($payload).is_ok_and(|first| {
            let (mut buffer, mut again) = ([0; MAX_PAYLOAD], [0; MAX_PAYLOAD]);
            let bytes = message::encode(&first, &mut buffer).expect("what was read can be written");
            assert!(bytes.len() <= $payload.len(), "written longer than read");
            let second = message::decode::<$message<'_>>(bytes).expect("what was written is read");
            let last = message::encode(&second, &mut again).expect("what was read can be written");
            assert_eq!(bytes, last, "a message written otherwise than read");
            true
        })
    };
}

/// Reads a payload as everything a payload can be; what it is must be written and read once more.
fn understood(payload: &[u8]) -> bool {
    let request = same_again!(Request, payload);
    let event = same_again!(Event, payload);
    let hello = Hello::decode(payload).inspect(|hello| {
        assert_eq!(hello.encode().as_slice(), payload, "a hello written otherwise than read");
    });
    let mux = mux::decode(payload).inspect(|(stream, kind)| {
        assert_eq!(mux_bytes(*stream, kind), payload, "a mux frame written otherwise than read");
    });
    request || event || hello.is_ok() || mux.is_ok()
}

fn mux_bytes(stream: u32, kind: &Kind<'_>) -> Vec<u8> {
    let (header, credit) = mux::encode(stream, kind);
    let body = match kind {
        Kind::Data(data) => *data,
        Kind::Credit(_) => credit.as_slice(),
        Kind::Open | Kind::End | Kind::Reset => &[],
    };
    [&header, body].concat()
}
