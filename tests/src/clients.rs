//! Initiators in processes of their own: libiscsi's tools, QEMU's, which copy raw data, and lunlab's.

use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{Watched, tools};

/// What one client may take; on a quiet machine none takes more than a few seconds.
pub const CLIENT: Duration = Duration::from_secs(90);

/// Somebody who may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// The user id.
    pub userid: &'static str,
    /// The secret.
    pub password: &'static str,
}

/// A LUN as one initiator gets at it.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where.
    pub portal: SocketAddr,
    /// The target's name.
    pub target: String,
    /// The number under which this initiator has the LUN.
    pub lun: u16,
    /// The initiator's name.
    pub initiator: String,
    /// What it proves to have.
    pub chap: Option<Credentials>,
    /// What it wants the target to prove.
    pub mutual: Option<Credentials>,
    /// `crc32c`, `none`, or what the client prefers. Only QEMU's can be told.
    pub header_digest: Option<&'static str>,
    /// Opened for reading only. Only QEMU's make a difference.
    pub read_only: bool,
}

impl Client {
    /// An initiator without credentials.
    #[must_use]
    pub fn new(portal: SocketAddr, target: &str, lun: u16, initiator: &str) -> Self {
        let (target, initiator) = (target.to_owned(), initiator.to_owned());
        let (chap, mutual, header_digest, read_only) = (None, None, None, false);
        Self { portal, target, lun, initiator, chap, mutual, header_digest, read_only }
    }

    /// With credentials.
    #[must_use]
    pub fn chap(self, userid: &'static str, password: &'static str) -> Self {
        Self { chap: Some(Credentials { userid, password }), ..self }
    }

    /// With credentials of the target's.
    #[must_use]
    pub fn mutual(self, userid: &'static str, password: &'static str) -> Self {
        Self { mutual: Some(Credentials { userid, password }), ..self }
    }

    /// For reading only.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// With or without digests of headers.
    #[must_use]
    pub fn header_digest(self, digest: &'static str) -> Self {
        Self { header_digest: Some(digest), ..self }
    }

    /// `iscsi://PORTAL/IQN/LUN`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("iscsi://{}/{}/{}", self.portal, self.target, self.lun)
    }

    /// One of libiscsi's tools, on this LUN.
    #[must_use]
    pub fn tool(&self, name: &str, arguments: &[&str]) -> tools::Output {
        self.on(name, arguments, &self.url())
    }

    /// One of libiscsi's tools, on the portal: `iscsi-ls`.
    #[must_use]
    pub fn discover(&self) -> tools::Output {
        self.on("iscsi-ls", &[], &format!("iscsi://{}/", self.portal))
    }

    fn on(&self, name: &str, arguments: &[&str], url: &str) -> tools::Output {
        let mut command = tools::command(name);
        command.args(["-i", &self.initiator]).args(arguments).arg(url);
        for (variables, credentials) in [
            (["LIBISCSI_CHAP_USERNAME", "LIBISCSI_CHAP_PASSWORD"], self.chap),
            (["LIBISCSI_CHAP_TARGET_USERNAME", "LIBISCSI_CHAP_TARGET_PASSWORD"], self.mutual),
        ] {
            if let Some(Credentials { userid, password }) = credentials {
                command.env(variables[0], userid).env(variables[1], password);
            }
        }
        tools::output(&mut command, CLIENT)
    }

    /// The size in bytes that the LUN says it has.
    ///
    /// # Panics
    /// When it does not say.
    #[must_use]
    #[track_caller]
    pub fn size(&self) -> u64 {
        let output = self.tool("iscsi-readcapacity16", &["-s"]);
        output.stdout.trim().parse().unwrap_or_else(|_| panic!("{self:?}\n{output:#?}"))
    }

    /// What QEMU's tools are to open, and the secrets they need for it.
    fn qemu_options(&self) -> (String, Vec<String>) {
        let Self { portal, target, lun, initiator, .. } = self;
        let mut options = format!(
            "driver=iscsi,transport=tcp,portal={portal},target={target},lun={lun},initiator-name={initiator}"
        );
        let mut objects = Vec::new();
        if let Some(Credentials { userid, password }) = self.chap {
            options.push_str(&format!(",user={userid},password-secret=chap"));
            objects.extend(["--object".to_owned(), format!("secret,id=chap,data={password}")]);
        }
        if let Some(digest) = self.header_digest {
            options.push_str(&format!(",header-digest={digest}"));
        }
        if self.read_only {
            options.push_str(",read-only=on");
        }
        (options, objects)
    }

    /// Commands of `qemu-io`, on this LUN.
    #[must_use]
    pub fn qemu_io(&self, commands: &[&str]) -> tools::Output {
        tools::output(&mut self.qemu_io_command(commands), CLIENT)
    }

    /// The same, still running.
    #[must_use]
    pub fn start_qemu_io(&self, commands: &[&str]) -> Watched {
        Watched::start(self.qemu_io_command(commands).stdin(Stdio::null()), CLIENT)
    }

    fn qemu_io_command(&self, commands: &[&str]) -> Command {
        let (options, objects) = self.qemu_options();
        let mut command = tools::command("qemu-io");
        command.args(objects).args(self.read_only.then_some("-r"));
        command.args(commands.iter().flat_map(|each| ["-c", each]));
        command.args(["--image-opts", &options]);
        command
    }

    /// Writes a file of raw data to the LUN, from its beginning.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn write_all_of(&self, file: &Path) {
        let (options, objects) = self.qemu_options();
        let source = format!("driver=raw,file.driver=file,file.filename={}", file.display());
        let mut command = tools::command("qemu-img");
        command.arg("convert").args(objects).args(["-n", "--image-opts"]);
        command.args(["--target-image-opts", &source, &options]);
        let output = tools::output(&mut command, CLIENT);
        assert!(output.good, "{self:?}\n{output:#?}");
    }

    /// Reads the whole LUN into a file of raw data.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn read_all_into(&self, file: &Path) -> PathBuf {
        let (options, objects) = self.qemu_options();
        let mut command = tools::command("qemu-img");
        command.arg("convert").args(objects).args(["--image-opts", "-O", "raw", &options]);
        let output = tools::output(command.arg(file), CLIENT);
        assert!(output.good, "{self:?}\n{output:#?}");
        file.to_owned()
    }
}

/// What lunlab's own initiator made of a job.
#[derive(Debug)]
pub struct Ours {
    /// The exit code of its process.
    pub code: Option<i32>,
    /// What it reported, a JSON object each.
    pub reports: Vec<Value>,
}

impl Ours {
    /// Gives one job to lunlab's initiator, in a process of its own.
    ///
    /// # Panics
    /// When it cannot be started, or reports what is not JSON.
    #[must_use]
    pub fn run(job: &Value) -> Self {
        let mut stdin = tempfile::tempfile().expect("make a file");
        writeln!(stdin, "{job}").and_then(|()| stdin.rewind()).expect("write the job");
        let mut command = Command::new(crate::program());
        let mut child = Watched::start(command.arg("initiator").stdin(stdin), CLIENT);
        let code = child.wait().code();
        let text = child.stdout.text();
        let report = |line| serde_json::from_str(line).expect("a report is JSON");
        Self { code, reports: text.lines().map(report).collect() }
    }

    /// The last of its reports of this kind.
    #[must_use]
    pub fn report(&self, kind: &str) -> Option<&Value> {
        self.reports.iter().rfind(|report| report["report"] == kind)
    }

    /// Asserts that the job failed, and that what it says has these parts.
    ///
    /// # Panics
    /// When it did not, or has not.
    #[track_caller]
    pub fn failed(&self, parts: &[&str]) {
        let failed = self.report("failed").unwrap_or_else(|| panic!("{self:#?}"));
        let said = ["attempted", "cause", "hint"].map(|key| failed[key].as_str().unwrap_or(""));
        let said = said.join("; ");
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} not in: {said}");
    }

    /// Asserts that the job was done.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn done(&self) -> &Self {
        assert!(self.code == Some(0) && self.report("done").is_some(), "{self:#?}");
        self
    }
}
