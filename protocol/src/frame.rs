//! Frames: a length and a payload, on any stream of bytes.
//!
//! The length is two bytes, little endian, and counts the payload. Two lengths say more: 0 ends
//! the sender's direction, 0xffff resets the stream. Both travel in-band because some transports
//! (the user-space vsock device) have no half-close, and virtio-serial has no close at all.

/// The largest frame, header included: 16 KiB.
pub const MAX_FRAME: usize = 16 * 1024;

/// Bytes before the payload.
pub const HEADER: usize = 2;

/// The largest payload.
pub const MAX_PAYLOAD: usize = MAX_FRAME - HEADER;

/// The whole frame that ends the sender's direction.
pub const END: [u8; HEADER] = [0; HEADER];

/// The whole frame that resets the stream.
pub const RESET: [u8; HEADER] = [0xff; HEADER];

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Bytes, at least one and at most [`MAX_PAYLOAD`].
    Payload(&'a [u8]),
    /// The sender will send nothing more; the other direction goes on.
    End,
    /// Both directions are over; what was under way is lost.
    Reset,
}

/// Why bytes are no frames. After it the stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The header names a length above [`MAX_PAYLOAD`].
    Length(u16),
    /// Bytes follow the frame that ended or reset the stream.
    AfterEnd,
    /// A payload to be sent is empty or longer than [`MAX_PAYLOAD`].
    Payload(usize),
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(n) => write!(f, "a frame of {n} bytes where {MAX_PAYLOAD} is the most"),
            Self::AfterEnd => f.write_str("bytes after the end of the stream"),
            Self::Payload(n) => {
                write!(f, "a payload of {n} bytes where 1 to {MAX_PAYLOAD} are possible")
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// The header for a payload of `length` bytes.
///
/// # Errors
/// When no frame can hold such a payload.
pub fn header(length: usize) -> Result<[u8; HEADER], FrameError> {
    match u16::try_from(length) {
        Ok(n) if n > 0 && length <= MAX_PAYLOAD => Ok(n.to_le_bytes()),
        _ => Err(FrameError::Payload(length)),
    }
}

/// Whether `bytes` begins with a whole frame. A length that no frame has counts as whole: the
/// decoder will refuse it without waiting for more.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.split_first_chunk::<HEADER>().is_some_and(|(header, rest)| {
        let length = usize::from(u16::from_le_bytes(*header));
        length > MAX_PAYLOAD || rest.len() >= length
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// The frame in the buffer was handed out; the next byte begins another.
    Taken,
    Over,
}

/// Takes bytes in any chunking and gives frames.
pub struct Decoder {
    buffer: [u8; MAX_FRAME],
    filled: usize,
    state: State,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffer: [0; MAX_FRAME], filled: 0, state: State::Reading }
    }

    /// Takes bytes from the front of `input` until a frame is whole or the input is used up.
    ///
    /// # Errors
    /// When the bytes are no frame; every later call then fails too.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
        if self.state == State::Taken {
            self.filled = 0;
            self.state = State::Reading;
        }
        if input.is_empty() {
            return Ok(None);
        }
        if self.state == State::Over {
            return Err(FrameError::AfterEnd);
        }
        self.fill_to(HEADER, input);
        let Some(length) = self.length() else { return Ok(None) };
        let n = usize::from(length);
        match length.to_le_bytes() {
            END | RESET => self.state = State::Over,
            _ if n > MAX_PAYLOAD => {
                self.state = State::Over;
                return Err(FrameError::Length(length));
            }
            _ => {
                self.fill_to(HEADER + n, input);
                if self.filled == HEADER + n {
                    self.state = State::Taken;
                }
            }
        }
        Ok(self.current())
    }

    /// The frame that the last [`Decoder::feed`] gave, once more; the one that ended or reset the
    /// stream for good.
    #[must_use]
    pub fn current(&self) -> Option<Frame<'_>> {
        let length = self.length()?;
        match length.to_le_bytes() {
            END if self.state == State::Over => Some(Frame::End),
            RESET if self.state == State::Over => Some(Frame::Reset),
            _ if self.state == State::Taken => {
                self.buffer.get(HEADER..HEADER + usize::from(length)).map(Frame::Payload)
            }
            _ => None,
        }
    }

    /// How many bytes of how many have come of a frame that is not whole yet: the whole frame's
    /// size once its header is there, the header's before.
    #[must_use]
    pub fn partial(&self) -> Option<(usize, usize)> {
        if self.state != State::Reading || self.filled == 0 {
            return None;
        }
        let wanted = self.length().map_or(HEADER, |n| HEADER + usize::from(n));
        Some((self.filled, wanted))
    }

    fn length(&self) -> Option<u16> {
        if self.filled < HEADER {
            return None;
        }
        self.buffer.first_chunk::<HEADER>().map(|header| u16::from_le_bytes(*header))
    }

    fn fill_to(&mut self, wanted: usize, input: &mut &[u8]) {
        let Some(space) = self.buffer.get_mut(self.filled..wanted) else { return };
        let n = space.len().min(input.len());
        if let (Some(to), Some((from, rest))) = (space.get_mut(..n), input.split_at_checked(n)) {
            to.copy_from_slice(from);
            self.filled += n;
            *input = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, END, Frame, FrameError, MAX_PAYLOAD, RESET, header, is_whole};

    #[test]
    fn nothing_follows_an_end() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.feed(&mut END.as_slice()), Ok(Some(Frame::End)));
        assert_eq!(decoder.feed(&mut [].as_slice()), Ok(None));
        assert_eq!(decoder.feed(&mut [1].as_slice()), Err(FrameError::AfterEnd));
    }

    #[test]
    fn nothing_follows_a_reset() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.feed(&mut RESET.as_slice()), Ok(Some(Frame::Reset)));
        assert_eq!(decoder.feed(&mut [1, 0, 1].as_slice()), Err(FrameError::AfterEnd));
    }

    #[test]
    fn a_length_above_the_bound_is_an_error_at_once_and_stays_one() {
        let mut decoder = Decoder::new();
        let bytes = [0xff, 0x3f];
        assert_eq!(decoder.feed(&mut bytes.as_slice()), Err(FrameError::Length(0x3fff)));
        assert_eq!(decoder.feed(&mut bytes.as_slice()), Err(FrameError::AfterEnd));
    }

    #[test]
    fn a_partial_frame_says_how_much_is_there() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.partial(), None);
        assert_eq!(decoder.feed(&mut [5].as_slice()), Ok(None));
        assert_eq!(decoder.partial(), Some((1, 2)));
        assert_eq!(decoder.feed(&mut [0, 9, 9].as_slice()), Ok(None));
        assert_eq!(decoder.partial(), Some((4, 7)));
        assert_eq!(
            decoder.feed(&mut [9, 9, 9].as_slice()),
            Ok(Some(Frame::Payload([9; 5].as_slice())))
        );
        assert_eq!(decoder.partial(), None);
    }

    #[test]
    fn payloads_have_bounds() {
        assert_eq!(header(0), Err(FrameError::Payload(0)));
        assert_eq!(header(1), Ok([1, 0]));
        assert!(header(MAX_PAYLOAD).is_ok());
        assert!(header(MAX_PAYLOAD + 1).is_err());
        assert!(header(0xffff).is_err() && header(0x1_0000).is_err());
    }

    #[test]
    fn a_frame_is_whole_with_its_last_byte() {
        assert!(!is_whole(&[]) && !is_whole(&[3]) && !is_whole(&[3, 0, 1, 2]));
        assert!(is_whole(&[3, 0, 1, 2, 3]) && is_whole(&[0, 0]) && is_whole(&[0xff, 0xff]));
    }
}
