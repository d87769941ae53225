//! Workloads that open devices, sockets and namespaces.

mod channel;
mod digest;
mod fio;
mod pattern;
mod relay;
mod smb;
mod storage;

use lunlab_bench::workload::{Observer, Stopped, Values};

/// Runs one.
pub type Driver = fn(&Values, &mut dyn Observer) -> Result<(), Stopped>;

/// Every driver by its workload's name.
pub const DRIVERS: &[(&str, Driver)] = &[
    ("channel", channel::run),
    ("digest", digest::run),
    ("fio", fio::run),
    ("pattern", pattern::run),
    ("relay", relay::run),
    ("smb", smb::run),
    ("storage", storage::run),
];

/// The driver of that name.
#[must_use]
pub fn find(name: &str) -> Option<Driver> {
    DRIVERS.iter().find(|(known, _)| *known == name).map(|(_, driver)| *driver)
}

#[cfg(test)]
mod tests {
    use lunlab_bench::workload::{Stopped, Told};

    /// Runs a driver and gives its findings by name; samples are another matter.
    pub(super) fn findings(
        name: &str,
        values: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, Stopped> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut findings = Vec::new();
        super::find(name).unwrap()(&values.iter().map(own).collect(), &mut |told: Told<'_>| {
            if let Told::Finding { name, text } = told {
                findings.push((name.to_owned(), text.to_owned()));
            }
        })?;
        Ok(findings)
    }
}
