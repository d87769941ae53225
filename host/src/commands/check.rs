//! `lunlab check`: what is wrong with a spec, and how it would be set up, without starting anything.

use crate::cli::{Check, Format};
use crate::commands::spec_file::{read_spec, refused};
use crate::error::Error;
use crate::escape::terminal;
use crate::output;
use crate::spec::{Fault, Faults, Spec};
use crate::target::{Provisioning, default_lines};
use serde::Serialize;

/// Checks a spec; its faults go to stderr, the good news, the notes and the plan to stdout.
pub(super) fn check(check: &Check) -> Result<u8, Error> {
    let read = read_spec(check.spec.as_deref())?;
    let found = match &read.spec {
        Ok((spec, _)) => Ok(Good::of(spec)?),
        Err(faults) => Err(faults),
    };
    if check.format == Format::Json {
        let _nobody_reads = output::line(&document(&found, check.plan)?);
    }
    let good = found.map_err(|faults| refused(&read.name, faults))?;
    if check.format == Format::Human {
        let _nobody_reads = output::text(&good.lines(&read.name, check.plan));
    }
    Ok(0)
}

/// What there is to say of a good spec.
struct Good {
    notes: Vec<String>,
    plan: Vec<String>,
}

impl Good {
    fn of(spec: &Spec) -> Result<Self, Error> {
        let provisioning = Provisioning::shown(spec)?;
        let defaults = default_lines(&provisioning.defaults);
        let notes = spec.notes.iter().cloned().chain(defaults).collect();
        Ok(Self { notes, plan: plan(&provisioning) })
    }

    fn lines(&self, name: &str, with_plan: bool) -> String {
        let notes = self.notes.iter().map(|note| format!("note: {note}"));
        let plan = self.plan.iter().filter(|_| with_plan).cloned();
        let lines = std::iter::once(format!("{name} is good")).chain(notes).chain(plan);
        lines.map(|line| terminal(&line) + "\n").collect()
    }
}

/// What would be done, in its order; a secret is not shown.
fn plan(provisioning: &Provisioning) -> Vec<String> {
    let devices = provisioning.devices.iter().map(ToString::to_string);
    let steps = provisioning.steps.iter().map(ToString::to_string);
    let disks = provisioning
        .disks
        .iter()
        .map(|disk| format!("find LUN {} of {} as /dev/lunlab/{}", disk.lun, disk.tpg, disk.name));
    devices.chain(steps).chain(disks).collect()
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    faults: Vec<Entry<'a>>,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a [String]>,
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

fn document(found: &Result<Good, &Faults>, with_plan: bool) -> Result<String, Error> {
    let document = match found {
        Ok(good) => Document {
            faults: Vec::new(),
            notes: &good.notes,
            plan: with_plan.then_some(&good.plan),
        },
        Err(faults) => {
            Document { faults: faults.0.iter().map(entry).collect(), notes: &[], plan: None }
        }
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
        let environment = |_: &str| Some("canary-canary".into());
        Spec::parse(text, Base { directory: Path::new("/"), home: None, environment })
    }

    #[test]
    fn a_good_spec_is_called_so_with_its_notes() {
        let good = Good::of(&parse("[[disk]]\nserial = \"spare\"\nsize = \"1G\"\n").unwrap());
        let good = good.unwrap();
        assert_eq!(
            good.lines("my.toml", true),
            "my.toml is good\nnote: disk \"spare\" is under no storage object\n"
        );
        let empty = Good { notes: Vec::new(), plan: Vec::new() };
        assert_eq!(
            document(&Ok(empty), false).unwrap(),
            "{\n  \"faults\": [],\n  \"notes\": []\n}"
        );
    }

    #[test]
    fn each_fault_is_an_entry_with_its_place_and_way_out() {
        let faults = parse("[machine]\ncpus = 0\naccelerator = \"kvn\"\n").unwrap_err();
        let document: serde_json::Value =
            serde_json::from_str(&document(&Err(&faults), true).unwrap()).unwrap();
        let expected = serde_json::json!([
            {
                "key": "machine.cpus",
                "line": 2,
                "column": 8,
                "message": "0 is out of range, a whole number from 1 to 64 is needed",
                "hint": "such as cpus = 2",
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

    #[test]
    fn the_plan_has_its_steps_in_order_and_no_secret() {
        let text = r#"
            [[storage_object]]
            name = "slow"
            backstore = "block"
            size = "64M"
            device = "brd"
            delay = { read = "5ms" }
            [[target]]
            wwn = "iqn.2024-05.org.example:one"
            [[target.tpg]]
            luns = [{ lun = 0, storage_object = "slow" }]
            chap = { userid = "u", password_env = "SECRET" }
            [[target]]
            fabric = "loopback"
            wwn = "naa.5001405000000001"
            [[target.tpg]]
            luns = [{ lun = 3, storage_object = "slow" }]
        "#;
        let lines = Good::of(&parse(text).unwrap()).unwrap().lines("s.toml", true);
        let place = |part: &str| lines.find(part).unwrap_or_else(|| panic!("{part}\n{lines}"));
        let order = [
            "set up brd",
            "set up delay",
            "mkdir target/core/iblock_0/slow",
            "auth/password",
            "tpgt_1/enable",
            "find LUN 3 of target/loopback/naa.5001405000000001/tpgt_1 as /dev/lunlab/",
        ];
        assert!(order.map(place).is_sorted(), "{lines}");
        assert!(!lines.contains("canary"), "{lines}");
    }
}
