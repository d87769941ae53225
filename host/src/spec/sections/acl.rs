//! `[[target.tpg.acl]]`.

use std::collections::BTreeSet;

use super::attributes::{self, Group};
use super::keys::MAPPED_LUN;
use super::{chap, folded, require, text};
use crate::spec::reader::{Reader, Section};
use crate::spec::{Acl, Base, CMDSN_DEPTHS, LUNS, Lun, MappedLun};

/// Reads an ACL; `luns` are its TPG's, `write_protect` what mapped LUNs are unless they say.
pub(super) fn read(
    section: &Section<'_>,
    luns: &[Lun],
    write_protect: bool,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Acl {
    require(section, "initiator", "a name such as \"iqn.2024-05.org.example:host\"", reader);
    let unknown = section.boolean("allow_unknown_attributes", reader).unwrap_or(false);
    let mapped = section.sections("mapped_luns", MAPPED_LUN, reader);
    let mapped_luns = if section.has("mapped_luns") {
        mapped.iter().map(|mapped| read_mapped_lun(mapped, write_protect, reader)).collect()
    } else {
        let same = |lun| MappedLun { mapped_lun: lun, lun, write_protect };
        // A number that is there twice is the TPG's fault.
        luns.iter().map(|lun| lun.lun).collect::<BTreeSet<_>>().into_iter().map(same).collect()
    };
    Acl {
        initiator: folded(section, "initiator", reader).unwrap_or_default(),
        mapped_luns,
        cmdsn_depth: section.integer("cmdsn_depth", &CMDSN_DEPTHS, reader),
        tag: text(section, "tag", reader),
        attributes: attributes::read(section, "attributes", Group::Acl, unknown, reader),
        allow_unknown_attributes: unknown,
        chap: chap::read(section, base, reader),
    }
}

fn read_mapped_lun(
    section: &Section<'_>,
    write_protect: bool,
    reader: &mut Reader<'_>,
) -> MappedLun {
    require(section, "mapped_lun", "a number", reader);
    require(section, "lun", "the number of a LUN of the TPG", reader);
    MappedLun {
        mapped_lun: section.integer("mapped_lun", &LUNS, reader).unwrap_or_default(),
        lun: section.integer("lun", &LUNS, reader).unwrap_or_default(),
        write_protect: section.boolean("write_protect", reader).unwrap_or(write_protect),
    }
}
