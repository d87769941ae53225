//! libiscsi, loaded at run time: the only place with unsafe code, and a safe session on top.
//!
//! Safe Rust would need an iSCSI initiator of our own, and then the checks would no longer come from
//! one that others wrote and use. What keeps this sound:
//!
//! - The library is never unloaded, so its functions may be called for as long as the process lives.
//! - Only the layouts that libiscsi promises to keep are relied on: `scsi_iovec`, which is POSIX's, and
//!   the discovery lists of its public header. Tasks and contexts are opaque.
//! - A buffer is *moved* into the session with its command and comes back with the completion, so
//!   safe code cannot touch it while libiscsi may.
//! - What a callback is handed is a [`Ticket`], kept alive by the session until the context is gone,
//!   and only ever reached through shared references.
#![expect(unsafe_code, reason = "a C library; see above for why and why this is sound")]

use std::cell::{RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::time::Instant;

use rustix::io::DupFlags;

use super::access::{Chap, Digest};
use super::parent::Loaded;
use super::scsi::{Command, Direction, address};

/// Names to try, the ABIs that were checked first. 7 is libiscsi 1.13 to 1.19.
pub(super) const LIBRARY_NAMES: &[&str] =
    &["libiscsi.so.7", "libiscsi.so.8", "libiscsi.so.9", "libiscsi.so.10", "libiscsi.so"];

/// The longest text taken from the library or the target.
const TEXT_MAX: usize = 512;
/// Targets, and portals of each, taken from one discovery.
const LIST_MAX: usize = 1024;

#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Task {
    _opaque: [u8; 0],
}

/// `struct scsi_iovec`, of which the header says that it must never change.
#[repr(C)]
struct Iovec {
    base: *mut c_void,
    len: usize,
}

/// `struct iscsi_target_portal`.
#[repr(C)]
struct RawPortal {
    next: *const RawPortal,
    portal: *const c_char,
}

/// `struct iscsi_discovery_address`.
#[repr(C)]
struct RawTarget {
    next: *const RawTarget,
    name: *const c_char,
    portals: *const RawPortal,
}

/// `iscsi_command_cb`: context, status, data that depends on the status, our pointer.
type Callback = unsafe extern "C" fn(*mut Context, c_int, *mut c_void, *mut c_void);

/// `iscsi_set_data_digest`, which libiscsi has only since its 1.20.
type SetDataDigest = unsafe extern "C" fn(*mut Context, c_int) -> c_int;

fn data_digest_of(library: &libloading::Library) -> Option<SetDataDigest> {
    // SAFETY: this is the type the public header gives the function.
    let symbol = unsafe { library.get::<SetDataDigest>("iscsi_set_data_digest") };
    symbol.ok().map(|symbol| *symbol)
}

macro_rules! api {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Api {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            set_data_digest: Option<SetDataDigest>,
        }

        impl Api {
            fn of(library: &libloading::Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $($name: {
                        // SAFETY: this is the type the public header gives the function.
                        let symbol = unsafe {
                            library.get::<unsafe extern "C" fn($($argument),*) $(-> $result)?>(
                                stringify!($name),
                            )
                        };
                        *symbol?
                    },)*
                    set_data_digest: data_digest_of(library),
                })
            }
        }
    };
}

api! {
    iscsi_create_context: fn(*const c_char) -> *mut Context;
    iscsi_destroy_context: fn(*mut Context) -> c_int;
    iscsi_set_targetname: fn(*mut Context, *const c_char) -> c_int;
    iscsi_set_session_type: fn(*mut Context, c_int) -> c_int;
    iscsi_set_initiator_username_pwd: fn(*mut Context, *const c_char, *const c_char) -> c_int;
    iscsi_set_target_username_pwd: fn(*mut Context, *const c_char, *const c_char) -> c_int;
    iscsi_set_header_digest: fn(*mut Context, c_int) -> c_int;
    iscsi_set_noautoreconnect: fn(*mut Context, c_int);
    iscsi_set_reconnect_max_retries: fn(*mut Context, c_int);
    iscsi_get_error: fn(*mut Context) -> *const c_char;
    iscsi_get_fd: fn(*mut Context) -> c_int;
    iscsi_which_events: fn(*mut Context) -> c_int;
    iscsi_service: fn(*mut Context, c_int) -> c_int;
    iscsi_connect_async: fn(*mut Context, *const c_char, Callback, *mut c_void) -> c_int;
    iscsi_login_async: fn(*mut Context, Callback, *mut c_void) -> c_int;
    iscsi_discovery_async: fn(*mut Context, Callback, *mut c_void) -> c_int;
    iscsi_logout_async: fn(*mut Context, Callback, *mut c_void) -> c_int;
    iscsi_scsi_command_async: fn(*mut Context, c_int, *mut Task, Callback, *mut c_void, *mut c_void) -> c_int;
    scsi_create_task: fn(c_int, *const c_uchar, c_int, c_int) -> *mut Task;
    scsi_task_set_iov_in: fn(*mut Task, *mut Iovec, c_int);
    scsi_task_set_iov_out: fn(*mut Task, *mut Iovec, c_int);
    scsi_free_scsi_task: fn(*mut Task);
}

/// libiscsi, loaded for good.
pub(super) struct Library {
    api: &'static Api,
    /// The file it came from.
    pub(super) path: String,
}

impl Library {
    /// Loads the first of these that exists; an error lists what was tried, as the loader says it.
    pub(super) fn load(names: &[&str]) -> Result<Self, String> {
        let mut refusals = Vec::new();
        for name in names {
            match Self::load_one(name) {
                Ok(library) => return Ok(library),
                Err(error) => refusals.push(with_source(&error)),
            }
        }
        Err(refusals.join("; "))
    }

    fn load_one(name: &str) -> Result<Self, libloading::Error> {
        // SAFETY: initialisers of libiscsi and of the libraries it needs do nothing but set up
        // their own state; a file of another kind under this name is beyond what can be defended.
        let library = unsafe { libloading::Library::new(name) }?;
        let api: &'static Api = Box::leak(Box::new(Api::of(&library)?));
        // never unloaded: `api` stays callable
        std::mem::forget(library);
        Ok(Self { api, path: mapped_path(name) })
    }

    /// What it can do.
    pub(super) fn loaded(&self) -> Loaded {
        Loaded { library: self.path.clone(), data_digest: self.api.set_data_digest.is_some() }
    }
}

/// The loader's own words are in the source of the error, and name the library or the function.
fn with_source(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Full path of a loaded library, which carries its version; the bare name when it cannot be told.
fn mapped_path(name: &str) -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let paths = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    let stem = name.split(".so").next().unwrap_or(name);
    paths
        .filter(|path| path.rsplit('/').next().is_some_and(|file| file.starts_with(stem)))
        .map(str::to_owned)
        .next()
        .unwrap_or_else(|| name.to_owned())
}

/// What a ticket stands for.
#[derive(Clone, Copy)]
enum Purpose {
    Connect,
    Login,
    Discover,
    Logout,
    Command(usize),
}

/// What a callback needs, at an address that stays.
struct Ticket {
    purpose: Purpose,
    /// Read and, during a call into the library, changed and restored by it.
    iovec: UnsafeCell<Iovec>,
    inbox: Rc<Inbox>,
}

struct Inbox {
    api: &'static Api,
    signals: RefCell<VecDeque<Signal>>,
}

/// What a callback saw.
struct Signal {
    purpose: Purpose,
    outcome: Result<(), Refusal>,
    at: Instant,
    targets: Vec<DiscoveredTarget>,
}

/// One target in the answer to SendTargets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiscoveredTarget {
    pub(super) name: String,
    /// As the target wrote them: `address:port,tag`.
    pub(super) portals: Vec<String>,
}

/// Why something a session was asked for did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The connection was lost before the answer came.
    Lost,
    /// The answer was no, in the library's words: for a command that includes the sense data.
    Said(String),
}

/// Something a session was asked for has ended.
#[derive(Debug)]
pub(super) enum Event {
    Connected(Result<(), Refusal>),
    LoggedIn(Result<(), Refusal>),
    Discovered(Result<Vec<DiscoveredTarget>, Refusal>),
    LoggedOut(Result<(), Refusal>),
    Completed(Completion),
}

/// A command has ended, and its buffer is back.
#[derive(Debug)]
pub(super) struct Completion {
    /// As given to [`Session::submit`].
    pub(super) tag: u64,
    pub(super) outcome: Result<(), Refusal>,
    pub(super) buffer: Box<[u8]>,
    pub(super) submitted: Instant,
    pub(super) completed: Instant,
}

/// Whether a session is for SendTargets or for a target.
#[derive(Debug, Clone, Copy)]
pub(super) enum SessionType<'a> {
    Discovery,
    Normal { target: &'a str },
}

/// How to log in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) initiator: &'a str,
    pub(super) session_type: SessionType<'a>,
    pub(super) chap: Option<&'a Chap>,
    pub(super) header_digest: Digest,
    pub(super) data_digest: Digest,
}

/// `enum iscsi_header_digest`: what a login offers, in the order of preference.
fn digest_number(digest: Digest) -> c_int {
    match digest {
        Digest::None => 0,
        // "None,CRC32C"
        Digest::Any => 1,
        Digest::Crc32c => 3,
    }
}

struct Flight {
    task: NonNull<Task>,
    buffer: *mut [u8],
    tag: u64,
    submitted: Instant,
}

/// One connection to a portal. Everything is asynchronous: ask, [`service`](Self::service) when its
/// descriptor is ready, take [events](Self::next_event).
pub(super) struct Session {
    api: &'static Api,
    context: NonNull<Context>,
    inbox: Rc<Inbox>,
    /// Of the session's own callbacks; kept until the context is gone.
    own_tickets: Vec<Rc<Ticket>>,
    /// Of commands; `flights` has the same indices.
    tickets: Vec<Rc<Ticket>>,
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
}

impl Session {
    /// A session that is not yet connected, and that never reconnects by itself.
    pub(super) fn new(library: &Library, terms: &Terms<'_>) -> Result<Self, String> {
        let api = library.api;
        let name = c_string(terms.initiator)?;
        // SAFETY: the name is a C string, and the library copies it.
        let context = unsafe { (api.iscsi_create_context)(name.as_ptr()) };
        let context = NonNull::new(context).ok_or("out of memory")?;
        let inbox = Rc::new(Inbox { api, signals: RefCell::default() });
        let session = Self {
            api,
            context,
            inbox,
            own_tickets: Vec::new(),
            tickets: Vec::new(),
            flights: Vec::new(),
            free: Vec::new(),
        };
        session.configure(terms.session_type)?;
        session.configure_digests(terms)?;
        terms.chap.map_or(Ok(()), |chap| session.configure_chap(chap))?;
        Ok(session)
    }

    fn configure(&self, session_type: SessionType<'_>) -> Result<(), String> {
        let (api, context) = (self.api, self.context.as_ptr());
        let number = match session_type {
            SessionType::Discovery => 1,
            SessionType::Normal { target } => {
                let target = c_string(target)?;
                // SAFETY: the context is live, and the library copies the name.
                self.check(unsafe { (api.iscsi_set_targetname)(context, target.as_ptr()) })?;
                2
            }
        };
        // SAFETY: the context is live.
        self.check(unsafe { (api.iscsi_set_session_type)(context, number) })?;
        // SAFETY: the context is live.
        unsafe { (api.iscsi_set_noautoreconnect)(context, 1) };
        // SAFETY: the context is live.
        unsafe { (api.iscsi_set_reconnect_max_retries)(context, 0) };
        Ok(())
    }

    fn configure_digests(&self, terms: &Terms<'_>) -> Result<(), String> {
        let (api, context) = (self.api, self.context.as_ptr());
        let header = digest_number(terms.header_digest);
        // SAFETY: the context is live.
        self.check(unsafe { (api.iscsi_set_header_digest)(context, header) })?;
        match (terms.data_digest, api.set_data_digest) {
            // without the function, no data digest is all there is
            (Digest::Any, _) | (Digest::None, None) => Ok(()),
            (Digest::Crc32c, None) => Err("the library has no data digest".to_owned()),
            (digest, Some(set)) => {
                let data = digest_number(digest);
                // SAFETY: the context is live.
                self.check(unsafe { set(context, data) })
            }
        }
    }

    fn configure_chap(&self, chap: &Chap) -> Result<(), String> {
        let (api, context) = (self.api, self.context.as_ptr());
        let (user, password) = (c_string(&chap.userid)?, c_string(chap.password.reveal())?);
        // SAFETY: the context is live, and the library copies both.
        let result = unsafe {
            (api.iscsi_set_initiator_username_pwd)(context, user.as_ptr(), password.as_ptr())
        };
        self.check(result)?;
        let Some(mutual) = &chap.mutual else { return Ok(()) };
        let (user, password) = (c_string(&mutual.userid)?, c_string(mutual.password.reveal())?);
        // SAFETY: as above.
        let result = unsafe {
            (api.iscsi_set_target_username_pwd)(context, user.as_ptr(), password.as_ptr())
        };
        self.check(result)
    }

    fn check(&self, result: c_int) -> Result<(), String> {
        if result == 0 { Ok(()) } else { Err(self.error_text()) }
    }

    /// The library's last words on this session.
    pub(super) fn error_text(&self) -> String {
        self.inbox.api.error_text(self.context.as_ptr())
    }

    fn own_ticket(&mut self, purpose: Purpose) -> *mut c_void {
        let ticket = Ticket::new(purpose, &self.inbox);
        let pointer = Rc::as_ptr(&ticket).cast_mut().cast();
        self.own_tickets.push(ticket);
        pointer
    }

    /// Asks for a TCP connection; answered by [`Event::Connected`].
    pub(super) fn connect(&mut self, portal: SocketAddr) -> Result<(), String> {
        let portal = c_string(&portal.to_string())?;
        let ticket = self.own_ticket(Purpose::Connect);
        let (api, context) = (self.api, self.context.as_ptr());
        // SAFETY: the context is live, the library copies the portal, and `ticket` outlives the
        // context.
        let result =
            unsafe { (api.iscsi_connect_async)(context, portal.as_ptr(), on_signal, ticket) };
        self.check(result)
    }

    /// Asks to log in; answered by [`Event::LoggedIn`].
    pub(super) fn login(&mut self) -> Result<(), String> {
        let ticket = self.own_ticket(Purpose::Login);
        let (api, context) = (self.api, self.context.as_ptr());
        // SAFETY: the context is live, and `ticket` outlives it.
        self.check(unsafe { (api.iscsi_login_async)(context, on_signal, ticket) })
    }

    /// Asks for all targets; answered by [`Event::Discovered`].
    pub(super) fn discover(&mut self) -> Result<(), String> {
        let ticket = self.own_ticket(Purpose::Discover);
        let (api, context) = (self.api, self.context.as_ptr());
        // SAFETY: the context is live, and `ticket` outlives it.
        self.check(unsafe { (api.iscsi_discovery_async)(context, on_signal, ticket) })
    }

    /// Asks to log out; answered by [`Event::LoggedOut`].
    pub(super) fn logout(&mut self) -> Result<(), String> {
        let ticket = self.own_ticket(Purpose::Logout);
        let (api, context) = (self.api, self.context.as_ptr());
        // SAFETY: the context is live, and `ticket` outlives it.
        self.check(unsafe { (api.iscsi_logout_async)(context, on_signal, ticket) })
    }

    /// Asks for a command on the first `len` bytes of `buffer`, or all there are; answered by
    /// [`Event::Completed`] with `tag` and the buffer.
    pub(super) fn submit(
        &mut self,
        lun: u16,
        command: &Command,
        buffer: Box<[u8]>,
        len: usize,
        tag: u64,
    ) -> Result<(), String> {
        let len = len.min(buffer.len());
        let task = self.create_task(command, len)?;
        let index = self.free_index();
        let flight = Flight { task, buffer: Box::into_raw(buffer), tag, submitted: Instant::now() };
        let ticket = &self.tickets[index];
        self.attach(ticket, &flight, command.direction, len);
        let (api, context, lun) = (self.api, self.context.as_ptr(), c_int::from(address(lun)));
        let private = Rc::as_ptr(ticket).cast_mut().cast();
        let (task, no_data) = (flight.task.as_ptr(), ptr::null_mut());
        self.flights[index] = Some(flight);
        // SAFETY: context and task are live; the task's buffer and iovec stay where they are until
        // the flight has landed, and `private` outlives the context.
        let result = unsafe {
            (api.iscsi_scsi_command_async)(context, lun, task, on_signal, no_data, private)
        };
        if result != 0 {
            // refused before it was queued: there will be no callback
            self.land(index);
            return Err(self.error_text());
        }
        Ok(())
    }

    fn create_task(&self, command: &Command, len: usize) -> Result<NonNull<Task>, String> {
        let direction = match command.direction {
            Direction::None => 0,
            Direction::Read => 1,
            Direction::Write => 2,
        };
        let expected = c_int::try_from(len).map_err(|_| "the transfer is too long")?;
        let cdb = command.cdb();
        let cdb_len = c_int::try_from(cdb.len()).map_err(|_| "the CDB is too long")?;
        // SAFETY: the library copies `cdb_len` bytes, which are there.
        let task =
            unsafe { (self.api.scsi_create_task)(cdb_len, cdb.as_ptr(), direction, expected) };
        NonNull::new(task).ok_or_else(|| "out of memory".to_owned())
    }

    fn attach(&self, ticket: &Ticket, flight: &Flight, direction: Direction, len: usize) {
        let (iovec, task) = (ticket.iovec.get(), flight.task.as_ptr());
        // SAFETY: the ticket's index was free, so no task that is live refers to its iovec.
        unsafe { iovec.write(Iovec { base: flight.buffer.cast(), len }) };
        match direction {
            Direction::None => {}
            // SAFETY: task and iovec are live until the flight has landed, the buffer has `len` bytes.
            Direction::Read => unsafe { (self.api.scsi_task_set_iov_in)(task, iovec, 1) },
            // SAFETY: as above.
            Direction::Write => unsafe { (self.api.scsi_task_set_iov_out)(task, iovec, 1) },
        }
    }

    fn free_index(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            let index = self.tickets.len();
            self.tickets.push(Ticket::new(Purpose::Command(index), &self.inbox));
            self.flights.push(None);
            index
        })
    }

    /// Frees the task and takes the buffer back; only when the library has let go of both.
    fn land(&mut self, index: usize) -> Option<(Flight, Box<[u8]>)> {
        let flight = self.flights.get_mut(index)?.take()?;
        self.free.push(index);
        // SAFETY: the task was made by the library, its callback has run (or it was never queued),
        // and it is freed once, for the flight was taken out of its place.
        unsafe { (self.api.scsi_free_scsi_task)(flight.task.as_ptr()) };
        // SAFETY: the pointer is from `Box::into_raw`, and taken back once, as above.
        let buffer = unsafe { Box::from_raw(flight.buffer) };
        Some((flight, buffer))
    }

    /// The descriptor to wait on, and `poll(2)` events to wait for; `None` when not connected.
    pub(super) fn descriptor(&self) -> Option<(BorrowedFd<'_>, c_int)> {
        let (api, context) = (self.api, self.context.as_ptr());
        // SAFETY: the context is live.
        let fd = unsafe { (api.iscsi_get_fd)(context) };
        // SAFETY: the context is live.
        let events = unsafe { (api.iscsi_which_events)(context) };
        // SAFETY: the library closes it only in calls that take `&mut self`.
        (fd >= 0).then(|| (unsafe { BorrowedFd::borrow_raw(fd) }, events))
    }

    /// Has the library use another socket from now on, under the number of its own, which is given
    /// back.
    pub(super) fn replace_socket(&mut self, with: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let (place, _) = self.descriptor().ok_or(io::ErrorKind::NotConnected)?;
        let before = place.try_clone_to_owned()?;
        // SAFETY: the descriptor is open and the library's, of which we have the only session; it
        // is open afterwards too, and never closed here.
        let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(place.as_raw_fd()) });
        rustix::io::dup3(with, &mut place, DupFlags::CLOEXEC)?;
        Ok(before)
    }

    /// Lets the library read, write and call back; afterwards there may be events. An error means
    /// that the connection is gone.
    pub(super) fn service(&mut self, events: c_int) -> Result<(), String> {
        let (api, context) = (self.api, self.context.as_ptr());
        // SAFETY: the context is live; callbacks reach tickets only, by shared reference.
        self.check(unsafe { (api.iscsi_service)(context, events) })
    }

    /// Commands whose completion has not been taken yet.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    /// Tag of the command that has waited longest, and since when.
    pub(super) fn oldest_in_flight(&self) -> Option<(u64, Instant)> {
        let flights = self.flights.iter().flatten();
        flights.map(|flight| (flight.tag, flight.submitted)).min_by_key(|(_, submitted)| *submitted)
    }

    /// The next thing that has ended.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        loop {
            let signal = self.inbox.signals.borrow_mut().pop_front()?;
            let outcome = signal.outcome;
            return Some(match signal.purpose {
                Purpose::Connect => Event::Connected(outcome),
                Purpose::Login => Event::LoggedIn(outcome),
                Purpose::Discover => Event::Discovered(outcome.map(|()| signal.targets)),
                Purpose::Logout => Event::LoggedOut(outcome),
                Purpose::Command(index) => {
                    // a second call for the same command would be the library's mistake
                    let Some((flight, buffer)) = self.land(index) else { continue };
                    let Flight { tag, submitted, .. } = flight;
                    let completed = signal.at;
                    Event::Completed(Completion { tag, outcome, buffer, submitted, completed })
                }
            });
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the context is live, and never used again. It may call back, which reaches
        // tickets only, and they are still there.
        let _status = unsafe { (self.api.iscsi_destroy_context)(self.context.as_ptr()) };
        // nothing refers to tasks and buffers any more
        for index in 0..self.flights.len() {
            self.land(index);
        }
    }
}

impl Ticket {
    fn new(purpose: Purpose, inbox: &Rc<Inbox>) -> Rc<Self> {
        let iovec = UnsafeCell::new(Iovec { base: ptr::null_mut(), len: 0 });
        Rc::new(Self { purpose, iovec, inbox: Rc::clone(inbox) })
    }
}

impl Api {
    fn error_text(&self, context: *mut Context) -> String {
        // SAFETY: callers have a live context.
        let text = unsafe { (self.iscsi_get_error)(context) };
        // SAFETY: null or a C string in the context, which does not change before we return.
        unsafe { text_at(text) }
    }
}

/// Every answer of the library. It takes notes and returns; nothing here can unwind into C.
unsafe extern "C" fn on_signal(
    context: *mut Context,
    status: c_int,
    data: *mut c_void,
    private: *mut c_void,
) {
    // SAFETY: `private` is what we gave: a ticket that lives as long as the context.
    let ticket = unsafe { &*private.cast_const().cast::<Ticket>() };
    let at = Instant::now();
    let good = status == 0;
    let outcome = if good { Ok(()) } else { Err(refusal(status, ticket.inbox.api, context)) };
    let targets = match ticket.purpose {
        // SAFETY: for a discovery that went well, `data` is the list, valid until we return.
        Purpose::Discover if good => unsafe { targets_at(data.cast_const().cast()) },
        _ => Vec::new(),
    };
    // never borrowed across a call into the library; if it were, the deadline would tell
    if let Ok(mut signals) = ticket.inbox.signals.try_borrow_mut() {
        signals.push_back(Signal { purpose: ticket.purpose, outcome, at, targets });
    }
}

/// `enum scsi_status` of the public header, where the library has no words for it.
fn refusal(status: c_int, api: &Api, context: *mut Context) -> Refusal {
    let words = match status {
        0x0f00_0000 => return Refusal::Lost,
        0x101 => "the target moved elsewhere".to_owned(),
        0x08 => "the logical unit is busy".to_owned(),
        0x28 => "the task set is full".to_owned(),
        _ => api.error_text(context),
    };
    Refusal::Said(if words.is_empty() { format!("status {status:#x}") } else { words })
}

/// # Safety
/// `list` is null or a discovery list of the library.
unsafe fn targets_at(mut list: *const RawTarget) -> Vec<DiscoveredTarget> {
    let mut targets = Vec::new();
    // SAFETY: the caller's promise holds for each `next`.
    while let (Some(target), true) = (unsafe { list.as_ref() }, targets.len() < LIST_MAX) {
        targets.push(DiscoveredTarget {
            // SAFETY: null or a C string of the list.
            name: unsafe { text_at(target.name) },
            // SAFETY: null or the target's list.
            portals: unsafe { portals_at(target.portals) },
        });
        list = target.next;
    }
    targets
}

/// # Safety
/// `list` is null or a portal list of the library.
unsafe fn portals_at(mut list: *const RawPortal) -> Vec<String> {
    let mut portals = Vec::new();
    // SAFETY: the caller's promise holds for each `next`.
    while let (Some(portal), true) = (unsafe { list.as_ref() }, portals.len() < LIST_MAX) {
        // SAFETY: null or a C string of the list.
        portals.push(unsafe { text_at(portal.portal) });
        list = portal.next;
    }
    portals
}

/// Text of the library or the target: bounded, on one line, without control characters, and
/// without the library's function name and full stop around it.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn text_at(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_MAX)]);
    let text = text.trim().trim_start_matches("iscsi_service: ").trim_end_matches('.');
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|error| io::Error::from(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_library_is_an_error_that_names_it() {
        let error = Library::load(&["libno-such-iscsi.so.7"]).err().unwrap();
        assert!(error.contains("libno-such-iscsi.so.7"), "{error}");
    }

    #[test]
    fn another_library_lacks_the_functions() {
        let error = Library::load(&["libc.so.6"]).err().unwrap();
        assert!(error.contains("iscsi_create_context"), "{error}");
    }

    #[test]
    fn a_callback_with_a_list_copies_it() {
        let (name, portal) = (c"iqn.2020-01.x:\x1bt", c"127.0.0.1:3260,1");
        let portals = RawPortal { next: ptr::null(), portal: portal.as_ptr() };
        let last = RawTarget { next: ptr::null(), name: ptr::null(), portals: ptr::null() };
        let list =
            RawTarget { next: &raw const last, name: name.as_ptr(), portals: &raw const portals };
        // SAFETY: a list as the library makes them.
        let targets = unsafe { targets_at(&raw const list) };
        assert_eq!(targets.len(), 2);
        assert_eq!(targets[0].name, "iqn.2020-01.x: t");
        assert_eq!(targets[0].portals, ["127.0.0.1:3260,1"]);
        assert_eq!((targets[1].name.as_str(), targets[1].portals.len()), ("", 0));
    }
}
