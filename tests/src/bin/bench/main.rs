//! `make bench`: measures lunlab itself on the default kernel.
//!
//! Everything that boots is interleaved, so that a host that becomes slower does so for all of it:
//! each round boots the floor (the same machine whose `/init` powers off at once), then runs
//! `lunlab run` without benchmarks, then the recipe with dracut where that is installed, and then
//! targets set up by rtslib and by lunlab.
//!
//! A figure that misses its goal is shown with by how much; only what fails to run fails this
//! program.

mod dracut;
mod figures;
mod floor;
mod image;
mod machine;
mod rtslib;
mod whole_run;

use figures::{Figure, Goal, Report, Samples};
use lunlab::cache::Cache;
use lunlab::run::plan::{Options, Plan};
use lunlab::spec::{Base, DEFAULT_SPEC, Spec};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a measurement may fail with: shown, and the end of the program.
type Failure = Box<dyn std::error::Error>;

const HELP: &str = "\
usage: bench [--runs N] [--quick] [--json FILE]

  --runs N      interleaved rounds (10)
  --quick       three rounds: to see that it works, not to compare with
  --json FILE   every sample, for other programs

LUNLAB names the lunlab to measure, LUNLAB_AGENT the agent inside it.
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    // The floor's machine is guarded as a run's is: by this program, started once more.
    if words.next_if(|word| word == lunlab::guardian::SUBCOMMAND).is_some() {
        if lunlab::guardian::leads_its_group()
            && let Some(directory) = words.next()
        {
            lunlab::guardian::watch(Path::new(&directory));
        }
        return ExitCode::from(2);
    }
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(problem) => {
            say(&format!("bench: {problem}\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells how it goes, on stderr: stdout is the table's.
fn say(text: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "{text}");
}

struct Arguments {
    rounds: usize,
    json: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { rounds: 10, json: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--runs" => {
                    let text = value()?;
                    let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
                    arguments.rounds = rounds.ok_or_else(|| format!("--runs {text}: no count"))?;
                }
                "--quick" => arguments.rounds = 3,
                "--json" => arguments.json = Some(value()?.into()),
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        Ok(arguments)
    }
}

/// What all measurements are made with.
struct Subject {
    /// The `lunlab` that is measured.
    lunlab: PathBuf,
    /// The default spec without its benchmarks.
    spec: &'static str,
    /// Its plan, made by the library that the command consists of.
    plan: Plan,
    cache: Cache,
    agent: Vec<u8>,
}

impl Subject {
    fn find() -> Result<Self, Failure> {
        let lunlab: PathBuf = std::env::var_os("LUNLAB").ok_or("LUNLAB names no lunlab")?.into();
        let agent = std::env::var_os("LUNLAB_AGENT").map(PathBuf::from);
        let cache = Cache::open()?;
        let spec = spec_without_benchmarks();
        let options = Options { agent: agent.clone(), ..Options::default() };
        let parsed = parse(spec)?;
        let plan = Plan::make(parsed, &options, &cache, &mut |text| say(text))?;
        let agent = match agent {
            Some(path) => std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?,
            None => lunlab::embedded::agent()?.to_vec(),
        };
        Ok(Self { lunlab, spec, plan, cache, agent })
    }
}

/// Its benchmarks stand last in the default spec.
fn spec_without_benchmarks() -> &'static str {
    DEFAULT_SPEC.split_once("[[benchmark]]").map_or(DEFAULT_SPEC, |(before, _)| before)
}

fn parse(text: &str) -> Result<Spec, Failure> {
    let base = Base { directory: Path::new("."), home: None, environment: |_| None };
    let spec = Spec::parse(text, base).map_err(|faults| faults.render("the default spec"))?;
    if spec.benchmarks.is_empty() { Ok(spec) } else { Err("a benchmark is left".into()) }
}

fn measure(arguments: &Arguments) -> Result<(), Failure> {
    let subject = Subject::find()?;
    let mut report = Report::new(machine::describe(&subject));
    say("building images");
    image::measure(&subject, arguments.rounds, &mut report)?;
    let mut recipe = dracut::prepare(&subject, &mut report)?;
    let mut beside = rtslib::Beside::prepare()?;
    let mut boots = Boots::default();
    for round in 1..=arguments.rounds {
        say(&format!("round {round} of {}", arguments.rounds));
        boots.floors.push(floor::measure(&subject)?);
        boots.runs.push(whole_run::measure(&subject)?);
        match recipe.as_ref().map(|recipe| dracut::boot(&subject, recipe)) {
            Some(Ok(milliseconds)) => boots.recipes.push(milliseconds),
            // Its failure is no reason to lose what was measured of lunlab.
            Some(Err(problem)) => {
                report.remark(format!("dracut's recipe was not booted further: {problem}"));
                recipe = None;
            }
            None => {}
        }
        beside.measure(&subject)?;
    }
    boots.check(&subject)?;
    boots.report(&mut report);
    beside.report(&mut report);
    let _nobody_reads = std::io::stdout().write_all(report.to_string().as_bytes());
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", report.to_json()))
            .map_err(|error| format!("write {}: {error}", path.display()))?;
    }
    Ok(())
}

/// What booted, round by round.
#[derive(Default)]
struct Boots {
    floors: Vec<floor::Floor>,
    runs: Vec<whole_run::Run>,
    recipes: Vec<f64>,
}

impl Boots {
    /// The floor is one only if it has the run's command line.
    fn check(&self, subject: &Subject) -> Result<(), Failure> {
        for (floor, run) in self.floors.iter().zip(&self.runs) {
            let (floor, run) = (machine::comparable(&floor.argv), machine::comparable(&run.argv));
            if floor != run {
                return Err(format!(
                    "the floor's command line is not the run's\nfloor: {}\nrun: {}",
                    floor.join(" "),
                    run.join(" ")
                )
                .into());
            }
        }
        if self.runs.iter().any(|run| run.transport != subject.plan.transport.transport.name()) {
            return Err("a run took another transport than the floor".into());
        }
        Ok(())
    }

    fn report(&self, report: &mut Report) {
        let floor: Samples = self.floors.iter().map(|floor| floor.milliseconds).collect();
        let login: Samples = self.runs.iter().map(|run| run.spawn_to("login")).collect();
        let whole: Samples = self.runs.iter().map(|run| run.milliseconds).collect();
        let ratio_of_medians = login.median() / floor.median();
        let excess_of_medians = whole.median() - floor.median();
        report.add(Figure::new("floor: QEMU spawn to exit", "ms", floor.clone()));
        report.add(Figure::new("QEMU spawn to login", "ms", login.clone()));
        report.add(
            Figure::single("spawn to login / floor, of medians", "", ratio_of_medians)
                .with_goal(Goal::AtMost(1.35)),
        );
        let ratios = login.paired_with(&floor, |login, floor| login / floor);
        report.add(Figure::new("spawn to login / floor, of pairs", "", ratios));
        report.add(Figure::new("whole lunlab run", "ms", whole.clone()));
        report.add(
            Figure::single("whole run - floor, of medians", "ms", excess_of_medians)
                .with_goal(Goal::AtMost(700.0)),
        );
        let excesses = whole.paired_with(&floor, |whole, floor| whole - floor);
        report.add(Figure::new("whole run - floor, of pairs", "ms", excesses));
        if !self.recipes.is_empty() {
            let recipes = self.recipes.iter().copied().collect();
            report.add(Figure::new("dracut recipe: QEMU spawn to its shell", "ms", recipes));
        }
        whole_run::report_phases(&self.runs, report);
    }
}
