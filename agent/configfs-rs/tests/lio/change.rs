//! From one plan to another: as data, on a model of LIO, and on a directory.

use std::fs;
use std::os::unix::fs::FileExt;

use configfs_rs::apply::{Attempt, Progress, apply, apply_change};
use configfs_rs::kernel_log::KernelLog;
use configfs_rs::lio::{self, Configuration};
use configfs_rs::plan::{Step, Undo, undo};
use configfs_rs::{Change, Refusal, difference};
use proptest::prelude::*;

use crate::descriptions::{configuration, fileio, ramdisk, target, tpg};
use crate::dice::{Dice, set};
use crate::fake_root::FakeRoot;
use crate::model::Model;

fn any_plan() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<u8>(), 0..300)
        .prop_map(|numbers| lio::plan(&Dice(&numbers).configuration()))
}

fn carry_out(model: &mut Model, change: &Change) {
    change.undo.iter().for_each(|undo| model.undo(undo));
    change.steps.iter().for_each(|step| model.step(step));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_change_makes_of_one_plan_the_other(old in any_plan(), new in any_plan()) {
        match difference(&old, &new) {
            Ok(change) => {
                let mut model = Model::after(&old);
                carry_out(&mut model, &change);
                prop_assert_eq!(model, Model::after(&new));
            }
            Err(refusals) => {
                prop_assert!(!refusals.is_empty());
                for refusal in refusals {
                    prop_assert!(refusal.path.ends_with("block_size"), "{}", refusal);
                }
            }
        }
    }

    #[test]
    fn the_same_plan_again_is_no_change(plan in any_plan()) {
        prop_assert_eq!(difference(&plan, &plan), Ok(Change::default()));
    }

    #[test]
    fn from_and_to_nothing_is_the_plan_and_its_undo(plan in any_plan()) {
        let built = difference(&[], &plan).unwrap();
        prop_assert_eq!(&built.steps, &plan);
        prop_assert_eq!(&built.undo, &[]);
        let gone = difference(&plan, &[]).unwrap();
        prop_assert_eq!(&gone.undo, &undo(&plan));
        prop_assert_eq!(&gone.restore, &plan);
        prop_assert_eq!(&gone.steps, &[]);
    }

    #[test]
    fn what_a_change_takes_back_is_put_back_by_its_restore(old in any_plan(), new in any_plan()) {
        if let Ok(change) = difference(&old, &new) {
            let mut model = Model::after(&old);
            change.undo.iter().for_each(|undo| model.undo(undo));
            change.restore.iter().for_each(|step| model.step(step));
            prop_assert_eq!(model, Model::after(&old));
        }
    }

    #[test]
    fn a_plan_is_taken_by_lio_and_its_undo_leaves_nothing(plan in any_plan()) {
        let mut model = Model::after(&plan);
        undo(&plan).iter().for_each(|undo| model.undo(undo));
        prop_assert_eq!(model, Model::default());
    }
}

const IQN: &str = "iqn.2015-04.org.x:t";

/// Two disks; the first is exported.
fn exported() -> Configuration {
    let tpg = tpg(1, &[(0, "a")], &["127.0.0.1:1"]);
    configuration(vec![fileio("a", "/f/a", "1"), ramdisk("b", "2")], vec![target(IQN, vec![tpg])])
}

fn edited(edit: impl FnOnce(&mut lio::Parts)) -> Vec<Step> {
    let mut parts = exported().parts().clone();
    edit(&mut parts);
    lio::plan(&Configuration::new(parts).unwrap())
}

fn lines(change: &Change) -> Vec<String> {
    let undo = change.undo.iter().map(Undo::to_string);
    undo.chain(change.steps.iter().map(Step::to_string)).collect()
}

fn refusals(old: &[Step], new: &[Step]) -> Vec<String> {
    difference(old, new).unwrap_err().iter().map(Refusal::to_string).collect()
}

#[test]
fn a_live_attribute_is_one_write_and_going_back_another() {
    let old = lio::plan(&exported());
    let new = edited(|parts| {
        set(&mut parts.targets[0].tpgs[0].attributes, "login_timeout", "30");
        set(&mut parts.storage_objects[0].attributes, "emulate_caw", "false");
    });
    let timeout = format!("target/iscsi/{IQN}/tpgt_1/attrib/login_timeout");
    let caw = "target/core/fileio_0/a/attrib/emulate_caw";
    let there = difference(&old, &new).unwrap();
    assert_eq!(lines(&there), [format!("write 0 to {caw}"), format!("write 30 to {timeout}")]);
    let back = difference(&new, &old).unwrap();
    assert_eq!(lines(&back), [format!("write 15 to {timeout}"), format!("write 1 to {caw}")]);
}

#[test]
fn what_cannot_change_live_is_refused_by_name_all_at_once() {
    let old = lio::plan(&exported());
    let new = edited(|parts| {
        set(&mut parts.storage_objects[0].attributes, "block_size", "4096");
        parts.storage_objects[0].serial = lio::UnitSerial::new("7").unwrap();
        parts.storage_objects[1].backstore =
            lio::Backstore::Ramdisk(lio::Ramdisk::new(2 << 20).unwrap());
    });
    let expected = [
        "target/core/fileio_0/a/wwn/vpd_unit_serial from 1 to 7: cannot change while a is exported",
        "target/core/fileio_0/a/attrib/block_size from LIO's own to 4096: cannot change while a is exported",
        "target/core/rd_mcp_0/b/control from rd_pages=256 to rd_pages=512: size and backing of b cannot change \
         once it is enabled",
    ];
    assert_eq!(refusals(&old, &new), expected);
}

#[test]
fn an_attribute_that_lio_alone_knows_cannot_be_given_up() {
    let with = edited(|parts| set(&mut parts.storage_objects[1].attributes, "queue_depth", "8"));
    let expected = "target/core/rd_mcp_0/b/attrib/queue_depth from 8 to LIO's own: what LIO has by itself is not known";
    assert_eq!(refusals(&with, &lio::plan(&exported())), [expected]);
}

#[test]
fn a_lun_that_exports_something_else_is_made_anew_with_its_mapping() {
    let acl = |parts: &mut lio::Parts| {
        let initiator = lio::IscsiName::new("iqn.2015-04.org.i:i").unwrap();
        let (mapped_lun, lun) = (lio::Lun(7), lio::Lun(0));
        let mapped = lio::iscsi::MappedLun { mapped_lun, lun, write_protect: true };
        let mut acl = lio::iscsi::Acl::new(initiator, vec![mapped]);
        set(&mut acl.attributes, "authentication", "0");
        parts.targets[0].tpgs[0].acls.push(acl);
    };
    let old = edited(acl);
    let new = edited(|parts| {
        acl(parts);
        parts.targets[0].tpgs[0].luns[0].storage_object = lio::StorageObjectName::new("b").unwrap();
    });
    let tpg = format!("target/iscsi/{IQN}/tpgt_1");
    let (lun, mapped) =
        (format!("{tpg}/lun/lun_0"), format!("{tpg}/acls/iqn.2015-04.org.i:i/lun_7"));
    let expected = [
        format!("unlink {mapped}/tpg_lun"),
        format!("rmdir {mapped}"),
        format!("unlink {lun}/storage_object"),
        format!("rmdir {lun}"),
        format!("mkdir {lun}"),
        format!("link target/core/rd_mcp_0/b at {lun}/storage_object"),
        format!("mkdir {mapped}"),
        format!("link {lun} at {mapped}/tpg_lun"),
        format!("write 1 to {mapped}/write_protect"),
    ];
    assert_eq!(lines(&difference(&old, &new).unwrap()), expected);
}

#[test]
fn a_secret_is_never_in_a_refusal() {
    let secret = |text| Step::write("target/core/x_0/y/control", text, true, None).unwrap();
    let refused = difference(&[secret("correct-horse")], &[secret("battery-staple")]).unwrap_err();
    let shown = format!("{} {refused:?}", refused[0]);
    assert!(
        shown.contains('…') && !shown.contains("horse") && !shown.contains("staple"),
        "{shown}"
    );
}

/// Two plans for a directory, far enough apart that a change does a bit of everything.
fn before_and_after(root: &FakeRoot) -> (Vec<Step>, Vec<Step>) {
    let objects = |names: &[&str]| -> Vec<lio::StorageObject> {
        let number = |name: &str| format!("{:025x}", name.as_bytes()[0]);
        names.iter().map(|name| fileio(name, &root.file(name), &number(name))).collect()
    };
    let mut first = tpg(1, &[(0, "a"), (1, "b")], &["127.0.0.1:1"]);
    set(&mut first.attributes, "login_timeout", "20");
    let old = configuration(objects(&["a", "b"]), vec![target(IQN, vec![first])]);
    let mut first = tpg(1, &[(0, "a"), (1, "c")], &["127.0.0.1:2"]);
    set(&mut first.attributes, "login_timeout", "25");
    let new = configuration(objects(&["a", "c"]), vec![target(IQN, vec![first])]);
    (lio::plan(&old), lio::plan(&new))
}

#[test]
fn a_change_on_a_directory_gives_what_the_new_plan_alone_would() {
    let root = FakeRoot::new();
    let (old, new) = before_and_after(&root);
    let mut log = KernelLog::open();
    apply(&root.tree(), &old, &mut log, &mut |p| root.prepare(p)).unwrap();
    let change = difference(&old, &new).unwrap();
    let applied = apply_change(&root.tree(), &change, &mut log, &mut |p| root.prepare(p)).unwrap();
    assert_eq!(applied.changed, change.undo.len() + change.steps.len());
    let changed = root.content();
    assert!(!changed.iter().any(|(path, _)| path.ends_with("files/b")));
    // The new plan now finds everything as it wants it.
    let again = apply(&root.tree(), &new, &mut log, &mut |p| root.prepare(p)).unwrap();
    assert_eq!(again.changed, 0);
    assert_eq!(root.content(), changed);
}

#[test]
fn a_change_that_fails_anywhere_leaves_all_as_it_was() {
    let count = {
        let root = FakeRoot::new();
        let (old, new) = before_and_after(&root);
        let change = difference(&old, &new).unwrap();
        change.undo.len() + change.steps.len()
    };
    for failing in 0..count {
        let root = FakeRoot::new();
        let (old, new) = before_and_after(&root);
        let mut log = KernelLog::open();
        apply(&root.tree(), &old, &mut log, &mut |p| root.prepare(p)).unwrap();
        let data = root.file("b");
        let file = fs::OpenOptions::new().write(true).open(&data).unwrap();
        file.write_all_at(b"kept", 0).unwrap();
        let before = root.content();
        let change = difference(&old, &new).unwrap();
        let mut now = 0;
        let mut obstacle = None;
        let failure = apply_change(&root.tree(), &change, &mut log, &mut |progress| {
            root.prepare(progress);
            if now == failing {
                obstacle = Some(root.obstruct(progress));
            } else if now == failing + 1 {
                // The first thing after the failure: what was in the way is gone again.
                root.clear(obstacle.take().unwrap());
                root.prepare(progress);
            }
            now += 1;
        })
        .unwrap_err();
        if let Some(obstacle) = obstacle {
            root.clear(obstacle);
        }
        assert_eq!((failure.index, failure.total), (failing, count));
        assert_eq!(failure.undone.failures, [], "step {failing}: {failure}");
        let after = root.content();
        assert_eq!(after, before, "step {failing}: {failure}");
        let mut kept = [0; 4];
        fs::File::open(&data).unwrap().read_exact_at(&mut kept, 0).unwrap();
        assert_eq!(&kept, b"kept", "the data of a backing file");
        match &failure.attempt {
            Attempt::Step(step) => assert!(change.steps.contains(step)),
            Attempt::Undo(undo) => assert!(change.undo.contains(undo)),
        }
    }
}

#[test]
fn undoing_what_was_applied_gives_attributes_their_values_back() {
    let root = FakeRoot::new();
    let (old, new) = before_and_after(&root);
    let mut log = KernelLog::open();
    apply(&root.tree(), &old, &mut log, &mut |p| root.prepare(p)).unwrap();
    let change = difference(&old, &new).unwrap();
    let writes = Change {
        steps: change
            .steps
            .into_iter()
            .filter(|step| matches!(step, Step::WriteAttribute { path, .. } if path.name() == "login_timeout"))
            .collect(),
        ..Change::default()
    };
    let applied =
        apply_change(&root.tree(), &writes, &mut log, &mut |p: Progress<'_>| root.prepare(p))
            .unwrap();
    let path = format!("target/iscsi/{IQN}/tpgt_1/attrib/login_timeout");
    let shown: Vec<String> = applied.undo.iter().map(Undo::to_string).collect();
    assert_eq!(shown, [format!("write 20 to {path}")]);
    assert_eq!(applied.read, 1);
}

#[test]
fn credentials_that_were_not_set_before_are_cleared_again() {
    let root = FakeRoot::new();
    let mut log = KernelLog::open();
    let acl = format!("target/iscsi/{IQN}/tpgt_1/acls/iqn.2015-04.org.i:i");
    let group = [
        Step::make_directory("target/iscsi"),
        Step::make_directory(&format!("target/iscsi/{IQN}")),
    ];
    let rest = ["", "/acls/iqn.2015-04.org.i:i"]
        .map(|end| Step::make_directory(&format!("target/iscsi/{IQN}/tpgt_1{end}")));
    let group: Vec<Step> = group.into_iter().chain(rest).map(Result::unwrap).collect();
    apply(&root.tree(), &group, &mut log, &mut |p| root.prepare(p)).unwrap();
    let password =
        Step::write(&format!("{acl}/auth/password"), "twelve-bytes", true, None).unwrap();
    let applied = apply(&root.tree(), &[password], &mut log, &mut |p| root.prepare(p)).unwrap();
    let shown: Vec<String> = applied.undo.iter().map(Undo::to_string).collect();
    assert_eq!(shown, [format!("write NULL to {acl}/auth/password")]);
}

#[test]
fn what_hangs_on_a_moved_link_is_made_anew_link_by_link() {
    let plan = |end: &str| {
        let mut steps: Vec<Step> =
            ["a", "b", "x", "y", "z"].map(|group| Step::make_directory(group).unwrap()).into();
        for (target, at) in [(end, "x/link"), ("x", "y/link"), ("y", "z/link")] {
            steps.push(Step::link(target, at).unwrap());
        }
        steps
    };
    let change = difference(&plan("a"), &plan("b")).unwrap();
    let undo: Vec<String> = change.undo.iter().map(Undo::to_string).collect();
    assert_eq!(
        undo,
        ["unlink z/link", "unlink y/link", "unlink x/link", "rmdir z", "rmdir y", "rmdir x"]
    );
    assert_eq!(change.steps.len(), 6);
}
