//! Many streams on one virtio-serial port, with credit for each.
//!
//! Each frame on the port carries one mux frame: the stream's number (four bytes, little endian),
//! a kind (one byte), and what belongs to the kind. A sender may have at most [`WINDOW`] bytes of a
//! stream on the way that the receiver has not taken; what it takes, it gives back as credit. So
//! one slow stream never stops the others, and no receiver buffers more than it granted.

use crate::frame::MAX_PAYLOAD;

/// Bytes before a mux frame's data.
pub const MUX_HEADER: usize = 5;

/// The most data one mux frame carries.
pub const MAX_DATA: usize = MAX_PAYLOAD - MUX_HEADER;

/// The credit each direction of a stream begins with, in bytes.
pub const WINDOW: u32 = 256 * 1024;

/// What a mux frame says of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// The guest opens it.
    Open,
    /// Bytes, at most [`MAX_DATA`].
    Data(&'a [u8]),
    /// The sender will send nothing more.
    End,
    /// Both directions are over.
    Reset,
    /// The receiver took this many bytes.
    Credit(u32),
}

/// Why a payload is no mux frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MuxError {
    /// Shorter than a header, or of the wrong length for its kind.
    Length(usize),
    /// A kind this build does not know.
    Kind(u8),
    /// A sender spent credit it did not have, or was given back more than it spent.
    Credit,
    /// A stream that is open was opened again, or one more than a port may have.
    Open(u32),
}

impl core::fmt::Display for MuxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(n) => write!(f, "a mux frame of {n} bytes"),
            Self::Kind(kind) => write!(f, "a mux frame of unknown kind {kind}"),
            Self::Credit => f.write_str("a stream's credit was overdrawn"),
            Self::Open(stream) => write!(f, "stream {stream} opened twice, or one too many"),
        }
    }
}

impl core::error::Error for MuxError {}

/// The header of a mux frame and, for credit, its body.
#[must_use]
pub fn encode(stream: u32, kind: &Kind<'_>) -> ([u8; MUX_HEADER], [u8; 4]) {
    let (code, body) = match kind {
        Kind::Open => (0, 0),
        Kind::Data(_) => (1, 0),
        Kind::End => (2, 0),
        Kind::Reset => (3, 0),
        Kind::Credit(n) => (4, *n),
    };
    let [a, b, c, d] = stream.to_le_bytes();
    ([a, b, c, d, code], body.to_le_bytes())
}

/// Reads the payload of a frame: which stream, and what of it.
///
/// # Errors
/// When it is no mux frame.
pub fn decode(payload: &[u8]) -> Result<(u32, Kind<'_>), MuxError> {
    let Some(([a, b, c, d, code], body)) = payload.split_first_chunk::<MUX_HEADER>() else {
        return Err(MuxError::Length(payload.len()));
    };
    let bare = |kind| if body.is_empty() { Ok(kind) } else { Err(MuxError::Length(payload.len())) };
    let kind = match code {
        0 => bare(Kind::Open)?,
        1 if body.is_empty() => return Err(MuxError::Length(payload.len())),
        1 => Kind::Data(body),
        2 => bare(Kind::End)?,
        3 => bare(Kind::Reset)?,
        4 => {
            let n = body.try_into().map_err(|_| MuxError::Length(payload.len()))?;
            Kind::Credit(u32::from_le_bytes(n))
        }
        other => return Err(MuxError::Kind(*other)),
    };
    Ok((u32::from_le_bytes([*a, *b, *c, *d]), kind))
}

/// The credit of one direction, on either end: what may still be sent, or still be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit(u32);

impl Default for Credit {
    fn default() -> Self {
        Self(WINDOW)
    }
}

impl Credit {
    /// Bytes left.
    #[must_use]
    pub const fn left(self) -> u32 {
        self.0
    }

    /// Takes `bytes` away.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn spend(&mut self, bytes: usize) -> Result<(), MuxError> {
        let bytes = u32::try_from(bytes).map_err(|_| MuxError::Credit)?;
        self.0 = self.0.checked_sub(bytes).ok_or(MuxError::Credit)?;
        Ok(())
    }

    /// Gives `bytes` back.
    ///
    /// # Errors
    /// When that would exceed [`WINDOW`].
    pub fn grant(&mut self, bytes: u32) -> Result<(), MuxError> {
        let sum = self.0.checked_add(bytes).filter(|sum| *sum <= WINDOW);
        self.0 = sum.ok_or(MuxError::Credit)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Credit, Kind, MuxError, WINDOW, decode};

    #[test]
    fn kinds_have_their_lengths() {
        assert_eq!(decode(&[1, 0, 0, 0]), Err(MuxError::Length(4)));
        assert_eq!(decode(&[1, 0, 0, 0, 1]), Err(MuxError::Length(5)));
        assert_eq!(decode(&[1, 0, 0, 0, 0, 9]), Err(MuxError::Length(6)));
        assert_eq!(decode(&[1, 0, 0, 0, 4, 1, 0, 0]), Err(MuxError::Length(8)));
        assert_eq!(decode(&[1, 0, 0, 0, 5]), Err(MuxError::Kind(5)));
        assert_eq!(decode(&[1, 0, 0, 0, 1, 9]), Ok((1, Kind::Data([9].as_slice()))));
    }

    #[test]
    fn credit_is_neither_overdrawn_nor_overpaid() {
        let mut credit = Credit::default();
        assert_eq!(credit.grant(1), Err(MuxError::Credit));
        assert_eq!(credit.spend(usize::MAX), Err(MuxError::Credit));
        let all = usize::try_from(WINDOW).unwrap();
        assert_eq!(credit.spend(all), Ok(()));
        assert_eq!(credit.spend(1), Err(MuxError::Credit));
        assert_eq!(credit.grant(WINDOW), Ok(()));
        assert_eq!(credit.grant(u32::MAX), Err(MuxError::Credit));
        assert_eq!(credit.left(), WINDOW);
    }
}
