//! What becomes of a spec in the kernel: built, changed while it is held, refused, read back, written down and taken down.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lunlab_tests::clients::Client;
use lunlab_tests::{Finished, GRACE, Held, Lunlab, ports};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::plain_initiator::Session;

const ALICE: &str = "iqn.2026-01.org.lunlab.test:alice";
const FIRST: &str = "iqn.2026-01.org.lunlab.test:first";
const SECOND: &str = "iqn.2026-01.org.lunlab.test:second";

const MIB: u64 = 1 << 20;

/// What the guest may take to take a target down, and QEMU to end.
const TEARDOWN: Duration = Duration::from_secs(25);

/// Two targets with a portal each that nobody named.
const BASE: &str = r#"
[[storage_object]]
name = "disk0"
backstore = "fileio"
size = "16M"

[[storage_object]]
name = "disk1"
backstore = "ramdisk"
size = "4M"

[[target]]
wwn = "iqn.2026-01.org.lunlab.test:first"
[[target.tpg]]
tag = 1
demo_mode = "writable"
luns = [{ lun = 0, storage_object = "disk0" }]

[[target]]
wwn = "iqn.2026-01.org.lunlab.test:second"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "disk1" }]
"#;

/// [`BASE`] with one more storage object, LUN and ACL in the first target.
fn grown() -> String {
    let object = "[[storage_object]]\nname = \"added\"\nbackstore = \"ramdisk\"\nsize = \"8M\"\n";
    let luns = "luns = [{ lun = 0, storage_object = \"disk0\" }";
    let acl =
        format!("[[target.tpg.acl]]\ninitiator = \"{ALICE}\"\n\n[[target]]\nwwn = \"{SECOND}\"");
    BASE.replacen("[[target]]", &format!("{object}\n[[target]]"), 1)
        .replacen(luns, &format!("{luns}, {{ lun = 3, storage_object = \"added\" }}"), 1)
        .replacen(&format!("[[target]]\nwwn = \"{SECOND}\""), &acl, 1)
}

/// How a spec's file gets its new text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Written over.
    InPlace,
    /// A new file is renamed over it, as editors do.
    Renamed,
}

/// A target whose spec is watched, and a session that stays open all the time.
struct Watching {
    held: Held,
    portals: [SocketAddr; 2],
    session: RefCell<Session>,
}

impl Watching {
    fn up(text: &str) -> Self {
        let held = Lunlab::up().args(["--watch-spec", "--export", "saved.json"]).spec(text).hold();
        let urls = held.urls(2);
        let portal = |url: &str| url.split('/').nth(2).unwrap().parse().unwrap();
        let portals = [portal(&urls[0]), portal(&urls[1])];
        let session = RefCell::new(Session::log_in(&urls[0]));
        Self { held, portals, session }
    }

    /// Changes the spec; what was said then, once that has all these parts.
    #[track_caller]
    fn change(&self, how: How, text: &str, parts: &[&str]) -> String {
        let running = self.held.running();
        let mark = running.stderr().len();
        let path = running.directory().path().join("spec.toml");
        match how {
            How::InPlace => fs::write(path, text).unwrap(),
            How::Renamed => {
                let new = path.with_extension("new");
                fs::write(&new, text).unwrap();
                fs::rename(new, path).unwrap();
            }
        }
        let said = running.said_since(mark, parts);
        self.goes_on();
        said
    }

    /// The session that was open before is open still. What changed its LUNs tells it so once.
    #[track_caller]
    fn goes_on(&self) {
        let mut session = self.session.borrow_mut();
        let written = (0..3).any(|_| session.write(8, &[0x6b; 512], 512) == 0);
        assert!(written && session.read(8, 1, 512) == [0x6b; 512]);
    }

    fn client(&self, target: &str, lun: u16) -> Client {
        let portal = self.portals[usize::from(target == SECOND)];
        Client::new(portal, target, lun, ALICE)
    }

    /// The size of a LUN, if there is one.
    fn size(&self, target: &str, lun: u16) -> Option<u64> {
        let output = self.client(target, lun).tool("iscsi-readcapacity16", &["-s"]);
        output.good.then(|| output.stdout.trim().parse().unwrap())
    }

    fn lines(&self) -> usize {
        self.held.urls(2).len()
    }
}

/// `the target is changed: N steps undone, M done in K ms`.
#[track_caller]
fn undone_and_done(said: &str) -> (u32, u32) {
    let line = said.lines().find(|line| line.contains("the target is changed")).unwrap();
    let rest = line.split_once("changed: ").unwrap().1;
    let mut numbers = rest.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

const CHANGED: &str = " ms\n";
const REFUSED: &str = "the changed spec is not taken: ";

#[test]
fn a_watched_spec_changes_its_difference_only_and_what_it_cannot_change_is_refused() {
    let watching = Watching::up(BASE);
    assert_ne!(watching.portals[0], watching.portals[1]);
    assert_eq!(watching.size(FIRST, 0), Some(16 * MIB));
    assert_eq!(watching.size(FIRST, 3), None);
    what_is_added_is_there_beside_what_was(&watching);
    what_says_the_same_changes_nothing(&watching);
    an_attribute_is_one_write(&watching);
    what_cannot_change_is_refused_by_name(&watching);
    a_fault_is_refused_with_its_place(&watching);
    a_change_that_fails_is_taken_back(&watching);
    of_changes_in_a_row_the_last_one_stands(&watching);
    what_is_removed_is_gone(&watching);
    let Watching { held, session, .. } = watching;
    drop(session);
    let finished = held.stop();
    finished.verdict("pass", 0);
    let target = &finished.result()["target"];
    let tree = target["tree"].as_object().unwrap();
    assert!(tree.keys().any(|path| path.contains("/disk0/")), "{}", finished.story());
    assert!(!tree.keys().any(|path| path.contains("/added/")), "{tree:#?}");
    let read_back = target["read_back"].as_object().unwrap();
    assert!(!read_back.keys().any(|path| path.contains("/added/")), "{read_back:#?}");
    assert_eq!(target["differences"], json!([]));
    every_change_is_in_the_result(&finished.result()["spec_changes"]);
}

/// With what it changed, or why it was not taken.
fn every_change_is_in_the_result(changes: &Value) {
    let changes = changes.as_array().unwrap();
    let of =
        |outcome: &'static str| changes.iter().filter(move |change| change["outcome"] == outcome);
    let added = json!(format!("+ LUN 3 → added on {FIRST}"));
    let first = of("changed").next().unwrap();
    assert!(first["lines"].as_array().unwrap().contains(&added), "{first:#}");
    assert!(first["took_ms"].as_f64().unwrap() > 0.0 && first["steps"].as_u64() > Some(4));
    assert!(of("same").count() >= 2 && of("refused").count() >= 9, "{changes:#?}");
    let failed = of("failed").next().unwrap();
    assert!(failed["problems"][0].as_str().unwrap().contains("no_such_attribute"), "{failed:#}");
    assert!(changes.is_sorted_by_key(|change| change["ms"].as_f64().unwrap().to_bits()));
}

fn what_is_added_is_there_beside_what_was(watching: &Watching) {
    let added = format!("  + LUN 3 → added on {FIRST}\n");
    let object = "  + storage object added (ramdisk)\n";
    let acl = format!("  + ACL {ALICE} on {FIRST}\n");
    let parts = ["the target is changed", CHANGED, object, &added, &acl];
    let said = watching.change(How::Renamed, &grown(), &parts);
    let (undone, done) = undone_and_done(&said);
    assert!(undone == 0 && (5..20).contains(&done), "{said}");
    let url = watching.client(FIRST, 3).url();
    let saved = watching.held.running().directory().path().join("saved.json");
    // Its URL is the only one that is new.
    assert_eq!(watching.held.urls(3)[2..], [url]);
    assert_eq!(watching.size(FIRST, 3), Some(8 * MIB));
    let found = watching.client(FIRST, 0).discover();
    assert!(found.good && found.stdout.contains(FIRST), "{found:#?}");
    // What was exported follows; it was written before the URL was said.
    assert!(fs::read_to_string(saved).unwrap().contains("\"added\""));
    // The other target is where it was.
    assert_eq!(watching.size(SECOND, 0), Some(4 * MIB));
}

fn what_says_the_same_changes_nothing(watching: &Watching) {
    let nothing = "the spec changed, and nothing of the target with it\n";
    for (how, text) in
        [(How::InPlace, grown()), (How::Renamed, format!("# the same\n{}\n\n", grown()))]
    {
        let said = watching.change(how, &text, &[nothing]);
        assert!(!said.contains("the target is changed"), "{said}");
    }
}

fn an_attribute_is_one_write(watching: &Watching) {
    let slow = "demo_mode = \"writable\"\nattributes = { login_timeout = 20 }";
    let text = grown().replace("demo_mode = \"writable\"", slow);
    let line = |from, to| format!("  ~ attrib login_timeout of TPG 1 on {FIRST}: {from} → {to}\n");
    let said = watching.change(How::InPlace, &text, &["the target is changed", &line(15, 20)]);
    assert_eq!(undone_and_done(&said), (0, 1), "{said}");
    let said = watching.change(How::InPlace, &grown(), &["the target is changed", &line(20, 15)]);
    assert_eq!(undone_and_done(&said), (1, 0), "{said}");
}

fn what_cannot_change_is_refused_by_name(watching: &Watching) {
    let [port] = ports::free();
    let with = |old: &str, new: &str| {
        let text = grown().replacen(old, new, 1);
        assert_ne!(text, grown());
        text
    };
    let block_size = "size = \"8M\"\nattributes = { block_size = 4096 }";
    let portal = format!("portals = [\"127.0.0.1:{port}\"]\ndemo_mode");
    let portal_words =
        format!("portal 127.0.0.1:{port} of {FIRST} cannot be added while the guest runs");
    let block = "[[storage_object]]\nname = \"n\"\nbackstore = \"block\"\ndevice = \"null_blk\"\nsize = \"8M\"\n";
    let modules = |name: &str, module: &str| {
        format!("storage object n needs {name} (module {module}), which was not loaded at boot\n")
    };
    for (text, words) in [
        (
            format!("[machine]\ncpus = 2\n{}", grown()),
            "machine.cpus cannot change while the guest runs",
        ),
        (format!("{block}{}", grown()), &modules("null_blk", "null_blk")),
        (format!("{block}{}", grown()), &modules("iblock", "target_core_iblock")),
        (String::new(), "is empty; what stands stays until it is not"),
        ("# to come\n".to_owned(), "the last target cannot go"),
        (with("\"16M\"", "\"32M\""), "disk0"),
        (
            with("size = \"8M\"", "size = \"9M\""),
            "size and backing of added cannot change once it is enabled",
        ),
        (with("size = \"8M\"", block_size), "cannot change while added is exported"),
        (with("demo_mode", &portal), &portal_words),
    ] {
        let said = watching.change(How::Renamed, &text, &[REFUSED, words]);
        assert!(!said.contains("the target is changed") && !said.contains("\\x0a"), "{said}");
        assert!(!said.contains("ENOENT") && !said.contains("(step "), "it was tried: {said}");
        assert_eq!(watching.size(FIRST, 3), Some(8 * MIB), "{said}");
    }
    // A refusal leaves nothing behind that is compared with later.
    what_says_the_same_changes_nothing(watching);
}

fn a_fault_is_refused_with_its_place(watching: &Watching) {
    let text = grown().replacen("backstore = \"ramdisk\"", "backstore = \"ramdsik\"", 1);
    let line = 1 + text.lines().position(|line| line.contains("ramdsik")).unwrap();
    watching.change(How::InPlace, &text, &[REFUSED, &format!("spec.toml:{line}:13"), "ramdsik"]);
    watching.change(How::InPlace, "[[target]\n", &[REFUSED, "spec.toml:1:"]);
    assert_eq!(watching.size(FIRST, 3), Some(8 * MIB));
}

fn a_change_that_fails_is_taken_back(watching: &Watching) {
    let bad = "[[storage_object]]\nname = \"bad\"\nbackstore = \"fileio\"\nsize = \"2M\"\nallow_unknown_attributes = true\nattributes = { no_such_attribute = 1 }\n\n[[target]]";
    let text = grown().replacen("[[target]]", bad, 1);
    // The LUN that goes for it comes back.
    let text = text.replacen(
        "{ lun = 3, storage_object = \"added\" }",
        "{ lun = 3, storage_object = \"bad\" }",
        1,
    );
    let path = "target/core/fileio_0/bad/attrib/no_such_attribute";
    let parts = [
        REFUSED,
        path,
        "ENOENT",
        "(step ",
        "hint: this kernel has no attribute",
        "what stood before stands\n",
    ];
    let said = watching.change(How::Renamed, &text, &parts);
    assert!(!said.contains("the target is changed"), "{said}");
    assert_eq!(watching.size(FIRST, 3), Some(8 * MIB));
    assert_eq!(watching.size(SECOND, 0), Some(4 * MIB));
    what_says_the_same_changes_nothing(watching);
}

/// None of the versions is read while the next one is being written, when the file is empty.
fn of_changes_in_a_row_the_last_one_stands(watching: &Watching) {
    let path = watching.held.running().directory().path().join("spec.toml");
    // A new LUN takes the guest longer than the host needs to see the next version.
    for number in 4..12 {
        let lun = format!("{{ lun = {number}, storage_object = \"added\" }}");
        fs::write(&path, grown().replacen("{ lun = 3, storage_object = \"added\" }", &lun, 1))
            .unwrap();
    }
    let last = watching.client(FIRST, 11).url();
    let mut lines = watching.lines();
    while !watching.held.running().lines(lines).unwrap().contains(&last) {
        lines += 1;
    }
    assert_eq!(watching.size(FIRST, 11), Some(8 * MIB));
    assert_eq!(watching.size(FIRST, 4), None);
    watching.goes_on();
}

fn what_is_removed_is_gone(watching: &Watching) {
    let said = watching.change(How::Renamed, BASE, &["the target is changed", CHANGED]);
    let (undone, done) = undone_and_done(&said);
    assert!(undone >= 5 && done == 0, "{said}");
    assert_eq!(watching.size(FIRST, 11), None);
    assert_eq!(watching.size(FIRST, 3), None);
    assert_eq!(watching.size(FIRST, 0), Some(16 * MIB));
    assert_eq!(watching.size(SECOND, 0), Some(4 * MIB));
}

#[test]
fn a_target_that_goes_leaves_the_portal_of_the_other_where_it_was() {
    let held = Lunlab::up().args(["--watch-spec"]).spec(BASE).hold();
    let urls = held.urls(2);
    let parts: Vec<&str> = BASE.split("[[target]]").collect();
    let second = format!("{}[[target]]{}", parts[0], parts[2]);
    let running = held.running();
    let mark = running.stderr().len();
    fs::write(running.directory().path().join("spec.toml"), second).unwrap();
    let said = running.said_since(mark, &["the target is changed", CHANGED]);
    let (undone, done) = undone_and_done(&said);
    assert!(undone > 0 && done == 0, "{said}");
    let client = |url: &str, target| {
        Client::new(url.split('/').nth(2).unwrap().parse().unwrap(), target, 0, ALICE)
    };
    assert_eq!(client(&urls[1], SECOND).size(), 4 * MIB);
    assert!(!client(&urls[0], FIRST).tool("iscsi-inq", &[]).good);
    held.stop().verdict("pass", 0);
}

/// [`BASE`] with an attribute that no kernel has.
fn failing(what: &str, with: &str) -> String {
    let unknown = "allow_unknown_attributes = true\nattributes = { no_such_attribute = 1 }";
    let text = BASE.replacen(what, &format!("{with}\n{unknown}"), 1);
    assert_ne!(text, BASE);
    text
}

#[test]
fn a_step_that_fails_ends_the_run_and_takes_back_what_was_done() {
    let tag = format!("{SECOND}\"\n[[target.tpg]]\ntag = 1");
    for (text, path) in [
        (failing("size = \"4M\"", "size = \"4M\""), "core/rd_mcp_0/disk1/attrib".to_owned()),
        (failing(&tag, &tag), format!("iscsi/{SECOND}/tpgt_1/attrib")),
    ] {
        let run = Lunlab::run().args(["--format", "json"]).spec(&text).start().leaves_nothing();
        let verdict = run.verdict("provision", 9);
        let path =
            format!("write 1 to /sys/kernel/config/target/{path}/no_such_attribute: ENOENT (step ");
        assert!(verdict.reason.starts_with(&path), "{verdict:#?}");
        let (step, steps) = step_of(&verdict.reason);
        assert!(1 < step && step < steps, "{verdict:#?}");
        assert!(
            verdict.lines.contains("hint: this kernel has no attribute of that name"),
            "{verdict:#?}"
        );
        assert!(
            !verdict.reason.contains("not everything") && verdict.also.is_empty(),
            "{verdict:#?}"
        );
        let printed: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(printed["verdict"], run.result()["verdict"]);
        assert_eq!(printed["target"]["tree"], json!({}), "nothing is left to be read");
    }
    let run = Lunlab::run().spec(&failing("size = \"4M\"", "size = \"4M\"")).finish();
    run.verdict("provision", 9);
    run.shows("PROVISION (exit 9)").shows("no_such_attribute: ENOENT (step ").shows("hint   ");
    assert!(!run.stdout.contains("not everything"), "{}", run.story());
    // It is the attribute alone.
    let run = Lunlab::run().spec(BASE).finish();
    run.verdict("pass", 0);
    assert!(!run.stdout.contains("ENOENT") && !run.stdout.contains("differs"), "{}", run.story());
}

/// `… (step n of m)`.
fn step_of(reason: &str) -> (u32, u32) {
    let (_, rest) = reason.rsplit_once("(step ").unwrap();
    let (step, steps) = rest.trim_end_matches(')').split_once(" of ").unwrap();
    (step.parse().unwrap(), steps.parse().unwrap())
}

/// A session that writes until it cannot any more, in a thread of its own; it tells of each write.
fn writer(url: &str) -> (mpsc::Receiver<()>, std::thread::JoinHandle<()>) {
    let mut session = Session::log_in(url);
    let (told, tells) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for address in (0..).map(|n| n % 1024 * 8) {
            assert_eq!(session.write(address, &[0x5c; 4096], 512), 0);
            // Nobody listens any more once the target was asked to end.
            let _unheard = told.send(());
        }
    });
    (tells, thread)
}

/// A storage object as a disk of the guest's own.
fn loopback(storage_object: &str) -> String {
    let lun = format!("luns = [{{ lun = 0, storage_object = \"{storage_object}\" }}]");
    let target = "[[target]]\nfabric = \"loopback\"\nwwn = \"naa.5001405000000001\"";
    format!("{target}\n[[target.tpg]]\n{lun}\n")
}

#[test]
fn a_target_in_use_is_torn_down_in_time_and_whole() {
    let held = Lunlab::up().spec(&format!("{BASE}{}", loopback("disk0"))).hold();
    let urls = held.urls(2);
    let idle = Session::log_in(&urls[0]);
    let writers = [writer(&urls[0]), writer(&urls[0]), writer(&urls[1])];
    for (tells, _) in &writers {
        (0..20).for_each(|_| tells.recv_timeout(TEARDOWN).unwrap());
    }
    let leftovers = held.running().leftovers();
    let asked = Instant::now();
    held.running().signal(Signal::INT);
    let finished = held.finish();
    let took = asked.elapsed();
    leftovers.assert_gone(Instant::now() + GRACE);
    assert!(took < TEARDOWN, "{took:?}");
    whole(&finished, "pass", 0);
    finished.says("the target is taken down");
    for (_, thread) in writers {
        assert!(thread.join().is_err(), "a writer's target is gone, so it must have failed");
    }
    drop(idle);
}

#[test]
fn a_loopback_disk_in_use_does_not_keep_a_target_from_going() {
    let loopback = loopback("big");
    let object = "[[storage_object]]\nname = \"big\"\nbackstore = \"fileio\"\nsize = \"2G\"\n";
    let pattern = "[[benchmark]]\nworkload = \"pattern\"\nstorage_object = \"big\"\nvia = \"loopback\"\nseed = 7\n";
    let text = format!("[machine]\nmemory = \"1G\"\n{object}{BASE}{loopback}{pattern}");
    let run = Lunlab::run().spec(&text).start();
    run.wait_for("measuring pattern");
    let asked = Instant::now();
    let finished = {
        run.signal(Signal::INT);
        run.leaves_nothing()
    };
    assert!(asked.elapsed() < TEARDOWN);
    whole(&finished, "interrupted", 130);
}

/// Taken down, with nothing that stayed.
#[track_caller]
fn whole(finished: &Finished, kind: &str, code: i32) {
    let verdict = finished.verdict(kind, code);
    assert!(verdict.also.is_empty(), "{}", finished.story());
    assert!(!finished.stdout.contains("take the target down:"), "{}", finished.story());
}

#[test]
fn counters_tell_what_was_read_and_what_the_kernel_made_of_a_spec_is_shown() {
    let product = "size = \"4M\"\nproduct = \"asked\"\nattributes = { emulate_model_alias = true }";
    let randread = "[[benchmark]]\nworkload = \"iscsi-randread\"\nseconds = 1\n";
    let known = "[\"sh\", \"-c\", \"qemu-io -f raw -c 'write 0 3M' -c 'read 0 4M' $LUNLAB_URL_0\"]";
    let benchmarks = format!(
        "{randread}[[benchmark]]\nworkload = \"hash\"\n\
         [[benchmark]]\nworkload = \"host-command\"\ncommand = {known}\n\
         {randread}target = \"{SECOND}\"\ninitiator = \"{ALICE}\"\n"
    );
    let text = BASE.replacen("size = \"4M\"", product, 1) + &benchmarks;
    let chap = "[[target.tpg.acl]]\ninitiator = \"iqn.2026-01.org.lunlab.test:alice\"\nchap = { userid = \"alice\", password_file = \"alice.secret\" }\n";
    let text = text.replacen("[[benchmark]]", &format!("{chap}[[benchmark]]"), 1);
    let run = Lunlab::run().secret("alice.secret", "alice-secret-1\n").spec(&text).finish();
    run.verdict("pass", 0);
    let result = run.result();
    let counter = |benchmark: usize, object: &str, name: &str| {
        let path = format!("target/core/{object}/statistics/scsi_lu/{name}");
        result["benchmarks"][benchmark]["statistics"][path].as_u64().unwrap()
    };
    assert!(counter(0, "fileio_0/disk0", "num_cmds") > 10, "{result:#}");
    assert!(counter(0, "fileio_0/disk0", "read_mbytes") > 0, "{result:#}");
    for (benchmark, object) in [(0, "rd_mcp_0/disk1"), (1, "fileio_0/disk0"), (1, "rd_mcp_0/disk1")]
    {
        assert_eq!(counter(benchmark, object, "num_cmds"), 0, "{benchmark} {object}");
    }
    // What was read and written by the command, in whole MiB of a running total.
    assert!((4..=5).contains(&counter(2, "fileio_0/disk0", "read_mbytes")), "{result:#}");
    assert!((3..=4).contains(&counter(2, "fileio_0/disk0", "write_mbytes")), "{result:#}");
    let logins = format!("target/iscsi/{FIRST}/fabric_statistics/iscsi_login_stats/accepts");
    assert!(result["benchmarks"][2]["statistics"][logins].as_u64().unwrap() > 0, "{result:#}");
    // Alice has an ACL, in which her session is counted for as long as it is there.
    let acl = format!("target/iscsi/{SECOND}/tpgt_1/acls/{ALICE}");
    let session = |name: &str| {
        let path = format!("{acl}/fabric_statistics/iscsi_sess_stats/{name}");
        result["benchmarks"][3]["statistics"][path].as_u64().unwrap()
    };
    assert!(session("cmd_pdus") > 10 && session("txdata_octs") > 10 * 4096, "{result:#}");
    assert_eq!(session("conn_digest_errors"), 0);
    let all = result["benchmarks"][3]["statistics"].as_object().unwrap();
    let ran = |thread: &str| {
        let of_thread = |path: &str| path.starts_with(thread) && path.ends_with("/cpu_ms");
        let times = all.iter().filter(|(path, _)| of_thread(path));
        times.map(|(_, ms)| ms.as_u64().unwrap()).sum::<u64>()
    };
    // Every request of hers was taken and answered by a thread, for which the processor is emulated.
    assert!(ran("threads/iscsi_trx-") + ran("threads/iscsi_ttx-") > 0, "{all:#?}");
    let burst = &result["benchmarks"][3]["negotiated"][format!("{acl}/param/MaxBurstLength")];
    assert!(burst.as_str().unwrap().parse::<u32>().unwrap() >= 512, "{result:#}");
    let target = &result["target"];
    // LIO's model is the alias, whatever product was written.
    let product = "target/core/rd_mcp_0/disk1/wwn/product_id";
    assert_eq!(
        target["differences"],
        json!([{ "path": product, "asked": "asked", "found": "disk1" }])
    );
    run.shows(&format!("{product}: asked for asked, the kernel has disk1"));
    assert_eq!(target["read_back"][product], "disk1");
    assert_eq!(target["read_back"][format!("target/iscsi/{FIRST}/tpgt_1/enable")], "1");
    let auth = format!("target/iscsi/{SECOND}/tpgt_1/acls/{ALICE}/auth");
    assert_eq!(target["tree"][format!("{auth}/userid")], "alice");
    assert_eq!(target["tree"][format!("{auth}/password")], "…", "{:#}", target["tree"]);
    assert_eq!(target["read_back"][format!("{auth}/password")], "…");
    assert!(!run.result_file("result.json").contains("alice-secret"));
}

#[test]
fn a_target_is_exported_for_its_user_only_and_comes_back_as_a_spec() {
    let chap = "chap = { userid = \"anyone\", password_file = \"anyone.secret\" }\nluns";
    let text = BASE.replacen("luns", chap, 1);
    let up = |words: &[&str]| {
        let lunlab = Lunlab::up().secret("anyone.secret", "anyone-secret-3\n");
        lunlab.spec(&text).args(["--export", "saved.json"]).args(words)
    };
    let held = up(&[]).hold();
    let directory = held.running().directory().clone();
    let saved = directory.path().join("saved.json");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    held.running().wait_for("exported to saved.json");
    assert_eq!(mode(&saved), 0o600);
    let exported = fs::read_to_string(&saved).unwrap();
    assert!(exported.contains(FIRST) && !exported.contains("anyone-secret-3"), "{exported}");
    held.stop().verdict("pass", 0);

    // Nothing boots for it, and the file stays as it is.
    let again = up(&[]).boots_nothing().beside(&directory).finish();
    again.exits(2).says("saved.json: there is a file already").says("--force");
    assert!(!again.stderr.contains("starting QEMU") && again.results().len() == 1);
    assert_eq!(fs::read_to_string(&saved).unwrap(), exported);
    fs::write(&saved, "something else").unwrap();
    let held = up(&["--force", "--export-secrets"]).beside(&directory).hold();
    held.running().wait_for("exported to saved.json");
    let with_secrets = fs::read_to_string(&saved).unwrap();
    assert!(with_secrets.contains("anyone-secret-3"), "{with_secrets}");
    assert_eq!(mode(&saved), 0o600);
    held.stop().exits(0);

    let words = ["import", "saved.json", "-o", "back.toml", "--secrets", "secrets"];
    let import = Lunlab::command(words).boots_nothing().beside(&directory).finish();
    import.exits(0);
    let check =
        |file: &str| Lunlab::command(["check", file]).boots_nothing().beside(&directory).finish();
    check("back.toml").exits(0);
    assert!(fs::read_to_string(directory.path().join("back.toml")).unwrap().contains(SECOND));
    fs::write(directory.path().join("broken.toml"), "[[target]]\nwwn = \"no\"\n").unwrap();
    check("broken.toml").exits(2);
}

#[test]
fn two_targets_with_chap_and_ipv6_pass_over_virtio_serial() {
    let [port] = ports::free();
    let acl = format!(
        "[[target.tpg.acl]]\ninitiator = \"{ALICE}\"\nchap = {{ userid = \"alice\", password_file = \"alice.secret\" }}\n"
    );
    let portals = format!(
        "portals = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]\nluns = [{{ lun = 0, storage_object = \"disk1\" }}]"
    );
    let benchmark = format!(
        "[[benchmark]]\nworkload = \"iscsi-randread\"\nseconds = 1\ntarget = \"{SECOND}\"\nportal = \"[::1]:{port}\"\ninitiator = \"{ALICE}\"\n"
    );
    let text = BASE.replacen("luns = [{ lun = 0, storage_object = \"disk1\" }]", &portals, 1)
        + &acl
        + &benchmark;
    let lunlab = Lunlab::run().secret("alice.secret", "alice-secret-1\n").spec(&text);
    let run = lunlab.args(["--transport", "virtio-serial"]).finish();
    run.verdict("pass", 0);
    assert!(run.stdout.contains("over virtio-serial"), "{}", run.story());
    let iops = &run.result()["benchmarks"][0];
    assert_eq!(iops["outcome"].as_str().or(iops["status"].as_str()).unwrap_or("done"), "done");
    // The credentials were asked for: with wrong ones the same run fails.
    let chap = "chap = { userid = \"alice\", password_file = \"wrong.secret\" }\n";
    let lunlab = Lunlab::run()
        .secret("alice.secret", "alice-secret-1\n")
        .secret("wrong.secret", "wrong-secret-1\n");
    let run = lunlab.spec(&(text + chap)).args(["--transport", "virtio-serial"]).finish();
    run.verdict("fail", 1);
}
