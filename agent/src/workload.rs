//! Workloads: `hash` is run here, so that a run of the default spec starts no other program; all others are run by the program beside
//! the agent, and what that tells is passed on.

use crate::boot::uptime_us;
use crate::channel::Link;
use lunlab_bench::workload::Values;
use lunlab_bench::{hash, is_of_the_agent, smb};
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use lunlab_protocol::request::{Benchmark, Parameter, WORKLOADS_PROGRAM};
use lunlab_stream::pipe;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use rustix::pipe::PipeFlags;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;

/// How what PID 1 runs by itself was compiled.
const COMPILED: &str = concat!(env!("LUNLAB_TARGET"), ", opt-level 3, in PID 1");

/// Tells the guest's clock, which is held against the host's. In milliseconds; those of days are exact in a double.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn clock(benchmark: u32, after: bool, send: &mut dyn FnMut(&Event<'_>)) {
    let value = uptime_us() as f64 / 1e3;
    send(&Event::Gauge { benchmark, name: "clock_ms", after, value });
}

/// A benchmark to run.
pub struct Job {
    number: u32,
    workload: String,
    values: Vec<(String, String)>,
}

impl std::fmt::Debug for Job {
    /// Without its values: there may be a password among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.workload)
    }
}

impl Job {
    /// Keeps a request.
    #[must_use]
    pub fn new(benchmark: &Benchmark<'_>) -> Self {
        let own = |each: &Parameter<'_>| (each.key.to_owned(), each.value.to_owned());
        Self {
            number: benchmark.number,
            workload: benchmark.workload.to_owned(),
            values: benchmark.parameters.iter().map(own).collect(),
        }
    }

    /// Runs it, telling the host what it says, and of its end.
    pub fn run(&self, link: &Link) {
        let value = |name: &str| {
            let found = self.values.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value)
        };
        let outcome = if is_of_the_agent(&self.workload, value) {
            self.run_here(&mut |event| link.tell(event))
        } else {
            self.run_program(link)
        };
        let Some(problem) = outcome.err() else { return };
        let benchmark = self.number;
        link.tell(&Event::BenchmarkEnded { benchmark, problem: cut(&problem, 4000) });
    }

    fn run_here(&self, send: &mut dyn FnMut(&Event<'_>)) -> Result<(), String> {
        let benchmark = self.number;
        let values: Values = self.values.iter().cloned().collect();
        send(&Event::Finding { benchmark, name: "compiled", text: COMPILED });
        clock(benchmark, false, send);
        hash::in_rounds(&values, &mut |series, value| {
            send(&Event::Sample { benchmark, series, unit: "ns", value });
        })
        .map_err(|stopped| stopped.to_string())?;
        clock(benchmark, true, send);
        send(&Event::BenchmarkEnded { benchmark, problem: "" });
        Ok(())
    }

    /// The program's own word of its end is passed on as well.
    fn run_program(&self, link: &Link) -> Result<(), String> {
        let mut output = start(&self.words(), &self.environment())
            .map_err(|errno| format!("start {WORKLOADS_PROGRAM}: {}", errno_name(errno)))?;
        let mut ended = false;
        let told = pipe::receive(&mut output, |event| {
            if is_of(event, self.number) {
                ended |= matches!(event, Event::BenchmarkEnded { .. });
                link.tell(event);
            }
        });
        // PID 1 takes every child that ended, this one too: how it ended shows in what it told.
        match (told, ended) {
            (_, true) => Ok(()),
            (Ok(()), false) => Err("its program ended without a word: killed?".to_owned()),
            (Err(error), false) => Err(format!("read what its program tells: {error}")),
        }
    }

    /// What the program is given.
    fn words(&self) -> Vec<String> {
        let first = [WORKLOADS_PROGRAM.to_owned(), self.number.to_string(), self.workload.clone()];
        let values = self.values.iter().filter(|(key, _)| key != smb::given::PASSWORD);
        let values = values.map(|(key, value)| [key, "=", value].concat());
        first.into_iter().chain(values).collect()
    }

    /// A password is in no command line, which everybody can read.
    fn environment(&self) -> Vec<String> {
        let passwords = self.values.iter().filter(|(key, _)| key == smb::given::PASSWORD);
        passwords.map(|(_, value)| [smb::given::PASSWORD_VARIABLE, "=", value].concat()).collect()
    }
}

fn errno_name(errno: Errno) -> String {
    std::io::Error::from(errno)
        .raw_os_error()
        .map_or_else(String::new, |number| configfs_rs::Errno::new(number).to_string())
}

/// Starts the program; gives what it writes to standard output. What it says on standard error is for the console.
///
/// By posix_spawn(3): the standard library's `Command` would add 20 kB to PID 1.
fn start(words: &[String], environment: &[String]) -> nix::Result<File> {
    let (words, environment) = (c_strings(words)?, c_strings(environment)?);
    let program = words.first().ok_or(Errno::EINVAL)?;
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_open(0, c"/dev/null", OFlag::O_RDONLY, Mode::empty())?;
    actions.add_dup2(writer.as_raw_fd(), 1)?;
    let mut attributes = PosixSpawnAttr::init()?;
    // It begins with no signal blocked, as PID 1 blocks those that it waits for.
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
    posix_spawn(&**program, &actions, &attributes, &words, &environment)?;
    Ok(File::from(reader))
}

fn c_strings(texts: &[String]) -> nix::Result<Vec<CString>> {
    texts.iter().map(|text| CString::new(&**text).map_err(|_| Errno::EINVAL)).collect()
}

/// Whether a program may say this: what is no benchmark's, or another's, is not passed on.
fn is_of(event: &Event<'_>, number: u32) -> bool {
    match event {
        Event::Sample { benchmark, .. }
        | Event::Finding { benchmark, .. }
        | Event::BenchmarkSkipped { benchmark, .. }
        | Event::Progress { benchmark, .. }
        | Event::LatencyBucket { benchmark, .. }
        | Event::Counter { benchmark, .. }
        | Event::Gauge { benchmark, .. }
        | Event::BenchmarkEnded { benchmark, .. } => *benchmark == number,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Job, is_of, start};
    use lunlab_protocol::event::Event;
    use lunlab_protocol::request::{Benchmark, Parameter, WORKLOADS_PROGRAM};
    use std::io::Read;

    #[test]
    fn a_request_becomes_the_programs_words() {
        let parameters = [Parameter { key: "a", value: "1=2" }, Parameter { key: "b", value: "" }];
        let parameters = parameters.into_iter().collect();
        let job = Job::new(&Benchmark { number: 7, workload: "hash", parameters });
        assert_eq!(job.words(), [WORKLOADS_PROGRAM, "7", "hash", "a=1=2", "b="]);
        assert!(job.environment().is_empty());
    }

    #[test]
    fn a_password_is_not_among_the_words() {
        let parameters =
            [("user", "u"), ("password", "canary")].map(|(key, value)| Parameter { key, value });
        let parameters = parameters.into_iter().collect();
        let job = Job::new(&Benchmark { number: 1, workload: "smb", parameters });
        assert_eq!(job.words(), [WORKLOADS_PROGRAM, "1", "smb", "user=u"]);
        assert_eq!(job.environment(), ["LUNLAB_PASSWORD=canary"]);
    }

    #[test]
    fn a_program_is_started_with_its_words_and_what_it_writes_is_read() {
        let words = ["/bin/sh", "-c", "echo $0 $A", "a b"].map(str::to_owned);
        let mut written = String::new();
        let environment = ["A=c".to_owned()];
        start(&words, &environment).unwrap().read_to_string(&mut written).unwrap();
        assert_eq!(written, "a b c\n");
        assert_eq!(start(&["/proc/self/no-program".to_owned()], &[]).unwrap_err(), Errno::ENOENT);
        assert_eq!(start(&["a\0b".to_owned()], &[]).unwrap_err(), Errno::EINVAL);
    }

    #[test]
    fn hash_is_run_here_and_told_from_end_to_end() {
        let quick = [
            ("size", "32"),
            ("warm_up", "0"),
            ("sample_time", "1"),
            ("samples_min", "2"),
            ("samples_max", "2"),
            ("budget", "1"),
        ];
        let parameters = quick.map(|(key, value)| Parameter { key, value }).into_iter().collect();
        let job = Job::new(&Benchmark { number: 7, workload: "hash", parameters });
        let (mut samples, mut last) = (0, String::new());
        let told = job.run_here(&mut |event| {
            samples += u32::from(matches!(event, Event::Sample { benchmark: 7, unit: "ns", .. }));
            last = format!("{event:?}");
        });
        assert_eq!(told, Ok(()));
        assert_eq!((samples, &*last), (8, "BenchmarkEnded { benchmark: 7, problem: \"\" }"));
    }

    #[test]
    fn a_program_speaks_for_its_own_benchmark_only() {
        assert!(is_of(&Event::Sample { benchmark: 3, series: "s", unit: "ns", value: 1.0 }, 3));
        assert!(!is_of(&Event::Sample { benchmark: 2, series: "s", unit: "ns", value: 1.0 }, 3));
        assert!(!is_of(&Event::Finished, 3));
    }
}
