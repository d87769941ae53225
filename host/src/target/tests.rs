//! Provisionings that are planned and compared, none carried out.

mod live;

use super::comparison::differences;
use super::difference::{Change, difference};
use super::{Default, Provisioning, Seed, default_lines, portals, shown_addresses};
use crate::spec::{Base, Faults, Spec};
use configfs_rs::plan::Step;
use std::collections::BTreeMap;
use std::path::Path;

const IQN: &str = "iqn.2024-05.org.example:one";

fn parsed(text: &str) -> Result<Spec, Faults> {
    let environment = |name: &str| Some(format!("good-secret-{name}").into());
    Spec::parse(text, Base { directory: Path::new("/"), home: None, environment })
}

pub(super) fn spec(text: &str) -> Spec {
    parsed(text).unwrap()
}

pub(super) fn object(name: &str, rest: &str) -> String {
    format!("[[storage_object]]\nname = \"{name}\"\nsize = \"64M\"\n{rest}\n")
}

pub(super) fn block(name: &str, rest: &str) -> String {
    object(name, &format!("backstore = \"block\"\n{rest}"))
}

/// A ramdisk that is exported, and more of its TPG.
fn exported(rest: &str) -> String {
    let luns = "luns = [{ lun = 0, storage_object = \"a\" }]";
    let ramdisk = object("a", "backstore = \"ramdisk\"");
    format!("{ramdisk}[[target]]\nwwn = \"{IQN}\"\n[[target.tpg]]\n{luns}\n{rest}\n")
}

pub(super) fn planned(spec: &Spec) -> Provisioning {
    Provisioning::shown(spec).unwrap()
}

fn devices(text: &str) -> Vec<String> {
    planned(&spec(text)).devices.iter().map(ToString::to_string).collect()
}

#[test]
fn layers_lie_on_one_another_and_the_topmost_has_the_objects_name() {
    let delay = "delay = { read = \"10ms\", write = \"20ms\" }";
    let flakey = "flakey = { up = \"10s\", down = \"1s\", drop_writes = true }";
    let loop_device = "device = \"loop\"";
    for (rest, expected) in [
        (String::new(), &["set up loop a over /run/lunlab/a~loop of 67108864 bytes"][..]),
        (
            delay.to_owned(),
            &[
                "set up loop a~device over /run/lunlab/a~loop of 67108864 bytes",
                "set up delay a over a~device read=10 write=20",
            ],
        ),
        (
            format!("{delay}\n{flakey}"),
            &[
                "set up loop a~device over /run/lunlab/a~loop of 67108864 bytes",
                "set up delay a~delay over a~device read=10 write=20",
                "set up flakey a over a~delay up=10 down=1 drop_writes=1",
            ],
        ),
    ] {
        assert_eq!(devices(&block("a", &format!("{loop_device}\n{rest}"))), expected);
    }
}

#[test]
fn devices_are_told_what_no_default_of_the_kernels_may_decide() {
    let brd = "device = \"brd\"";
    let text = block("a", brd) + &block("b", "device = \"zram\"") + &block("c", brd);
    let expected = [
        "set up brd a of 67108864 bytes index=0",
        "set up zram b of 67108864 bytes",
        "set up brd c of 67108864 bytes index=1",
    ];
    assert_eq!(devices(&text), expected);
    let zstd = "device = \"zram\"\ndevice_parameters = { comp_algorithm = \"zstd\" }";
    assert_eq!(devices(&block("a", zstd)), ["set up zram a of 67108864 bytes comp_algorithm=zstd"]);
}

#[test]
fn serials_are_stable_and_distinct() {
    let serial = Seed([1; 16]).serial("a");
    assert_eq!(serial, Seed([1; 16]).serial("a"));
    assert_ne!(serial, Seed([1; 16]).serial("b"));
    assert_ne!(serial, Seed([2; 16]).serial("a"));
    // A UUID of version 8, variant 10.
    let lengths: Vec<usize> = serial.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert_eq!(serial.as_bytes()[14], b'8');
    assert!(b"89ab".contains(&serial.as_bytes()[19]), "{serial}");
}

#[test]
fn portals_without_a_port_are_shown_on_ones_nobody_asked_for() {
    let portals = r#"portals = ["127.0.0.1", "127.0.0.1:3260", "[::1]", "127.0.0.2:3262"]"#;
    let shown = shown_addresses(&self::portals(&spec(&exported(portals))));
    let guests: Vec<String> = shown.iter().map(|address| address.guest.to_string()).collect();
    assert_eq!(guests, ["127.0.0.1:3261", "127.0.0.1:3260", "[::1]:3263", "127.0.0.2:3262"]);
    assert!(shown.iter().all(|address| address.host == address.guest));
}

#[test]
fn defaults_are_said_once_for_all_places_that_have_them() {
    let of = |place: &str, name, value: &str| Default {
        place: place.to_owned(),
        name,
        value: value.to_owned(),
        lio: "0".to_owned(),
    };
    let defaults = [
        of("tpg 1", "a", "1"),
        of("tpg 1", "b", "2"),
        of("tpg 2", "a", "1"),
        of("tpg 2", "b", "2"),
    ];
    let lines = default_lines(&defaults);
    assert_eq!(
        lines,
        ["tpg 1, tpg 2: a = 1, LIO's own is 0", "tpg 1, tpg 2: b = 2, LIO's own is 0"]
    );
    let mut many: Vec<Default> = (1..=5).map(|tag| of(&format!("tpg {tag}"), "a", "1")).collect();
    many.push(of("tpg 6", "a", "0"));
    let lines = default_lines(&many);
    assert_eq!(
        lines,
        ["tpg 1, tpg 2 and 3 more TPGs: a = 1, LIO's own is 0", "tpg 6: a = 0, LIO's own is 0"]
    );
    assert!(default_lines(&[]).is_empty());
}

#[test]
fn what_reads_otherwise_is_told_and_secrets_are_not_shown() {
    let write = |path, value, secret| Step::write(path, value, secret, None).unwrap();
    let steps = [
        write("t/enable", "1", false),
        write("t/auth/userid", "me", false),
        write("t/auth/password", "canary", true),
        Step::make_directory("t").unwrap(),
    ];
    let differing = |found: &[(&str, &str)]| -> Vec<String> {
        let found: BTreeMap<_, _> =
            found.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let all = differences(&steps, &found);
        assert!(!format!("{all:?}").contains("canary"));
        all.into_iter()
            .map(|each| format!("{} {} {:?}", each.path, each.asked, each.found))
            .collect()
    };
    let same = [("t/enable", "1"), ("t/auth/userid", "me"), ("t/auth/password", "…")];
    assert!(differing(&same).is_empty() && differing(&[]).is_empty());
    let other = [("t/enable", "0"), ("t/auth/userid", "me"), ("t/auth/password", "another secret")];
    let told = ["t/enable 1 Some(\"0\")", "t/auth/password … Some(\"another secret\")"];
    assert_eq!(differing(&other), told);
}

fn change(from: &str, to: &str) -> Result<Change, Vec<String>> {
    let (from, to) = (spec(from), spec(to));
    difference((&from, &planned(&from)), (&to, &planned(&to)))
}

#[test]
fn what_was_decided_before_the_boot_is_refused_by_its_key() {
    let standing = exported("");
    for (tables, name) in [
        ("[kernel]\nimage = \"6.1\"\n", "kernel.image"),
        ("[kernel]\nmodules = [\"brd\"]\n", "kernel.modules"),
        ("[kernel]\nmodule_parameters = { loop = \"a=1\" }\n", "kernel.module_parameters"),
        ("[kernel]\ncmdline = \"quiet\"\n", "kernel.cmdline"),
        ("[machine]\ncpus = 2\n", "machine.cpus"),
        ("[machine]\nmemory = \"1G\"\n", "machine.memory"),
        ("[machine]\naccelerator = \"tcg\"\n", "machine.accelerator"),
        ("[channel]\ntransport = \"virtio-serial\"\n", "channel.transport"),
        ("[network]\nmode = \"user\"\n", "network.mode"),
    ] {
        let refusals = change(&standing, &format!("{tables}{standing}")).unwrap_err();
        let expected = format!("{name} cannot change while the guest runs");
        assert!(refusals.contains(&expected), "{refusals:?}");
    }
    let disk = |serial, size| format!("[[disk]]\nserial = \"{serial}\"\nsize = \"{size}\"\n");
    let (one, other) = (disk("x", "1G") + &disk("y", "1G"), disk("y", "2G") + &disk("z", "1G"));
    let refusals = change(&(one + &standing), &(other + &standing)).unwrap_err();
    let expected = ["x cannot be removed", "y cannot change", "z cannot be added"];
    assert_eq!(refusals, expected.map(|what| format!("disk {what} while the guest runs")));
    let refusals = change(&standing, &object("a", "backstore = \"ramdisk\"")).unwrap_err();
    assert_eq!(refusals, ["the last target cannot go: Ctrl-C is what ends a target"]);
}

#[test]
fn a_device_that_stands_keeps_its_kind_and_settings() {
    let standing = exported("") + &block("b", "device = \"loop\"");
    let delayed = exported("")
        + &block("b", "device = \"loop\"\ndelay = { read = \"1ms\", write = \"1ms\" }");
    let refusals = change(&standing, &delayed).unwrap_err();
    let expected = "the delay of storage object b cannot change while it stands";
    assert!(refusals.iter().any(|refusal| refusal == expected), "{refusals:?}");
}

#[test]
fn a_change_counts_what_comes_and_goes() {
    let (one, two) = (exported(""), exported("") + &block("b", "device = \"brd\""));
    assert!(change(&one, &one).unwrap().is_empty());
    for (from, to) in [(&one, &two), (&two, &one)] {
        let found = change(from, to).unwrap();
        assert!(found.lines.iter().any(|line| line.ends_with(" device brd b")), "{found:?}");
        assert!(found.steps > 1 && !found.is_empty(), "{found:?}");
    }
}
