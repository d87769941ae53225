//! Decompression of kernels and kernel modules, bounded in output and in memory.
//!
//! What the kernel's own build writes: `scripts/Makefile.lib` for the payload of a bzImage
//! (gzip, xz, legacy lz4, zstd) and `scripts/Makefile.modinst` for modules (gzip, xz, zstd).

use std::io::{self, Read};

/// Memory that liblzma may use: the kernel's build asks for dictionaries up to 128 MiB.
const XZ_MEMORY_LIMIT: u64 = 192 << 20;
/// Window that zstd may use, as a power of two: `zstd --ultra -22`, used for bzImages, needs 27.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How a kernel or a module is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed, or by something this crate does not know.
    None,
    /// RFC 1952.
    Gzip,
    /// The `.xz` container around LZMA2.
    Xz,
    /// The legacy frame of `lz4 -l`, the only lz4 format the kernel's build uses.
    Lz4Legacy,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// Tells the compression from the magic number at the start of the data.
    #[must_use]
    pub fn detect(data: &[u8]) -> Self {
        const MAGICS: [(&[u8], Compression); 4] = [
            (&[0x1f, 0x8b], Compression::Gzip),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
            (&lz4::MAGIC, Compression::Lz4Legacy),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
        ];
        MAGICS
            .iter()
            .find(|(magic, _)| data.starts_with(magic))
            .map_or(Self::None, |(_, compression)| *compression)
    }

    /// The name of the format, as in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lz4Legacy => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Why data could not be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream ends before its end mark.
    #[error("decompress {0} data: it is cut short")]
    Truncated(&'static str),
    /// The result would be larger than the caller accepts.
    #[error("decompress {name} data: more than {limit} bytes come out of it")]
    TooLarge {
        /// The format.
        name: &'static str,
        /// The caller's limit in bytes.
        limit: u64,
    },
    /// The data breaks the rules of its format.
    #[error("decompress {name} data: {cause}")]
    Corrupt {
        /// The format.
        name: &'static str,
        /// The decoder's words.
        cause: String,
    },
}

/// Decompresses the one stream at the start of `input` to at most `limit` bytes.
///
/// Bytes after the stream are ignored: the payload of a bzImage ends with its size, which no
/// format knows about.
///
/// # Errors
///
/// A stream that is cut short or corrupt, or that holds more than `limit` bytes. Legacy lz4 has no
/// end mark: a stream cut exactly between two of its 8 MiB blocks cannot be told from a whole one.
pub fn decompress(kind: Compression, input: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    match kind {
        Compression::None => read_bounded(kind, input, limit),
        Compression::Gzip => read_bounded(kind, flate2::bufread::GzDecoder::new(input), limit),
        Compression::Xz => read_bounded(kind, xz_decoder(input)?, limit),
        Compression::Lz4Legacy => lz4::decompress(input, limit),
        Compression::Zstd => {
            read_bounded(kind, zstd_decoder(input).map_err(|e| Error::from_io(kind, &e))?, limit)
        }
    }
}

fn xz_decoder(input: &[u8]) -> Result<liblzma::bufread::XzDecoder<&[u8]>, Error> {
    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_LIMIT, 0)
        .map_err(|cause| Error::from_io(Compression::Xz, &cause.into()))?;
    Ok(liblzma::bufread::XzDecoder::new_stream(input, stream))
}

fn zstd_decoder(input: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn read_bounded(kind: Compression, decoder: impl Read, limit: u64) -> Result<Vec<u8>, Error> {
    let mut output = Vec::new();
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut output)
        .map_err(|cause| Error::from_io(kind, &cause))?;
    if output.len() as u64 > limit {
        return Err(Error::TooLarge { name: kind.name(), limit });
    }
    Ok(output)
}

impl Error {
    fn from_io(kind: Compression, cause: &io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated(kind.name()),
            _ => Self::Corrupt { name: kind.name(), cause: cause.to_string() },
        }
    }
}

/// The legacy frame of lz4: a magic number, then blocks of a little-endian `u32` length and that
/// many bytes, each but the last holding 8 MiB (`doc/lz4_Frame_format.md`, "Legacy frame").
mod lz4 {
    use super::{Compression, Error};
    use lz4_flex::block::DecompressError;

    pub(super) const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
    const BLOCK: usize = 8 << 20;
    /// The most that one block can take when it does not compress: `LZ4_COMPRESSBOUND(BLOCK)`.
    const BLOCK_COMPRESSED_MAX: usize = BLOCK + BLOCK / 255 + 16;

    pub(super) fn decompress(input: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
        let mut rest = input.strip_prefix(&MAGIC).ok_or_else(|| corrupt("no magic number"))?;
        let mut output = Vec::new();
        while let Some((block, after)) = next_block(rest, output.len())? {
            let decoded = decode_block(block, &mut output, limit)?;
            rest = after;
            // Only the last block may be shorter; what follows it is not ours.
            if decoded < BLOCK {
                break;
            }
        }
        Ok(output)
    }

    /// A block's bytes, and what follows it.
    type Split<'a> = (&'a [u8], &'a [u8]);

    /// Splits the next block off, `None` where the frame has ended.
    fn next_block(rest: &[u8], written: usize) -> Result<Option<Split<'_>>, Error> {
        let Some((length, after)) = rest.split_first_chunk() else {
            return if rest.is_empty() || written > 0 { Ok(None) } else { Err(truncated()) };
        };
        let length = u32::from_le_bytes(*length) as usize;
        let size_trailer = after.is_empty() && length == written;
        if written > 0 && (size_trailer || length > BLOCK_COMPRESSED_MAX) {
            return Ok(None);
        }
        if length > BLOCK_COMPRESSED_MAX {
            return Err(corrupt("the first block is longer than a block can be"));
        }
        after.split_at_checked(length).map(Some).ok_or_else(truncated)
    }

    /// Appends one decoded block to `output` and returns its length.
    fn decode_block(block: &[u8], output: &mut Vec<u8>, limit: u64) -> Result<usize, Error> {
        let start = output.len();
        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(start).min(BLOCK);
        output.resize(start + room, 0);
        let decoded =
            lz4_flex::block::decompress_into(block, &mut output[start..]).map_err(|cause| {
                match cause {
                    DecompressError::OutputTooSmall { .. } if room < BLOCK => {
                        Error::TooLarge { name: Compression::Lz4Legacy.name(), limit }
                    }
                    cause => corrupt(&cause.to_string()),
                }
            })?;
        output.truncate(start + decoded);
        Ok(decoded)
    }

    fn truncated() -> Error {
        Error::Truncated(Compression::Lz4Legacy.name())
    }

    fn corrupt(cause: &str) -> Error {
        Error::Corrupt { name: Compression::Lz4Legacy.name(), cause: cause.to_owned() }
    }
}
