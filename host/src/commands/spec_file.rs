//! The text of a spec, from a file or from standard input.

use crate::error::Error;
use crate::escape;
use crate::spec::{Base, DEFAULT_SPEC, Fault, Faults, KeyPath, Position, Segment, Spec};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest spec, in bytes: what has more is no spec.
const SPEC_MAX: u64 = 4 << 20;

/// Reads the spec, or the default one; with a copy of its text that can be read from anywhere.
pub(super) fn load_spec(path: Option<&Path>) -> Result<(Spec, String), Error> {
    let read = read_spec(path)?;
    let (spec, copy) = read.spec.map_err(|faults| refused(&read.name, &faults))?;
    Ok((spec, copy))
}

/// A spec as it was read, good or not.
pub(super) struct ReadSpec {
    /// What the user calls it.
    pub(super) name: String,
    /// What it says, with a copy of its text that can be read from anywhere; or all that is wrong
    /// with it.
    pub(super) spec: Result<(Spec, String), Faults>,
}

/// Reads the spec, or the default one.
pub(super) fn read_spec(path: Option<&Path>) -> Result<ReadSpec, Error> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let Some(path) = path else {
        let spec = Spec::builtin().map(|spec| (spec, DEFAULT_SPEC.to_owned()));
        return Ok(ReadSpec { name: "the default spec".to_owned(), spec });
    };
    let name = name_of(path);
    let text = match read(path)? {
        Ok(text) => text,
        Err(faults) => return Ok(ReadSpec { name, spec: Err(faults) }),
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let environment = Base::process_environment;
    let base = Base { directory, home: home.as_deref(), environment };
    Ok(ReadSpec { name, spec: Spec::parse_with_copy(&text, base) })
}

/// Reads a spec that is in no file; its paths are the caller's.
pub(super) fn parse_text(text: &str) -> Result<(Spec, String), Faults> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let environment = Base::process_environment;
    Spec::parse_with_copy(
        text,
        Base { directory: Path::new("."), home: home.as_deref(), environment },
    )
}

/// The error of a spec with faults.
pub(super) fn refused(name: &str, faults: &Faults) -> Error {
    Error::usage(faults.render(name).trim_end().to_owned())
}

/// The error of parameters on the command line, which have no lines; one that several workloads refuse is told once.
pub(super) fn refused_parameters(faults: &Faults) -> Error {
    let mut told = Vec::new();
    for fault in &faults.0 {
        let key = fault.key.segments().iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        });
        let hint = fault.hint.iter().map(|hint| format!("\n  hint: {hint}"));
        let line = format!("-p {}: {}", key.unwrap_or_default(), fault.message);
        let line = line + &hint.collect::<String>();
        if !told.contains(&line) {
            told.push(line);
        }
    }
    Error::usage(told.join("\n"))
}

/// What the user calls a spec: its path, or that it is standard input.
fn name_of(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { escape::terminal(&path.to_string_lossy()) }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads the text of a spec; of one that is not text, the fault.
///
/// # Errors
/// Usage, when it cannot be read or is longer than any spec.
fn read(path: &Path) -> Result<Result<String, Faults>, Error> {
    let name = name_of(path);
    let bytes = if is_stdin(path) {
        read_at_most(std::io::stdin().lock())
    } else {
        File::open(path).and_then(read_at_most)
    };
    let bytes = bytes.map_err(|error| {
        Error::usage(format!("read {name}: {error}")).with_hint(
            "name a spec, a file in TOML as docs/spec.md has it, or - for standard input",
        )
    })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SPEC_MAX {
        let message = format!("read {name}: it has more than {SPEC_MAX} bytes, which no spec has");
        return Err(Error::usage(message).with_hint("name a spec, a file in TOML"));
    }
    Ok(String::from_utf8(bytes).map_err(|error| not_text(error.as_bytes(), error.utf8_error())))
}

fn read_at_most(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SPEC_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_text(bytes: &[u8], error: std::str::Utf8Error) -> Faults {
    let (before, odd) = bytes.split_at(error.valid_up_to());
    let position = Position::of(&String::from_utf8_lossy(before), before.len());
    let byte = odd.first().copied().unwrap_or_default();
    Faults(vec![Fault {
        position: Some(position),
        key: KeyPath::default(),
        message: format!("the byte {byte:#04x} is not text, a spec is UTF-8"),
        hint: Some("save it as UTF-8, or name a spec in place of another file".to_owned()),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::repeat;

    #[test]
    fn what_is_not_text_is_told_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.toml");
        std::fs::write(&path, b"[kernel]\nimage = \"\xff\"").unwrap();
        let faults = read(&path).unwrap().unwrap_err().render("s.toml");
        assert!(faults.starts_with("s.toml:2:10: the byte 0xff is not text"), "{faults}");
        std::fs::write(&path, "[kernel]\n").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), "[kernel]\n");
    }

    #[test]
    fn no_more_is_read_than_a_spec_can_have() {
        let read = read_at_most(repeat(b'x')).unwrap();
        assert_eq!(u64::try_from(read.len()).unwrap(), SPEC_MAX + 1);
        let error = super::read(Path::new("/dev/zero")).unwrap_err();
        assert!(error.to_string().contains("more than 4194304 bytes"), "{error}");
        let error = super::read(Path::new("/")).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("docs/spec.md")), "{error}");
    }
}
