//! Runs that are played without a machine.

mod change;
mod work;

use super::{Action, Ask, Conductor, FINISH, Orders, POWER_OFF, Purpose, QUIET, Stage};
use crate::initiator::{Failure, FailureKind, Job, Report};
use crate::run::happening::{Ended, Happening, What};
use crate::run::record::Record;
use crate::run::replan::Replanned;
use crate::run::timeline::Timeline;
use crate::spec::Spec;
use crate::target::Provisioning;
use crate::verdict::{Fact, Kind, Signal, Verdict};
use lunlab_protocol::event::{Event, StepFailed};
use lunlab_protocol::message::encode;
use lunlab_protocol::request::Provocation;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run that is played, a second at a time.
struct Play {
    conductor: Conductor,
    spec: Spec,
    now: Instant,
}

impl Play {
    fn with(hold: bool, provoke: Option<Provocation>) -> Self {
        Self::of(Spec::builtin().unwrap(), hold, provoke)
    }

    fn of(spec: Spec, hold: bool, provoke: Option<Provocation>) -> Self {
        let now = Instant::now();
        let orders = Orders {
            spec: spec.clone(),
            purpose: if hold { Purpose::Hold } else { Purpose::Work },
            provoke,
            provisioning: Arc::new(Provisioning::shown(&spec).unwrap()),
            boot_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(600),
            until: now + Duration::from_secs(600),
        };
        let record = Record::new(Timeline::new(now), &spec);
        Self { conductor: Conductor::new(orders, record, now), spec, now }
    }

    fn new() -> Self {
        Self::with(false, None)
    }

    /// Something happens a second later; the phases said are left out, and what the guest is asked
    /// to read it has read at once.
    fn see(&mut self, what: What) -> Vec<Action> {
        self.now += Duration::from_secs(1);
        let mut seen = Vec::new();
        for action in self.conductor.take(Happening { at: self.now, what }) {
            match action {
                Action::Say(_) => {}
                Action::Ask(Ask::Read { number, .. }) => {
                    seen.extend(self.hear(&Event::ReadEnded { number, problem: "" }));
                }
                other => seen.push(other),
            }
        }
        seen
    }

    fn hear(&mut self, event: &Event<'_>) -> Vec<Action> {
        let mut buffer = [0; lunlab_protocol::frame::MAX_PAYLOAD];
        let payload = encode(event, &mut buffer).unwrap().to_vec();
        self.see(What::Message(payload))
    }

    fn wait(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.conductor.tick(self.now)
    }

    /// Up to the target being ready.
    fn ready(mut self) -> Self {
        assert_eq!(self.see(What::ControlOpened), []);
        let actions = self.hear(&Event::TargetReady { steps: 9 });
        assert_eq!(actions.first(), Some(&Action::ServePortals));
        self
    }

    fn qemu_ends(&mut self, good: bool) -> Vec<Action> {
        let ended = Ended { status: "exit status: x".into(), good, words: String::new() };
        let mut actions = self.see(What::QemuEnded(ended));
        actions.extend(self.see(What::ConsoleClosed));
        actions.extend(self.see(What::ControlLost("closed".into())));
        actions
    }

    fn verdict(self) -> Verdict {
        assert_eq!(self.conductor.stage(), Stage::Over);
        self.conductor.record.conclude(&self.spec, None).verdict
    }
}

fn failure() -> Report {
    Report::Failed(Failure::new(FailureKind::Mismatch, "read", "wrong"))
}

fn is_job(actions: &[Action]) -> bool {
    matches!(actions, [Action::Job(_)])
}

#[test]
fn a_run_goes_through_its_tasks_and_ends_well() {
    let mut play = Play::new();
    play.see(What::ControlOpened);
    let actions = play.hear(&Event::TargetReady { steps: 9 });
    let [Action::ServePortals, Action::Job(job)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert!(matches!(**job, Job::Check(_)));
    assert!(is_job(&play.see(What::Initiator(Report::Done { ms: 1.0 }))));
    let log_out = Action::Job(Box::new(Job::LogOut));
    assert_eq!(play.see(What::Initiator(Report::Done { ms: 1.0 })), [log_out]);
    let actions = play.see(What::Initiator(Report::Done { ms: 1.0 }));
    let [Action::Ask(Ask::Benchmark { number: 1, workload: "hash", parameters })] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert!(parameters.contains(&("size".to_owned(), "32".to_owned())), "{parameters:?}");
    let ended = Event::BenchmarkEnded { benchmark: 1, problem: "" };
    assert_eq!(play.hear(&ended), [Action::Ask(Ask::Finish)]);
    assert_eq!(play.hear(&Event::Finished), [Action::Ask(Ask::Acknowledge)]);
    assert_eq!(play.qemu_ends(true), [Action::Release, Action::Stop]);
    assert_eq!(play.verdict().kind, Kind::Pass);
}

#[test]
fn a_failed_check_does_not_stop_the_rest_and_fails_the_run() {
    let mut play = Play::new().ready();
    assert!(is_job(&play.see(What::Initiator(failure()))));
    play.see(What::Initiator(Report::Done { ms: 1.0 }));
    play.see(What::Initiator(Report::Done { ms: 1.0 }));
    play.hear(&Event::BenchmarkEnded { benchmark: 1, problem: "" });
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::Fail);
}

#[test]
fn an_initiator_that_dies_fails_its_task_and_those_after_it() {
    let mut play = Play::new().ready();
    let actions = play.see(What::InitiatorEnded("signal 9".into()));
    assert!(matches!(actions.as_slice(), [Action::Ask(Ask::Benchmark { .. })]), "{actions:?}");
    play.hear(&Event::BenchmarkEnded { benchmark: 1, problem: "" });
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::Fail);
}

#[test]
fn a_session_that_does_not_end_well_fails_its_benchmark_and_the_next_one_begins() {
    for ending in [What::Initiator(failure()), What::InitiatorEnded("signal 9".into())] {
        let mut play = Play::new().ready();
        play.see(What::Initiator(Report::Done { ms: 1.0 }));
        assert!(is_job(&play.see(What::Initiator(Report::Done { ms: 1.0 }))));
        let actions = play.see(ending);
        assert!(matches!(actions.as_slice(), [Action::Ask(Ask::Benchmark { .. })]), "{actions:?}");
        play.hear(&Event::BenchmarkEnded { benchmark: 1, problem: "" });
        play.hear(&Event::Finished);
        play.qemu_ends(true);
        assert_eq!(play.verdict().kind, Kind::Fail);
    }
}

#[test]
fn a_message_that_is_none_ends_the_run_at_once_and_only_once() {
    let mut play = Play::new().ready();
    assert_eq!(play.see(What::Message(vec![0xff; 9])), [Action::Quit]);
    assert_eq!(play.see(What::Message(vec![0xff; 9])), []);
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::AgentLost);
    assert!(verdict.reason.contains("no message of this version"), "{}", verdict.reason);
}

#[test]
fn a_timeout_in_mid_frame_says_so_unless_the_frame_came_after_all() {
    let timed_out = |whole: bool| {
        let mut play = Play::new().ready();
        play.see(What::Unfinished(Some((3, 9))));
        if whole {
            play.hear(&Event::Heartbeat { uptime_us: 1 });
        }
        assert_eq!(play.wait(Duration::from_secs(600)), [Action::Quit]);
        play.qemu_ends(true);
        play.verdict()
    };
    assert_eq!(timed_out(false).kind, Kind::Timeout);
    assert!(timed_out(false).reason.contains("in mid-frame (3 of 9 bytes)"));
    assert!(timed_out(true).reason.contains("last heard of"));
}

#[test]
fn silence_until_the_boot_deadline_is_boot() {
    let mut play = Play::new();
    assert_eq!(play.wait(Duration::from_secs(59)), []);
    assert_eq!(play.wait(Duration::from_secs(1)), [Action::Quit]);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::Boot);
}

#[test]
fn qemu_ending_before_the_agent_is_heard_of_is_boot() {
    let mut play = Play::new();
    assert!(play.qemu_ends(false).contains(&Action::Stop));
    assert_eq!(play.verdict().kind, Kind::Boot);
}

#[test]
fn qemu_ending_later_is_agent_lost() {
    let mut play = Play::new().ready();
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::AgentLost);
}

#[test]
fn a_channel_that_breaks_while_the_guest_goes_on_is_agent_lost() {
    let mut play = Play::new().ready();
    assert_eq!(play.see(What::ControlLost("reset".into())), []);
    assert_eq!(play.wait(Duration::from_secs(2)), [Action::Stop]);
    assert_eq!(play.verdict().kind, Kind::AgentLost);
}

#[test]
fn what_broke_the_channel_is_told_though_it_is_noticed_last() {
    let mut play = Play::new().ready();
    // The initiator is the first to notice, then whoever reads control.
    play.see(What::Initiator(failure()));
    play.see(What::ControlLost("closed".into()));
    assert_eq!(play.see(What::HelperEnded("signal: 9 (SIGKILL)".into())), [Action::Quit]);
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!((verdict.kind, verdict.also.as_slice()), (Kind::AgentLost, [Kind::Fail].as_slice()));
    assert!(verdict.reason.contains("SIGKILL"), "{verdict:?}");
}

#[test]
fn a_guest_that_ended_after_its_channel_says_how_and_what_it_ended_does_not() {
    let mut play = Play::new().ready();
    play.see(What::ControlLost("closed".into()));
    play.qemu_ends(false);
    assert_eq!(play.see(What::HelperEnded("signal: 9 (SIGKILL)".into())), []);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::AgentLost);
    assert!(verdict.reason.contains("QEMU ended early: exit status: x"), "{verdict:?}");
}

#[test]
fn a_panic_explains_the_loss_of_the_agent() {
    let mut play = Play::new().ready();
    let panic = "[    1.0] Kernel panic - not syncing: sysrq triggered crash";
    play.see(What::Console(panic.into()));
    play.see(What::ControlLost("closed".into()));
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!((verdict.kind, verdict.also.as_slice()), (Kind::Panic, [].as_slice()));
}

#[test]
fn an_oops_ends_the_run_once_its_report_is_complete() {
    let mut play = Play::new().ready();
    let text = "BUG: kernel NULL pointer dereference, address: 0000000000000018";
    let oops = Event::Kmsg { sequence: 1, timestamp_us: 1, priority: 1, text };
    assert_eq!(play.hear(&oops), []);
    let more = Event::Kmsg { sequence: 2, timestamp_us: 2, priority: 1, text: "RIP: 0010:x" };
    assert_eq!(play.hear(&more), []);
    assert_eq!(play.wait(QUIET), [Action::Quit]);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::KernelBug);
}

#[test]
fn the_same_words_from_user_space_are_no_oops() {
    let mut play = Play::new().ready();
    let text = "BUG: kernel NULL pointer dereference, address: 0000000000000018";
    play.hear(&Event::Kmsg { sequence: 1, timestamp_us: 1, priority: 1 << 3 | 1, text });
    assert_eq!(play.wait(QUIET), []);
}

#[test]
fn a_run_that_is_not_over_in_time_is_a_timeout_that_says_when_the_agent_was_heard() {
    let mut play = Play::new().ready();
    play.hear(&Event::Heartbeat { uptime_us: 5 });
    assert_eq!(play.wait(Duration::from_secs(600)), [Action::Quit]);
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::Timeout);
    assert!(verdict.reason.contains("the agent was last heard of 600 s ago"));
}

#[test]
fn a_guest_that_does_not_finish_or_power_off_is_a_timeout() {
    for finished in [false, true] {
        let mut play = Play::with(true, None).ready();
        assert_eq!(play.see(What::Signal(Signal::Terminate)), [Action::Ask(Ask::Finish)]);
        if finished {
            play.hear(&Event::Finished);
            assert_eq!(play.wait(POWER_OFF), [Action::Quit]);
        } else {
            assert_eq!(play.wait(FINISH), [Action::Quit]);
        }
        play.qemu_ends(true);
        assert_eq!(play.verdict().kind, Kind::Timeout);
    }
}

#[test]
fn a_held_target_has_no_deadline_and_ends_well_by_a_signal() {
    let mut play = Play::with(true, None).ready();
    assert_eq!(play.conductor.stage(), Stage::Holding);
    assert_eq!(play.wait(Duration::from_secs(3600)), []);
    assert_eq!(play.see(What::Signal(Signal::Interrupt)), [Action::Ask(Ask::Finish)]);
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::Pass);
}

#[test]
fn a_second_signal_ends_a_held_target_at_once() {
    let mut play = Play::with(true, None).ready();
    play.see(What::Signal(Signal::Interrupt));
    assert_eq!(play.see(What::Signal(Signal::Interrupt)), [Action::Quit]);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::Interrupted(Signal::Interrupt));
}

#[test]
fn a_signal_ends_a_run_in_any_stage_and_comes_before_all_else() {
    let mut play = Play::new();
    assert_eq!(play.see(What::Signal(Signal::Terminate)), [Action::Quit]);
    assert_eq!(play.see(What::Signal(Signal::Interrupt)), []);
    play.see(What::Console("[    1.0] Kernel panic - not syncing: x".into()));
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::Interrupted(Signal::Terminate));
    assert_eq!(verdict.also, [Kind::Panic]);
}

#[test]
fn a_step_the_kernel_refuses_is_told_with_its_kernel_lines() {
    let mut play = Play::new();
    play.see(What::ControlOpened);
    let step = StepFailed {
        step: 3,
        steps: 9,
        operation: "mkdir",
        path: "/c/np/127.0.0.1:3260",
        value: "",
        errno: 22,
        cause: "EADDRINUSE",
        hint: "",
    };
    play.hear(&Event::StepFailed(step));
    play.hear(&Event::StepKernelLine { text: "kernel_bind() failed: -98" });
    let asked = play.hear(&Event::ProvisionFailed { undone: true });
    assert_eq!(asked, [Action::Ask(Ask::Finish)]);
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    let verdict = play.verdict();
    assert_eq!(verdict.kind, Kind::Provision);
    assert_eq!(
        verdict.reason,
        "mkdir /c/np/127.0.0.1:3260: EINVAL, caused by EADDRINUSE (step 3 of 9); \
         kernel: kernel_bind() failed: -98"
    );
}

#[test]
fn another_build_is_environment_and_a_stranger_is_agent_lost() {
    for (version, kind) in [(true, Kind::Environment), (false, Kind::AgentLost)] {
        let mut play = Play::new();
        let refused = What::Refused { why: "handshake: x".into(), version };
        assert_eq!(play.see(refused), [Action::Quit]);
        play.qemu_ends(true);
        assert_eq!(play.verdict().kind, kind);
    }
}

#[test]
fn a_stream_that_is_closed_without_a_hello_changes_nothing() {
    let mut play = Play::new();
    assert_eq!(play.see(What::HungUp("closed".into())), []);
    assert_eq!(play.conductor.stage(), Stage::Booting);
}

#[test]
fn a_stranger_after_control_is_open_changes_nothing() {
    let mut play = Play::new().ready();
    assert_eq!(play.see(What::Refused { why: "handshake: x".into(), version: false }), []);
    assert_eq!(play.conductor.stage(), Stage::Working);
}

#[test]
fn a_new_taint_is_a_kernel_bug() {
    let mut play = Play::with(true, None).ready();
    play.hear(&Event::Taint { bits: 0 });
    play.see(What::Signal(Signal::Terminate));
    play.hear(&Event::Taint { bits: 1 << 9 });
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::KernelBug);
}

#[test]
fn messages_that_are_none_are_agent_lost() {
    let mut play = Play::new().ready();
    assert_eq!(play.see(What::Message(vec![0xff; 40])), [Action::Quit]);
    play.qemu_ends(true);
    assert_eq!(play.verdict().kind, Kind::AgentLost);
}

/// The built-in spec with another login timeout, and its plan.
fn changed(play: &Play, seconds: u32) -> (Spec, Replanned) {
    let mut spec = play.spec.clone();
    let attributes = &mut spec.targets[0].tpgs[0].attributes;
    attributes.push(("login_timeout".to_owned(), seconds.to_string()));
    let replanned = change::replanned(&spec);
    (spec, replanned)
}

fn is_replan(actions: &[Action], wanted: &Spec) -> bool {
    matches!(actions, [.., Action::Replan(spec)] if **spec == *wanted)
}

#[test]
fn of_specs_that_come_while_a_change_is_made_the_last_is_taken_after_it() {
    for failed in [false, true] {
        let mut play = Play::with(true, None).ready();
        let [first, second, third] = [5, 6, 7].map(|seconds| changed(&play, seconds));
        let see =
            |play: &mut Play, spec: &Spec| play.see(What::SpecChanged(Box::new(Ok(spec.clone()))));
        assert!(is_replan(&see(&mut play, &first.0), &first.0));
        let actions = play.conductor.replanned(first.0, first.1, play.now);
        assert!(matches!(actions.as_slice(), [Action::Change(_)]), "{actions:?}");
        assert_eq!(see(&mut play, &second.0), []);
        assert_eq!(see(&mut play, &third.0), []);
        let actions = if failed {
            play.hear(&Event::ChangeFailed { undone: true })
        } else {
            play.hear(&Event::Changed { undone: 0, steps: 1 })
        };
        assert!(is_replan(&actions, &third.0), "{actions:?}");
        assert!(matches!(
            play.conductor.replanned(third.0, third.1, play.now).as_slice(),
            [Action::Change(_)]
        ));
        let last = play.hear(&Event::Changed { undone: 0, steps: 1 });
        assert_eq!(last, [Action::Announce]);
    }
}

#[test]
fn a_spec_that_changes_while_the_guest_boots_is_taken_once_the_target_is_held() {
    let mut play = Play::with(true, None);
    let (spec, _) = changed(&play, 5);
    assert_eq!(play.see(What::SpecChanged(Box::new(Ok(spec.clone())))), []);
    play.see(What::ControlOpened);
    let actions = play.hear(&Event::TargetReady { steps: 9 });
    assert!(is_replan(&actions, &spec), "{actions:?}");
    play.see(What::Signal(Signal::Terminate));
    assert_eq!(play.see(What::SpecChanged(Box::new(Ok(spec)))), []);
}

#[test]
fn a_refused_spec_is_told_line_by_line() {
    let mut play = Play::with(true, None).ready();
    let what = What::SpecChanged(Box::new(Err("s.toml:1:2: a\n  hint: b\n".into())));
    let actions = play.conductor.take(Happening { at: play.now, what });
    let said = ["the changed spec is not taken: s.toml:1:2: a", "    hint: b"];
    assert_eq!(actions, said.map(|line| Action::Say(line.into())));
}

#[test]
fn a_machine_that_is_only_booted_is_taken_down_as_soon_as_its_target_is_ready() {
    let mut play = Play::new();
    play.conductor.orders.purpose = Purpose::Boot;
    play.see(What::ControlOpened);
    assert_eq!(play.hear(&Event::TargetReady { steps: 9 }), [Action::Ask(Ask::Finish)]);
    play.hear(&Event::Finished);
    play.qemu_ends(true);
    assert!(play.conductor.record.may_go_on());
    assert_eq!(play.verdict().kind, Kind::Pass);
}

#[test]
fn nothing_more_is_booted_after_what_broke() {
    let mut play = Play::new().ready();
    assert!(!play.conductor.record.may_go_on(), "it is not done");
    play.conductor.record.all_done = true;
    play.conductor.record.fact(Fact::new(Kind::Fail, "a check"));
    assert!(play.conductor.record.may_go_on(), "a check that fails is no reason");
    play.see(What::Console("[    1.0] BUG: unable to handle page fault for address: 0".into()));
    assert!(!play.conductor.record.may_go_on());
}
