//! Loads modules by finit_module(2), in the order the host gave.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::ffi::CString;
use std::time::{Duration, Instant};

/// A module that could not be loaded.
#[derive(Debug)]
pub struct ModuleError {
    /// `open` or `finit_module`.
    pub operation: &'static str,
    /// The module's path.
    pub path: String,
    /// Why.
    pub errno: Errno,
}

impl std::fmt::Display for ModuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let errno = configfs_rs::Errno::from(self.errno);
        write!(f, "{} {}: {errno}", self.operation, self.path)
    }
}

impl std::error::Error for ModuleError {}

/// Loads one module with its parameters (`nr_devices=0 queue_mode=2`) and says how long that took. One
/// that is there already will do.
///
/// # Errors
/// When it cannot be opened, or the kernel refuses it or its parameters.
pub fn load(path: &str, parameters: &str) -> Result<Duration, ModuleError> {
    let error = |operation, errno| ModuleError { operation, path: path.to_owned(), errno };
    let parameters = CString::new(parameters).map_err(|_| error("finit_module", Errno::INVAL))?;
    let begin = Instant::now();
    let fd = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| error("open", errno))?;
    match rustix::system::finit_module(&fd, &parameters, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(begin.elapsed()),
        Err(errno) => Err(error("finit_module", errno)),
    }
}
