//! What holds for every plan.

use std::collections::BTreeSet;

use crate::descriptions::{configuration, fileio, parts, ramdisk, target, tpg};
use configfs_rs::lio::iscsi::{Target, Tpg};
use configfs_rs::lio::{self, Configuration, Fault, StorageObject};
use configfs_rs::plan::{Step, Undo, undo};
use proptest::prelude::*;

fn storage_objects(kinds: &[bool]) -> Vec<StorageObject> {
    let object = |(index, is_file): (usize, &bool)| {
        let (name, serial) = (format!("disk{index}"), format!("{index:025x}"));
        match is_file {
            true => fileio(&name, &format!("/files/{name}"), &serial),
            false => ramdisk(&name, &serial),
        }
    };
    kinds.iter().enumerate().map(object).collect()
}

/// Exports `objects[i]` as LUN i of TPG i % 3 + 1 of each target.
fn targets(count: usize, objects: usize, portals: u16) -> Vec<Target> {
    let tpgs = |number: usize| -> Vec<Tpg> {
        let mut tpgs: Vec<Tpg> = (1..=3).map(|tag| tpg(tag, &[], &[])).collect();
        for index in 0..objects {
            let (lun, name) = (u8::try_from(index).unwrap(), format!("disk{index}"));
            tpgs[index % 3].luns.extend(tpg(1, &[(lun, &name)], &[]).luns);
        }
        for port in 1..=portals {
            let address = format!("127.0.0.{}:{port}", number + 1);
            tpgs[0].portals.extend(tpg(1, &[], &[&address]).portals);
        }
        tpgs
    };
    (0..count).map(|number| target(&format!("iqn.2015-04.org.x:{number}"), tpgs(number))).collect()
}

fn any_configuration() -> impl Strategy<Value = Configuration> {
    let shape = (proptest::collection::vec(any::<bool>(), 0..6), 0..4usize, 0..3u16);
    shape.prop_map(|(kinds, count, portals)| {
        configuration(storage_objects(&kinds), targets(count, kinds.len(), portals))
    })
}

/// Carries `undos` out on a set of paths; fails where configfs would.
fn take_back(made: &mut BTreeSet<String>, undos: &[Undo]) {
    for undo in undos {
        let path = match undo {
            Undo::RemoveFile { path } => path.clone(),
            Undo::RemoveDirectory { path } | Undo::Unlink { at: path } => path.to_string(),
            Undo::WriteAttribute { path, .. } => {
                let group = path.parent().unwrap();
                assert!(made.contains(group.as_str()), "{undo}: its group is gone");
                continue;
            }
        };
        let inside = format!("{path}/");
        assert!(!made.iter().any(|other| other.starts_with(&inside)), "{undo}: not empty");
        assert!(made.remove(&path), "{undo}: never made");
    }
}

fn made(steps: &[Step]) -> BTreeSet<String> {
    steps.iter().filter_map(made_by).collect()
}

fn made_by(step: &Step) -> Option<String> {
    match step {
        Step::CreateFile { path, .. } => Some(path.clone()),
        Step::MakeDirectory { path } | Step::Link { at: path, .. } => Some(path.to_string()),
        Step::WriteAttribute { .. } => None,
    }
}

fn named(undo: &Undo) -> Option<String> {
    match undo {
        Undo::RemoveFile { path } => Some(path.clone()),
        Undo::RemoveDirectory { path } | Undo::Unlink { at: path } => Some(path.to_string()),
        Undo::WriteAttribute { .. } => None,
    }
}

proptest! {
    #[test]
    fn undo_names_exactly_what_the_plan_made_in_reverse(
        configuration in any_configuration(),
        done in any::<proptest::sample::Index>(),
    ) {
        let steps = lio::plan(&configuration);
        let done = &steps[..done.index(steps.len() + 1)];
        let mut expected: Vec<String> = done.iter().filter_map(made_by).collect();
        expected.reverse();
        let undone: Vec<String> = undo(done).iter().filter_map(named).collect();
        prop_assert_eq!(undone, expected);
    }

    #[test]
    fn undo_leaves_nothing(configuration in any_configuration()) {
        let steps = lio::plan(&configuration);
        let mut left = made(&steps);
        take_back(&mut left, &undo(&steps));
        prop_assert!(left.is_empty(), "{:?}", left);
    }

    #[test]
    fn nothing_is_made_before_its_group_nor_linked_before_it_is_enabled(configuration in any_configuration()) {
        let mut seen = BTreeSet::new();
        for step in lio::plan(&configuration) {
            match &step {
                Step::MakeDirectory { path } => { prop_assert!(seen.insert(path.to_string())); }
                Step::Link { target, at } => {
                    let enabled = format!("{target}/enable");
                    prop_assert!(seen.contains(&enabled));
                    prop_assert!(seen.contains(at.parent().unwrap().as_str()));
                }
                Step::WriteAttribute { path, .. } => {
                    let path = path.as_str();
                    if let Some((device, _)) = path.split_once("/attrib/").filter(|(d, _)| d.contains("/core/")) {
                        let enabled = format!("{device}/enable");
                        prop_assert!(seen.contains(&enabled), "{}", step);
                    }
                    seen.insert(path.to_owned());
                }
                Step::CreateFile { path, .. } => { prop_assert!(seen.insert(path.clone())); }
            }
        }
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let objects = vec![
        ramdisk("a", "0123456789abcdef0123456789abc"),
        fileio("a", "/f", "2"),
        fileio("b", "/f", "0123456789ABCDEF0123456789aff"),
    ];
    let one = target(
        "iqn.2015-04.org.x:t",
        vec![
            tpg(1, &[(0, "a"), (0, "b"), (1, "missing")], &["127.0.0.1:1"]),
            tpg(1, &[], &["127.0.0.1:1", "0.0.0.0:1"]),
        ],
    );
    let again = target("iqn.2015-04.org.x:t", vec![]);
    let faults = Configuration::new(parts(objects, vec![one, again])).unwrap_err();
    let told: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let expected = [
        "two storage objects are named a",
        "storage objects a and b store on the same file or device",
        "storage objects a and b have serials with the same first 25 hexadecimal digits",
        "target iqn.2015-04.org.x:t has tpgt_1 twice",
        "target iqn.2015-04.org.x:t has portal 127.0.0.1:1 twice",
        "tpgt_1 of target iqn.2015-04.org.x:t has lun_0 twice",
        "lun_1 of tpgt_1 of target iqn.2015-04.org.x:t exports missing, which is no storage object",
        "two targets are named iqn.2015-04.org.x:t",
        "portals 127.0.0.1:1 and 0.0.0.0:1 cannot both be listened on",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_size_that_is_no_multiple_of_the_block_size_is_a_fault() {
    for (block_size, fits) in
        [("512", true), ("4096", true), ("3000", false), ("0", false), ("x", false)]
    {
        let mut object = ramdisk("a", "1");
        let name = lio::AttributeName::new("block_size").unwrap();
        object.attributes.set(name, configfs_rs::Value::new(block_size).unwrap());
        assert_eq!(Configuration::new(parts(vec![object], vec![])).is_ok(), fits, "{block_size}");
    }
}
