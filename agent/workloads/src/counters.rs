//! Counters of the processor's and the kernel's over one region of a workload (perf_event_open(2)).

use crate::reporter::Counted;
use configfs_rs::Errno;
use perf_event::events::{Event, Hardware, Software};
use perf_event::{Builder, Counter};

/// Makes a counter that is not open yet.
type Build = Box<dyn Fn() -> Builder<'static>>;

/// What is counted, by the names perf(1) has for them. Threads that begin meanwhile are counted with it.
fn wanted() -> [(&'static str, Build); 6] {
    fn builder(event: impl Event + Clone + 'static) -> Build {
        Box::new(move || {
            let mut builder = Builder::new(event.clone());
            builder.inherit(true);
            builder
        })
    }
    [
        ("cycles", builder(Hardware::CPU_CYCLES)),
        ("instructions", builder(Hardware::INSTRUCTIONS)),
        ("cache-misses", builder(Hardware::CACHE_MISSES)),
        ("branch-misses", builder(Hardware::BRANCH_MISSES)),
        ("page-faults", builder(Software::PAGE_FAULTS)),
        ("context-switches", builder(Software::CONTEXT_SWITCHES)),
    ]
}

/// Runs a region with everything counted that can be.
pub fn count(body: &mut dyn FnMut()) -> Vec<Counted> {
    let mut counters: Vec<_> =
        wanted().iter().map(|(name, build)| (*name, open(&**build))).collect();
    for (_, counter) in &mut counters {
        start(counter);
    }
    body();
    // The last that was started is the first that ends, so that each counts the others' ends as little as can be.
    for (_, counter) in counters.iter_mut().rev() {
        stop(counter);
    }
    counters.into_iter().map(|(name, counter)| (name, counter.and_then(read))).collect()
}

/// Opens a counter of user space and the kernel, or of user space only where that is all that is allowed.
fn open(build: &dyn Fn() -> Builder<'static>) -> Result<Counter, String> {
    let mut whole = build();
    whole.exclude_kernel(false).exclude_hv(true);
    whole.build().or_else(|_| build().build()).map_err(|error| words("perf_event_open", &error))
}

fn start(counter: &mut Result<Counter, String>) {
    let failed = counter.as_mut().ok().and_then(|each| each.enable().err());
    if let Some(error) = failed {
        *counter = Err(words("start it", &error));
    }
}

fn stop(counter: &mut Result<Counter, String>) {
    let failed = counter.as_mut().ok().and_then(|each| each.disable().err());
    if let Some(error) = failed {
        *counter = Err(words("stop it", &error));
    }
}

/// A counter that never ran, as when others had the processor's registers, has counted nothing.
fn read(mut counter: Counter) -> Result<u64, String> {
    let data = counter.read_full().map_err(|error| words("read it", &error))?;
    match (data.time_enabled(), data.time_running()) {
        (Some(enabled), Some(running)) if running.is_zero() && !enabled.is_zero() => {
            Err("it never ran: the processor's counters are taken".to_owned())
        }
        _ => Ok(data.count()),
    }
}

fn words(attempt: &str, error: &std::io::Error) -> String {
    let cause = match error.raw_os_error() {
        Some(number) => Errno::new(number).to_string(),
        None => error.to_string(),
    };
    match cause.as_str() {
        "ENOENT" | "EOPNOTSUPP" => format!("{attempt}: {cause}: this machine has no such counter"),
        "EACCES" | "EPERM" => {
            format!("{attempt}: {cause}: see /proc/sys/kernel/perf_event_paranoid")
        }
        "ENOSYS" => format!("{attempt}: {cause}: the kernel has no CONFIG_PERF_EVENTS"),
        _ => format!("{attempt}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::count;

    /// Touches so many pages for the first time.
    fn touch(pages: usize) {
        let mut memory = vec![0_u8; pages * 4096];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(memory);
    }

    #[test]
    fn a_region_is_counted_by_itself_or_it_is_said_why_not() {
        touch(100_000);
        let counted = count(&mut || touch(10_000));
        assert_eq!(counted.len(), 6);
        for (name, value) in counted {
            match (name, value) {
                // Pages may come in larger ones, so that there are fewer faults; those of before are not among them.
                ("page-faults", Ok(faults)) => assert!((10..60_000).contains(&faults), "{faults}"),
                ("cycles" | "instructions", Ok(count)) => {
                    assert!(count > 10_000, "{name}: {count}")
                }
                (_, Ok(_)) => {}
                (name, Err(why)) => {
                    assert!(why.contains(": E") || why.contains("taken"), "{name}: {why}")
                }
            }
        }
    }

    #[test]
    fn what_is_not_in_the_region_is_not_counted() {
        let faults = |counted: Vec<crate::reporter::Counted>| {
            counted.into_iter().find(|(name, _)| *name == "page-faults").unwrap().1
        };
        let (none, many) = (faults(count(&mut || {})), faults(count(&mut || touch(50_000))));
        if let (Ok(none), Ok(many)) = (none, many) {
            assert!(none + 10 < many, "{none} and {many}");
        }
    }
}
