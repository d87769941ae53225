//! The target: devices, then steps applied by `configfs-rs`, then disks; events out.

mod memory;
mod rcu;
mod report;
mod wanted;

pub use wanted::{Collector, Wanted};

use crate::boot::uptime_us;
use crate::channel::Link;
use crate::device::{self, Device, StandingDevice};
use crate::loopback_disk::{self, LoopbackDisk};
use crate::mounts::{CONFIGFS, mount_one};
use crate::network;
use configfs_rs::apply::{apply, apply_change, apply_teardown, take_back_change};
use configfs_rs::plan::{Step, Undo, undo};
use configfs_rs::read_back::{Found, read_tree};
use configfs_rs::tree::Tree;
use configfs_rs::{Change, TreePath, difference};
use lunlab_protocol::event::{Event, Phase};
use lunlab_protocol::message::cut;
use rcu::Expedited;
use report::{Progress, Refused, tell_read_back};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most text of an event's field; several fit a frame.
pub(crate) const TEXT: usize = 4000;

/// What a device or a disk may take to appear.
const DEVICE: Duration = Duration::from_secs(20);

/// Readings that are sent at once, so that other events get in between.
const TOGETHER: usize = 256;

/// The number of the readings that nobody asked for: the whole tree, before it goes.
const WHOLE_TREE: u32 = u32::MAX;

/// What stands and must be taken down.
#[derive(Default)]
pub struct Provisioned {
    standing: Wanted,
    devices: Vec<StandingDevice>,
}

fn tree() -> Result<Tree, Box<Refused>> {
    Tree::new(CONFIGFS.at)
        .map_err(|invalid| Refused::because("open", CONFIGFS.at, &invalid.to_string()))
}

/// Mounts configfs, carries out what is wanted, tells the host how it went and what configfs has.
///
/// The state stays locked meanwhile: a teardown waits for it.
pub fn provision(wanted: Result<Wanted, String>, provisioned: &Mutex<Provisioned>, link: &Link) {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = {
        let _while_it_changes = Expedited::begin();
        state.provision(wanted, link)
    };
    match outcome {
        Ok(()) => {
            let steps = u32::try_from(state.standing.steps.len()).unwrap_or(u32::MAX);
            link.tell_each(&[
                Event::Phase { phase: Phase::TargetReady.code(), uptime_us: uptime_us() },
                Event::TargetReady { steps },
            ]);
            tell_read_back(&state.standing.steps, link);
        }
        Err(refused) => {
            refused.tell(link);
            link.tell(&Event::ProvisionFailed { undone: refused.undone });
        }
    }
}

/// Makes what stands be what is wanted: only the difference is carried out.
pub fn change(wanted: Result<Wanted, String>, provisioned: &Mutex<Provisioned>, link: &Link) {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = {
        let _while_it_changes = Expedited::begin();
        state.change(wanted, link)
    };
    match outcome {
        Ok((undone, steps)) => {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            link.tell(&Event::Changed { undone: count(undone), steps: count(steps) });
            tell_read_back(&state.standing.steps, link);
        }
        Err(refused) => {
            refused.tell(link);
            link.tell(&Event::ChangeFailed { undone: refused.undone });
        }
    }
}

impl Provisioned {
    fn provision(
        &mut self,
        wanted: Result<Wanted, String>,
        link: &Link,
    ) -> Result<(), Box<Refused>> {
        let wanted = described(wanted)?;
        if !wanted.steps.is_empty() {
            mount_one(&CONFIGFS)
                .map_err(|error| Refused::because("mount", CONFIGFS.at, &error.to_string()))?;
        }
        if let Some(interface) = wanted.network {
            let network::Interface { address, prefix, gateway } = interface;
            network::up(address, prefix, gateway, Instant::now() + DEVICE)
                .map_err(|error| Refused::because("set up", "the network", &error.to_string()))?;
        }
        let total = wanted.devices.len() + wanted.steps.len() + wanted.disks.len();
        let mut progress = Progress::of(total);
        let devices = set_up_all(wanted.devices.iter(), &mut progress, link)?;
        let built = bound(&wanted, devices.iter(), &wanted.steps, link)
            .and_then(|()| build(&wanted, &mut progress, link));
        match built {
            Ok(()) => {
                *self = Self { standing: wanted, devices };
                Ok(())
            }
            Err(mut refused) => {
                refused.undone &= take_down_all(devices).is_empty();
                Err(refused)
            }
        }
    }

    fn change(
        &mut self,
        wanted: Result<Wanted, String>,
        link: &Link,
    ) -> Result<(usize, usize), Box<Refused>> {
        let wanted = described(wanted)?;
        let change = difference(&self.standing.steps, &wanted.steps).map_err(|refusals| {
            let refusals: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            Refused::because("change", "the target", &refusals.join("; "))
        })?;
        let new = wanted.devices.iter().filter(|device| !self.standing.devices.contains(device));
        let disks = wanted.disks.iter().filter(|disk| disk.is_made_by(&change.steps)).count();
        let count = change.undo.len() + change.steps.len();
        let mut progress = Progress::of(new.clone().count() + count + disks);
        let added = set_up_all(new, &mut progress, link)?;
        let tree = tree()?;
        let outcome = bound(&wanted, self.devices.iter().chain(&added), &change.steps, link)
            .and_then(|()| probe_direct(&change.steps, change.undo.len(), &progress))
            .and_then(|()| self.carry_out(&tree, &change, &wanted.disks, &mut progress, link));
        if let Err(mut refused) = outcome {
            refused.undone &= take_down_all(added).is_empty();
            return Err(refused);
        }
        self.devices.extend(added);
        self.forget_gone(&wanted);
        self.standing = wanted;
        Ok((change.undo.len(), change.steps.len()))
    }

    /// Steps, then disks, and last the backing files that nothing needs any more: until then all that stood can be put back.
    fn carry_out(
        &self,
        tree: &Tree,
        change: &Change,
        disks: &[LoopbackDisk],
        progress: &mut Progress,
        link: &Link,
    ) -> Result<(), Box<Refused>> {
        let is_file = |undo: &Undo| matches!(undo, Undo::RemoveFile { .. });
        let (files, undo) = change.undo.iter().cloned().partition(is_file);
        let kept = Change { undo, ..change.clone() };
        let count = kept.undo.len() + kept.steps.len();
        let done = progress.many(count, |log| apply_change(tree, &kept, log, &mut |_| ()));
        let done = done.and_then(|applied| {
            let new = disks.iter().filter(|disk| disk.is_made_by(&change.steps));
            find_disks(new, progress, link).map_err(|mut refused| {
                let undone = take_back_change(tree, &kept, &applied, &mut |_| ());
                refused.undone &= undone.failures.is_empty();
                refused
            })
        });
        match &done {
            Ok(()) => drop(apply_teardown(tree, &files, &mut |_| ())),
            Err(refused) if refused.undone => {
                let again = self.standing.disks.iter();
                let again = again.filter(|disk| disk.is_made_by(&change.restore));
                let _as_far_as_it_goes = find_disks(again, &mut Progress::of(0), link);
            }
            Err(_) => {}
        }
        done
    }

    /// Takes down the devices, and forgets the disks, that are no longer wanted.
    fn forget_gone(&mut self, wanted: &Wanted) {
        let named = |name: &str| wanted.disks.iter().any(|disk| disk.name == name);
        for disk in self.standing.disks.iter().filter(|disk| !named(&disk.name)) {
            let _gone_with_its_lun = loopback_disk::forget(&disk.name);
        }
        let stays = |device: &StandingDevice| wanted.devices.iter().any(|d| d.name == device.name);
        let (stay, gone) = std::mem::take(&mut self.devices).into_iter().partition(stays);
        self.devices = stay;
        // One that stays in use is found by the teardown at the end as well.
        let _left = take_down_all(gone);
    }
}

fn described(wanted: Result<Wanted, String>) -> Result<Wanted, Box<Refused>> {
    wanted.map_err(|problem| Refused::because("describe", "the target", &problem))
}

/// Steps, then disks; what was done is undone when one of them fails.
fn build(wanted: &Wanted, progress: &mut Progress, link: &Link) -> Result<(), Box<Refused>> {
    let tree = tree()?;
    probe_direct(&wanted.steps, 0, progress)?;
    let count = wanted.steps.len();
    let applied = progress.many(count, |log| apply(&tree, &wanted.steps, log, &mut |_| ()))?;
    find_disks(wanted.disks.iter(), progress, link).map_err(|mut refused| {
        let undone = apply_teardown(&tree, &applied.undo, &mut |_| ());
        refused.undone &= undone.failures.is_empty();
        refused
    })
}

/// LIO's asynchronous fileio on a file system without direct I/O takes the kernel down with it.
fn probe_direct(steps: &[Step], before: usize, progress: &Progress) -> Result<(), Box<Refused>> {
    for (index, step) in (before..).zip(steps) {
        if let Step::WriteAttribute { path, value, .. } = step
            && path.name() == "control"
            && let Some(file) = asynchronous_file(value.expose())
        {
            device::probe_direct(file).map_err(|error| progress.place(index, error.into()))?;
        }
    }
    Ok(())
}

fn asynchronous_file(control: &str) -> Option<&str> {
    let mut pairs = control.split(',').filter_map(|pair| pair.split_once('='));
    let asynchronous = pairs.clone().any(|pair| pair == ("fd_async_io", "1"));
    asynchronous.then(|| pairs.find(|(key, _)| *key == "fd_dev_name"))?.map(|(_, path)| path)
}

/// Bounds sparse storage before anything can be written to it, and says where the bound is below what could be.
fn bound<'a>(
    wanted: &Wanted,
    standing: impl Iterator<Item = &'a StandingDevice>,
    new: &[Step],
    link: &Link,
) -> Result<(), Box<Refused>> {
    let standing: Vec<&StandingDevice> = standing.collect();
    if let Some(text) = memory::bound(&wanted.devices, &standing, (&wanted.steps, new))? {
        link.tell(&Event::Note { text: &text });
    }
    Ok(())
}

fn set_up_all<'a>(
    devices: impl Iterator<Item = &'a Device>,
    progress: &mut Progress,
    link: &Link,
) -> Result<Vec<StandingDevice>, Box<Refused>> {
    let mut standing = Vec::new();
    for device in devices {
        match progress.next(|| device::set_up(device, Instant::now() + DEVICE)) {
            Ok(device) => {
                let StandingDevice { name, node, size, .. } = &device;
                link.tell(&Event::DeviceReady { name, node, size: *size });
                standing.push(device);
            }
            Err(mut refused) => {
                refused.undone &= take_down_all(standing).is_empty();
                return Err(refused);
            }
        }
    }
    Ok(standing)
}

/// The last set up first. Gives what could not be taken down.
fn take_down_all(devices: Vec<StandingDevice>) -> Vec<String> {
    let downs = devices.iter().rev().map(device::take_down);
    downs.filter_map(Result::err).map(|error| error.to_string()).collect()
}

fn find_disks<'a>(
    disks: impl Iterator<Item = &'a LoopbackDisk>,
    progress: &mut Progress,
    link: &Link,
) -> Result<(), Box<Refused>> {
    for disk in disks {
        let found = progress.next(|| loopback_disk::find(disk, Instant::now() + DEVICE))?;
        let name = &disk.name;
        link.tell(&Event::DeviceReady { name, node: &found.node, size: found.size });
    }
    Ok(())
}

/// Takes down what stands, after a last look at the whole tree. Gives what could not be removed, empty when all is gone.
#[must_use]
pub fn tear_down(provisioned: &Mutex<Provisioned>, link: &Link) -> String {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let Provisioned { standing, devices } = std::mem::take(&mut *state);
    let mut problems = Vec::new();
    if !standing.steps.is_empty() {
        // What cannot be read is missing in the result, which is no reason not to take it down.
        let _unreadable = read_all(WHOLE_TREE, "target", link);
        match tree() {
            Ok(tree) => {
                let _while_it_changes = Expedited::begin();
                let undone = apply_teardown(&tree, &undo(&standing.steps), &mut |_| ());
                problems.extend(undone.failures.iter().map(ToString::to_string));
            }
            Err(refused) => problems.push(refused.cause),
        }
    }
    for disk in &standing.disks {
        problems.extend(loopback_disk::forget(&disk.name).err().map(|error| error.to_string()));
    }
    problems.extend(take_down_all(devices));
    cut(&problems.join("; "), TEXT).to_owned()
}

/// Reads a group of configfs for the host, and those in it when `deep`.
pub fn read(number: u32, path: &str, link: &Link) {
    let read =
        if path == "/proc" { read_threads(number, link) } else { read_all(number, path, link) };
    let problem = read.err().unwrap_or_default();
    link.tell(&Event::ReadEnded { number, problem: cut(&problem, TEXT) });
}

fn read_all(number: u32, path: &str, link: &Link) -> Result<(), String> {
    let tree = tree().map_err(|refused| refused.cause)?;
    let path = TreePath::new(path).map_err(|invalid| invalid.to_string())?;
    let mut found = Vec::new();
    let walk = read_tree(&tree, &path, &mut |each| found.push(each));
    let events: Vec<Event<'_>> = found.iter().map(|each| reading(number, each)).collect();
    // All in few writes: there may be thousands.
    events.chunks(TOGETHER).for_each(|some| link.tell_each(some));
    walk.map(drop).map_err(|error| error.to_string())
}

/// Tells the `stat` of each kernel thread that carries iSCSI's connections (iscsi_target_login.c names them).
fn read_threads(number: u32, link: &Link) -> Result<(), String> {
    let processes = std::fs::read_dir("/proc").map_err(|error| error.to_string())?;
    for process in processes.flatten() {
        let path = process.path().join("stat");
        if let Ok(stat) = std::fs::read_to_string(&path)
            && stat.contains("(iscsi_")
        {
            let path = path.to_string_lossy();
            link.tell(&Event::Reading { number, path: cut(&path, TEXT), value: cut(&stat, TEXT) });
        }
    }
    Ok(())
}

fn reading(number: u32, found: &Found) -> Event<'_> {
    let (path, value) = match found {
        Found::Attribute { path, text } => (path.as_str(), text.as_str()),
        Found::Link { path, target } => (path.as_str(), target.as_str()),
    };
    Event::Reading { number, path: cut(path, TEXT), value: cut(value, TEXT) }
}

#[cfg(test)]
mod tests {
    use super::asynchronous_file;

    #[test]
    fn only_asynchronous_fileio_is_probed() {
        let control = "fd_dev_name=/run/d,fd_dev_size=512,fd_async_io=1";
        assert_eq!(asynchronous_file(control), Some("/run/d"));
        assert_eq!(asynchronous_file("fd_dev_name=/run/d,fd_buffered_io=1"), None);
        assert_eq!(asynchronous_file("rd_pages=1"), None);
    }
}
