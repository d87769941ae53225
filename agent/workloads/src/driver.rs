//! Workloads that open devices, sockets and namespaces.

use lunlab_bench::workload::{Observer, Stopped, Values};

/// Runs one.
pub type Driver = fn(&Values, &mut dyn Observer) -> Result<(), Stopped>;

/// Every driver by its workload's name.
pub const DRIVERS: &[(&str, Driver)] = &[];

/// The driver of that name.
#[must_use]
pub fn find(name: &str) -> Option<Driver> {
    DRIVERS.iter().find(|(known, _)| *known == name).map(|(_, driver)| *driver)
}
