//! LIO's own counters, before and after each benchmark. Pure.

use crate::target::Provisioning;
use configfs_rs::plan::Step;
use std::collections::BTreeMap;

/// Counters worth a difference; the kernel never resets them (target_core_stat.c, iscsi_target_stat.c).
const COUNTERS: [&str; 30] = [
    "num_cmds",
    "hs_num_cmds",
    "read_mbytes",
    "write_mbytes",
    "resets",
    "full_stat",
    "non_access_lus",
    "aborts_complete",
    "aborts_no_task",
    "in_cmds",
    "hs_in_cmds",
    "busy_count",
    "att_count",
    "cmd_pdus",
    "rsp_pdus",
    "txdata_octs",
    "rxdata_octs",
    "conn_digest_errors",
    "conn_timeout_errors",
    "digest_errors",
    "cxn_errors",
    "format_errors",
    "accepts",
    "other_fails",
    "redirects",
    "authorize_fails",
    "authenticate_fails",
    "negotiate_fails",
    "normal_logouts",
    "abnormal_logouts",
];

/// The groups of configfs that hold counters of what was provisioned.
#[must_use]
pub fn groups(provisioning: &Provisioning) -> Vec<String> {
    let mut groups = Vec::new();
    for step in &provisioning.steps {
        let Step::MakeDirectory { path } = step else { continue };
        let parts: Vec<&str> = path.as_str().split('/').collect();
        match parts.as_slice() {
            ["target", "core", _, _] => groups.push(format!("{path}/statistics")),
            ["target", "iscsi", _] => groups.push(format!("{path}/fabric_statistics")),
            ["target", _, _, _, "lun", _] | ["target", _, _, _, "acls", _, _] => {
                groups.push(format!("{path}/statistics"));
            }
            ["target", _, _, _, "acls", _] => groups.push(format!("{path}/fabric_statistics")),
            _ => {}
        }
    }
    groups
}

/// What the counters were before a benchmark and after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    before: BTreeMap<String, u64>,
    after: BTreeMap<String, u64>,
}

impl Readings {
    /// Takes a reading; what is no counter is left out.
    pub fn take(&mut self, after: bool, path: &str, value: &str) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if let (true, Ok(value)) = (COUNTERS.contains(&name), value.trim().parse()) {
            let into = if after { &mut self.after } else { &mut self.before };
            into.insert(path.to_owned(), value);
        }
    }

    /// By how much each counter that was read twice went up.
    #[must_use]
    pub fn differences(&self) -> BTreeMap<String, u64> {
        let both = self.after.iter().filter_map(|(path, after)| {
            let before = self.before.get(path)?;
            Some((path.clone(), after.wrapping_sub(*before)))
        });
        both.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_read_twice_give_differences_and_nothing_else_does() {
        let mut readings = Readings::default();
        for (after, path, value) in [
            (false, "target/core/fileio_0/d/statistics/scsi_lu/num_cmds", "10"),
            (true, "target/core/fileio_0/d/statistics/scsi_lu/num_cmds", "52\n"),
            (false, "target/core/fileio_0/d/statistics/scsi_lu/inst", "1"),
            (true, "target/core/fileio_0/d/statistics/scsi_lu/inst", "1"),
            (true, "target/iscsi/x/fabric_statistics/iscsi_login_stats/accepts", "1"),
            (false, "a/cmd_pdus", "No active session"),
            (true, "a/cmd_pdus", "5"),
        ] {
            readings.take(after, path, value);
        }
        let path = "target/core/fileio_0/d/statistics/scsi_lu/num_cmds".to_owned();
        assert_eq!(readings.differences(), BTreeMap::from([(path, 42)]));
    }
}
