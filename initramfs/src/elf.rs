//! Kernel modules as ELF files: signatures, `.modinfo`, debug information.

use object::elf::{FileHeader64, SectionHeader64};
use object::read::elf::{FileHeader, SectionHeader, SectionTable};
use object::{Endianness, Object, ObjectSection, U64, elf, pod};
use std::borrow::Cow;

/// What `scripts/sign-file.c` puts at the very end of a signed module.
const SIGNATURE_TRAILER: &[u8] = b"~Module signature appended~\n";

/// Names of sections that only a debugger reads, as binutils knows them (`bfd/elf.c`).
const DEBUG_SECTIONS: [&[u8]; 7] = [
    b".debug",
    b".zdebug",
    b".gnu.debuglto_.debug_",
    b".gnu.linkonce.wi.",
    b".line",
    b".stab",
    b".gdb_index",
];

/// Whether a module carries a signature, which any change of the bytes before it breaks.
#[must_use]
pub fn is_signed(module: &[u8]) -> bool {
    module.ends_with(SIGNATURE_TRAILER)
}

/// The `.modinfo` section of a module: `key=value` strings, each ended by a NUL.
///
/// # Errors
///
/// What is wrong with the file, as an ELF file or as a module.
pub fn modinfo(module: &[u8]) -> Result<&[u8], &'static str> {
    let file = object::File::parse(module).map_err(|_| "not an ELF file")?;
    let section = file.section_by_name(".modinfo").ok_or("it has no .modinfo section")?;
    section.data().map_err(|_| "its .modinfo section is outside the file")
}

/// Removes the debug information of a module, and nothing that the kernel loads or looks at.
///
/// Signed modules, and files that are not 64-bit relocatable ELF files, come back unchanged.
/// Headers of removed sections stay, emptied (`SHT_NULL`, which the module loader skips), so that no
/// section index in symbols, relocations or groups changes.
#[must_use]
pub fn strip_debug(module: &[u8]) -> Cow<'_, [u8]> {
    let stripped = if is_signed(module) { None } else { strip(module) };
    stripped.map_or(Cow::Borrowed(module), Cow::Owned)
}

type Section = SectionHeader64<Endianness>;
type Table<'a> = SectionTable<'a, FileHeader64<Endianness>>;

fn strip(module: &[u8]) -> Option<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(module).ok()?;
    let endian = header.endian().ok()?;
    let relocatable = header.e_type.get(endian) == elf::ET_REL && header.e_phnum.get(endian) == 0;
    let table = header.sections(endian, module).ok()?;
    let debug = debug_sections(endian, module, &table);
    if !relocatable || !debug.contains(&true) {
        return None;
    }
    let mut output = module.get(..size_of_val(header))?.to_vec();
    let sections = copy_sections(module, endian, &table, &debug, &mut output)?;
    output.resize(output.len().next_multiple_of(align_of::<u64>()), 0);
    let mut header = *header;
    header.e_shoff = U64::new(endian, output.len() as u64);
    output.extend_from_slice(pod::bytes_of_slice(&sections));
    output[..size_of_val(&header)].copy_from_slice(pod::bytes_of(&header));
    Some(output)
}

/// For each section whether it is debug information, relocations for that, or a group of nothing
/// else (which binutils would miss the members of; the module loader knows no groups).
fn debug_sections(endian: Endianness, module: &[u8], table: &Table<'_>) -> Vec<bool> {
    let mut debug: Vec<bool> =
        table.iter().map(|section| is_named_debug(endian, table, section)).collect();
    let is_debug = |debug: &[bool], index: u32| {
        usize::try_from(index).is_ok_and(|index| debug.get(index) == Some(&true))
    };
    for (index, section) in table.iter().enumerate() {
        if matches!(section.sh_type(endian), elf::SHT_REL | elf::SHT_RELA) {
            debug[index] |= is_debug(&debug, section.sh_info(endian));
        }
    }
    for (index, section) in table.iter().enumerate() {
        if let Ok(Some((_, members))) = section.group(endian, module) {
            debug[index] = members.iter().all(|member| is_debug(&debug, member.get(endian)));
        }
    }
    debug
}

fn is_named_debug(endian: Endianness, table: &Table<'_>, section: &Section) -> bool {
    let name = table.section_name(endian, section).unwrap_or_default();
    let loaded = section.sh_flags(endian).contains(elf::SHF_ALLOC);
    !loaded && DEBUG_SECTIONS.iter().any(|prefix| name.starts_with(prefix))
}

/// Appends the content of the sections that stay to `output`, in the order of the file, and returns
/// all headers as they now have to be.
fn copy_sections(
    module: &[u8],
    endian: Endianness,
    table: &Table<'_>,
    debug: &[bool],
    output: &mut Vec<u8>,
) -> Option<Vec<Section>> {
    let empty = *pod::from_bytes::<Section>(&[0; size_of::<Section>()]).ok()?.0;
    let mut sections: Vec<Section> = table
        .iter()
        .zip(debug)
        .map(|(section, debug)| if *debug { empty } else { *section })
        .collect();
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|index| sections[*index].sh_offset(endian));
    for index in order {
        let section = &mut sections[index];
        // The size in the first, empty header may be the number of sections.
        if section.sh_type(endian) == elf::SHT_NULL {
            continue;
        }
        // None of it is in the file where the type is SHT_NOBITS.
        let (start, size) = section.file_range(endian).unwrap_or_default();
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        let content = module.get(start..end)?;
        let alignment = usize::try_from(section.sh_addralign(endian)).ok()?.max(1);
        let offset = output.len().checked_next_multiple_of(alignment)?;
        // Sections that overlap, or absurd alignments: not a module, and no end to its size.
        if offset.checked_add(content.len())? > module.len() {
            return None;
        }
        output.resize(offset, 0);
        output.extend_from_slice(content);
        section.sh_offset = U64::new(endian, offset as u64);
    }
    Some(sections)
}
