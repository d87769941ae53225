//! `lunlab ab`: two kernels by turns, then a comparison.

use super::compare::conclude;
use super::run::{Finished, Task};
use crate::cache::Cache;
use crate::cli::{self, Kernel, Machine};
use crate::compare::{Limits, compare};
use crate::error::Error;
use crate::output::{self, Phases};
use crate::qemu::command_line::as_typed;
use crate::result::locate::Found;
use crate::run::Interrupts;
use crate::run::plan::Plan;
use crate::verdict::Kind;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// One side: what is run, and what came of it.
struct Side {
    name: &'static str,
    task: Task,
    plan: Plan,
    spec: String,
    found: Vec<Found>,
}

/// Runs both sides by turns, then compares them.
pub(super) fn run(command: &cli::Ab, started: Instant) -> Result<u8, Error> {
    let name = crate::result::new_run_id(SystemTime::now())
        .map_err(|error| Error::environment(format!("draw a name: {error}")))?;
    let place = command.running.results.join(format!("ab-{name}"));
    let tasks = tasks(command, &place)?;
    let mut interrupts = Interrupts::take()?;
    let mut sides = match plan(tasks, started) {
        Ok(sides) => sides,
        Err(error) => {
            let signal = interrupts.behind_failure();
            return signal.map(|signal| Kind::Interrupted(signal).exit_code()).ok_or(error);
        }
    };
    if command.running.dry_run {
        let directory = std::env::temp_dir().join("lunlab-RUN");
        for side in &sides {
            let _nobody_reads = output::line(&as_typed(&side.plan.planned_argv(&directory)));
        }
        return Ok(0);
    }
    let ended = take_turns(command, &mut sides, &mut interrupts, started);
    let [a, b] = &sides;
    let judged = judge(command, a, b, ended);
    if !command.running.quiet && place.exists() {
        output::progress(&format!("the results are in {}", place.display()));
    }
    judged
}

/// Compares what there is, unless something went wrong; gives the exit code.
fn judge(command: &cli::Ab, a: &Side, b: &Side, ended: Result<u8, Error>) -> Result<u8, Error> {
    let ended = ended?;
    if a.found.is_empty() || b.found.is_empty() {
        return Ok(ended);
    }
    let limits = Limits::new(command.judging.margin, command.judging.fail_on);
    match conclude(&compare(&a.found, &b.found, limits), command.format) {
        judged if ended == 0 => judged,
        // Why it ended counts for more.
        judged => {
            judged.err().iter().for_each(output::error);
            Ok(ended)
        }
    }
}

/// What each side runs: the spec and what was typed, in a directory of this experiment.
fn tasks(command: &cli::Ab, place: &Path) -> Result<[Task; 2], Error> {
    if command.kernels.len() > 2 || command.modules.len() > 2 {
        let error = Error::usage("ab: more than two of --kernel or --modules are given");
        return Err(error.with_hint("the first is A's, the second B's"));
    }
    let stdin = |spec: &Option<_>| spec.as_deref() == Some(Path::new("-"));
    if stdin(&command.spec) || stdin(&command.spec_b) {
        let error = Error::usage("ab: standard input is read once, and both sides need a spec");
        return Err(error.with_hint("write the spec to a file"));
    }
    let task = |at: usize, directory: &str, append: &[String]| {
        let mut guest = command.guest.clone();
        guest.append.extend_from_slice(append);
        let kernel = Kernel {
            kernel: command.kernels.get(at).or(command.kernels.first()).cloned(),
            modules: command.modules.get(at).or(command.modules.first()).cloned(),
        };
        let spec = command.spec_b.clone().filter(|_| at == 1).or_else(|| command.spec.clone());
        let mut running = command.running.clone();
        running.results = place.join(directory);
        Task::silent(spec, Machine { kernel, guest }, running)
    };
    Ok([task(0, "a", &command.append_a), task(1, "b", &command.append_b)])
}

/// Decides everything for both before anything boots.
fn plan([a, b]: [Task; 2], started: Instant) -> Result<[Side; 2], Error> {
    let cache = Cache::open()?;
    let side =
        |name, task| Side::plan(name, task, &cache, started).map_err(|error| error.context(name));
    Ok([side("A", a)?, side("B", b)?])
}

/// Runs A B B A …; gives the exit code of the one that ended it, or 0.
fn take_turns(
    command: &cli::Ab,
    sides: &mut [Side; 2],
    interrupts: &mut Interrupts,
    started: Instant,
) -> Result<u8, Error> {
    let turns = turns(command.runs);
    let count = turns.len();
    for (n, which) in turns.into_iter().enumerate() {
        if let Some(signal) = interrupts.renew() {
            return Ok(Kind::Interrupted(signal).exit_code());
        }
        let [a, b] = &mut *sides;
        let side = if which == 0 { a } else { b };
        let before =
            format!("run {} of {count}, {}{}: ", n + 1, side.name, left(started, n, count));
        let finished = side.turn(interrupts, before)?;
        if !command.running.quiet {
            let line = told(&finished, n + 1, count, side.name);
            output::progress(&format!("{line}{}", left(started, n + 1, count)));
        }
        let code = finished.document.verdict.exit_code;
        if code != 0 {
            output::progress(finished.summary.trim_end());
            return Ok(code);
        }
        if let Some(error) = finished.lost {
            return Err(error);
        }
        side.found.push(Found {
            directory: finished.place,
            json: finished.document.to_json().unwrap_or_default(),
            document: finished.document,
            spec: Some(side.spec.clone()),
            incomplete: false,
        });
    }
    Ok(0)
}

impl Side {
    fn plan(
        name: &'static str,
        task: Task,
        cache: &Cache,
        started: Instant,
    ) -> Result<Self, Error> {
        let (spec, text) = task.load()?;
        if spec.benchmarks.is_empty() {
            let error = Error::usage("the spec measures nothing");
            return Err(error.with_hint("add a [[benchmark]]"));
        }
        let phases = Phases::one_of_several(started, task.verbosity(), format!("{name}: "));
        let plan = Plan::make(spec, &task.options(), cache, &mut |text| phases.say(text));
        phases.end();
        Ok(Self { name, plan: plan?, task, spec: text, found: Vec::new() })
    }

    fn turn(&mut self, interrupts: &mut Interrupts, before: String) -> Result<Finished, Error> {
        self.task.restart();
        let phases = Phases::one_of_several(Instant::now(), self.task.verbosity(), before);
        self.task.execute(&self.plan, &self.spec, interrupts, phases)
    }
}

/// Whose turn it is, 0 or 1: what drifts slowly meets both sides alike.
fn turns(pairs: u32) -> Vec<usize> {
    (0..pairs).flat_map(|pair| if pair % 2 == 0 { [0, 1] } else { [1, 0] }).collect()
}

fn told(finished: &Finished, n: usize, count: usize, side: &str) -> String {
    let verdict = &finished.document.verdict;
    let seconds = finished.document.duration_ms / 1000.0;
    format!("run {n} of {count}, {side}: {} in {seconds:.1} s", verdict.kind)
}

/// How long it will go on, once that can be guessed.
fn left(started: Instant, done: usize, count: usize) -> String {
    let (Ok(done), Ok(open)) = (u32::try_from(done), u32::try_from(count.saturating_sub(done)))
    else {
        return String::new();
    };
    if done == 0 || open == 0 {
        return String::new();
    }
    format!(", {} left", about(started.elapsed() / done * open))
}

fn about(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_from_either_end() {
        assert_eq!(turns(3), [0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn times_are_said_in_words_one_can_plan_with() {
        for (seconds, expected) in [(5, "5 s"), (119, "119 s"), (121, "3 min"), (7260, "2 h 1 min")]
        {
            assert_eq!(about(Duration::from_secs(seconds)), expected);
        }
    }
}
