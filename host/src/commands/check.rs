//! `lunlab check`: what is wrong with a spec, without starting anything.

use crate::cli::{Check, Format};
use crate::commands::run::{read_spec, refused};
use crate::error::Error;
use crate::escape::terminal;
use crate::output;
use crate::spec::{Fault, Faults, Spec};
use serde::Serialize;

/// Checks a spec; its faults go to stderr, the good news and the notes to stdout.
pub(super) fn check(check: &Check) -> Result<u8, Error> {
    let read = read_spec(check.spec.as_deref())?;
    if check.format == Format::Json {
        let _nobody_reads = output::line(&document(&read.spec)?);
    }
    let spec = read.spec.map_err(|faults| refused(&read.name, &faults))?;
    if check.format == Format::Human {
        let _nobody_reads = output::text(&good(&read.name, &spec));
    }
    Ok(0)
}

fn good(name: &str, spec: &Spec) -> String {
    let notes = spec.notes.iter().map(|note| format!("note: {}\n", terminal(note)));
    format!("{} is good\n{}", terminal(name), notes.collect::<String>())
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    faults: Vec<Entry<'a>>,
    notes: &'a [String],
}

/// A fault; line and column count from 1.
#[derive(Serialize)]
struct Entry<'a> {
    key: String,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    hint: Option<&'a str>,
}

fn document(spec: &Result<Spec, Faults>) -> Result<String, Error> {
    let document = match spec {
        Ok(spec) => Document { faults: Vec::new(), notes: &spec.notes },
        Err(faults) => Document { faults: faults.0.iter().map(entry).collect(), notes: &[] },
    };
    serde_json::to_string_pretty(&document)
        .map_err(|error| Error::internal(format!("write the faults as JSON: {error}")))
}

fn entry(fault: &Fault) -> Entry<'_> {
    Entry {
        key: fault.key.to_string(),
        line: fault.position.map(|at| at.line),
        column: fault.position.map(|at| at.column),
        message: &fault.message,
        hint: fault.hint.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Base;
    use std::path::Path;

    fn parse(text: &str) -> Result<Spec, Faults> {
        let base = Base { directory: Path::new("/"), home: None, environment: |_| None };
        Spec::parse(text, base)
    }

    #[test]
    fn a_good_spec_is_called_so_with_its_notes() {
        let text = "[[disk]]\nserial = \"spare\"\nsize = \"1G\"\n";
        assert_eq!(
            good("my.toml", &parse(text).unwrap()),
            "my.toml is good\nnote: disk \"spare\" is under no storage object\n"
        );
        assert_eq!(document(&parse("")).unwrap(), "{\n  \"faults\": [],\n  \"notes\": []\n}");
    }

    #[test]
    fn each_fault_is_an_entry_with_its_place_and_way_out() {
        let text = "[machine]\ncpus = 0\naccelerator = \"kvn\"\n";
        let document: serde_json::Value =
            serde_json::from_str(&document(&parse(text)).unwrap()).unwrap();
        let expected = serde_json::json!([
            {
                "key": "machine.cpus",
                "line": 2,
                "column": 8,
                "message": "0 is out of range, a whole number from 1 to 64 is needed",
                "hint": null,
            },
            {
                "key": "machine.accelerator",
                "line": 3,
                "column": 15,
                "message": "\"kvn\" is unknown, one of auto, kvm, tcg is needed",
                "hint": "did you mean \"kvm\"?",
            },
        ]);
        assert_eq!(document["faults"], expected);
    }
}
