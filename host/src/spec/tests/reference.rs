//! docs/spec.md against what is read.

use std::fs;
use std::path::Path;

use configfs_rs::lio::rule::{Group, Kind};

use super::parse;
use crate::spec::DeviceKind;
use crate::spec::sections::attributes::device_parameters;
use crate::spec::sections::keys::TABLES;

const REFERENCE: &str = include_str!("../../../../docs/spec.md");

#[test]
fn every_key_and_attribute_is_in_the_reference() {
    // The keys of the spec itself are tables, see below.
    let keys = TABLES.iter().skip(1).flat_map(|table| table.keys).copied();
    let devices = [DeviceKind::NullBlk, DeviceKind::Brd, DeviceKind::Zram, DeviceKind::Loop];
    let parameters = devices.into_iter().flat_map(device_parameters).map(|rule| rule.name);
    let groups = [
        Group::StorageObjectAttribute,
        Group::TpgAttribute,
        Group::TpgParameter,
        Group::AclAttribute,
    ];
    let rules = groups.iter().flat_map(|group| group.rules());
    let settable = rules.filter(|rule| !matches!(rule.kind, Kind::Refused(_)));
    let all = keys.chain(parameters).chain(settable.map(|rule| rule.name));
    let missing: Vec<&str> = all.filter(|name| !REFERENCE.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_table_has_its_section_in_the_reference() {
    let headed = TABLES.iter().filter(|table| table.place.starts_with('['));
    for place in headed.map(|table| table.place) {
        assert!(REFERENCE.contains(&format!("`{place}`")), "{place}");
    }
}

#[test]
fn every_example_in_the_docs_is_a_good_spec() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut count = 0;
    for file in docs.chain([root.join("README.md")]) {
        let text = fs::read_to_string(&file).unwrap();
        for example in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let fault = parse(example).err();
            assert!(fault.is_none(), "{}\n{example}\n{}", file.display(), fault.unwrap());
            count += 1;
        }
    }
    assert!(count >= 6, "{count}");
}
