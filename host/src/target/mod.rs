//! What is asked of the guest to bring a spec's targets about: planned here with configfs-rs, carried out there.
//!
//! [`Provisioning::new`] is pure. [`names`] says where in the guest things are found, `devices` what block devices there
//! must be, `configuration` what LIO is to have, `requests` how it travels, [`difference`] what a changed spec changes,
//! [`changes`] says that in words, [`comparison`] what the kernel made of it.

pub mod changes;
pub mod comparison;
mod configuration;
mod devices;
pub mod difference;
pub mod names;
mod requests;

pub use devices::{COMP_ALGORITHM, Device};
pub use requests::each_request;

use crate::error::Error;
use crate::portal::PortalAddress;
use crate::spec::{Fabric, Network, PortalSpec, Spec};
use configfs_rs::Invalid;
use configfs_rs::lio::{self, Configuration};
use configfs_rs::plan::Step;
use sha2::{Digest as _, Sha256};
use std::net::{Ipv4Addr, SocketAddr};

/// What serials are drawn from: the same seed and name give the same serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

impl Seed {
    /// A UUID for the storage object of that name (RFC 9562, version 8: its bits are our own).
    #[must_use]
    pub fn serial(&self, name: &str) -> String {
        let digest = Sha256::new().chain_update(self.0).chain_update(name).finalize();
        let mut bytes: [u8; 16] = std::array::from_fn(|i| digest[i]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |range| hex.get(range).unwrap_or_default();
        [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
    }
}

/// Every portal of a spec, in the order in which [`Provisioning::new`] wants their addresses.
#[must_use]
pub fn portals(spec: &Spec) -> Vec<PortalSpec> {
    let tpgs = spec.iscsi_targets().flat_map(|target| &target.tpgs);
    tpgs.flat_map(|tpg| tpg.portals.iter().copied()).collect()
}

/// Addresses for a plan that is only shown: portals without a port get one each from 3260 up.
#[must_use]
pub fn shown_addresses(portals: &[PortalSpec]) -> Vec<PortalAddress> {
    let taken: Vec<u16> = portals.iter().filter_map(|portal| portal.port).collect();
    let mut free = (3260..=u16::MAX).filter(|port| !taken.contains(port));
    let mut address = |portal: &PortalSpec| {
        let port = portal.port.or_else(|| free.next()).unwrap_or(3260);
        let guest = SocketAddr::new(portal.address, port);
        PortalAddress { guest, host: guest }
    };
    portals.iter().map(&mut address).collect()
}

/// A LUN of the loopback fabric that becomes a disk in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopbackDisk {
    /// The name by which it is found.
    pub name: String,
    /// Its TPG below the configfs root.
    pub tpg: String,
    /// The LUN's number.
    pub lun: u16,
    /// The unit serial of what it exports.
    pub serial: String,
    /// The storage object it exports.
    pub storage_object: String,
}

/// A setting that is not LIO's own, made because LIO's surprises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Default {
    /// Of what.
    pub place: String,
    /// The attribute or parameter.
    pub name: &'static str,
    /// What it is set to.
    pub value: String,
    /// What LIO would have.
    pub lio: String,
}

/// How many TPGs a line names.
const NAMED: usize = 2;

/// Defaults in words, a line for each with the TPGs that have it; of many the first are named.
#[must_use]
pub fn default_lines(defaults: &[Default]) -> Vec<String> {
    let mut settings: Vec<(String, Vec<&str>)> = Vec::new();
    for Default { place, name, value, lio } in defaults {
        let words = format!("{name} = {value}, LIO's own is {lio}");
        match settings.iter_mut().find(|(known, _)| *known == words) {
            Some((_, places)) => places.push(place),
            None => settings.push((words, vec![place])),
        }
    }
    let line = |(words, places): (String, Vec<&str>)| {
        let named = places.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        match places.len().saturating_sub(NAMED) {
            0 => format!("{named}: {words}"),
            more => format!("{named} and {more} more TPGs: {words}"),
        }
    };
    settings.into_iter().map(line).collect()
}

/// A URL of a LUN as initiators take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Address and port on the host.
    pub portal: SocketAddr,
    /// The target.
    pub wwn: String,
    /// The LUN.
    pub lun: u8,
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "iscsi://{}/{}/{}", self.portal, self.wwn, self.lun)
    }
}

/// All that the guest sets up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioning {
    /// The guest's address on QEMU's user network.
    pub network: Option<Ipv4Addr>,
    /// Block devices, in the order in which they are set up.
    pub devices: Vec<Device>,
    /// The target as configfs-rs has it.
    pub configuration: Configuration,
    /// What brings it about.
    pub steps: Vec<Step>,
    /// Disks that appear in the guest.
    pub disks: Vec<LoopbackDisk>,
    /// What is set that is not LIO's own and was not asked for.
    pub defaults: Vec<Default>,
    /// Where each portal is, as [`portals`] orders them.
    pub addresses: Vec<PortalAddress>,
}

impl Provisioning {
    /// Plans what a checked spec asks for, on the given addresses of its [`portals`].
    ///
    /// # Errors
    /// Usage, when the spec holds what LIO cannot have and the spec's own rules let through.
    pub fn new(spec: &Spec, addresses: &[PortalAddress], seed: Seed) -> Result<Self, Error> {
        let refused = |invalid: Invalid| Error::usage(invalid.to_string());
        let (parts, defaults) = configuration::parts(spec, addresses, seed).map_err(refused)?;
        let configuration = Configuration::new(parts).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Error::usage(faults.join("; "))
        })?;
        let steps = lio::plan(&configuration);
        let on_network = spec.network == Network::User;
        Ok(Self {
            network: on_network.then_some(crate::spec::USER_NETWORK_ADDRESS),
            devices: devices::devices(spec),
            configuration,
            steps,
            disks: loopback_disks(spec, seed),
            defaults,
            addresses: addresses.to_vec(),
        })
    }

    /// The plan of a spec that is only shown: no port is bound, no serial is drawn.
    ///
    /// # Errors
    /// As for [`Provisioning::new`].
    pub fn shown(spec: &Spec) -> Result<Self, Error> {
        Self::new(spec, &shown_addresses(&portals(spec)), Seed([0; 16]))
    }

    /// The unit serial of a storage object, empty for one that is not described.
    #[must_use]
    pub fn serial(&self, name: &str) -> String {
        let objects = self.configuration.parts().storage_objects.iter();
        let mut named = objects.filter(|object| object.name.to_string() == name);
        named.next().map(|object| object.serial.to_string()).unwrap_or_default()
    }

    /// Whether anything in it must be kept from files.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::WriteAttribute { value, .. } => value.is_secret(),
            _ => false,
        })
    }

    /// The address of the spec's portal `n` of that TPG of that target.
    #[must_use]
    pub fn address(&self, spec: &Spec, wwn: &str, tag: u16, n: usize) -> Option<PortalAddress> {
        let mut index = 0;
        for target in spec.iscsi_targets() {
            for tpg in &target.tpgs {
                if target.wwn == wwn && tpg.tag == tag {
                    return self
                        .addresses
                        .get(index + n)
                        .copied()
                        .filter(|_| n < tpg.portals.len());
                }
                index += tpg.portals.len();
            }
        }
        None
    }

    /// A URL for every LUN of every enabled TPG, by its first portal.
    #[must_use]
    pub fn urls(&self, spec: &Spec) -> Vec<Url> {
        let mut urls = Vec::new();
        for target in spec.iscsi_targets() {
            for tpg in target.tpgs.iter().filter(|tpg| tpg.enable) {
                let Some(address) = self.address(spec, &target.wwn, tpg.tag, 0) else { continue };
                urls.extend(tpg.luns.iter().map(|lun| Url {
                    portal: address.host,
                    wwn: target.wwn.clone(),
                    lun: lun.lun,
                }));
            }
        }
        urls
    }
}

/// The unit serial of a storage object: its own, or one that is drawn.
fn serial_of(spec: &Spec, name: &str, seed: Seed) -> String {
    let own = spec.storage_object(name).and_then(|object| object.serial.clone());
    own.unwrap_or_else(|| seed.serial(name))
}

fn loopback_disks(spec: &Spec, seed: Seed) -> Vec<LoopbackDisk> {
    let mut disks = Vec::new();
    for target in spec.targets.iter().filter(|target| target.fabric == Fabric::Loopback) {
        for tpg in &target.tpgs {
            disks.extend(tpg.luns.iter().map(|lun| LoopbackDisk {
                name: names::loopback_disk(&target.wwn, tpg.tag, lun.lun),
                tpg: names::loopback_tpg(&target.wwn, tpg.tag),
                lun: u16::from(lun.lun),
                serial: serial_of(spec, &lun.storage_object, seed),
                storage_object: lun.storage_object.clone(),
            }));
        }
    }
    disks
}

#[cfg(test)]
mod tests;
