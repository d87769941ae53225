//! The same targets set up by lunlab and by rtslib, the library under targetcli, on one kernel in
//! one machine.
//!
//! In rtslib's favour, neither starting Python nor importing it is counted, only what it then does;
//! of lunlab, what is between the last module and the target being ready, the channel between host
//! and guest included.

use crate::figures::{Figure, Goal, Report, Samples};
use crate::whole_run::Run;
use crate::{Failure, Subject, whole_run};
use lunlab::saveconfig::{Chosen, export};
use lunlab::spec::{Base, Spec};
use lunlab_tests::rtslib::Guest;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

const SCRIPT: &str = include_str!("../../../rtslib/measure.py");

/// How long rtslib may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many storage objects and LUNs a large target has.
const MANY: usize = 64;

/// How many initiators see all of them.
const INITIATORS: usize = 2;

/// One size of target.
struct Size {
    name: &'static str,
    text: String,
    /// What lunlab is to set it up within, in milliseconds.
    set_up: f64,
    /// What it is to tear it down within, where that is asked.
    torn_down: Option<f64>,
}

/// Both ways to set targets up, measured round by round.
pub(crate) struct Beside {
    guest: Guest,
    sizes: [Size; 2],
    /// As rtslib reads them.
    saved: Vec<String>,
    /// By size, then by round.
    lunlab: [Times; 2],
    rtslib: [Times; 2],
}

/// Of each round, in milliseconds.
#[derive(Default)]
struct Times {
    set_up: Vec<f64>,
    torn_down: Vec<f64>,
}

impl Beside {
    /// Prepares both.
    ///
    /// # Errors
    /// When the guest with rtslib cannot be made.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let sizes = [
            Size { name: "1 fileio LUN", text: spec(1, 0), set_up: 60.0, torn_down: None },
            Size {
                name: "64 LUNs, 2 ACLs",
                text: spec(MANY, INITIATORS),
                set_up: 2000.0,
                torn_down: Some(2000.0),
            },
        ];
        let saved = sizes.iter().map(|size| saved(&size.text)).collect::<Result<_, _>>()?;
        let (lunlab, rtslib) = Default::default();
        Ok(Self { guest: Guest::prepare()?, sizes, saved, lunlab, rtslib })
    }

    /// One round: rtslib in one guest, lunlab in a guest for each size.
    ///
    /// # Errors
    /// When one of them does not set its target up.
    pub(crate) fn measure(&mut self, subject: &Subject) -> Result<(), Failure> {
        let names = ["0.json", "1.json"];
        let files: Vec<_> =
            names.into_iter().zip(&self.saved).map(|(n, text)| (n, text.as_bytes())).collect();
        let printed = self.guest.run(SCRIPT, &files, PATIENCE)?;
        let results: Value = serde_json::from_str(&printed)?;
        for (index, size) in self.sizes.iter().enumerate() {
            let took = |key: &str| results[index][key].as_f64().ok_or("no time from rtslib");
            self.rtslib[index].set_up.push(took("restored")?);
            self.rtslib[index].torn_down.push(took("cleared")?);
            let run = whole_run::measure_spec(subject, &size.text)?;
            self.lunlab[index].set_up.push(provisioning(&run));
            self.lunlab[index].torn_down.push(teardown(&run));
        }
        Ok(())
    }

    /// Reports times and the ratios of pairs.
    pub(crate) fn report(&self, report: &mut Report) {
        for (index, size) in self.sizes.iter().enumerate() {
            let (lunlab, rtslib) = (&self.lunlab[index], &self.rtslib[index]);
            let goal = Some(size.set_up);
            compare(
                report,
                &format!("{}: set up", size.name),
                &lunlab.set_up,
                &rtslib.set_up,
                goal,
            );
            let name = format!("{}: torn down", size.name);
            compare(report, &name, &lunlab.torn_down, &rtslib.torn_down, size.torn_down);
        }
    }
}

/// One line for each of them, and one for how they compare.
fn compare(report: &mut Report, what: &str, lunlab: &[f64], rtslib: &[f64], goal: Option<f64>) {
    let samples = |times: &[f64]| times.iter().copied().collect::<Samples>();
    let (lunlab, rtslib) = (samples(lunlab), samples(rtslib));
    let ratios = rtslib.paired_with(&lunlab, |rtslib, lunlab| rtslib / lunlab);
    let figure = Figure::new(format!("{what} by lunlab"), "ms", lunlab);
    report.add(match goal {
        Some(goal) => figure.with_goal(Goal::AtMost(goal)),
        None => figure,
    });
    report.add(Figure::new(format!("{what} by rtslib"), "ms", rtslib));
    report.add(Figure::new(format!("{what}, rtslib / lunlab, of pairs"), "", ratios));
}

/// From the last module to the target being ready.
fn provisioning(run: &Run) -> f64 {
    run.spawn_to("target-ready") - run.spawn_to("modules")
}

/// From the request to finish to the target being gone, the reading of its statistics included.
fn teardown(run: &Run) -> f64 {
    run.spawn_to("torn-down") - run.spawn_to("finish")
}

/// A target with so many fileio LUNs and initiators that see all of them.
fn spec(luns: usize, initiators: usize) -> String {
    let mut text = String::new();
    let mut exported = Vec::new();
    for n in 0..luns {
        let _to_a_string = write!(
            text,
            "[[storage_object]]\nname = \"disk{n}\"\nbackstore = \"fileio\"\nsize = \"1M\"\n\
             serial = \"{n:08x}-1111-4222-8333-444455556666\"\n"
        );
        exported.push(format!("{{ lun = {n}, storage_object = \"disk{n}\" }}"));
    }
    let _to_a_string = write!(
        text,
        "[[target]]\nwwn = \"iqn.2015-04.org.example:bench\"\n[[target.tpg]]\ntag = 1\n\
         luns = [{}]\n",
        exported.join(", ")
    );
    for n in 0..initiators {
        let _to_a_string = write!(
            text,
            "[[target.tpg.acl]]\ninitiator = \"iqn.2015-04.org.example:initiator-{n}\"\n"
        );
    }
    text
}

/// The same, as rtslib reads it.
fn saved(text: &str) -> Result<String, Failure> {
    let base = Base { directory: Path::new("."), home: None, environment: |_| None };
    let spec = Spec::parse(text, base).map_err(|faults| faults.to_string())?;
    let chosen = Chosen {
        serial: &|object| object.serial.clone().unwrap_or_default(),
        path: &|object| format!("/run/lunlab/{}", object.name),
        portals: &[],
    };
    Ok(export(&spec, &chosen, false).document.to_string())
}

#[cfg(test)]
mod tests {
    use super::{INITIATORS, MANY, saved, spec};
    use serde_json::Value;

    #[test]
    fn both_are_given_the_same_target() {
        let saved: Value = serde_json::from_str(&saved(&spec(MANY, INITIATORS)).unwrap()).unwrap();
        assert_eq!(saved["storage_objects"].as_array().unwrap().len(), MANY);
        let tpg = &saved["targets"][0]["tpgs"][0];
        assert_eq!(tpg["luns"].as_array().unwrap().len(), MANY);
        let acls = tpg["node_acls"].as_array().unwrap();
        assert_eq!(acls.len(), INITIATORS);
        assert!(acls.iter().all(|acl| acl["mapped_luns"].as_array().unwrap().len() == MANY));
    }
}
