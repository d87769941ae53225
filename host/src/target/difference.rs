//! What a changed spec changes of a target that stands. Pure.

use super::Provisioning;
use crate::portal::PortalAddress;
use crate::spec::{PortalSpec, Spec, Tpg};
use configfs_rs::difference as steps_difference;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Devices and disks that come or go.
    pub devices: usize,
    /// Steps undone and done.
    pub steps: usize,
}

impl Change {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices == 0 && self.steps == 0
    }
}

type Standing<'a> = (&'a Spec, &'a Provisioning);

/// What leads from what stands to what is wanted.
///
/// # Errors
/// What cannot change while the guest runs, each by its name.
pub fn difference(standing: Standing<'_>, wanted: Standing<'_>) -> Result<Change, Vec<String>> {
    let mut refusals = fixed(standing.0, wanted.0);
    refusals.extend(devices(standing.1, wanted.1));
    let steps = match steps_difference(&standing.1.steps, &wanted.1.steps) {
        Ok(change) => change.undo.len() + change.steps.len(),
        Err(refused) => {
            refusals.extend(refused.iter().map(ToString::to_string));
            0
        }
    };
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Change { devices: moved(standing.1, wanted.1), steps })
}

/// Where the portals of a changed spec are, in the order of its portals. One that stood stays where it is; another has to be
/// where one was before the guest booted.
///
/// # Errors
/// The first that would have to be added.
pub fn addresses(
    bound: &[PortalAddress],
    standing: Standing<'_>,
    wanted: &Spec,
) -> Result<Vec<PortalAddress>, String> {
    let mut all = Vec::new();
    for target in wanted.iscsi_targets() {
        let portals =
            |tpg: &Tpg| tpg.portals.iter().map(|each| (tpg.tag, *each)).collect::<Vec<_>>();
        let asked: Vec<(u16, PortalSpec)> = target.tpgs.iter().flat_map(portals).collect();
        let mut chosen = vec![None; asked.len()];
        // What is named and what stood come first, so that nothing else gets its place.
        for (named, stood) in [(true, false), (false, true), (false, false)] {
            for (n, (tag, portal)) in asked.iter().enumerate() {
                let own = standing_at(standing, &target.wwn, *tag);
                let choice = if stood { &own } else { bound };
                if chosen[n].is_none() && portal.port.is_some() == named {
                    chosen[n] = choice
                        .iter()
                        .find(|each| fits(each, portal) && !chosen.contains(&Some(**each)))
                        .copied();
                }
            }
        }
        for (place, (_, portal)) in chosen.into_iter().zip(asked) {
            let refusal = || format!("portal {portal} cannot be added while the guest runs");
            all.push(place.ok_or_else(refusal)?);
        }
    }
    Ok(all)
}

/// Where the portals of a TPG that stands are.
fn standing_at((spec, provisioning): Standing<'_>, wwn: &str, tag: u16) -> Vec<PortalAddress> {
    let address = |n| provisioning.address(spec, wwn, tag, n);
    (0..).map_while(address).collect()
}

fn fits(address: &PortalAddress, portal: &PortalSpec) -> bool {
    let guest = address.guest;
    guest.ip() == portal.address && portal.port.is_none_or(|port| guest.port() == port)
}

/// Whatever was decided before the guest booted.
fn fixed(standing: &Spec, wanted: &Spec) -> Vec<String> {
    let tables = [
        ("[kernel]", standing.kernel == wanted.kernel),
        ("[machine]", standing.machine == wanted.machine),
        ("[channel]", standing.channel == wanted.channel),
        ("[network]", standing.network == wanted.network),
        ("[[disk]]", standing.disks == wanted.disks),
    ];
    let changed = tables.into_iter().filter(|(_, same)| !same);
    changed.map(|(table, _)| format!("{table} cannot change while the guest runs")).collect()
}

fn devices(standing: &Provisioning, wanted: &Provisioning) -> Vec<String> {
    let changed = wanted
        .devices
        .iter()
        .filter(|new| standing.devices.iter().any(|old| old.name == new.name && old != *new));
    changed
        .map(|device| {
            let kind = device.kind.name();
            format!("the {kind} of storage object {} cannot change while it stands", device.name)
        })
        .collect()
}

fn moved(standing: &Provisioning, wanted: &Provisioning) -> usize {
    let gone = |a: &Provisioning, b: &Provisioning| {
        let devices = a.devices.iter().filter(|device| !b.devices.contains(device)).count();
        devices + a.disks.iter().filter(|disk| !b.disks.contains(disk)).count()
    };
    gone(standing, wanted) + gone(wanted, standing)
}

#[cfg(test)]
mod tests {
    use super::{addresses, difference};
    use crate::portal::PortalAddress;
    use crate::spec::{Base, Spec};
    use crate::target::{Provisioning, Seed};
    use std::path::Path;

    /// A target for each of these lists of TPGs, which are given by their portals.
    fn spec(targets: &[(&str, &[&str])]) -> Spec {
        let mut text =
            "[[storage_object]]\nname = \"d\"\nbackstore = \"ramdisk\"\nsize = \"1M\"\n".to_owned();
        for (name, tpgs) in targets {
            text += &format!("[[target]]\nwwn = \"iqn.2024-05.org.example:{name}\"\n");
            for (n, portals) in tpgs.iter().enumerate() {
                let lun = "luns = [{ lun = 0, storage_object = \"d\" }]";
                text += &format!("[[target.tpg]]\ntag = {}\n{lun}\nportals = [{portals}]\n", n + 1);
            }
        }
        let directory = Path::new(".");
        Spec::parse(&text, Base { directory, home: None, environment: |_| None }).unwrap()
    }

    fn at(port: u16) -> PortalAddress {
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        PortalAddress { guest: address, host: address }
    }

    fn planned(spec: &Spec, ports: &[u16]) -> Provisioning {
        let addresses: Vec<PortalAddress> = ports.iter().copied().map(at).collect();
        Provisioning::new(spec, &addresses, Seed([0; 16])).unwrap()
    }

    fn ports(found: Result<Vec<PortalAddress>, String>) -> Vec<u16> {
        found.unwrap().iter().map(|address| address.guest.port()).collect()
    }

    const ANY: &str = "\"127.0.0.1\"";
    const NAMED: &str = "\"127.0.0.1:3260\"";

    #[test]
    fn a_portal_that_stood_stays_where_it_was() {
        let old = spec(&[("a", &[ANY]), ("b", &[ANY, ANY])]);
        let (bound, plan) = ([at(1), at(2), at(3)], planned(&old, &[1, 2, 3]));
        let of =
            |targets: &[(&str, &[&str])]| ports(addresses(&bound, (&old, &plan), &spec(targets)));
        assert_eq!(of(&[("a", &[ANY]), ("b", &[ANY, ANY])]), [1, 2, 3]);
        assert_eq!(of(&[("b", &[ANY, ANY]), ("a", &[ANY])]), [2, 3, 1]);
        assert_eq!(of(&[("b", &[ANY])]), [2]);
        // A new one is beside one of another target, never of its own.
        assert_eq!(of(&[("a", &[ANY]), ("c", &[ANY])]), [1, 1]);
        assert_eq!(of(&[("b", &[ANY, ANY, ANY])]), [2, 3, 1]);
    }

    #[test]
    fn a_named_portal_keeps_its_port_whatever_stands_before_it() {
        let (first, last) = ([NAMED, ANY].join(", "), [ANY, NAMED].join(", "));
        let old = spec(&[("a", &[&first])]);
        let (bound, plan) = ([at(3260), at(9)], planned(&old, &[3260, 9]));
        let changed = addresses(&bound, (&old, &plan), &spec(&[("a", &[&last])]));
        assert_eq!(ports(changed), [9, 3260]);
    }

    #[test]
    fn a_portal_that_was_not_bound_is_refused_by_name() {
        let old = spec(&[("a", &[NAMED])]);
        let (bound, plan) = ([at(3260)], planned(&old, &[3260]));
        for (tpgs, name) in [
            (["\"127.0.0.1:3261\""].as_slice(), "127.0.0.1:3261"),
            (&["\"[::1]:3260\""], "[::1]:3260"),
            (&[NAMED, ANY], "127.0.0.1"),
        ] {
            let refused = addresses(&bound, (&old, &plan), &spec(&[("a", tpgs)]));
            let words = format!("portal {name} cannot be added while the guest runs");
            assert_eq!(refused, Err(words));
        }
    }

    #[test]
    fn what_was_decided_before_the_boot_is_refused_by_name() {
        let old = spec(&[("a", &[NAMED])]);
        let plan = planned(&old, &[3260]);
        let same = difference((&old, &plan), (&old, &plan)).unwrap();
        assert!(same.is_empty());
        let mut new = old.clone();
        new.machine.cpus += 1;
        let refused = difference((&old, &plan), (&new, &plan));
        assert_eq!(refused, Err(vec!["[machine] cannot change while the guest runs".to_owned()]));
    }
}
