//! Benchmarks, what is read on both sides of them, and what goes by the channel.

use super::*;
use crate::initiator::Telling;
use crate::run::conductor::HostCommand;
use crate::run::{segment, statistics};
use crate::spec::Base;
use lunlab_protocol::hello::Token;
use lunlab_protocol::request::Channel;
use std::path::Path;

const TARGET: &str = "[[storage_object]]\nname = \"a\"\nbackstore = \"ramdisk\"\nsize = \"64M\"\n\
    [[target]]\nwwn = \"iqn.2024-05.org.example:one\"\n[[target.tpg]]\nenable = false\n\
    portals = [\"127.0.0.1:3260\"]\nluns = [{ lun = 0, storage_object = \"a\" }]\n";

pub(super) fn spec(text: &str) -> Spec {
    let environment = |_: &str| Some("canary-canary-1".into());
    Spec::parse(text, Base { directory: Path::new("/"), home: None, environment }).unwrap()
}

/// A run whose one task is a program.
fn with_command() -> Play {
    let benchmark = "[[benchmark]]\nworkload = \"host-command\"\ncommand = [\"true\", \"x\"]\n\
                     timeout = \"3s\"\n";
    let text = TARGET.replace("enable = false\n", "") + benchmark;
    Play::of(spec(&text), false, None)
}

/// Until its program runs: the check is over.
fn command(play: &mut Play) -> HostCommand {
    match play.see(What::Initiator(Report::Done { ms: 1.0 })).pop() {
        Some(Action::Command(command)) => command,
        other => panic!("{other:?}"),
    }
}

fn ended(outcome: Result<(), String>) -> What {
    What::CommandEnded { benchmark: 0, outcome, output: "its words".into() }
}

#[test]
fn a_program_gets_the_urls_and_its_end_decides() {
    for (outcome, kind) in [(Ok(()), Kind::Pass), (Err("exit status: 3".into()), Kind::Fail)] {
        let mut play = with_command().ready();
        let url = "iscsi://127.0.0.1:3260/iqn.2024-05.org.example:one/0";
        let expected = HostCommand {
            benchmark: 0,
            words: vec!["true".into(), "x".into()],
            environment: vec![("LUNLAB_URL_0".into(), url.into())],
            timeout: Some(Duration::from_secs(3)),
        };
        assert_eq!(command(&mut play), expected);
        assert_eq!(play.see(ended(outcome)), [Action::Ask(Ask::Finish)]);
        // Once is enough.
        assert_eq!(play.see(ended(Err("again".into()))), []);
        play.hear(&Event::Finished);
        play.qemu_ends(true);
        let spec = play.spec.clone();
        let learnt = play.conductor.record.conclude(&spec, None);
        assert_eq!(learnt.verdict.kind, kind);
        assert_eq!(learnt.benchmarks[0].findings["output"], "its words");
    }
}

#[test]
fn a_program_that_cannot_be_started_fails_and_says_why() {
    let mut play = with_command().ready();
    command(&mut play);
    play.see(ended(Err("run true: no such file".into())));
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::Fail);
    assert!(verdict.reason.contains("run true: no such file"), "{}", verdict.reason);
}

#[test]
fn what_the_initiator_tells_of_a_workload_is_kept_as_a_guests_is_and_stays_when_it_fails() {
    let told = |telling| What::Initiator(Report::Told(telling));
    let sample = |value| Telling::Sample { series: "iops".into(), unit: "1/s".into(), value };
    let gauge = |after, value| Telling::Gauge { name: "calibration_ns".into(), after, value };
    let text = TARGET.replace("enable = false\n", "")
        + "[[benchmark]]\nworkload = \"storage\"\nstorage_object = \"a\"\nvia = \"iscsi\"\n";
    for (ending, kind) in [(Report::Done { ms: 1.0 }, Kind::Pass), (failure(), Kind::Fail)] {
        let mut play = Play::of(spec(&text), false, None).ready();
        play.see(told(sample(1.0)));
        let [Action::Job(job)] = &play.see(What::Initiator(Report::Done { ms: 1.0 }))[..] else {
            panic!("no job")
        };
        let Job::Storage(job) = &**job else { panic!("{job:?}") };
        assert_eq!((job.lun, job.stay, &*job.values["queue_depth"]), (0, true, "32"));
        for telling in [
            gauge(false, 100.0),
            sample(3.0),
            sample(5.0),
            Telling::Bucket { series: "read".into(), up_to_ns: 7, count: 2 },
            Telling::Finding { name: "opened".into(), text: "LUN 0".into() },
            gauge(true, 200.0),
        ] {
            assert_eq!(play.see(told(telling)), []);
        }
        let progress = play.see(told(Telling::Progress { permille: 250, left_ms: 2001 }));
        assert_eq!(progress, [Action::Progress("measuring storage: 25 %, 3 s left".into())]);
        let is_done = kind == Kind::Pass;
        if is_done {
            let log_out = Action::Job(Box::new(Job::LogOut));
            assert_eq!(play.see(What::Initiator(ending)), [log_out]);
            play.see(What::Initiator(Report::Done { ms: 1.0 }));
        } else {
            assert_eq!(play.see(What::Initiator(ending)), [Action::Ask(Ask::Finish)]);
        }
        play.hear(&Event::Finished);
        play.qemu_ends(true);
        let learnt = play.conductor.record.conclude(&play.spec, None);
        assert_eq!(learnt.verdict.kind, kind);
        let [benchmark] = &learnt.benchmarks[..] else { panic!() };
        assert_eq!((benchmark.done, &*benchmark.series[0].samples), (is_done, &[3.0, 5.0][..]));
        assert_eq!(benchmark.histograms[0].buckets, [(7, 2)]);
        assert_eq!(
            (&*benchmark.findings["opened"], benchmark.latency_ns["p99.99"]),
            ("LUN 0", 7.0)
        );
        assert!(benchmark.conditions.noisy[0].contains("+100 %"), "{:?}", benchmark.conditions);
    }
}

/// What happens, with nothing answered by itself.
fn raw(play: &mut Play, event: &Event<'_>) -> Vec<Action> {
    let mut buffer = [0; lunlab_protocol::frame::MAX_PAYLOAD];
    let what = What::Message(encode(event, &mut buffer).unwrap().to_vec());
    let actions = play.conductor.take(Happening { at: play.now, what });
    actions.into_iter().filter(|action| !matches!(action, Action::Say(_))).collect()
}

#[test]
fn counters_are_read_before_a_benchmark_and_after_it_and_by_no_other_number() {
    let text = TARGET.to_owned() + "[[benchmark]]\nworkload = \"hash\"\n";
    let spec = spec(&text);
    let groups = statistics::groups(&Provisioning::shown(&spec).unwrap());
    assert!(groups.len() > 2);
    let reads = |number| -> Vec<Action> {
        let groups = groups.iter().cloned();
        groups.map(|path| Action::Ask(Ask::Read { number, path })).collect()
    };
    let mut play = Play::of(spec, false, None);
    play.see(What::ControlOpened);
    let actions = raw(&mut play, &Event::TargetReady { steps: 9 });
    assert_eq!(actions[1..], reads(0));

    let read = |number| Event::ReadEnded { number, problem: "" };
    for stranger in [1, 2, 7, u32::MAX] {
        assert_eq!(raw(&mut play, &read(stranger)), []);
    }
    for _ in 1..groups.len() {
        assert_eq!(raw(&mut play, &read(0)), []);
    }
    let started = raw(&mut play, &read(0));
    assert!(matches!(started[..], [Action::Ask(Ask::Benchmark { number: 0, .. })]), "{started:?}");
    assert_eq!(raw(&mut play, &read(0)), []);

    let path = "target/core/rd_mcp_0/a/statistics/scsi_lu/num_cmds";
    raw(&mut play, &Event::Reading { number: 0, path, value: "3" });
    let done = Event::BenchmarkEnded { benchmark: 0, problem: "" };
    assert_eq!(raw(&mut play, &done), reads(1));
    raw(&mut play, &Event::Reading { number: 1, path, value: "10" });
    for _ in 1..groups.len() {
        assert_eq!(raw(&mut play, &read(1)), []);
    }
    assert_eq!(raw(&mut play, &read(1)), [Action::Ask(Ask::Finish)]);
    let learnt = play.conductor.record.conclude(&play.spec, None);
    assert_eq!(learnt.benchmarks[0].statistics.as_ref().unwrap()[path], 7);
}

#[test]
fn what_has_secrets_goes_by_the_channel_and_all_else_lies_in_the_image() {
    let secret = TARGET.to_owned() + "chap = { userid = \"u\", password_env = \"X\" }\n";
    for (text, by_channel) in [(secret.as_str(), true), (TARGET, false)] {
        let spec = spec(text);
        let provisioning = Arc::new(Provisioning::shown(&spec).unwrap());
        let modules = segment::Modules::default();
        let bytes =
            segment::write(&Token::new([9; 32]), Channel::VirtioSerial, &modules, &provisioning);
        let contains = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert_eq!(contains("iqn.2024-05.org.example:one"), !by_channel);
        assert!(!contains("canary"));
        let expected = by_channel.then_some(Action::Provision(provisioning));
        let mut play = Play::of(spec, false, None);
        assert_eq!(play.see(What::ControlOpened), Vec::from_iter(expected));
    }
}

#[test]
fn a_shares_server_may_end_twice_and_no_more() {
    let text = "[network]\nmode = \"user\"\n[[benchmark]]\nworkload = \"smb\"\n";
    let mut play = Play::of(spec(text), false, None).ready();
    for _ in 0..2 {
        assert_eq!(play.see(What::ShareTrouble("smbd: signal: 9".into())), []);
    }
    let third = play.see(What::ShareTrouble("smbd: exit status: 1".into()));
    assert_eq!(third, [Action::KeepShareLog(0), Action::Quit]);
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::Fail);
    assert!(verdict.reason.contains("exit status: 1 (3 times in all)"), "{verdict:?}");
}
