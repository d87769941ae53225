//! The program that runs one workload: in the guest as the agent's child, with `--local` as the host's.
//!
//! It is a program of its own so that PID 1 stays small, a workload that goes wrong takes nothing
//! along, and the very same code is measured on both sides. `lunlab-workloads NUMBER NAME
//! [KEY=VALUE]…` tells what it measures in events on standard output.

pub mod compiled;
pub mod counters;
mod direct;
pub mod driver;
pub mod gauges;
pub mod reporter;
mod ring;

use driver::Driver;
use lunlab_bench::WORKLOADS;
use lunlab_bench::workload::{Run, Stopped, Values};
use reporter::Reporter;

/// Runs the workload of that name.
///
/// # Errors
/// Why it came to no end.
pub fn run(name: &str, values: &Values, reporter: &mut Reporter<'_>) -> Result<(), Stopped> {
    let unknown = || Stopped::Failed(format!("there is no workload {name} in this program"));
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).ok_or_else(unknown)?;
    let run = match workload.run {
        Run::Here(run) => run,
        Run::Driver => driver::find(name).ok_or_else(unknown)?,
    };
    measure(run, values, reporter)
}

/// Runs a workload, with how it was compiled and the machine's gauges on both sides of it.
///
/// # Errors
/// Why it came to no end.
pub fn measure(run: Driver, values: &Values, reporter: &mut Reporter<'_>) -> Result<(), Stopped> {
    reporter.finding("compiled", &compiled::words());
    reporter.gauges(false);
    let outcome = run(values, reporter);
    reporter.gauges(true);
    reporter.tell_uncounted();
    outcome
}

#[cfg(test)]
mod tests {
    use super::driver;
    use lunlab_bench::WORKLOADS;
    use lunlab_bench::workload::Run;

    #[test]
    fn every_workload_that_needs_a_driver_has_one_and_no_driver_is_idle() {
        let declared = WORKLOADS.iter().filter(|workload| matches!(workload.run, Run::Driver));
        let mut declared: Vec<&str> = declared.map(|workload| workload.name).collect();
        let mut driven: Vec<&str> = driver::DRIVERS.iter().map(|(name, _)| *name).collect();
        declared.sort_unstable();
        driven.sort_unstable();
        assert_eq!(declared, driven);
    }
}
