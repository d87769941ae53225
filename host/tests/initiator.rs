//! The initiator against portals that misbehave: each phase has its deadline and its words.
//!
//! The real child with the real libiscsi; the other side is a script of what to send when. How it does
//! against a real target is tested where one is booted.

#![expect(clippy::unwrap_used, reason = "a test: ends where it fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lunlab::initiator::{
    Chap, Check, Digest, Endpoint, ExpectedLun, Failure, FailureKind, Initiator, InitiatorError,
    Job, Limits, Mutual, Report, Secret,
};

const LONG: Duration = Duration::from_secs(30);
const HEADER: usize = 48;

/// The child's program: lunlab's hidden subcommand.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunlab"));
    command.arg("initiator");
    command
}

/// The child, ready.
fn initiator() -> Initiator {
    let mut initiator = Initiator::spawn(&mut program()).unwrap();
    let loaded = initiator.ready(LONG).unwrap();
    assert!(loaded.library.contains("libiscsi.so"), "{loaded:?}");
    initiator
}

/// A portal that lets `answer` have each connection, until the test ends.
fn portal(mut answer: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(&mut answer));
    address
}

/// Reads one PDU; gives its header.
fn read_pdu(stream: &mut TcpStream) -> Option<[u8; HEADER]> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).ok()?;
    let len = usize::from(header[6]) << 8 | usize::from(header[7]);
    let mut data = vec![0; len.next_multiple_of(4)];
    stream.read_exact(&mut data).ok()?;
    Some(header)
}

/// Answers a login with a status; 0 is success (RFC 7143 11.13).
fn answer_login(stream: &mut TcpStream, status: u16) {
    let request = read_pdu(stream).unwrap();
    assert_eq!(request[0] & 0x3f, 0x03, "a login request");
    let mut response = [0; HEADER];
    response[0] = 0x23;
    response[1] = if status == 0 { 0x87 } else { 0 };
    response[16..20].copy_from_slice(&request[16..20]);
    response[28..32].copy_from_slice(&request[24..28]);
    response[32..36].copy_from_slice(&request[24..28]);
    response[36..38].copy_from_slice(&status.to_be_bytes());
    stream.write_all(&response).unwrap();
}

/// Holds a connection until the other side lets go.
fn stay_silent(mut stream: TcpStream) {
    while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
}

fn check(portal: SocketAddr) -> Job {
    Job::Check(check_of(Endpoint::new(portal, "iqn.2020-01.org.example:t")))
}

fn check_of(target: Endpoint) -> Check {
    Check {
        positions: 1,
        seed: Some(1),
        limits: Limits { login_ms: 200, discovery_ms: 200, command_ms: 200, ..Limits::default() },
        ..Check::new(target, vec![ExpectedLun::new(0, 1 << 20)])
    }
}

fn randread(portal: SocketAddr) -> Job {
    let Job::Check(Check { target, limits, .. }) = check(portal) else { unreachable!() };
    let line = format!(
        r#"{{"job":"randread","target":{},"limits":{},"lun":0,"block_size":512,"queue_depth":1,"seconds":1}}"#,
        serde_json::to_string(&target).unwrap(),
        serde_json::to_string(&limits).unwrap(),
    );
    serde_json::from_str(&line).unwrap()
}

/// What the child says about this job, and its failure.
fn fail(job: &Job) -> (Vec<Report>, Failure) {
    let mut seen = Vec::new();
    let result = initiator().run(job, LONG, |received| {
        seen.extend(received.map(|received| received.report.clone()));
        ControlFlow::Continue(())
    });
    match result {
        Err(InitiatorError::Failed(failure)) => (seen, failure),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_connection_is_named() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, failure) = fail(&check(unused));
    assert_eq!(failure.kind, FailureKind::Connection);
    assert_eq!(failure.attempted, format!("connect to {unused}"));
    assert!(failure.cause.contains("Connection refused"), "{failure}");
}

#[test]
fn a_portal_silent_in_login_runs_into_the_deadline() {
    let (_, failure) = fail(&check(portal(stay_silent)));
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.cause, "timed out after 0.2 s waiting for the answer to the login");
}

#[test]
fn a_portal_that_closes_in_login_is_a_lost_connection() {
    let address = portal(|mut stream| {
        read_pdu(&mut stream);
    });
    let (_, failure) = fail(&check(address));
    assert_eq!(failure.kind, FailureKind::Connection);
    assert_eq!(failure.cause, "the target closed the connection");
}

#[test]
fn garbage_in_login_does_not_get_through() {
    let address = portal(|mut stream| {
        read_pdu(&mut stream);
        stream.write_all(&[0xff; 4096]).ok();
        stay_silent(stream);
    });
    let (seen, failure) = fail(&check(address));
    assert!(!seen.iter().any(|report| matches!(report, Report::LoggedIn { .. })), "{seen:?}");
    assert_eq!(failure.kind, FailureKind::Connection, "{failure}");
}

#[test]
fn refused_logins_are_told_in_words() {
    for (status, words) in [
        (0x0201, "authentication failed (login status 0x0201)"),
        (0x0202, "the initiator is not allowed to log in (login status 0x0202)"),
        (0x0203, "there is no such target (login status 0x0203)"),
        (0x0301, "service unavailable (login status 0x0301)"),
        (0x0302, "the target is out of resources (login status 0x0302)"),
    ] {
        let address = portal(move |mut stream| {
            answer_login(&mut stream, status);
            stay_silent(stream);
        });
        let (_, failure) = fail(&check(address));
        assert_eq!((failure.kind, failure.cause.as_str()), (FailureKind::Login, words));
        assert_eq!(failure.login_status, Some(status));
        assert!(failure.hint().is_some());
    }
}

/// Lets everyone in, and then says nothing.
fn mute_target() -> SocketAddr {
    portal(|mut stream| {
        // discovery comes while the first session is still open
        thread::spawn(move || {
            answer_login(&mut stream, 0);
            stay_silent(stream);
        });
    })
}

#[test]
fn secrets_are_in_the_job_and_nowhere_else() {
    const CANARY: &str = "canary-8d1f";
    let (pdus, seen) = std::sync::mpsc::channel();
    let address = portal(move |mut stream| {
        let mut request = [0; 4096];
        let len = stream.read(&mut request).unwrap();
        pdus.send(request[..len].to_vec()).ok();
        stay_silent(stream);
    });
    let mutual = Some(Mutual { userid: "target".into(), password: Secret::new(CANARY) });
    let chap = Chap { userid: "user".into(), password: Secret::new(CANARY), mutual };
    let target = Endpoint::new(address, "iqn.2020-01.org.example:t");
    let job = Job::Check(check_of(Endpoint { chap: Some(chap), ..target }));
    let mut child = initiator();
    let id = child.id();
    let failure = child.run(&job, LONG, |_| ControlFlow::Continue(())).unwrap_err();
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{id}/{file}")).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("initiator") || text.contains("PATH="), "{file} can be read: {text}");
        assert!(!text.contains(CANARY), "{file}");
    }
    // It was used, for CHAP is offered only with credentials, and not sent as it is.
    let sent = seen.recv().unwrap();
    let sent = String::from_utf8_lossy(&sent);
    assert!(sent.contains("AuthMethod=CHAP") && !sent.contains(CANARY), "{sent}");
    assert!(!format!("{failure} {failure:?} {job:?}").contains(CANARY), "{failure:?}");
}

#[test]
fn a_job_that_is_no_job_does_not_show_its_password() {
    let mut child = program();
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let line = br#"{"job":"check","target":{"chap":{"password":{"is":"canary-8d1f"}}}}"#;
    child.stdin.take().unwrap().write_all(&[line.as_slice(), b"\n"].concat()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("read a job") && said.contains("password"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_data_digest_is_asked_for_or_the_library_is_named_that_cannot() {
    let target = Endpoint {
        data_digest: Digest::Crc32c,
        ..Endpoint::new(portal(stay_silent), "iqn.2020-01.org.example:t")
    };
    let loaded = Initiator::spawn(&mut program()).unwrap().ready(LONG).unwrap();
    let (_, failure) = fail(&Job::Check(check_of(target)));
    if loaded.data_digest {
        assert_eq!(failure.kind, FailureKind::Timeout, "{failure}");
    } else {
        assert_eq!(failure.kind, FailureKind::Environment, "{failure}");
        assert!(failure.cause.contains(&loaded.library), "{failure}");
    }
}

#[test]
fn a_login_is_reported_before_discovery_goes_wrong() {
    let (seen, failure) = fail(&check(mute_target()));
    assert!(matches!(seen.first(), Some(Report::LoggedIn { .. })), "{seen:?}");
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.cause, "timed out after 0.2 s waiting for the answer to SendTargets");
}

#[test]
fn a_command_without_an_answer_runs_into_the_deadline() {
    let (_, failure) = fail(&randread(mute_target()));
    assert_eq!(failure.kind, FailureKind::Timeout);
    let words = "INQUIRY on LUN 0: timed out after 0.2 s waiting for the answer to INQUIRY";
    assert_eq!(failure.to_string(), words);
}

#[test]
fn a_target_that_hangs_up_on_a_command_is_a_lost_connection() {
    let address = portal(|mut stream| {
        answer_login(&mut stream, 0);
        read_pdu(&mut stream);
    });
    let (_, failure) = fail(&randread(address));
    assert_eq!(failure.kind, FailureKind::Connection);
    assert_eq!(failure.to_string(), "INQUIRY on LUN 0: the target closed the connection");
}

#[test]
fn one_child_takes_job_after_job() {
    let mut initiator = initiator();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for _ in 0..3 {
        let result = initiator.run(&check(unused), LONG, |_| ControlFlow::Continue(()));
        assert!(matches!(result, Err(InitiatorError::Failed(_))), "{result:?}");
    }
}

#[test]
fn a_child_that_is_told_nonsense_says_so_and_ends() {
    use std::process::Stdio;
    let mut child = program().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"job\":\"format\"}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success());
    let last = text.lines().last().unwrap();
    assert!(last.contains("failed"), "{text}");
    assert!(last.contains("unknown variant"), "{text}");
}

#[test]
fn closing_stdin_ends_a_child_in_the_middle_of_a_job() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let Job::Check(mut job) = check(mute_target()) else { unreachable!() };
    job.limits = Limits { discovery_ms: 600_000, ..Limits::default() };
    let mut child = program().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut line = serde_json::to_vec(&Job::Check(job)).unwrap();
    line.push(b'\n');
    stdin.write_all(&line).unwrap();
    let mut reports = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(reports.by_ref().map_while(Result::ok).any(|line| line.contains("logged_in")));
    drop(stdin);
    let last = reports.map_while(Result::ok).last().unwrap();
    assert!(last.contains("stopped"), "{last}");
    assert!(!child.wait().unwrap().success());
}
