//! A result read back: from its directory or its file.

use super::document::{Document, SCHEMA};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The largest document that is read, in bytes; every sample a run may keep takes less.
const MAX_FILE: u64 = 256 << 20;

/// A result as it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The document's file.
    pub path: PathBuf,
    /// Whether its run was cut short: its directory is still `.incomplete`.
    pub incomplete: bool,
    /// The document.
    pub document: Document,
    /// The document's own text.
    pub json: String,
}

/// Why there is no result to read.
#[derive(Debug, Error)]
#[error("read {}: {problem}", path.display())]
pub struct LoadError {
    path: PathBuf,
    problem: String,
    hint: Option<&'static str>,
}

impl LoadError {
    /// A way out, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.map(str::to_owned)
    }
}

/// Reads a result: a directory with a `result.json`, or such a file.
///
/// # Errors
/// When there is none, it is no result document, or one of a later schema.
pub fn load(place: &Path) -> Result<Loaded, LoadError> {
    let path = if place.is_dir() { place.join("result.json") } else { place.to_owned() };
    let refused = |problem: String, hint| LoadError { path: path.clone(), problem, hint };
    let json = read(&path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound && place.is_dir();
        let hint = "a run that was killed before it measured anything has none; its console.log says how far it came";
        refused(error.to_string(), missing.then_some(hint))
    })?;
    let document: Document = serde_json::from_str(&json)
        .map_err(|error| refused(format!("no result document: {error}"), None))?;
    if document.schema > SCHEMA {
        let problem = format!("its schema is {}, this is {SCHEMA}", document.schema);
        return Err(refused(problem, Some("a newer lunlab wrote it, and can read it")));
    }
    Ok(Loaded { incomplete: is_incomplete(&path), path, document, json })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() > usize::try_from(MAX_FILE).unwrap_or(usize::MAX) {
        return Err(std::io::Error::other("larger than 256 MiB, which no result is"));
    }
    Ok(text)
}

fn is_incomplete(path: &Path) -> bool {
    let parent = std::path::absolute(path).ok();
    let parent = parent.as_deref().and_then(Path::parent);
    parent.is_some_and(|parent| parent.extension().is_some_and(|end| end == "incomplete"))
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::passed;
    use super::*;
    use std::fs;

    #[test]
    fn a_result_is_read_from_its_directory_or_its_file() {
        let place = tempfile::tempdir().unwrap();
        for (name, incomplete) in [("one", false), ("two.incomplete", true)] {
            let directory = place.path().join(name);
            fs::create_dir(&directory).unwrap();
            let file = directory.join("result.json");
            fs::write(&file, passed().to_json().unwrap()).unwrap();
            for given in [&directory, &file] {
                let loaded = load(given).unwrap();
                assert_eq!((&loaded.document, loaded.incomplete), (&passed(), incomplete));
                assert_eq!(loaded.json, passed().to_json().unwrap());
            }
        }
    }

    #[test]
    fn what_is_no_result_is_refused_with_the_reason() {
        let place = tempfile::tempdir().unwrap();
        let refusal = |text: &str| {
            fs::write(place.path().join("result.json"), text).unwrap();
            load(place.path()).unwrap_err().to_string()
        };
        let newer = Document { schema: SCHEMA + 1, ..passed() }.to_json().unwrap();
        assert!(refusal(&newer).ends_with("its schema is 2, this is 1"));
        assert!(refusal("{}").contains("no result document: missing field"));
        fs::remove_file(place.path().join("result.json")).unwrap();
        assert!(load(place.path()).unwrap_err().hint().unwrap().contains("console.log"));
    }
}
