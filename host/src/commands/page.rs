//! `lunlab report`: results as one HTML page, or their samples as CSV.

use crate::cli::Report;
use crate::compare::{Limits, compare};
use crate::error::Error;
use crate::output;
use crate::report::{self, Comparison, Run, Side};
use crate::result::locate::{self, Found};
use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where the page goes when nobody says.
const PAGE: &str = "report.html";

/// Reads the results, writes the page, the samples, or both.
pub(super) fn report(report: &Report) -> Result<u8, Error> {
    let page = page_place(report);
    let places = [page, report.csv.as_deref()];
    if !report.force {
        places.into_iter().flatten().try_for_each(vacant)?;
    }
    let Material { runs, comparison } = material(report)?;
    if let Some(place) = page {
        write(place, &report::page(&runs, comparison.as_ref()), report.force)?;
    }
    if let Some(place) = &report.csv {
        write(place, &report::csv(&runs), report.force)?;
    }
    Ok(0)
}

fn page_place(report: &Report) -> Option<&Path> {
    let default = report.csv.is_none().then_some(Path::new(PAGE));
    report.output.as_deref().or(default)
}

/// What is shown: runs alone, or two sides and how they compare.
struct Material {
    runs: Vec<Run>,
    comparison: Option<Comparison>,
}

fn material(report: &Report) -> Result<Material, Error> {
    let read = |words: &[String]| locate::read_all(words, &report.directory);
    let (alone, a, b) = (read(&report.results)?, read(&report.a)?, read(&report.b)?);
    let comparison = match &report.compare {
        Some(place) => Some(read_comparison(place, &a, &b)?),
        None if a.is_empty() || b.is_empty() => None,
        None => Some(Comparison::of(&compare(&a, &b, Limits::new(None, None)))?),
    };
    let sides = [("run", None, alone), ("A", Some(Side::A), a), ("B", Some(Side::B), b)];
    let runs = sides.into_iter().flat_map(|(word, side, found)| named(word, side, found));
    Ok(Material { runs: runs.collect(), comparison })
}

/// Runs by their numbers; a side of one run needs none.
fn named(word: &str, side: Option<Side>, found: Vec<Found>) -> Vec<Run> {
    let numbered = found.len() > 1 || side.is_none();
    let label = |n: usize| if numbered { format!("{word} {}", n + 1) } else { word.to_owned() };
    let runs = found.into_iter().enumerate().map(|(n, found)| {
        let Found { document, json, incomplete, .. } = found;
        Run { label: label(n), side, incomplete, document, json }
    });
    runs.collect()
}

/// Reads a comparison, which must be one of these sides: another would contradict what is beside it.
fn read_comparison(place: &Path, a: &[Found], b: &[Found]) -> Result<Comparison, Error> {
    let refused =
        |problem: String| Error::usage(format!("--compare {}: {problem}", place.display()));
    let json = std::fs::read(place).map_err(|error| refused(error.to_string()))?;
    let comparison: Comparison = serde_json::from_slice(&json)
        .map_err(|error| refused(format!("no comparison: {error}")))?;
    let (a, b) = (run_ids(a), run_ids(b));
    let Some(problem) = comparison.unlike(&a, &b) else { return Ok(comparison) };
    let turned = comparison.unlike(&b, &a).is_none();
    let way_out =
        if turned { "A and B are the other way round in it" } else { "leave --compare out" };
    Err(refused(format!("it compares other runs: {problem}")).with_hint(way_out))
}

fn run_ids(runs: &[Found]) -> Vec<&str> {
    runs.iter().map(|run| run.document.run_id.as_str()).collect()
}

fn is_stdout(place: &Path) -> bool {
    place == Path::new("-")
}

fn vacant(place: &Path) -> Result<(), Error> {
    if !is_stdout(place) && place.symlink_metadata().is_ok() { Err(taken(place)) } else { Ok(()) }
}

fn taken(place: &Path) -> Error {
    Error::usage(format!("{} is there already", place.display()))
        .with_hint("name another file with -o, or replace it with --force")
}

/// Puts the whole file in place at once.
fn write(place: &Path, text: &str, force: bool) -> Result<(), Error> {
    if is_stdout(place) {
        let _nobody_reads = output::text(text);
        return Ok(());
    }
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    let write = || {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        let put = if force { file.persist(place) } else { file.persist_noclobber(place) };
        put.map(drop).map_err(|error| error.error)
    };
    write().map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => taken(place),
        _ => Error::environment(format!("write {}: {error}", place.display())),
    })?;
    output::progress(&format!("wrote {}", place.display()));
    Ok(())
}
