//! `lunlab bench`: workloads by name, in a guest or on the host itself.

use super::report::{self, Local};
use super::run::{Task, stored};
use super::spec_file::{parse_text, refused_parameters};
use crate::cli::{self, Format};
use crate::error::Error;
use crate::local::{Listener, Program};
use crate::output::{self, Phases};
use crate::result::ResultDirectory;
use crate::run::Interrupts;
use crate::run::record::{Learnt, Record};
use crate::run::so_far::Kept;
use crate::run::timeline::Timeline;
use crate::spec::{Benchmark, Spec, nearest};
use crate::verdict::{Fact, Signal};
use lunlab_bench::WORKLOADS;
use lunlab_bench::channel::{self, ALL, NIC};
use lunlab_bench::smb;
use lunlab_bench::workload::{Kind, Run, Workload};
use lunlab_protocol::event::Event;
use std::fmt::Write;
use std::time::{Instant, SystemTime};

pub(super) fn run(command: cli::Bench, started: Instant) -> Result<u8, Error> {
    if command.workloads.is_empty() {
        let _nobody_reads = output::text(&list());
        return Ok(0);
    }
    let workloads: Result<Vec<_>, _> = command.workloads.iter().map(|name| find(name)).collect();
    let workloads = workloads?;
    let text = spec_of(&workloads, &command.parameters)?;
    if command.local {
        can_be_local(&workloads)?;
        return local(&command, &text, started);
    }
    let json = command.format == Format::Json;
    Task::of_text(text, command.machine, command.running, json, started).carry_out()
}

/// Every workload that needs nothing but its parameters.
fn all() -> impl Iterator<Item = &'static Workload> {
    WORKLOADS.iter().filter(|workload| {
        workload.parameters.iter().all(|parameter| parameter.kind != Kind::StorageObject)
    })
}

fn find(name: &str) -> Result<&'static Workload, Error> {
    if let Some(workload) = all().find(|workload| workload.name == name) {
        return Ok(workload);
    }
    let names: Vec<&str> = all().map(|workload| workload.name).collect();
    if WORKLOADS.iter().any(|workload| workload.name == name) {
        let error = Error::usage(format!("bench {name}: it measures a storage object"));
        return Err(error.with_hint("write a spec with one and `lunlab run` it"));
    }
    let hint = match nearest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("there are {}", names.join(", ")),
    };
    Err(Error::usage(format!("bench {name:?}: there is no such workload")).with_hint(hint))
}

/// Refuses what lies between a host and a guest where there is no guest.
fn can_be_local(workloads: &[&Workload]) -> Result<(), Error> {
    let needs_a_guest = |workload: &&&Workload| matches!(workload.run, Run::Across | Run::Host);
    let Some(workload) = workloads.iter().find(needs_a_guest) else { return Ok(()) };
    let name = workload.name;
    let error = Error::usage(format!("bench {name} --local: it needs a guest"));
    Err(error.with_hint("leave --local out"))
}

/// What there is, with parameters and their defaults.
fn list() -> String {
    let mut text = String::new();
    for workload in all() {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "{:<12} {}", workload.name, workload.about);
        for parameter in workload.parameters {
            let (name, default) = (parameter.name, parameter.default);
            let _infallible = writeln!(text, "{:<12}   {name}={default}: {}", "", parameter.about);
        }
    }
    let _infallible = writeln!(text, "\nEach also has:");
    for parameter in lunlab_bench::sampling::Budget::PARAMETERS {
        let (name, default, about) = (parameter.name, parameter.default, parameter.about);
        let _infallible = writeln!(text, "{:<12}   {name}={default}: {about}{}", "", except(name));
    }
    text
}

/// Which workloads do not have a parameter that the others have.
fn except(parameter: &str) -> String {
    let lacks = |workload: &&Workload| !workload.all_parameters().any(|own| own.name == parameter);
    let names: Vec<&str> = all().filter(lacks).map(|workload| workload.name).collect();
    if names.is_empty() { String::new() } else { format!(" (not {})", names.join(", ")) }
}

/// The spec that runs these; a parameter goes to every workload that has it.
fn spec_of(workloads: &[&Workload], parameters: &[(String, String)]) -> Result<String, Error> {
    let mut text = String::new();
    let has = |workload: &Workload, key: &str| {
        key == "check" || workload.all_parameters().any(|parameter| parameter.name == key)
    };
    for (nth, (key, value)) in parameters.iter().enumerate() {
        let earlier = parameters[..nth].iter().find(|(known, _)| known == key);
        if let Some((_, earlier)) = earlier {
            let error = Error::usage(format!("-p {key}=…: it is given twice"));
            return Err(
                error.with_hint(format!("-p {key}={earlier},{value} for both, or one of them"))
            );
        }
        if !workloads.iter().any(|workload| has(workload, key)) {
            let known = workloads.iter().flat_map(|workload| workload.all_parameters());
            let known: Vec<&str> = known.map(|parameter| parameter.name).collect();
            let hint = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "`lunlab bench` lists what there is".to_owned(),
            };
            let error = Error::usage(format!("-p {key}=…: no such parameter"));
            return Err(error.with_hint(hint));
        }
    }
    let share = workloads.iter().any(|each| each.name == smb::WORKLOAD.name);
    let nic = workloads.iter().any(|each| each.name == channel::WORKLOAD.name);
    if share || nic && wants_nic(parameters) {
        text += "[network]\nmode = \"user\"\n";
    }
    for workload in workloads {
        let _infallible = writeln!(text, "[[benchmark]]\nworkload = \"{}\"", workload.name);
        for (key, value) in parameters.iter().filter(|(key, _)| has(workload, key)) {
            let _infallible = writeln!(text, "{key} = {}", toml_value(value));
        }
    }
    Ok(text)
}

/// Whether the channel is measured beside a NIC, as it is unless other paths are named.
fn wants_nic(parameters: &[(String, String)]) -> bool {
    let paths = parameters.iter().rfind(|(key, _)| key == "paths");
    let named = |(_, value): &(String, String)| {
        value.split(',').any(|path| [ALL, NIC].contains(&path.trim()))
    };
    paths.is_none_or(named)
}

/// A value as TOML has it: a number, true or false, or a text; with commas a list of those.
fn toml_value(value: &str) -> String {
    let one = |text: &str| {
        let plain = text.parse::<i64>().is_ok() || ["true", "false"].contains(&text);
        if plain { text.to_owned() } else { crate::escape::toml(text) }
    };
    match value.split(',').collect::<Vec<_>>().as_slice() {
        [only] => one(only),
        several => {
            let several: Vec<String> = several.iter().map(|text| one(text.trim())).collect();
            format!("[{}]", several.join(", "))
        }
    }
}

/// Runs them on the host itself, and keeps a result as a run does.
fn local(command: &cli::Bench, text: &str, started: Instant) -> Result<u8, Error> {
    let (spec, copy) = parse_text(text).map_err(|faults| refused_parameters(&faults))?;
    let program = Program::new()?;
    let interrupts = Interrupts::take()?;
    let began = SystemTime::now();
    let directory = ResultDirectory::create(&command.running.results, began).map_err(stored)?;
    directory.write_spec(&copy).map_err(stored)?;
    let verbosity = command.running.verbosity();
    let phases = Phases::begin(started, verbosity);
    let report = |learnt: Learnt| Local {
        columns: output::columns(),
        learnt,
        began,
        started,
        command: typed(command),
    };
    let record = Record::new(Timeline::new(started), &spec);
    let mut measuring = Measuring {
        record,
        interrupts: &interrupts,
        interrupted: None,
        phases: &phases,
        words: String::new(),
        kept: Kept::default(),
        keep: &|record: &Record| {
            let document = report(record.so_far(&spec, None)).document(directory.run_id());
            // What cannot be kept now cannot be kept at the end either, which then is told.
            let _told_at_the_end = directory.keep(&document);
        },
    };
    measuring.all(&spec, &program);
    let record = measuring.record;
    phases.end();
    let report = report(record.conclude(&spec, None));
    let document = report.document(directory.run_id());
    let place = directory.finish(&document, &report.reproduction()).map_err(stored)?;
    let summary = report.summary(&document, &place);
    report::show(&document, &summary, command.format == Format::Json, verbosity);
    Ok(document.verdict.exit_code)
}

/// What was typed, for whoever wants the same again.
fn typed(command: &cli::Bench) -> Vec<String> {
    let words = ["lunlab".to_owned(), "bench".to_owned(), "--local".to_owned()];
    let words = words.into_iter().chain(command.workloads.iter().cloned());
    let parameters = command.parameters.iter();
    let parameters =
        parameters.flat_map(|(key, value)| ["-p".to_owned(), format!("{key}={value}")]);
    words.chain(parameters).collect()
}

/// Workloads on the host itself, one after the other.
struct Measuring<'a> {
    record: Record,
    interrupts: &'a Interrupts,
    /// A signal is told once.
    interrupted: Option<Signal>,
    phases: &'a Phases,
    /// What is measured now.
    words: String,
    kept: Kept,
    keep: &'a dyn Fn(&Record),
}

impl Listener for Measuring<'_> {
    fn take(&mut self, event: &Event<'_>, at: Instant) {
        let nth = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        match event {
            Event::Progress { permille, left_ms, .. } => {
                let (percent, seconds) = (permille / 10, left_ms.div_ceil(1000));
                self.phases.progress(&format!("{}: {percent} %, {seconds} s left", self.words));
            }
            Event::Gauge { benchmark, name, after, value } => {
                self.record.gauge(*benchmark, name, *after, *value, at);
            }
            Event::BenchmarkEnded { benchmark, problem: "" } => {
                self.record.benchmark_done(nth(*benchmark));
            }
            Event::BenchmarkEnded { benchmark, problem } => {
                self.record.benchmark_failed(nth(*benchmark), problem);
            }
            other => self.record.event(other, at),
        }
    }

    fn goes_on(&mut self) -> bool {
        let (told, now) = (self.record.told(), Instant::now());
        if self.kept.due(told, now).is_some_and(|due| due <= now) {
            (self.keep)(&self.record);
            self.kept.wrote(told, (now, Instant::now()));
        }
        self.interrupted = self.interrupted.or_else(|| self.interrupts.pending());
        self.interrupted.is_none()
    }
}

impl Measuring<'_> {
    fn all(&mut self, spec: &Spec, program: &Program) {
        let all = spec.benchmarks.len();
        for (n, benchmark) in spec.benchmarks.iter().enumerate() {
            let Benchmark::Measured(asked) = benchmark else { continue };
            self.words = format!("measuring {} ({} of {all})", asked.workload, n + 1);
            self.phases.say(&self.words);
            let outcome = program.run(u32::try_from(n).unwrap_or(u32::MAX), asked, self);
            if outcome.is_err() {
                self.interrupted = self.interrupted.or_else(|| behind(self.interrupts));
            }
            if let (Err(error), None) = (outcome, self.interrupted) {
                self.record.benchmark_failed(n, &error.to_string());
            }
            if let Some(signal) = self.interrupted {
                return self.record.fact(Fact::interrupted(signal));
            }
        }
        self.record.all_done = true;
    }
}

/// How often it is asked, a tenth of a second each, whether a signal is why a program ended: one to a group reaches
/// programs one by one, and on a busy machine the program's end may be noticed long before.
const ASKED: u32 = 20;

fn behind(interrupts: &Interrupts) -> Option<Signal> {
    (0..ASKED).find_map(|_| interrupts.behind_failure())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_spec() {
        let workloads = [find("hash").unwrap(), find("calibration").unwrap()];
        let pairs = [("size", "32,1K"), ("budget", "1s"), ("samples_min", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let text = spec_of(&workloads, &pairs).unwrap();
        assert_eq!(
            text,
            "[[benchmark]]\nworkload = \"hash\"\nsize = [32, \"1K\"]\nbudget = \"1s\"\nsamples_min = 3\n\
             [[benchmark]]\nworkload = \"calibration\"\nbudget = \"1s\"\nsamples_min = 3\n"
        );
        assert_eq!(parse_text(&text).unwrap().0.benchmarks.len(), 2);
    }

    #[test]
    fn the_channel_is_measured_beside_a_nic_unless_other_paths_are_named() {
        let workloads = [find("channel").unwrap()];
        for (paths, network) in
            [(None, true), (Some("stream,portal"), false), (Some("stream,nic"), true)]
        {
            let paths = paths.map(|paths| ("paths".to_owned(), paths.to_owned()));
            let text = spec_of(&workloads, &Vec::from_iter(paths)).unwrap();
            assert_eq!(text.starts_with("[network]\nmode = \"user\"\n[[benchmark]]"), network);
            assert_eq!(parse_text(&text).unwrap().0.benchmarks.len(), 1);
        }
        assert!(
            can_be_local(&workloads).is_err() && can_be_local(&[find("hash").unwrap()]).is_ok()
        );
    }

    #[test]
    fn what_is_not_there_is_told_with_what_was_meant() {
        let hint = |error: Error| error.hint().unwrap_or_default().to_owned();
        assert_eq!(hint(find("hsh").unwrap_err()), "did you mean \"hash\"?");
        assert!(hint(find("digest").unwrap_err()).contains("lunlab run"));
        let pairs = [("bugdet".to_owned(), "1s".to_owned())];
        let error = spec_of(&[find("hash").unwrap()], &pairs).unwrap_err();
        assert_eq!(hint(error), "did you mean \"budget\"?");
        let twice = ["32", "64"].map(|value| ("size".to_owned(), value.to_owned()));
        let error = spec_of(&[find("hash").unwrap()], &twice).unwrap_err();
        assert_eq!(error.to_string(), "-p size=…: it is given twice");
        assert_eq!(hint(error), "-p size=32,64 for both, or one of them");
    }

    #[test]
    fn values_are_refused_by_their_names_with_a_way_out() {
        let workloads = [find("hash").unwrap(), find("sighash").unwrap(), find("txid48").unwrap()];
        for (key, value, told) in [
            (
                "size",
                "0",
                "-p size: 0 is out of range, 4 to 64M is allowed\n  hint: such as size = \"4\"",
            ),
            ("size", "32,1K,32", "-p size: 32 is there twice\n  hint: name each once"),
            (
                "samples_min",
                "300",
                "-p samples_min: samples_min = 300 is more than samples_max = 200\n  hint: samples_min = 200 or less, or samples_max = 300 or more",
            ),
            (
                "case",
                "x",
                "-p case: \"x\" is unknown, one of mega, worst-1mb, worst-8mb is needed\n  hint: such as case = \"mega\"",
            ),
            (
                "count",
                "often",
                "-p count: \"often\" is a string, true or false is needed\n  hint: such as count = true",
            ),
        ] {
            let text = spec_of(&workloads, &[(key.to_owned(), value.to_owned())]).unwrap();
            let error = refused_parameters(&parse_text(&text).unwrap_err());
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn the_list_has_every_workload_that_needs_no_spec() {
        let list = list();
        assert!(all().all(|workload| list.contains(workload.about)));
        assert!(!list.contains("storage object"), "{list}");
        assert!(list.contains("over the measured region (not channel, boot)\n"), "{list}");
    }
}
