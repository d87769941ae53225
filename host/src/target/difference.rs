//! What a changed spec changes of a target that stands. Pure.

use super::{Provisioning, changes};
use crate::portal::PortalAddress;
use crate::spec::{Disk, PortalSpec, Spec, Tpg};
use configfs_rs::difference as steps_difference;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Steps undone and done.
    pub steps: usize,
    /// A line for each thing that comes, goes or is another.
    pub lines: Vec<String>,
}

impl Change {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps == 0 && self.lines.is_empty()
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
    match steps_difference(&standing.1.steps, &wanted.1.steps) {
        Ok(change) if refusals.is_empty() => Ok(Change {
            steps: change.undo.len() + change.steps.len(),
            lines: changes::lines(standing.1, wanted.1, &change),
        }),
        Ok(_) => Err(refusals),
        Err(refused) => {
            refusals.extend(refused.iter().map(ToString::to_string));
            Err(refusals)
        }
    }
}

/// Where the portals of a changed spec are, in the order of its portals, and what is refused of them. One that stood stays where it
/// is; another has to be where one was before the guest booted.
#[must_use]
pub fn addresses(
    bound: &[PortalAddress],
    standing: Standing<'_>,
    wanted: &Spec,
) -> (Vec<PortalAddress>, Vec<String>) {
    let (mut all, mut refusals) = (Vec::new(), Vec::new());
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
            if place.is_none() {
                let wwn = &target.wwn;
                refusals.push(format!("portal {portal} of {wwn} cannot be added{WHILE_IT_RUNS}"));
            }
            all.push(place.unwrap_or_else(|| nowhere(&portal, all.len())));
        }
    }
    (all, refusals)
}

const WHILE_IT_RUNS: &str = " while the guest runs";

/// A place for a portal that has none, so that all else can be planned and judged as well.
fn nowhere(portal: &PortalSpec, n: usize) -> PortalAddress {
    let port = u16::MAX.saturating_sub(u16::try_from(n).unwrap_or(0));
    let address = std::net::SocketAddr::new(portal.address, portal.port.unwrap_or(port));
    PortalAddress { guest: address, host: address }
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

/// Whatever was decided before the guest booted, key by key.
fn fixed(standing: &Spec, wanted: &Spec) -> Vec<String> {
    let (kernel, machine) =
        ((&standing.kernel, &wanted.kernel), (&standing.machine, &wanted.machine));
    let keys = [
        ("kernel.image", kernel.0.image == kernel.1.image),
        ("kernel.modules", kernel.0.modules == kernel.1.modules),
        ("kernel.module_parameters", kernel.0.module_parameters == kernel.1.module_parameters),
        ("kernel.cmdline", kernel.0.cmdline == kernel.1.cmdline),
        ("machine.cpus", machine.0.cpus == machine.1.cpus),
        ("machine.memory", machine.0.memory == machine.1.memory),
        ("machine.accelerator", machine.0.accelerator == machine.1.accelerator),
        ("channel.transport", standing.channel == wanted.channel),
        ("network.mode", standing.network == wanted.network),
    ];
    let changed = keys.into_iter().filter(|(_, same)| !same);
    let changed = changed.map(|(key, _)| format!("{key} cannot change{WHILE_IT_RUNS}"));
    let mut refusals: Vec<String> = changed.collect();
    refusals.extend(disks(&standing.disks, &wanted.disks));
    if wanted.targets.is_empty() {
        refusals.push("the last target cannot go: Ctrl-C is what ends a target".to_owned());
    }
    refusals
}

/// QEMU's disks, which it has from its start.
fn disks(standing: &[Disk], wanted: &[Disk]) -> Vec<String> {
    let named = |disks: &[Disk], serial: &str| disks.iter().find(|d| d.serial == serial).cloned();
    let refusal = |disk: &Disk, what| format!("disk {} cannot {what}{WHILE_IT_RUNS}", disk.serial);
    let gone = standing.iter().filter(|disk| named(wanted, &disk.serial).is_none());
    let others = wanted.iter().filter_map(|disk| match named(standing, &disk.serial) {
        Some(stands) => (stands != *disk).then(|| refusal(disk, "change")),
        None => Some(refusal(disk, "be added")),
    });
    gone.map(|disk| refusal(disk, "be removed")).chain(others).collect()
}

fn devices(standing: &Provisioning, wanted: &Provisioning) -> Vec<String> {
    let changed = wanted
        .devices
        .iter()
        .filter(|new| standing.devices.iter().any(|old| old.name == new.name && old != *new));
    changed
        .map(|device| {
            let kind = device.kind.name();
            let object = device.name.split('~').next().unwrap_or_default();
            format!("the {kind} of storage object {object} cannot change while it stands")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::addresses;
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

    fn ports((found, refusals): (Vec<PortalAddress>, Vec<String>)) -> Vec<u16> {
        assert_eq!(refusals, [""; 0]);
        found.iter().map(|address| address.guest.port()).collect()
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
            let (_, refused) = addresses(&bound, (&old, &plan), &spec(&[("a", tpgs)]));
            let of = "of iqn.2024-05.org.example:a";
            assert_eq!(
                refused,
                [format!("portal {name} {of} cannot be added while the guest runs")]
            );
        }
    }
}
