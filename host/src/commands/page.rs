//! `lunlab report`: results as one HTML page, or their samples as CSV.

use crate::cli::Report;
use crate::error::Error;
use crate::report::{self, Run, Side};
use crate::{output, result};
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
    let runs = runs(report)?;
    if let Some(place) = page {
        write(place, &report::page(&runs), report.force)?;
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

fn runs(report: &Report) -> Result<Vec<Run>, Error> {
    let sides = [
        ("run", None, &report.results),
        ("A", Some(Side::A), &report.a),
        ("B", Some(Side::B), &report.b),
    ];
    let mut runs = Vec::new();
    for (word, side, places) in sides {
        for (n, place) in places.iter().enumerate() {
            let number = if places.len() > 1 || side.is_none() {
                format!(" {}", n + 1)
            } else {
                String::new()
            };
            runs.push(run(format!("{word}{number}"), side, place)?);
        }
    }
    Ok(runs)
}

fn run(label: String, side: Option<Side>, place: &Path) -> Result<Run, Error> {
    let loaded = result::load(place).map_err(|error| {
        let refused = Error::usage(error.to_string());
        match error.hint() {
            Some(hint) => refused.with_hint(hint),
            None => refused,
        }
    })?;
    let result::Loaded { incomplete, document, json, .. } = loaded;
    Ok(Run { label, side, incomplete, document, json })
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
