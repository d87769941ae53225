//! Finding results again: by path, or as `last` and `last~1` in the directory where they go.

use super::{Document, Loaded, load};
use crate::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What can be named.
const NAMES: &str =
    "name a result's directory, its result.json, a directory of results, last or last~1";

/// The file that makes a directory a result.
const FILE: &str = "result.json";

/// A result that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// The directory it is in.
    pub directory: PathBuf,
    /// What it says.
    pub document: Document,
    /// The same in its own text, with keys that this version may not know.
    pub json: String,
    /// The spec beside it, where there is one.
    pub spec: Option<String>,
    /// Whether its run was killed before it had finished its result.
    pub incomplete: bool,
}

/// Reads the results that a word names: `last`, `last~1`, a result's directory, its document whatever its name, a directory of several
/// results, or some of these with commas between them. In the order in which they were made.
///
/// # Errors
/// When one is not there, or is no result; when nothing is named.
pub fn read(word: &str, results: &Path) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    let parts = parts(word);
    if parts.is_empty() {
        return Err(Error::usage(format!("{word:?} names no result")).with_hint(NAMES));
    }
    for one in parts {
        for place in places(one, results)? {
            found.push(read_one(&place)?);
        }
    }
    found.sort_by(|a, b| a.document.started_at.cmp(&b.document.started_at));
    Ok(found)
}

/// Reads the results that several words name, as [`read`] does.
///
/// # Errors
/// When one is not there, or is no result.
pub fn read_all(words: &[String], results: &Path) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for word in words {
        found.extend(read(word, results)?);
    }
    found.sort_by(|a, b| a.document.started_at.cmp(&b.document.started_at));
    Ok(found)
}

/// A name that exists may have commas in it.
fn parts(word: &str) -> Vec<&str> {
    if Path::new(word).exists() {
        return vec![word];
    }
    word.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Directories of results, or documents.
fn places(word: &str, results: &Path) -> Result<Vec<PathBuf>, Error> {
    if let Some(back) = back(word) {
        return nth_last(word, back, results).map(|path| vec![path]);
    }
    let path = Path::new(word);
    if path.is_file() || path.join(FILE).is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Err(no_result(path, "there is nothing"));
    }
    let inside = inside(path)?;
    if inside.is_empty() {
        return Err(no_result(path, "it holds no result.json"));
    }
    Ok(inside)
}

/// How many results back a word is: 0 for `last`.
fn back(word: &str) -> Option<usize> {
    match word.strip_prefix("last")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

fn nth_last(word: &str, back: usize, results: &Path) -> Result<PathBuf, Error> {
    let all = match inside(results) {
        Err(_) if !results.exists() => Vec::new(),
        all => all?,
    };
    let path = all.len().checked_sub(1 + back).and_then(|at| all.into_iter().nth(at));
    path.ok_or_else(|| {
        let message =
            format!("find the result {word} in {}: there are not so many", results.display());
        Error::usage(message).with_hint("name the directory of results with --results DIR")
    })
}

/// The results in a directory, oldest first: their names begin with the time. Those of runs that are not over are not there yet.
fn inside(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::usage(format!("list {}: {error}", directory.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join(FILE).is_file() && !is_running(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether a run holds its directory's lock.
fn is_running(directory: &Path) -> bool {
    let lock = fs::File::open(directory).and_then(|file| Ok(file.try_lock_shared()?));
    lock.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn no_result(path: &Path, why: &str) -> Error {
    let message = format!("read the result {}: {why}", path.display());
    Error::usage(message).with_hint(NAMES)
}

fn read_one(place: &Path) -> Result<Found, Error> {
    let loaded = load(place).map_err(|error| {
        let refused = Error::usage(error.to_string());
        refused.with_hint(error.hint().unwrap_or_else(|| NAMES.to_owned()))
    })?;
    let Loaded { path, document, json, incomplete } = loaded;
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new(".")).to_owned();
    // What is beside a document of another name may be anybody's.
    let own = path.file_name().is_some_and(|name| name == FILE);
    let spec = if own { spec_in(&directory)? } else { None };
    Ok(Found { directory, document, json, spec, incomplete })
}

/// The spec of a result's directory.
fn spec_in(directory: &Path) -> Result<Option<String>, Error> {
    let path = directory.join("spec.toml");
    match fs::read_to_string(&path) {
        Ok(spec) => Ok(Some(spec)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::usage(format!("read {}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::document::tests::passed;

    /// A directory of results, named and made at these times.
    fn results(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            let place = directory.path().join(name);
            fs::create_dir(&place).unwrap();
            let started_at = name.trim_end_matches(".incomplete").to_owned();
            let document = Document { run_id: started_at.clone(), started_at, ..passed() };
            fs::write(place.join(FILE), document.to_json().unwrap()).unwrap();
        }
        directory
    }

    fn names(word: &str, results: &Path) -> Vec<String> {
        let found = read(word, results).unwrap();
        found.into_iter().map(|found| found.document.run_id).collect()
    }

    #[test]
    fn results_are_found_by_every_name_they_have() {
        let directory = results(&["2026-3", "2026-1", "2026-2.incomplete"]);
        let path = directory.path();
        fs::create_dir(path.join("2026-4.incomplete")).unwrap();
        let at = |name: &str| path.join(name).display().to_string();
        for (word, expected) in [
            ("last".to_owned(), vec!["2026-3"]),
            ("last~2".to_owned(), vec!["2026-1"]),
            ("last,last~1".to_owned(), vec!["2026-2", "2026-3"]),
            (at("2026-1"), vec!["2026-1"]),
            (at("2026-1/result.json"), vec!["2026-1"]),
            (at(""), vec!["2026-1", "2026-2", "2026-3"]),
            (format!("{}, {}", at("2026-3"), at("2026-1")), vec!["2026-1", "2026-3"]),
        ] {
            assert_eq!(names(&word, path), expected, "{word}");
        }
        // What `run --format json` printed, wherever it was put.
        let saved = path.join("base.json");
        fs::copy(path.join("2026-1/result.json"), &saved).unwrap();
        fs::write(path.join("spec.toml"), "another's").unwrap();
        let found = read(saved.to_str().unwrap(), path).unwrap();
        assert_eq!((found.len(), found[0].spec.as_deref()), (1, None));
        assert_eq!(found[0].document.run_id, "2026-1");
        // A run that is not over is there by its own name only.
        let running = fs::File::open(path.join("2026-2.incomplete")).unwrap();
        running.lock().unwrap();
        assert_eq!(names("last~1", path), ["2026-1"]);
        assert_eq!(names(&at("2026-2.incomplete"), path), ["2026-2"]);
        drop(running);
        let found = read("last~1", path).unwrap();
        assert!(found[0].incomplete && !read("last", path).unwrap()[0].incomplete);
    }

    #[test]
    fn what_is_no_result_is_refused_by_name_with_a_way_out() {
        let directory = results(&["2026-1"]);
        let path = directory.path();
        fs::write(path.join("notes"), "x").unwrap();
        fs::write(path.join("numbers.json"), "{\"schema\": 1}").unwrap();
        fs::create_dir(path.join("empty")).unwrap();
        let at = |name: &str| path.join(name).display().to_string();
        for (word, part) in [
            ("last~1".to_owned(), "there are not so many"),
            (at("absent"), "there is nothing"),
            (at("notes"), "notes: no result document"),
            (at("numbers.json"), "no result document: missing field"),
            (String::new(), "\"\" names no result"),
            (" , ".to_owned(), "names no result"),
            (at("empty"), "it holds no result.json"),
        ] {
            let error = read(&word, path).unwrap_err();
            assert!(error.to_string().contains(part) && error.hint().is_some(), "{error}");
        }
        let newer = Document { schema: 2, ..passed() };
        fs::write(path.join("2026-1/result.json"), newer.to_json().unwrap()).unwrap();
        let error = read("last", path).unwrap_err().to_string();
        assert!(error.contains("2026-1/result.json: its schema is 2"), "{error}");
        assert!(read("last", &path.join("nowhere")).is_err());
    }
}
