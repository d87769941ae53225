//! How provisioning went, as events.

use super::{TEXT, tree};
use crate::channel::Link;
use crate::device::DeviceError;
use configfs_rs::apply::Failure;
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
    use super::Refused;
    use crate::device::DeviceError;
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
            // No step of the target's was begun.
            assert_eq!((refused.step, refused.steps, refused.undone), (0, 0, true));
        }
    }
}
