//! Specs that change under a client's I/O, and changes that fail half way: nobody else notices.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use lunlab_tests::{DEADLINE, Held, Lunlab, ports};
use serde_json::Value;

use crate::plain_initiator::Session;

const USED: &str = "iqn.2026-01.org.lunlab.test:used";
const OTHER: &str = "iqn.2026-01.org.lunlab.test:other";
const NOTHING: &str = "the spec changed, and nothing of the target with it\n";

/// Two targets at one portal.
fn base(port: u16) -> String {
    let object = |name: &str, serial: u32| {
        format!(
            "[[storage_object]]\nname = \"{name}\"\nbackstore = \"ramdisk\"\nsize = \"4M\"\nserial = \"{serial}\"\n"
        )
    };
    let target = |wwn: &str, object: &str| {
        format!(
            "[[target]]\nwwn = \"{wwn}\"\n[[target.tpg]]\ntag = 1\nportals = [\"127.0.0.1:{port}\"]\n\
             demo_mode = \"writable\"\nluns = [{{ lun = 0, storage_object = \"{object}\" }}]\n"
        )
    };
    [object("a", 0xa1), object("b", 0xb2), target(USED, "a"), target(OTHER, "b")].concat()
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    let changed = text.replacen(old, new, 1);
    assert_ne!(changed, text);
    changed
}

/// One more storage object, with a LUN beside that of `a`.
fn with_lun(text: &str, attributes: &str) -> String {
    let object = format!(
        "[[storage_object]]\nname = \"c\"\nbackstore = \"ramdisk\"\nsize = \"2M\"\nserial = \"c3\"\n{attributes}\n[[target]]"
    );
    let luns = "{ lun = 0, storage_object = \"a\" }, { lun = 5, storage_object = \"c\" }";
    replaced(&replaced(text, "[[target]]", &object), "{ lun = 0, storage_object = \"a\" }", luns)
}

/// Saves the spec; waits until all these were said.
#[track_caller]
fn save(held: &Held, text: &str, parts: &[&str]) -> String {
    let running = held.running();
    let mark = running.stderr().len();
    fs::write(running.directory().path().join("spec.toml"), text).unwrap();
    running.said_since(mark, parts)
}

/// A client that writes and reads back, round and round, until it is told to end.
struct Client {
    rounds: Arc<AtomicU64>,
    /// Dropped, it ends.
    end: mpsc::Sender<()>,
    thread: JoinHandle<u64>,
}

impl Client {
    fn start(url: &str) -> Self {
        let (mut session, rounds) = (Session::log_in(url), Arc::<AtomicU64>::default());
        let (end, ended) = mpsc::channel();
        let counted = Arc::clone(&rounds);
        let thread = std::thread::spawn(move || {
            let (mut round, mut attentions) = (0_u64, 0);
            while ended.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                let (address, pattern) =
                    (u32::try_from(round % 512).unwrap() * 8, [round.to_be_bytes()[7]; 4096]);
                // A target whose LUNs changed says so, once, instead of carrying a command out.
                let mut attention = || {
                    attentions += 1;
                    assert!(attentions < 20, "more than a unit attention now and then");
                };
                while session.write(address, &pattern, 512) != 0 {
                    attention();
                }
                let read = loop {
                    match session.try_read(address, 8, 512) {
                        (0, data) => break data,
                        _ => attention(),
                    }
                };
                assert_eq!(read, pattern);
                round += 1;
                counted.store(round, Ordering::Release);
            }
            attentions
        });
        Self { rounds, end, thread }
    }

    /// Waits until it has done `more` rounds since this was called.
    #[track_caller]
    fn goes_on(&self, more: u64) {
        let until = self.rounds.load(Ordering::Acquire) + more;
        let deadline = std::time::Instant::now() + DEADLINE;
        while self.rounds.load(Ordering::Acquire) < until {
            assert!(!self.thread.is_finished(), "the client met an error");
            assert!(std::time::Instant::now() < deadline, "the client stands still");
            std::thread::yield_now();
        }
    }

    /// How often it was told of something new.
    fn stop(self) -> u64 {
        drop(self.end);
        self.thread.join().expect("no error until the end")
    }
}

#[test]
fn a_client_goes_on_while_all_around_it_changes_and_when_a_change_fails() {
    let [port] = ports::free();
    let base = base(port);
    let held = Lunlab::up().args(["--watch-spec"]).spec(&base).hold();
    let client = Client::start(held.url());
    client.goes_on(10);
    let changed = "the target is changed";
    let slow = "demo_mode = \"writable\"\nattributes = { login_timeout = 20 }";
    let alone = base.split_inclusive("[[target]]\n").take(2).collect::<String>();
    let alone = alone.trim_end_matches("[[target]]\n");
    let unknown = "allow_unknown_attributes = true\nattributes = { no_such_attribute = 1 }";
    let refused = "what stood before stands\n";
    for (text, said) in [
        (replaced(&base, "demo_mode = \"writable\"", slow), changed),
        (with_lun(&base, ""), changed),
        (with_lun(&base, unknown), refused),
        (base.clone(), changed),
        (alone.to_owned(), changed),
        (base.clone(), changed),
    ] {
        save(&held, &text, &[said]);
        client.goes_on(5);
        if said == changed {
            let again = save(&held, &format!("{text}# again\n"), &[NOTHING]);
            assert!(!again.contains(changed), "{again}");
        }
        client.goes_on(5);
    }
    let attentions = client.stop();
    assert!(attentions <= 6, "{attentions} unit attentions for as many changes");
    let finished = held.stop();
    finished.verdict("pass", 0);
    let failed: Vec<_> = finished.result()["spec_changes"].as_array().unwrap().clone();
    let outcomes = failed.iter().filter(|change| change["outcome"] == "failed").count();
    assert_eq!(outcomes, 1, "{failed:#?}");
}

/// The tree at the end of a run in which the spec became each of these.
fn tree_after(base: &str, changes: &[String]) -> Value {
    let held = Lunlab::up().args(["--watch-spec"]).spec(base).hold();
    let mut session = Session::log_in(held.url());
    for text in changes {
        let said = save(&held, text, &["what stood before stands\n"]);
        assert!(said.contains("(step ") && !said.contains("could not all"), "{said}");
        save(&held, base, &[NOTHING]);
        // What was said of LUNs that came and went is a unit attention.
        assert!((0..3).any(|_| session.write(8, &[0x6b; 512], 512) == 0));
        assert_eq!(session.read(8, 1, 512), [0x6b; 512]);
    }
    drop(session);
    let finished = held.stop();
    finished.verdict("pass", 0);
    assert_eq!(finished.result()["target"]["differences"], serde_json::json!([]));
    finished.result()["target"]["tree"].clone()
}

#[test]
fn a_change_that_fails_anywhere_leaves_the_kernels_tree_as_it_was() {
    let [port] = ports::free();
    let base = base(port);
    let unknown = "allow_unknown_attributes = true\nattributes = { no_such_attribute = 1 }";
    // A LUN that exported something else meanwhile, a target that went, and one that was made.
    let moved = replaced(
        &with_lun(&base, unknown),
        "lun = 0, storage_object = \"b\"",
        "lun = 0, storage_object = \"c\"",
    );
    let renamed = replaced(&base, OTHER, "iqn.2026-01.org.lunlab.test:new");
    let renamed = replaced(
        &renamed,
        "new\"\n[[target.tpg]]\ntag = 1",
        &format!("new\"\n[[target.tpg]]\ntag = 1\n{unknown}"),
    );
    let untouched = tree_after(&base, &[]);
    assert!(untouched.as_object().unwrap().len() > 100, "{untouched:#}");
    let rolled_back = tree_after(&base, &[with_lun(&base, unknown), moved, renamed]);
    for (path, value) in untouched.as_object().unwrap() {
        assert_eq!(rolled_back.get(path), Some(value), "{path}");
    }
    assert_eq!(rolled_back.as_object().unwrap().len(), untouched.as_object().unwrap().len());
}
