//! One message is one payload, as postcard writes it.

use crate::frame::MAX_PAYLOAD;
use serde::{Deserialize, Serialize};

/// A buffer that holds any message.
pub type Buffer = [u8; MAX_PAYLOAD];

/// Why a message cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It does not fit a frame.
    TooLong,
    /// The bytes are no message of this version.
    Malformed,
    /// This many bytes follow a message in its frame.
    Trailing(usize),
}

impl core::fmt::Display for MessageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong => write!(f, "a message of more than {MAX_PAYLOAD} bytes"),
            Self::Malformed => f.write_str("bytes that are no message of this version"),
            Self::Trailing(n) => write!(f, "{n} bytes after a message in its frame"),
        }
    }
}

impl core::error::Error for MessageError {}

/// Writes `message` into `buffer` and gives the bytes used.
///
/// # Errors
/// [`MessageError::TooLong`].
pub fn encode<'b, T: Serialize>(
    message: &T,
    buffer: &'b mut Buffer,
) -> Result<&'b [u8], MessageError> {
    postcard::to_slice(message, buffer).map(|used| &*used).map_err(|_| MessageError::TooLong)
}

/// Reads the one message of a payload.
///
/// # Errors
/// When the bytes are not exactly one message.
pub fn decode<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, MessageError> {
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(MessageError::Trailing(rest.len())),
        Err(_) => Err(MessageError::Malformed),
    }
}

/// The longest beginning of `text` that has at most `limit` bytes and ends between characters:
/// what a sender does to text that has no bound of its own.
#[must_use]
pub fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("é", 1), "");
    }
}
