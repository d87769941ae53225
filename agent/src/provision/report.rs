//! How provisioning went, as events.

use super::{TEXT, tree};
use crate::channel::Link;
use crate::device::DeviceError;
use configfs_rs::apply::Failure;
use configfs_rs::kernel_log::KernelLog;
use configfs_rs::plan::Step;
use configfs_rs::read_back::read_back;
use lunlab_protocol::event::{Event, StepFailed};
use lunlab_protocol::message::cut;

/// A step that failed, whatever kind of step it was.
#[derive(Debug, Default)]
pub(super) struct Refused {
    step: usize,
    steps: usize,
    operation: &'static str,
    path: String,
    value: String,
    errno: i32,
    /// The cause in words.
    pub(super) cause: String,
    hint: String,
    kernel_lines: Vec<String>,
    /// Whether all that was done before was undone.
    pub(super) undone: bool,
}

/// What is being done, of all that makes the target: devices, steps in configfs, disks; as `lunlab check --plan` lists them.
pub(super) struct Progress {
    done: usize,
    total: usize,
    kernel_log: KernelLog,
}

impl Progress {
    pub(super) fn of(total: usize) -> Self {
        Self { done: 0, total, kernel_log: KernelLog::open() }
    }

    /// Does the next thing; its failure has its place and what the kernel said meanwhile.
    pub(super) fn next<T>(
        &mut self,
        act: impl FnOnce() -> Result<T, Box<DeviceError>>,
    ) -> Result<T, Box<Refused>> {
        self.kernel_log.mark();
        let done = act().map_err(|error| {
            let kernel_lines = self.kernel_log.lines();
            self.place(0, Box::new(Refused { kernel_lines, ..*Box::<Refused>::from(error) }))
        })?;
        self.done += 1;
        Ok(done)
    }

    /// Says of what failed that it is the one `ahead` of those that are next.
    pub(super) fn place(&self, ahead: usize, mut refused: Box<Refused>) -> Box<Refused> {
        (refused.step, refused.steps) = (self.done + ahead + 1, self.total);
        refused
    }

    /// Does what `configfs-rs` counts itself, which are `count` of all.
    pub(super) fn many<T>(
        &mut self,
        count: usize,
        act: impl FnOnce(&mut KernelLog) -> Result<T, Box<Failure>>,
    ) -> Result<T, Box<Refused>> {
        let done = act(&mut self.kernel_log)
            .map_err(|failure| self.place(failure.index, failure.into()))?;
        self.done += count;
        Ok(done)
    }
}

impl Refused {
    pub(super) fn because(operation: &'static str, path: &str, cause: &str) -> Box<Self> {
        let (path, cause) = (path.to_owned(), cause.to_owned());
        Box::new(Self { operation, path, cause, undone: true, ..Self::default() })
    }

    pub(super) fn tell(&self, link: &Link) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let step = StepFailed {
            step: count(self.step),
            steps: count(self.steps),
            operation: self.operation,
            path: cut(&self.path, TEXT),
            value: cut(&self.value, TEXT),
            errno: self.errno,
            cause: cut(&self.cause, TEXT),
            hint: cut(&self.hint, TEXT / 4),
        };
        let mut events = vec![Event::StepFailed(step)];
        let lines = self.kernel_lines.iter();
        events.extend(lines.map(|line| Event::StepKernelLine { text: cut(line, TEXT) }));
        link.tell_each(&events);
    }
}

impl From<Box<Failure>> for Box<Refused> {
    fn from(failure: Box<Failure>) -> Self {
        let error = &failure.error;
        let cause = match failure.hidden_cause {
            Some(errno) => errno.to_string(),
            None if error.errno().is_none() => error.cause.to_string(),
            None => String::new(),
        };
        Box::new(Refused {
            step: failure.index + 1,
            steps: failure.total,
            operation: error.operation.name(),
            path: error.path.display().to_string(),
            value: error.value.clone().unwrap_or_default(),
            errno: error.errno().map_or(0, configfs_rs::Errno::number),
            cause,
            hint: failure.hint().unwrap_or_default().to_owned(),
            kernel_lines: failure.kernel_lines.clone(),
            undone: failure.undone.failures.is_empty(),
        })
    }
}

impl From<Box<DeviceError>> for Box<Refused> {
    fn from(error: Box<DeviceError>) -> Self {
        Box::new(Refused {
            hint: error.hint().unwrap_or_default(),
            operation: error.operation,
            path: error.path,
            value: error.value,
            errno: error.errno,
            cause: if error.errno == 0 { error.cause } else { String::new() },
            undone: true,
            ..Refused::default()
        })
    }
}

/// Tells what the kernel made of what was written.
pub(super) fn tell_read_back(steps: &[Step], link: &Link) {
    let Ok(tree) = tree() else { return };
    let readings: Vec<(String, String)> = read_back(&tree, steps)
        .into_iter()
        .map(|reading| {
            let is_secret = reading.written.as_ref().is_some_and(configfs_rs::Value::is_secret);
            let value = match reading.found {
                Ok(_) if is_secret && reading.agrees == Some(false) => "another secret".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::{Progress, Refused};
    use crate::device::DeviceError;
    use configfs_rs::kernel_log::KernelLog;
    use rustix::io::Errno;

    #[test]
    fn a_device_that_failed_is_told_by_its_number_or_else_by_its_cause() {
        let call = DeviceError::call("open", "/dev/loop-control", Errno::ACCESS);
        let found = DeviceError::because("find", "disk scratch0", "no disk has this serial");
        for (error, errno, cause, hint) in [
            (call.with_hint("is loop loaded?"), 13, "", "is loop loaded?"),
            (found, 0, "no disk has this serial", ""),
        ] {
            let (operation, path) = (error.operation, error.path.clone());
            let refused: Box<Refused> = error.into();
            assert_eq!((refused.operation, &refused.path), (operation, &path));
            assert_eq!((refused.errno, refused.cause.as_str()), (errno, cause));
            assert_eq!(refused.hint, hint);
            assert!(refused.undone);
        }
    }

    #[test]
    fn what_failed_has_its_place_among_devices_steps_and_disks() {
        let mut progress = Progress::of(5);
        let file = tempfile::NamedTempFile::new().unwrap();
        progress.kernel_log = KernelLog::open_at(file.path());
        let fails = || {
            std::fs::write(file.path(), "3,1,5,-;device-mapper: table: no\n").unwrap();
            Err::<(), _>(DeviceError::call("open", "/x", Errno::ACCESS))
        };
        progress.next(|| Ok(())).unwrap();
        let refused = progress.next(fails).unwrap_err();
        assert_eq!((refused.step, refused.steps), (2, 5));
        assert_eq!(refused.kernel_lines, ["device-mapper: table: no"]);
        progress.many(3, |_| Ok(())).unwrap();
        let refused = progress.next(fails).unwrap_err();
        assert_eq!((refused.step, refused.steps, refused.errno), (5, 5, 13));
        assert_eq!(Progress::of(7).place(2, refused).step, 3);
    }
}
