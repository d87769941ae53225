//! The program that runs one workload: in the guest as the agent's child, with `--local` as the host's.
//!
//! It is a program of its own so that PID 1 stays small, a workload that goes wrong takes nothing
//! along, and the very same code is measured on both sides. `lunlab-workloads NUMBER NAME
//! [KEY=VALUE]…` tells what it measures in events on standard output.

pub mod counters;
mod direct;
pub mod driver;
pub mod gauges;
pub mod reporter;
mod ring;

use driver::Driver;
use lunlab_bench::workload::{Run, Stopped, Values};
use lunlab_bench::{WORKLOADS, compiled};
use reporter::Reporter;

/// Runs the workload of that name.
///
/// # Errors
/// Why it came to no end.
pub fn run(name: &str, values: &Values, reporter: &mut Reporter<'_>) -> Result<(), Stopped> {
    let unknown = || Stopped::Failed(format!("there is no workload {name} in this program"));
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).ok_or_else(unknown)?;
    workload.check(values)?;
    let run = match workload.run {
        Run::Here(run) => run,
        Run::Driver | Run::Across => driver::find(name).ok_or_else(unknown)?,
        Run::Host => return Err(unknown()),
    };
    measure(run, values, reporter)
}

/// Runs a workload, with how it was compiled and the machine's gauges on both sides of it.
///
/// # Errors
/// Why it came to no end.
pub fn measure(run: Driver, values: &Values, reporter: &mut Reporter<'_>) -> Result<(), Stopped> {
    reporter.finding("compiled", &compiled::words(env!("LUNLAB_OPT_LEVEL")));
    reporter.gauges(false);
    let outcome = run(values, reporter);
    reporter.gauges(true);
    outcome
}

#[cfg(test)]
mod tests {
    use super::counters::Counters;
    use super::driver;
    use super::reporter::Reporter;
    use lunlab_bench::WORKLOADS;
    use lunlab_bench::workload::{Run, Stopped, Values};
    use lunlab_protocol::event::Event;
    use std::collections::BTreeMap;

    #[test]
    fn every_workload_that_needs_a_driver_has_one_and_no_driver_is_idle() {
        let is_driven = |run| matches!(run, Run::Driver | Run::Across);
        let declared = WORKLOADS.iter().filter(|workload| is_driven(workload.run));
        let mut declared: Vec<&str> = declared.map(|workload| workload.name).collect();
        let mut driven: Vec<&str> = driver::DRIVERS.iter().map(|(name, _)| *name).collect();
        declared.sort_unstable();
        driven.sort_unstable();
        assert_eq!(declared, driven);
    }

    /// Parameters and their values.
    type Given<'a> = &'a [(&'a str, &'a str)];

    /// Runs a workload; gives the page faults of its regions, nothing where it cannot run here.
    fn faults(name: &str, given: Given<'_>) -> Option<BTreeMap<String, u64>> {
        let quick = [("warm_up", "0"), ("sample_time", "200"), ("samples_min", "2")];
        let quick = quick.into_iter().chain([("samples_max", "2"), ("budget", "0")]);
        let workload = WORKLOADS.iter().find(|workload| workload.name == name).unwrap();
        let given = given.iter().copied().chain(quick).chain([("count", "true")]);
        let values = given.chain(workload.defaults());
        let values: Values = values.map(|(key, value)| (key.into(), value.into())).collect();
        let mut faults = BTreeMap::new();
        let mut send = |event: &Event<'_>| {
            if let Event::Counter { region, counter, value, problem, .. } = event
                && counter.starts_with("page-faults")
            {
                assert_eq!(*problem, "", "{region}");
                assert_eq!(faults.insert((*region).to_owned(), *value), None, "{region}");
            }
        };
        let counters = Some(Counters::open());
        match super::run(name, &values, &mut Reporter::new(0, counters, &mut send)) {
            Ok(()) => Some(faults),
            Err(Stopped::Skipped(why)) => {
                // The guest's tests have all of it; here only whoever may not is let off.
                assert!(!rustix::process::geteuid().is_root() && why.contains("EPERM"), "{why}");
                None
            }
            Err(Stopped::Failed(why)) => panic!("{name}: {why}"),
        }
    }

    #[test]
    fn every_driver_that_takes_samples_counts_its_regions() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 1 << 20]).unwrap();
        let path = ("path", file.path().to_str().unwrap());
        let block_size = ("block_size", "4096");
        let trials: [(&str, Given<'_>, &[&str]); 3] = [
            ("storage", &[path, block_size], &["requests"]),
            ("fio", &[path, block_size, ("ioengine", "psync")], &["fio"]),
            (
                "relay",
                &[
                    ("peers", "2"),
                    ("mode", "serial,iblt"),
                    ("block_size", "65536"),
                    ("rate", "100000000"),
                ],
                &["iblt", "serial"],
            ),
        ];
        for (name, given, regions) in trials {
            let Some(faults) = faults(name, given) else { continue };
            assert!(faults.keys().eq(regions), "{name}: {faults:?}");
            // A program has its pages to get first; what only reads the same buffers again has none.
            assert!(name != "fio" || faults["fio"] > 100, "{faults:?}");
        }
        // For a share there is a server in the tests of guests, which look at what was counted too.
        let drivers = WORKLOADS.iter().filter(|each| matches!(each.run, Run::Driver));
        let drivers = drivers.filter(|each| each.name != lunlab_bench::smb::WORKLOAD.name);
        let counting = drivers.filter(|each| each.all_parameters().any(|one| one.name == "count"));
        assert_eq!(counting.count(), trials.len(), "a driver without a trial");
    }
}
