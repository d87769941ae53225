//! Each transport carries the whole run, and an agent that breaks the protocol on it is noticed, in
//! time and in words that say what it did.
//!
//! vhost-vsock needs a device of the host's that few test machines have: it is tried where it is.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use lunlab_tests::{DEADLINE, Finished, Lunlab, built, kernels};

/// The transports that any host can have.
const TRANSPORTS: [&str; 2] = ["vhost-user-vsock", "virtio-serial"];

const DEVICE: &str = "/dev/vhost-vsock";

/// A run whose agent misbehaves.
fn rogue(lunlab: Lunlab, transport: &str, misdeeds: &str) -> Lunlab {
    let agent = built("LUNLAB_ROGUE", "target/agent/x86_64-unknown-linux-musl/agent/lunlab-rogue");
    let misdeeds = format!("lunlab_rogue={misdeeds}");
    let lunlab = lunlab.args(["--transport", transport, "--append", &misdeeds, "--agent"]);
    lunlab.args([agent])
}

/// Runs a misdeed over both; the verdict and part of its reason are the same over either.
#[track_caller]
fn is_noticed(misdeed: &str, options: &[&str], kind: &str, code: i32, reason: &str) {
    for transport in TRANSPORTS {
        let run = rogue(Lunlab::run(), transport, misdeed).args(options).finish();
        let verdict = run.verdict(kind, code);
        assert!(verdict.reason.contains(reason), "{transport}: {verdict:#?}\n{}", run.story());
        run.shows(reason);
    }
}

#[test]
fn an_agent_of_another_version_is_refused_with_both_versions_and_the_way_out() {
    for transport in TRANSPORTS {
        let run = rogue(Lunlab::run(), transport, "wrong-version").finish();
        let reason = run.verdict("environment", 3).reason;
        for part in ["protocol version 900 to 901", "this end 1", "make build"] {
            assert!(reason.contains(part), "{transport}: no {part:?} in {reason}");
        }
    }
}

#[test]
fn an_agent_with_another_token_is_refused() {
    is_noticed("wrong-token", &[], "agent-lost", 8, "wrong token");
}

#[test]
fn bytes_that_are_no_hello_are_refused() {
    is_noticed("garbage", &[], "agent-lost", 8, "not a hello");
}

#[test]
fn half_a_hello_is_waited_for_a_while() {
    is_noticed("silent-hello", &[], "agent-lost", 8, "silent in mid-frame (33 of 66 bytes)");
}

#[test]
fn an_agent_that_says_nothing_is_the_boot_deadlines() {
    let options = ["--boot-timeout", "10s"];
    is_noticed("mute", &options, "boot", 4, "did not reach the agent within 10 s");
}

#[test]
fn silence_in_mid_frame_labels_the_timeout() {
    let options = ["--boot-timeout", "15s", "--timeout", "15s"];
    is_noticed("silent-frame", &options, "timeout", 7, "silent in mid-frame (30 of 102 bytes)");
}

#[test]
fn a_frame_above_the_bound_breaks_the_channel() {
    is_noticed(
        "huge-frame",
        &[],
        "agent-lost",
        8,
        "a frame of 16383 bytes where 16382 is the most",
    );
}

#[test]
fn frames_without_a_message_break_the_channel() {
    is_noticed("garbage-frames", &[], "agent-lost", 8, "bytes that are no message");
}

#[test]
fn an_early_end_of_stream_is_a_lost_agent() {
    is_noticed("end-early", &[], "agent-lost", 8, "the agent ended it");
}

#[test]
fn an_early_reset_is_a_lost_agent() {
    is_noticed("reset-early", &[], "agent-lost", 8, "reset by the peer");
}

#[test]
fn a_last_message_before_anything_was_done_is_no_pass() {
    is_noticed("finished-early", &[], "agent-lost", 8, "no result came");
}

/// Streams beside control that are not what they should be, and more kernel records than anybody
/// can want, disturb nothing: the portal still works, in either order of ending.
fn survives_bad_streams(transport: &str) {
    let misdeeds = "control-twice,stream-unasked,stream-wrong-token,stream-wrong-version,\
                    stream-garbage,stream-ended,stream-mute,flood";
    let held = rogue(Lunlab::up(), transport, misdeeds).hold();
    let memory = peak_memory(held.running().process().id);
    assert!(memory < 64 << 20, "the host grew to {memory} bytes");
    client_ends_first(held.portal());
    server_ends_first(held.portal());
    held.running().wait_for("holding");
    let run = held.stop();
    run.verdict("pass", 0);
    let notes = notes(&run);
    let expected = [
        "wrong token",
        "protocol version 900 to 901",
        "100 bytes where a hello has 64",
        "the peer ended the stream",
        "flooded with",
        "half-close c: 300000 bytes received, intact",
        "half-close s: 1048576 bytes received, intact",
    ];
    for each in expected {
        assert!(notes.contains(each), "{transport}: no {each:?} in\n{notes}");
    }
}

#[test]
fn bad_streams_and_half_closes_over_vhost_user_vsock() {
    survives_bad_streams("vhost-user-vsock");
}

#[test]
fn bad_streams_and_half_closes_over_virtio_serial() {
    survives_bad_streams("virtio-serial");
}

fn notes(run: &Finished) -> String {
    let result = run.result();
    let notes = result["notes"].as_array().expect("notes").iter();
    notes.map(|note| note.as_str().expect("a note is text")).collect::<Vec<_>>().join("\n")
}

/// The most memory a process has had, in bytes (proc_pid_status(5), VmHWM).
fn peak_memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|text| text.split_whitespace().next()).expect("VmHWM");
    kilobytes.parse::<u64>().expect("a number") * 1024
}

/// What the guest's server sends and expects; see `half_close` in the rogue agent.
fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(length).collect()
}

fn connect(portal: SocketAddr, who_ends_first: u8) -> TcpStream {
    let mut tcp = TcpStream::connect(portal).expect("connect to the portal");
    tcp.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
    tcp.write_all(&[who_ends_first]).expect("say who ends first");
    tcp
}

fn client_ends_first(portal: SocketAddr) {
    let mut tcp = connect(portal, b'c');
    tcp.write_all(&pattern(300_000)).expect("send");
    tcp.shutdown(Shutdown::Write).expect("end this direction");
    let mut received = Vec::new();
    tcp.read_to_end(&mut received).expect("receive after the end of the other direction");
    assert!(received == pattern(1 << 20), "{} bytes, or others", received.len());
}

fn server_ends_first(portal: SocketAddr) {
    let mut tcp = connect(portal, b's');
    let mut received = Vec::new();
    tcp.read_to_end(&mut received).expect("receive up to the end");
    assert!(received == pattern(1 << 20), "{} bytes, or others", received.len());
    tcp.write_all(&pattern(1 << 20)).expect("send after the end of the other direction");
    tcp.shutdown(Shutdown::Write).expect("end this direction");
    // The guest's server has counted all of it when the connection is over for both.
    assert_eq!(tcp.read(&mut [0]).expect("the end stays one"), 0);
}

fn carries_the_default_run(transport: &str) {
    let run = Lunlab::run().args(["--transport", transport]).finish();
    run.verdict("pass", 0);
    run.shows(&format!("{transport}, as asked"));
    let result = run.result();
    assert_eq!(result["transport"]["name"], transport);
    assert_eq!(result["checks"][0]["ok"], true, "{}", result["checks"]);
    let iops = result["benchmarks"][0]["metrics"]["iops"].as_f64().expect("iops");
    let sha2 = result["benchmarks"][1]["metrics"]["sha2"].as_f64().expect("sha2");
    assert!(iops > 0.0 && sha2 > 0.0, "{iops} {sha2}");
    assert_eq!(result["kmsg"]["lost"], 0);
}

#[test]
fn vhost_user_vsock_carries_the_default_run() {
    carries_the_default_run("vhost-user-vsock");
}

#[test]
fn virtio_serial_carries_the_default_run() {
    carries_the_default_run("virtio-serial");
}

#[test]
fn vhost_vsock_carries_the_default_run_or_is_refused_with_the_mend() {
    if Path::new(DEVICE).exists() {
        return carries_the_default_run("vhost-vsock");
    }
    let run = Lunlab::run().args(["--transport", "vhost-vsock"]).boots_nothing().finish();
    run.exits(3).says("/dev/vhost-vsock does not exist").says("modprobe vhost_vsock");
    assert!(run.results().is_empty(), "{:?}", run.results());
}

/// A cache with the kernels of the real one, but no helper programs.
fn without_helper(lunlab: Lunlab) -> Lunlab {
    let cache = lunlab.directory().path().join("cache/lunlab");
    fs::create_dir_all(&cache).expect("make a cache");
    symlink(kernels::cache().join("kernels"), cache.join("kernels")).expect("link the kernels");
    let home = lunlab.directory().path().join("cache");
    lunlab.env("XDG_CACHE_HOME", home).env("PATH", "/usr/bin:/bin").boots_nothing()
}

#[test]
fn auto_takes_the_first_that_is_there_and_says_why_not_the_others() {
    let run = without_helper(Lunlab::run().args(["--dry-run", "--verbose"])).finish();
    run.exits(0).says("transport: virtio-serial");
    run.says("vhost-user-vsock: the program vhost-device-vsock is not installed");
    if !Path::new(DEVICE).exists() {
        run.says("vhost-vsock: /dev/vhost-vsock does not exist");
    }
    run.shows("virtio-serial");
}

#[test]
fn a_helper_that_is_asked_for_and_not_there_is_named_with_the_mend() {
    let run = Lunlab::run().args(["--dry-run", "--transport", "vhost-user-vsock"]);
    let run = without_helper(run).finish();
    run.exits(3).says("the program vhost-device-vsock is not installed").says("make setup");
}

#[test]
fn all_that_is_decided_before_a_boot_takes_well_under_a_second() {
    let decide = || {
        let begin = Instant::now();
        Lunlab::run().args(["--dry-run"]).boots_nothing().finish().exits(0);
        begin.elapsed()
    };
    // The first may fill the cache; others may meet a busy machine.
    let best = (0..5).map(|_| decide()).min().expect("five");
    assert!(best < Duration::from_millis(500), "{best:?}");
}
