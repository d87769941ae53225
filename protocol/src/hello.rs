//! The first frame of every stream, each way. Its layout is frozen for all versions.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `lunlab\r\n` |
//! | 8 | 2 | oldest version spoken, little endian |
//! | 10 | 2 | newest version spoken, little endian |
//! | 12 | 4 | number of the stream, little endian; 0 is control |
//! | 16 | 16 | build id: the sender's version as ASCII, filled up with zeros |
//! | 32 | 32 | the run's token |

use crate::version::VersionRange;

/// Bytes in an encoded [`Hello`].
pub const HELLO_LENGTH: usize = 64;

/// The stream that carries requests and events.
pub const CONTROL: u32 = 0;

/// From this number on, streams are a benchmark's: a program of the guest's dials them by itself.
pub const BENCHMARKS: u32 = 1 << 31;

const MAGIC: [u8; 8] = *b"lunlab\r\n";

/// The run's secret: whoever knows it belongs to the run.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// A token from random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for Token {
    /// Takes the same time wherever the first difference is.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl Eq for Token {}

impl core::fmt::Debug for Token {
    /// Shows nothing of the secret.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The sender's version as text of at most 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BuildId([u8; 16]);

impl BuildId {
    /// A build id from a version; what is longer than 16 bytes is cut.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let mut id = [0; 16];
        id.iter_mut().zip(version.bytes()).for_each(|(to, from)| *to = from);
        Self(id)
    }

    /// The text, as far as it is printable ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| !(0x20..0x7f).contains(b)).unwrap_or(self.0.len());
        self.0.get(..end).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or("")
    }
}

impl core::fmt::Debug for BuildId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Who speaks, in which versions, on which stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What the sender speaks.
    pub versions: VersionRange,
    /// The number the host gave this stream; [`CONTROL`] for control.
    pub stream: u32,
    /// The sender's version.
    pub build: BuildId,
    /// The run's token.
    pub token: Token,
}

/// Why 64 bytes, or some other number of them, are no [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloError {
    /// Not [`HELLO_LENGTH`] bytes but this many.
    Length(usize),
    /// The magic is missing.
    Magic,
}

impl core::fmt::Display for HelloError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(n) => write!(f, "{n} bytes where a hello has {HELLO_LENGTH}"),
            Self::Magic => f.write_str("not a hello of lunlab (wrong magic)"),
        }
    }
}

impl core::error::Error for HelloError {}

impl Hello {
    /// What this build says on `stream`.
    #[must_use]
    pub fn ours(stream: u32, token: Token) -> Self {
        let build = BuildId::new(env!("CARGO_PKG_VERSION"));
        Self { versions: VersionRange::OURS, stream, build, token }
    }

    /// The frame's payload.
    #[must_use]
    pub fn encode(&self) -> [u8; HELLO_LENGTH] {
        let mut bytes = [0; HELLO_LENGTH];
        let mut fields = Fields(&mut bytes);
        fields.put(MAGIC);
        fields.put(self.versions.oldest.to_le_bytes());
        fields.put(self.versions.newest.to_le_bytes());
        fields.put(self.stream.to_le_bytes());
        fields.put(self.build.0);
        fields.put(self.token.0);
        bytes
    }

    /// Reads a frame's payload.
    ///
    /// # Errors
    /// When the length or the magic is not a hello's. Versions and token are for the caller to
    /// judge.
    pub fn decode(payload: &[u8]) -> Result<Self, HelloError> {
        let whole: [u8; HELLO_LENGTH] =
            payload.try_into().map_err(|_| HelloError::Length(payload.len()))?;
        let mut rest = whole.as_slice();
        if take(&mut rest) != MAGIC {
            return Err(HelloError::Magic);
        }
        let oldest = u16::from_le_bytes(take(&mut rest));
        let newest = u16::from_le_bytes(take(&mut rest));
        let stream = u32::from_le_bytes(take(&mut rest));
        let build = BuildId(take(&mut rest));
        let token = Token(take(&mut rest));
        Ok(Self { versions: VersionRange { oldest, newest }, stream, build, token })
    }
}

/// Fills a buffer from the front. The sizes are all constants, so nothing is ever cut.
struct Fields<'a>(&'a mut [u8]);

impl Fields<'_> {
    fn put<const N: usize>(&mut self, field: [u8; N]) {
        if let Some((head, tail)) = core::mem::take(&mut self.0).split_first_chunk_mut::<N>() {
            *head = field;
            self.0 = tail;
        }
    }
}

/// Takes a field from the front; zeros past the end, which the fixed length rules out.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    rest.split_first_chunk::<N>().map_or([0; N], |(head, tail)| {
        *rest = tail;
        *head
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{BuildId, Hello, HelloError, Token};
    use crate::version::VersionRange;
    use std::format;

    #[test]
    fn a_wrong_length_or_magic_is_refused() {
        assert_eq!(Hello::decode(&[0; 63]), Err(HelloError::Length(63)));
        assert_eq!(Hello::decode(&[0; 64]), Err(HelloError::Magic));
        assert_eq!(Hello::decode(&[]), Err(HelloError::Length(0)));
    }

    #[test]
    fn tokens_differ_by_any_bit() {
        let token = Token::new([7; 32]);
        for bit in 0..256 {
            let mut other = [7; 32];
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(token != Token::new(other));
        }
        assert!(token == Token::new([7; 32]));
    }

    #[test]
    fn a_token_is_never_shown() {
        let hello = Hello {
            versions: VersionRange::OURS,
            stream: 0,
            build: BuildId::new("0.1.0"),
            token: Token::new([b'S'; 32]),
        };
        assert!(!format!("{hello:?}").contains("SS") && !format!("{hello:?}").contains("83"));
    }

    #[test]
    fn a_build_id_is_cut_and_kept_printable() {
        assert_eq!(BuildId::new("0.1.0").as_str(), "0.1.0");
        assert_eq!(BuildId::new("0.1.0-a-very-long-name").as_str(), "0.1.0-a-very-lon");
        assert_eq!(BuildId::new("1\u{1b}[2J").as_str(), "1");
    }
}
