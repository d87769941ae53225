//! The check every run makes: is this target there, as big as asked for, and does it keep what is
//! written?
//!
//! The login comes first and SendTargets in a session of its own behind it: a successful login is
//! what a run waits for, and a discovery before it costs another connection and login.

use std::net::SocketAddr;
use std::time::Instant;

use super::child::Reporter;
use super::extents::{Extent, Reads, Stamping, Writes};
use super::ffi::{DiscoveredTarget, Library};
use super::job::{
    Check, Endpoint, ExpectedLun, Failure, FailureKind, Limits, Report, Uncompared, millis,
};
use super::link::Link;
use super::random::{fresh_seed, number, spread};
use super::scsi::{self, Capacity, Command, Identity};
use super::stamp::mix;

/// Commands in flight; enough to hide the way there and back.
const DEPTH: usize = 16;
/// A target may have this many unit attentions to tell before it is ready.
const READY_TRIES: u32 = 10;
/// The most blocks one LUN is asked to be checked at.
const POSITIONS_MAX: u32 = 65_536;

pub(super) fn run(library: &Library, job: &Check, reporter: &mut Reporter) -> Result<(), Failure> {
    check_numbers(job)?;
    let mut link = log_in(library, &job.target, &job.limits, reporter)?;
    discover(library, job, reporter)?;
    list(&mut link, &job.luns)?;
    let seed = job.seed.unwrap_or_else(fresh_seed);
    for expected in &job.luns {
        check_lun(&mut link, job, expected, seed, reporter)?;
    }
    link.logout()
}

fn check_numbers(job: &Check) -> Result<(), Failure> {
    let usage = |cause| Err(Failure::new(FailureKind::Usage, "check", cause));
    if job.positions > POSITIONS_MAX {
        return usage(format!("positions {} is above {POSITIONS_MAX}", job.positions));
    }
    match job.luns.iter().find(|expected| expected.lun > scsi::LUN_MAX) {
        Some(expected) => usage(format!("LUN {} is above {}", expected.lun, scsi::LUN_MAX)),
        None => Ok(()),
    }
}

/// Connects, logs in, and reports when that was.
pub(super) fn log_in(
    library: &Library,
    target: &Endpoint,
    limits: &Limits,
    reporter: &mut Reporter,
) -> Result<Link, Failure> {
    let link = Link::to_target(library, target, limits)?;
    reporter.logged_in(link.connected, link.logged_in)?;
    Ok(link)
}

fn discover(library: &Library, job: &Check, reporter: &mut Reporter) -> Result<(), Failure> {
    let started = Instant::now();
    let chap = job.discovery_chap.as_ref();
    let mut link = Link::for_discovery(library, &job.target, chap, &job.limits)?;
    let targets = link.discover()?;
    link.logout()?;
    let announced = job.announced.unwrap_or(job.target.portal);
    let portals = portals_of(&targets, &job.target, announced, job.tag)?;
    reporter.send(&Report::Discovered {
        ms: reporter.ms(),
        took_ms: millis(started.elapsed()),
        targets: u32::try_from(targets.len()).unwrap_or(u32::MAX),
        portals,
    })
}

/// Portals listed for our target, of which the one announced must be one, in the TPG asked for.
fn portals_of(
    targets: &[DiscoveredTarget],
    ours: &Endpoint,
    announced: SocketAddr,
    tag: Option<u16>,
) -> Result<Vec<String>, Failure> {
    let attempted = format!("find {} at {} by discovery", ours.iqn, ours.portal);
    let failure = |cause| Err(Failure::new(FailureKind::Discovery, attempted, cause));
    let Some(target) = targets.iter().find(|target| target.name == ours.iqn) else {
        let names: Vec<_> = targets.iter().take(8).map(|target| target.name.as_str()).collect();
        return failure(format!("SendTargets lists only [{}]", names.join(", ")));
    };
    let is_ours = |portal: &String| {
        parse_portal(portal).is_some_and(|(address, its_tag)| {
            address == announced && tag.is_none_or(|tag| its_tag == Some(tag))
        })
    };
    if !target.portals.iter().any(is_ours) {
        let listed: Vec<_> = target.portals.iter().take(8).map(String::as_str).collect();
        let wanted = tag.map(|tag| format!(" and not with TPG {tag}")).unwrap_or_default();
        let listed = listed.join(", ");
        return failure(format!("SendTargets lists it only at [{listed}]{wanted}"));
    }
    Ok(target.portals.iter().take(16).cloned().collect())
}

/// `address:port,tag` (RFC 7143 13.8).
fn parse_portal(portal: &str) -> Option<(SocketAddr, Option<u16>)> {
    let (address, tag) = portal.split_once(',').unwrap_or((portal, ""));
    Some((address.parse().ok()?, tag.parse().ok()))
}

/// LUN 0 answers REPORT LUNS also where it is no logical unit (SPC-4 6.33).
fn list(link: &mut Link, expected: &[ExpectedLun]) -> Result<(), Failure> {
    let len = scsi::report_luns_len(expected.len());
    let data = insist(link, 0, "REPORT LUNS", &scsi::report_luns(len), number(len))?;
    let mut listed = scsi::parse_luns(&data);
    listed.sort_unstable();
    compare_lists(&listed, expected)
}

/// An initiator must see all that was asked for, and nothing else.
fn compare_lists(listed: &[u16], expected: &[ExpectedLun]) -> Result<(), Failure> {
    // where there is no logical unit at all, LUN 0 is listed (SPC-4 6.33)
    if expected.is_empty() && listed == [0] {
        return Ok(());
    }
    let missing = expected.iter().map(|expected| expected.lun).find(|lun| !listed.contains(lun));
    if let Some(lun) = missing {
        let cause = format!("REPORT LUNS lists only {listed:?}");
        return Err(Failure::new(FailureKind::Lun, format!("find LUN {lun}"), cause));
    }
    let unasked = |lun: &&u16| expected.iter().all(|expected| expected.lun != **lun);
    match listed.iter().find(unasked) {
        None => Ok(()),
        Some(lun) => {
            let cause = format!("REPORT LUNS lists LUN {lun} too");
            Err(Failure::new(FailureKind::Lun, "compare the LUNs this initiator sees", cause))
        }
    }
}

fn check_lun(
    link: &mut Link,
    job: &Check,
    expected: &ExpectedLun,
    seed: u64,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    let lun = expected.lun;
    if !expected.ready {
        return check_not_ready(link, lun, reporter);
    }
    let capacity = prepare_lun(link, lun, reporter)?;
    same(lun, "size", format!("{} bytes", expected.bytes), format!("{} bytes", capacity.bytes()))?;
    if let Some(serial) = &expected.serial {
        same(lun, "serial number", serial.clone(), read_serial(link, lun)?)?;
    }
    let words = |read_only| if read_only { "read-only" } else { "writable" }.to_owned();
    let write_protected = read_write_protection(link, lun)?;
    same(lun, "access", words(expected.read_only), words(write_protected))?;
    let nonce = mix(seed ^ mix(u64::from(lun)));
    let stamping = Stamping { lun, block_len: capacity.block_len, nonce };
    let lbas = spread(capacity.blocks, job.positions, nonce);
    let uncompared = expected.uncompared();
    write_and_read_back(link, stamping, &lbas, uncompared)?;
    let (ms, blocks) = (reporter.ms(), u64::try_from(lbas.len()).unwrap_or_default());
    reporter.send(&match uncompared {
        Some(because) => Report::Uncompared { ms, lun, blocks, because },
        None => {
            let bytes = blocks * u64::from(capacity.block_len);
            Report::Verified { ms, lun, blocks, bytes }
        }
    })
}

fn same(lun: u16, what: &str, expected: String, found: String) -> Result<(), Failure> {
    if expected == found {
        return Ok(());
    }
    let attempted = format!("compare the {what} of LUN {lun}");
    Err(Failure::new(FailureKind::Lun, attempted, format!("expected {expected}, got {found}")))
}

/// A LUN in an ALUA state without access says who it is, and that it is not ready.
fn check_not_ready(link: &mut Link, lun: u16, reporter: &mut Reporter) -> Result<(), Failure> {
    identify(link, lun)?;
    match insist(link, lun, "TEST UNIT READY", &scsi::test_unit_ready(), 0) {
        Ok(_) => same(lun, "access", "not ready".to_owned(), "ready".to_owned()),
        Err(failure) if failure.kind == FailureKind::Command => {
            let (ms, because) = (reporter.ms(), Uncompared::NotReady);
            reporter.send(&Report::Uncompared { ms, lun, blocks: 0, because })
        }
        Err(failure) => Err(failure),
    }
}

fn write_and_read_back(
    link: &mut Link,
    stamping: Stamping,
    lbas: &[u64],
    uncompared: Option<Uncompared>,
) -> Result<(), Failure> {
    let Stamping { lun, .. } = stamping;
    let buffers = (DEPTH.min(lbas.len()), stamping.bytes(1));
    if matches!(uncompared, None | Some(Uncompared::Nothing)) {
        let extents = lbas.iter().map(|lba| Extent { lba: *lba, blocks: 1 });
        let mut writes = Writes { extents, stamping };
        link.drive(lun, &format!("write LUN {lun}"), buffers, &mut writes)?;
    }
    let compared = uncompared.is_none();
    let mut reads = Reads { lbas: lbas.iter().copied(), stamping, compared };
    link.drive(lun, &format!("read LUN {lun}"), buffers, &mut reads)
}

/// Waits until a LUN is ready, and reports who answers there and how big it is.
pub(super) fn prepare_lun(
    link: &mut Link,
    lun: u16,
    reporter: &mut Reporter,
) -> Result<Capacity, Failure> {
    let Identity { vendor, product, revision } = identify(link, lun)?;
    insist(link, lun, "TEST UNIT READY", &scsi::test_unit_ready(), 0)?;
    let capacity = read_capacity(link, lun)?;
    reporter.send(&Report::Capacity {
        ms: reporter.ms(),
        lun,
        bytes: capacity.bytes(),
        block_len: capacity.block_len,
        identity: format!("{vendor} {product} {revision}").trim_end().to_owned(),
    })?;
    Ok(capacity)
}

/// INQUIRY comes first: it is answered also where there is no logical unit, and says so.
fn identify(link: &mut Link, lun: u16) -> Result<Identity, Failure> {
    let data = insist(link, lun, "INQUIRY", &scsi::inquiry(), usize::from(scsi::INQUIRY_LEN))?;
    Identity::parse(&data).map_err(|cause| {
        Failure::new(FailureKind::Lun, format!("identify LUN {lun}"), cause.to_string())
    })
}

/// A fresh session is told of power-on and the like: one unit attention for each command it sends.
fn insist(
    link: &mut Link,
    lun: u16,
    name: &str,
    command: &Command,
    len: usize,
) -> Result<Box<[u8]>, Failure> {
    let mut tries = READY_TRIES;
    loop {
        tries -= 1;
        match link.execute(lun, name, command, len) {
            Err(failure) if failure.kind == FailureKind::Command && tries > 0 => {}
            result => return result,
        }
    }
}

fn read_capacity(link: &mut Link, lun: u16) -> Result<Capacity, Failure> {
    let len = usize::from(scsi::CAPACITY_LEN);
    let name = "READ CAPACITY (16)";
    let data = link.execute(lun, name, &scsi::read_capacity(), len)?;
    Capacity::parse(&data).ok_or_else(|| senseless(lun, name))
}

fn read_serial(link: &mut Link, lun: u16) -> Result<String, Failure> {
    let (name, len) = ("INQUIRY for the serial number", usize::from(scsi::SERIAL_LEN));
    let data = link.execute(lun, name, &scsi::inquiry_serial(), len)?;
    scsi::parse_serial(&data).ok_or_else(|| senseless(lun, name))
}

fn read_write_protection(link: &mut Link, lun: u16) -> Result<bool, Failure> {
    let (name, len) = ("MODE SENSE (6)", usize::from(scsi::MODE_SENSE_LEN));
    let data = link.execute(lun, name, &scsi::mode_sense(), len)?;
    scsi::parse_write_protection(&data).ok_or_else(|| senseless(lun, name))
}

fn senseless(lun: u16, command: &str) -> Failure {
    let attempted = format!("{command} on LUN {lun}");
    Failure::new(FailureKind::Lun, attempted, "the answer makes no sense")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Endpoint {
        Endpoint::new("127.0.0.1:4000".parse().unwrap(), "iqn.x:ours")
    }

    fn listed(name: &str, portals: &[&str]) -> DiscoveredTarget {
        let portals = portals.iter().map(|portal| (*portal).to_owned()).collect();
        DiscoveredTarget { name: name.to_owned(), portals }
    }

    #[test]
    fn our_target_is_found_at_our_portal() {
        let others = listed("iqn.x:other", &["127.0.0.1:4000,1"]);
        let mine = listed("iqn.x:ours", &["[::1]:4000,1", "127.0.0.1:4000,1"]);
        let portals = portals_of(&[others, mine], &ours(), ours().portal, Some(1)).unwrap();
        assert_eq!(portals, ["[::1]:4000,1", "127.0.0.1:4000,1"]);
    }

    #[test]
    fn a_target_that_is_not_listed_is_a_failure_that_lists_the_others() {
        let others = [listed("iqn.x:a", &[]), listed("iqn.x:b", &[])];
        let failure = portals_of(&others, &ours(), ours().portal, None);
        let text = failure.unwrap_err().to_string();
        let expected = "find iqn.x:ours at 127.0.0.1:4000 by discovery: \
                        SendTargets lists only [iqn.x:a, iqn.x:b]";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_address_that_leads_elsewhere_is_a_failure() {
        for portal in ["10.0.2.15:4000,1", "127.0.0.1:3260,1", "nonsense"] {
            let listed = [listed("iqn.x:ours", &[portal])];
            let failure = portals_of(&listed, &ours(), ours().portal, None).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Discovery);
            assert!(failure.cause.contains(portal), "{failure}");
        }
    }

    #[test]
    fn our_portal_in_another_tpg_is_a_failure() {
        let target = [listed("iqn.x:ours", &["[::1]:4000,2", "127.0.0.1:4000,1"])];
        assert!(portals_of(&target, &ours(), ours().portal, Some(1)).is_ok());
        let failure = portals_of(&target, &ours(), ours().portal, Some(2)).unwrap_err();
        assert!(failure.cause.ends_with("127.0.0.1:4000,1] and not with TPG 2"), "{failure}");
        let announced = "[::1]:4000".parse().unwrap();
        assert!(portals_of(&target, &ours(), announced, Some(2)).is_ok());
    }

    #[test]
    fn luns_nobody_asked_for_are_a_failure_and_so_are_missing_ones() {
        let expected = [0, 5].map(|lun| ExpectedLun::new(lun, 512));
        assert_eq!(compare_lists(&[5, 0], &expected), Ok(()));
        let missing = compare_lists(&[0, 6], &expected).unwrap_err().to_string();
        assert_eq!(missing, "find LUN 5: REPORT LUNS lists only [0, 6]");
        let unasked = compare_lists(&[0, 5, 7], &expected).unwrap_err().to_string();
        assert!(unasked.ends_with("REPORT LUNS lists LUN 7 too"), "{unasked}");
        assert_eq!(compare_lists(&[0], &[]), Ok(()), "the LUN that is always there");
        assert!(compare_lists(&[1], &[]).is_err());
    }
}
