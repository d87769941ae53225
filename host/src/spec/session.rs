//! What an initiator gets: which target, with which credentials, seeing which LUNs.

use super::Spec;
use super::benchmark::{IscsiRandread, Login, REGION};
use super::storage::{AccessState, StorageObject};
use super::target::{Chap, DemoMode, Fabric, Lun, PortalSpec, Target, Tpg};
use super::workload::Measured;
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

    /// The target a login goes to: the one it names, or else the first of iSCSI.
    #[must_use]
    pub fn target_of(&self, login: &Login) -> Option<&Target> {
        self.iscsi_targets().find(|target| login.is_to(target))
    }

    /// The TPG a login goes to: the one it names, or else its target's first.
    #[must_use]
    pub fn tpg_of(&self, login: &Login) -> Option<&Tpg> {
        let target = self.target_of(login)?;
        login.tpg.map_or_else(|| target.tpgs.first(), |tag| target.tpg(tag))
    }

    /// The session of a login.
    ///
    /// The initiator is the one it names, or else the first with an ACL that maps its LUN, or else
    /// lunlab's own. The credentials are those it names, or else those the target expects of this
    /// initiator.
    #[must_use]
    pub fn session_of<'a>(&'a self, login: &'a Login) -> Option<Session<'a>> {
        let target = self.target_of(login)?;
        let tpg = self.tpg_of(login)?;
        let portal = login.portal.or_else(|| tpg.portals.first().copied())?;
        let initiator = initiator_of(tpg, login);
        let expected = match tpg.acl(initiator) {
            Some(acl) if tpg.authenticates_acl(acl) => acl.chap.as_ref(),
            None if tpg.authenticates() => tpg.chap.as_ref(),
            _ => None,
        };
        Some(Session { target, tpg, portal, initiator, chap: login.chap.as_ref().or(expected) })
    }

    /// How a workload that names a storage object logs in: what it leaves open is the first TPG and
    /// initiator that see the object on a LUN, of those by which it can do what it is to do.
    #[must_use]
    pub fn login_of(&self, asked: &Measured) -> Login {
        let best = |a: Way, b: Way| if b.merit > a.merit { b } else { a };
        let ways = self.iscsi_targets().filter(|target| asked.login.is_to(target));
        let ways = ways.flat_map(|target| target.tpgs.iter().map(move |tpg| (target, tpg)));
        let ways = ways.filter(|(_, tpg)| asked.login.tpg.is_none_or(|tag| tag == tpg.tag));
        let ways = ways.flat_map(|(target, tpg)| self.ways(asked, target, tpg));
        ways.reduce(best).map_or_else(|| asked.login.clone(), |way| way.login)
    }

    /// The ways to a storage object through a TPG, in the order of its ACLs; the last leaves open
    /// what no initiator sees.
    fn ways(&self, asked: &Measured, target: &Target, tpg: &Tpg) -> Vec<Way> {
        let (login, name) = (&asked.login, asked.value("storage_object"));
        if !tpg.luns.iter().any(|lun| lun.storage_object == name) {
            return Vec::new();
        }
        let here = Login { target: Some(target.wwn.clone()), tpg: Some(tpg.tag), ..login.clone() };
        let known = tpg.acls.iter().map(|acl| &*acl.initiator).chain([DEFAULT_NAME]);
        let named = login.initiator.as_deref();
        let initiators: Vec<&str> = named.map_or_else(|| known.collect(), |name| vec![name]);
        let reachable = tpg.enable && login.is_served_by(tpg);
        let mut ways = Vec::new();
        for initiator in initiators {
            for seen in self.luns_seen(tpg, initiator) {
                let wanted = login.lun.is_none_or(|number| number == seen.number);
                if wanted && seen.storage_object.name == name {
                    let able = seen.is_ready() && (seen.writable || !asked.writes());
                    let merit = 1 + u8::from(able) + 2 * u8::from(reachable);
                    let (initiator, lun) = (Some(initiator.to_owned()), Some(seen.number));
                    ways.push(Way { merit, login: Login { initiator, lun, ..here.clone() } });
                }
            }
        }
        ways.push(Way { merit: 0, login: here });
        ways
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

    /// The LUN a login is for: the one it names, or else the lowest its initiator sees.
    #[must_use]
    pub fn lun_of(&self, login: &Login) -> Option<SeenLun<'_>> {
        let tpg = self.tpg_of(login)?;
        let seen = self.luns_seen(tpg, initiator_of(tpg, login));
        match login.lun {
            Some(number) => seen.into_iter().find(|lun| lun.number == number),
            None => seen.into_iter().min_by_key(|lun| lun.number),
        }
    }

    /// How many bytes from its LUN's start a benchmark reads: what it says, or else 16 MiB or all
    /// there is, in whole blocks.
    #[must_use]
    pub fn region_bytes(&self, benchmark: &IscsiRandread) -> u64 {
        let seen = self.lun_of(&benchmark.login);
        let size = seen.map_or(REGION, |seen| seen.storage_object.size);
        let region = benchmark.region.unwrap_or(size.min(REGION));
        region - region % benchmark.block_size.max(1)
    }
}

/// A way to a storage object, and how good it is.
struct Way {
    merit: u8,
    login: Login,
}

impl Login {
    fn is_to(&self, target: &Target) -> bool {
        self.target.as_ref().is_none_or(|name| *name == target.wwn)
    }

    fn is_served_by(&self, tpg: &Tpg) -> bool {
        match &self.portal {
            Some(portal) => tpg.portals.contains(portal),
            None => !tpg.portals.is_empty(),
        }
    }
}

impl SeenLun<'_> {
    /// Whether it takes more than a few commands in its ALUA group (SPC-4 5.15.2.4).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let own = self.lun.alua_group.as_deref();
        let mut groups = self.storage_object.alua_groups.iter();
        let group = groups.find(|each| Some(each.name.as_str()) == own);
        group.is_none_or(|group| match group.access_state {
            AccessState::ActiveOptimized
            | AccessState::ActiveNonoptimized
            | AccessState::LbaDependent => true,
            AccessState::Standby | AccessState::Unavailable | AccessState::Offline => false,
        })
    }
}

fn initiator_of<'a>(tpg: &'a Tpg, login: &'a Login) -> &'a str {
    let maps = |acl: &&super::Acl| {
        acl.mapped_luns.iter().any(|m| login.lun.is_none_or(|number| number == m.mapped_lun))
    };
    let known = || tpg.acls.iter().find(maps).or(tpg.acls.first()).map(|acl| &*acl.initiator);
    login.initiator.as_deref().or_else(known).unwrap_or(DEFAULT_NAME)
}
