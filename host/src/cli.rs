//! What can be typed. Nothing here touches the system.

use crate::accelerator::AcceleratorChoice;
use crate::kernel::boot::BootChoice;
use crate::output::Verbosity;
use crate::spec::{TransportChoice, parse_duration, parse_size};
use clap::{Args, Parser, Subcommand, ValueEnum};
use lunlab_protocol::request::Provocation;
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
  0 pass           1 fail: a check did not hold     2 usage
  3 environment    4 boot: the agent was not reached
  5 panic          6 kernel-bug: oops, BUG, WARNING, lockdep, KASAN, …
  7 timeout        8 agent-lost                     9 provision
  130, 143 interrupted by SIGINT, SIGTERM";

/// Boot a Linux kernel, put an LIO target on it, measure it, and say whether it is good.
#[derive(Debug, Parser)]
#[command(
    name = "lunlab",
    version,
    about,
    after_help = EXIT_CODES,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot, provision, check, measure, collect, power off; exit with the verdict
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Boot and provision, print a URL for each LUN, hold until Ctrl-C or SIGTERM
    #[command(after_help = UP_EXAMPLES)]
    Up(Up),
    /// Run workloads, in a guest or on the host itself; without a name, list them
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Bench),
    /// Say what is wrong with a spec, or that nothing is; starts nothing
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Build the initramfs to a file, or list what is in one
    #[command(subcommand)]
    Image(Image),
    /// Turn targetcli's saved configuration into a spec
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
    /// Make one HTML page of results, with plots and the raw data, or export their samples
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Report),
    /// Compare two results, or two sets of them: better, worse, same, or cannot tell
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Compare),
    /// Run two kernels by turns, and compare them
    #[command(after_help = AB_EXAMPLES)]
    Ab(Ab),
    /// The process that outlives lunlab by a moment and leaves nothing behind
    #[command(hide = true)]
    Guardian {
        /// The runtime directory.
        directory: PathBuf,
    },
    /// The iSCSI initiator's process: jobs on stdin, reports on stdout
    #[command(hide = true)]
    Initiator,
    /// What QEMU starts for a guest's connection to the share: gives standard input to lunlab
    #[command(hide = true)]
    SmbConnection {
        /// Where lunlab takes it.
        socket: PathBuf,
    },
}

const RUN_EXAMPLES: &str = "\
Examples:
  lunlab run                             the default kernel and spec
  lunlab run --kernel ~/linux            the tree you just built
  lunlab run --kernel ~/linux my.toml    with a spec of your own
  lunlab run --format json | jq .verdict
  lunlab run --dry-run                   the QEMU command, nothing started
  lunlab run --provoke oops; echo $?     see a kernel bug noticed: 6

Exit codes: 0 pass, 1 fail, 2 usage, 3 environment, 4 boot, 5 panic, 6 kernel-bug, 7 timeout,
8 agent-lost, 9 provision, 130 and 143 interrupted";

const UP_EXAMPLES: &str = "\
Examples:
  lunlab up                              prints iscsi://127.0.0.1:PORT/IQN/LUN when ready
  lunlab up spec.toml & read url; iscsi-inq \"$url\"

Ctrl-C or SIGTERM takes the target down and powers the guest off; that is exit code 0. Before the
target is ready, or if the guest dies meanwhile, the exit codes are those of `lunlab run`.";

const BENCH_EXAMPLES: &str = "\
Examples:
  lunlab bench                           what there is
  lunlab bench hash                      in a guest
  lunlab bench hash --local              on this machine, by the same program
  lunlab bench hash -p size=32,1K -p budget=2s
  lunlab bench sighash -p case=mega,worst-1mb

A list makes a sweep, or where the workload takes several at once, one benchmark of all. The exit
codes are those of `lunlab run`.";

const CHECK_EXAMPLES: &str = "\
Examples:
  lunlab check spec.toml                           all its faults, each with line and column
  lunlab check --plan spec.toml                    each step that would set the target up
  lunlab check --format json spec.toml | jq .faults[].key

Exit codes: 0 the spec is good, 2 it is not.";

const IMAGE_BUILD_EXAMPLES: &str = "\
Examples:
  lunlab image build -o initramfs.cpio
  lunlab image build --kernel ~/linux my.toml -o initramfs.cpio

The image has the agent and the modules the spec needs, in the order in which they are loaded. What
a run adds to it (its token, its requests) is not in it.";

const IMAGE_LIST_EXAMPLES: &str = "\
Examples:
  lunlab image list initramfs.cpio
  find . | cpio -o -H newc | lunlab image list -";

const IMPORT_EXAMPLES: &str = "\
Examples:
  lunlab import saveconfig.json > spec.toml
  lunlab import saveconfig.json -o spec.toml --secrets secrets
  sudo cat /etc/target/saveconfig.json | lunlab import -

What could not be carried over, or became something else, is named on stderr with its place in the
file. CHAP secrets are never in the spec: it refers to files, which --secrets makes.

Exit codes: 0 imported, 2 no saveconfig.json";

const REPORT_EXAMPLES: &str = "\
Examples:
  lunlab report last                               writes report.html
  lunlab report lunlab-results -o all.html         every result there
  lunlab report --a old --b new -o difference.html
  lunlab report result.json -o - | gzip > report.html.gz
  lunlab report lunlab-results --csv samples.csv

The page is one file that needs no network. A result that is incomplete is shown as far as it goes.
With --csv alone no page is written.

Exit codes: 0 written, 2 no such result, or the file is there already, 3 it cannot be written";

const COMPARE_EXAMPLES: &str = "\
Examples:
  lunlab compare last~1 last
  lunlab compare old/ new/ --fail-on 3%       directories of several results each
  lunlab compare --a last~3,last~1 --b last~2,last
  lunlab compare --format json last~1 last | jq .rows[].judgement

Ratios are B over A. With fewer than three runs a side nobody knows how much boots differ, so 10 %
are allowed for that each way: make more runs, or let `lunlab ab` do it.

Exit codes: 0 compared, 1 something is worse by more than --fail-on, or B lacks it, 2 usage, 3 nothing to compare";

const AB_EXAMPLES: &str = "\
Examples:
  lunlab ab --kernel debian --kernel ~/linux -n 8 spec.toml
  lunlab ab --kernel ~/linux --append-b mitigations=off
  lunlab ab slow.toml --spec-b fast.toml --fail-on 3%
  lunlab ab -n 10 spec.toml                the same against itself: it should be the same

Runs take turns: A B B A. The results are below ab-… in the results directory, in a and b, and
`lunlab compare` reads those again. Ctrl-C ends the run and compares what is there.

Exit codes: 0 compared, 1 something is worse by more than --fail-on, or B lacks it, those of `lunlab run` when a run
does not pass: it is the last one then";

/// `lunlab run`.
#[derive(Debug, Args)]
pub struct Run {
    /// What to run; without one, the default spec
    #[arg(value_name = "SPEC")]
    pub spec: Option<PathBuf>,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// The run.
    #[command(flatten)]
    pub running: Running,
    /// How the result is shown: a summary, or the result document on stdout and nothing else there
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Make this go wrong once the target is ready, to see that it is noticed
    #[arg(long, value_name = "WHAT", value_parser = provocation())]
    pub provoke: Option<Provocation>,
}

/// `lunlab up`.
#[derive(Debug, Args)]
pub struct Up {
    /// What to hold; without one, the default spec
    #[arg(value_name = "SPEC")]
    pub spec: Option<PathBuf>,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// The run.
    #[command(flatten)]
    pub running: Running,
    /// Let other local users connect to the portal
    #[arg(long)]
    pub share_portal: bool,
    /// Carry out changes of SPEC while the target is held
    #[arg(long, requires = "spec")]
    pub watch_spec: bool,
    /// Write the target to FILE in targetcli's form once it is ready
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// CHAP credentials go into FILE, too
    #[arg(long, requires = "export")]
    pub export_secrets: bool,
    /// Replace FILE if it is there already
    #[arg(long, requires = "export")]
    pub force: bool,
}

/// `lunlab bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Which workloads
    #[arg(value_name = "NAME")]
    pub workloads: Vec<String>,
    /// A parameter of the workloads that have it; may be given again
    #[arg(short, long = "parameter", value_name = "KEY=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,
    /// Run them on the host itself, without a guest
    #[arg(long, conflicts_with_all = OF_GUESTS)]
    pub local: bool,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// The run.
    #[command(flatten)]
    pub running: Running,
    /// How the result is shown: a summary, or the result document on stdout and nothing else there
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Options that say something of a guest.
const OF_GUESTS: [&str; 13] = [
    "kernel",
    "modules",
    "boot",
    "accelerator",
    "cpus",
    "memory",
    "transport",
    "append",
    "qemu_arg",
    "agent",
    "timeout",
    "boot_timeout",
    "dry_run",
];

/// `lunlab check`.
#[derive(Debug, Args)]
pub struct Check {
    /// What to check, - for standard input; without one, the default spec
    #[arg(value_name = "SPEC")]
    pub spec: Option<PathBuf>,
    /// Print the steps that set the target up as well, in their order
    #[arg(long)]
    pub plan: bool,
    /// How it is shown: a line each, or a document on stdout
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `lunlab image …`.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Build the initramfs of a spec to a file
    #[command(after_help = IMAGE_BUILD_EXAMPLES)]
    Build(ImageBuild),
    /// List what is in an initramfs, as ls -l would
    #[command(after_help = IMAGE_LIST_EXAMPLES)]
    List {
        /// The newc archive, several in a row among them; `-` is stdin
        file: PathBuf,
    },
}

/// `lunlab image build`.
#[derive(Debug, Args)]
pub struct ImageBuild {
    /// Which spec's modules it has; without one, the default spec's
    #[arg(value_name = "SPEC")]
    pub spec: Option<PathBuf>,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The kernel.
    #[command(flatten)]
    pub kernel: Kernel,
    /// Which transport's modules it has
    #[arg(long, value_name = "T", value_parser = transport())]
    pub transport: Option<TransportChoice>,
    /// An agent to use instead of the one inside this program
    #[arg(long, value_name = "FILE", hide = true)]
    pub agent: Option<PathBuf>,
}

/// `lunlab import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The saved configuration; `-` is stdin
    pub file: PathBuf,
    /// Where to write the spec, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write each CHAP secret to a file of its own in this directory
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Keep attributes and parameters that are what they would be anyway
    #[arg(long)]
    pub all: bool,
    /// How large a disk becomes when the file does not say
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1G")]
    pub disk_size: u64,
}

/// `lunlab report`.
#[derive(Debug, Args)]
pub struct Report {
    /// What to show: results, their result.json, directories of results, `last`, `last~1`
    #[arg(value_name = "RESULT", required_unless_present_any = ["a", "b"])]
    pub results: Vec<String>,
    /// What is compared with: one or more results
    #[arg(long, value_name = "RESULT", num_args = 1.., requires = "b", conflicts_with = "results")]
    pub a: Vec<String>,
    /// What is compared: one or more results
    #[arg(long, value_name = "RESULT", num_args = 1.., requires = "a")]
    pub b: Vec<String>,
    /// Where `last` is looked for
    #[arg(long = "results", value_name = "DIR", default_value = "lunlab-results")]
    pub directory: PathBuf,
    /// What `lunlab compare --format json` printed of these results
    #[arg(long, value_name = "FILE", requires = "a")]
    pub compare: Option<PathBuf>,
    /// Where to write the page; `-` is stdout [default: report.html]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write every sample as CSV to FILE; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
}

/// `lunlab compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// A and B: a result, its result.json, a directory of results, `last`, `last~1`, or some of these
    /// with commas between them; or, alone, the directory of an `ab`
    #[arg(value_name = "RESULT", num_args = 1..=2)]
    pub sides: Vec<String>,
    /// Results of A; may be given again
    #[arg(long, value_name = "RESULT")]
    pub a: Vec<String>,
    /// Results of B; may be given again
    #[arg(long, value_name = "RESULT")]
    pub b: Vec<String>,
    /// Where `last` is looked for
    #[arg(long, value_name = "DIR", default_value = "lunlab-results")]
    pub results: PathBuf,
    /// What is judged by.
    #[command(flatten)]
    pub judging: Judging,
    /// How it is shown: a table, or a document on stdout
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `lunlab ab`.
#[derive(Debug, Args)]
pub struct Ab {
    /// What to run; without one, the default spec
    #[arg(value_name = "SPEC")]
    pub spec: Option<PathBuf>,
    /// The kernels, A first and then B; one, or none, for the same on both sides
    #[arg(long = "kernel", value_name = "K")]
    pub kernels: Vec<String>,
    /// Where the modules of A are, and then those of B, when not where they belong
    #[arg(long, value_name = "DIR")]
    pub modules: Vec<PathBuf>,
    /// Runs of each kernel
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Another spec for B
    #[arg(long, value_name = "SPEC")]
    pub spec_b: Option<PathBuf>,
    /// Add to A's kernel command line; may be given again
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub append_a: Vec<String>,
    /// Add to B's kernel command line; may be given again
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub append_b: Vec<String>,
    /// The machine of both.
    #[command(flatten)]
    pub guest: Guest,
    /// Each run.
    #[command(flatten)]
    pub running: Running,
    /// What is judged by.
    #[command(flatten)]
    pub judging: Judging,
    /// How the comparison is shown: a table, or a document on stdout
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// What a comparison is judged by.
#[derive(Debug, Clone, Args)]
pub struct Judging {
    /// Exit with 1 when something is worse by more than this for certain, or B lacks what A measured: 3%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub fail_on: Option<f64>,
    /// What differs by less is the same; by default 5%, or --fail-on when that is less
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub margin: Option<f64>,
}

/// Which kernel.
#[derive(Debug, Clone, Args)]
pub struct Kernel {
    /// `debian`, a build tree, a bzImage, a vmlinux, or a release name
    #[arg(long, value_name = "K")]
    pub kernel: Option<String>,
    /// Where its modules are, when not where they belong: a modules directory or a build tree
    #[arg(long, value_name = "DIR")]
    pub modules: Option<PathBuf>,
}

/// The machine, over what the spec says.
#[derive(Debug, Clone, Args)]
pub struct Machine {
    /// The kernel.
    #[command(flatten)]
    pub kernel: Kernel,
    /// The rest of it.
    #[command(flatten)]
    pub guest: Guest,
}

/// The machine but for its kernel.
#[derive(Debug, Clone, Args)]
pub struct Guest {
    /// How the kernel is entered: auto is PVH where it can be
    #[arg(long, value_name = "MODE", value_parser = boot())]
    pub boot: Option<BootChoice>,
    /// What runs the machine
    #[arg(long, value_name = "A", value_parser = accelerator())]
    pub accelerator: Option<AcceleratorChoice>,
    /// Processors
    #[arg(long, value_name = "N")]
    pub cpus: Option<u32>,
    /// Memory: 512M, 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// How host and guest talk
    #[arg(long, value_name = "T", value_parser = transport())]
    pub transport: Option<TransportChoice>,
    /// Add to the kernel's command line; may be given again
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Add an argument to QEMU's command line; may be given again
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// An agent to boot instead of the one inside this program
    #[arg(long, value_name = "FILE", hide = true)]
    pub agent: Option<PathBuf>,
}

/// The run, over what the spec says.
#[derive(Debug, Clone, Args)]
pub struct Running {
    /// When the run must be over: 90s, 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// When the kernel must have reached the agent; by default 30s under KVM, 120s under TCG
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub boot_timeout: Option<Duration>,
    /// Where results go
    #[arg(long, value_name = "DIR", default_value = "lunlab-results")]
    pub results: PathBuf,
    /// Print the QEMU command and exit; nothing is started
    #[arg(long)]
    pub dry_run: bool,
    /// Show the console as it comes, and more of what is decided
    #[arg(short, long)]
    pub verbose: bool,
    /// No progress, no summary of a pass
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl Running {
    /// How much is said.
    #[must_use]
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// How a result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A summary.
    Human,
    /// One JSON document.
    Json,
}

/// A parser for one of a list of words.
fn word<T: Clone + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl clap::builder::TypedValueParser<Value = T> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    let names = words.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(names).try_map(move |typed| {
        let found = words.iter().find(|(name, _)| *name == typed).map(|(_, value)| value.clone());
        found.ok_or_else(|| format!("no such word: {typed}"))
    })
}

fn boot() -> impl clap::builder::TypedValueParser<Value = BootChoice> {
    const WORDS: [(&str, BootChoice); 3] =
        [("auto", BootChoice::Auto), ("pvh", BootChoice::Pvh), ("bzimage", BootChoice::Bzimage)];
    word(&WORDS)
}

fn accelerator() -> impl clap::builder::TypedValueParser<Value = AcceleratorChoice> {
    word(&AcceleratorChoice::WORDS)
}

fn transport() -> impl clap::builder::TypedValueParser<Value = TransportChoice> {
    word(&TransportChoice::WORDS)
}

fn provocation() -> impl clap::builder::TypedValueParser<Value = Provocation> {
    const WORDS: [(&str, Provocation); 5] = {
        let [a, b, c, d, e] = Provocation::ALL;
        [(a.name(), a), (b.name(), b), (c.name(), c), (d.name(), d), (e.name(), e)]
    };
    word(&WORDS)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as budget=2s")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|_| "write a whole number with K, M, G or T: 512M".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|_| "write a whole number with ms, s, m or h: 90s".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a number from 0 to below 100 and %: 3%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_shown_subcommand_has_examples() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
                let leaf = sub.get_subcommands().next().is_none();
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(!leaf || help.contains("Examples:"), "{}", sub.get_name());
                check(sub);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn bad_words_are_refused_with_what_is_possible() {
        let error = Cli::try_parse_from(["lunlab", "run", "--transport", "pigeon"]).unwrap_err();
        assert!(error.to_string().contains("virtio-serial"));
        assert_eq!(error.exit_code(), 2);
        assert!(Cli::try_parse_from(["lunlab", "run", "--memory", "lots"]).is_err());
        assert!(Cli::try_parse_from(["lunlab", "run", "-q", "-v"]).is_err());
        let guest = ["--kernel=x", "--memory=1G", "--append=y", "--transport=auto", "--dry-run"];
        for option in guest.into_iter().chain(["--cpus=2", "--timeout=9s", "--qemu-arg=-s"]) {
            let error =
                Cli::try_parse_from(["lunlab", "bench", "hash", "--local", option]).unwrap_err();
            assert_eq!(
                (error.kind(), error.exit_code()),
                (ErrorKind::ArgumentConflict, 2),
                "{error}"
            );
            assert!(Cli::try_parse_from(["lunlab", "bench", "hash", option]).is_ok(), "{option}");
        }
    }

    #[test]
    fn qemu_arguments_may_begin_with_a_dash() {
        let cli = Cli::try_parse_from(["lunlab", "run", "--qemu-arg", "-s"]).unwrap();
        let Command::Run(run) = cli.command else { panic!() };
        assert_eq!(run.machine.guest.qemu_arg, ["-s"]);
    }
}
