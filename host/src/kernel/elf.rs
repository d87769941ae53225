//! A vmlinux: enough of ELF64 to know that it is whole, how it can be booted, and which kernel it is.
//!
//! Every offset and size comes from the file and is checked against the file before use.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use lunlab_initramfs::decompress::{Compression, decompress};

const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// `XEN_ELFNOTE_PHYS32_ENTRY`, include/xen/interface/elfnote.h: where PVH enters the kernel.
const PHYS32_ENTRY: u32 = 18;

/// A vmlinux has five program headers; this is beyond any.
const PROGRAM_HEADER_LIMIT: u16 = 256;
/// A kernel's notes take half a kilobyte.
const NOTES_LIMIT: u64 = 1 << 20;
/// `__NEW_UTS_LEN`: what `uname -r` can hold.
const RELEASE_LIMIT: usize = 64;
/// A compressed configuration takes 30 to 70 kB.
const CONFIG_LIMIT: u64 = 8 << 20;

/// Why a file is no vmlinux that can be booted.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// No ELF magic.
    #[error("not an ELF file")]
    NotElf,
    /// ELF, but not for this machine.
    #[error("an ELF file, but not for 64-bit x86 (class {class}, machine {machine})")]
    OtherMachine {
        /// `EI_CLASS`: 2 is 64-bit.
        class: u8,
        /// `e_machine`: 62 is x86-64.
        machine: u16,
    },
    /// The headers speak of more bytes than there are.
    #[error("cut short: its headers say at least {needs} bytes, the file has {has}")]
    CutShort {
        /// Bytes the headers speak of.
        needs: u64,
        /// Bytes there are.
        has: u64,
    },
    /// The headers contradict themselves.
    #[error("malformed ELF: {0}")]
    Malformed(&'static str),
    /// It could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A checked x86-64 kernel executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vmlinux {
    /// The parts of the file that are loaded, in file order.
    loads: Vec<Range<u64>>,
    /// The physical address at which PVH enters, where the kernel has `CONFIG_PVH`.
    pub pvh_entry: Option<u64>,
}

impl Vmlinux {
    /// Reads and checks the headers and notes.
    ///
    /// # Errors
    /// A file that is not a whole ELF64 executable for x86-64, or cannot be read.
    pub fn read(file: &mut (impl Read + Seek)) -> Result<Self, ElfError> {
        let size = file.seek(SeekFrom::End(0))?;
        let header = Header::read(file, size)?;
        let mut this = Self { loads: Vec::new(), pvh_entry: None };
        for index in 0..u64::from(header.phnum) {
            let at = header.phoff.saturating_add(index * PROGRAM_HEADER);
            let bytes = read_range(file, at..at.saturating_add(PROGRAM_HEADER), size)?;
            this.take_program_header(file, &bytes, size)?;
        }
        if this.loads.is_empty() {
            return Err(ElfError::Malformed("nothing to load"));
        }
        this.loads.sort_by_key(|range| range.start);
        Ok(this)
    }

    fn take_program_header(
        &mut self,
        file: &mut (impl Read + Seek),
        header: &[u8],
        size: u64,
    ) -> Result<(), ElfError> {
        let kind = u32_at(header, 0);
        let start = u64_at(header, 8);
        let range = start..start.saturating_add(u64_at(header, 32));
        match kind {
            PT_LOAD if range.end > size => {
                return Err(ElfError::CutShort { needs: range.end, has: size });
            }
            PT_LOAD => self.loads.push(range),
            // QEMU, like the PVH ABI, looks in program headers only: a note that only a section has does not count.
            PT_NOTE => {
                if range.end - range.start > NOTES_LIMIT {
                    return Err(ElfError::Malformed("notes larger than a megabyte"));
                }
                let align = if u64_at(header, 48) == 8 { 8 } else { 4 };
                let notes = read_range(file, range, size)?;
                self.pvh_entry = self.pvh_entry.or_else(|| phys32_entry(&notes, align));
            }
            _ => {}
        }
        Ok(())
    }

    /// The release in the kernel's banner, `Linux version RELEASE (…`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn release(&self, file: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
        self.find(file, b"Linux version ", |file, at| {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            file.take(RELEASE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
            Ok(release_at_start(&bytes))
        })
    }

    /// The configuration that `CONFIG_IKCONFIG` embeds (kernel/configs.c), as text.
    ///
    /// # Errors
    /// Those of reading.
    pub fn embedded_config(&self, file: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
        self.find(file, b"IKCFG_ST", |file, at| {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            file.take(CONFIG_LIMIT).read_to_end(&mut bytes)?;
            let text = decompress(Compression::Gzip, &bytes, CONFIG_LIMIT).ok();
            Ok(text.and_then(|text| String::from_utf8(text).ok()))
        })
    }

    /// Gives `accept` the offset behind each occurrence of `needle` in what is loaded, until it takes one.
    fn find<F: Read + Seek, T>(
        &self,
        file: &mut F,
        needle: &[u8],
        mut accept: impl FnMut(&mut F, u64) -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        let finder = memchr::memmem::Finder::new(needle);
        let overlap = needle.len() as u64 - 1;
        for load in &self.loads {
            let mut at = load.start;
            while at + overlap < load.end {
                let chunk = read_exactly(file, at..load.end.min(at + CHUNK))?;
                for hit in finder.find_iter(&chunk) {
                    let behind = at + (hit + needle.len()) as u64;
                    if let Some(found) = accept(file, behind)? {
                        return Ok(Some(found));
                    }
                }
                at += CHUNK - overlap;
            }
        }
        Ok(None)
    }
}

/// How much is searched at a time.
const CHUNK: u64 = 1 << 20;

struct Header {
    phoff: u64,
    phnum: u16,
}

impl Header {
    fn read(file: &mut (impl Read + Seek), size: u64) -> Result<Self, ElfError> {
        let bytes = read_exactly(file, 0..size.min(HEADER))?;
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        if size < HEADER {
            return Err(ElfError::CutShort { needs: HEADER, has: size });
        }
        let (class, machine) = (bytes[4], u16_at(&bytes, 18));
        if class != 2 || bytes[5] != 1 || machine != EM_X86_64 {
            return Err(ElfError::OtherMachine { class, machine });
        }
        let phnum = u16_at(&bytes, 56);
        if u64::from(u16_at(&bytes, 54)) != PROGRAM_HEADER || phnum > PROGRAM_HEADER_LIMIT {
            return Err(ElfError::Malformed("program headers of an unknown shape"));
        }
        // Section headers come last, so that they tell of a cut that no loaded part would.
        let sections = u64::from(u16_at(&bytes, 58)) * u64::from(u16_at(&bytes, 60));
        let needs = u64_at(&bytes, 40).saturating_add(sections);
        if needs > size {
            return Err(ElfError::CutShort { needs, has: size });
        }
        Ok(Self { phoff: u64_at(&bytes, 32), phnum })
    }
}

/// The address in the Xen note for PVH, among notes aligned to `align`.
fn phys32_entry(mut notes: &[u8], align: usize) -> Option<u64> {
    loop {
        let head = notes.get(..12)?;
        let name_size = usize::try_from(u32_at(head, 0)).ok()?;
        let desc_size = usize::try_from(u32_at(head, 4)).ok()?;
        let name = notes.get(12..)?.get(..name_size)?;
        let desc_at = (12 + name_size).next_multiple_of(align);
        let desc = notes.get(desc_at..)?.get(..desc_size)?;
        if u32_at(head, 8) == PHYS32_ENTRY && name == b"Xen\0" {
            return match desc.len() {
                4 => Some(u64::from(u32_at(desc, 0))),
                8 => Some(u64_at(desc, 0)),
                _ => None,
            };
        }
        notes = notes.get((desc_at + desc_size).next_multiple_of(align)..)?;
    }
}

/// A release as the kernel's own strings begin with it: a digit, no blanks, a blank behind it.
pub(super) fn release_at_start(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_graphic())?;
    let release = &bytes[..end];
    if end > RELEASE_LIMIT || !release.first()?.is_ascii_digit() {
        return None;
    }
    String::from_utf8(release.to_vec()).ok()
}

/// Reads a range, after checking that the file has it.
fn read_range(
    file: &mut (impl Read + Seek),
    range: Range<u64>,
    size: u64,
) -> Result<Vec<u8>, ElfError> {
    if range.end > size {
        return Err(ElfError::CutShort { needs: range.end, has: size });
    }
    Ok(read_exactly(file, range)?)
}

/// Reads a range that the file is known to have, or fails if it has shrunk.
pub(super) fn read_exactly(
    file: &mut (impl Read + Seek),
    range: Range<u64>,
) -> io::Result<Vec<u8>> {
    let length = range.end.saturating_sub(range.start);
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// The little-endian number at `at`; zero where `bytes` ends before.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// As `u16_at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// A small vmlinux: one PT_LOAD holding `contents`, and notes where given.
    pub(in crate::kernel) fn vmlinux(contents: &[u8], notes: &[u8]) -> Vec<u8> {
        let loads_at = HEADER + 2 * PROGRAM_HEADER;
        let notes_at = loads_at + contents.len() as u64;
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(64, 0);
        elf[18..20].copy_from_slice(&EM_X86_64.to_le_bytes());
        elf[32..40].copy_from_slice(&HEADER.to_le_bytes());
        elf[54..56].copy_from_slice(&56_u16.to_le_bytes());
        elf[56..58].copy_from_slice(&2_u16.to_le_bytes());
        for (kind, at, len) in
            [(PT_LOAD, loads_at, contents.len()), (PT_NOTE, notes_at, notes.len())]
        {
            let mut header = kind.to_le_bytes().to_vec();
            header.resize(8, 0);
            header.extend(at.to_le_bytes());
            header.resize(32, 0);
            header.extend((len as u64).to_le_bytes());
            header.resize(48, 0);
            header.extend(4_u64.to_le_bytes());
            elf.extend(header);
        }
        elf.extend(contents);
        elf.extend(notes);
        elf
    }

    pub(in crate::kernel) fn note(name: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        note.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        note.extend(u32::try_from(desc.len()).unwrap().to_le_bytes());
        note.extend(kind.to_le_bytes());
        note.extend(name);
        note.resize(note.len().next_multiple_of(4), 0);
        note.extend(desc);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    fn read(bytes: &[u8]) -> Result<Vmlinux, ElfError> {
        Vmlinux::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn pvh_entry_is_in_the_xen_note_and_no_other() {
        let other = [note(b"Linux\0", 18, &[9; 4]), note(b"Xen\0", 6, b"linux\0")].concat();
        assert_eq!(read(&vmlinux(b"x", &other)).unwrap().pvh_entry, None);
        let pvh = [other, note(b"Xen\0", 18, &0x0100_0850_u64.to_le_bytes())].concat();
        assert_eq!(read(&vmlinux(b"x", &pvh)).unwrap().pvh_entry, Some(0x0100_0850));
        let short = note(b"Xen\0", 18, &0x42_u32.to_le_bytes());
        assert_eq!(read(&vmlinux(b"x", &short)).unwrap().pvh_entry, Some(0x42));
    }

    #[test]
    fn release_is_found_across_chunks_and_format_strings_are_passed_over() {
        for before in [0, (1 << 20) - 7, (1 << 20) - 14, (2 << 20) + 3] {
            let mut contents = b"Linux version %s (%s)\0".to_vec();
            contents.resize(contents.len() + before, 0);
            contents.extend(b"Linux version 6.1.0-9-x (me@here)\0");
            let elf = vmlinux(&contents, b"");
            let mut file = Cursor::new(&elf);
            let vmlinux = Vmlinux::read(&mut file).unwrap();
            let release = vmlinux.release(&mut file).unwrap();
            assert_eq!(release.as_deref(), Some("6.1.0-9-x"), "{before}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let elf = vmlinux(b"contents", &note(b"Xen\0", 18, &[0; 4]));
        read(&elf).unwrap();
        for length in 4..elf.len() {
            let error = read(&elf[..length]).unwrap_err();
            assert!(
                matches!(error, ElfError::CutShort { has, .. } if has == length as u64),
                "{error}"
            );
        }
    }

    #[test]
    fn other_machines_are_named() {
        let mut elf = vmlinux(b"contents", b"");
        elf[18] = 183;
        let error = read(&elf).unwrap_err().to_string();
        assert!(error.contains("machine 183"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..232, bytes in proptest::collection::vec(any::<u8>(), 1..16)) {
            let mut elf = vmlinux(b"Linux version 6", &note(b"Xen\0", 18, &[0; 4]));
            let end = (at + bytes.len()).min(elf.len());
            elf[at.min(end)..end].copy_from_slice(&bytes[..end - at.min(end)]);
            let mut file = Cursor::new(&elf);
            if let Ok(vmlinux) = Vmlinux::read(&mut file) {
                vmlinux.release(&mut file).unwrap();
            }
        }
    }
}
