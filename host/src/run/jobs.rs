//! What an initiator of our own is to do, from a spec and where its target stands. Pure.

use crate::initiator::{
    self, Check, Contents, DEFAULT_NAME, Digest, Endpoint, ExpectedLun, Limits, Mutual, Randread,
    Secret, Storage,
};
use crate::portal::PortalAddress;
use crate::spec::{
    Acl, Benchmark, Chap, DemoMode, IscsiDigest, IscsiRandread, Login, Measured, SeenLun, Spec,
    StorageObject, Target, Tpg,
};
use crate::target::Provisioning;

/// Intervals a benchmark of the initiator's is cut into.
const SAMPLES: u32 = 20;

/// A check and what it is called in results.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedCheck {
    /// `initiator`, and more where there are several.
    pub name: String,
    /// The job.
    pub check: Check,
}

/// A check of every enabled TPG, for each initiator that has an ACL, or for one that has none. By
/// the first portal of the TPG; the first of these initiators comes by its other portals as well.
#[must_use]
pub fn checks(spec: &Spec, provisioning: &Provisioning) -> Vec<NamedCheck> {
    let mut checks = Vec::new();
    for target in spec.iscsi_targets() {
        for tpg in target.tpgs.iter().filter(|tpg| tpg.enable) {
            let mut initiators: Vec<Option<&Acl>> = tpg.acls.iter().map(Some).collect();
            if tpg.demo_mode != DemoMode::Off && tpg.acl(DEFAULT_NAME).is_none() {
                initiators.push(None);
            }
            let address = |n| provisioning.address(spec, &target.wwn, tpg.tag, n);
            for (n, address) in (0..).map_while(|n| Some((n, address(n)?))) {
                let initiators = initiators.iter().take(if n == 0 { usize::MAX } else { 1 });
                checks.extend(initiators.map(|acl| {
                    let of = check_name(target, tpg, *acl);
                    let name = if n == 0 { of } else { format!("{of} by {}", address.host) };
                    NamedCheck { name, check: check(spec, target, tpg, *acl, address) }
                }));
            }
        }
    }
    if let [only] = checks.as_mut_slice() {
        only.name = "initiator".to_owned();
    }
    checks
}

fn check_name(target: &Target, tpg: &Tpg, acl: Option<&Acl>) -> String {
    let of = match target.tpgs.len() {
        1 => target.wwn.clone(),
        _ => format!("{} tpg {}", target.wwn, tpg.tag),
    };
    match acl {
        Some(acl) => format!("initiator {} at {of}", acl.initiator),
        None => format!("initiator at {of}"),
    }
}

fn check(
    spec: &Spec,
    target: &Target,
    tpg: &Tpg,
    acl: Option<&Acl>,
    address: PortalAddress,
) -> Check {
    let mut endpoint = Endpoint::new(address.host, &target.wwn);
    endpoint.chap = match acl {
        Some(acl) if tpg.authenticates_acl(acl) => acl.chap.as_ref().map(chap),
        None if tpg.authenticates() => tpg.chap.as_ref().map(chap),
        _ => None,
    };
    if let Some(acl) = acl {
        endpoint.initiator.clone_from(&acl.initiator);
    }
    let seen = spec.luns_seen(tpg, &endpoint.initiator);
    let luns = seen.iter().map(|lun| expected_lun(spec, lun)).collect();
    let discovery_chap = spec.discovery.chap.as_ref().map(chap);
    // one for all addresses is announced as the one a connection came to
    let announced = (!address.guest.ip().is_unspecified()).then_some(address.guest);
    Check { discovery_chap, announced, tag: Some(tpg.tag), ..Check::new(endpoint, luns) }
}

fn expected_lun(spec: &Spec, seen: &SeenLun<'_>) -> ExpectedLun {
    let object = seen.storage_object;
    ExpectedLun {
        read_only: !seen.writable,
        contents: contents(spec, object),
        ready: seen.is_ready(),
        serial: object.serial.clone(),
        ..ExpectedLun::new(u16::from(seen.number), object.size)
    }
}

/// What may be done with what a storage object holds: an image file of the user's is not ours to overwrite.
fn contents(spec: &Spec, object: &StorageObject) -> Contents {
    match (object.stores_data(), spec.keeps_contents(object)) {
        (false, _) => Contents::Nothing,
        (true, true) => Contents::Kept,
        (true, false) => Contents::Disposable,
    }
}

/// The most that any job asks of the library that our initiator loads: digests of data.
#[must_use]
pub fn data_digest(spec: &Spec) -> Digest {
    let mut logins = spec.benchmarks.iter().filter_map(Benchmark::login);
    if logins.any(|login| login.data_digest == IscsiDigest::Crc32c) {
        Digest::Crc32c
    } else {
        Digest::Any
    }
}

/// The job of a random read; `None` without a LUN for it.
#[must_use]
pub fn randread(
    spec: &Spec,
    provisioning: &Provisioning,
    asked: &IscsiRandread,
) -> Option<Randread> {
    let (target, seen) = endpoint(spec, provisioning, &asked.login)?;
    Some(Randread {
        target,
        lun: u16::from(seen.number),
        contents: match contents(spec, seen.storage_object) {
            Contents::Disposable if !seen.writable => Contents::Kept,
            contents => contents,
        },
        block_size: u32::try_from(asked.block_size).ok()?,
        queue_depth: u32::from(asked.queue_depth),
        seconds: f64::from(asked.seconds),
        warmup_seconds: 0.5,
        samples: SAMPLES,
        region_bytes: Some(spec.region_bytes(asked)),
        seed: None,
        // The kernel counts a session's PDUs for as long as it is there.
        stay: true,
        limits: Limits::default(),
    })
}

/// The job of a workload that goes over iSCSI; `None` without a LUN for it.
#[must_use]
pub fn storage(spec: &Spec, provisioning: &Provisioning, asked: &Measured) -> Option<Storage> {
    let login = spec.login_of(asked);
    let (target, seen) = endpoint(spec, provisioning, &login)?;
    Some(Storage {
        target,
        lun: u16::from(seen.number),
        values: asked.values.iter().cloned().collect(),
        stay: true,
        limits: Limits::default(),
    })
}

/// Where a login goes, with what credentials, and the LUN it is for.
fn endpoint<'a>(
    spec: &'a Spec,
    provisioning: &Provisioning,
    login: &'a Login,
) -> Option<(Endpoint, SeenLun<'a>)> {
    let session = spec.session_of(login)?;
    let seen = spec.lun_of(login)?;
    let nth = session.tpg.portals.iter().position(|portal| *portal == session.portal)?;
    let address = provisioning.address(spec, &session.target.wwn, session.tpg.tag, nth)?;
    let mut endpoint = Endpoint::new(address.host, &session.target.wwn);
    session.initiator.clone_into(&mut endpoint.initiator);
    endpoint.chap = session.chap.map(chap);
    endpoint.header_digest = digest(login.header_digest);
    endpoint.data_digest = digest(login.data_digest);
    Some((endpoint, seen))
}

fn digest(asked: IscsiDigest) -> Digest {
    match asked {
        IscsiDigest::None => Digest::None,
        IscsiDigest::Crc32c => Digest::Crc32c,
    }
}

fn chap(chap: &Chap) -> initiator::Chap {
    let secret = |secret: &crate::spec::Secret| Secret::new(secret.reveal());
    let mutual = chap
        .mutual
        .as_ref()
        .map(|mutual| Mutual { userid: mutual.userid.clone(), password: secret(&mutual.password) });
    initiator::Chap { userid: chap.userid.clone(), password: secret(&chap.password), mutual }
}

#[cfg(test)]
mod tests;
