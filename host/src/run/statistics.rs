//! LIO's own counters, before and after each benchmark, and what its session negotiated. Pure.

use crate::target::Provisioning;
use configfs_rs::plan::Step;
use std::collections::BTreeMap;

/// Counters worth a difference; the kernel never resets them (target_core_stat.c, iscsi_target_stat.c).
const COUNTERS: [&str; 32] = [
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
    "fail_sess",
    "login_fails",
    "accepts",
    "other_fails",
    "redirects",
    "authorize_fails",
    "authenticate_fails",
    "negotiate_fails",
    "normal_logouts",
    "abnormal_logouts",
];

/// What is counted of a thread, from its beginning.
const CPU_MS: &str = "/cpu_ms";

/// What a known initiator has while it is logged in, counted from its login.
const SESSION: &str = "/iscsi_sess_stats/";

/// Where the agent finds the processor time of the kernel threads that carry iSCSI's connections.
const THREADS: &str = "/proc";

/// A tick of `/proc/<pid>/stat`, whose hertz (`USER_HZ`) is part of x86's ABI.
const TICK_MS: u64 = 10;

/// The groups of configfs that hold counters of what was provisioned, or what is negotiated, and
/// where iSCSI's threads are if there is an iSCSI target.
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
            ["target", _, _, _, "acls", _] => {
                groups
                    .extend(["fabric_statistics", "param"].map(|group| format!("{path}/{group}")));
            }
            _ => {}
        }
    }
    if groups.iter().any(|group| group.starts_with("target/iscsi/")) {
        groups.push(THREADS.to_owned());
    }
    groups
}

/// What the counters were before a benchmark and after it; none for one that was there and had no
/// session to count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    before: BTreeMap<String, Option<u64>>,
    after: BTreeMap<String, Option<u64>>,
    negotiated: BTreeMap<String, String>,
}

impl Readings {
    /// Takes a reading; what is neither counted nor negotiated is left out.
    pub fn take(&mut self, after: bool, path: &str, value: &str) {
        let value = value.trim();
        if path.starts_with(THREADS) {
            if let Some((thread, ms)) = processor_time(value) {
                let into = if after { &mut self.after } else { &mut self.before };
                into.insert(thread, Some(ms));
            }
            return;
        }
        let mut groups = path.rsplit('/');
        let name = groups.next().unwrap_or_default();
        if groups.next() == Some("param") {
            // Without a session the kernel says so in a sentence.
            if after && !value.contains(' ') {
                self.negotiated.insert(path.to_owned(), value.to_owned());
            }
            return;
        }
        let counted = value.parse().ok();
        if COUNTERS.contains(&name) && (counted.is_some() || value.is_empty()) {
            let into = if after { &mut self.after } else { &mut self.before };
            into.insert(path.to_owned(), counted);
        }
    }

    /// By how much each counter that was read twice went up. One that the kernel does not have is
    /// not among them, nor one of a session that is gone; one of a session that began meanwhile
    /// began with it at 0.
    #[must_use]
    pub fn differences(&self) -> BTreeMap<String, u64> {
        let both = self.after.iter().filter_map(|(path, after)| {
            let after = (*after)?;
            let began = path.ends_with(CPU_MS);
            let before = self.before.get(path).copied().or(began.then_some(None))?;
            let went_up = match before {
                None => Some(after),
                Some(before) if path.contains(SESSION) => after.checked_sub(before).or(Some(after)),
                Some(before) => after.checked_sub(before),
            };
            Some((path.clone(), went_up?))
        });
        both.collect()
    }

    /// What the sessions of known initiators had agreed on when the benchmark was over.
    #[must_use]
    pub fn negotiated(&self) -> BTreeMap<String, String> {
        self.negotiated.clone()
    }
}

/// A thread by its name and number, and the milliseconds it ran (proc_pid_stat(5), fields 2, 14 and 15).
fn processor_time(stat: &str) -> Option<(String, u64)> {
    let (number, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map_while(|ticks| ticks.parse::<u64>().ok());
    let ticks = times.next()?.checked_add(times.next()?)?;
    Some((format!("threads/{name}-{number}{CPU_MS}"), ticks.checked_mul(TICK_MS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_read_twice_give_differences_and_nothing_else_does() {
        let mut readings = Readings::default();
        let session = "acls/a/fabric_statistics/iscsi_sess_stats";
        let [new, other, gone] =
            ["new", "other", "gone"].map(|one| format!("{one}/{session}/cmd_pdus"));
        for (after, path, value) in [
            (false, "target/core/fileio_0/d/statistics/scsi_lu/num_cmds", "10"),
            (true, "target/core/fileio_0/d/statistics/scsi_lu/num_cmds", "52\n"),
            (false, "target/core/fileio_0/d/statistics/scsi_lu/inst", "1"),
            (true, "target/core/fileio_0/d/statistics/scsi_lu/inst", "1"),
            (true, "target/iscsi/x/fabric_statistics/iscsi_login_stats/accepts", "1"),
            (false, "a/cmd_pdus", "No active session"),
            (true, "a/cmd_pdus", "5"),
            // Sessions begin at 0.
            (false, &new, ""),
            (true, &new, "5"),
            (false, &other, "50"),
            (true, &other, "7"),
            (false, &gone, "5"),
            (true, &gone, ""),
            (false, "a/resets", "9"),
            (true, "a/resets", "3"),
            (false, "a/param/MaxBurstLength", "1"),
            (true, "a/param/MaxBurstLength", "262144\n"),
            (true, "b/param/MaxBurstLength", "No Active iSCSI Session\n"),
        ] {
            readings.take(after, path, value);
        }
        let path = "target/core/fileio_0/d/statistics/scsi_lu/num_cmds".to_owned();
        assert_eq!(readings.differences(), BTreeMap::from([(path, 42), (new, 5), (other, 7)]));
        let burst = ("a/param/MaxBurstLength".to_owned(), "262144".to_owned());
        assert_eq!(readings.negotiated(), BTreeMap::from([burst]));
    }

    #[test]
    fn a_threads_time_counts_from_its_beginning() {
        let stat = |number: u64, user: u64, system: u64| {
            format!(
                "{number} (iscsi_trx) S 2 0 0 0 -1 2129984 0 0 0 0 {user} {system} 0 0 20 0 1\n"
            )
        };
        let mut readings = Readings::default();
        readings.take(false, "/proc/60/stat", &stat(60, 1, 20));
        readings.take(true, "/proc/60/stat", &stat(60, 2, 50));
        readings.take(true, "/proc/61/stat", &stat(61, 0, 7));
        for odd in ["", "60 (x", "60 (x) S", "60 (x) S 2 0 0 0 -1 2129984 0 0 0 0 a b"] {
            readings.take(true, "/proc/62/stat", odd);
        }
        let expected = [(60, 310), (61, 70)];
        let expected = expected.map(|(n, ms)| (format!("threads/iscsi_trx-{n}/cpu_ms"), ms));
        assert_eq!(readings.differences(), BTreeMap::from(expected));
    }
}
