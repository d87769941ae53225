//! What an initiator gets: which target, with which credentials, seeing which LUNs.

use super::Spec;
use super::benchmark::{IscsiRandread, REGION};
use super::storage::StorageObject;
use super::target::{Chap, DemoMode, Fabric, Lun, PortalSpec, Target, Tpg};
use crate::initiator::DEFAULT_NAME;

/// A session as a benchmark will have it.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// The target.
    pub target: &'a Target,
    /// Its TPG.
    pub tpg: &'a Tpg,
    /// Where it is found.
    pub portal: PortalSpec,
    /// The initiator's name.
    pub initiator: &'a str,
    /// The initiator's credentials; none where none are expected.
    pub chap: Option<&'a Chap>,
}

/// A LUN as an initiator sees it.
#[derive(Clone, Copy, Debug)]
pub struct SeenLun<'a> {
    /// Its number for the initiator.
    pub number: u8,
    /// What it is in the TPG.
    pub lun: &'a Lun,
    /// What is behind it.
    pub storage_object: &'a StorageObject,
    /// Whether the initiator may write to it.
    pub writable: bool,
}

impl Spec {
    /// The targets of iSCSI.
    pub fn iscsi_targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.fabric == Fabric::Iscsi)
    }

    /// The first TPG of the first target of iSCSI.
    #[must_use]
    pub fn first_iscsi(&self) -> Option<(&Target, &Tpg)> {
        self.iscsi_targets().find_map(|target| Some((target, target.tpgs.first()?)))
    }

    /// The target a benchmark uses: the one it names, or else the first of iSCSI.
    #[must_use]
    pub fn target_of(&self, benchmark: &IscsiRandread) -> Option<&Target> {
        let named = |target: &&Target| benchmark.target.as_ref().is_none_or(|n| *n == target.wwn);
        self.iscsi_targets().find(named)
    }

    /// The TPG a benchmark uses: the one it names, or else its target's first.
    #[must_use]
    pub fn tpg_of(&self, benchmark: &IscsiRandread) -> Option<&Tpg> {
        let target = self.target_of(benchmark)?;
        benchmark.tpg.map_or_else(|| target.tpgs.first(), |tag| target.tpg(tag))
    }

    /// The session of a benchmark.
    ///
    /// The initiator is the one it names, or else the first with an ACL that maps its LUN, or else
    /// lunlab's own. The credentials are those it names, or else those the target expects of this
    /// initiator.
    #[must_use]
    pub fn session_of<'a>(&'a self, benchmark: &'a IscsiRandread) -> Option<Session<'a>> {
        let target = self.target_of(benchmark)?;
        let tpg = self.tpg_of(benchmark)?;
        let portal = benchmark.portal.or_else(|| tpg.portals.first().copied())?;
        Some(self.session_at(target, tpg, portal, benchmark))
    }

    fn session_at<'a>(
        &'a self,
        target: &'a Target,
        tpg: &'a Tpg,
        portal: PortalSpec,
        benchmark: &'a IscsiRandread,
    ) -> Session<'a> {
        let initiator = initiator_of(tpg, benchmark);
        let expected = match tpg.acl(initiator) {
            Some(acl) if tpg.authenticates_acl(acl) => acl.chap.as_ref(),
            None if tpg.authenticates() => tpg.chap.as_ref(),
            _ => None,
        };
        Session { target, tpg, portal, initiator, chap: benchmark.chap.as_ref().or(expected) }
    }

    /// The LUNs an initiator sees in a TPG: with an ACL those mapped to it, in demo mode all.
    #[must_use]
    pub fn luns_seen<'a>(&'a self, tpg: &'a Tpg, initiator: &str) -> Vec<SeenLun<'a>> {
        let seen = |number: u8, of: u8, protected: bool| {
            let lun = tpg.lun(of)?;
            let storage_object = self.storage_object(&lun.storage_object)?;
            let writable = !protected && !self.is_read_only(storage_object);
            Some(SeenLun { number, lun, storage_object, writable })
        };
        match tpg.acl(initiator) {
            Some(acl) => {
                let mapped = acl.mapped_luns.iter();
                mapped.filter_map(|m| seen(m.mapped_lun, m.lun, m.write_protect)).collect()
            }
            None if tpg.demo_mode == DemoMode::Off => Vec::new(),
            None => {
                let protected = tpg.demo_mode == DemoMode::ReadOnly;
                tpg.luns.iter().filter_map(|lun| seen(lun.lun, lun.lun, protected)).collect()
            }
        }
    }

    /// The LUN a benchmark reads: the one it names, or else the lowest its initiator sees.
    #[must_use]
    pub fn lun_of(&self, benchmark: &IscsiRandread) -> Option<SeenLun<'_>> {
        let tpg = self.tpg_of(benchmark)?;
        let seen = self.luns_seen(tpg, initiator_of(tpg, benchmark));
        match benchmark.lun {
            Some(number) => seen.into_iter().find(|lun| lun.number == number),
            None => seen.into_iter().min_by_key(|lun| lun.number),
        }
    }

    /// How many bytes from its LUN's start a benchmark reads: what it says, or else 16 MiB or all
    /// there is, in whole blocks.
    #[must_use]
    pub fn region_bytes(&self, benchmark: &IscsiRandread) -> u64 {
        let size = self.lun_of(benchmark).map_or(REGION, |seen| seen.storage_object.size);
        let region = benchmark.region.unwrap_or(size.min(REGION));
        region - region % benchmark.block_size.max(1)
    }
}

fn initiator_of<'a>(tpg: &'a Tpg, benchmark: &'a IscsiRandread) -> &'a str {
    let maps = |acl: &&super::Acl| {
        acl.mapped_luns.iter().any(|m| benchmark.lun.is_none_or(|number| number == m.mapped_lun))
    };
    let known = || tpg.acls.iter().find(maps).or(tpg.acls.first()).map(|acl| &*acl.initiator);
    benchmark.initiator.as_deref().or_else(known).unwrap_or(DEFAULT_NAME)
}
