//! What went over the network interface.

use lunlab_bench::workload::Stopped;
use std::path::{Path, PathBuf};

const NET: &str = "/sys/class/net";

/// The interface's own counters.
pub(super) struct Wire(PathBuf);

impl Wire {
    /// The interface with hardware behind it.
    pub(super) fn find() -> Result<Self, Stopped> {
        Self::find_in(Path::new(NET))
    }

    fn find_in(net: &Path) -> Result<Self, Stopped> {
        let interfaces = std::fs::read_dir(net).into_iter().flatten().flatten();
        let mut interfaces = interfaces.map(|entry| entry.path());
        let found = interfaces.find(|path| path.join("device").exists());
        found.map(|path| Self(path.join("statistics"))).ok_or_else(|| {
            Stopped::Failed(format!("no interface in {} has hardware", net.display()))
        })
    }

    /// Bytes received so far.
    pub(super) fn received(&self) -> Result<u64, Stopped> {
        self.counter("rx_bytes")
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> Result<u64, Stopped> {
        self.counter("tx_bytes")
    }

    fn counter(&self, name: &str) -> Result<u64, Stopped> {
        let path = self.0.join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let none = || Stopped::Failed(format!("{}: no number", path.display()));
        text.trim().parse().map_err(|_| none())
    }
}

#[cfg(test)]
mod tests {
    use super::Wire;

    #[test]
    fn the_counters_are_those_of_the_interface_with_hardware() {
        let net = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = net.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        file("lo/statistics/rx_bytes", "5\n");
        assert!(Wire::find_in(net.path()).is_err());
        file("eth0/device/vendor", "");
        file("eth0/statistics/rx_bytes", "17\n");
        let wire = Wire::find_in(net.path()).unwrap();
        assert_eq!(wire.received(), Ok(17));
        assert!(wire.sent().is_err());
    }
}
