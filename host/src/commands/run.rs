//! `lunlab run` and `lunlab up`.

use crate::accelerator::Accelerator;
use crate::cache::Cache;
use crate::cli::{self, Format, Kernel as KernelArgs, Machine as MachineArgs, Running};
use crate::commands::report;
use crate::commands::spec_file::{load_spec, parse_text, refused_parameters};
use crate::error::{Category, Error};
use crate::kernel::features::{CONFIGFS, FILEIO, TARGET};
use crate::output::{self, Phases, Verbosity};
use crate::qemu::command_line::as_typed;
use crate::result::{Document, LogSummary, ResultDirectory, StoreError};
use crate::run::plan::{Options, Plan};
use crate::run::watch::Watch;
use crate::run::{Conditions, Interrupts, Logs, Outcome, Watcher};
use crate::saveconfig::{self, Chosen};
use crate::spec::{Base, KernelChoice, Spec};
use crate::target::{LoopbackDisk, Provisioning, Url};
use crate::verdict::{Fact, Kind, Verdict};
use lunlab_protocol::request::Provocation;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// `lunlab run`.
pub(super) fn run(run: cli::Run, started: Instant) -> Result<u8, Error> {
    let json = run.format == Format::Json;
    let task = Task {
        spec: run.spec,
        text: None,
        machine: run.machine,
        running: run.running,
        hold: false,
        share_portal: false,
        watch_spec: false,
        export: None,
        provoke: run.provoke,
        json,
        started,
    };
    match task.carry_out() {
        // Whoever reads documents gets one for this as well.
        Err(error) if json => {
            let _nobody_reads = output::text(&report::refusal(&error, started));
            Err(error)
        }
        other => other,
    }
}

/// `lunlab up`.
pub(super) fn up(up: cli::Up, started: Instant) -> Result<u8, Error> {
    let task = Task {
        spec: up.spec,
        text: None,
        machine: up.machine,
        running: up.running,
        hold: true,
        share_portal: up.share_portal,
        watch_spec: up.watch_spec,
        export: up.export.map(|path| Export {
            path,
            with_secrets: up.export_secrets,
            force: up.force,
        }),
        provoke: None,
        json: false,
        started,
    };
    task.carry_out()
}

/// What is to be run, however it was typed.
pub(super) struct Task {
    spec: Option<PathBuf>,
    /// The spec itself, where it is in no file.
    text: Option<String>,
    machine: MachineArgs,
    running: Running,
    hold: bool,
    share_portal: bool,
    watch_spec: bool,
    export: Option<Export>,
    provoke: Option<Provocation>,
    json: bool,
    started: Instant,
}

impl Task {
    pub(super) fn carry_out(self) -> Result<u8, Error> {
        if self.watch_spec && self.spec.as_deref() == Some(Path::new("-")) {
            let message = "--watch-spec: standard input is read once and cannot be watched";
            return Err(Error::usage(message).with_hint("write the spec to a file"));
        }
        let (spec, text) = self.load()?;
        if self.hold && spec.targets.is_empty() {
            return Err(
                Error::usage("the spec has no target to hold").with_hint("add a [[target]]")
            );
        }
        self.export.as_ref().map_or(Ok(()), Export::check)?;
        let mut interrupts = Interrupts::take()?;
        let cache = Cache::open()?;
        let phases = Phases::begin(self.started, self.verbosity());
        let plan = Plan::make(spec, &self.options(), &cache, &mut |text| phases.say(text));
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                phases.end();
                let signal = interrupts.behind_failure();
                return signal.map(|signal| Kind::Interrupted(signal).exit_code()).ok_or(error);
            }
        };
        for line in report::decisions(&plan) {
            phases.detail(&line);
        }
        if self.running.dry_run {
            phases.end();
            let directory = std::env::temp_dir().join("lunlab-RUN");
            let _nobody_reads = output::line(&as_typed(&plan.planned_argv(&directory)));
            return Ok(0);
        }
        if let Some(signal) = interrupts.pending() {
            phases.end();
            return Ok(Kind::Interrupted(signal).exit_code());
        }
        let finished = self.execute(&plan, &text, &mut interrupts, phases)?;
        self.show(finished)
    }

    /// A run like `lunlab run`'s of a spec that was made up.
    pub(super) fn of_text(
        text: String,
        machine: MachineArgs,
        running: Running,
        json: bool,
        started: Instant,
    ) -> Self {
        Self { text: Some(text), json, started, ..Self::silent(None, machine, running) }
    }

    /// A run like `lunlab run`'s that shows nothing by itself.
    pub(super) fn silent(spec: Option<PathBuf>, machine: MachineArgs, running: Running) -> Self {
        Self {
            spec,
            text: None,
            machine,
            running,
            hold: false,
            share_portal: false,
            watch_spec: false,
            export: None,
            provoke: None,
            json: false,
            started: Instant::now(),
        }
    }

    /// The spec with what the command line puts over it, and a copy of its text.
    pub(super) fn load(&self) -> Result<(Spec, String), Error> {
        let (mut spec, text) = match &self.text {
            Some(text) => parse_text(text).map_err(|faults| refused_parameters(&faults))?,
            None => load_spec(self.spec.as_deref())?,
        };
        override_spec(&mut spec, &self.machine, &self.running)?;
        Ok((spec, text))
    }

    /// Its times count from now on.
    pub(super) fn restart(&mut self) {
        self.started = Instant::now();
    }

    /// Runs a plan to its end and keeps its result.
    pub(super) fn execute(
        &self,
        plan: &Plan,
        spec_text: &str,
        interrupts: &mut Interrupts,
        phases: Phases,
    ) -> Result<Finished, Error> {
        let began = SystemTime::now();
        let directory = ResultDirectory::create(&self.running.results, began).map_err(stored)?;
        directory.write_spec(spec_text).map_err(stored)?;
        let mut logs = Logs {
            console: Some(directory.console_log().map_err(stored)?),
            kmsg: Some(directory.kmsg_log().map_err(stored)?),
        };
        let conditions = Conditions {
            started: self.started,
            hold: self.hold,
            watch: self.watch(),
            provoke: self.provoke,
            boot_timeout: boot_timeout(plan),
        };
        let export = self.export.clone();
        let keep = |outcome: &Outcome| {
            let report = self.report(plan, outcome, began, Vec::new());
            // What cannot be kept now cannot be kept at the end either, which then is told.
            let _told_at_the_end = directory.keep(&report.document(directory.run_id()));
        };
        let mut screen = Screen { phases, export, keep: &keep, announced: None, broken: false };
        let outcome = crate::run::run(plan, &conditions, interrupts, &mut logs, &mut screen);
        screen.phases.end();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let fact = interrupts.behind_failure().map(Fact::interrupted);
                not_started(plan, &conditions, &error, fact)?
            }
        };
        let logs = [logs.console, logs.kmsg].into_iter().flatten().map(|log| log.finish());
        let report = self.report(plan, &outcome, began, logs.collect());
        let document = report.document(directory.run_id());
        let incomplete = directory.path().to_owned();
        let (place, lost) = match directory.finish(&document, &report.reproduction()) {
            Ok(place) => (place, None),
            Err(error) => (incomplete, Some(stored(error))),
        };
        let summary = report.summary(&document, &place);
        Ok(Finished { document, place, lost, summary })
    }

    fn report<'a>(
        &self,
        plan: &'a Plan,
        outcome: &'a Outcome,
        began: SystemTime,
        logs: Vec<LogSummary>,
    ) -> report::Report<'a> {
        report::Report {
            plan,
            outcome,
            began,
            started: self.started,
            command: self.command(plan),
            logs,
            columns: output::columns(),
        }
    }

    fn show(&self, finished: Finished) -> Result<u8, Error> {
        let Finished { document, lost, summary, .. } = finished;
        let code = document.verdict.exit_code;
        if self.json {
            match document.to_json() {
                Ok(json) => drop(output::text(&json)),
                Err(error) => output::progress(&format!("lunlab: write the result: {error}")),
            }
        } else if !(self.running.quiet && code == 0) {
            if self.hold {
                output::progress(summary.trim_end());
            } else {
                let _nobody_reads = output::text(&summary);
            }
        }
        match lost {
            // The verdict stands, unless it was a pass: a run with no result is never one.
            Some(error) if code == 0 => Err(error),
            Some(error) => {
                output::error(&error);
                Ok(code)
            }
            None => Ok(code),
        }
    }

    /// Reads the spec again whenever it changes, with what the command line puts over it.
    fn watch(&self) -> Option<Watch> {
        let path = self.spec.clone().filter(|_| self.watch_spec)?;
        let (machine, running) = (self.machine.clone(), self.running.clone());
        let reread = path.clone();
        let reload = move || {
            if std::fs::metadata(&reread).is_ok_and(|file| file.len() == 0) {
                // Editors and full disks leave such files; nobody means one.
                let path = reread.display();
                return Err(format!("{path} is empty; what stands stays until it is not"));
            }
            let spec = load_spec(Some(&reread)).and_then(|(mut spec, _)| {
                override_spec(&mut spec, &machine, &running)?;
                Ok(spec)
            });
            spec.map_err(|error| error.to_string())
        };
        Some(Watch::new(path, Arc::new(reload)))
    }

    pub(super) fn verbosity(&self) -> Verbosity {
        self.running.verbosity()
    }

    pub(super) fn options(&self) -> Options {
        Options {
            modules: self.machine.kernel.modules.clone(),
            boot: self.machine.guest.boot.unwrap_or_default(),
            qemu_args: self.machine.guest.qemu_arg.clone(),
            agent: self.machine.guest.agent.clone(),
            share_portal: self.share_portal,
            hold: self.hold,
            features: match self.provoke {
                // It is fileio's code that oopses.
                Some(Provocation::Oops) => vec![CONFIGFS, TARGET, FILEIO],
                _ => Vec::new(),
            },
        }
    }

    /// The command that runs the same again from anywhere, without its spec.
    fn command(&self, plan: &Plan) -> Vec<String> {
        let mut words = vec!["lunlab".to_owned(), if self.hold { "up" } else { "run" }.to_owned()];
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        let kernel = match &plan.spec.kernel.image {
            KernelChoice::Name(name) => name.clone(),
            KernelChoice::Path(path) => absolute(path),
        };
        option("--kernel", kernel);
        if let Some(modules) = &self.machine.kernel.modules {
            option("--modules", absolute(modules));
        }
        option("--boot", plan.boot.mode.to_string());
        option("--accelerator", plan.accelerator.accelerator.to_string());
        option("--transport", plan.transport.transport.name().to_owned());
        option("--cpus", plan.spec.machine.cpus.to_string());
        option("--memory", crate::spec::format_size(plan.spec.memory_bytes()));
        if let Some(timeout) = self.running.timeout {
            option("--timeout", crate::spec::format_duration(timeout));
        }
        if let Some(timeout) = self.running.boot_timeout {
            option("--boot-timeout", crate::spec::format_duration(timeout));
        }
        for text in &self.machine.guest.append {
            option("--append", text.clone());
        }
        for text in &self.machine.guest.qemu_arg {
            option("--qemu-arg", text.clone());
        }
        if let Some(agent) = &self.machine.guest.agent {
            option("--agent", absolute(agent));
        }
        if let Some(provocation) = self.provoke {
            option("--provoke", provocation.name().to_owned());
        }
        if self.share_portal {
            words.push("--share-portal".to_owned());
        }
        words
    }
}

/// A run that is over, and kept.
pub(super) struct Finished {
    /// Its result.
    pub(super) document: Document,
    /// Where that is.
    pub(super) place: PathBuf,
    /// Why it could not be written whole.
    pub(super) lost: Option<Error>,
    /// What a person takes in at a glance.
    pub(super) summary: String,
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

pub(super) fn stored(error: StoreError) -> Error {
    let converted = Error::environment(error.to_string());
    match error.hint() {
        Some(hint) => converted.with_hint(hint),
        None => converted,
    }
}

/// The kernel's time to reach the agent: what the spec says, or what the accelerator needs.
fn boot_timeout(plan: &Plan) -> Duration {
    plan.spec.run.boot_timeout.unwrap_or(match plan.accelerator.accelerator {
        Accelerator::Kvm => Duration::from_secs(30),
        Accelerator::Tcg => Duration::from_secs(120),
    })
}

/// What came of a machine that could not be started.
fn not_started(
    plan: &Plan,
    conditions: &Conditions,
    error: &Error,
    interrupted: Option<Fact>,
) -> Result<Outcome, Error> {
    if error.category() != Category::Environment && interrupted.is_none() {
        return Err(error.clone());
    }
    let timeline = crate::run::timeline::Timeline::new(conditions.started);
    let record = crate::run::record::Record::new(timeline, &plan.spec);
    let mut learnt = record.conclude(&plan.spec, None);
    let fact = interrupted.unwrap_or_else(|| {
        let hint = error.hint().map(|hint| format!("hint: {hint}"));
        Fact::new(Kind::Environment, error.to_string()).with_lines(hint.into_iter().collect())
    });
    learnt.verdict = Verdict::judge(&[fact]);
    Ok(Outcome { learnt, argv: Vec::new() })
}

/// Puts `--kernel` over the spec; relative paths are the caller's.
pub(super) fn override_kernel(spec: &mut Spec, kernel: &KernelArgs) -> Result<(), Error> {
    if let Some(asked) = &kernel.kernel {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let environment = Base::process_environment;
        let base = Base { directory: Path::new("."), home: home.as_deref(), environment };
        if asked.is_empty() {
            return Err(Error::usage("--kernel: an empty name"));
        }
        spec.kernel.image = KernelChoice::resolve(asked, base);
    }
    Ok(())
}

fn override_spec(spec: &mut Spec, machine: &MachineArgs, running: &Running) -> Result<(), Error> {
    override_kernel(spec, &machine.kernel)?;
    let guest = &machine.guest;
    let at = &mut spec.machine;
    at.accelerator = guest.accelerator.unwrap_or(at.accelerator);
    at.cpus = guest.cpus.unwrap_or(at.cpus);
    at.memory = guest.memory.or(at.memory);
    spec.channel.transport = guest.transport.unwrap_or(spec.channel.transport);
    spec.run.timeout = running.timeout.unwrap_or(spec.run.timeout);
    spec.run.boot_timeout = running.boot_timeout.or(spec.run.boot_timeout);
    for text in &guest.append {
        let cmdline = &mut spec.kernel.cmdline;
        if !cmdline.is_empty() {
            cmdline.push(' ');
        }
        cmdline.push_str(text);
    }
    spec.check().map_err(|faults| Error::usage(faults.render("command line").trim_end().to_owned()))
}

struct Screen<'a> {
    phases: Phases,
    export: Option<Export>,
    /// Keeps what the run has come to so far.
    keep: &'a dyn Fn(&Outcome),
    /// What was said to be there.
    announced: Option<Vec<Url>>,
    broken: bool,
}

impl Watcher for Screen<'_> {
    fn phase(&mut self, text: &str) {
        self.phases.say(text);
    }

    fn progress(&mut self, text: &str) {
        self.phases.progress(text);
    }

    fn console(&mut self, line: &str) {
        self.phases.detail(&format!("console: {line}"));
    }

    fn so_far(&mut self, outcome: &Outcome) {
        (self.keep)(outcome);
    }

    fn ready(&mut self, spec: &Spec, provisioning: &Provisioning) {
        if let Some(export) = &mut self.export {
            for line in export.write(spec, provisioning) {
                self.phases.say(&line);
            }
        }
        if self.announced.is_none() {
            self.phases.say("holding the target; Ctrl-C or SIGTERM ends it");
        }
        let urls = provisioning.urls(spec);
        if urls.is_empty() && self.announced.is_none() {
            only_in_the_guest(provisioning).iter().for_each(|line| self.phases.say(line));
        }
        let before = self.announced.replace(urls.clone()).unwrap_or_default();
        for url in urls.iter().filter(|url| !before.contains(url)) {
            self.broken |= !output::line(&url.to_string());
        }
    }
}

/// Where the disks are of a target that no initiator on the host can reach.
fn only_in_the_guest(provisioning: &Provisioning) -> Vec<String> {
    let disk = |disk: &LoopbackDisk| {
        let LoopbackDisk { name, lun, storage_object, .. } = disk;
        format!("  LUN {lun}, {storage_object}: /dev/lunlab/{name} in the guest")
    };
    let first = "nothing is exported over iSCSI, so there is no URL to print".to_owned();
    std::iter::once(first).chain(provisioning.disks.iter().map(disk)).collect()
}

/// Where the target is written down in targetcli's form.
#[derive(Clone)]
struct Export {
    path: PathBuf,
    with_secrets: bool,
    force: bool,
}

impl Export {
    /// Refuses what cannot be written, before anything starts.
    fn check(&self) -> Result<(), Error> {
        let path = self.path.display();
        if self.path.exists() && !self.force {
            let error = Error::usage(format!("--export {path}: there is a file already"));
            return Err(error.with_hint("--force replaces it"));
        }
        match self.directory() {
            directory if directory.is_dir() => Ok(()),
            directory => {
                let directory = directory.display();
                Err(Error::usage(format!("--export {path}: {directory} is no directory")))
            }
        }
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Writes it, and again when the target has changed. Gives what there is to say.
    fn write(&mut self, spec: &Spec, provisioning: &Provisioning) -> Vec<String> {
        let portals: Vec<_> = provisioning.addresses.iter().map(|each| each.guest).collect();
        let chosen = Chosen {
            serial: &|object| provisioning.serial(&object.name),
            path: &|object| crate::target::names::backing_path(object),
            portals: &portals,
        };
        let exported = saveconfig::export(spec, &chosen, self.with_secrets);
        let notes = exported.notes.iter().map(|note| format!("not exported: {note}"));
        let done = match exported.write(&self.path, self.force) {
            Ok(()) => {
                // The file is this run's own from now on.
                self.force = true;
                format!("exported to {}", self.path.display())
            }
            Err(error) => error.to_string(),
        };
        notes.chain([done]).collect()
    }
}
