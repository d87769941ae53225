//! Counters of the processor's and the kernel's over one region of a workload (perf_event_open(2)).

use configfs_rs::Errno;
use lunlab_bench::workload::Whose;
use perf_event::events::{Event, Hardware, Software};
use perf_event::{Builder, Counter, CounterData};
use std::time::Duration;

/// What a counter came to, or why it is not known.
pub type Counted = (String, Result<u64, String>);

/// Makes a counter that is not open yet, by the name that perf(1) has for it.
struct Wanted {
    name: &'static str,
    build: Box<dyn Fn() -> Builder<'static>>,
    /// Without the kernel's part there is something left to count.
    in_user_space: bool,
}

fn wanted() -> [Wanted; 6] {
    fn wanted(name: &'static str, event: impl Event + Clone + 'static) -> Wanted {
        let build = Box::new(move || Builder::new(event.clone()));
        // The kernel switches contexts: counted without it there are none.
        Wanted { name, build, in_user_space: name != "context-switches" }
    }
    [
        wanted("cycles", Hardware::CPU_CYCLES),
        wanted("instructions", Hardware::INSTRUCTIONS),
        wanted("cache-misses", Hardware::CACHE_MISSES),
        wanted("branch-misses", Hardware::BRANCH_MISSES),
        wanted("page-faults", Software::PAGE_FAULTS),
        wanted("context-switches", Software::CONTEXT_SWITCHES),
    ]
}

/// Counters of this process, which stand still outside of regions. Threads and programs that begin
/// after they were opened are counted with it.
pub struct Counters {
    own: Vec<One>,
    /// Those of a region that counts programs.
    programs: Option<Vec<One>>,
}

/// One counter, and what it had when the region began.
struct One {
    name: String,
    counter: Result<Counter, String>,
    before: Reading,
}

#[derive(Clone, Copy, Default)]
struct Reading {
    count: u64,
    /// How long it was to count, and how long it had a register of the processor's to count in.
    enabled: Duration,
    running: Duration,
}

impl Counters {
    /// Opens what can be opened.
    #[must_use]
    pub fn open() -> Self {
        Self { own: open(false), programs: None }
    }

    /// A region begins.
    pub fn begin(&mut self, whose: Whose) {
        match whose {
            // They begin to count by themselves, and this process' own work stays out of it.
            Whose::Programs => self.programs = Some(open(true)),
            Whose::Own => self.own.iter_mut().for_each(One::start),
        }
    }

    /// It is over: what was counted, by names with a `:u` where only user space could be.
    pub fn end(&mut self) -> Vec<Counted> {
        if let Some(programs) = self.programs.take() {
            return programs.into_iter().map(|mut one| (one.name.clone(), one.count())).collect();
        }
        // The last that was started is the first that ends, so that each counts the others' ends as little as can be.
        self.own.iter_mut().rev().for_each(One::stop);
        self.own.iter_mut().map(|one| (one.name.clone(), one.count())).collect()
    }
}

fn open(on_exec: bool) -> Vec<One> {
    wanted().iter().map(|each| One::open(each, on_exec)).collect()
}

impl One {
    /// Opens a counter of user space and the kernel, or of user space only where that is all that is allowed.
    fn open(wanted: &Wanted, on_exec: bool) -> Self {
        let build = |kernel: bool| {
            let mut builder = (wanted.build)();
            builder.inherit(true).enable_on_exec(on_exec).exclude_kernel(!kernel).build()
        };
        let (name, before) = (wanted.name.to_owned(), Reading::default());
        let error = match build(true) {
            Ok(counter) => return Self { name, counter: Ok(counter), before },
            Err(error) => error,
        };
        match build(false).ok().filter(|_| wanted.in_user_space) {
            Some(counter) => Self { name: name + ":u", counter: Ok(counter), before },
            None => Self { name, counter: Err(words("perf_event_open", &error)), before },
        }
    }

    fn start(&mut self) {
        let Ok(counter) = &mut self.counter else { return };
        let started = read(counter).and_then(|before| {
            self.before = before;
            counter.enable().map_err(|error| words("start it", &error))
        });
        if let Err(error) = started {
            self.counter = Err(error);
        }
    }

    fn stop(&mut self) {
        let Ok(counter) = &mut self.counter else { return };
        if let Err(error) = counter.disable() {
            self.counter = Err(words("stop it", &error));
        }
    }

    fn count(&mut self) -> Result<u64, String> {
        let counter = self.counter.as_mut().map_err(|error| error.clone())?;
        read(counter)?.since(self.before)
    }
}

fn read(counter: &mut Counter) -> Result<Reading, String> {
    let data: CounterData = counter.read_full().map_err(|error| words("read it", &error))?;
    let [enabled, running] =
        [data.time_enabled(), data.time_running()].map(Option::unwrap_or_default);
    Ok(Reading { count: data.count(), enabled, running })
}

impl Reading {
    /// What was counted since; where others had the processor's registers for a part of the time,
    /// about what it would have been, as perf(1) has it.
    fn since(self, before: Self) -> Result<u64, String> {
        let count = u128::from(self.count.saturating_sub(before.count));
        let enabled = self.enabled.saturating_sub(before.enabled).as_nanos();
        let running = self.running.saturating_sub(before.running).as_nanos();
        match running {
            0 if enabled > 0 => Err("it never ran: the processor's counters are taken".to_owned()),
            0 => Ok(u64::try_from(count).unwrap_or(u64::MAX)),
            _ => Ok(u64::try_from(count * enabled / running).unwrap_or(u64::MAX)),
        }
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
    use super::{Counted, Counters, Reading};
    use lunlab_bench::workload::Whose;
    use std::process::Command;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn count(body: &mut dyn FnMut()) -> Vec<Counted> {
        let mut counters = Counters::open();
        counters.begin(Whose::Own);
        body();
        counters.end()
    }

    /// Touches so many pages for the first time.
    fn touch(pages: usize) {
        let mut memory = vec![0_u8; pages * 4096];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(memory);
    }

    /// A counter that needs nothing of the processor's, and nothing of the kernel's in user space.
    fn faults(counted: Vec<Counted>) -> u64 {
        let found = counted.into_iter().find(|(name, _)| name.starts_with("page-faults"));
        found.unwrap().1.unwrap()
    }

    #[test]
    fn a_region_is_counted_by_itself_or_it_is_said_why_not() {
        touch(100_000);
        let counted = count(&mut || touch(10_000));
        assert_eq!(counted.len(), 6);
        for (name, value) in counted {
            match (name.trim_end_matches(":u"), value) {
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
        let none = faults(count(&mut || {}));
        let many = faults(count(&mut || touch(50_000)));
        assert!(none + 10 < many, "{none} and {many}");
    }

    #[test]
    fn a_second_region_begins_at_nothing() {
        let mut counters = Counters::open();
        let mut region = |pages| {
            counters.begin(Whose::Own);
            touch(pages);
            let counted = faults(counters.end());
            touch(50_000);
            counted
        };
        let (many, few) = (region(50_000), region(1));
        assert!(few + 10 < many, "{few} and {many}");
    }

    /// Counts what a thread does that began before the region, and was told to begin within it.
    #[test]
    fn threads_that_began_before_are_counted() {
        let mut counters = Counters::open();
        let (go, gone) = channel::<usize>();
        let (over, done) = channel();
        let thread = std::thread::spawn(move || {
            for pages in gone {
                touch(pages);
                over.send(()).unwrap();
            }
        });
        let mut region = |pages: usize| {
            counters.begin(Whose::Own);
            go.send(pages).unwrap();
            done.recv().unwrap();
            faults(counters.end())
        };
        let (few, many) = (region(1), region(50_000));
        assert!(few + 10 < many, "{few} and {many}");
        drop(go);
        thread.join().unwrap();
    }

    #[test]
    fn programs_are_counted_from_their_beginning_and_this_one_is_not() {
        let mut counters = Counters::open();
        let mut region = |pages, run: bool| {
            counters.begin(Whose::Programs);
            touch(pages);
            if run {
                assert!(Command::new("true").status().unwrap().success());
            }
            faults(counters.end())
        };
        assert_eq!(region(10_000, false), 0);
        let program = region(10_000, true);
        assert!((10..5_000).contains(&program), "{program}");
    }

    #[test]
    fn what_ran_for_a_part_of_the_time_is_reckoned_up() {
        let at = |count, enabled, running| Reading {
            count,
            enabled: Duration::from_millis(enabled),
            running: Duration::from_millis(running),
        };
        let before = at(1000, 10, 10);
        assert_eq!(at(1500, 30, 20).since(before), Ok(1000));
        assert_eq!(at(1500, 30, 30).since(before), Ok(500));
        assert_eq!(before.since(before), Ok(0));
        assert!(at(1000, 30, 10).since(before).unwrap_err().contains("taken"));
    }
}
