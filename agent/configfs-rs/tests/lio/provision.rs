//! Whole plans carried out on a directory, and made to fail at every step.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::descriptions::{configuration, fileio, ramdisk, target, tpg};
use crate::fake_root::FakeRoot;
use configfs_rs::apply::{Attempt, Progress, apply, apply_teardown};
use configfs_rs::kernel_log::KernelLog;
use configfs_rs::lio::{self, AttributeName, Configuration};
use configfs_rs::plan::{Step, Undo, undo};
use configfs_rs::read_back::read_back;
use configfs_rs::{Errno, TreePath, Value};

const NOTHING: [PathBuf; 0] = [];

const IQN: &str = "iqn.2015-04.suse.arch:disks";

fn two_disks(root: &FakeRoot) -> Configuration {
    let mut disk0 = fileio("disk0", &root.file("disk0"), "a0");
    disk0.attributes.set(AttributeName::new("emulate_tpu").unwrap(), Value::from(true));
    let mut tpg = tpg(1, &[(0, "disk0"), (1, "ram")], &["127.0.0.1:3260"]);
    let burst = AttributeName::new("MaxRecvDataSegmentLength").unwrap();
    tpg.parameters.set(burst, Value::from(262_144));
    configuration(vec![disk0, ramdisk("ram", "b1")], vec![target(IQN, vec![tpg])])
}

#[test]
fn the_plan_is_in_the_order_the_kernel_takes() {
    let mut disk0 = fileio("disk0", "/var/target/disk0", "a0");
    disk0.attributes.set(AttributeName::new("emulate_tpu").unwrap(), Value::from(true));
    let mut tpg = tpg(1, &[(0, "disk0"), (1, "ram")], &["127.0.0.1:3260"]);
    let burst = AttributeName::new("MaxRecvDataSegmentLength").unwrap();
    tpg.parameters.set(burst, Value::from(262_144));
    let configuration =
        configuration(vec![disk0, ramdisk("ram", "b1")], vec![target(IQN, vec![tpg])]);
    let steps: Vec<String> = lio::plan(&configuration).iter().map(Step::to_string).collect();
    let expected = "\
mkdir target/core/fileio_0
create /var/target/disk0 of 67108864 bytes
mkdir target/core/fileio_0/disk0
write fd_dev_name=/var/target/disk0,fd_dev_size=67108864,fd_buffered_io=1 to target/core/fileio_0/disk0/control
write a0 to target/core/fileio_0/disk0/wwn/vpd_unit_serial
write 1 to target/core/fileio_0/disk0/enable
write 1 to target/core/fileio_0/disk0/attrib/emulate_tpu
mkdir target/core/rd_mcp_0
mkdir target/core/rd_mcp_0/ram
write rd_pages=256 to target/core/rd_mcp_0/ram/control
write b1 to target/core/rd_mcp_0/ram/wwn/vpd_unit_serial
write 1 to target/core/rd_mcp_0/ram/enable
mkdir target/iscsi
mkdir target/iscsi/iqn.2015-04.suse.arch:disks
mkdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1
write 0 to target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/attrib/authentication
write 1 to target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/attrib/generate_node_acls
write 0 to target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/attrib/demo_mode_write_protect
write 262144 to target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/param/MaxRecvDataSegmentLength
mkdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/np/127.0.0.1:3260
mkdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/lun/lun_0
link target/core/fileio_0/disk0 at target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/lun/lun_0/storage_object
mkdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/lun/lun_1
link target/core/rd_mcp_0/ram at target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/lun/lun_1/storage_object
write 1 to target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/enable";
    assert_eq!(steps.join("\n"), expected);
}

#[test]
fn teardown_disables_first_and_takes_luns_before_portals() {
    let objects = vec![fileio("disk0", "/var/target/disk0", "a0")];
    let tpg = tpg(1, &[(0, "disk0")], &["127.0.0.1:3260"]);
    let configuration = configuration(objects, vec![target(IQN, vec![tpg])]);
    let undos: Vec<String> = undo(&lio::plan(&configuration)).iter().map(Undo::to_string).collect();
    let expected = "\
write 0 to target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/enable
unlink target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/lun/lun_0/storage_object
rmdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/lun/lun_0
rmdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1/np/127.0.0.1:3260
rmdir target/iscsi/iqn.2015-04.suse.arch:disks/tpgt_1
rmdir target/iscsi/iqn.2015-04.suse.arch:disks
rmdir target/iscsi
rmdir target/core/fileio_0/disk0
remove /var/target/disk0
rmdir target/core/fileio_0";
    assert_eq!(undos.join("\n"), expected);
}

#[test]
fn what_was_applied_is_there_and_is_torn_down_to_nothing() {
    let root = FakeRoot::new();
    let configuration = two_disks(&root);
    let steps = lio::plan(&configuration);
    let mut seen = Vec::new();
    let applied = apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |progress| {
        root.prepare(progress);
        if let Progress::Step { index, total, .. } = progress {
            seen.push((index, total));
        }
    });
    let applied = applied.unwrap();
    assert_eq!((applied.changed, applied.unchanged), (steps.len(), 0));
    assert_eq!(applied.read, 0, "nothing is read on a fresh tree");
    assert_eq!(applied.undo, undo(&steps));
    let expected: Vec<_> = (0..steps.len()).map(|index| (index, steps.len())).collect();
    assert_eq!(seen, expected);

    let link =
        TreePath::new(&format!("target/iscsi/{IQN}/tpgt_1/lun/lun_1/storage_object")).unwrap();
    let device = root.root().join("target/core/rd_mcp_0/ram");
    assert_eq!(root.tree().read_link(&link).unwrap(), device);
    assert_eq!(fs::metadata(root.file("disk0")).unwrap().len(), 64 << 20);
    let readings = read_back(&root.tree(), &steps);
    let wrong: Vec<_> = readings.iter().filter(|r| r.agrees == Some(false)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(readings.iter().filter(|r| r.agrees.is_some()).count(), 12);

    let undone =
        apply_teardown(&root.tree(), &undo(&lio::plan(&configuration)), &mut |p| root.prepare(p));
    assert_eq!(undone.failures, []);
    assert_eq!(root.left(), NOTHING);
}

#[test]
fn a_missing_attribute_is_enoent_and_leaves_nothing() {
    let mut root = FakeRoot::new();
    root.missing.push("attrib/emulate_tpu");
    let steps = lio::plan(&two_disks(&root));
    let failure =
        apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap_err();
    assert_eq!(failure.index, 6);
    assert_eq!(failure.attempt, Attempt::Step(steps[6].clone()));
    assert_eq!(failure.error.errno(), Some(Errno::ENOENT));
    let attribute = root.root().join("target/core/fileio_0/disk0/attrib/emulate_tpu");
    let shown = format!("step 7 of 25: write 1 to {}: ENOENT", attribute.display());
    assert_eq!(failure.to_string(), shown);
    assert_eq!(failure.hint().unwrap(), "this kernel has no attribute of that name");
    assert_eq!(failure.undone.done, undo(&steps[..6]));
    assert_eq!(root.left(), NOTHING);
}

#[test]
fn applying_again_changes_nothing() {
    let root = FakeRoot::new();
    let steps = lio::plan(&two_disks(&root));
    apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap();
    let before = root.content();
    let again =
        apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap();
    assert_eq!((again.changed, again.unchanged), (0, steps.len()));
    assert_eq!(again.undo, []);
    assert_eq!(root.content(), before);
}

#[test]
fn what_was_there_before_stays_when_a_step_fails() {
    let mut root = FakeRoot::new();
    let steps = lio::plan(&two_disks(&root));
    let half = &steps[..20];
    apply(&root.tree(), half, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap();
    let authentication =
        root.root().join(format!("target/iscsi/{IQN}/tpgt_1/attrib/authentication"));
    fs::write(&authentication, "1\n").unwrap();
    let before = root.content();
    root.missing.push("tpgt_1/enable");
    let failure =
        apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap_err();
    assert_eq!(failure.index, 24);
    assert_eq!(failure.undone.failures, []);
    assert!(failure.undone.done.iter().any(|undo| undo.to_string().ends_with("authentication")));
    // configfs has one text for each value; a directory keeps what was written.
    let trimmed = |text: String| text.trim().to_owned();
    let normal = |all: Vec<(PathBuf, String)>| -> Vec<_> {
        all.into_iter().map(|(path, text)| (path, trimmed(text))).collect()
    };
    assert_eq!(normal(root.content()), normal(before));
}

#[test]
fn a_storage_object_that_is_set_up_otherwise_is_not_taken_for_ours() {
    let root = FakeRoot::new();
    let steps = lio::plan(&two_disks(&root));
    apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap();
    let info = root.root().join("target/core/rd_mcp_0/ram/info");
    fs::write(&info, "PAGES/PAGE_SIZE: 4096*4096  nullio: 0\n").unwrap();
    let failure =
        apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap_err();
    assert!(failure.to_string().ends_with("control: it exists and is set up in another way"));
    assert_eq!(failure.error.errno(), None);
}

#[test]
fn a_file_or_link_in_the_way_is_not_taken_for_ours() {
    for at in ["disk0", "link"] {
        let root = FakeRoot::new();
        let steps = lio::plan(&two_disks(&root));
        if at == "disk0" {
            fs::write(root.file("disk0"), "of somebody else").unwrap();
        }
        let failure = apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |progress| {
            root.prepare(progress);
            if let (Progress::Step { step: Step::Link { at, .. }, .. }, "link") = (progress, at) {
                let elsewhere = root.root().join("target/core");
                drop(std::os::unix::fs::symlink(elsewhere, root.root().join(at.as_str())));
            }
        })
        .unwrap_err();
        assert_eq!(failure.error.errno(), Some(Errno::EEXIST), "{at}");
    }
}

#[test]
fn a_failure_at_any_step_leaves_nothing() {
    let count = lio::plan(&two_disks(&FakeRoot::new())).len();
    for failing in 0..count {
        let root = FakeRoot::new();
        let mut steps = lio::plan(&two_disks(&root));
        let nowhere = TreePath::new("no/such/group").unwrap();
        steps[failing] = Step::MakeDirectory { path: nowhere };
        let result = apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p));
        let failure = result.unwrap_err();
        assert_eq!((failure.index, failure.total), (failing, count));
        assert_eq!(failure.undone.failures, [], "step {failing}");
        assert_eq!(failure.undone.done, undo(&steps[..failing]));
        assert_eq!(root.left(), NOTHING, "step {failing}");
    }
}

#[test]
fn the_kernels_own_words_of_that_moment_are_kept() {
    let root = FakeRoot::new();
    let steps = lio::plan(&two_disks(&root));
    let kmsg = root.root().join("kmsg");
    fs::write(&kmsg, "4,1,1,-;from before\n").unwrap();
    let mut kernel_log = KernelLog::open_at(&kmsg);
    let log = |line: &str| {
        let mut file = fs::OpenOptions::new().append(true).open(&kmsg).unwrap();
        writeln!(file, "3,2,2,-;{line}").unwrap();
    };
    // The kernel logs during a step; here that is the moment it is told to begin.
    let failure = apply(&root.tree(), &steps, &mut kernel_log, &mut |progress| {
        root.prepare(progress);
        match progress {
            Progress::Step { index: 5, .. } => {
                fs::remove_dir_all(root.root().join("target/core/fileio_0/disk0")).unwrap();
                log("fd_do_something() failed");
                log("and why");
            }
            Progress::Step { .. } => log("of a step that went well"),
            Progress::Undo { .. } => log("of the way back"),
        }
    })
    .unwrap_err();
    assert_eq!(failure.index, 5);
    assert_eq!(failure.kernel_lines, ["fd_do_something() failed", "and why"]);
}

#[test]
fn teardown_goes_on_over_failures_and_takes_absence_for_done() {
    let root = FakeRoot::new();
    let configuration = two_disks(&root);
    apply(&root.tree(), &lio::plan(&configuration), &mut KernelLog::open(), &mut |p| {
        root.prepare(p)
    })
    .unwrap();
    fs::remove_file(root.file("disk0")).unwrap();
    let foreign = root.root().join("target/core/rd_mcp_0/foreign");
    fs::create_dir(&foreign).unwrap();
    let undos = undo(&lio::plan(&configuration));
    let undone = apply_teardown(&root.tree(), &undos, &mut |p| root.prepare(p));
    let failures: Vec<_> = undone.failures.iter().map(ToString::to_string).collect();
    let hba = root.root().join("target/core/rd_mcp_0");
    assert_eq!(failures, [format!("rmdir {}: ENOTEMPTY", hba.display())]);
    assert_eq!(undone.done.len(), undos.len() - 1);
    assert_eq!(root.left(), [hba, foreign]);
}

#[test]
fn many_luns_go_together_and_one_that_does_not_is_told() {
    let root = FakeRoot::new();
    let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
    let objects = names.iter().enumerate();
    let objects = objects.map(|(number, name)| ramdisk(name, &format!("{number:025x}"))).collect();
    let luns: Vec<(u8, &str)> = (0..40).zip(names.iter().map(String::as_str)).collect();
    let configuration = configuration(objects, vec![target(IQN, vec![tpg(1, &luns, &[])])]);
    let steps = lio::plan(&configuration);
    apply(&root.tree(), &steps, &mut KernelLog::open(), &mut |p| root.prepare(p)).unwrap();
    let stuck = root.root().join(format!("target/iscsi/{IQN}/tpgt_1/lun/lun_7/storage_object"));
    fs::remove_file(&stuck).unwrap();
    fs::create_dir(&stuck).unwrap();
    let undos = undo(&steps);
    let undone = apply_teardown(&root.tree(), &undos, &mut |p| root.prepare(p));
    let told: Vec<String> = undone.failures.iter().map(ToString::to_string).collect();
    assert_eq!(told[0], format!("unlink {}: EISDIR", stuck.display()));
    let done: Vec<&Undo> = undone.done.iter().collect();
    let expected: Vec<&Undo> = undos.iter().filter(|undo| undone.done.contains(undo)).collect();
    assert_eq!(done, expected, "told in the order of the plan");
    // The link, its LUN, and the three groups they are in.
    assert_eq!(undone.done.len() + 5, undos.len(), "{told:?}");
}
