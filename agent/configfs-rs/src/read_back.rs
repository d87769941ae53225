//! Reads what a plan wrote, as the kernel has it now.

use crate::path::TreePath;
use crate::plan::Step;
use crate::tree::{Error, Tree};
use crate::value::Value;

/// What LIO puts before the serial when `vpd_unit_serial` is read.
const SERIAL_PREFIX: &str = "T10 VPD Unit Serial Number: ";

/// One attribute as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The attribute.
    pub path: TreePath,
    /// What was written, unless the attribute was only read (`info`).
    pub written: Option<Value>,
    /// What the kernel has, `…` where it is secret.
    pub found: Result<String, Error>,
    /// Whether the kernel has what was written; `None` where nothing was, or the attribute cannot be read.
    pub agrees: Option<bool>,
}

/// Reads every attribute that `steps` wrote, and the `info` beside each `control`, which itself can only be written.
///
/// At most one reading for each step, and at most 64 KiB for each reading.
pub fn read_back(tree: &Tree, steps: &[Step]) -> Vec<Reading> {
    steps.iter().filter_map(|step| read_step(tree, step)).collect()
}

fn read_step(tree: &Tree, step: &Step) -> Option<Reading> {
    let Step::WriteAttribute { path, value, .. } = step else { return None };
    if path.name() == "control" {
        let path = path.parent()?.join("info");
        let found = tree.read(&path);
        return Some(Reading { path, written: None, found, agrees: None });
    }
    let found = tree.read(path).map(normalise);
    let agrees = found.as_ref().ok().map(|found| found == value.expose());
    let found = if value.is_secret() { found.map(|_| "…".to_owned()) } else { found };
    Some(Reading { path: path.clone(), written: Some(value.clone()), found, agrees })
}

fn normalise(text: String) -> String {
    text.strip_prefix(SERIAL_PREFIX).map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: &str, value: Value) -> Step {
        Step::WriteAttribute { path: TreePath::new(path).unwrap(), value, undo: None }
    }

    #[test]
    fn readings_are_normalised_compared_and_masked() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::new(directory.path()).unwrap();
        let put = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        fs::create_dir(directory.path().join("d")).unwrap();
        put("d/info", "Status: ACTIVATED\n");
        put("d/vpd_unit_serial", "T10 VPD Unit Serial Number: abc\n");
        put("d/block_size", "512\n");
        put("d/password", "correct horse");
        let readings = read_back(
            &tree,
            &[
                Step::MakeDirectory { path: TreePath::new("d").unwrap() },
                write("d/control", Value::new("rd_pages=1").unwrap()),
                write("d/vpd_unit_serial", Value::new("abc").unwrap()),
                write("d/block_size", Value::from(4096)),
                write("d/password", Value::secret("correct horse").unwrap()),
                write("d/gone", Value::from(1)),
            ],
        );
        let short: Vec<_> =
            readings.iter().map(|r| (r.path.name(), r.found.as_deref().ok(), r.agrees)).collect();
        let expected = [
            ("info", Some("Status: ACTIVATED"), None),
            ("vpd_unit_serial", Some("abc"), Some(true)),
            ("block_size", Some("512"), Some(false)),
            ("password", Some("…"), Some(true)),
            ("gone", None, None),
        ];
        assert_eq!(short, expected);
        assert!(!format!("{readings:?}").contains("horse"));
    }
}
