//! A bzImage: its setup header (Documentation/arch/x86/boot.rst), and the vmlinux inside it.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use lunlab_initramfs::decompress::{Compression, decompress};

use super::elf::{self, ElfError, Vmlinux, read_exactly, u16_at, u32_at};

/// Everything read here lies in the first sectors: the header proper ends at 0x268.
const HEADER: u64 = 0x268;
const SECTOR: u64 = 512;
/// Before 2.08 (Linux 2.6.26) the header does not tell where the payload is.
const PAYLOAD_SINCE: u16 = 0x0208;
/// No x86 kernel is larger once unpacked; a corrupt size must not become an allocation.
const VMLINUX_LIMIT: u64 = 1 << 30;

/// Why a file is no bzImage that can be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BzImageError {
    /// No boot sector with a setup header.
    #[error("no x86 setup header in it")]
    NotBzImage,
    /// The header speaks of more bytes than there are.
    #[error("cut short: header says {says} bytes, file has {has}")]
    CutShort {
        /// Bytes the header speaks of.
        says: u64,
        /// Bytes there are.
        has: u64,
    },
    /// The header contradicts itself.
    #[error("malformed setup header: {0}")]
    Malformed(&'static str),
    /// The payload is packed with something that is not unpacked here: such an image still boots as it is.
    #[error("its payload is in a format that is not known (not gzip, xz, lz4 or zstd)")]
    UnknownFormat,
    /// The payload cannot be unpacked.
    #[error("unpack its payload: {0}")]
    Payload(String),
    /// What came out is no kernel.
    #[error("the kernel inside: {0}")]
    Vmlinux(#[from] ElfError),
    /// It could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What the setup header says, checked against the size of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BzImage {
    /// The release in the header's version string.
    pub release: Option<String>,
    /// Where in the file the compressed vmlinux lies: offset and length, trailing size included.
    payload: Option<(u64, u64)>,
}

/// Whether a file that starts like this claims to be a bzImage.
#[must_use]
pub fn has_magic(start: &[u8]) -> bool {
    start.get(0x1fe..0x200) == Some(&[0x55, 0xaa]) && start.get(0x202..0x206) == Some(b"HdrS")
}

impl BzImage {
    /// Reads and checks the setup header.
    ///
    /// # Errors
    /// A file that is not a whole bzImage, or cannot be read.
    pub fn read(file: &mut (impl Read + Seek)) -> Result<Self, BzImageError> {
        let has = file.seek(SeekFrom::End(0))?;
        let head = read_exactly(file, 0..has.min(HEADER))?;
        if !has_magic(&head) {
            return Err(BzImageError::NotBzImage);
        }
        let sectors = match head[0x1f1] {
            // As the boot protocol has it for images older than the field.
            0 => 4,
            sectors => u64::from(sectors),
        };
        let setup = (sectors + 1) * SECTOR;
        // syssize counts 16-byte paragraphs of what follows the setup code.
        let says = setup + u64::from(u32_at(&head, 0x1f4)) * 16;
        if has < says.max(HEADER) {
            return Err(BzImageError::CutShort { says: says.max(HEADER), has });
        }
        Ok(Self {
            release: read_release(file, u16_at(&head, 0x20e), setup)?,
            payload: payload_range(&head, setup, has)?,
        })
    }

    /// Unpacks the payload and checks that it is an x86-64 vmlinux.
    ///
    /// # Errors
    /// An unknown format, data that is corrupt or not a kernel, or a file that cannot be read.
    pub fn unpack(&self, file: &mut (impl Read + Seek)) -> Result<Vec<u8>, BzImageError> {
        let (offset, length) = self.payload.ok_or(BzImageError::UnknownFormat)?;
        let payload = read_exactly(file, offset..offset + length)?;
        let kind = Compression::detect(&payload);
        if kind == Compression::None && !payload.starts_with(b"\x7fELF") {
            return Err(BzImageError::UnknownFormat);
        }
        let vmlinux = unpack_payload(kind, &payload)?;
        Vmlinux::read(&mut Cursor::new(&vmlinux))?;
        Ok(vmlinux)
    }
}

/// Whatever the format, the last four bytes are the unpacked size (`size_append` in scripts/Makefile.lib; gzip's own trailer).
fn unpack_payload(kind: Compression, payload: &[u8]) -> Result<Vec<u8>, BzImageError> {
    let (stream, size) = payload
        .split_last_chunk::<4>()
        .ok_or(BzImageError::Malformed("a payload of less than four bytes"))?;
    let size = u64::from(u32::from_le_bytes(*size));
    let (stream, limit) = match kind {
        Compression::Gzip => (payload, size),
        Compression::None => (payload, VMLINUX_LIMIT),
        _ => (stream, size),
    };
    let unpacked = decompress(kind, stream, limit.min(VMLINUX_LIMIT))
        .map_err(|error| BzImageError::Payload(error.to_string()))?;
    if kind != Compression::None && unpacked.len() as u64 != size {
        let message = format!("{} bytes came out of it, it says {size}", unpacked.len());
        return Err(BzImageError::Payload(message));
    }
    Ok(unpacked)
}

fn payload_range(head: &[u8], setup: u64, has: u64) -> Result<Option<(u64, u64)>, BzImageError> {
    let length = u64::from(u32_at(head, 0x24c));
    if u16_at(head, 0x206) < PAYLOAD_SINCE || length == 0 {
        return Ok(None);
    }
    let offset = setup + u64::from(u32_at(head, 0x248));
    if offset + length > has {
        return Err(BzImageError::CutShort { says: offset + length, has });
    }
    Ok(Some((offset, length)))
}

/// `kernel_version` points, less 0x200, to a string in the setup code that begins with the release.
fn read_release(
    file: &mut (impl Read + Seek),
    pointer: u16,
    setup: u64,
) -> io::Result<Option<String>> {
    let at = u64::from(pointer) + 0x200;
    if pointer == 0 || at >= setup {
        return Ok(None);
    }
    let bytes = read_exactly(file, at..setup.min(at + 128))?;
    Ok(elf::release_at_start(&bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A bzImage with two setup sectors around `payload`.
    pub(in crate::kernel) fn bzimage(payload: &[u8], release: &str) -> Vec<u8> {
        let mut image = vec![0; 3 * 512];
        image[0x1f1] = 2;
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x200_u16.to_le_bytes());
        let version = format!("{release} (me@here) #1 SMP\0");
        image[0x400..0x400 + version.len()].copy_from_slice(version.as_bytes());
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        let mut system = vec![0; 16];
        system.extend(payload);
        system.resize(system.len().next_multiple_of(16), 0);
        image[0x1f4..0x1f8]
            .copy_from_slice(&(u32::try_from(system.len()).unwrap() / 16).to_le_bytes());
        image.extend(system);
        image
    }

    pub(in crate::kernel) fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<BzImage, BzImageError> {
        BzImage::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn release_and_vmlinux_come_out() {
        let vmlinux = elf::tests::vmlinux(b"contents", b"");
        let image = bzimage(&gzip(&vmlinux), "6.9.1-x");
        let parsed = read(&image).unwrap();
        assert_eq!(parsed.release.as_deref(), Some("6.9.1-x"));
        assert_eq!(parsed.unpack(&mut Cursor::new(&image)).unwrap(), vmlinux);
    }

    #[test]
    fn every_cut_behind_the_magic_says_what_is_missing() {
        let image = bzimage(&gzip(&elf::tests::vmlinux(b"contents", b"")), "6.9.1-x");
        for length in 0x206..image.len() {
            match read(&image[..length]).unwrap_err() {
                BzImageError::CutShort { says, has } => {
                    assert_eq!((says, has), (image.len() as u64, length as u64));
                }
                other => panic!("{length}: {other}"),
            }
        }
    }

    #[test]
    fn a_size_that_does_not_agree_is_an_error() {
        let vmlinux = elf::tests::vmlinux(b"contents", b"");
        let mut payload = gzip(&vmlinux);
        let last = payload.len() - 4;
        payload[last] ^= 1;
        let image = bzimage(&payload, "6.9.1-x");
        let error = read(&image).unwrap().unpack(&mut Cursor::new(&image));
        assert!(matches!(error, Err(BzImageError::Payload(_))), "{error:?}");
    }

    #[test]
    fn an_unknown_format_is_told_from_a_broken_one() {
        let image = bzimage(b"BZh91AY&SY and so on", "6.9.1-x");
        let error = read(&image).unwrap().unpack(&mut Cursor::new(&image));
        assert!(matches!(error, Err(BzImageError::UnknownFormat)));
        let image = bzimage(&gzip(b"no kernel"), "6.9.1-x");
        let error = read(&image).unwrap().unpack(&mut Cursor::new(&image));
        assert!(matches!(error, Err(BzImageError::Vmlinux(ElfError::NotElf))));
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(at in 0x1f0_usize..0x250, bytes in proptest::collection::vec(0_u8.., 1..8)) {
            let mut image = bzimage(&gzip(&elf::tests::vmlinux(b"contents", b"")), "6.9.1-x");
            image[at..at + bytes.len()].copy_from_slice(&bytes);
            if let Ok(parsed) = read(&image) {
                drop(parsed.unpack(&mut Cursor::new(&image)));
            }
        }
    }
}
