//! What the two sides say: one [`Job`] or [`Report`] per line, as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::access::{Chap, Digest, Secret, mask};

/// Longest line either side accepts, its newline included.
pub const MAX_LINE: usize = 64 * 1024;

/// Longest name of a target or an initiator, in bytes.
const NAME_MAX: usize = 223;

/// One thing to do, on the child's stdin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Discover, log in, compare sizes, write and read back.
    Check(Check),
    /// Verified random reads at a queue depth.
    Randread(Randread),
    /// The workload `storage`.
    Storage(Storage),
    /// Nothing: what the job before let stay ends.
    LogOut,
}

impl Job {
    /// Every secret it carries.
    fn secrets(&self) -> Vec<Secret> {
        let (target, discovery) = match self {
            Self::Check(check) => (check.target.chap.as_ref(), check.discovery_chap.as_ref()),
            Self::Randread(randread) => (randread.target.chap.as_ref(), None),
            Self::Storage(storage) => (storage.target.chap.as_ref(), None),
            Self::LogOut => (None, None),
        };
        let all = target.into_iter().chain(discovery);
        all.flat_map(Chap::secrets).cloned().collect()
    }
}

/// Discovery, login, and for each LUN: identity, size, whether it may be written, and blocks
/// written and read back. It sees a target as one initiator does: where several are to see
/// different things, or there are several targets, TPGs or portals, each has a check of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Where the target is.
    pub target: Endpoint,
    /// Credentials for discovery, which LIO keeps apart from those of targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_chap: Option<Chap>,
    /// The address that SendTargets must name, where it is not the one we come by: behind a
    /// forwarded port the target knows another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<SocketAddr>,
    /// Tag of the TPG that SendTargets must name with our portal; absent, any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<u16>,
    /// The LUNs this initiator must see: these and no others.
    pub luns: Vec<ExpectedLun>,
    /// Logical blocks written and read back on each LUN: first, last, middle and random ones.
    #[serde(default = "default_positions")]
    pub positions: u32,
    /// Seed of the random positions and of the stamps; drawn when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How long each phase may take.
    #[serde(default)]
    pub limits: Limits,
}

impl Check {
    /// A check of these LUNs with the defaults for all else.
    pub fn new(target: Endpoint, luns: Vec<ExpectedLun>) -> Self {
        Self {
            target,
            discovery_chap: None,
            announced: None,
            tag: None,
            luns,
            positions: default_positions(),
            seed: None,
            limits: Limits::default(),
        }
    }
}

/// Random reads, each compared with what was written to that address first, where that may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Randread {
    /// Where the target is.
    pub target: Endpoint,
    /// The LUN to read; its first `region_bytes` are overwritten, unless `contents` has it otherwise.
    pub lun: u16,
    /// What may be done to what is on it; only if it is disposable are reads compared.
    #[serde(default)]
    pub contents: Contents,
    /// Bytes per read, a multiple of the LUN's logical block.
    pub block_size: u32,
    /// Reads in flight, 1 to 1024.
    pub queue_depth: u32,
    /// Measured seconds, after the warm-up.
    pub seconds: f64,
    /// Unmeasured seconds before that.
    #[serde(default = "default_warmup")]
    pub warmup_seconds: f64,
    /// Intervals the measured time is cut into, 1 to 1000.
    #[serde(default = "default_samples")]
    pub samples: u32,
    /// Bytes from the start of the LUN that are stamped and read, a multiple of `block_size`; when
    /// absent, as much as there is, at most 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_bytes: Option<u64>,
    /// Seed of the addresses and of the stamps; drawn when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether the session stays until the next job, for the target's side of it to be looked at.
    #[serde(default)]
    pub stay: bool,
    /// How long each phase may take.
    #[serde(default)]
    pub limits: Limits,
}

/// The workload `storage`, with the parameters it has in a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Where the target is.
    pub target: Endpoint,
    /// The LUN to use; it is written to where the parameters have it so.
    pub lun: u16,
    /// The parameters of `lunlab_bench::storage`, as texts: bytes, milliseconds, words.
    pub values: BTreeMap<String, String>,
    /// Whether the session stays until the next job, for the target's side of it to be looked at.
    #[serde(default)]
    pub stay: bool,
    /// How long each phase may take.
    #[serde(default)]
    pub limits: Limits,
}

fn default_positions() -> u32 {
    64
}

fn default_warmup() -> f64 {
    0.5
}

fn default_samples() -> u32 {
    20
}

/// A portal, a target behind it, and the name to log in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Address and port.
    pub portal: SocketAddr,
    /// Name of the target.
    pub iqn: String,
    /// Name of the initiator.
    #[serde(default = "default_initiator")]
    pub initiator: String,
    /// Credentials to log in with; absent, the login offers no authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chap: Option<Chap>,
    /// Digest of headers.
    #[serde(default, skip_serializing_if = "Digest::is_any")]
    pub header_digest: Digest,
    /// Digest of data; [`Digest::Crc32c`] needs a libiscsi that has it ([`super::Loaded`] knows).
    #[serde(default, skip_serializing_if = "Digest::is_any")]
    pub data_digest: Digest,
}

impl Endpoint {
    /// A target that wants no credentials, to be logged in to under our own name.
    pub fn new(portal: SocketAddr, iqn: impl Into<String>) -> Self {
        Self {
            portal,
            iqn: iqn.into(),
            initiator: default_initiator(),
            chap: None,
            header_digest: Digest::Any,
            data_digest: Digest::Any,
        }
    }

    /// Refuses names that no target can have (RFC 7143 4.2.7): they would be cut or misread on the
    /// way.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for (what, name) in [("target", &self.iqn), ("initiator", &self.initiator)] {
            if !(1..=NAME_MAX).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_graphic())
            {
                let cause = format!("it has not 1 to {NAME_MAX} printable ASCII characters");
                let attempted = format!("use the {what}'s name");
                return Err(Failure::new(FailureKind::Usage, attempted, cause));
            }
        }
        self.chap.as_ref().map_or(Ok(()), Chap::check)
    }
}

/// The name lunlab's own initiator logs in with.
pub const DEFAULT_NAME: &str = "iqn.2026-01.org.lunlab:initiator";

fn default_initiator() -> String {
    DEFAULT_NAME.to_owned()
}

/// A LUN that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLun {
    /// Logical unit number.
    pub lun: u16,
    /// Its exact size in bytes.
    pub bytes: u64,
    /// Whether it must be write-protected; nothing is written to it then.
    #[serde(default)]
    pub read_only: bool,
    /// What may be done to what is on it.
    #[serde(default)]
    pub contents: Contents,
    /// Whether it is accessible; one whose ALUA state is standby, say, must answer that it is not
    /// ready, and that is all that is looked at.
    #[serde(default = "yes")]
    pub ready: bool,
    /// The unit serial number it must have; absent, any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

fn yes() -> bool {
    true
}

impl ExpectedLun {
    /// A LUN that may be written to, and whose contents are nobody's.
    pub fn new(lun: u16, bytes: u64) -> Self {
        let (read_only, contents) = (false, Contents::default());
        Self { lun, bytes, read_only, contents, ready: true, serial: None }
    }

    /// Why what is read there is not compared with what was written; `None` when it is.
    pub(super) fn uncompared(&self) -> Option<Uncompared> {
        if self.read_only { Some(Uncompared::ReadOnly) } else { self.contents.uncompared() }
    }
}

/// What may be done to the contents of a LUN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contents {
    /// Blocks are overwritten, and compared with what was written.
    #[default]
    Disposable,
    /// They are somebody's: nothing is written.
    Kept,
    /// It keeps nothing (a null block device without memory): blocks are written and read, but not
    /// compared.
    Nothing,
}

impl Contents {
    pub(super) fn uncompared(self) -> Option<Uncompared> {
        match self {
            Self::Disposable => None,
            Self::Kept => Some(Uncompared::Kept),
            Self::Nothing => Some(Uncompared::Nothing),
        }
    }
}

/// Why the blocks of a LUN were read but not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncompared {
    /// It is write-protected, as it should be.
    ReadOnly,
    /// Its contents are to be kept.
    Kept,
    /// It keeps nothing of what is written.
    Nothing,
    /// It is not ready, as it should be.
    NotReady,
}

impl fmt::Display for Uncompared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read but not written: it is read-only",
            Self::Kept => "read but not written: its contents are kept",
            Self::NotReady => "read: it is not ready, as its access state has it",
            Self::Nothing => "written and read but not compared: it keeps no data",
        })
    }
}

/// Deadlines of the phases, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Until the portal accepts the TCP connection.
    pub connect_ms: u64,
    /// From there until the login is through.
    pub login_ms: u64,
    /// Until SendTargets is answered.
    pub discovery_ms: u64,
    /// Until a command is answered; with several in flight, until any is.
    pub command_ms: u64,
    /// Until the logout is answered.
    pub logout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            login_ms: 10_000,
            discovery_ms: 10_000,
            command_ms: 20_000,
            logout_ms: 5_000,
        }
    }
}

/// What happened, on the child's stdout. Times in `ms` count from the arrival of the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The library is loaded and jobs are awaited.
    Ready {
        /// The file libiscsi was loaded from.
        library: String,
        /// Whether that library can ask for data digests.
        #[serde(default)]
        data_digest: bool,
    },
    /// The login was answered with success.
    LoggedIn {
        /// When.
        ms: f64,
        /// When, on CLOCK_MONOTONIC, which all processes of this host share.
        monotonic_ns: u64,
        /// Of that, until the portal had accepted the connection.
        connect_ms: f64,
    },
    /// SendTargets listed the target at the portal we came by.
    Discovered {
        /// When.
        ms: f64,
        /// What this took, its own connection and login included.
        took_ms: f64,
        /// Targets listed.
        targets: u32,
        /// Portals listed for our target.
        portals: Vec<String>,
    },
    /// A LUN answers, is ready, and has the size asked for.
    Capacity {
        /// When.
        ms: f64,
        /// Logical unit number.
        lun: u16,
        /// Size in bytes.
        bytes: u64,
        /// Bytes per logical block.
        block_len: u32,
        /// INQUIRY's vendor, product and revision.
        identity: String,
    },
    /// Stamped blocks came back as they were written.
    Verified {
        /// When.
        ms: f64,
        /// Logical unit number.
        lun: u16,
        /// Logical blocks compared.
        blocks: u64,
        /// Bytes compared.
        bytes: u64,
    },
    /// Blocks were read, or written and read, but there was nothing to compare.
    Uncompared {
        /// When.
        ms: f64,
        /// Logical unit number.
        lun: u16,
        /// Logical blocks read.
        blocks: u64,
        /// Why.
        because: Uncompared,
    },
    /// The region of a benchmark is written.
    Stamped {
        /// When.
        ms: f64,
        /// Bytes written.
        bytes: u64,
        /// What the writing took.
        took_ms: f64,
    },
    /// One interval of a benchmark.
    Sample {
        /// From 0.
        index: u32,
        /// Reads completed per second.
        iops: f64,
    },
    /// A benchmark is through.
    Measured(Measured),
    /// A workload that also runs in guests tells what it would tell there.
    Told(Telling),
    /// The job ended well.
    Done {
        /// When.
        ms: f64,
    },
    /// The job ended here.
    Failed(Failure),
}

/// What a workload tells; `lunlab_protocol::event::Event` has the same from a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Telling {
    /// A number.
    Sample {
        /// What was measured.
        series: String,
        /// Its unit.
        unit: String,
        /// The number.
        value: f64,
    },
    /// Something that is no sample.
    Finding {
        /// What it is.
        name: String,
        /// What was found.
        text: String,
    },
    /// Requests whose latency lay in one bucket of a histogram.
    Bucket {
        /// Which requests.
        series: String,
        /// The bucket's upper end in nanoseconds.
        up_to_ns: u64,
        /// How many requests.
        count: u64,
    },
    /// What the machine was like.
    Gauge {
        /// What of it.
        name: String,
        /// Whether it was read after the workload, or else before it.
        after: bool,
        /// What it was.
        value: f64,
    },
    /// How far it is.
    Progress {
        /// Of a thousand.
        permille: u32,
        /// What is left, in milliseconds.
        left_ms: u64,
    },
}

/// Result of a [`Randread`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Reads completed in the measured time; each was verified.
    pub reads: u64,
    /// The measured time.
    pub seconds: f64,
    /// Reads per second.
    pub iops: f64,
    /// Megabytes (10^6) per second.
    pub mb_per_s: f64,
    /// From issuing a read to its completion.
    pub latency: Latency,
    /// Reads per second in each interval.
    pub samples: Vec<f64>,
    /// Bytes of the region read.
    pub region_bytes: u64,
    /// Seed that reproduces addresses and stamps.
    pub seed: u64,
}

/// Percentiles in microseconds, from a histogram of nanoseconds with three significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub min_us: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
}

/// Why a job, or the child itself, could not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of end this is.
    pub kind: FailureKind,
    /// What was attempted, on what: `log in to iqn… at 127.0.0.1:3260`.
    pub attempted: String,
    /// Why it did not work.
    pub cause: String,
    /// Status class and detail of a refused login (RFC 7143 11.13.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_status: Option<u16>,
    /// A way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Sorts failures by what they say about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The host lacks something: libiscsi.
    Environment,
    /// The job itself makes no sense.
    Usage,
    /// The connection was refused or lost.
    Connection,
    /// The target refused the login.
    Login,
    /// SendTargets does not list what it should.
    Discovery,
    /// A command ended with another status than GOOD.
    Command,
    /// A LUN is missing, or is not what was asked for.
    Lun,
    /// A block is not what was written.
    Mismatch,
    /// The target went silent.
    Timeout,
    /// The other side of our own pipes is gone.
    Stopped,
}

impl Failure {
    /// A failure without hint or status.
    pub fn new(kind: FailureKind, attempted: impl Into<String>, cause: impl Into<String>) -> Self {
        let (attempted, cause) = (attempted.into(), cause.into());
        Self { kind, attempted, cause, login_status: None, hint: None }
    }

    /// The same with a way out.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same without the secrets of the job, which the library or the target may have quoted.
    pub(super) fn without_secrets(self, job: &Job) -> Self {
        let secrets = job.secrets();
        let masked = |text: &String| mask(text, &secrets);
        let (attempted, cause) = (masked(&self.attempted), masked(&self.cause));
        Self { attempted, cause, hint: self.hint.as_ref().map(masked), ..self }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.attempted, self.cause)
    }
}

impl std::error::Error for Failure {}

/// Milliseconds down to the microsecond, as reports have them.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1000.0
}

/// Why a line could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// More than [`MAX_LINE`] bytes came without a newline.
    #[error("a line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// The other side stopped in the middle of a line.
    #[error("the last line is cut short after {0} bytes")]
    CutShort(usize),
    /// The line is not what was expected.
    #[error("`{excerpt}` is not understood: {cause}")]
    Garbage {
        /// The beginning of the line, escaped.
        excerpt: String,
        /// The parser's words.
        cause: String,
    },
}

/// Reads one message; `None` at the end of the stream. Never holds more than [`MAX_LINE`] bytes.
pub(super) fn read_message<T: DeserializeOwned>(
    from: &mut impl BufRead,
) -> Result<Option<T>, LineError> {
    let mut line = Vec::new();
    from.take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => parse(&line).map(Some),
        Some(_) if line.len() == MAX_LINE => Err(LineError::TooLong),
        Some(_) => Err(LineError::CutShort(line.len())),
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    serde_json::from_slice(line).map_err(|cause| {
        let text = String::from_utf8_lossy(line);
        // the parser may quote a value, and cannot know which are secrets
        if text.contains("password") {
            let cause = format!("wrong at its byte {}", cause.column());
            return LineError::Garbage { excerpt: "a line with a password".to_owned(), cause };
        }
        let excerpt = text.trim_end().chars().take(80).flat_map(char::escape_debug).collect();
        LineError::Garbage { excerpt, cause: cause.to_string() }
    })
}

/// One message as a line.
pub(super) fn to_line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    if line.len() > MAX_LINE {
        return Err(io::Error::other(LineError::TooLong));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initiator::access::Mutual;

    fn endpoint() -> Endpoint {
        Endpoint::new("127.0.0.1:3260".parse().unwrap(), "iqn.2020-01.org.example:t")
    }

    const CANARY: &str = "canary-51c0ffee";

    fn protected() -> Endpoint {
        let password = Secret::new(CANARY);
        let mutual =
            Some(Mutual { userid: "t".into(), password: Secret::new(format!("{CANARY}2")) });
        Endpoint {
            initiator: "iqn.x:i".into(),
            chap: Some(Chap { userid: "u".into(), password, mutual }),
            header_digest: Digest::Crc32c,
            data_digest: Digest::None,
            ..endpoint()
        }
    }

    fn latency() -> Latency {
        let us = 12.5;
        Latency {
            min_us: us,
            mean_us: us,
            p50_us: us,
            p90_us: us,
            p99_us: us,
            p999_us: us,
            p9999_us: us,
            max_us: us,
        }
    }

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(messages: &[T]) {
        let stream: Vec<u8> = messages.iter().flat_map(|m| to_line(m).unwrap()).collect();
        let mut from = stream.as_slice();
        for message in messages {
            assert_eq!(read_message::<T>(&mut from).unwrap().as_ref(), Some(message));
        }
        assert!(read_message::<T>(&mut from).unwrap().is_none());
    }

    #[test]
    fn jobs_survive_the_wire() {
        let kept = ExpectedLun {
            contents: Contents::Kept,
            serial: Some("s".into()),
            ..ExpectedLun::new(1, 512)
        };
        let luns = vec![ExpectedLun { read_only: true, ..ExpectedLun::new(255, u64::MAX) }, kept];
        let (target, limits) = (protected(), Limits { connect_ms: 1, ..Limits::default() });
        round_trip(&[
            Job::Check(Check {
                discovery_chap: target.chap.clone(),
                announced: Some("[::1]:1".parse().unwrap()),
                tag: Some(65_535),
                positions: 3,
                seed: Some(u64::MAX),
                limits,
                ..Check::new(target.clone(), luns)
            }),
            Job::Randread(Randread {
                target,
                lun: 0,
                contents: Contents::Nothing,
                block_size: 4096,
                queue_depth: 32,
                seconds: 2.5,
                warmup_seconds: 0.25,
                samples: 10,
                region_bytes: Some(1 << 40),
                seed: None,
                stay: true,
                limits,
            }),
            Job::LogOut,
        ]);
    }

    #[test]
    fn reports_survive_the_wire() {
        let failure = Failure::new(FailureKind::Login, "log in", "no\nwith \"quotes\"");
        round_trip(&[
            Report::Ready { library: "/usr/lib/libiscsi.so.7".into(), data_digest: true },
            Report::Uncompared { ms: 4.0, lun: 1, blocks: 3, because: Uncompared::Nothing },
            Report::LoggedIn { ms: 1.5, monotonic_ns: u64::MAX, connect_ms: 0.1 },
            Report::Discovered { ms: 2.0, took_ms: 0.5, targets: 1, portals: vec!["a".into()] },
            Report::Capacity {
                ms: 3.0,
                lun: 1,
                bytes: 512,
                block_len: 512,
                identity: "LIO".into(),
            },
            Report::Verified { ms: 4.0, lun: 1, blocks: 64, bytes: 32768 },
            Report::Stamped { ms: 5.0, bytes: 1 << 24, took_ms: 7.0 },
            Report::Sample { index: 19, iops: 4321.0 },
            Report::Measured(Measured {
                reads: 5,
                seconds: 5.0,
                iops: 1.0,
                mb_per_s: 0.004_096,
                latency: latency(),
                samples: vec![0.0, 1.0 / 3.0],
                region_bytes: 1 << 24,
                seed: 7,
            }),
            Report::Done { ms: 6.0 },
            Report::Failed(Failure { login_status: Some(0x0301), ..failure.clone() }),
            Report::Failed(failure.with_hint("try again")),
        ]);
    }

    #[test]
    fn the_documented_short_form_has_defaults() {
        let line = br#"{"job":"randread","target":{"portal":"[::1]:3260","iqn":"iqn.x"},
            "lun":0,"block_size":4096,"queue_depth":32,"seconds":5}"#;
        let Job::Randread(job) = parse(line).unwrap() else { panic!("not a randread") };
        assert_eq!((job.samples, job.warmup_seconds, job.region_bytes), (20, 0.5, None));
        assert_eq!((job.target.initiator, job.limits), (default_initiator(), Limits::default()));
    }

    #[test]
    fn unknown_keys_and_jobs_are_refused() {
        for line in [
            r#"{"job":"format"}"#,
            r#"{"job":"check","target":{"portal":"127.0.0.1:1","iqn":"i"},"luns":[],"spred":1}"#,
            r#"{"job":"check","target":{"portal":"localhost:1","iqn":"i"},"luns":[]}"#,
            "",
            "\u{1b}[2J",
        ] {
            let error = parse::<Job>(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("not understood") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_job_shows_its_secrets_nowhere_but_in_its_line() {
        let mut check = Check::new(protected(), Vec::new());
        check.discovery_chap = protected().chap;
        let job = Job::Check(check);
        assert!(!format!("{job:?} {job:#?}").contains("canary"));
        assert_eq!(job.secrets().len(), 4);
        let line = String::from_utf8(to_line(&job).unwrap()).unwrap();
        assert_eq!(line.matches(CANARY).count(), 4, "{line}");
        let failure = Failure::new(FailureKind::Login, "log in", format!("no {CANARY}2 here"))
            .with_hint(format!("is it {CANARY}?"))
            .without_secrets(&job);
        let shown = format!("{failure} {failure:?} {}", failure.hint().unwrap());
        assert!(shown.contains("***") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_line_with_a_password_is_not_quoted() {
        let line =
            String::from_utf8(to_line(&Job::Check(Check::new(protected(), vec![]))).unwrap());
        let line = line.unwrap();
        let swapped = line.replace("\"userid\":\"u\"", &format!("\"userid\":[\"{CANARY}\"]"));
        let unknown = line.replace("\"luns\"", &format!("\"{CANARY}\""));
        let cut = line[..line.len() - 4].to_owned();
        for bad in [swapped, unknown, cut, line.replace("\"job\"", "\"jib\"")] {
            let error = parse::<Job>(bad.as_bytes()).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("password") && !shown.contains("canary"), "{shown}");
        }
    }

    #[test]
    fn names_no_target_can_have_are_refused() {
        assert_eq!(endpoint().check(), Ok(()));
        for name in ["", "a b", "a\0b", "ä", &"x".repeat(224)] {
            let bad = Endpoint { iqn: name.to_owned(), ..endpoint() };
            assert_eq!(bad.check().unwrap_err().kind, FailureKind::Usage, "{name:?}");
            let bad = Endpoint { initiator: name.to_owned(), ..endpoint() };
            assert!(bad.check().unwrap_err().attempted.contains("initiator"));
        }
    }

    #[test]
    fn lines_are_bounded() {
        let mut endless = io::repeat(b'x');
        let mut from = io::BufReader::new(&mut endless);
        assert!(matches!(read_message::<Report>(&mut from), Err(LineError::TooLong)));
        let samples = vec![0.123_456_789; 10_000];
        let too_much = to_line(&samples).unwrap_err();
        assert!(too_much.to_string().contains("longer than 65536 bytes"), "{too_much}");
    }

    #[test]
    fn a_cut_last_line_is_no_message() {
        let mut from = br#"{"report":"done","ms":1.0}"#.as_slice();
        assert!(matches!(read_message::<Report>(&mut from), Err(LineError::CutShort(26))));
    }
}
