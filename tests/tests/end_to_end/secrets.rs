//! Where a secret is not: anywhere but in the file it came from. A canary is a CHAP secret that is
//! looked for, byte by byte, while targets and initiators use it and when they are gone.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lunlab_tests::clients::CLIENT;
use lunlab_tests::{
    Finished, Lunlab, Process, Rendezvous, Running, descendants, kernels, ports, tools,
};

const ALICE: &str = "iqn.2026-01.org.lunlab.test:alice";
const TARGET: &str = "iqn.2026-01.org.lunlab.test:secrets";
const OPEN: &str = "iqn.2026-01.org.lunlab.test:open";

/// What the files with secrets are called.
const SECRETS: [&str; 4] = ["one", "two", "three", "four"];

/// What no other run, and nothing in the cache, can contain by chance.
fn canary() -> String {
    let mut bytes = [0; 8];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes.iter().fold("canary".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Every place a spec can have a secret in: an ACL, both ways, a TPG, discovery and a benchmark.
fn spec(port: u16, more: &str) -> String {
    let portal = format!("portals = [\"127.0.0.1:{port}\"]");
    format!(
        r#"
[[storage_object]]
name = "disk0"
backstore = "ramdisk"
size = "4M"
[discovery]
chap = {{ userid = "finder", password_file = "four.secret" }}
[[target]]
wwn = "{TARGET}"
[[target.tpg]]
tag = 1
{portal}
luns = [{{ lun = 0, storage_object = "disk0" }}]
[[target.tpg.acl]]
initiator = "{ALICE}"
chap = {{ userid = "alice", password_file = "one.secret", mutual_userid = "target", mutual_password_file = "two.secret" }}
[[target]]
wwn = "{OPEN}"
[[target.tpg]]
tag = 1
{portal}
luns = [{{ lun = 0, storage_object = "disk0" }}]
chap = {{ userid = "anyone", password_file = "three.secret" }}
{more}"#
    )
}

/// Files with the secrets, beginning with the canary, and no two alike.
fn with_secrets(lunlab: Lunlab, canary: &str) -> Lunlab {
    SECRETS
        .into_iter()
        .fold(lunlab, |lunlab, n| lunlab.secret(&format!("{n}.secret"), &format!("{canary}-{n}\n")))
}

/// Looks for a canary, without having it on a command line of its own.
struct Search {
    canary: String,
    pattern: PathBuf,
}

impl Search {
    /// The pattern is kept in a file that is not searched, as the secrets' are not.
    fn new(canary: &str, directory: &Path) -> Self {
        let pattern = directory.join("pattern.secret");
        fs::write(&pattern, canary).unwrap();
        Self { canary: canary.to_owned(), pattern }
    }

    /// Files under these places that have it.
    fn files(&self, places: &[&Path]) -> Vec<String> {
        let mut command = tools::command("grep");
        command.args(["--recursive", "--files-with-matches", "--text", "--fixed-strings"]);
        command.args(["--devices=skip", "--exclude=*.secret", "--file"]);
        let output = tools::output(command.arg(&self.pattern).args(places), CLIENT);
        output.stdout.lines().map(str::to_owned).collect()
    }

    /// Processes that have it on their command lines, whosesoever they are.
    fn command_lines(&self) -> Vec<String> {
        let ids = fs::read_dir("/proc").unwrap().flatten();
        let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let found = ids.filter(|id| self.proc_file_has(*id, "cmdline"));
        found.map(|id| format!("{id}: its command line")).collect()
    }

    /// Of these processes, those whose environment has it.
    fn environments(&self, processes: &[Process]) -> Vec<String> {
        let found = processes.iter().filter(|process| self.proc_file_has(process.id, "environ"));
        found.map(|process| format!("{}: its environment", process.id)).collect()
    }

    /// Asserts that neither a command line has it, nor the environment of the run or of what it
    /// started, nor a file of the run's or the cache's but these.
    #[track_caller]
    fn is_only_in(&self, files: &[&Path], running: &Running) {
        let mut processes = descendants(running.process().id);
        processes.extend(Process::open(running.process().id));
        assert!(processes.len() >= 3, "lunlab, QEMU and the guardian: {processes:?}");
        assert_eq!(self.command_lines(), [] as [&str; 0]);
        assert_eq!(self.environments(&processes), [] as [&str; 0]);
        self.is_only_in_files(files, running.directory().path());
    }

    #[track_caller]
    fn is_only_in_files(&self, files: &[&Path], directory: &Path) {
        let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert_eq!(self.files(&[directory, &kernels::cache()]), files);
    }

    fn proc_file_has(&self, id: u32, file: &str) -> bool {
        let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(&self.canary)
    }

    #[track_caller]
    fn not_said_by(&self, finished: &Finished) {
        assert!(!finished.stdout.contains(&self.canary), "stdout has it\n{}", finished.stdout);
        assert!(!finished.stderr.contains(&self.canary), "stderr has it\n{}", finished.stderr);
    }
}

/// A login by somebody who has both secrets; it shows that they reached the kernel.
fn log_in(port: u16, canary: &str) -> bool {
    let mut command = tools::command("iscsi-inq");
    command.args(["-i", ALICE]).arg(format!("iscsi://127.0.0.1:{port}/{TARGET}/0"));
    command.env("LIBISCSI_CHAP_USERNAME", "alice");
    command.env("LIBISCSI_CHAP_PASSWORD", format!("{canary}-one"));
    command.env("LIBISCSI_CHAP_TARGET_USERNAME", "target");
    command.env("LIBISCSI_CHAP_TARGET_PASSWORD", format!("{canary}-two"));
    tools::output(&mut command, CLIENT).good
}

#[test]
fn a_run_keeps_its_secrets_to_itself_and_leaves_none() {
    let (canary, rendezvous, [port]) = (canary(), Rendezvous::new(), ports::free());
    let randread =
        |keys: &str| format!("[[benchmark]]\nworkload = \"iscsi-randread\"\nseconds = 1\n{keys}\n");
    let more = [
        randread(&format!(
            r#"target = "{OPEN}"
initiator = "iqn.2026-01.org.lunlab.test:bob"
chap = {{ userid = "anyone", password_file = "three.secret" }}"#
        )),
        format!("[[benchmark]]\nworkload = \"host-command\"\ncommand = {}\n", rendezvous.command()),
    ];
    let lunlab = Lunlab::run().args(["-v", "--format", "json"]).spec(&spec(port, &more.concat()));
    let lunlab = with_secrets(lunlab, &canary);
    let directory = lunlab.directory().path().to_owned();
    let search = Search::new(&canary, &directory);
    let running = lunlab.start();

    let standstill = rendezvous.wait(&running);
    assert!(log_in(port, &canary) && !log_in(port, "wrong-secret"));
    search.is_only_in(&[], &running);
    the_search_finds_what_is_there(&search, &canary, &directory, &[]);
    drop(standstill);

    let finished = running.finish();
    finished.verdict("pass", 0);
    assert!(!finished.result_file("repro.sh").is_empty() && !finished.stdout.is_empty());
    search.not_said_by(&finished);
    search.is_only_in_files(&[], &directory);
    assert_eq!(search.command_lines(), [] as [&str; 0]);
}

/// The same search, with something to find in each place.
fn the_search_finds_what_is_there(
    search: &Search,
    canary: &str,
    directory: &Path,
    known: &[&Path],
) {
    let told = Planted::start(|command| command.arg(canary));
    let knowing = Planted::start(|command| command.env("PLANTED", canary));
    assert_eq!(search.command_lines(), [format!("{}: its command line", told.0.id())]);
    let processes = descendants(std::process::id());
    assert!(
        search.environments(&processes).contains(&format!("{}: its environment", knowing.0.id()))
    );
    // Also in a file that is not text, somewhere below.
    let below = directory.join("lunlab-results/planted");
    fs::create_dir(&below).unwrap();
    let planted = below.join("file");
    fs::write(&planted, [b"\0\xff", canary.as_bytes(), b"\0"].concat()).unwrap();
    let found = search.files(&[directory]);
    assert!(found.contains(&planted.display().to_string()) && found.len() == 1 + known.len());
    fs::remove_dir_all(below).unwrap();
}

/// A process that knows a secret, and waits.
struct Planted(Child);

impl Planted {
    fn start(tell: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo ready; read -r end"]).stdin(Stdio::piped());
        let mut child = tell(command.stdout(Stdio::piped())).spawn().unwrap();
        // Until its program runs, its command line may be empty.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        Self(child)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

#[test]
fn a_target_that_is_held_shows_its_secrets_nowhere_and_a_failed_one_neither() {
    let (canary, [port]) = (canary(), ports::free());
    let lunlab = Lunlab::up().args(["-v"]).spec(&spec(port, ""));
    let held = with_secrets(lunlab, &canary).hold();
    let directory = held.running().directory().path().to_owned();
    let search = Search::new(&canary, &directory);
    assert!(log_in(port, &canary));
    assert_eq!(search.command_lines(), [] as [&str; 0]);
    assert_eq!(search.files(&[&directory]), [] as [&str; 0]);
    let finished = held.stop();
    finished.verdict("pass", 0);
    search.not_said_by(&finished);
    assert_eq!(search.files(&[&directory, &kernels::cache()]), [] as [&str; 0]);
}

#[test]
fn an_export_and_a_spec_that_changes_have_secrets_only_where_they_were_asked_for() {
    for export_secrets in [None, Some("--export-secrets")] {
        changed_while_it_is_exported(export_secrets);
    }
}

/// The new secrets begin with the old ones' canary, so that one search is for both.
fn changed_while_it_is_exported(export_secrets: Option<&str>) {
    let (canary, [port]) = (canary(), ports::free());
    let renewed = format!("{canary}-new");
    let words = ["-v", "--watch-spec", "--export", "saved.json"];
    let lunlab = Lunlab::up().args(words).args(export_secrets).spec(&spec(port, ""));
    let held = with_secrets(lunlab, &canary).hold();
    let (running, exported) = (held.running(), "exported to saved.json\n");
    let directory = running.directory().path().to_owned();
    let saved = directory.join("saved.json");
    let search = Search::new(&canary, &directory);
    let known: &[&Path] = if export_secrets.is_some() { &[&saved] } else { &[] };
    running.wait_for(exported);
    assert!(log_in(port, &canary) && !log_in(port, &renewed));
    search.is_only_in(known, running);
    the_search_finds_what_is_there(&search, &canary, &directory, known);

    let mark = running.stderr().len();
    for name in SECRETS {
        fs::write(directory.join(format!("{name}.secret")), format!("{renewed}-{name}\n")).unwrap();
    }
    fs::write(directory.join("spec.toml"), spec(port, "")).unwrap();
    let _said = running.said_since(mark, &["the target is changed", exported]);
    assert!(log_in(port, &renewed) && !log_in(port, &canary));
    search.is_only_in(known, running);
    let mode = fs::metadata(&saved).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let saved_text = fs::read_to_string(&saved).unwrap();
    let has_new = SECRETS.map(|name| saved_text.contains(&format!("{renewed}-{name}")));
    assert_eq!(has_new, [export_secrets.is_some(); SECRETS.len()]);
    assert!(!saved_text.contains(&format!("{canary}-one")), "{saved_text}");

    let finished = held.stop();
    finished.verdict("pass", 0);
    let changes = &finished.result()["spec_changes"];
    assert_eq!(changes[0]["outcome"], "changed");
    assert_ne!(changes[0]["lines"][0], serde_json::Value::Null);
    search.not_said_by(&finished);
    search.is_only_in_files(known, &directory);
}

#[test]
fn a_secret_of_the_environment_is_on_no_command_line_and_in_no_result() {
    let (canary, [port]) = (canary(), ports::free());
    let text = spec(port, "").replace("password_file = \"one.secret\"", "password_env = \"ONE\"");
    let lunlab = Lunlab::run().args(["-v"]).spec(&text).env("ONE", format!("{canary}-one"));
    let lunlab = with_secrets(lunlab, &canary);
    let directory = lunlab.directory().path().to_owned();
    fs::remove_file(directory.join("one.secret")).unwrap();
    let search = Search::new(&canary, &directory);
    let running = lunlab.start();
    running.wait_for("the target is ready");
    assert_eq!(search.command_lines(), [] as [&str; 0]);
    let children = descendants(running.process().id);
    assert!(children.len() >= 2, "QEMU and the guardian: {children:?}");
    assert_eq!(search.environments(&children), [] as [&str; 0]);
    // It was given to lunlab itself, and there the search finds it.
    let own: Vec<_> = Process::open(running.process().id).into_iter().collect();
    assert_eq!(search.environments(&own).len(), 1);
    let finished = running.finish();
    finished.verdict("pass", 0);
    search.not_said_by(&finished);
    assert_eq!(search.files(&[&directory]), [] as [&str; 0]);
}

#[test]
fn complaints_and_what_would_be_run_do_not_quote_secrets() {
    let (canary, [port]) = (canary(), ports::free());
    let text = spec(port, "");
    let command = |words: &[&str], text: &str| {
        with_secrets(Lunlab::command(words).spec(text).boots_nothing(), &canary)
    };
    let dry = command(&["run", "--dry-run", "-v"], &text).finish();
    dry.exits(0).shows("qemu-system");
    let search = Search::new(&canary, dry.directory().path());
    search.not_said_by(&dry);
    let plan = command(&["check", "--plan"], &text).finish();
    plan.exits(0).shows("auth/password");
    search.not_said_by(&plan);

    // In the spec itself, which is copied.
    let inline =
        text.replace("password_file = \"one.secret\"", &format!("password = \"{canary}\""));
    let refused = command(&["run", "-v"], &inline).finish();
    refused.exits(2).says("password_file");
    search.not_said_by(&refused);
    // In a file others may read, one that is too short, and one that is used both ways.
    let open = command(&["run", "-v"], &text);
    let file = open.directory().path().join("one.secret");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = open.finish();
    refused.exits(2).says("one.secret").says("0600");
    search.not_said_by(&refused);
    let short = &canary[..11];
    let refused = command(&["run", "-v"], &text).secret("one.secret", short).finish();
    refused.exits(2).says("12");
    assert!(!refused.stderr.contains(short), "{}", refused.stderr);
    let both = format!("{canary}-one");
    let refused = command(&["run", "-v"], &text).secret("two.secret", &both).finish();
    refused.exits(2);
    search.not_said_by(&refused);
}
