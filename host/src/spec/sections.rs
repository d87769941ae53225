//! The tables of a spec, one function each: TOML in, plain data out.

use toml::Spanned;
use toml::de::DeTable;

use super::check::{Check, HASH_METRICS, ISCSI_RANDREAD_METRICS, Metric};
use super::name::check_module;
use super::reader::{Reader, Section};
use super::{
    AcceleratorChoice, Backstore, Base, Benchmark, CPUS, Channel, Hash, IscsiRandread, Kernel,
    KernelChoice, LUNS, Lun, Machine, QUEUE_DEPTHS, Run, SECONDS, Spec, StorageObject, TIMEOUT,
    TPG_TAGS, Target, Tpg, TransportChoice, WORKLOADS,
};

const ROOT: &[&str] =
    &["kernel", "machine", "channel", "storage_object", "target", "benchmark", "run"];
const KERNEL: &[&str] = &["image", "modules", "cmdline"];
const MACHINE: &[&str] = &["cpus", "memory", "accelerator"];
const CHANNEL: &[&str] = &["transport"];
const STORAGE_OBJECT: &[&str] = &["name", "backstore", "size"];
const TARGET: &[&str] = &["wwn", "tpg"];
const TPG: &[&str] = &["tag", "luns"];
const LUN: &[&str] = &["lun", "storage_object"];
const ISCSI_RANDREAD: &[&str] =
    &["workload", "block_size", "queue_depth", "seconds", "region", "lun", "check"];
const HASH: &[&str] = &["workload", "check"];
const RUN: &[&str] = &["boot_timeout", "timeout"];

/// Every table with its keys, to say where a misplaced key belongs.
const PLACES: [(&str, &[&str]); 8] = [
    ("[kernel]", KERNEL),
    ("[machine]", MACHINE),
    ("[channel]", CHANNEL),
    ("[[storage_object]]", STORAGE_OBJECT),
    ("[[target]]", TARGET),
    ("[[target.tpg]]", TPG),
    ("[[benchmark]]", ISCSI_RANDREAD),
    ("[run]", RUN),
];

/// The table in which `key` is known.
pub(super) fn place_of(key: &str) -> Option<&'static str> {
    PLACES.iter().find(|(_, keys)| keys.contains(&key)).map(|(place, _)| *place)
}

/// Reads a whole spec. Where something is wrong the reader has the fault and the data a value that
/// does no harm.
pub(super) fn read<'a>(
    table: &'a Spanned<DeTable<'a>>,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> Spec {
    let root = Section::root(table, ROOT, reader);
    let mut notes = Vec::new();
    Spec {
        kernel: read_kernel(root.section("kernel", KERNEL, reader), base, reader),
        machine: read_machine(root.section("machine", MACHINE, reader), reader),
        channel: read_channel(root.section("channel", CHANNEL, reader), reader),
        storage_objects: read_storage_objects(&root, reader),
        target: root
            .single("target", TARGET, reader)
            .map(|target| read_target(&target, &mut notes, reader)),
        benchmarks: read_benchmarks(&root, reader),
        run: read_run(root.section("run", RUN, reader), reader),
        notes,
    }
}

fn read_kernel(section: Option<Section<'_>>, base: Base<'_>, reader: &mut Reader<'_>) -> Kernel {
    let debian = KernelChoice::Name("debian".to_owned());
    let Some(section) = section else {
        return Kernel { image: debian, modules: Vec::new(), cmdline: String::new() };
    };
    let image = section.string("image", "debian, a release or a path", reader);
    Kernel {
        image: image.map_or(debian, |text| KernelChoice::resolve(text, base)),
        modules: read_modules(&section, reader),
        cmdline: section.string("cmdline", "a string", reader).unwrap_or_default().to_owned(),
    }
}

fn read_modules(section: &Section<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut modules = Vec::new();
    for item in section.strings("modules", "module name", reader) {
        match check_module(item.text) {
            Ok(()) => modules.push(item.text.to_owned()),
            Err(error) => reader.fault(item.span, item.path, error),
        }
    }
    modules
}

fn read_machine(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Machine {
    let mut machine = Machine { cpus: 1, memory: None, accelerator: AcceleratorChoice::Auto };
    if let Some(section) = section {
        machine.cpus = section.integer("cpus", &CPUS, reader).unwrap_or(machine.cpus);
        machine.memory = section.size("memory", reader);
        let accelerator = section.choice("accelerator", &AcceleratorChoice::WORDS, reader);
        machine.accelerator = accelerator.unwrap_or(machine.accelerator);
    }
    machine
}

fn read_channel(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Channel {
    let transport = section
        .and_then(|section| section.choice("transport", &TransportChoice::WORDS, reader))
        .unwrap_or(TransportChoice::Auto);
    Channel { transport }
}

fn read_storage_objects(root: &Section<'_>, reader: &mut Reader<'_>) -> Vec<StorageObject> {
    let sections = root.sections("storage_object", STORAGE_OBJECT, reader);
    sections.iter().map(|section| read_storage_object(section, reader)).collect()
}

fn read_storage_object(section: &Section<'_>, reader: &mut Reader<'_>) -> StorageObject {
    require(section, "name", "a name such as \"disk0\"", reader);
    require(section, "backstore", "ramdisk or fileio", reader);
    require(section, "size", "a size such as \"64M\"", reader);
    StorageObject {
        name: section.string("name", "a string", reader).unwrap_or_default().to_owned(),
        backstore: section
            .choice("backstore", &Backstore::WORDS, reader)
            .unwrap_or(Backstore::Fileio),
        size: section.size("size", reader).unwrap_or_default(),
    }
}

fn read_target(section: &Section<'_>, notes: &mut Vec<String>, reader: &mut Reader<'_>) -> Target {
    require(section, "wwn", "a name such as \"iqn.2024-05.org.example:one\"", reader);
    require(section, "tpg", "one [[target.tpg]]", reader);
    let written = section.string("wwn", "a string", reader).unwrap_or_default();
    let wwn = written.to_ascii_lowercase();
    if wwn != written {
        // RFC 3722: iSCSI names are folded to lower case before they are compared.
        notes.push(format!("{}: upper case became lower case: {wwn}", section.path.key("wwn")));
    }
    let tpg = section.single("tpg", TPG, reader).map(|tpg| read_tpg(&tpg, reader));
    Target { wwn, tpg: tpg.unwrap_or(Tpg { tag: 1, luns: Vec::new() }) }
}

fn read_tpg(section: &Section<'_>, reader: &mut Reader<'_>) -> Tpg {
    require(section, "luns", "a list such as [{ lun = 0, storage_object = \"disk0\" }]", reader);
    let luns = section.sections("luns", LUN, reader);
    Tpg {
        tag: section.integer("tag", &TPG_TAGS, reader).unwrap_or(1),
        luns: luns.iter().map(|lun| read_lun(lun, reader)).collect(),
    }
}

fn read_lun(section: &Section<'_>, reader: &mut Reader<'_>) -> Lun {
    require(section, "lun", "a number", reader);
    require(section, "storage_object", "the name of one", reader);
    let storage_object = section.string("storage_object", "a string", reader);
    Lun {
        lun: section.integer("lun", &LUNS, reader).unwrap_or_default(),
        storage_object: storage_object.unwrap_or_default().to_owned(),
    }
}

fn read_benchmarks(root: &Section<'_>, reader: &mut Reader<'_>) -> Vec<Benchmark> {
    // Which keys are known depends on the workload.
    let sections = root.sections("benchmark", &[], reader);
    sections.into_iter().map(|section| read_benchmark(section, reader)).collect()
}

fn read_benchmark(section: Section<'_>, reader: &mut Reader<'_>) -> Benchmark {
    let words = WORKLOADS.map(|name| (name, name));
    let workload = section.choice("workload", &words, reader);
    match workload {
        Some("iscsi-randread") => {
            let section = section.with_known(ISCSI_RANDREAD, reader);
            Benchmark::IscsiRandread(read_iscsi_randread(&section, reader))
        }
        Some(_) => {
            let section = section.with_known(HASH, reader);
            let checks = read_checks(&section, HASH_METRICS, reader);
            Benchmark::Hash(Hash { checks })
        }
        None => {
            let section = section.with_known(ISCSI_RANDREAD, reader);
            require(&section, "workload", &format!("one of {}", WORKLOADS.join(", ")), reader);
            // Something must stand in its place, or the numbers of those after it would shift.
            Benchmark::Hash(Hash { checks: Vec::new() })
        }
    }
}

fn read_iscsi_randread(section: &Section<'_>, reader: &mut Reader<'_>) -> IscsiRandread {
    IscsiRandread {
        block_size: section.size("block_size", reader).unwrap_or(4096),
        queue_depth: section.integer("queue_depth", &QUEUE_DEPTHS, reader).unwrap_or(32),
        seconds: section.integer("seconds", &SECONDS, reader).unwrap_or(5),
        region: section.size("region", reader),
        lun: section.integer("lun", &LUNS, reader),
        checks: read_checks(section, ISCSI_RANDREAD_METRICS, reader),
    }
}

fn read_checks(section: &Section<'_>, metrics: &[Metric], reader: &mut Reader<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for item in section.strings("check", "check", reader) {
        match Check::parse(item.text, metrics) {
            Ok(check) => checks.push(check),
            Err(error) => {
                reader.fault_with_hint(item.span, item.path, &error, error.hint());
            }
        }
    }
    checks
}

fn read_run(section: Option<Section<'_>>, reader: &mut Reader<'_>) -> Run {
    let Some(section) = section else { return Run { boot_timeout: None, timeout: TIMEOUT } };
    Run {
        boot_timeout: section.duration("boot_timeout", reader),
        timeout: section.duration("timeout", reader).unwrap_or(TIMEOUT),
    }
}

fn require(section: &Section<'_>, key: &str, needed: &str, reader: &mut Reader<'_>) {
    if !section.has(key) {
        section.missing(key, needed, reader);
    }
}
