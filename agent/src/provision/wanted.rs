//! What the host asked for, collected item by item and checked.

use crate::device::Device;
use crate::loopback_disk::LoopbackDisk;
use crate::network::Interface;
use configfs_rs::Invalid;
use configfs_rs::plan::Step;
use lunlab_protocol::target;

/// The most items of a kind: far above any target, far below the guest's memory.
const MOST: usize = 1 << 16;

/// Devices, the plan, and the disks that appear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The machine's interface, if it has one.
    pub network: Option<Interface>,
    /// In the order in which they are set up.
    pub devices: Vec<Device>,
    /// In order.
    pub steps: Vec<Step>,
    /// Disks of the loopback fabric.
    pub disks: Vec<LoopbackDisk>,
}

/// Collects what is wanted. The first item that is wrong spoils the whole.
#[derive(Default)]
pub struct Collector {
    wanted: Wanted,
    problem: Option<String>,
}

impl Collector {
    /// Takes the interface.
    pub fn network(&mut self, address: &str, prefix: u8, gateway: &str) {
        match Interface::new(address, prefix, gateway) {
            Ok(interface) => self.wanted.network = Some(interface),
            Err(problem) => self.refuse(problem),
        }
    }

    /// Takes the next device.
    pub fn device(&mut self, device: &target::Device<'_>) {
        if self.has_room(self.wanted.devices.len()) {
            match Device::new(device) {
                Ok(device) => self.wanted.devices.push(device),
                Err(error) => self.refuse(error.to_string()),
            }
        }
    }

    /// Takes the next step.
    pub fn step(&mut self, step: &target::Step<'_>) {
        if !self.has_room(self.wanted.steps.len()) {
            return;
        }
        match checked(step) {
            Ok(step) => self.wanted.steps.push(step),
            Err(invalid) => self.refuse(invalid.to_string()),
        }
    }

    /// Takes the next disk.
    pub fn disk(&mut self, disk: &target::LoopbackDisk<'_>) {
        if !self.has_room(self.wanted.disks.len()) {
            return;
        }
        match LoopbackDisk::new(disk) {
            Ok(disk) => self.wanted.disks.push(disk),
            Err(error) => self.refuse(error.to_string()),
        }
    }

    /// The whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn finish(self) -> Result<Wanted, String> {
        self.problem.map_or(Ok(self.wanted), Err)
    }

    fn has_room(&mut self, length: usize) -> bool {
        if length >= MOST {
            self.refuse(format!("more than {MOST} items of one kind"));
        }
        length < MOST
    }

    fn refuse(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }
}

fn checked(step: &target::Step<'_>) -> Result<Step, Invalid> {
    match *step {
        target::Step::CreateFile { path, size } => Step::create_file(path, size),
        target::Step::MakeDirectory { path } => Step::make_directory(path),
        target::Step::Write { path, value, secret, undo } => Step::write(path, value, secret, undo),
        target::Step::Link { target, at } => Step::link(target, at),
    }
}

#[cfg(test)]
mod tests {
    use super::{Collector, MOST};
    use lunlab_protocol::target::{Device, LoopbackDisk, Step};

    fn collect(steps: &[Step<'_>]) -> Result<super::Wanted, String> {
        let mut collector = Collector::default();
        steps.iter().for_each(|step| collector.step(step));
        collector.finish()
    }

    #[test]
    fn steps_arrive_as_they_were_sent() {
        let wanted = collect(&[
            Step::CreateFile { path: "/run/d", size: 512 },
            Step::MakeDirectory { path: "target/core/fileio_0" },
            Step::Write { path: "a/password", value: "horse", secret: true, undo: Some("NULL") },
            Step::Link { target: "a/b", at: "c/d" },
        ])
        .unwrap();
        let shown: Vec<String> = wanted.steps.iter().map(ToString::to_string).collect();
        let expected = [
            "create /run/d of 512 bytes",
            "mkdir target/core/fileio_0",
            "write … to a/password",
            "link a/b at c/d",
        ];
        assert_eq!(shown, expected);
        assert!(!format!("{wanted:?}").contains("horse"));
    }

    #[test]
    fn one_item_that_leaves_the_tree_spoils_the_whole() {
        for path in ["../etc", "/etc", "a/../../b", "", "a\nb"] {
            assert!(collect(&[Step::MakeDirectory { path }]).is_err(), "{path:?}");
            assert!(collect(&[Step::Link { target: path, at: "a" }]).is_err(), "{path:?}");
            assert!(collect(&[Step::Link { target: "a", at: path }]).is_err(), "{path:?}");
            let mut collector = Collector::default();
            collector.disk(&LoopbackDisk { tpg: path, lun: 0, serial: "s", name: "n" });
            assert!(collector.finish().is_err(), "{path:?}");
        }
        let write = Step::Write { path: "a", value: "", secret: false, undo: None };
        assert!(collect(&[write, Step::MakeDirectory { path: "a" }]).is_err());
    }

    #[test]
    fn the_guests_memory_is_not_for_the_host_to_fill() {
        let mut collector = Collector::default();
        for _ in 0..=MOST {
            collector.device(&Device {
                name: "d",
                kind: 0,
                over: "",
                size: 0,
                read_only: false,
                parameters: heapless::Vec::new(),
            });
        }
        assert!(collector.finish().is_err());
    }
}
