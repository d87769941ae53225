//! What a spec needs of the kernel: features, and parameters of the modules that give them.

use crate::embedded;
use crate::error::Error;
use crate::image::Program;
use crate::kernel::features::{self, Feature};
use crate::kernel::parameters::Parameters;
use crate::spec::{
    Backstore, Benchmark, Bus, Device, DeviceKind, Fabric, Measured, Network, Spec, StorageObject,
    Target,
};
use crate::target::COMP_ALGORITHM;
use crate::transport::Transport;
use lunlab_bench::workload::Run;
use lunlab_bench::{fio, is_of_the_agent};
use lunlab_initramfs::closure::{Host, closure};
use lunlab_protocol::request::WORKLOADS_PROGRAM;
use std::borrow::Cow;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The programs that a spec's benchmarks need in the guest.
///
/// # Errors
/// Environment, when this lunlab was built without them.
pub fn programs(spec: &Spec) -> Result<Vec<Program>, Error> {
    let needed = spec.benchmarks.iter().any(|each| match each {
        Benchmark::Measured(asked) if matches!(asked.run(), Some(Run::Host)) => false,
        Benchmark::Measured(asked) => {
            let elsewhere =
                asked.is_over_iscsi() || is_of_the_agent(asked.workload, |key| asked.value(key));
            !elsewhere
        }
        Benchmark::IscsiRandread(_) | Benchmark::HostCommand(_) => false,
    });
    if !needed {
        return Ok(Vec::new());
    }
    let bytes = Cow::Borrowed(embedded::workloads()?);
    let mut programs = vec![Program { path: WORKLOADS_PROGRAM.to_owned(), bytes }];
    if spec.benchmarks.iter().any(|each| each.workload() == fio::WORKLOAD.name) {
        programs.extend(from_host("fio", fio::PROGRAM)?);
    }
    programs.extend(files(spec)?);
    Ok(programs)
}

/// A program of the host's that stands at `at` in the guest, with all it needs to start.
fn from_host(name: &str, at: &str) -> Result<Vec<Program>, Error> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&directories).map(|directory| directory.join(name));
    let program = places.into_iter().find(|place| is_program(place)).ok_or_else(|| {
        Error::environment(format!(
            "workload {name:?} takes the host's {name}, and there is none on PATH"
        ))
        .with_hint(format!("apt install {name}"))
    })?;
    let contents = closure(&program, Path::new(at), &Host).map_err(|error| {
        let told = Error::environment(format!("{name} for the guest: {error}"));
        error.hint().into_iter().fold(told, Error::with_hint)
    })?;
    let file = |(path, bytes): (PathBuf, Vec<u8>)| {
        let path = path.into_os_string().into_string().map_err(|path| {
            Error::environment(format!("{name} needs {}, which is not UTF-8", path.display()))
        })?;
        Ok(Program { path, bytes: Cow::Owned(bytes) })
    };
    contents.into_iter().map(file).collect()
}

fn is_program(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The files that workloads are given.
fn files(spec: &Spec) -> Result<Vec<Program>, Error> {
    let mut files = Vec::new();
    for (number, benchmark) in spec.benchmarks.iter().enumerate() {
        let Benchmark::Measured(asked) = benchmark else { continue };
        for (parameter, path) in asked.files() {
            let bytes = std::fs::read(path)
                .map_err(|error| Error::usage(format!("{parameter}: read {path}: {error}")))?;
            let path = Measured::guest_file(number, parameter);
            files.push(Program { path, bytes: Cow::Owned(bytes) });
        }
    }
    Ok(files)
}

/// The features a spec needs over a transport, each once.
#[must_use]
pub fn wanted(spec: &Spec, transport: Transport) -> Vec<Feature> {
    let mut wanted = features::BASE.to_vec();
    wanted.push(features::VIRTIO_PCI);
    wanted.push(match transport {
        Transport::VhostVsock | Transport::VhostUserVsock => features::VSOCK,
        Transport::VirtioSerial => features::VIRTIO_SERIAL,
    });
    if spec.network == Network::User {
        wanted.push(features::VIRTIO_NET);
    }
    spec.disks.iter().for_each(|disk| wanted.extend(of_bus(disk.bus)));
    if !spec.storage_objects.is_empty() || !spec.targets.is_empty() {
        wanted.extend([features::CONFIGFS, features::TARGET]);
    }
    wanted.extend(wanted_by(spec).into_iter().flat_map(|(_, features)| features));
    wanted.extend(spec.benchmarks.iter().flat_map(of_benchmark));
    once(wanted)
}

fn of_benchmark(benchmark: &Benchmark) -> Vec<Feature> {
    match benchmark.workload() {
        "relay" => vec![features::NET_NAMESPACES, features::VETH, features::TOKEN_BUCKET],
        "smb" => features::CIFS_CRYPTO.into_iter().chain([features::CIFS]).collect(),
        _ => Vec::new(),
    }
}

/// The features that what is exported needs, beside the name of what needs them.
#[must_use]
pub fn wanted_by(spec: &Spec) -> Vec<(String, Vec<Feature>)> {
    let objects = spec.storage_objects.iter();
    let objects = objects.map(|each| (format!("storage object {}", each.name), of_object(each)));
    let targets = spec.targets.iter();
    let targets = targets.map(|each| (format!("target {}", each.wwn), of_target(each)));
    let discovery = spec.discovery.chap.iter();
    let discovery = discovery.map(|_| ("discovery.chap".to_owned(), vec![features::MD5]));
    objects.chain(targets).chain(discovery).collect()
}

fn once(features: Vec<Feature>) -> Vec<Feature> {
    let mut seen = Vec::with_capacity(features.len());
    for feature in features {
        if !seen.contains(&feature) {
            seen.push(feature);
        }
    }
    seen
}

fn of_bus(bus: Bus) -> Vec<Feature> {
    match bus {
        Bus::VirtioBlk => vec![features::VIRTIO_BLK],
        Bus::VirtioScsi => vec![features::VIRTIO_SCSI, features::SCSI_DISK],
        Bus::Nvme => vec![features::NVME],
    }
}

fn of_object(object: &StorageObject) -> Vec<Feature> {
    let mut wanted = Vec::new();
    if let Some(device) = &object.device {
        wanted.extend(of_device(device));
    }
    if object.needs_tmpfs_direct_io() {
        wanted.push(features::TMPFS_DIRECT_IO);
    }
    if object.delay.is_some() {
        wanted.extend([features::DEVICE_MAPPER, features::DM_DELAY]);
    }
    if object.flakey.is_some() {
        wanted.extend([features::DEVICE_MAPPER, features::DM_FLAKEY]);
    }
    match object.backstore {
        // It is part of the core.
        Backstore::Ramdisk => {}
        Backstore::Fileio => wanted.push(features::FILEIO),
        Backstore::Block => wanted.push(features::IBLOCK),
    }
    wanted
}

fn of_device(device: &Device) -> Vec<Feature> {
    match device.kind {
        DeviceKind::NullBlk => vec![features::NULL_BLK],
        DeviceKind::Brd => vec![features::BRD],
        DeviceKind::Zram => {
            let compression = match device.parameter(COMP_ALGORITHM) {
                // One that is not known here is for the kernel to judge.
                Some(algorithm) => features::zram_compression(algorithm),
                None => Some(features::ZRAM_COMPRESSION),
            };
            compression.into_iter().chain([features::ZRAM]).collect()
        }
        DeviceKind::Loop => vec![features::LOOP],
        // Its bus has what it needs.
        DeviceKind::Disk => Vec::new(),
    }
}

fn of_target(target: &Target) -> Vec<Feature> {
    match target.fabric {
        Fabric::Loopback => vec![features::LOOPBACK, features::SCSI_DISK],
        Fabric::Iscsi => {
            let mut wanted = vec![features::CRC32C];
            let mut portals = target.tpgs.iter().flat_map(|tpg| &tpg.portals);
            if portals.any(|portal| matches!(portal.address, IpAddr::V6(_))) {
                wanted.push(features::IPV6);
            }
            if target.tpgs.iter().any(|tpg| tpg.has_credentials()) {
                wanted.push(features::MD5);
            }
            wanted.push(features::ISCSI_TARGET);
            wanted
        }
    }
}

/// The parameters that a spec's devices need: those which are set up one by one do not come by themselves, and brd's come by
/// themselves only. With those the spec names itself.
#[must_use]
pub fn parameters(spec: &Spec) -> Parameters {
    let mut parameters = Parameters::default();
    let sizes = |kind| {
        let objects = spec.storage_objects.iter();
        let made_of = move |object: &&StorageObject| {
            object.device.as_ref().is_some_and(|device| device.kind == kind)
        };
        objects.filter(made_of).map(|object| object.size)
    };
    if sizes(DeviceKind::NullBlk).next().is_some() {
        parameters.set("null_blk", "nr_devices=0");
    }
    if sizes(DeviceKind::Zram).next().is_some() {
        parameters.set("zram", "num_devices=0");
    }
    if let Some(largest) = sizes(DeviceKind::Brd).max() {
        let number = sizes(DeviceKind::Brd).count();
        let kibibytes = largest.div_ceil(1024);
        parameters.set("brd", &format!("rd_nr={number} rd_size={kibibytes}"));
    }
    // The user's own after them: the kernel keeps the later.
    for (module, text) in &spec.kernel.module_parameters {
        parameters.set(module, text);
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::{parameters, wanted};
    use crate::spec::{Base, Spec};
    use crate::transport::Transport;
    use std::path::Path;

    fn spec(text: &str) -> Spec {
        let base = Base { directory: Path::new("/"), home: None, environment: |_| None };
        Spec::parse(text, base).unwrap()
    }

    /// Names beyond those of every run over virtio-serial.
    fn beyond(text: &str) -> Vec<&'static str> {
        let wanted = wanted(&spec(text), Transport::VirtioSerial);
        let names: Vec<_> = wanted.iter().map(|feature| feature.name).collect();
        let rest = names.iter().position(|name| *name == "virtio-serial").unwrap() + 1;
        names[rest..].to_vec()
    }

    #[test]
    fn the_default_spec_needs_no_more_than_its_target() {
        let default = ["configfs", "target", "fileio", "crc32c", "iscsi target"];
        assert_eq!(beyond(crate::spec::DEFAULT_SPEC), default);
        assert!(beyond("").is_empty());
        assert_eq!(parameters(&spec(crate::spec::DEFAULT_SPEC)), super::Parameters::default());
    }

    #[test]
    fn workloads_bring_what_they_measure() {
        let benchmark = |name| beyond(&format!("[[benchmark]]\nworkload = \"{name}\"\n"));
        assert_eq!(benchmark("hash"), [""; 0]);
        assert_eq!(benchmark("relay"), ["network namespaces", "veth", "token bucket filter"]);
        let smb = "[network]\nmode = \"user\"\n[[benchmark]]\nworkload = \"smb\"\n";
        let needed = beyond(smb);
        assert_eq!((needed[0], needed[needed.len() - 1]), ("virtio-net", "CIFS"));
        assert!(["sha512", "cmac", "gcm"].iter().all(|name| needed.contains(name)), "{needed:?}");
    }

    #[test]
    fn each_bus_has_its_drivers() {
        for (bus, features) in [
            ("virtio-blk", &["virtio-blk"][..]),
            ("virtio-scsi", &["virtio-scsi", "SCSI disks"]),
            ("nvme", &["nvme"]),
        ] {
            let text = format!("[[disk]]\nserial = \"s\"\nbus = \"{bus}\"\nsize = \"1G\"\n");
            assert_eq!(beyond(&text), features);
        }
        assert_eq!(beyond("[network]\nmode = \"user\"\n"), ["virtio-net"]);
    }

    fn object(name: &str, rest: &str) -> String {
        format!("[[storage_object]]\nname = \"{name}\"\nsize = \"64M\"\n{rest}\n")
    }

    #[test]
    fn devices_bring_their_drivers_and_parameters_once() {
        let block = |device| format!("backstore = \"block\"\ndevice = \"{device}\"");
        let text = [
            object("a", &(block("null_blk") + "\ndelay = { read = \"1ms\", write = \"1ms\" }")),
            object("b", &(block("brd") + "\nflakey = { up = \"1s\", down = \"1s\" }")),
            object("c", &block("brd")),
            object("d", &block("zram")),
            object("e", &block("loop")),
        ]
        .concat();
        let expected = [
            "configfs",
            "target",
            "null_blk",
            "device-mapper",
            "dm-delay",
            "iblock",
            "brd",
            "dm-flakey",
            "zram compression",
            "zram",
            "loop",
        ];
        assert_eq!(beyond(&text), expected);
        let parameters = parameters(&spec(&text));
        assert_eq!(parameters.of("null_blk"), "nr_devices=0");
        assert_eq!(parameters.of("brd"), "rd_nr=2 rd_size=65536");
        assert_eq!(parameters.of("zram"), "num_devices=0");
    }

    #[test]
    fn a_spec_s_own_parameters_come_after_those_of_its_devices() {
        let text = "[kernel]\nmodule_parameters = { null-blk = \"bs=4096\", nvme = \"a=1 b=\\\"x y\\\"\" }\n";
        let block = object("a", "backstore = \"block\"\ndevice = \"null_blk\"");
        let parameters = parameters(&spec(&(text.to_owned() + &block)));
        assert_eq!(parameters.of("null_blk"), "nr_devices=0 bs=4096");
        assert_eq!(parameters.of("nvme"), "a=1 b=\"x y\"");
    }

    #[test]
    fn direct_io_on_a_file_needs_a_tmpfs_that_has_it() {
        let needs = |rest: &str| beyond(&object("a", rest)).contains(&"direct I/O on tmpfs");
        let loop_device = |rest| format!("backstore = \"block\"\ndevice = \"loop\"\n{rest}");
        assert!(needs("backstore = \"fileio\"\nmode = \"async\""));
        assert!(needs(&loop_device("device_parameters = { direct_io = true }")));
        for rest in [&loop_device(""), "backstore = \"fileio\"\nmode = \"async\"\ndevice = \"brd\""]
        {
            assert!(!needs(rest), "{rest}");
        }
    }

    #[test]
    fn fabrics_bring_only_their_own() {
        let ramdisk = object("a", "backstore = \"ramdisk\"");
        let target = |fabric, wwn, rest| {
            format!(
                "{ramdisk}[[target]]\nfabric = \"{fabric}\"\nwwn = \"{wwn}\"\n[[target.tpg]]\ntag = 1\n\
                 luns = [{{ lun = 0, storage_object = \"a\" }}]\n{rest}"
            )
        };
        let loopback = target("loopback", "naa.5001405aaaaaaaaa", "");
        assert_eq!(beyond(&loopback), ["configfs", "target", "loopback", "SCSI disks"]);
        let iscsi = target("iscsi", "iqn.2024-05.org.example:one", "portals = [\"[::1]\"]\n");
        assert_eq!(beyond(&iscsi), ["configfs", "target", "crc32c", "IPv6", "iscsi target"]);
    }
}
