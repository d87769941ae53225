//! Data that goes in one way comes out of every other, on every kind of storage object that keeps
//! any: by iSCSI with QEMU's tools, by the loopback fabric and past LIO in the guest, and out of
//! the image files of QEMU's disks. What is compared is SHA-256, by `sha256sum` on the host.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lunlab_tests::clients::{CLIENT, Client};
use lunlab_tests::{Lunlab, Rendezvous, ports, tools};
use serde_json::Value;

use crate::busy_writers::{PIECE, write_through_resets, write_until_acknowledged};
use crate::plain_initiator::{Session, Terms};

const TARGET: &str = "iqn.2026-01.org.lunlab.test:integrity";
const INITIATOR: &str = "iqn.2026-01.org.lunlab.test:client";

/// On a quiet machine it takes a minute.
const LONG: Duration = Duration::from_secs(300);

const BYTES: usize = 2 << 20;
const BLOCK: usize = 512;
const WRITERS: usize = 4;
/// What one of the writers writes, of its own quarter.
const SHARE: usize = 256 << 10;

/// A storage object that keeps data.
struct Kept {
    name: &'static str,
    keys: &'static str,
    /// Whether there is something below LIO that the guest can get at.
    backed: bool,
    /// Whether writes fail every other second; only the client, which gives them again, writes to it.
    /// An image of the user's, it is spared by lunlab's own check.
    failing: bool,
}

/// Each is a LUN by its place here. Disks have the image file of their name.
const OBJECTS: [Kept; 15] = [
    kept("buffered", r#"backstore = "fileio""#),
    kept("write-through", "backstore = \"fileio\"\nmode = \"write-through\""),
    kept("async", "backstore = \"fileio\"\nmode = \"async\"\ndevice = \"brd\""),
    kept("on-a-device", "backstore = \"fileio\"\ndevice = \"zram\""),
    Kept { backed: false, ..kept("ramdisk", r#"backstore = "ramdisk""#) },
    kept(
        "null-blk",
        "backstore = \"block\"\ndevice = \"null_blk\"\ndevice_parameters = { memory_backed = true }",
    ),
    kept("brd", "backstore = \"block\"\ndevice = \"brd\""),
    kept("zram", "backstore = \"block\"\ndevice = \"zram\""),
    kept("loop", "backstore = \"block\"\ndevice = \"loop\""),
    kept(
        "delayed",
        "backstore = \"block\"\ndevice = \"zram\"\ndelay = { read = \"1ms\", write = \"1ms\" }",
    ),
    kept(
        "steady",
        "backstore = \"block\"\ndevice = \"zram\"\nflakey = { up = \"1h\", down = \"1s\" }",
    ),
    Kept {
        failing: true,
        ..kept(
            "failing",
            "backstore = \"block\"\ndevice = \"disk\"\ndisk = \"failing\"\nflakey = { up = \"1s\", down = \"1s\", error_writes = true }",
        )
    },
    kept("virtio-blk", "backstore = \"block\"\ndevice = \"disk\"\ndisk = \"virtio-blk\""),
    kept("virtio-scsi", "backstore = \"block\"\ndevice = \"disk\"\ndisk = \"virtio-scsi\""),
    kept("nvme", "backstore = \"block\"\ndevice = \"disk\"\ndisk = \"nvme\""),
];

const fn kept(name: &'static str, keys: &'static str) -> Kept {
    Kept { name, keys, backed: true, failing: false }
}

impl Kept {
    fn is_disk(&self) -> bool {
        self.keys.contains("disk = ")
    }

    fn section(&self) -> String {
        let size = if self.is_disk() { "" } else { "size = \"2M\"\n" };
        format!("[[storage_object]]\nname = \"{}\"\n{}\n{size}", self.name, self.keys)
    }

    fn disk(&self) -> String {
        let name = self.name;
        let bus = if self.failing { "virtio-blk" } else { name };
        format!("[[disk]]\nserial = \"{name}\"\nbus = \"{bus}\"\nimage = \"{name}.raw\"\n")
    }

    /// Whether the guest writes to it past LIO.
    fn is_written_past_lio(&self) -> bool {
        self.backed && !self.failing
    }

    /// The ways the guest has to its data.
    fn ways(&self) -> &'static [&'static str] {
        if self.backed { &["loopback", "backing"] } else { &["loopback"] }
    }
}

/// The LUN that keeps nothing, behind the others: what is compared there must differ.
const FORGETFUL: usize = OBJECTS.len();

const FORGETFUL_SECTION: &str = r#"[[storage_object]]
name = "forgetful"
backstore = "block"
device = "null_blk"
size = "2M"
"#;

/// Both fabrics have every storage object. The guest writes by loopback, the test stands in, the
/// guest reads both ways and writes past LIO, the test stands in again.
fn spec(port: u16, first: &Rendezvous, second: &Rendezvous) -> String {
    let objects: String = OBJECTS.iter().map(Kept::section).collect();
    let disks: String = OBJECTS.iter().filter(|object| object.is_disk()).map(Kept::disk).collect();
    let luns: Vec<String> = OBJECTS
        .iter()
        .enumerate()
        .map(|(n, object)| format!("{{ lun = {n}, storage_object = \"{}\" }}", object.name))
        .collect();
    let forgetful = format!("{{ lun = {FORGETFUL}, storage_object = \"forgetful\" }}");
    let luns = [luns.join(", "), forgetful].join(", ");
    let targets = format!(
        r#"
[[target]]
wwn = "{TARGET}"
[[target.tpg]]
tag = 1
portals = ["127.0.0.1:{port}"]
luns = [{luns}]
[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
tag = 1
luns = [{luns}]
"#
    );
    let pattern = |object: &Kept, via: &str, seed: usize| {
        format!(
            "[[benchmark]]\nworkload = \"pattern\"\nstorage_object = \"{}\"\nvia = \"{via}\"\nseed = {seed}\n",
            object.name
        )
    };
    let digest = |(object, via): (&Kept, &str)| {
        format!(
            "[[benchmark]]\nworkload = \"digest\"\nstorage_object = \"{}\"\nvia = \"{via}\"\n",
            object.name
        )
    };
    let stand_in = |rendezvous: &Rendezvous| {
        format!(
            "[[benchmark]]\nworkload = \"host-command\"\ncommand = {}\ntimeout = \"5m\"\n",
            rendezvous.command()
        )
    };
    let by_loopback = OBJECTS.iter().zip(100..).filter(|(object, _)| !object.failing);
    let by_loopback = by_loopback.map(|(object, n)| pattern(object, "loopback", n));
    let past_lio = OBJECTS.iter().zip(200..).filter(|(object, _)| object.is_written_past_lio());
    let past_lio = past_lio.map(|(object, n)| pattern(object, "backing", n));
    [
        disks,
        objects,
        FORGETFUL_SECTION.to_owned(),
        targets,
        by_loopback.collect(),
        stand_in(first),
        each_way().map(digest).collect(),
        past_lio.collect(),
        stand_in(second),
    ]
    .concat()
}

/// Every storage object, in every way it can be read in the guest.
fn each_way() -> impl Iterator<Item = (&'static Kept, &'static str)> {
    OBJECTS.iter().flat_map(|object| object.ways().iter().map(move |via| (object, *via)))
}

/// Where the client's files are, and how it gets at the LUNs.
struct Side<'a> {
    directory: &'a Path,
    port: u16,
}

impl Side<'_> {
    fn client(&self, lun: usize) -> Client {
        let portal = ([127, 0, 0, 1], self.port).into();
        Client::new(portal, TARGET, u16::try_from(lun).unwrap(), INITIATOR)
    }

    fn read(&self, lun: usize) -> PathBuf {
        self.client(lun).read_all_into(&self.directory.join(format!("read-{lun}")))
    }

    fn session(&self, lun: usize) -> Session {
        let terms = Terms { initiator: INITIATOR, ..Terms::default() };
        Session::log_in_with(&self.client(lun).url(), terms).unwrap()
    }
}

fn sha256(path: &Path) -> String {
    let output = tools::output(tools::command("sha256sum").arg(path), CLIENT);
    assert!(output.good, "{output:#?}");
    output.stdout.split_whitespace().next().unwrap().to_owned()
}

/// The pattern of the guest's workload: each block begins with its address and the seed.
#[track_caller]
fn assert_pattern(file: &Path, seed: u64, what: &str) {
    let data = fs::read(file).unwrap();
    assert_eq!(data.len(), BYTES, "{what}");
    for (address, block) in (0u64..).zip(data.chunks(BLOCK)) {
        let expected = [address.to_le_bytes(), seed.to_le_bytes()].concat();
        assert!(block[..16] == expected, "{what}, block {address}: {:x?}", &block[..16]);
    }
}

#[test]
fn data_is_the_same_by_every_way_to_it_on_every_backstore_that_keeps_any() {
    let (first, second) = (Rendezvous::new(), Rendezvous::new());
    let [port] = ports::free();
    let lunlab = Lunlab::run().spec(&spec(port, &first, &second)).within(LONG);
    let directory = lunlab.directory().path().to_owned();
    for disk in OBJECTS.iter().filter(|object| object.is_disk()) {
        let image = File::create(directory.join(format!("{}.raw", disk.name))).unwrap();
        image.set_len(BYTES.try_into().unwrap()).unwrap();
    }
    let side = Side { directory: &directory, port };
    let running = lunlab.start();

    let standstill = first.wait(&running);
    let url = format!("iscsi://127.0.0.1:{port}/{TARGET}/0");
    assert_eq!(standstill.variable("LUNLAB_URL_0"), Some(url.as_str()));
    let written: Vec<PathBuf> = (0..OBJECTS.len())
        .map(|lun| {
            if OBJECTS[lun].failing {
                return what_is_acknowledged_stays_though_writes_fail(&side, lun);
            }
            what_the_guest_wrote_is_read(&side, lun, 100);
            what_a_client_writes_stays(&side, lun)
        })
        .collect();
    side.client(FORGETFUL).write_all_of(&written[0]);
    assert_ne!(sha256(&side.read(FORGETFUL)), sha256(&written[0]), "nothing was compared");
    drop(standstill);

    let standstill = second.wait(&running);
    for (lun, object) in OBJECTS.iter().enumerate() {
        if object.is_written_past_lio() {
            what_the_guest_wrote_is_read(&side, lun, 200);
        } else {
            assert_eq!(sha256(&side.read(lun)), sha256(&written[lun]), "{}", object.name);
        }
    }
    drop(standstill);

    let finished = running.finish();
    finished.verdict("pass", 0);
    the_guest_reads_what_the_client_wrote(&finished.result(), &written);
    for (lun, disk) in OBJECTS.iter().enumerate().filter(|(_, object)| object.is_disk()) {
        let image = directory.join(format!("{}.raw", disk.name));
        if disk.is_written_past_lio() {
            let seed = 200 + u64::try_from(lun).unwrap();
            assert_pattern(&image, seed, &format!("the image of {}", disk.name));
        } else {
            assert_eq!(sha256(&image), sha256(&written[lun]), "the image of {}", disk.name);
        }
    }
}

fn what_the_guest_wrote_is_read(side: &Side<'_>, lun: usize, seeds: u64) {
    let seed = seeds + u64::try_from(lun).unwrap();
    assert_pattern(&side.read(lun), seed, OBJECTS[lun].name);
}

/// Writes a file of random data to the whole LUN, then lets several initiators write to a quarter
/// each at once; the file that should be there now.
fn what_a_client_writes_stays(side: &Side<'_>, lun: usize) -> PathBuf {
    let name = OBJECTS[lun].name;
    let path = side.directory.join(format!("written-{lun}"));
    let mut data = vec![0; BYTES];
    File::open("/dev/urandom").unwrap().read_exact(&mut data).unwrap();
    fs::write(&path, &data).unwrap();
    side.client(lun).write_all_of(&path);
    // Another initiator has this LUN open meanwhile, and a reset is for all of them.
    let mut session = side.session(lun);
    assert_eq!(session.reset_lun(), 0, "{name}");
    assert_eq!(sha256(&side.read(lun)), sha256(&path), "{name}, after a reset and a login");

    write_in_quarters(side, lun, &mut data);
    fs::write(&path, &data).unwrap();
    let expected = sha256(&path);
    assert_eq!(sha256(&side.read(lun)), expected, "{name}, written by several");
    assert_eq!(side.session(lun).reset_lun(), 0, "{name}");
    assert_eq!(sha256(&side.read(lun)), expected, "{name}, after another reset");

    let failures = write_through_resets(&mut data, WRITERS, || side.session(lun));
    assert!(failures > 0, "{name}: no reset met a writer");
    fs::write(&path, &data).unwrap();
    assert_eq!(sha256(&side.read(lun)), sha256(&path), "{name}, reset while it was written");
    path
}

fn what_is_acknowledged_stays_though_writes_fail(side: &Side<'_>, lun: usize) -> PathBuf {
    let path = side.directory.join(format!("written-{lun}"));
    let mut data = vec![0; BYTES];
    let mut session = side.session(lun);
    let mut failures = 0;
    for round in 1.. {
        for (n, piece) in data.chunks_mut(PIECE).enumerate() {
            piece.fill(round ^ n.to_le_bytes()[0]);
            failures += write_until_acknowledged(&mut session, n * PIECE, piece);
        }
        if failures > 0 {
            break;
        }
    }
    fs::write(&path, &data).unwrap();
    assert_eq!(sha256(&side.read(lun)), sha256(&path), "writes that failed were given again");
    path
}

fn write_in_quarters(side: &Side<'_>, lun: usize, data: &mut [u8]) {
    let mut writers = Vec::new();
    for (quarter, value) in (0..WRITERS).zip(0xa1u8..) {
        let from = quarter * (BYTES / WRITERS);
        data[from..from + SHARE].fill(value);
        let pieces: Vec<String> = (0..SHARE / 65_536)
            .map(|piece| format!("write -P {value} {} 64k", from + piece * 65_536))
            .collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        writers.push(side.client(lun).start_qemu_io(&pieces));
    }
    for writer in &mut writers {
        assert!(writer.wait().success(), "{}", OBJECTS[lun].name);
    }
}

fn the_guest_reads_what_the_client_wrote(result: &Value, written: &[PathBuf]) {
    let benchmarks = result["benchmarks"].as_array().unwrap();
    let digests = benchmarks.iter().filter(|each| each["workload"] == "digest");
    let found: Vec<&str> =
        digests.map(|each| each["findings"]["sha256"].as_str().unwrap()).collect();
    assert_eq!(found.len(), each_way().count());
    for ((object, via), found) in each_way().zip(found) {
        let lun = OBJECTS.iter().position(|each| each.name == object.name).unwrap();
        assert_eq!(found, sha256(&written[lun]), "{} via {via}", object.name);
    }
}
