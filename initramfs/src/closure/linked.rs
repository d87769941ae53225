//! What an ELF file says about the files it needs.

use object::read::StringTable;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What files must have in common to be loaded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) is_64: bool,
    is_little: bool,
    pub(super) number: u16,
}

/// The parts of a program or library that the loader reads first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) machine: Machine,
    pub(super) interpreter: Option<PathBuf>,
    pub(super) soname: Option<String>,
    pub(super) needed: Vec<String>,
    pub(super) rpath: Option<String>,
    pub(super) runpath: Option<String>,
    /// Nothing is to be looked for beyond its own paths.
    pub(super) no_default: bool,
}

impl Linked {
    /// Reads it from its program headers, which is where the loader has it from: sections may be stripped.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        match FileKind::parse(bytes) {
            Ok(FileKind::Elf32) => read::<elf::FileHeader32<Endianness>>(bytes),
            Ok(FileKind::Elf64) => read::<elf::FileHeader64<Endianness>>(bytes),
            _ => Err("it is neither an ELF file nor a script"),
        }
    }
}

fn read<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Linked, &'static str> {
    const DAMAGED: &str = "its ELF headers lead outside the file";
    let header = Elf::parse(bytes).map_err(|_| DAMAGED)?;
    let endian = header.endian().map_err(|_| DAMAGED)?;
    let segments = header.program_headers(endian, bytes).map_err(|_| DAMAGED)?;
    let machine = Machine {
        is_64: header.is_class_64(),
        is_little: header.is_little_endian(),
        number: header.e_machine(endian).0,
    };
    let mut linked = Linked {
        machine,
        interpreter: None,
        soname: None,
        needed: Vec::new(),
        rpath: None,
        runpath: None,
        no_default: false,
    };
    let mut dynamic: &[Elf::Dyn] = &[];
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, bytes).map_err(|_| DAMAGED)? {
            linked.interpreter = Some(PathBuf::from(OsStr::from_bytes(path)));
        }
        if let Some(entries) = segment.dynamic(endian, bytes).map_err(|_| DAMAGED)? {
            dynamic = entries;
        }
    }
    let ended = dynamic.iter().position(|entry| entry.d_tag(endian) == elf::DT_NULL);
    let entries: Vec<(elf::DynamicTag, u64)> = dynamic[..ended.unwrap_or(dynamic.len())]
        .iter()
        .map(|entry| (entry.d_tag(endian), entry.d_val(endian).into()))
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let Some(address) = value(elf::DT_STRTAB) else { return Ok(linked) };
    let size = value(elf::DT_STRSZ).unwrap_or_default();
    let loaded = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let strings = loaded
        .filter_map(|segment| segment.data_range(endian, bytes, address, size).ok().flatten())
        .next()
        .ok_or(DAMAGED)?;
    let strings = StringTable::new(strings, 0, strings.len() as u64);
    for (tag, value) in entries {
        let text = || {
            let text = u32::try_from(value).ok().and_then(|offset| strings.get(offset).ok());
            text.and_then(|text| std::str::from_utf8(text).ok()).map(str::to_owned).ok_or(DAMAGED)
        };
        match tag {
            elf::DT_NEEDED => linked.needed.push(text()?),
            elf::DT_SONAME => linked.soname = Some(text()?),
            elf::DT_RPATH => linked.rpath = Some(text()?),
            elf::DT_RUNPATH => linked.runpath = Some(text()?),
            elf::DT_FLAGS_1 => linked.no_default = value & elf::DF_1_NODEFLIB.0 != 0,
            _ => {}
        }
    }
    Ok(linked)
}
