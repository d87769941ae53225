//! What the kernel's files say of the machine: what disturbs a measurement, and what it costs.

use std::time::Duration;

use crate::calibration;

/// What says how fast the machine is now, by name; one that the machine does not have is left out.
/// `stat` is proc_stat(5), `cpuinfo` the file of that name beside it.
#[must_use]
pub fn gauges(stat: &str, cpuinfo: &str) -> Vec<(&'static str, f64)> {
    let mut gauges = vec![("calibration_ns", calibration::nanoseconds())];
    gauges.extend(steal_ms(stat).map(|ms| ("steal_ms", ms)));
    gauges.extend(mhz(cpuinfo).map(|mhz| ("mhz", mhz)));
    gauges
}

/// What all processors were busy with since the machine started: user, nice, system, irq and
/// softirq of proc_stat(5).
#[must_use]
pub fn busy(stat: &str) -> Option<Duration> {
    let fields: Vec<u64> = fields(stat)?.map_while(|field| field.parse().ok()).collect();
    let hundredths = [0, 1, 2, 5, 6].iter().map(|n| fields.get(*n).copied().unwrap_or(0));
    Some(Duration::from_millis(hundredths.fold(0, u64::saturating_add).saturating_mul(10)))
}

/// Milliseconds that the hypervisor gave to others, all processors together.
fn steal_ms(stat: &str) -> Option<f64> {
    let steal: u32 = fields(stat)?.nth(7)?.parse().ok()?;
    Some(f64::from(steal) * 10.0)
}

/// Of all processors together, in hundredths of a second.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    Some(line.split_ascii_whitespace().skip(1))
}

/// The mean clock frequency of the processors as the kernel knows it.
fn mhz(cpuinfo: &str) -> Option<f64> {
    let values = cpuinfo.lines().filter(|line| line.starts_with("cpu MHz"));
    // Whole megahertz will do.
    let whole = |line: &str| line.rsplit(':').next()?.trim().split('.').next()?.parse::<u32>().ok();
    let values = values.filter_map(whole).map(f64::from);
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), mhz| (sum + mhz, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 44 9 10\n";
        assert_eq!(steal_ms(stat), Some(880.0));
        assert_eq!(steal_ms("intr 1"), None);
        assert_eq!(mhz("cpu MHz\t\t: 2000.0\nx\ncpu MHz\t\t: 3000.0\n"), Some(2500.0));
        assert_eq!(mhz("nothing"), None);
        let gauges = gauges(stat, "");
        assert_eq!((gauges.len(), gauges[1]), (2, ("steal_ms", 880.0)));
        assert!(gauges[0].1 > 0.0, "{gauges:?}");
    }

    #[test]
    fn what_the_machine_was_busy_with_leaves_waiting_out() {
        let stat = "cpu  1 2 3 4000 5000 6 7 8000 9000 0\ncpu0 9 9 9\n";
        assert_eq!(busy(stat), Some(Duration::from_millis(190)));
        assert_eq!(busy("intr 1\n"), None);
    }
}
