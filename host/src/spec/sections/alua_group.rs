//! `[[storage_object.alua_group]]`.

use super::{require, text};
use crate::spec::reader::{Reader, Section};
use crate::spec::{ALUA_GROUP_IDS, ALUA_SUPPORT, AccessState, AccessType, AluaGroup};

/// The kernel's limits (include/target/target_core_base.h, `ALUA_MAX_*`).
const NONOP_DELAY_MSECS_MAX: u32 = 10_000;
const TRANS_DELAY_MSECS_MAX: u32 = 30_000;
const IMPLICIT_TRANS_SECS_MAX: u32 = 255;

pub(super) fn read(section: &Section<'_>, reader: &mut Reader<'_>) -> AluaGroup {
    require(section, "name", "a name such as \"standby\"", reader);
    require(section, "id", "a number from 1 to 65535", reader);
    let mut number = |key, max: u32| section.integer(key, &(0..=max), reader);
    let nonop_delay_msecs = number("nonop_delay_msecs", NONOP_DELAY_MSECS_MAX);
    let trans_delay_msecs = number("trans_delay_msecs", TRANS_DELAY_MSECS_MAX);
    let implicit_trans_secs = number("implicit_trans_secs", IMPLICIT_TRANS_SECS_MAX);
    let access_state = section.choice("access_state", &AccessState::WORDS, reader);
    let access_type = section.choice("access_type", &AccessType::WORDS, reader);
    AluaGroup {
        name: text(section, "name", reader).unwrap_or_default(),
        id: section.integer("id", &ALUA_GROUP_IDS, reader).unwrap_or(1),
        access_state: access_state.unwrap_or(AccessState::ActiveOptimized),
        access_type: access_type.unwrap_or(AccessType::ImplicitAndExplicit),
        preferred: section.boolean("preferred", reader).unwrap_or(false),
        nonop_delay_msecs,
        trans_delay_msecs,
        implicit_trans_secs,
        write_metadata: section.boolean("write_metadata", reader),
        support: read_support(section, reader),
    }
}

fn read_support(section: &Section<'_>, reader: &mut Reader<'_>) -> Vec<(&'static str, bool)> {
    let read = |state: &'static str| {
        section.boolean(&format!("support_{state}"), reader).map(|truth| (state, truth))
    };
    ALUA_SUPPORT.into_iter().filter_map(read).collect()
}
