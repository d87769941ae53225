//! A connection to a portal that waits: every step has a deadline and says what it waited for.

use std::ffi::c_int;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::access::{Chap, Digest};
use super::ffi::{
    Completion, DiscoveredTarget, Event, Library, Refusal, Session, SessionType, Terms,
};
use super::job::{Endpoint, Failure, FailureKind, Limits};
use super::login_status;
use super::padding::Filter;
use super::scsi::Command;

/// A session that is logged in.
pub(super) struct Link {
    session: Session,
    /// While a login with CHAP lasts.
    filter: Option<Filter>,
    /// The library's words once the connection is gone.
    lost: Option<String>,
    portal: SocketAddr,
    limits: Limits,
    /// When the portal accepted the connection.
    pub(super) connected: Instant,
    /// When the login was through.
    pub(super) logged_in: Instant,
}

/// One command of a [`Work`].
pub(super) struct Issue {
    pub(super) command: Command,
    /// Bytes of the buffer it uses.
    pub(super) len: usize,
    /// Its first LBA.
    pub(super) lba: u64,
}

/// A command of a [`Work`] has ended well.
pub(super) struct Finished<'b> {
    pub(super) lba: u64,
    /// The whole buffer; what lies beyond the issue's `len` is of no meaning.
    pub(super) buffer: &'b [u8],
    pub(super) submitted: Instant,
    pub(super) completed: Instant,
}

/// Commands to keep in flight.
pub(super) trait Work {
    /// The next command; its data goes into `buffer` now if it is a write. `None`: there are no more.
    fn next(&mut self, buffer: &mut [u8]) -> Option<Issue>;
    /// Takes a result; an error ends the work.
    fn finished(&mut self, finished: &Finished<'_>) -> Result<(), Failure>;
    /// All that had ended at that moment was taken.
    fn looked(&mut self, _now: Instant) {}
}

/// When to stop waiting, and what for.
struct Wait<'w> {
    until: Instant,
    limit_ms: u64,
    kind: FailureKind,
    attempted: &'w str,
    awaited: &'w str,
}

impl<'w> Wait<'w> {
    fn new(limit_ms: u64, kind: FailureKind, attempted: &'w str, awaited: &'w str) -> Self {
        Wait { until: deadline(Instant::now(), limit_ms), limit_ms, kind, attempted, awaited }
    }

    fn failure(&self, cause: impl Into<String>) -> Failure {
        Failure::new(self.kind, self.attempted, cause)
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Said(words) => self.failure(words),
            Refusal::Lost => self.lost(""),
        }
    }

    /// Without words, or when they tell of the library's own reconnecting (which is switched off),
    /// the target simply closed the connection.
    fn lost(&self, words: &str) -> Failure {
        let cause = match words {
            "" => "the target closed the connection",
            words if words.contains("reconnect right now") => "the target closed the connection",
            words => words,
        };
        Failure::new(FailureKind::Connection, self.attempted, cause)
    }

    fn timed_out(&self) -> Failure {
        let seconds = Duration::from_millis(self.limit_ms).as_secs_f64();
        let cause = format!("timed out after {seconds} s waiting for {}", self.awaited);
        Failure::new(FailureKind::Timeout, self.attempted, cause)
    }
}

/// A limit too long for the clock is a day.
fn deadline(from: Instant, limit_ms: u64) -> Instant {
    let day = Duration::from_secs(86_400);
    from.checked_add(Duration::from_millis(limit_ms)).unwrap_or(from + day)
}

/// The target's refusal in words, or ours, where it is the target that did not prove itself.
fn refused_login(wait: &Wait<'_>, refusal: Refusal, chap: Option<&Chap>) -> Failure {
    let mut failure = wait.refused(refusal);
    if let Some(status) = login_status::from_error_text(&failure.cause) {
        failure.cause = format!("{} (login status {status:#06x})", login_status::words(status));
        failure.hint = login_status::hint(status, chap.is_some()).map(str::to_owned);
        failure.login_status = Some(status);
    } else if let Some((cause, hint)) = login_status::unproven(&failure.cause) {
        cause.clone_into(&mut failure.cause);
        failure.hint = Some(hint.to_owned());
    }
    failure
}

impl Link {
    /// Connects and logs in to the target.
    pub(super) fn to_target(
        library: &Library,
        target: &Endpoint,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        target.check()?;
        library.loaded().offers(target.data_digest)?;
        let attempted = format!("log in to {} at {}", target.iqn, target.portal);
        let terms = Terms {
            initiator: &target.initiator,
            session_type: SessionType::Normal { target: &target.iqn },
            chap: target.chap.as_ref(),
            header_digest: target.header_digest,
            data_digest: target.data_digest,
        };
        Self::open(library, target, limits, &terms, &attempted)
    }

    /// Connects and logs in for discovery, whose credentials are its own.
    pub(super) fn for_discovery(
        library: &Library,
        target: &Endpoint,
        chap: Option<&Chap>,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let attempted = format!("log in for discovery at {}", target.portal);
        let terms = Terms {
            initiator: &target.initiator,
            session_type: SessionType::Discovery,
            chap,
            header_digest: Digest::Any,
            data_digest: Digest::Any,
        };
        Self::open(library, target, limits, &terms, &attempted)
    }

    fn open(
        library: &Library,
        target: &Endpoint,
        limits: &Limits,
        terms: &Terms<'_>,
        attempted: &str,
    ) -> Result<Self, Failure> {
        let session = Session::new(library, terms)
            .map_err(|cause| Failure::new(FailureKind::Usage, attempted, cause))?;
        let now = Instant::now();
        let (portal, limits, filter, lost) = (target.portal, *limits, None, None);
        let mut link =
            Self { session, filter, lost, portal, limits, connected: now, logged_in: now };
        link.connect()?;
        link.login(attempted, terms.chap)?;
        Ok(link)
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let attempted = format!("connect to {}", self.portal);
        let awaited = "the portal to accept the connection";
        let kind = FailureKind::Connection;
        let wait = Wait::new(self.limits.connect_ms, kind, &attempted, awaited);
        self.session.connect(self.portal).map_err(|cause| wait.failure(cause))?;
        let outcome = self.until(&wait, |event| match event {
            Event::Connected(outcome) => Some(outcome),
            _ => None,
        })?;
        self.connected = Instant::now();
        outcome.map_err(|refusal| wait.refused(refusal))
    }

    fn login(&mut self, attempted: &str, chap: Option<&Chap>) -> Result<(), Failure> {
        let awaited = "the answer to the login";
        let wait = Wait::new(self.limits.login_ms, FailureKind::Login, attempted, awaited);
        if chap.is_some() {
            self.filter_login().map_err(|error| wait.failure(error.to_string()))?;
        }
        self.session.login().map_err(|cause| wait.failure(cause))?;
        let outcome = self.until(&wait, |event| match event {
            Event::LoggedIn(outcome) => Some(outcome),
            _ => None,
        })?;
        self.logged_in = Instant::now();
        outcome.map_err(|refusal| refused_login(&wait, refusal, chap))?;
        self.end_filter().map_err(|error| wait.failure(error.to_string()))
    }

    fn filter_login(&mut self) -> io::Result<()> {
        let (ours, library) = UnixStream::pair()?;
        library.set_nonblocking(true)?;
        let target = self.session.replace_socket(library.as_fd())?;
        self.filter = Some(Filter::new(target, ours)?);
        Ok(())
    }

    /// The library has read all that the filter passed on, and is given its connection back.
    fn end_filter(&mut self) -> io::Result<()> {
        let Some(filter) = self.filter.take() else { return Ok(()) };
        self.session.replace_socket(filter.into_target().as_fd())?;
        Ok(())
    }

    /// What SendTargets lists.
    pub(super) fn discover(&mut self) -> Result<Vec<DiscoveredTarget>, Failure> {
        let attempted = format!("discover targets at {}", self.portal);
        let awaited = "the answer to SendTargets";
        let kind = FailureKind::Discovery;
        let wait = Wait::new(self.limits.discovery_ms, kind, &attempted, awaited);
        self.session.discover().map_err(|cause| wait.failure(cause))?;
        let outcome = self.until(&wait, |event| match event {
            Event::Discovered(outcome) => Some(outcome),
            _ => None,
        })?;
        outcome.map_err(|refusal| wait.refused(refusal))
    }

    /// Ends the session as the protocol has it.
    pub(super) fn logout(mut self) -> Result<(), Failure> {
        let attempted = format!("log out from {}", self.portal);
        let awaited = "the answer to the logout";
        let kind = FailureKind::Connection;
        let wait = Wait::new(self.limits.logout_ms, kind, &attempted, awaited);
        self.session.logout().map_err(|cause| wait.failure(cause))?;
        let outcome = self.until(&wait, |event| match event {
            Event::LoggedOut(outcome) => Some(outcome),
            _ => None,
        })?;
        outcome.map_err(|refusal| wait.refused(refusal))
    }

    /// One command with `len` bytes of data coming back.
    pub(super) fn execute(
        &mut self,
        lun: u16,
        name: &str,
        command: &Command,
        len: usize,
    ) -> Result<Box<[u8]>, Failure> {
        let (attempted, awaited) =
            (format!("{name} on LUN {lun}"), format!("the answer to {name}"));
        let kind = FailureKind::Command;
        let wait = Wait::new(self.limits.command_ms, kind, &attempted, &awaited);
        let buffer = vec![0; len].into_boxed_slice();
        self.session.submit(lun, command, buffer, len, 0).map_err(|cause| wait.failure(cause))?;
        let completion = self.until(&wait, |event| match event {
            Event::Completed(completion) => Some(completion),
            _ => None,
        })?;
        let Completion { outcome, buffer, .. } = completion;
        outcome.map(|()| buffer).map_err(|refusal| wait.refused(refusal))
    }

    /// Keeps up to `depth` commands in flight, each with a buffer of `buffer_len` bytes, until there
    /// are no more and all have ended. `attempted` says what the work is, for errors.
    pub(super) fn drive(
        &mut self,
        lun: u16,
        attempted: &str,
        (depth, buffer_len): (usize, usize),
        work: &mut impl Work,
    ) -> Result<(), Failure> {
        let limit_ms = self.limits.command_ms;
        let awaited = "the answer";
        let mut wait = Wait::new(limit_ms, FailureKind::Command, attempted, awaited);
        let mut idle: Vec<_> = (0..depth).map(|_| vec![0; buffer_len].into_boxed_slice()).collect();
        let mut more = true;
        loop {
            while more && let Some(mut buffer) = idle.pop() {
                match work.next(&mut buffer) {
                    Some(issue) => self.issue(lun, &wait, &issue, buffer)?,
                    None => more = false,
                }
            }
            if self.session.in_flight() == 0 {
                return Ok(());
            }
            self.send_and_receive(&mut wait)?;
            while let Some(event) = self.session.next_event() {
                if let Event::Completed(completion) = event {
                    idle.push(finish(completion, &wait, work)?);
                }
            }
            work.looked(Instant::now());
            self.still_there(&wait)?;
        }
    }

    fn issue(
        &mut self,
        lun: u16,
        wait: &Wait<'_>,
        issue: &Issue,
        buffer: Box<[u8]>,
    ) -> Result<(), Failure> {
        let Issue { command, len, lba } = issue;
        let submitted = self.session.submit(lun, command, buffer, *len, *lba);
        submitted.map_err(|cause| at_lba(wait.failure(cause), *lba))
    }

    /// Waits for no command longer than the limit, however many others end meanwhile. Writing
    /// before waiting saves a poll for each batch of commands.
    fn send_and_receive(&mut self, wait: &mut Wait<'_>) -> Result<(), Failure> {
        self.service(PollFlags::OUT);
        let Some((lba, submitted)) = self.session.oldest_in_flight() else { return Ok(()) };
        wait.until = deadline(submitted, wait.limit_ms);
        self.turn(wait).map_err(|failure| match failure.kind {
            FailureKind::Timeout => at_lba(failure, lba),
            _ => failure,
        })
    }

    /// Waits for one kind of event; others are of no interest then.
    fn until<T>(
        &mut self,
        wait: &Wait<'_>,
        mut pick: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, Failure> {
        loop {
            while let Some(event) = self.session.next_event() {
                if let Some(found) = pick(event) {
                    return Ok(found);
                }
            }
            self.still_there(wait)?;
            self.turn(wait)?;
        }
    }

    /// Events are looked at before this, for they know more.
    fn still_there(&self, wait: &Wait<'_>) -> Result<(), Failure> {
        self.lost.as_deref().map_or(Ok(()), |words| Err(wait.lost(words)))
    }

    /// Waits until the connection can go on, and lets it.
    fn turn(&mut self, wait: &Wait<'_>) -> Result<(), Failure> {
        let left = wait.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(wait.timed_out());
        }
        let ready = self.poll(left, wait)?;
        if let Some(Err(error)) = self.filter.as_mut().map(Filter::pass) {
            self.lost = Some(error.to_string());
        }
        self.service(ready);
        Ok(())
    }

    fn service(&mut self, ready: PollFlags) {
        if let Err(words) = self.session.service(c_int::from(ready.bits())) {
            self.lost = Some(words);
        }
    }

    /// Waits for the connection, and for the end of whoever gave us the job.
    fn poll(&self, left: Duration, wait: &Wait<'_>) -> Result<PollFlags, Failure> {
        let Some((connection, events)) = self.session.descriptor() else {
            return Err(wait.lost(""));
        };
        let events = PollFlags::from_bits_retain(events.try_into().unwrap_or_default());
        let (stdin, stdout) = (io::stdin(), io::stdout());
        // hang-up and error are always reported
        let mut descriptors = vec![
            PollFd::from_borrowed_fd(connection, events),
            PollFd::new(&stdin, PollFlags::empty()),
            PollFd::new(&stdout, PollFlags::empty()),
        ];
        descriptors.extend(self.filter.iter().flat_map(Filter::descriptors));
        let timeout = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(wait.failure(format!("poll: {errno}"))),
        }
        let [connection, stdin, stdout] = [0, 1, 2].map(|n: usize| descriptors[n].revents());
        if (stdin | stdout).intersects(PollFlags::HUP | PollFlags::ERR) {
            let cause = "stdin or stdout was closed";
            return Err(Failure::new(FailureKind::Stopped, wait.attempted, cause));
        }
        Ok(connection)
    }
}

fn finish(
    completion: Completion,
    wait: &Wait<'_>,
    work: &mut impl Work,
) -> Result<Box<[u8]>, Failure> {
    let Completion { tag: lba, outcome, buffer, submitted, completed } = completion;
    outcome.map_err(|refusal| at_lba(wait.refused(refusal), lba))?;
    work.finished(&Finished { lba, buffer: &buffer, submitted, completed })?;
    Ok(buffer)
}

fn at_lba(failure: Failure, lba: u64) -> Failure {
    Failure { attempted: format!("{} at LBA {lba}", failure.attempted), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait() -> Wait<'static> {
        Wait::new(1500, FailureKind::Command, "read LUN 0", "an answer")
    }

    #[test]
    fn a_timeout_says_what_was_waited_for() {
        let failure = at_lba(wait().timed_out(), 7);
        assert_eq!(failure.kind, FailureKind::Timeout);
        let text = "read LUN 0 at LBA 7: timed out after 1.5 s waiting for an answer";
        assert_eq!(failure.to_string(), text);
    }

    #[test]
    fn a_lost_connection_is_not_the_commands_fault() {
        let failure = wait().refused(Refusal::Lost);
        assert_eq!(failure.kind, FailureKind::Connection);
        assert_eq!(failure.cause, "the target closed the connection");
        let said = wait().refused(Refusal::Said("SENSE KEY:x(5)".into()));
        assert_eq!((said.kind, said.cause.as_str()), (FailureKind::Command, "SENSE KEY:x(5)"));
        assert_eq!(wait().lost("Connection reset(104)").cause, "Connection reset(104)");
    }

    #[test]
    fn a_refused_login_is_translated() {
        let words = "Failed to log in to target. Status: Authorization failure(514)".to_owned();
        let failure = refused_login(&wait(), Refusal::Said(words), None);
        assert_eq!(failure.login_status, Some(0x0202));
        assert_eq!(failure.cause, "the initiator is not allowed to log in (login status 0x0202)");
        assert!(failure.hint().unwrap().contains("ACL"));
    }

    #[test]
    fn a_target_that_proves_nothing_is_told_apart_from_one_that_refuses() {
        let words = "Authentication failed. Invalid CHAP_R response from the target".to_owned();
        let failure = refused_login(&wait(), Refusal::Said(words), None);
        assert_eq!(failure.login_status, None);
        assert_eq!(failure.cause, "the target proved another secret than the mutual one");
        assert!(failure.hint().unwrap().contains("mutual password"));
    }

    #[test]
    fn endless_limits_do_not_overflow() {
        assert!(deadline(Instant::now(), u64::MAX) > Instant::now());
    }
}
