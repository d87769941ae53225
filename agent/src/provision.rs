//! The target: description in, plan applied by `configfs-rs`, events out.

use crate::boot::uptime_us;
use crate::channel::Link;
use crate::mounts::{CONFIGFS, STORAGE, mount_one};
use configfs_rs::apply::{Failure, apply, apply_teardown};
use configfs_rs::kernel_log::KernelLog;
use configfs_rs::lio::{
    self, AttributeName, Backstore, Configuration, FileSize, Fileio, IscsiName, Lun, Portal,
    Ramdisk, StorageObject, StorageObjectName, Target, Tpg, TpgLun, TpgTag, UnitSerial,
};
use configfs_rs::read_back::read_back;
use configfs_rs::tree::Tree;
use configfs_rs::{Invalid, Value};
use lunlab_protocol::event::{Event, Phase, StepFailed};
use lunlab_protocol::message::cut;
use lunlab_protocol::target::{self, Description};
use std::sync::{Arc, Mutex, PoisonError};

/// What a session may ask for in one PDU. LIO's own default of 8 KiB makes large reads slow.
const MAX_RECV_DATA_SEGMENT_LENGTH: u32 = 262_144;

/// The most text of an event's field; several fit a frame.
pub(crate) const TEXT: usize = 4000;

/// A whole description, or why it is none.
pub type Described = Result<Configuration, String>;

/// Collects a description item by item.
#[derive(Default)]
pub struct Describer {
    storage_objects: Vec<StorageObject>,
    targets: Vec<Target>,
    problem: Option<String>,
}

impl Describer {
    /// Takes the next item. The first one that is wrong spoils the whole.
    pub fn add(&mut self, item: &Description<'_>) {
        if let Err(problem) = self.try_add(item) {
            self.problem.get_or_insert(problem);
        }
    }

    /// The whole, checked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn finish(self) -> Described {
        match self.problem {
            Some(problem) => Err(problem),
            None => Configuration::new(self.storage_objects, self.targets).map_err(|faults| {
                faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }),
        }
    }

    fn try_add(&mut self, item: &Description<'_>) -> Result<(), String> {
        let text = |invalid: Invalid| invalid.to_string();
        match item {
            Description::StorageObject(object) => {
                self.storage_objects.push(storage_object(object)?);
            }
            Description::Target { wwn } => {
                let wwn = IscsiName::new(wwn).map_err(text)?;
                self.targets.push(Target { wwn, tpgs: Vec::new() });
            }
            Description::Tpg { tag } => {
                let target = self.targets.last_mut().ok_or("a TPG before any target")?;
                let mut tpg = Tpg::open(TpgTag::new(*tag).map_err(text)?);
                let name = AttributeName::new("MaxRecvDataSegmentLength").map_err(text)?;
                let value = Value::new(MAX_RECV_DATA_SEGMENT_LENGTH.to_string()).map_err(text)?;
                tpg.parameters.set(name, value);
                target.tpgs.push(tpg);
            }
            Description::Portal { address, port } => {
                let parsed = address.parse().map_err(|_| format!("no address: {address}"))?;
                let portal = Portal::new(parsed, *port).map_err(text)?;
                self.last_tpg()?.portals.push(portal);
            }
            Description::Lun { lun, storage_object } => {
                let number = u8::try_from(*lun).map_err(|_| format!("LUN {lun} is above 255"))?;
                let storage_object = StorageObjectName::new(storage_object).map_err(text)?;
                self.last_tpg()?.luns.push(TpgLun { lun: Lun(number), storage_object });
            }
        }
        Ok(())
    }

    fn last_tpg(&mut self) -> Result<&mut Tpg, String> {
        let tpgs = self.targets.last_mut().map(|target| &mut target.tpgs);
        tpgs.and_then(|tpgs| tpgs.last_mut()).ok_or_else(|| "a LUN or portal before any TPG".into())
    }
}

fn storage_object(object: &target::StorageObject<'_>) -> Result<StorageObject, String> {
    let text = |invalid: Invalid| invalid.to_string();
    let name = StorageObjectName::new(object.name).map_err(text)?;
    let backstore = match target::Backstore::from_code(object.backstore) {
        Some(target::Backstore::Ramdisk) => {
            Backstore::Ramdisk(Ramdisk::new(object.size).map_err(text)?)
        }
        Some(target::Backstore::Fileio) => Backstore::Fileio(Fileio {
            path: lio::BackingPath::new(&format!("{STORAGE}/{name}")).map_err(text)?,
            size: FileSize::new(object.size).map_err(text)?,
            // The file is in memory: there is nothing that O_DSYNC could make more durable.
            buffered: true,
        }),
        None => return Err(format!("unknown backstore code {}", object.backstore)),
    };
    let serial = UnitSerial::new(object.serial).map_err(text)?;
    Ok(StorageObject { name, backstore, serial, attributes: lio::Attributes::new() })
}

/// What stands and must be taken down.
#[derive(Default)]
pub struct Provisioned {
    configuration: Option<Configuration>,
}

fn tree() -> Result<Tree, String> {
    Tree::new(CONFIGFS.at).map_err(|invalid| invalid.to_string())
}

/// Mounts configfs, applies the plan, tells the host how it went and what configfs has.
///
/// The state stays locked meanwhile: a teardown waits for it.
pub fn provision(described: Described, provisioned: &Arc<Mutex<Provisioned>>, link: &Link) {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let configuration = match described {
        Ok(configuration) => configuration,
        Err(problem) => return refuse("describe", "the target", &problem, link),
    };
    let steps = lio::plan(&configuration);
    if !steps.is_empty()
        && let Err(error) = mount_one(&CONFIGFS)
    {
        return refuse("mount", CONFIGFS.at, &error.to_string(), link);
    }
    let tree = match tree() {
        Ok(tree) => tree,
        Err(problem) => return refuse("open", CONFIGFS.at, &problem, link),
    };
    match apply(&tree, &steps, &mut KernelLog::open(), &mut |_| ()) {
        Ok(()) => {
            state.configuration = Some(configuration);
            let steps_done = u32::try_from(steps.len()).unwrap_or(u32::MAX);
            link.tell_each(&[
                Event::Phase { phase: Phase::TargetReady.code(), uptime_us: uptime_us() },
                Event::TargetReady { steps: steps_done },
            ]);
            tell_read_back(&tree, &steps, link);
        }
        Err(failure) => tell_failure(&failure, link),
    }
}

/// Takes down what stands. Gives what could not be removed, empty when all is gone.
#[must_use]
pub fn tear_down(provisioned: &Mutex<Provisioned>) -> String {
    let mut state = provisioned.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(configuration) = state.configuration.take() else { return String::new() };
    match tree() {
        Ok(tree) => {
            let undone = apply_teardown(&tree, &lio::teardown(&configuration), &mut |_| ());
            let failures: Vec<String> = undone.failures.iter().map(ToString::to_string).collect();
            cut(&failures.join("; "), TEXT).to_owned()
        }
        Err(problem) => problem,
    }
}

fn tell_read_back(tree: &Tree, steps: &[configfs_rs::plan::Step], link: &Link) {
    let readings: Vec<(String, String)> = read_back(tree, steps)
        .into_iter()
        .map(|reading| {
            let value = match reading.found {
                Ok(value) => value,
                Err(error) => error.to_string(),
            };
            (reading.path.to_string(), value)
        })
        .collect();
    let events: Vec<Event<'_>> = readings
        .iter()
        .map(|(path, value)| Event::Attribute { path: cut(path, TEXT), value: cut(value, TEXT) })
        .collect();
    link.tell_each(&events);
}

fn refuse(operation: &str, path: &str, cause: &str, link: &Link) {
    let step = StepFailed {
        step: 0,
        steps: 0,
        operation,
        path,
        value: "",
        errno: 0,
        cause: cut(cause, TEXT),
    };
    link.tell_each(&[Event::StepFailed(step), Event::ProvisionFailed { undone: true }]);
}

fn tell_failure(failure: &Failure, link: &Link) {
    let error = &failure.error;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let cause = match failure.hidden_cause {
        Some(errno) => errno.to_string(),
        None if error.errno().is_none() => error.cause.to_string(),
        None => String::new(),
    };
    let path = error.path.display().to_string();
    let step = StepFailed {
        step: count(failure.index + 1),
        steps: count(failure.total),
        operation: error.operation.name(),
        path: cut(&path, TEXT),
        value: cut(error.value.as_deref().unwrap_or(""), TEXT),
        errno: error.errno().map_or(0, configfs_rs::Errno::number),
        cause: &cause,
    };
    let mut events = vec![Event::StepFailed(step)];
    events.extend(
        failure.kernel_lines.iter().map(|line| Event::StepKernelLine { text: cut(line, TEXT) }),
    );
    events.push(Event::ProvisionFailed { undone: failure.undone.failures.is_empty() });
    link.tell_each(&events);
}

#[cfg(test)]
mod tests {
    use super::Describer;
    use configfs_rs::lio;
    use lunlab_protocol::target::{Backstore, Description, StorageObject};

    fn object(name: &'static str) -> Description<'static> {
        Description::StorageObject(StorageObject {
            name,
            backstore: Backstore::Fileio.code(),
            size: 64 << 20,
            serial: "3a5f8c1e-7b0d-4f52-9c46-0d8e2b91a7f3",
        })
    }

    fn describe(items: &[Description<'_>]) -> super::Described {
        let mut describer = Describer::default();
        items.iter().for_each(|item| describer.add(item));
        describer.finish()
    }

    const TARGET: Description<'_> = Description::Target { wwn: "iqn.2015-04.org.example:a" };
    const TPG: Description<'_> = Description::Tpg { tag: 1 };

    #[test]
    fn items_belong_to_what_came_before_them() {
        let configuration = describe(&[
            object("disk0"),
            TARGET,
            TPG,
            Description::Lun { lun: 7, storage_object: "disk0" },
            Description::Portal { address: "127.0.0.1", port: 3260 },
        ])
        .unwrap();
        let plan: Vec<String> = lio::plan(&configuration).iter().map(ToString::to_string).collect();
        let place = |what: &str| plan.iter().position(|step| step.contains(what)).unwrap();
        assert!(place("/run/lunlab/disk0") < place("lun_7"));
        assert!(place("lun_7") < place("tpgt_1/enable"));
        assert!(plan.iter().any(|step| step.contains("write 262144")));
    }

    #[test]
    fn an_item_out_of_place_or_malformed_spoils_the_whole() {
        let lun = Description::Lun { lun: 0, storage_object: "disk0" };
        assert!(describe(&[object("disk0"), TARGET, lun]).is_err());
        assert!(describe(&[TPG]).is_err());
        assert!(describe(&[object("../../etc/passwd")]).is_err());
        assert!(describe(&[TARGET, TPG, lun]).is_err());
        let portal = Description::Portal { address: "localhost", port: 1 };
        assert!(describe(&[TARGET, TPG, portal]).is_err());
    }

    #[test]
    fn an_empty_description_is_an_empty_plan() {
        assert!(lio::plan(&describe(&[]).unwrap()).is_empty());
    }
}
