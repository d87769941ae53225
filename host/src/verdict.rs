//! The verdict of a run, from what happened in it.

use crate::detect::{EventKind, KernelEvent};
use crate::errno::by_name;

/// How many lines a verdict shows.
const LINES_MAX: usize = 120;

/// A verdict, in the words and with the exit codes users rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A signal ended the run.
    Interrupted(Signal),
    /// It was not over, and nobody knows how it ended: `lunlab` was killed, or runs yet.
    Incomplete,
    /// The kernel panicked.
    Panic,
    /// The kernel reported a bug of its own.
    KernelBug,
    /// Channel or agent ended without a panic of the kernel's own.
    AgentLost,
    /// Bad arguments or spec.
    Usage,
    /// Host or kernel configuration lacks something.
    Environment,
    /// The kernel never reached the agent.
    Boot,
    /// The deadline passed with a live guest.
    Timeout,
    /// The target could not be set up.
    Provision,
    /// A check or a test did not hold.
    Fail,
    /// All done, all checks held.
    Pass,
}

/// The signals that end a run in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Kind {
    /// Its name in results and summaries.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Interrupted(_) => "interrupted",
            Self::Incomplete => "incomplete",
            Self::Panic => "panic",
            Self::KernelBug => "kernel-bug",
            Self::AgentLost => "agent-lost",
            Self::Usage => "usage",
            Self::Environment => "environment",
            Self::Boot => "boot",
            Self::Timeout => "timeout",
            Self::Provision => "provision",
            Self::Fail => "fail",
            Self::Pass => "pass",
        }
    }

    /// The exit code of `lunlab`; stable.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Boot => 4,
            Self::Panic => 5,
            Self::KernelBug => 6,
            Self::Timeout => 7,
            Self::AgentLost => 8,
            Self::Provision => 9,
            // What a shell says of a program that SIGKILL ended.
            Self::Incomplete => 137,
            Self::Interrupted(Signal::Interrupt) => 130,
            Self::Interrupted(Signal::Terminate) => 143,
        }
    }

    /// Its place among verdicts that hold together; the lowest is the one that counts.
    const fn rank(self) -> u8 {
        match self {
            Self::Interrupted(_) => 0,
            Self::Incomplete => 1,
            Self::Panic => 2,
            Self::KernelBug => 3,
            Self::AgentLost => 4,
            Self::Usage => 5,
            Self::Environment => 6,
            Self::Boot => 7,
            Self::Timeout => 8,
            Self::Provision => 9,
            Self::Fail => 10,
            Self::Pass => 11,
        }
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// What already is a verdict.
    Is(Kind),
    /// A bug that kills the task it happens in, which may be PID 1.
    Oops,
    /// The kernel gave up because PID 1 ended.
    InitKilled,
}

/// Something that happened and bears on the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What kind of thing.
    pub cause: Cause,
    /// One sentence about it.
    pub reason: String,
    /// The lines that show it: the kernel's, or a program's.
    pub lines: Vec<String>,
}

impl Fact {
    /// A fact without lines.
    #[must_use]
    pub fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { cause: Cause::Is(kind), reason: by_name(&reason.into()), lines: Vec::new() }
    }

    /// A signal that ended the run.
    #[must_use]
    pub fn interrupted(signal: Signal) -> Self {
        let name = match signal {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        };
        Self::new(Kind::Interrupted(signal), format!("{name} came"))
    }

    /// Whether it is a signal's.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self.cause, Cause::Is(Kind::Interrupted(_)))
    }

    /// The same with the lines that show it.
    #[must_use]
    pub fn with_lines(self, lines: Vec<String>) -> Self {
        Self { lines, ..self }
    }
}

impl From<&KernelEvent> for Fact {
    fn from(event: &KernelEvent) -> Self {
        let cause = match event.kind {
            EventKind::Panic => Cause::Is(Kind::Panic),
            EventKind::InitKilled => Cause::InitKilled,
            kind if kind.kills_task() => Cause::Oops,
            _ => Cause::Is(Kind::KernelBug),
        };
        Self { cause, reason: event.title.clone(), lines: event.lines.clone() }
    }
}

/// The verdict of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The one that counts.
    pub kind: Kind,
    /// What `lunlab` exits with.
    pub exit_code: u8,
    /// What else holds, in the order of precedence.
    pub also: Vec<Kind>,
    /// One sentence.
    pub reason: String,
    /// The lines that led to it.
    pub lines: Vec<String>,
}

impl Verdict {
    /// Judges a run by what happened, in the order it happened.
    ///
    /// A pass must be among the facts: nothing at all having happened is no pass.
    #[must_use]
    pub fn judge(facts: &[Fact]) -> Self {
        let kinds = kinds_of(facts);
        let Some(kind) = kinds.iter().copied().min_by_key(|kind| kind.rank()) else {
            return Self::from_fact(Kind::AgentLost, &Fact::new(Kind::AgentLost, "no result came"));
        };
        let winner = kinds.iter().position(|other| *other == kind).and_then(|at| facts.get(at));
        let mut verdict = match winner {
            Some(fact) => Self::from_fact(kind, fact),
            None => Self::from_fact(kind, &Fact::new(kind, "")),
        };
        verdict.also = others(kind, &kinds);
        if kind == Kind::Panic {
            verdict.lines = lines_up_to_panic(facts, &kinds);
        }
        verdict.lines.truncate(LINES_MAX);
        verdict
    }

    fn from_fact(kind: Kind, fact: &Fact) -> Self {
        Self {
            kind,
            exit_code: kind.exit_code(),
            also: Vec::new(),
            reason: fact.reason.clone(),
            lines: fact.lines.clone(),
        }
    }
}

/// What each fact amounts to. PID 1's end is a panic of the kernel's own only when an oops came
/// before it; otherwise the agent ended by itself.
fn kinds_of(facts: &[Fact]) -> Vec<Kind> {
    let mut oopsed = false;
    let kind_of = |fact: &Fact| match fact.cause {
        Cause::Is(kind) => kind,
        Cause::Oops => {
            oopsed = true;
            Kind::KernelBug
        }
        Cause::InitKilled if oopsed => Kind::Panic,
        Cause::InitKilled => Kind::AgentLost,
    };
    facts.iter().map(kind_of).collect()
}

/// What stands beside the verdict. Pass never does, and the loss of the agent is not news when the
/// kernel panicked: agent-lost means that it did not.
fn others(kind: Kind, kinds: &[Kind]) -> Vec<Kind> {
    let mut also: Vec<Kind> = kinds
        .iter()
        .copied()
        .filter(|other| other.rank() != kind.rank() && *other != Kind::Pass)
        .filter(|other| *other != Kind::AgentLost || !kinds.contains(&Kind::Panic))
        .collect();
    also.sort_by_key(|kind| kind.rank());
    also.dedup();
    also
}

/// A panic mostly ends what a bug began, so that bug's lines come first.
fn lines_up_to_panic(facts: &[Fact], kinds: &[Kind]) -> Vec<String> {
    let panic = kinds.iter().position(|kind| *kind == Kind::Panic).unwrap_or(0);
    let bug = kinds.iter().take(panic).position(|kind| *kind == Kind::KernelBug);
    bug.into_iter().chain([panic]).flat_map(|at| facts[at].lines.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Detector;

    /// Every kind, in the order of DESIGN's precedence; usage and environment, which end a run
    /// before it begins, stand where they explain what follows them.
    const PRECEDENCE: [Kind; 13] = [
        Kind::Interrupted(Signal::Interrupt),
        Kind::Interrupted(Signal::Terminate),
        Kind::Incomplete,
        Kind::Panic,
        Kind::KernelBug,
        Kind::AgentLost,
        Kind::Usage,
        Kind::Environment,
        Kind::Boot,
        Kind::Timeout,
        Kind::Provision,
        Kind::Fail,
        Kind::Pass,
    ];

    fn fact(kind: Kind) -> Fact {
        Fact::new(kind, format!("{} happened", kind.word())).with_lines(vec![kind.word().into()])
    }

    #[test]
    fn each_kind_has_its_stable_word_and_code() {
        let table: Vec<_> = PRECEDENCE.iter().map(|kind| (kind.word(), kind.exit_code())).collect();
        assert_eq!(
            table,
            [
                ("interrupted", 130),
                ("interrupted", 143),
                ("incomplete", 137),
                ("panic", 5),
                ("kernel-bug", 6),
                ("agent-lost", 8),
                ("usage", 2),
                ("environment", 3),
                ("boot", 4),
                ("timeout", 7),
                ("provision", 9),
                ("fail", 1),
                ("pass", 0),
            ]
        );
    }

    #[test]
    fn of_any_two_the_first_by_precedence_counts_and_the_other_stands_beside_it() {
        for (high, first) in PRECEDENCE.into_iter().enumerate() {
            for second in PRECEDENCE.into_iter().skip(high) {
                for facts in [[fact(first), fact(second)], [fact(second), fact(first)]] {
                    let verdict = Verdict::judge(&facts);
                    let both_interrupted = first.word() == second.word();
                    let expected = if both_interrupted { verdict.kind } else { first };
                    assert_eq!(verdict.kind, expected);
                    assert_eq!(verdict.exit_code, expected.exit_code());
                    let hidden = both_interrupted
                        || second == Kind::Pass
                        || (first == Kind::Panic && second == Kind::AgentLost);
                    let also = if hidden { vec![] } else { vec![second] };
                    assert_eq!(verdict.also, also, "{first:?} {second:?}");
                    assert_eq!(verdict.reason, format!("{} happened", expected.word()));
                }
            }
        }
    }

    #[test]
    fn everything_at_once_is_an_interruption_with_all_else_beside_it() {
        let mut facts: Vec<Fact> = PRECEDENCE.iter().rev().map(|kind| fact(*kind)).collect();
        facts.extend(facts.clone());
        let verdict = Verdict::judge(&facts);
        assert_eq!(verdict.kind, Kind::Interrupted(Signal::Terminate));
        let also: Vec<_> = verdict.also.iter().map(|kind| kind.word()).collect();
        assert_eq!(
            also,
            [
                "incomplete",
                "panic",
                "kernel-bug",
                "usage",
                "environment",
                "boot",
                "timeout",
                "provision",
                "fail"
            ]
        );
    }

    #[test]
    fn nothing_is_not_a_pass() {
        let verdict = Verdict::judge(&[]);
        assert_eq!((verdict.kind, verdict.exit_code), (Kind::AgentLost, 8));
        assert_eq!(Verdict::judge(&[fact(Kind::Pass)]).exit_code, 0);
    }

    fn judge_log(log: &str) -> Verdict {
        let mut detector = Detector::new();
        log.lines().for_each(|line| detector.push_console(line));
        let facts: Vec<Fact> = detector.events().iter().map(Fact::from).collect();
        Verdict::judge(&facts)
    }

    const INIT_KILLED: &str =
        "[    2.000001] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000000";
    const OOPS: &str = "[    1.900000] BUG: kernel NULL pointer dereference, address: 0000000000000008\n\
                        [    1.900001] #PF: supervisor read access in kernel mode\n\
                        [    1.900002] Oops: 0000 [#1] PREEMPT SMP PTI\n\
                        [    1.900003] ---[ end trace 0000000000000000 ]---";
    const WARNING: &str = "[    1.800000] WARNING: CPU: 0 PID: 1 at kernel/x.c:7 f+0x1/0x2\n\
                           [    1.800001] ---[ end trace 0000000000000000 ]---";

    #[test]
    fn the_end_of_init_is_the_agents_unless_an_oops_came_before() {
        let alone = judge_log(INIT_KILLED);
        assert_eq!((alone.kind, alone.exit_code), (Kind::AgentLost, 8));
        assert_eq!(alone.also, []);

        let oopsed = judge_log(&format!("{OOPS}\n{INIT_KILLED}"));
        assert_eq!(oopsed.kind, Kind::Panic);
        assert_eq!(oopsed.also, [Kind::KernelBug]);
        assert_eq!(
            oopsed.lines[0],
            "BUG: kernel NULL pointer dereference, address: 0000000000000008"
        );
        assert!(oopsed.lines.last().unwrap().starts_with("Kernel panic"));

        let warned = judge_log(&format!("{WARNING}\n{INIT_KILLED}"));
        assert_eq!((warned.kind, warned.also), (Kind::KernelBug, vec![Kind::AgentLost]));
    }

    #[test]
    fn an_oops_after_the_end_of_init_does_not_explain_it() {
        let verdict = judge_log(&format!("{INIT_KILLED}\n{OOPS}"));
        assert_eq!((verdict.kind, verdict.also), (Kind::KernelBug, vec![Kind::AgentLost]));
    }

    #[test]
    fn lines_are_bounded() {
        let many = vec!["x".to_owned(); 10_000];
        assert_eq!(Verdict::judge(&[fact(Kind::Fail).with_lines(many)]).lines.len(), LINES_MAX);
    }
}
