//! Why a device is not there.

use configfs_rs::Invalid;
use configfs_rs::tree;
use rustix::io::Errno;

/// Something that failed on the way to a device.
///
/// Prints as `write 1 to /sys/kernel/config/nullb/lunlab0/power: EINVAL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceError {
    /// What was attempted.
    pub operation: &'static str,
    /// On what: a path, or what was looked for.
    pub path: String,
    /// What was written; empty where nothing was.
    pub value: String,
    /// The kernel's error number; 0 where it gave none.
    pub errno: i32,
    /// The number's name, or what was found instead.
    pub cause: String,
    hint: Option<String>,
}

impl DeviceError {
    /// A system call that failed.
    pub(crate) fn call(operation: &'static str, path: &str, errno: Errno) -> Box<Self> {
        let cause = configfs_rs::Errno::from(errno).to_string();
        let mut error = Self::because(operation, path, cause);
        error.errno = errno.raw_os_error();
        error
    }

    /// Something that was found other than it has to be.
    pub(crate) fn because(
        operation: &'static str,
        path: &str,
        cause: impl Into<String>,
    ) -> Box<Self> {
        let (path, cause) = (path.to_owned(), cause.into());
        Box::new(Self { operation, path, value: String::new(), errno: 0, cause, hint: None })
    }

    pub(crate) fn with_value(mut self: Box<Self>, value: &str) -> Box<Self> {
        self.value = value.to_owned();
        self
    }

    pub(crate) fn with_hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    /// A way out, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl std::fmt::Display for DeviceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "{} {}: {}", self.operation, self.path, self.cause),
            value => write!(f, "{} {value} to {}: {}", self.operation, self.path, self.cause),
        }
    }
}

impl std::error::Error for DeviceError {}

impl From<tree::Error> for Box<DeviceError> {
    fn from(error: tree::Error) -> Self {
        Self::new(DeviceError {
            operation: error.operation.name(),
            path: error.path.display().to_string(),
            errno: error.errno().map_or(0, configfs_rs::Errno::number),
            cause: error.cause.to_string(),
            value: error.value.unwrap_or_default(),
            hint: None,
        })
    }
}

impl From<Invalid> for Box<DeviceError> {
    fn from(invalid: Invalid) -> Self {
        DeviceError::because("take", "a setting", invalid.to_string())
    }
}
