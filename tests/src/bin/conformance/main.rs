//! `make conformance`: libiscsi's whole `iscsi-test-cu` suite against targets that `lunlab up`
//! holds, one on each backstore, compared with a committed baseline.
//!
//! What is decided is decided by pure functions over text ([`listing`], [`report`], [`outcome`],
//! [`baseline`]); [`tool`], [`machine`] and [`suite`] only carry out.

mod arguments;
mod baseline;
#[cfg(test)]
mod docs;
mod interruption;
mod listing;
mod machine;
mod outcome;
mod progress;
mod report;
mod suite;
mod summary;
mod tool;

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::{Arguments, HELP};
use baseline::Baseline;
use interruption::Interruption;
use progress::Progress;
use suite::{Backstore, Source, State, Suite};
use summary::{Judged, Known};

/// What may keep the program from its work: shown, and its end.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => return refuse(&format!("{problem}\n{HELP}")),
    };
    run(&arguments).map_or_else(|error| refuse(&error.to_string()), ExitCode::from)
}

fn refuse(problem: &str) -> ExitCode {
    let _nobody_reads = writeln!(std::io::stderr(), "conformance: {problem}");
    ExitCode::from(2)
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let interruption = Interruption::install()?;
    let tests: Vec<String> =
        tool::list().into_iter().filter(|name| arguments.filter.matches(name)).collect();
    if tests.is_empty() {
        return Err("no test is called like that: `iscsi-test-cu --list` lists them".into());
    }
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let names = backstores(arguments, &home)?;
    let output = arguments.output.clone().unwrap_or_else(|| home.join("../../target/conformance"));
    fs::create_dir_all(&output).map_err(|error| format!("mkdir {}: {error}", output.display()))?;
    let output = output.canonicalize()?;
    let suite = Suite {
        source: source(arguments, &home),
        deadline: arguments.deadline,
        output: &output,
        interruption: &interruption,
        progress: Progress::new(tests.len() * names.len()),
        backstores: names.iter().map(|name| Backstore::new(name, &tests)).collect(),
    };
    suite.run(arguments.jobs);
    let baselines = arguments.baseline.clone();
    let mut judged = Vec::new();
    for backstore in &suite.backstores {
        let state = backstore.state();
        let seen = Baseline { about: Vec::new(), outcomes: state.outcomes.clone() };
        // In the baseline's form, to be looked at beside it.
        write_file(&output.join(&backstore.name).join("outcomes.txt"), &seen.to_string())?;
        let file = baseline_file(&home, baselines.as_deref(), &state, &backstore.name);
        judged.push(judge(arguments, &backstore.name, state, file)?);
    }
    let text: String = judged.iter().map(Judged::to_string).collect();
    let where_to_look = format!("what each test left: {}\n", output.display());
    let _nobody_reads = std::io::stdout().write_all((text + &where_to_look).as_bytes());
    if interruption.asked() {
        return Ok(130);
    }
    Ok(judged.iter().map(Judged::exit_code).max().unwrap_or(2))
}

/// The backstores asked for; all that there is a spec for, unless some were.
fn backstores(arguments: &Arguments, home: &Path) -> Result<Vec<String>, Failure> {
    if arguments.url.is_some() {
        return Ok(arguments.backstores.clone());
    }
    let specs = fs::read_dir(home).map_err(|error| format!("{}: {error}", home.display()))?;
    let names = specs
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()));
    let all: BTreeSet<String> = names.collect();
    match arguments.backstores.iter().find(|name| !all.contains(*name)) {
        Some(unknown) => Err(format!("no backstore {unknown}: there are {all:?}").into()),
        None if arguments.backstores.is_empty() => Ok(all.into_iter().collect()),
        None => Ok(arguments.backstores.clone()),
    }
}

fn source(arguments: &Arguments, home: &Path) -> Source {
    match &arguments.url {
        Some(url) => Source::Given(url.clone()),
        None => Source::Boot { specs: home.to_owned(), kernel: arguments.kernel.clone() },
    }
}

/// Where the baseline is: of the kernel that ran, unless it was said. None when none ran.
fn baseline_file(home: &Path, said: Option<&Path>, state: &State, name: &str) -> Option<PathBuf> {
    let directory = match said {
        Some(directory) => directory.to_owned(),
        None => home.join("baseline").join(summary::family(state.release.as_deref()?)),
    };
    Some(directory.join(name).with_extension("txt"))
}

/// Compares with the baseline, or writes it.
fn judge(
    arguments: &Arguments,
    backstore: &str,
    state: State,
    file: Option<PathBuf>,
) -> Result<Judged, Failure> {
    let judged = Judged::new(backstore, state, read_baseline(file)?, &arguments.filter);
    if !arguments.update {
        return Ok(judged);
    }
    let (judged, written) = judged.updated(&arguments.filter);
    if let Some((file, text)) = written {
        write_file(&file, &text)?;
    }
    Ok(judged)
}

fn read_baseline(file: Option<PathBuf>) -> Result<Known, Failure> {
    let Some(file) = file else { return Ok(Known::No) };
    match fs::read_to_string(&file) {
        Ok(text) => match Baseline::parse(&text) {
            Ok(baseline) => Ok(Known::Read(file, baseline)),
            Err(error) => Err(format!("{}: {error}", file.display()).into()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Known::Missing(file)),
        Err(error) => Err(format!("read {}: {error}", file.display()).into()),
    }
}

fn write_file(file: &Path, text: &str) -> Result<(), Failure> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(file, text))
        .map_err(|error| format!("write {}: {error}", file.display()).into())
}
