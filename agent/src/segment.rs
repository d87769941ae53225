//! The run's segment: a hello with the token, then the first requests, in ordinary frames.

use lunlab_protocol::frame::{Decoder, Frame, FrameError};
use lunlab_protocol::hello::{Hello, HelloError, Token};
use lunlab_protocol::message::{MessageError, decode};
use lunlab_protocol::request::{Channel, Request};
use lunlab_protocol::version::VersionRange;

/// Where the host puts it.
pub const PATH: &str = "/lunlab.requests";

/// What it may not exceed.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Why it cannot be used.
#[derive(Debug)]
pub enum SegmentError {
    /// It cannot be read.
    Read(std::io::Error),
    /// It is no frames, or ends in the middle of one.
    Frame(Option<FrameError>),
    /// Its first frame is no hello.
    Hello(HelloError),
    /// The host that wrote it speaks other versions.
    Version(VersionRange),
    /// A frame is no request.
    Request(MessageError),
    /// It does not say first how to reach the host.
    Channel,
}

impl std::fmt::Display for SegmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "read {PATH}: ")?;
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Frame(Some(error)) => error.fmt(f),
            Self::Frame(None) => f.write_str("it ends in mid-frame"),
            Self::Hello(error) => error.fmt(f),
            Self::Version(theirs) => {
                write!(f, "the host speaks protocol {theirs}, this agent {}", VersionRange::OURS)
            }
            Self::Request(error) => error.fmt(f),
            Self::Channel => f.write_str("it does not say how to reach the host"),
        }
    }
}

impl std::error::Error for SegmentError {}

/// The segment: who we are to the host, how to reach it, and what it asks first.
pub struct Segment {
    /// The run's token.
    pub token: Token,
    /// How to reach the host.
    pub channel: Channel,
    requests: Vec<u8>,
}

impl Segment {
    /// Reads the segment of the image.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn read() -> Result<Self, SegmentError> {
        use std::io::Read;
        let file = std::fs::File::open(PATH).map_err(SegmentError::Read)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(SegmentError::Read)?;
        // The token is nobody else's business; the kernel keeps no copy of the image.
        let _gone = std::fs::remove_file(PATH);
        Self::parse(bytes)
    }

    /// Checks the whole segment, so that nothing in it can fail later.
    ///
    /// # Errors
    /// When anything in it is malformed.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, SegmentError> {
        let mut hello = None;
        let mut channel = None;
        each_payload(&bytes, |payload| {
            if hello.is_none() {
                hello = Some(Hello::decode(payload).map_err(SegmentError::Hello)?);
                return Ok(());
            }
            let request = decode(payload).map_err(SegmentError::Request)?;
            if channel.is_none() {
                let Request::Channel(how) = request else { return Err(SegmentError::Channel) };
                channel = Some(how);
            }
            Ok(())
        })?;
        let hello = hello.ok_or(SegmentError::Hello(HelloError::Length(0)))?;
        if hello.versions.common(VersionRange::OURS).is_none() {
            return Err(SegmentError::Version(hello.versions));
        }
        let channel = channel.ok_or(SegmentError::Channel)?;
        Ok(Self { token: hello.token, channel, requests: bytes })
    }

    /// Gives each request in turn.
    pub fn each_request(&self, mut take: impl FnMut(Request<'_>)) {
        // Parsed before: neither frames nor requests can fail here.
        let _checked = each_payload(&self.requests, |payload| {
            if let Ok(request) = decode(payload) {
                take(request);
            }
            Ok(())
        });
    }
}

fn each_payload(
    mut bytes: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), SegmentError>,
) -> Result<(), SegmentError> {
    let mut decoder = Box::new(Decoder::new());
    loop {
        match decoder.feed(&mut bytes) {
            Ok(Some(Frame::Payload(payload))) => take(payload)?,
            Ok(Some(Frame::End)) => return Ok(()),
            Ok(Some(Frame::Reset) | None) => return Err(SegmentError::Frame(None)),
            Err(error) => return Err(SegmentError::Frame(Some(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Segment, SegmentError};
    use lunlab_protocol::frame::{END, header};
    use lunlab_protocol::hello::{Hello, Token};
    use lunlab_protocol::message::encode;
    use lunlab_protocol::request::{Channel, Module, Request};
    use lunlab_protocol::version::VersionRange;

    fn frame(payload: &[u8]) -> Vec<u8> {
        [header(payload.len()).unwrap().as_slice(), payload].concat()
    }

    fn request(request: &Request<'_>) -> Vec<u8> {
        let mut buffer = [0; lunlab_protocol::frame::MAX_PAYLOAD];
        frame(encode(request, &mut buffer).unwrap())
    }

    fn hello() -> Vec<u8> {
        frame(&Hello::ours(0, Token::new([7; 32])).encode())
    }

    fn channel() -> Vec<u8> {
        request(&Request::Channel(Channel::Vsock { port: 1024 }))
    }

    #[test]
    fn requests_come_in_their_order() {
        let module = Request::Module(Module { path: "/a.ko", channel: true, parameters: "" });
        let bytes =
            [hello(), channel(), request(&module), request(&Request::Provision), END.into()];
        let segment = Segment::parse(bytes.concat()).unwrap();
        assert_eq!(segment.channel, Channel::Vsock { port: 1024 });
        assert_eq!(segment.token, Token::new([7; 32]));
        let mut seen = Vec::new();
        segment.each_request(|request| seen.push(format!("{request:?}")));
        assert_eq!(seen.len(), 3);
        assert!(seen[1].contains("/a.ko") && seen[2] == "Provision");
    }

    #[test]
    fn a_segment_cut_anywhere_is_refused() {
        let whole = [hello(), channel(), request(&Request::Provision), END.into()].concat();
        for n in 0..whole.len() {
            assert!(Segment::parse(whole[..n].to_vec()).is_err(), "{n} bytes");
        }
        assert!(Segment::parse(whole).is_ok());
    }

    #[test]
    fn the_channel_must_come_first() {
        let bytes = [hello(), request(&Request::Provision), channel(), END.into()].concat();
        assert!(matches!(Segment::parse(bytes), Err(SegmentError::Channel)));
    }

    #[test]
    fn another_version_is_refused_with_its_range() {
        let mut old = Hello::ours(0, Token::new([7; 32]));
        old.versions = VersionRange { oldest: 900, newest: 901 };
        let bytes = [frame(&old.encode()), channel(), END.into()].concat();
        let error = Segment::parse(bytes).err().unwrap().to_string();
        assert!(error.contains("900 to 901"), "{error}");
    }
}
