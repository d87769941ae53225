//! A spec in configfs-rs's words. Pure.

use super::names::{device_path, file_path};
use super::{Default, Seed, serial_of};
use crate::portal::PortalAddress;
use crate::spec::{self, AccessState, AccessType, DemoMode, Fabric, FileioMode, Spec};
use configfs_rs::lio::iscsi::{
    Acl, CompletionAffinity, Discovery, MappedLun, Portal, Target, Tpg, TpgLun,
};
use configfs_rs::lio::rule::Group;
use configfs_rs::lio::{
    AclTag, AluaAccessState, AluaAccessType, AluaGroup, AluaGroupName, AttributeName, Attributes,
    Backing, BackingPath, Backstore, Block, Chap, CmdsnDepth, Credentials, FileMode, FileSize,
    Fileio, InquiryText, IscsiName, LoopbackTag, Lun, Naa, Parts, Ramdisk, StorageObject,
    StorageObjectName, TpgTag, UnitSerial, UnknownAttributes, loopback,
};
use configfs_rs::{Invalid, Value};
use std::num::NonZeroU16;

/// All the parts, and what was set that nobody asked for.
pub(super) fn parts(
    spec: &Spec,
    addresses: &[PortalAddress],
    seed: Seed,
) -> Result<(Parts, Vec<Default>), Invalid> {
    let objects = spec.storage_objects.iter();
    let storage_objects =
        objects.map(|object| storage_object(spec, object, seed)).collect::<Result<_, _>>()?;
    let mut addresses = addresses.iter();
    let (mut targets, mut loopback_targets) = (Vec::new(), Vec::new());
    let mut defaults = Vec::new();
    for target in &spec.targets {
        match target.fabric {
            Fabric::Iscsi => targets.push(iscsi_target(target, &mut addresses, &mut defaults)?),
            Fabric::Loopback => loopback_targets.push(loopback_target(target)?),
        }
    }
    let discovery = spec.discovery.chap.as_ref().map(chap).transpose()?;
    let discovery = discovery.map(|chap| Discovery { chap });
    // The spec's own rules have decided about them.
    let unknown_attributes = UnknownAttributes::Allow;
    let parts = Parts { storage_objects, targets, loopback_targets, discovery, unknown_attributes };
    Ok((parts, defaults))
}

fn storage_object(
    spec: &Spec,
    object: &spec::StorageObject,
    seed: Seed,
) -> Result<StorageObject, Invalid> {
    let name = StorageObjectName::new(&object.name)?;
    let serial = UnitSerial::new(&serial_of(spec, &object.name, seed))?;
    let mut made = StorageObject::new(name, backstore(spec, object)?, serial);
    made.vendor = object.vendor.as_deref().map(InquiryText::new).transpose()?;
    made.product = object.product.as_deref().map(InquiryText::new).transpose()?;
    made.revision = object.revision.as_deref().map(InquiryText::new).transpose()?;
    made.attributes = attributes(&object.attributes)?;
    made.alua_groups = object.alua_groups.iter().map(alua_group).collect::<Result<_, _>>()?;
    Ok(made)
}

fn backstore(spec: &Spec, object: &spec::StorageObject) -> Result<Backstore, Invalid> {
    let device = || BackingPath::new(&device_path(&object.name));
    Ok(match object.backstore {
        spec::Backstore::Ramdisk => {
            let ramdisk = Ramdisk::new(object.size)?;
            Backstore::Ramdisk(if object.nullio { ramdisk.nullio() } else { ramdisk })
        }
        spec::Backstore::Fileio => {
            let size = FileSize::new(object.size)?;
            let backing = match &object.device {
                Some(_) => Backing::Device { path: device()?, size },
                None => Backing::File { path: BackingPath::new(&file_path(&object.name))?, size },
            };
            Backstore::Fileio(Fileio { backing, mode: mode(object.mode) })
        }
        spec::Backstore::Block => Backstore::Block(Block {
            path: device()?,
            size: Some(object.size),
            read_only: spec.is_read_only(object),
        }),
    })
}

fn mode(mode: FileioMode) -> FileMode {
    match mode {
        FileioMode::Buffered => FileMode::Buffered,
        FileioMode::WriteThrough => FileMode::WriteThrough,
        FileioMode::Async => FileMode::Async,
    }
}

fn alua_group(group: &spec::AluaGroup) -> Result<AluaGroup, Invalid> {
    // The spec's rules let no 0 through.
    let id = NonZeroU16::new(group.id).unwrap_or(NonZeroU16::MIN);
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| pairs.push((name.to_owned(), value));
    for (state, on) in &group.support {
        set(&format!("alua_support_{state}"), u8::from(*on).to_string());
    }
    if group.preferred {
        set("preferred", "1".to_owned());
    }
    let numbers = [
        ("nonop_delay_msecs", group.nonop_delay_msecs),
        ("trans_delay_msecs", group.trans_delay_msecs),
        ("implicit_trans_secs", group.implicit_trans_secs),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            set(name, number.to_string());
        }
    }
    if let Some(on) = group.write_metadata {
        set("alua_write_metadata", u8::from(on).to_string());
    }
    Ok(AluaGroup {
        name: AluaGroupName::new(&group.name)?,
        id,
        access_type: match group.access_type {
            AccessType::None => AluaAccessType::None,
            AccessType::Implicit => AluaAccessType::Implicit,
            AccessType::Explicit => AluaAccessType::Explicit,
            AccessType::ImplicitAndExplicit => AluaAccessType::Both,
        },
        access_state: match group.access_state {
            AccessState::ActiveOptimized => AluaAccessState::Optimized,
            AccessState::ActiveNonoptimized => AluaAccessState::NonOptimized,
            AccessState::Standby => AluaAccessState::Standby,
            AccessState::Unavailable => AluaAccessState::Unavailable,
            AccessState::LbaDependent => AluaAccessState::LbaDependent,
            AccessState::Offline => AluaAccessState::Offline,
        },
        attributes: attributes(&pairs)?,
    })
}

fn iscsi_target(
    target: &spec::Target,
    addresses: &mut std::slice::Iter<'_, PortalAddress>,
    defaults: &mut Vec<Default>,
) -> Result<Target, Invalid> {
    let wwn = IscsiName::new(&target.wwn)?;
    let mut tpgs = Vec::new();
    for tpg in &target.tpgs {
        let portals = addresses.by_ref().take(tpg.portals.len());
        let portals = portals
            .map(|address| Portal::new(address.guest.ip(), address.guest.port()))
            .collect::<Result<_, _>>()?;
        tpgs.push(self::tpg(&target.wwn, tpg, portals, defaults)?);
    }
    let affinity = target.cmd_completion_affinity.map(CompletionAffinity::new).transpose()?;
    Ok(Target { cmd_completion_affinity: affinity, ..Target::new(wwn, tpgs) })
}

fn tpg(
    wwn: &str,
    tpg: &spec::Tpg,
    portals: Vec<Portal>,
    defaults: &mut Vec<Default>,
) -> Result<Tpg, Invalid> {
    let mut made = Tpg::new(TpgTag::new(tpg.tag)?);
    let place = format!("TPG {} of {wwn}", tpg.tag);
    made.enable = tpg.enable;
    let flag = |on: bool| u8::from(on).to_string();
    made.attributes = with_defaults(
        &place,
        Group::TpgAttribute,
        &tpg.attributes,
        &[
            ("authentication", flag(tpg.authenticates())),
            ("generate_node_acls", flag(tpg.demo_mode != DemoMode::Off)),
            ("demo_mode_write_protect", flag(tpg.demo_mode != DemoMode::Writable)),
        ],
        defaults,
    )?;
    made.parameters = with_defaults(
        &place,
        Group::TpgParameter,
        &tpg.parameters,
        &[("MaxRecvDataSegmentLength", spec::MAX_RECV_DATA_SEGMENT_LENGTH.to_owned())],
        defaults,
    )?;
    made.chap = tpg.chap.as_ref().map(chap).transpose()?;
    made.luns = tpg.luns.iter().map(tpg_lun).collect::<Result<_, _>>()?;
    made.portals = portals;
    made.acls = tpg.acls.iter().map(acl).collect::<Result<_, _>>()?;
    Ok(made)
}

/// What was asked for, and for the rest what is better than LIO's own.
fn with_defaults(
    place: &str,
    group: Group,
    asked: &[(String, String)],
    ours: &[(&'static str, String)],
    defaults: &mut Vec<Default>,
) -> Result<Attributes, Invalid> {
    let mut all = attributes(asked)?;
    for (name, value) in ours {
        if all.get(name).is_some() {
            continue;
        }
        let lio = group.rule(name).and_then(|rule| rule.default).unwrap_or_default();
        all.set(AttributeName::new(name)?, Value::new(value.as_str())?);
        if lio != value {
            let (place, value, lio) = (place.to_owned(), value.clone(), lio.to_owned());
            defaults.push(Default { place, name, value, lio });
        }
    }
    Ok(all)
}

fn attributes(pairs: &[(String, String)]) -> Result<Attributes, Invalid> {
    let pair = |(name, value): &(String, String)| {
        Ok((AttributeName::new(name)?, Value::new(value.as_str())?))
    };
    pairs.iter().map(pair).collect()
}

fn tpg_lun(lun: &spec::Lun) -> Result<TpgLun, Invalid> {
    Ok(TpgLun {
        lun: Lun(lun.lun),
        storage_object: StorageObjectName::new(&lun.storage_object)?,
        alua_group: lun.alua_group.as_deref().map(AluaGroupName::new).transpose()?,
    })
}

fn acl(acl: &spec::Acl) -> Result<Acl, Invalid> {
    let mapped = acl.mapped_luns.iter().map(|mapped| MappedLun {
        mapped_lun: Lun(mapped.mapped_lun),
        lun: Lun(mapped.lun),
        write_protect: mapped.write_protect,
    });
    let mut made = Acl::new(IscsiName::new(&acl.initiator)?, mapped.collect());
    made.attributes = attributes(&acl.attributes)?;
    made.cmdsn_depth = acl.cmdsn_depth.map(CmdsnDepth::new).transpose()?;
    made.tag = acl.tag.as_deref().map(AclTag::new).transpose()?;
    made.chap = acl.chap.as_ref().map(chap).transpose()?;
    Ok(made)
}

fn chap(chap: &spec::Chap) -> Result<Chap, Invalid> {
    let credentials = Credentials::new(&chap.userid, chap.password.reveal())?;
    match &chap.mutual {
        None => Ok(Chap::one_way(credentials)),
        Some(mutual) => {
            let back = Credentials::new(&mutual.userid, mutual.password.reveal())?;
            Chap::mutual(credentials, back)
        }
    }
}

fn loopback_target(target: &spec::Target) -> Result<loopback::Target, Invalid> {
    let wwn = Naa::new(&target.wwn)?;
    let nexus = match &target.nexus {
        Some(nexus) => Naa::new(nexus)?,
        None => Naa::new(&nexus_beside(&target.wwn))?,
    };
    let tpgs = target.tpgs.iter().map(|tpg| {
        let luns = tpg.luns.iter().map(tpg_lun).collect::<Result<_, _>>()?;
        Ok(loopback::Tpg { tag: LoopbackTag::new(tpg.tag)?, nexus: nexus.clone(), luns })
    });
    Ok(loopback::Target { wwn, tpgs: tpgs.collect::<Result<_, _>>()? })
}

/// A name for the initiator's side: the target's with its last digit changed.
fn nexus_beside(wwn: &str) -> String {
    let (rest, last) = wwn.split_at(wwn.len().saturating_sub(1));
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}
