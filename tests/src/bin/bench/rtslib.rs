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
    goal: f64,
}

/// Both ways to set targets up, measured round by round.
pub(crate) struct Beside {
    guest: Guest,
    sizes: [Size; 2],
    /// As rtslib reads them.
    saved: Vec<String>,
    /// By size, then by round.
    lunlab: [Vec<f64>; 2],
    rtslib: [Vec<f64>; 2],
    cleared: [Vec<f64>; 2],
}

impl Beside {
    /// Prepares both.
    ///
    /// # Errors
    /// When the guest with rtslib cannot be made.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let sizes = [
            Size { name: "1 fileio LUN", text: spec(1, 0), goal: 60.0 },
            Size { name: "64 LUNs, 2 ACLs", text: spec(MANY, INITIATORS), goal: 2000.0 },
        ];
        let saved = sizes.iter().map(|size| saved(&size.text)).collect::<Result<_, _>>()?;
        let none = || [Vec::new(), Vec::new()];
        let (lunlab, rtslib, cleared) = (none(), none(), none());
        Ok(Self { guest: Guest::prepare()?, sizes, saved, lunlab, rtslib, cleared })
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
            self.rtslib[index].push(took("restored")?);
            self.cleared[index].push(took("cleared")?);
            let run = whole_run::measure_spec(subject, &size.text)?;
            self.lunlab[index].push(provisioning(&run));
        }
        Ok(())
    }

    /// Reports times and the ratios of pairs.
    pub(crate) fn report(&self, report: &mut Report) {
        for (index, Size { name, goal, .. }) in self.sizes.iter().enumerate() {
            let samples = |times: &[Vec<f64>; 2]| times[index].iter().copied().collect::<Samples>();
            let (lunlab, rtslib) = (samples(&self.lunlab), samples(&self.rtslib));
            let ratios = rtslib.paired_with(&lunlab, |rtslib, lunlab| rtslib / lunlab);
            let goal = Goal::AtMost(*goal);
            report.add(
                Figure::new(format!("{name}: set up by lunlab"), "ms", lunlab).with_goal(goal),
            );
            report.add(Figure::new(format!("{name}: set up by rtslib"), "ms", rtslib));
            report.add(Figure::new(format!("{name}: rtslib / lunlab, of pairs"), "", ratios));
            let cleared = samples(&self.cleared);
            report.add(Figure::new(format!("{name}: cleared by rtslib"), "ms", cleared));
        }
    }
}

/// From the last module to the target being ready.
fn provisioning(run: &Run) -> f64 {
    run.spawn_to("target-ready") - run.spawn_to("modules")
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
