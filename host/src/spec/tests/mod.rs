mod acl;
mod alua;
mod attribute;
mod benchmark;
mod chap;
mod copy;
mod disk;
mod over_iscsi;
mod portal;
mod reference;
mod storage;
mod surface;
mod target;
mod workload;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::transport::Transport;

fn base() -> Base<'static> {
    Base { directory: Path::new("/specs"), home: Some(Path::new("/home/me")), environment }
}

/// An environment with secrets of all sorts.
fn environment(name: &str) -> Option<OsString> {
    let secret = match name {
        "GOOD" | "SAME" => "good-secret-0001".to_owned(),
        "OTHER" => "other-secret-002".to_owned(),
        "CHAP_PASSWORD" => "documented-secret".to_owned(),
        "URL" => "slash/and%percent".to_owned(),
        "SHORT" => "canary-cana".to_owned(),
        "LONG" => "canary-".repeat(37),
        "BLANK" => "canary canary x".to_owned(),
        "NEWLINE" => "canary-canary\n".to_owned(),
        "NULLED" => "NULL-canary-canary".to_owned(),
        _ => return None,
    };
    Some(secret.into())
}

/// Checks what each spec of a table is told; none may show a secret.
fn refused(cases: &[(String, &str)]) {
    let wrong: Vec<_> = cases.iter().filter_map(|(text, told)| mismatch(text, told)).collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
    assert!(cases.iter().all(|(text, _)| !told(text).contains("canary")));
}

/// One storage object, of which the rest is given.
fn object(backstore: &str, rest: &str) -> String {
    format!(
        "[[storage_object]]\nname = \"a\"\nbackstore = \"{backstore}\"\nsize = \"64M\"\n{rest}\n"
    )
}

/// One disk, of which the rest is given.
fn disk(rest: &str) -> String {
    format!("[[disk]]\nserial = \"d\"\n{rest}\n")
}

/// The storage object `disk0`, and the rest as given.
fn with_disk0(rest: &str) -> String {
    format!("{DISK}{rest}\n")
}

/// `disk0` exported, and the rest of that TPG as given.
fn exported(rest: &str) -> String {
    format!("{DISK}{TARGET}{rest}\n")
}

fn parse(text: &str) -> Result<Spec, Faults> {
    Spec::parse(text, base())
}

/// What a user would be told about a spec.
fn told(text: &str) -> String {
    let declared = lunlab_bench::WORKLOADS.iter().map(|workload| workload.name);
    let words = WORKLOADS.into_iter().chain(declared).collect::<Vec<_>>().join(", ");
    let told =
        parse(text).map_or_else(|faults| faults.render("s.toml"), |spec| format!("fine: {spec:?}"));
    told.replace(&words, "EVERY WORKLOAD")
}

const DISK: &str = r#"[[storage_object]]
name = "disk0"
backstore = "fileio"
size = "64M"
"#;

const TARGET: &str = r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
"#;

#[test]
fn the_default_spec_is_what_the_design_says() {
    let spec = Spec::builtin().unwrap();
    assert_eq!(
        spec,
        Spec {
            kernel: Kernel {
                image: KernelChoice::Name("debian".into()),
                modules: vec![],
                module_parameters: vec![],
                cmdline: String::new(),
            },
            machine: Machine { cpus: 1, memory: None, accelerator: AcceleratorChoice::Auto },
            channel: Channel { transport: TransportChoice::Auto },
            network: Network::None,
            disks: vec![],
            storage_objects: vec![StorageObject {
                name: "disk0".into(),
                backstore: Backstore::Fileio,
                size: 64 << 20,
                nullio: false,
                mode: FileioMode::Buffered,
                device: None,
                delay: None,
                flakey: None,
                read_only: false,
                serial: None,
                vendor: None,
                product: None,
                revision: None,
                attributes: vec![],
                allow_unknown_attributes: false,
                alua_groups: vec![],
            }],
            discovery: Discovery { chap: None },
            targets: vec![Target {
                fabric: Fabric::Iscsi,
                wwn: "iqn.2015-04.suse.arch:5eca2313-028d-435c-9131-53a5ab256a83".into(),
                nexus: None,
                cmd_completion_affinity: None,
                tpgs: vec![Tpg {
                    tag: 1,
                    enable: true,
                    luns: vec![Lun { lun: 0, storage_object: "disk0".into(), alua_group: None }],
                    portals: vec![PortalSpec { address: [127, 0, 0, 1].into(), port: None }],
                    attributes: vec![],
                    parameters: vec![],
                    allow_unknown_attributes: false,
                    chap: None,
                    demo_mode: DemoMode::Writable,
                    acls: vec![],
                }],
            }],
            benchmarks: vec![
                Benchmark::IscsiRandread(IscsiRandread {
                    block_size: 4096,
                    queue_depth: 32,
                    seconds: 5,
                    region: None,
                    login: Login::default(),
                    checks: vec![],
                }),
                Benchmark::Measured(Measured {
                    workload: "hash",
                    contents: vec![],
                    login: Login::default(),
                    values: [
                        ("size", "32"),
                        ("warm_up", "100"),
                        ("sample_time", "20"),
                        ("samples_min", "10"),
                        ("samples_max", "200"),
                        ("budget", "1000"),
                        ("precision", "0%"),
                        ("count", "false"),
                    ]
                    .map(|(key, value)| (key.into(), value.into()))
                    .to_vec(),
                    checks: vec![],
                    overruled: Vec::new(),
                }),
            ],
            benchmark_tables: vec![0, 1],
            run: Run { boot_timeout: None, timeout: Duration::from_secs(600) },
            notes: vec![],
        }
    );
    assert_eq!(spec.memory_bytes(), 512 << 20);
    assert_eq!(spec.check(), Ok(()));
}

#[test]
fn every_key_arrives_in_the_data() {
    let spec = parse(
        r#"
        [kernel]
        image = "~/linux"
        modules = ["nvme-tcp", "null_blk"]
        module_parameters = { zram = "a=1", null_blk = "bs=4096 x=y" }
        cmdline = "slub_debug=FZ"
        [machine]
        cpus = 2
        memory = "1G"
        accelerator = "tcg"
        [channel]
        transport = "virtio-serial"
        [[storage_object]]
        name = "a"
        backstore = "ramdisk"
        size = 1048576
        [[storage_object]]
        name = "b"
        backstore = "fileio"
        size = "2G"
        [[target]]
        wwn = "naa.5001405abcdef012"
        [[target.tpg]]
        tag = 7
        luns = [{ lun = 3, storage_object = "a" }, { lun = 1, storage_object = "b" }]
        [[benchmark]]
        workload = "iscsi-randread"
        block_size = "128K"
        queue_depth = 1
        seconds = 2
        region = "1M"
        lun = 3
        check = ["iops >= 10", "p99 <= 20ms"]
        [[benchmark]]
        workload = "hash"
        check = ["sha2 <= 500ns"]
        [run]
        boot_timeout = "90s"
        timeout = "5m"
        "#,
    )
    .unwrap();
    assert_eq!(spec.kernel.image, KernelChoice::Path("/home/me/linux".into()));
    assert_eq!(spec.kernel.modules, ["nvme-tcp", "null_blk"]);
    let parameters = [("zram", "a=1"), ("null_blk", "bs=4096 x=y")];
    assert_eq!(spec.kernel.module_parameters, parameters.map(|(m, t)| (m.into(), t.into())));
    assert_eq!(spec.kernel.cmdline, "slub_debug=FZ");
    assert_eq!((spec.machine.cpus, spec.memory_bytes()), (2, 1 << 30));
    assert_eq!(spec.machine.accelerator, AcceleratorChoice::Tcg);
    assert_eq!(spec.channel.transport, TransportChoice::Only(Transport::VirtioSerial));
    assert_eq!(spec.targets[0].tpgs[0].tag, 7);
    assert_eq!(spec.run.boot_timeout, Some(Duration::from_secs(90)));
    assert_eq!(spec.run.timeout, Duration::from_secs(300));
    let Benchmark::IscsiRandread(randread) = &spec.benchmarks[0] else { panic!() };
    assert_eq!(spec.lun_of(&randread.login).unwrap().storage_object.name, "a");
    assert_eq!((randread.block_size, randread.queue_depth, randread.seconds), (128 << 10, 1, 2));
    assert_eq!(spec.region_bytes(randread), 1 << 20);
    let checks: Vec<_> = spec.benchmarks.iter().flat_map(Benchmark::checks).collect();
    assert_eq!(checks.len(), 3);
    assert_eq!(checks[1].bound, 2e7);
}

#[test]
fn an_empty_spec_boots_and_does_nothing_else() {
    let spec = parse("").unwrap();
    assert_eq!(spec.kernel.image, KernelChoice::Name("debian".into()));
    assert!(
        spec.targets.is_empty() && spec.benchmarks.is_empty() && spec.storage_objects.is_empty()
    );
    assert!(parse("[[benchmark]]\nworkload = \"hash\"\n").unwrap().targets.is_empty());
}

#[test]
fn a_benchmark_reads_the_lowest_lun_and_at_most_16_mib_unless_told() {
    let text = r#"
        storage_object = [
            { name = "small", backstore = "ramdisk", size = "2M" },
            { name = "big", backstore = "fileio", size = "1G" },
        ]
        [[target]]
        wwn = "iqn.2024-05.org.example:one"
        tpg = [{ luns = [
            { lun = 5, storage_object = "big" }, { lun = 2, storage_object = "small" },
            { lun = 6, storage_object = "big" },
        ] }]
        [[benchmark]]
        workload = "iscsi-randread"
        [[benchmark]]
        workload = "iscsi-randread"
        lun = 6
        block_size = 3072
        "#;
    let spec = parse(text).unwrap();
    let reads = |index: usize| {
        let Benchmark::IscsiRandread(benchmark) = &spec.benchmarks[index] else { panic!() };
        (spec.lun_of(&benchmark.login).unwrap().number, spec.region_bytes(benchmark))
    };
    assert_eq!(reads(0), (2, 2 << 20));
    assert_eq!(reads(1), (6, (16 << 20) / 3072 * 3072));
}

#[test]
fn memory_grows_with_ramdisks_and_large_files() {
    let with = |backstore: &str, size: &str| {
        let text = format!("[[storage_object]]\nname='a'\nbackstore='{backstore}'\nsize='{size}'");
        parse(&text).unwrap().memory_bytes() >> 20
    };
    assert_eq!(with("ramdisk", "64M"), 512 + 64 + 2);
    assert_eq!(with("ramdisk", "64G"), 512 + 65536 + 2048);
    assert_eq!(with("fileio", "128M"), 512);
    assert_eq!(with("fileio", "1G"), 512 + 896);
    assert_eq!(with("fileio", "10T"), 512 + 2048);
    assert_eq!(with("ramdisk", "1052672"), 512 + 2);
    let null_blk = "block'\ndevice='null_blk'\ndevice_parameters={memory_backed=1}\nvendor='a";
    assert_eq!(with(null_blk, "64M"), 512 + 64 + 2);
}

#[test]
fn notes_tell_what_was_changed_or_has_no_effect() {
    let text = format!(
        "{DISK}{}{}",
        TARGET.replace("org.example:one", "org.Example:One"),
        "[[storage_object]]\nname = \"spare\"\nbackstore = \"fileio\"\nsize = \"1M\"\n"
    );
    let spec = parse(&text).unwrap();
    assert_eq!(spec.targets[0].wwn, "iqn.2024-05.org.example:one");
    assert_eq!(
        spec.notes,
        [
            "target[0].wwn: upper case became lower case: iqn.2024-05.org.example:one",
            "storage object \"spare\" is exported by no LUN",
        ]
    );
}

#[test]
fn what_is_sparse_may_be_larger_than_memory_and_only_newer_kernels_do_direct_io_on_it() {
    let text = "[machine]\nmemory='256M'\n[[storage_object]]\nname='a'\nbackstore='fileio'\nsize='1G'\nmode='async'";
    let notes = parse(text).unwrap().notes;
    assert_eq!(
        notes[1..],
        [
            "storage object \"a\" does direct I/O on a tmpfs: only Linux 6.6 and later can",
            "sparse storage of 1G does not fit into the guest's memory of 256M: what is written beyond it fails",
        ]
    );
}

#[test]
fn one_storage_object_may_have_two_luns() {
    let luns =
        "luns = [{ lun = 0, storage_object = \"disk0\" }, { lun = 1, storage_object = \"disk0\" }]";
    let target = TARGET.lines().take(3).collect::<Vec<_>>().join("\n");
    assert_eq!(parse(&format!("{DISK}{target}\n{luns}")).unwrap().notes, [""; 0]);
}

#[test]
fn kernels_are_told_apart_from_paths() {
    let directory = tempfile::tempdir().unwrap();
    for entry in ["debian", "bzImage"] {
        std::fs::write(directory.path().join(entry), "").unwrap();
    }
    let base = Base {
        directory: directory.path(),
        home: Some(Path::new("/home/me")),
        environment: |_| None,
    };
    let name = |text: &str| KernelChoice::Name(text.to_owned());
    let path = |path: PathBuf| KernelChoice::Path(path);
    for (text, choice) in [
        ("debian", name("debian")),
        ("6.1.0-18-cloud-amd64", name("6.1.0-18-cloud-amd64")),
        ("bzImage", path(directory.path().join("bzImage"))),
        (".", path(directory.path().join("."))),
        ("./debian", path(directory.path().join("./debian"))),
        ("no/such", path(directory.path().join("no/such"))),
        ("/boot/vmlinuz", path("/boot/vmlinuz".into())),
        ("~", path("/home/me".into())),
        ("~/linux", path("/home/me/linux".into())),
        ("~//etc", path("/home/me/etc".into())),
        ("~else/linux", path(directory.path().join("~else/linux"))),
    ] {
        assert_eq!(KernelChoice::resolve(text, base), choice, "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_lines() {
    let text = r#"[kernel]
imgae = "debian"
[machine]
cpus = 0
memory = "64X"
[[storage_object]]
name = "disk 0"
backstore = "ramdsk"
size = 100
[[target]]
wwn = "disk"
[[target.tpg]]
luns = [{ lun = 256, storage_object = "disk1" }]
[[benchmark]]
workload = "iscsi-randread"
check = ["iop >= 1"]
"#;
    assert_eq!(
        told(text),
        r#"s.toml:2:1: kernel.imgae: unknown key, known here: image, modules, module_parameters, cmdline
  hint: did you mean "image"?
s.toml:4:8: machine.cpus: 0 is out of range, a whole number from 1 to 64 is needed
  hint: such as cpus = 2
s.toml:5:10: machine.memory: "64X" is not a size, a size is a whole number of K, M, G or T, or of bytes, up to 64 bits
  hint: such as memory = "1G"
s.toml:7:8: storage_object[0].name: storage object name "disk 0": has a character beyond A-Z a-z 0-9 . _ -
  hint: such as name = "disk0"
s.toml:8:13: storage_object[0].backstore: "ramdsk" is unknown, one of ramdisk, fileio, block is needed
  hint: did you mean "ramdisk"?
s.toml:9:8: storage_object[0].size: 100 is out of range, 1M to 16T is allowed
  hint: such as size = "64M"
s.toml:11:7: target[0].wwn: iSCSI name "disk": does not begin with iqn., eui. or naa.
  hint: a name looks like iqn.2015-04.org.example:disk0
s.toml:13:17: target[0].tpg[0].luns[0].lun: 256 is out of range, a whole number from 0 to 255 is needed
  hint: such as lun = 0
s.toml:13:39: target[0].tpg[0].luns[0].storage_object: there is no storage object "disk1", only "disk 0"
  hint: did you mean "disk 0"?
s.toml:16:10: benchmark[0].check[0]: "iop" in "iop >= 1" is not measured by this workload, iops, mb_per_s, p50, p90, p99, p99.9, p99.99, max are
  hint: did you mean "iops"?"#
    );
}

/// What is wrong with what a spec is told, for tables that name all their failures.
fn mismatch(text: &str, expected: &str) -> Option<String> {
    let found = told(text);
    if let Some(lacking) = lacking(text) {
        return Some(format!("\n{text}\n  {lacking}\n  {found}\n"));
    }
    (found != expected).then(|| format!("\n{text}\n  told:     {found}\n  expected: {expected}\n"))
}

/// What a fault of a spec lacks of what each has: a place, a way out, and the value that stands
/// there.
fn lacking(text: &str) -> Option<String> {
    let faults = parse(text).err()?.0;
    faults.iter().find_map(|fault| {
        let (Some(at), Some(_)) = (fault.position, &fault.hint) else {
            return Some("a place or a way out is missing".to_owned());
        };
        let rest = text.lines().nth(at.line - 1)?.get(at.column - 1..)?;
        let written = written_at(rest)?;
        let told = fault.render("s.toml").to_lowercase();
        let secret = written.starts_with('"') && fault.key.to_string().contains(".chap");
        let shown = shown(written.trim_matches('"'));
        let names_it = shown.iter().any(|shown| told.contains(&shown.to_lowercase()));
        (!secret && !names_it).then(|| format!("the value {written} is missing"))
    })
}

/// The plain value or the key at the start of a text; nothing for a list or a table.
fn written_at(rest: &str) -> Option<&str> {
    let end = match rest.strip_prefix('"') {
        Some(inside) if inside.contains('\\') => return None,
        Some(inside) => inside.find('"')? + 2,
        None => rest.find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))?,
    };
    Some(&rest[..end]).filter(|written| !written.is_empty())
}

/// How messages may show a value: as it is, cut, or in another unit.
fn shown(written: &str) -> Vec<String> {
    let size = parse_size(written).map(format_size);
    let duration = parse_duration(written).map(format_duration);
    let cut = written.chars().take(60).collect();
    let truth = match written {
        "true" | "yes" => Some("1".to_owned()),
        "false" | "no" => Some("0".to_owned()),
        _ => None,
    };
    [Some(cut), size.ok(), duration.ok(), truth].into_iter().flatten().collect()
}

#[test]
fn every_key_has_an_example_that_is_right() {
    for table in sections::keys::TABLES {
        let name = table.place.trim_matches(['[', ']']);
        let name = if name == "the spec" { "" } else { name };
        for key in table.keys {
            let path = if name.is_empty() { (*key).to_owned() } else { format!("{name}.{key}") };
            let example = sections::examples::example_of(&path).unwrap_or_default();
            assert!(example.contains(key), "{path}: {example:?}");
        }
    }
}

#[test]
fn each_bad_spec_is_told_what_is_wrong_and_where() {
    let mut told_wrong = Vec::new();
    for (text, message) in [
        // TOML itself
        (
            "[kernel\nimage = \"x\"",
            r#"s.toml:1:8: unclosed table, expected `]` in the line "[kernel"
  hint: close its name with ], or ]] where it began with [["#,
        ),
        (
            "[machine]\nmemory = 64M\n",
            r#"s.toml:2:10: string values must be quoted, expected literal string in the line "memory = 64M"
  hint: put the text in quotes: "text""#,
        ),
        (
            "[run]\ntimeout = \"1m\"\ntimeout = \"2m\"",
            r#"s.toml:3:1: duplicate key in the line "timeout = \"2m\""
  hint: leave one of the two out"#,
        ),
        (
            "a = \nb\nc = 1",
            r#"s.toml:1:5: string values must be quoted, expected literal string in the line "a ="
  hint: write a value after the =
s.toml:2:2: key with no value, expected `=` in the line "b"
  hint: write key = value"#,
        ),
        // unknown keys
        (
            "[machin]\ncpus = 1",
            r#"s.toml:1:2: machin: unknown key, known here: kernel, machine, channel, network, disk, storage_object, discovery, target, benchmark, run
  hint: did you mean "machine"?"#,
        ),
        (
            "[machine]\nCPUs = 1",
            r#"s.toml:2:1: machine.CPUs: unknown key, known here: cpus, memory, accelerator
  hint: did you mean "cpus"?"#,
        ),
        (
            "[run]\nboot-timeout = \"1s\"",
            r#"s.toml:2:1: run.boot-timeout: unknown key, known here: boot_timeout, timeout
  hint: did you mean "boot_timeout"?"#,
        ),
        (
            "[machine]\ntransport = \"auto\"",
            r#"s.toml:2:1: machine.transport: unknown key, known here: cpus, memory, accelerator
  hint: it belongs in [channel]"#,
        ),
        (
            "queue_depth = 3",
            r#"s.toml:1:1: queue_depth: unknown key, known here: kernel, machine, channel, network, disk, storage_object, discovery, target, benchmark, run
  hint: it belongs in [[benchmark]]"#,
        ),
        (
            "[nothing_like_it]",
            r#"s.toml:1:2: nothing_like_it: unknown key, known here: kernel, machine, channel, network, disk, storage_object, discovery, target, benchmark, run
  hint: leave it out"#,
        ),
        (
            "[[benchmark]]\nworkload = \"hash\"\nblock_size = 4096",
            r#"s.toml:3:1: benchmark[0].block_size: unknown key, known here: workload, check, size, warm_up, sample_time, samples_min, samples_max, budget, precision, count
  hint: leave it out"#,
        ),
        (
            "\"\\u001b[31m\" = 1",
            r#"s.toml:1:1: "\u{1b}[31m": unknown key, known here: kernel, machine, channel, network, disk, storage_object, discovery, target, benchmark, run
  hint: leave it out"#,
        ),
        // types
        (
            "kernel = 3",
            r#"s.toml:1:10: kernel: 3 is an integer, one table [kernel] is needed
  hint: such as kernel = { image = "debian" }"#,
        ),
        (
            "[[machine]]\ncpus = 1",
            r#"s.toml:1:1: machine: this is a list, one table [machine] is needed
  hint: such as machine = { cpus = 2 }"#,
        ),
        (
            "[storage_object]\nname = \"a\"",
            r#"s.toml:1:1: storage_object: this is a table, a list of tables, each [[storage_object]], is needed
  hint: such as [[storage_object]] on a line of its own, its keys on those below"#,
        ),
        (
            "[kernel]\nimage = true",
            r#"s.toml:2:9: kernel.image: true is a boolean, debian, a release or a path is needed
  hint: such as image = "debian""#,
        ),
        (
            "[kernel]\nmodules = \"brd\"",
            r#"s.toml:2:11: kernel.modules: "brd" is a string, a list of module names is needed
  hint: such as modules = ["null_blk"]"#,
        ),
        (
            "[kernel]\nmodules = [\"brd\", 7]",
            r#"s.toml:2:19: kernel.modules[1]: 7 is an integer, a module name is needed
  hint: such as modules = ["null_blk"]"#,
        ),
        (
            "[machine]\ncpus = \"2\"",
            r#"s.toml:2:8: machine.cpus: "2" is a string, a whole number from 1 to 64 is needed
  hint: such as cpus = 2"#,
        ),
        (
            "[machine]\ncpus = 1.5",
            r#"s.toml:2:8: machine.cpus: 1.5 is a float, a whole number from 1 to 64 is needed
  hint: such as cpus = 2"#,
        ),
        (
            "[machine]\nmemory = true",
            r#"s.toml:2:10: machine.memory: true is not a size, a size is a whole number of K, M, G or T, or of bytes, up to 64 bits
  hint: such as memory = "1G""#,
        ),
        (
            "[run]\ntimeout = [1]",
            r#"s.toml:2:11: run.timeout: this is not a duration, a duration is a whole number of ms, s, m or h
  hint: such as timeout = "10m""#,
        ),
        // values
        (
            "[kernel]\nimage = \"\"",
            r#"s.toml:2:9: kernel.image: empty, debian, a release or a path is needed
  hint: such as image = "debian""#,
        ),
        (
            "[kernel]\nimage = \"a\\u0000b\"",
            r#"s.toml:2:9: kernel.image: "a\0b" has a control character
  hint: such as image = "debian""#,
        ),
        (
            "[kernel]\nmodules = [\"brd.ko\"]",
            r#"s.toml:2:12: kernel.modules[0]: "brd.ko" is not a module name, 1 to 55 of A-Z, a-z, 0-9, `_` and `-` are
  hint: such as modules = ["null_blk"]"#,
        ),
        (
            "[kernel]\nmodule_parameters = { \"brd.ko\" = \"x=1\" }",
            r#"s.toml:2:23: kernel.module_parameters."brd.ko": "brd.ko" is not a module name, 1 to 55 of A-Z, a-z, 0-9, `_` and `-` are
  hint: such as module_parameters = { null_blk = "queue_mode=2" }"#,
        ),
        (
            "[kernel]\nmodule_parameters = { brd = 1 }",
            r#"s.toml:2:29: kernel.module_parameters.brd: 1 is an integer, a string is needed
  hint: such as module_parameters = { null_blk = "queue_mode=2" }"#,
        ),
        (
            "[kernel]\nmodule_parameters = { brd = \"a=1\\nb=2\" }",
            r#"s.toml:2:29: kernel.module_parameters.brd: "a=1\nb=2" has '\n', it must be one line of text
  hint: such as module_parameters = { null_blk = "queue_mode=2" }"#,
        ),
        (
            "[kernel]\nmodule_parameters = { brd = \" \" }",
            r#"s.toml:2:29: kernel.module_parameters.brd: empty, parameters such as "rd_nr=2" are needed
  hint: such as module_parameters = { null_blk = "queue_mode=2" }"#,
        ),
        (
            "[kernel]\nmodule_parameters = { dm-delay = \"a=1\", dm_delay = \"b=1\" }",
            r#"s.toml:2:41: kernel.module_parameters.dm_delay: the same module as dm-delay, each is named once
  hint: put both into one"#,
        ),
        (
            "[kernel]\nmodule_parameters = \"brd.a=1\"",
            r#"s.toml:2:21: kernel.module_parameters: "brd.a=1" is a string, a table of names and texts is needed
  hint: such as module_parameters = { null_blk = "queue_mode=2" }"#,
        ),
        (
            "[kernel]\ncmdline = \"a\\nb\"",
            r#"s.toml:2:11: kernel.cmdline: "a\nb" has '\n', it must be one line of text
  hint: such as cmdline = "loglevel=7""#,
        ),
        (
            "[machine]\ncpus = 65",
            r#"s.toml:2:8: machine.cpus: 65 is out of range, a whole number from 1 to 64 is needed
  hint: such as cpus = 2"#,
        ),
        (
            "[machine]\ncpus = -1",
            r#"s.toml:2:8: machine.cpus: -1 is out of range, a whole number from 1 to 64 is needed
  hint: such as cpus = 2"#,
        ),
        (
            "[machine]\ncpus = 99999999999999999999",
            r#"s.toml:2:8: machine.cpus: 99999999999999999999 is out of range, a whole number from 1 to 64 is needed
  hint: such as cpus = 2"#,
        ),
        (
            "[machine]\nmemory = \"64M\"",
            r#"s.toml:2:10: machine.memory: 64M is out of range, 128M to 1T is allowed
  hint: such as memory = "1G""#,
        ),
        (
            "[machine]\nmemory = 134217729",
            r#"s.toml:2:10: machine.memory: 134217729 bytes is not a multiple of 1M
  hint: such as memory = "1G""#,
        ),
        (
            "[machine]\nmemory = \"99999999999G\"",
            r#"s.toml:2:10: machine.memory: "99999999999G" is too large, a size is a whole number of K, M, G or T, or of bytes, up to 64 bits
  hint: such as memory = "1G""#,
        ),
        (
            "[machine]\nmemory = -5",
            r#"s.toml:2:10: machine.memory: -5 is not a size, a size is a whole number of K, M, G or T, or of bytes, up to 64 bits
  hint: such as memory = "1G""#,
        ),
        (
            "[machine]\naccelerator = \"kvn\"",
            "s.toml:2:15: machine.accelerator: \"kvn\" is unknown, one of auto, kvm, tcg is needed\n  hint: did you mean \"kvm\"?",
        ),
        (
            "[channel]\ntransport = \"vsock\"",
            r#"s.toml:2:13: channel.transport: "vsock" is unknown, one of auto, vhost-vsock, vhost-user-vsock, virtio-serial is needed
  hint: such as transport = "auto""#,
        ),
        (
            "[run]\ntimeout = 60",
            r#"s.toml:2:11: run.timeout: 60 has no unit, a duration is a whole number of ms, s, m or h
  hint: did you mean "60s"?"#,
        ),
        (
            "[run]\ntimeout = \"0s\"",
            r#"s.toml:2:11: run.timeout: 0ms is out of range, 1ms to 168h is allowed
  hint: such as timeout = "10m""#,
        ),
        (
            "[run]\nboot_timeout = \"1m\"\ntimeout = \"30s\"",
            r#"s.toml:2:16: run.boot_timeout: 1m is longer than the whole run may take, which is 30s
  hint: boot_timeout = "30s", or a longer timeout"#,
        ),
        (
            "[[benchmark]]",
            r#"s.toml:1:1: benchmark[0].workload: missing, one of EVERY WORKLOAD is needed
  hint: add workload = "iscsi-randread""#,
        ),
        (
            "[[benchmark]]\nworkload = \"hsh\"",
            "s.toml:2:12: benchmark[0].workload: \"hsh\" is unknown, one of EVERY WORKLOAD is needed\n  hint: did you mean \"hash\"?",
        ),
        (
            "[[benchmark]]\nworkload = \"hash\"\ncheck = [\"sha2 <= 5\"]",
            r#"s.toml:3:10: benchmark[0].check[0]: "5" in "sha2 <= 5" has no unit of time, sha2 takes ns, us, ms or s
  hint: such as "sha2 <= 20ms""#,
        ),
        (
            "[[benchmark]]\nworkload = \"iscsi-randread\"",
            r#"s.toml:2:12: benchmark[0].workload: iscsi-randread needs a [[target]] of iscsi with a LUN, there is none
  hint: add a [[target]], or take the benchmark out"#,
        ),
        // storage objects
        (
            "[[storage_object]]",
            r#"s.toml:1:1: storage_object[0].name: missing, a name such as "disk0" is needed
  hint: add name = "disk0"
s.toml:1:1: storage_object[0].backstore: missing, ramdisk, fileio or block is needed
  hint: add backstore = "fileio"
s.toml:1:1: storage_object[0].size: missing, a size such as "64M" is needed
  hint: add size = "64M""#,
        ),
        (
            "[[storage_object]]\nname = \"a\"\nbackstore = \"fileio\"\nsiez = \"1M\"",
            r#"s.toml:4:1: storage_object[0].siez: unknown key, known here: name, backstore, size, nullio, mode, device, disk, device_parameters, delay, flakey, read_only, serial, vendor, product, revision, attributes, allow_unknown_attributes, alua_group
  hint: did you mean "size"?"#,
        ),
        (
            "[[storage_object]]\nname = \"a\"\nbackstore = \"fileio\"\nsize = 0",
            "s.toml:4:8: storage_object[0].size: 0 is out of range, 1M to 16T is allowed\n  hint: such as size = \"64M\"",
        ),
        (
            "[[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = 1049088",
            "s.toml:4:8: storage_object[0].size: 1049088 bytes is not a multiple of 4K\n  hint: such as size = \"64M\"",
        ),
        (
            "[[storage_object]]\nname = \"a\"\nbackstore = \"fileio\"\nsize = 1048577",
            "s.toml:4:8: storage_object[0].size: 1048577 bytes is not a multiple of 512\n  hint: such as size = \"64M\"",
        ),
        (
            "[machine]\nmemory = \"256M\"\n[[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = \"512M\"",
            "s.toml:2:10: machine.memory: 256M of memory is too little for ramdisk, brd and memory-backed null_blk of 512M in all, 656M is needed\n  hint: fileio, loop and zram take memory only for what is written, and can be bounded",
        ),
        (
            "[[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = \"2T\"",
            "s.toml:1:1: storage_object: 1T of memory is too little for ramdisk, brd and memory-backed null_blk of 2T in all, 2162816M is needed\n  hint: fileio, loop and zram take memory only for what is written, and can be bounded",
        ),
    ] {
        told_wrong.extend(mismatch(text, message));
    }
    assert!(told_wrong.is_empty(), "{}", told_wrong.concat());
}

#[test]
fn faults_between_storage_target_and_benchmarks_name_both_sides() {
    let mut told_wrong = Vec::new();
    let target = |luns: &str| {
        let head = TARGET.lines().take(3).collect::<Vec<_>>().join("\n");
        format!("{DISK}{head}\nluns = {luns}\n")
    };
    let bench = |rest: &str| {
        format!("{DISK}{TARGET}[[benchmark]]\nworkload = \"iscsi-randread\"\n{rest}\n")
    };
    for (text, message) in [
        (
            format!("{DISK}{DISK}"),
            "s.toml:6:8: storage_object[1].name: \"disk0\" is the name of another storage object already (storage_object[0].name, line 2)\n  hint: take another name",
        ),
        (
            TARGET.to_owned(),
            r#"s.toml:4:37: target[0].tpg[0].luns[0].storage_object: there is no storage object "disk0", a [[storage_object]] of that name is needed
  hint: such as storage_object = "disk0""#,
        ),
        (
            target("[{ lun = 0, storage_object = \"dsk0\" }]"),
            "s.toml:8:37: target[0].tpg[0].luns[0].storage_object: there is no storage object \"dsk0\", only \"disk0\"\n  hint: did you mean \"disk0\"?",
        ),
        (
            target(
                "[{ lun = 3, storage_object = \"disk0\" }, { storage_object = \"disk0\", lun = 3 }]",
            ),
            "s.toml:8:82: target[0].tpg[0].luns[1].lun: 3 is the number of another LUN already (target[0].tpg[0].luns[0].lun, line 8)\n  hint: take another number",
        ),
        (
            target("[]"),
            r#"s.toml:8:8: target[0].tpg[0].luns: empty, at least one such as { lun = 0, storage_object = "disk0" } is needed
  hint: such as luns = [{ lun = 0, storage_object = "disk0" }]"#,
        ),
        (
            target("[{ lun = 0 }]"),
            r#"s.toml:8:9: target[0].tpg[0].luns[0].storage_object: missing, the name of one is needed
  hint: add storage_object = "disk0""#,
        ),
        (
            target("[0]"),
            r#"s.toml:8:9: target[0].tpg[0].luns[0]: 0 is an integer, a table is needed
  hint: such as luns = [{ lun = 0, storage_object = "disk0" }]"#,
        ),
        (
            format!("{DISK}[[target]]\nwwn = \"iqn.2024-05.org.example\""),
            r#"s.toml:5:1: target[0].tpg: missing, a [[target.tpg]] is needed
  hint: add [[target.tpg]] on a line of its own below the target, its keys below that"#,
        ),
        (
            format!("{DISK}{}", TARGET.replace("luns", "tag = 0\nluns")),
            "s.toml:8:7: target[0].tpg[0].tag: 0 is out of range, a whole number from 1 to 65535 is needed\n  hint: such as tag = 1",
        ),
        (
            bench("block_size = 1000"),
            r#"s.toml:11:14: benchmark[0].block_size: 1000 bytes is not a multiple of 512
  hint: such as block_size = 4096"#,
        ),
        (
            bench("block_size = \"2M\""),
            r#"s.toml:11:14: benchmark[0].block_size: 2M is out of range, 512 to 1M is allowed
  hint: such as block_size = 4096"#,
        ),
        (
            bench("block_size = 0"),
            r#"s.toml:11:14: benchmark[0].block_size: 0 is out of range, 512 to 1M is allowed
  hint: such as block_size = 4096"#,
        ),
        (
            bench("queue_depth = 0"),
            r#"s.toml:11:15: benchmark[0].queue_depth: 0 is out of range, a whole number from 1 to 1024 is needed
  hint: such as queue_depth = 32"#,
        ),
        (
            bench("region = \"65M\""),
            r#"s.toml:11:10: benchmark[0].region: 65M is more than LUN 0 has, which is 64M
  hint: region = "64M""#,
        ),
        (
            bench("region = 2048"),
            r#"s.toml:11:10: benchmark[0].region: 2K is smaller than one block of 4K
  hint: region = "4K", or leave it out"#,
        ),
        (
            bench("lun = 4"),
            r#"s.toml:11:7: benchmark[0].lun: "iqn.2026-01.org.lunlab:initiator" sees no LUN 4, only 0
  hint: leave it out for the lowest it sees, or add it to luns or mapped_luns"#,
        ),
    ] {
        told_wrong.extend(mismatch(&text, message));
    }
    assert!(told_wrong.is_empty(), "{}", told_wrong.concat());
}

#[test]
fn what_could_not_be_read_causes_no_second_fault() {
    let text = format!("{}{TARGET}", DISK.replace("\"disk0\"", "0"));
    assert_eq!(
        told(&text),
        "s.toml:2:8: storage_object[0].name: 0 is an integer, a string is needed\n  hint: such as name = \"disk0\""
    );
    let text = format!(
        "{DISK}extra = 1\n{}",
        TARGET.replace("[{ lun = 0", "[{ lun = 256, storage_object = \"dsk0\" }, { lun = 0")
    );
    assert_eq!(
        told(&text),
        "s.toml:5:1: storage_object[0].extra: unknown key, known here: name, backstore, size, nullio, mode, device, disk, device_parameters, delay, flakey, read_only, serial, vendor, product, revision, attributes, allow_unknown_attributes, alua_group\n  hint: leave it out\n\
         s.toml:9:17: target[0].tpg[0].luns[0].lun: 256 is out of range, a whole number from 0 to 255 is needed\n  hint: such as lun = 0\n\
         s.toml:9:39: target[0].tpg[0].luns[0].storage_object: there is no storage object \"dsk0\", only \"disk0\"\n  \
         hint: did you mean \"disk0\"?"
    );
    let text = "[[benchmark]]\nworkload = 1\n[[benchmark]]\nworkload = \"iscsi-randread\"\nblock_size = 3\n";
    assert_eq!(
        told(text),
        "s.toml:2:12: benchmark[0].workload: 1 is an integer, one of EVERY WORKLOAD is needed\n  hint: such as workload = \"iscsi-randread\"\n\
         s.toml:4:12: benchmark[1].workload: iscsi-randread needs a [[target]] of iscsi with a LUN, there is none\n  hint: add a [[target]], or take the benchmark out\n\
         s.toml:5:14: benchmark[1].block_size: 3 is out of range, 512 to 1M is allowed\n  hint: such as block_size = 4096"
    );
}

#[test]
fn a_spec_changed_by_the_command_line_is_checked_again() {
    let mut spec = Spec::builtin().unwrap();
    spec.machine.cpus = 99;
    spec.machine.memory = Some(1 << 20);
    spec.kernel.cmdline = "a\nb".into();
    assert_eq!(
        spec.check().unwrap_err().render("spec"),
        "kernel.cmdline: \"a\\nb\" has '\\n', it must be one line of text\n  hint: such as cmdline = \"loglevel=7\"\n\
         machine.cpus: 99 is out of range, a whole number from 1 to 64 is needed\n  hint: such as cpus = 2\n\
         machine.memory: 1M is out of range, 128M to 1T is allowed\n  hint: such as memory = \"1G\""
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}", cut in 0..DEFAULT_SPEC.len()) {
        let default = DEFAULT_SPEC;
        drop(parse(&text));
        let mixed = format!("{}{text}{}", &default[..cut], &default[cut..]);
        if let Err(faults) = parse(&mixed) {
            prop_assert!(!faults.0.is_empty());
            prop_assert!(!faults.render("s").chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
