//! Reads what the kernel has, and compares it with what was written.

use std::collections::BTreeMap;

use crate::lio::rule::{boolean, number};
use crate::path::TreePath;
use crate::plan::Step;
use crate::tree::{EntryKind, Error, Tree};
use crate::value::Value;

/// What LIO puts before the serial when `vpd_unit_serial` is read (`target_core_configfs.c`).
const SERIAL_PREFIX: &str = "T10 VPD Unit Serial Number: ";

/// What LIO puts before a group's name when `alua_tg_pt_gp` of a LUN is read (`target_core_alua.c`).
const ALIAS_PREFIX: &str = "TG Port Alias: ";

/// More attributes than any sane subtree has; a walk ends there.
const MAX_ATTRIBUTES: usize = 65_536;

/// Deeper than configfs nests in LIO, whose statistics of a mapped LUN are ten groups down.
const MAX_DEPTH: usize = 16;

/// Whether the kernel has what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// It has, perhaps in other words.
    Equal,
    /// It has something else.
    Different,
    /// Reading does not tell.
    Unknown,
}

/// Compares what `step` writes with what its attribute reads; for `control`, which can only be written, with `info`.
pub fn compare(step: &Step, text: &str) -> Agreement {
    match step {
        Step::WriteAttribute { path, value, .. } => compare_value(path, value.expose(), text),
        Step::CreateFile { .. } | Step::MakeDirectory { .. } | Step::Link { .. } => {
            Agreement::Unknown
        }
    }
}

fn compare_value(path: &TreePath, written: &str, text: &str) -> Agreement {
    let found = settable(path, text);
    let equal = match path.name() {
        "control" => return compare_info(written, text),
        // Writing 1 is an act; it always reads 0.
        "pi_prot_format" => return Agreement::Unknown,
        "alua_tg_pt_gp" if written == "NULL" => found == "default_tg_pt_gp",
        "cpus_allowed_list" => cpus(written).is_some_and(|set| Some(set) == cpus(&found)),
        _ => is_same(written.trim(), &found),
    };
    if equal { Agreement::Equal } else { Agreement::Different }
}

fn is_same(written: &str, found: &str) -> bool {
    let cleared = written == "NULL" && found.is_empty();
    let numbers = number(written).zip(number(found));
    let booleans = boolean(written).zip(boolean(found));
    written == found
        || cleared
        || numbers.is_some_and(|(a, b)| a == b)
        || booleans.is_some_and(|(a, b)| a == b)
}

/// Gives what would have to be written for an attribute to read as `text`.
pub(crate) fn settable(path: &TreePath, text: &str) -> String {
    let text = text.trim();
    let first = text.lines().next().unwrap_or_default();
    let word = match (path.name(), first) {
        ("vpd_unit_serial", _) => first.strip_prefix(SERIAL_PREFIX).unwrap_or(first),
        ("alua_tg_pt_gp", _) => first.strip_prefix(ALIAS_PREFIX).unwrap_or(first),
        // core_alua_show_access_type, drivers/target/target_core_alua.c.
        ("alua_access_type", "None") => "0",
        ("alua_access_type", "Implicit") => "1",
        ("alua_access_type", "Explicit") => "2",
        ("alua_access_type", "Implicit and Explicit") => "3",
        _ => text,
    };
    word.trim().to_owned()
}

/// Reads a list of CPUs such as `0-3,7`; one that is none, or names more than a kernel can have, is nothing.
fn cpus(list: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| match part.split_once('-') {
        Some((low, high)) => Some((low.parse().ok()?, high.parse().ok()?)),
        None => part.parse().ok().map(|cpu| (cpu, cpu)),
    };
    let mut ranges: Vec<(u16, u16)> = list.trim().split(',').map(range).collect::<Option<_>>()?;
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some((_, last)) if low <= last.saturating_add(1) => *last = high.max(*last),
            _ => merged.push((low, high)),
        }
    }
    Some(merged)
}

/// Looks in `info` for what `control` set. A field that this kernel does not show says nothing.
fn compare_info(control: &str, info: &str) -> Agreement {
    let squeezed: Vec<&str> = info.split_ascii_whitespace().collect();
    let info = format!("{} ", squeezed.join(" "));
    let expected = expected_info(control);
    let shown: Vec<_> = expected.iter().filter(|(label, _)| info.contains(label)).collect();
    let has = |(label, value): &(&str, String)| info.contains(&format!("{label}{value}"));
    match shown.as_slice() {
        [] => Agreement::Unknown,
        fields if fields.iter().all(|field| has(field)) => Agreement::Equal,
        _ => Agreement::Different,
    }
}

/// Gives what `info` shows for a `control` (`rd_show_configfs_dev_params` and its neighbours).
fn expected_info(control: &str) -> Vec<(&'static str, String)> {
    let keys: BTreeMap<&str, &str> =
        control.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let flag = |key| format!("{} ", u8::from(keys.get(key) == Some(&"1")));
    let mut expected = Vec::new();
    if let Some(pages) = keys.get("rd_pages") {
        expected.push(("PAGES/PAGE_SIZE: ", format!("{pages}*")));
        expected.push(("nullio: ", flag("rd_nullio")));
    }
    if let Some(path) = keys.get("fd_dev_name") {
        let path: Vec<&str> = path.split_ascii_whitespace().collect();
        expected.push((" File: ", format!("{} Size: ", path.join(" "))));
        let mode = if keys.contains_key("fd_buffered_io") { "Buffered-WCE " } else { "O_DSYNC " };
        expected.push((" Mode: ", mode.to_owned()));
        expected.push((" Async: ", flag("fd_async_io")));
    }
    // Of a device LIO asks the size itself.
    let is_file = keys.get("fd_dev_name").is_some_and(|path| !path.starts_with("/dev/"));
    if let Some(size) = keys.get("fd_dev_size").filter(|_| is_file) {
        expected.push((" Size: ", format!("{size} ")));
    }
    if let Some(path) = keys.get("udev_path") {
        expected.push(("UDEV PATH: ", format!("{path} ")));
        expected.push(("readonly: ", flag("readonly")));
    }
    expected
}

/// One attribute as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The attribute.
    pub path: TreePath,
    /// What was written; for `info`, what was written to the `control` beside it.
    pub written: Option<Value>,
    /// What the kernel has, `…` where it is secret.
    pub found: Result<String, Error>,
    /// Whether the kernel has what was written; `None` where reading does not tell.
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
    let read = readable(path);
    let found = tree.read(&read);
    let agrees = found.as_ref().ok().and_then(|text| match compare(step, text) {
        Agreement::Equal => Some(true),
        Agreement::Different => Some(false),
        Agreement::Unknown => None,
    });
    let found = found.map(|text| match (value.is_secret(), read.name()) {
        (true, _) => "…".to_owned(),
        (false, "info") => text,
        (false, _) => settable(path, &text),
    });
    Some(Reading { path: read, written: Some(value.clone()), found, agrees })
}

/// Gives where to read what is written to `path`.
pub(crate) fn readable(path: &TreePath) -> TreePath {
    match (path.name(), path.parent()) {
        ("control", Some(device)) => device.join("info"),
        _ => path.clone(),
    }
}

/// Something found on a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An attribute that can be read, without the newline at its end; `…` where it is a secret.
    Attribute {
        /// The attribute.
        path: TreePath,
        /// What it reads.
        text: String,
    },
    /// A link.
    Link {
        /// The link.
        path: TreePath,
        /// The last part of what it points at.
        target: String,
    },
}

/// How a walk went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Attributes and links that were found and given.
    pub given: usize,
    /// Attributes and groups that could not be read: some can only be written, some only with a session open.
    pub unreadable: usize,
    /// Whether the walk ended early: at 65536 attributes or 16 groups deep.
    pub cut: bool,
}

/// Reads every attribute and link directly in the group at `path`.
pub fn read_group(
    tree: &Tree,
    path: &TreePath,
    sink: &mut dyn FnMut(Found),
) -> Result<Walk, Error> {
    walk(tree, path, 1, sink)
}

/// Reads every attribute and link in the group at `path` and below, group by group, each sorted by name.
///
/// What holds a password is masked; no link is followed. Statistics are left out, which are more than all the rest and
/// never stand still: [`read_group`] gives those that are wanted.
pub fn read_tree(tree: &Tree, path: &TreePath, sink: &mut dyn FnMut(Found)) -> Result<Walk, Error> {
    walk(tree, path, MAX_DEPTH, sink)
}

fn walk(
    tree: &Tree,
    path: &TreePath,
    depth: usize,
    sink: &mut dyn FnMut(Found),
) -> Result<Walk, Error> {
    let mut walk = Walk::default();
    // The group asked for must be there; groups below may go while the walk is on.
    let mut groups = visit(tree, path, &mut walk, sink)?;
    for _ in 1..depth {
        let mut below = Vec::new();
        for group in groups {
            match visit(tree, &group, &mut walk, sink) {
                Ok(found) => below.extend(found),
                Err(_) => walk.unreadable += 1,
            }
        }
        groups = below;
    }
    walk.cut |= depth > 1 && !groups.is_empty();
    Ok(walk)
}

/// Gives what is in one group, and the groups in it.
fn visit(
    tree: &Tree,
    path: &TreePath,
    walk: &mut Walk,
    sink: &mut dyn FnMut(Found),
) -> Result<Vec<TreePath>, Error> {
    let mut groups = Vec::new();
    for entry in tree.list(path)? {
        let Ok(child) = path.child(&entry.name) else {
            walk.unreadable += 1;
            continue;
        };
        if walk.given >= MAX_ATTRIBUTES {
            walk.cut = true;
            return Ok(Vec::new());
        }
        let found = match entry.kind {
            EntryKind::Group => {
                let counts = matches!(entry.name.as_str(), "statistics" | "fabric_statistics");
                groups.extend((!counts).then_some(child));
                continue;
            }
            EntryKind::Attribute => tree
                .read(&child)
                .map(|text| Found::Attribute { text: mask(&child, text), path: child }),
            EntryKind::Link => tree.read_link(&child).map(|target| {
                let name = target.file_name().unwrap_or_default();
                Found::Link { path: child, target: name.to_string_lossy().into_owned() }
            }),
        };
        match found {
            Ok(found) => {
                walk.given += 1;
                sink(found);
            }
            Err(_) => walk.unreadable += 1,
        }
    }
    Ok(groups)
}

fn mask(path: &TreePath, text: String) -> String {
    let secret = path.name().contains("password") && !text.is_empty() && text != "NULL";
    if secret { "…".to_owned() } else { text }
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
        put("d/info", "Status: ACTIVATED\n        PAGES/PAGE_SIZE: 1*4096  nullio: 0\n");
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
        let info = "Status: ACTIVATED\n        PAGES/PAGE_SIZE: 1*4096  nullio: 0";
        let expected = [
            ("info", Some(info), Some(true)),
            ("vpd_unit_serial", Some("abc"), Some(true)),
            ("block_size", Some("512"), Some(false)),
            ("password", Some("…"), Some(true)),
            ("gone", None, None),
        ];
        assert_eq!(short, expected);
        assert!(!format!("{readings:?}").contains("horse"));
    }

    fn agreement(path: &str, written: &str, text: &str) -> Agreement {
        compare(&write(path, Value::new(written).unwrap()), text)
    }

    #[test]
    fn the_kernels_words_are_compared_not_its_spelling() {
        for (path, written, text) in [
            ("d/attrib/block_size", "4096", "4096\n"),
            ("d/attrib/max_unmap_lba_count", "0x2000", "8192\n"),
            ("d/attrib/emulate_tpu", "1", "1\n"),
            ("d/wwn/vpd_unit_serial", "abc", "T10 VPD Unit Serial Number: abc\n"),
            ("d/wwn/company_id", "0x001405", "0x001405\n"),
            ("d/alua/g/alua_access_type", "3", "Implicit and Explicit\n"),
            ("d/alua/g/alua_access_type", "0", "None\n"),
            ("t/lun/lun_0/alua_tg_pt_gp", "g", "TG Port Alias: g\nTG Port Group ID: 16\n"),
            ("t/lun/lun_0/alua_tg_pt_gp", "NULL", "TG Port Alias: default_tg_pt_gp\n"),
            ("t/param/InitialR2T", "No", "No\n"),
            ("t/acls/i/tag", "a label", "a label"),
            ("t/auth/userid", "NULL", "\n"),
            ("iscsi/cpus_allowed_list", "0,1,2,3", "0-3\n"),
        ] {
            assert_eq!(agreement(path, written, text), Agreement::Equal, "{path} {written}");
        }
        for (path, written, text) in [
            ("d/attrib/block_size", "4096", "512\n"),
            ("d/attrib/emulate_tpu", "1", "0\n"),
            ("d/alua/g/alua_access_type", "3", "Implicit\n"),
            ("t/lun/lun_0/alua_tg_pt_gp", "g", "TG Port Alias: default_tg_pt_gp\n"),
            ("t/auth/userid", "u", "\n"),
            ("iscsi/cpus_allowed_list", "0-3", "0-2\n"),
            ("iscsi/cpus_allowed_list", "0-", "0-\n"),
        ] {
            assert_eq!(agreement(path, written, text), Agreement::Different, "{path} {written}");
        }
    }

    #[test]
    fn control_is_found_again_in_info() {
        let file = "Status: DEACTIVATED  Max Queue Depth: 128  SectorSize: 512  HwMaxSectors: 16384\n\
            TCM FILEIO ID: 0        File: /a: b c  Size: 67108864  Mode: Buffered-WCE Async: 0\n";
        let block =
            "iBlock device: nullb0  UDEV PATH: /dev/nullb0  readonly: 0\n        Major: 252";
        for (control, info, expected) in [
            ("fd_dev_name=/a: b c,fd_dev_size=67108864,fd_buffered_io=1", file, Agreement::Equal),
            ("fd_dev_name=/a: b c,fd_dev_size=67108864", file, Agreement::Different),
            ("fd_dev_name=/a,fd_dev_size=67108864,fd_buffered_io=1", file, Agreement::Different),
            (
                "fd_dev_name=/a: b c,fd_dev_size=6710886,fd_buffered_io=1",
                file,
                Agreement::Different,
            ),
            ("udev_path=/dev/nullb0", block, Agreement::Equal),
            ("udev_path=/dev/nullb", block, Agreement::Different),
            ("udev_path=/dev/nullb0,readonly=1", block, Agreement::Different),
            ("rd_pages=16", "PAGES/PAGE_SIZE: 16*4096  SG_table_count: 1\n", Agreement::Equal),
            ("rd_pages=1", "PAGES/PAGE_SIZE: 16*4096  SG_table_count: 1\n", Agreement::Different),
            ("rd_pages=1", "Status: DEACTIVATED", Agreement::Unknown),
        ] {
            assert_eq!(agreement("d/control", control, info), expected, "{control}");
        }
    }

    #[test]
    fn a_walk_gives_all_that_can_be_read_and_masks_passwords() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::new(directory.path()).unwrap();
        fs::create_dir_all(directory.path().join("t/auth/deep")).unwrap();
        fs::create_dir_all(directory.path().join("t/statistics/scsi_lu")).unwrap();
        let put = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        put("t/enable", "1\n");
        put("t/auth/password", "correct horse\n");
        put("t/auth/password_mutual", "\n");
        put("t/auth/deep/x", "y\n");
        std::os::unix::fs::symlink(directory.path().join("t/auth"), directory.path().join("t/a"))
            .unwrap();
        let path = TreePath::new("t").unwrap();
        let line = |found: &Found| match found {
            Found::Attribute { path, text } => format!("{path}={text}"),
            Found::Link { path, target } => format!("{path}->{target}"),
        };
        let mut lines = Vec::new();
        let walked = read_tree(&tree, &path, &mut |found| lines.push(line(&found))).unwrap();
        let expected = [
            "t/a->auth",
            "t/enable=1",
            "t/auth/password=…",
            "t/auth/password_mutual=",
            "t/auth/deep/x=y",
        ];
        assert_eq!(lines, expected);
        assert_eq!(walked, Walk { given: 5, unreadable: 0, cut: false });
        let mut count = 0;
        let walked = read_group(&tree, &path, &mut |_| count += 1).unwrap();
        assert_eq!((count, walked.given, walked.cut), (2, 2, false));
        assert!(read_tree(&tree, &TreePath::new("gone").unwrap(), &mut |_| ()).is_err());
    }
}
