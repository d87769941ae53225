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
use super::job::{Check, Endpoint, ExpectedLun, Failure, FailureKind, Limits, Report, millis};
use super::link::Link;
use super::random::{fresh_seed, spread};
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
    check_listed(&mut link, &job.luns)?;
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
pub(super) fn log_in<'a>(
    library: &Library,
    target: &'a Endpoint,
    limits: &'a Limits,
    reporter: &mut Reporter,
) -> Result<Link<'a>, Failure> {
    let link = Link::to_target(library, target, limits)?;
    reporter.logged_in(link.connected, link.logged_in)?;
    Ok(link)
}

fn discover(library: &Library, job: &Check, reporter: &mut Reporter) -> Result<(), Failure> {
    let started = Instant::now();
    let mut link = Link::for_discovery(library, &job.target, &job.limits)?;
    let targets = link.discover()?;
    link.logout()?;
    let portals = portals_of(&targets, &job.target)?;
    reporter.send(&Report::Discovered {
        ms: reporter.ms(),
        took_ms: millis(started.elapsed()),
        targets: u32::try_from(targets.len()).unwrap_or(u32::MAX),
        portals,
    })
}

/// Portals listed for our target, of which the one we came by must be one.
fn portals_of(targets: &[DiscoveredTarget], ours: &Endpoint) -> Result<Vec<String>, Failure> {
    let attempted = format!("find {} at {} by discovery", ours.iqn, ours.portal);
    let failure = |cause| Err(Failure::new(FailureKind::Discovery, attempted, cause));
    let Some(target) = targets.iter().find(|target| target.name == ours.iqn) else {
        let names: Vec<_> = targets.iter().take(8).map(|target| target.name.as_str()).collect();
        return failure(format!("SendTargets lists only [{}]", names.join(", ")));
    };
    if target.portals.iter().all(|portal| address_of(portal) != Some(ours.portal)) {
        let listed: Vec<_> = target.portals.iter().take(8).map(String::as_str).collect();
        return failure(format!("SendTargets lists it only at [{}]", listed.join(", ")));
    }
    Ok(target.portals.iter().take(16).cloned().collect())
}

/// The address in `address:port,tag` (RFC 7143 13.8).
fn address_of(portal: &str) -> Option<SocketAddr> {
    portal.split(',').next()?.parse().ok()
}

/// LUN 0 answers REPORT LUNS also where it is no logical unit (SPC-4 6.33).
fn check_listed(link: &mut Link<'_>, expected: &[ExpectedLun]) -> Result<(), Failure> {
    let len = usize::from(scsi::REPORT_LUNS_LEN);
    let listed = scsi::parse_luns(&insist(link, 0, "REPORT LUNS", &scsi::report_luns(), len)?);
    match expected.iter().find(|expected| !listed.contains(&expected.lun)) {
        None => Ok(()),
        Some(ExpectedLun { lun, .. }) => {
            let cause = format!("REPORT LUNS lists only {listed:?}");
            Err(Failure::new(FailureKind::Lun, format!("find LUN {lun}"), cause))
        }
    }
}

fn check_lun(
    link: &mut Link<'_>,
    job: &Check,
    expected: &ExpectedLun,
    seed: u64,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    let lun = expected.lun;
    let capacity = prepare_lun(link, lun, reporter)?;
    if capacity.bytes() != expected.bytes {
        let cause = format!("expected {} bytes, got {}", expected.bytes, capacity.bytes());
        return Err(Failure::new(
            FailureKind::Lun,
            format!("compare the size of LUN {lun}"),
            cause,
        ));
    }
    let nonce = mix(seed ^ mix(u64::from(lun)));
    let stamping = Stamping { lun, block_len: capacity.block_len, nonce };
    let lbas = spread(capacity.blocks, job.positions, nonce);
    write_and_read_back(link, stamping, &lbas)?;
    let blocks = u64::try_from(lbas.len()).unwrap_or_default();
    let bytes = blocks * u64::from(capacity.block_len);
    reporter.send(&Report::Verified { ms: reporter.ms(), lun, blocks, bytes })
}

fn write_and_read_back(
    link: &mut Link<'_>,
    stamping: Stamping,
    lbas: &[u64],
) -> Result<(), Failure> {
    let Stamping { lun, .. } = stamping;
    let buffers = (DEPTH.min(lbas.len()), stamping.bytes(1));
    let extents = lbas.iter().map(|lba| Extent { lba: *lba, blocks: 1 });
    let mut writes = Writes { extents, stamping };
    link.drive(lun, &format!("write LUN {lun}"), buffers, &mut writes)?;
    let mut reads = Reads { lbas: lbas.iter().copied(), stamping };
    link.drive(lun, &format!("read LUN {lun}"), buffers, &mut reads)
}

/// Waits until a LUN is ready, and reports who answers there and how big it is.
pub(super) fn prepare_lun(
    link: &mut Link<'_>,
    lun: u16,
    reporter: &mut Reporter,
) -> Result<Capacity, Failure> {
    // INQUIRY comes first: it is answered also where there is no logical unit, and says so
    let data = insist(link, lun, "INQUIRY", &scsi::inquiry(), usize::from(scsi::INQUIRY_LEN))?;
    let found = Identity::parse(&data);
    let not_a_disk = |cause: scsi::NotADisk| {
        Failure::new(FailureKind::Lun, format!("identify LUN {lun}"), cause.to_string())
    };
    let Identity { vendor, product, revision } = found.map_err(not_a_disk)?;
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

/// A fresh session is told of power-on and the like: one unit attention for each command it sends.
fn insist(
    link: &mut Link<'_>,
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

fn read_capacity(link: &mut Link<'_>, lun: u16) -> Result<Capacity, Failure> {
    let len = usize::from(scsi::CAPACITY_LEN);
    let data = link.execute(lun, "READ CAPACITY (16)", &scsi::read_capacity(), len)?;
    Capacity::parse(&data).ok_or_else(|| {
        let attempted = format!("READ CAPACITY (16) on LUN {lun}");
        Failure::new(FailureKind::Lun, attempted, "the answer makes no sense")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Endpoint {
        Endpoint {
            portal: "127.0.0.1:4000".parse().unwrap(),
            iqn: "iqn.x:ours".into(),
            initiator: String::new(),
        }
    }

    fn listed(name: &str, portals: &[&str]) -> DiscoveredTarget {
        let portals = portals.iter().map(|portal| (*portal).to_owned()).collect();
        DiscoveredTarget { name: name.to_owned(), portals }
    }

    #[test]
    fn our_target_is_found_at_our_portal() {
        let others = listed("iqn.x:other", &["127.0.0.1:4000,1"]);
        let mine = listed("iqn.x:ours", &["[::1]:4000,1", "127.0.0.1:4000,1"]);
        let portals = portals_of(&[others, mine], &ours()).unwrap();
        assert_eq!(portals, ["[::1]:4000,1", "127.0.0.1:4000,1"]);
    }

    #[test]
    fn a_target_that_is_not_listed_is_a_failure_that_lists_the_others() {
        let failure = portals_of(&[listed("iqn.x:a", &[]), listed("iqn.x:b", &[])], &ours());
        let text = failure.unwrap_err().to_string();
        let expected = "find iqn.x:ours at 127.0.0.1:4000 by discovery: \
                        SendTargets lists only [iqn.x:a, iqn.x:b]";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_address_that_leads_elsewhere_is_a_failure() {
        for portal in ["10.0.2.15:4000,1", "127.0.0.1:3260,1", "nonsense"] {
            let failure = portals_of(&[listed("iqn.x:ours", &[portal])], &ours()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Discovery);
            assert!(failure.cause.contains(portal), "{failure}");
        }
    }
}
