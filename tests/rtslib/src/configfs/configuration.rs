//! The configurations that are checked.

use configfs_rs::Invalid;
use configfs_rs::Value;
use configfs_rs::lio::iscsi::{
    Acl, CompletionAffinity, Discovery, MappedLun, Portal, Target, Tpg, TpgLun,
};
use configfs_rs::lio::rule::{Group, Kind};
use configfs_rs::lio::{
    AclTag, AluaAccessState, AluaAccessType, AluaGroup, AluaGroupName, AttributeName, Attributes,
    Backing, BackingPath, Backstore, Block, Chap, CmdsnDepth, CompanyId, Configuration,
    Credentials, FileMode, FileSize, Fileio, IscsiName, LoopbackTag, Lun, Naa, Parts, Product,
    Ramdisk, Revision, StorageObject, StorageObjectName, TpgTag, UnitSerial, Vendor, loopback,
    plan,
};
use configfs_rs::plan::Step;
use std::net::SocketAddr;

/// The first TPG of [`everything`].
pub(crate) const TPG: &str = "target/iscsi/iqn.2015-04.org.example:t/tpgt_1";

/// The first TPG of [`small`].
pub(crate) const SMALL: &str = "target/iscsi/iqn.2015-04.org.example:d/tpgt_1";

fn set(attributes: &mut Attributes, name: &str, value: &str) -> Result<(), Invalid> {
    attributes.set(AttributeName::new(name)?, Value::new(value)?);
    Ok(())
}

fn set_all(attributes: &mut Attributes, values: &[(&str, &str)]) -> Result<(), Invalid> {
    values.iter().try_for_each(|(name, value)| set(attributes, name, value))
}

/// Every attribute whose default is known, with that.
fn set_defaults(attributes: &mut Attributes, group: Group) -> Result<(), Invalid> {
    let takes = |name: &&str| !name.starts_with("alua_access");
    for rule in group.rules().iter().filter(|rule| takes(&rule.name)) {
        if let (Some(value), false) = (rule.default, matches!(rule.kind, Kind::Refused(_))) {
            set(attributes, rule.name, value)?;
        }
    }
    Ok(())
}

fn serial(n: u32) -> Result<UnitSerial, Invalid> {
    UnitSerial::new(&format!("{n:08x}-7b0d-4f52-9c46-0d8e2b91a7f3"))
}

fn chap(userid: &str, mutual: bool) -> Result<Chap, Invalid> {
    let credentials = Credentials::new(userid, &format!("{userid}-secret-secret"))?;
    if mutual {
        Chap::mutual(credentials, Credentials::new("back", "back-secret-secret")?)
    } else {
        Ok(Chap::one_way(credentials))
    }
}

fn file(name: &str, n: u32, size: u64) -> Result<StorageObject, Invalid> {
    let path = BackingPath::new(&format!("/run/{name}"))?;
    let backing = Backing::File { path, size: FileSize::new(size)? };
    let backstore = Backstore::Fileio(Fileio { backing, mode: FileMode::Buffered });
    Ok(StorageObject::new(StorageObjectName::new(name)?, backstore, serial(n)?))
}

fn ramdisk(name: &str, n: u32, size: u64) -> Result<StorageObject, Invalid> {
    let backstore = Backstore::Ramdisk(Ramdisk::new(size)?);
    Ok(StorageObject::new(StorageObjectName::new(name)?, backstore, serial(n)?))
}

fn block(name: &str, n: u32) -> Result<StorageObject, Invalid> {
    let path = BackingPath::new("/dev/nullb0")?;
    let backstore = Backstore::Block(Block { path, size: None, read_only: false });
    Ok(StorageObject::new(StorageObjectName::new(name)?, backstore, serial(n)?))
}

fn group(
    name: &str,
    id: u16,
    access_type: AluaAccessType,
    access_state: AluaAccessState,
) -> Result<AluaGroup, Box<dyn std::error::Error>> {
    let (name, id) = (AluaGroupName::new(name)?, id.try_into()?);
    Ok(AluaGroup { name, id, access_type, access_state, attributes: Attributes::new() })
}

fn lun(lun: u8, object: &str, group: Option<&str>) -> Result<TpgLun, Invalid> {
    let alua_group = group.map(AluaGroupName::new).transpose()?;
    Ok(TpgLun { lun: Lun(lun), storage_object: StorageObjectName::new(object)?, alua_group })
}

fn mapped(mapped_lun: u8, lun: u8, write_protect: bool) -> MappedLun {
    MappedLun { mapped_lun: Lun(mapped_lun), lun: Lun(lun), write_protect }
}

/// A portal.
pub(crate) fn portal(at: &str) -> Result<Portal, Box<dyn std::error::Error>> {
    let at: SocketAddr = at.parse()?;
    Ok(Portal::new(at.ip(), at.port())?)
}

fn described_ramdisk() -> Result<StorageObject, Invalid> {
    let mut ramdisk = ramdisk("ram", 1, 16 << 20)?;
    ramdisk.vendor = Some(Vendor::new("ACME")?);
    ramdisk.product = Some(Product::new("a product")?);
    ramdisk.revision = Some(Revision::new("9.9")?);
    ramdisk.company_id = Some(CompanyId::new(0x00_ABCD)?);
    set(&mut ramdisk.attributes, "block_size", "4096")?;
    Ok(ramdisk)
}

fn disk() -> Result<StorageObject, Box<dyn std::error::Error>> {
    let mut disk = file("disk", 2, 64 << 20)?;
    set_defaults(&mut disk.attributes, Group::StorageObjectAttribute)?;
    let values = [
        ("emulate_tpu", "1"),
        ("emulate_tpws", "1"),
        ("unmap_zeroes_data", "1"),
        ("queue_depth", "64"),
        ("block_size", "4096"),
        ("optimal_sectors", "1024"),
        ("max_unmap_lba_count", "0x1000"),
    ];
    set_all(&mut disk.attributes, &values)?;
    use AluaAccessState as State;
    use AluaAccessType as Type;
    let mut standby = group("standby", 16, Type::Implicit, State::Standby)?;
    set_defaults(&mut standby.attributes, Group::AluaGroup)?;
    let values = [("preferred", "1"), ("nonop_delay_msecs", "7"), ("implicit_trans_secs", "9")];
    set_all(&mut standby.attributes, &values)?;
    disk.alua_groups = vec![
        standby,
        group("none", 17, Type::None, State::Optimized)?,
        group("explicit", 18, Type::Explicit, State::Optimized)?,
        group("both", 19, Type::Both, State::NonOptimized)?,
        group("offline", 20, Type::Implicit, State::Offline)?,
        group("unavailable", 21, Type::Implicit, State::Unavailable)?,
    ];
    Ok(disk)
}

fn acls() -> Result<Vec<Acl>, Invalid> {
    let name = IscsiName::new("iqn.2015-04.org.example:init")?;
    let mut first = Acl::new(name, vec![mapped(0, 1, true), mapped(5, 9, false)]);
    set_defaults(&mut first.attributes, Group::AclAttribute)?;
    set(&mut first.attributes, "nopin_timeout", "0")?;
    first.chap = Some(chap("init", true)?);
    first.tag = Some(AclTag::new("a label")?);
    let name = IscsiName::new("iqn.2015-04.org.example:other")?;
    let mut second = Acl::new(name, vec![mapped(0, 0, false)]);
    second.cmdsn_depth = Some(CmdsnDepth::new(512)?);
    second.chap = Some(chap("other", false)?);
    Ok(vec![first, second])
}

fn tpg() -> Result<Tpg, Box<dyn std::error::Error>> {
    let mut tpg = Tpg::new(TpgTag::new(1)?);
    set_defaults(&mut tpg.attributes, Group::TpgAttribute)?;
    set_all(&mut tpg.attributes, &[("default_cmdsn_depth", "32"), ("login_timeout", "20")])?;
    set_defaults(&mut tpg.parameters, Group::TpgParameter)?;
    let values = [("HeaderDigest", "None"), ("InitialR2T", "No"), ("MaxConnections", "4")];
    set_all(&mut tpg.parameters, &values)?;
    tpg.chap = Some(chap("demo", true)?);
    tpg.portals = vec![portal("127.0.0.1:3260")?, portal("[::1]:3261")?];
    tpg.luns = vec![lun(0, "ram", None)?, lun(1, "disk", Some("standby"))?, lun(9, "blk", None)?];
    tpg.acls = acls()?;
    Ok(tpg)
}

/// Something of everything, with every attribute whose default is known.
pub(crate) fn everything() -> Result<Parts, Box<dyn std::error::Error>> {
    let name = IscsiName::new("iqn.2015-04.org.example:t")?;
    let mut target = Target::new(name, vec![tpg()?]);
    target.cmd_completion_affinity = Some(CompletionAffinity::Current);
    let loopback = loopback::Target {
        wwn: Naa::new("naa.5001405d1b2e3f4a")?,
        tpgs: vec![loopback::Tpg {
            tag: LoopbackTag::new(1)?,
            nexus: Naa::new("naa.5001405d1b2e3f4b")?,
            luns: vec![lun(0, "disk", Some("both"))?, lun(3, "ram", None)?],
        }],
    };
    Ok(Parts {
        storage_objects: vec![described_ramdisk()?, disk()?, block("blk", 3)?],
        targets: vec![target],
        loopback_targets: vec![loopback],
        discovery: Some(Discovery { chap: chap("disc", true)? }),
        ..Parts::default()
    })
}

/// The same after many changes: LUNs, portals and secrets that go, a LUN that exports something else.
pub(crate) fn changed() -> Result<Parts, Box<dyn std::error::Error>> {
    let mut parts = everything()?;
    parts.storage_objects.remove(2);
    parts.storage_objects.push(file("new", 8, 1 << 20)?);
    parts.storage_objects[1].alua_groups.remove(0);
    parts.discovery = None;
    parts.loopback_targets[0].tpgs[0].luns.remove(1);
    let tpg = &mut parts.targets[0].tpgs[0];
    tpg.luns = vec![lun(0, "disk", Some("none"))?, lun(1, "disk", None)?];
    tpg.portals.remove(0);
    tpg.chap = None;
    tpg.attributes = Attributes::new();
    tpg.parameters = Attributes::new();
    tpg.acls[0].mapped_luns.remove(1);
    tpg.acls[0].attributes = Attributes::new();
    tpg.acls[0].tag = None;
    tpg.acls[1].chap = None;
    set(&mut tpg.acls[1].attributes, "authentication", "0")?;
    Ok(parts)
}

/// One storage object of each backstore, and one TPG that nothing was set of.
pub(crate) fn small() -> Result<Parts, Box<dyn std::error::Error>> {
    let mut object = file("f", 1, 1 << 20)?;
    object.alua_groups = vec![group("g", 5, AluaAccessType::Both, AluaAccessState::Optimized)?];
    let mut tpg = Tpg::new(TpgTag::new(1)?);
    tpg.enable = false;
    tpg.luns = vec![lun(0, "f", None)?];
    let initiator = IscsiName::new("iqn.2015-04.org.example:init")?;
    let mut acl = Acl::new(initiator, vec![mapped(0, 0, false)]);
    // With LIO's own attributes nobody gets in without.
    acl.chap = Some(chap("init", false)?);
    tpg.acls = vec![acl];
    let name = IscsiName::new("iqn.2015-04.org.example:d")?;
    Ok(Parts {
        storage_objects: vec![object, ramdisk("r", 2, 1 << 20)?, block("b", 3)?],
        targets: vec![Target::new(name, vec![tpg])],
        ..Parts::default()
    })
}

/// What sets `parts` up.
pub(crate) fn steps(parts: Parts) -> Result<Vec<Step>, Box<dyn std::error::Error>> {
    let configuration = Configuration::new(parts).map_err(|faults| format!("{faults:?}"))?;
    Ok(plan(&configuration))
}
