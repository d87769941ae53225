//! The running machine: QEMU, the channel, the portal, the initiator; each in a thread that turns
//! what it meets into [happenings](crate::run::happening).

use crate::error::Error;
use crate::guardian::{Guardian, own_command};
use crate::initiator::{Digest, Initiator, Job};
use crate::portal::{self, Portals};
use crate::qemu::disk::Drive;
use crate::qemu::{command_line, process, qmp, trial};
use crate::run::command;
use crate::run::conductor::{Across, Ask, HostCommand};
use crate::run::happening::{Ended, What};
use crate::run::jobs::data_digest;
use crate::run::meter::{Line, Meter, Way};
use crate::run::plan::Plan;
use crate::run::queue::Reporter;
use crate::run::segment;
use crate::samba;
use crate::target::{Provisioning, each_request};
use crate::transport::{self, Arrival, Ready, Tokens};
use crate::withheld::Withheld;
use lunlab_initramfs::image::GuestFile;
use lunlab_protocol::hello::{BENCHMARKS, CONTROL, Token};
use lunlab_protocol::message::encode;
use lunlab_protocol::request::Request;
use lunlab_stream::handshake::Refusal;
use lunlab_stream::{Received, Stream, Transmit};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest console line that is kept in one piece.
const LINE: u64 = 16 * 1024;

/// How long the agent is silent before it matters whether that is in the middle of a frame.
const SILENCE: Duration = Duration::from_secs(2);

/// How long the initiator may take to load its library.
const INITIATOR: Duration = Duration::from_secs(10);

/// The hidden subcommand that is the initiator's process.
pub const INITIATOR_SUBCOMMAND: &str = "initiator";

type ControlSender = Arc<Mutex<Option<Box<dyn Transmit>>>>;

/// What is measured once the guest has dialled.
type Waiting = Arc<Mutex<Option<Meter>>>;

/// The ways to a machine, which are there before it is and after it.
pub struct Doors {
    /// The portals.
    pub portals: Arc<Portals>,
    /// What benchmarks measure.
    pub ways: Vec<Way>,
    /// Whether an initiator of our own comes.
    pub initiator: bool,
}

/// A machine that runs.
pub struct Machine {
    guardian: Option<Guardian>,
    /// QEMU's command line.
    pub argv: Vec<String>,
    /// When QEMU was started.
    pub spawned: Instant,
    control: ControlSender,
    portals: Arc<Portals>,
    share_portal: bool,
    line: Line,
    meter: Waiting,
    monitor: Arc<Mutex<Option<qmp::Monitor>>>,
    initiator: Option<Sender<Job>>,
    share: Option<samba::Server>,
    reporter: Reporter,
    reaped: Vec<std::thread::JoinHandle<()>>,
}

impl Machine {
    /// Starts everything, in the order in which each needs the last, QEMU at the end.
    ///
    /// # Errors
    /// When something cannot be started; what was started is ended then.
    pub fn start(
        plan: &Plan,
        doors: Doors,
        provisioning: &Provisioning,
        reporter: &Reporter,
    ) -> Result<Self, Error> {
        let directory = crate::runtime_directory::choose()?;
        let guardian = Guardian::start(&directory, Withheld::of(&plan.spec))?;
        let started =
            Self::start_guarded(plan, doors, provisioning, reporter, &directory, &guardian);
        match started {
            Ok(machine) => Ok(Self { guardian: Some(guardian), ..machine }),
            Err(error) => {
                guardian.finish();
                Err(error)
            }
        }
    }

    fn start_guarded(
        plan: &Plan,
        doors: Doors,
        provisioning: &Provisioning,
        reporter: &Reporter,
        directory: &Path,
        guardian: &Guardian,
    ) -> Result<Self, Error> {
        let Doors { portals, ways, initiator } = doors;
        let initiator = initiator.then(|| Starting::spawn(guardian)).transpose()?;
        let helper = plan.transport.helper.as_deref();
        let ready = transport::prepare(
            plan.transport.transport,
            plan.dialling(),
            helper,
            directory,
            guardian,
        )?;
        let (run, benchmarks) = (random_bytes()?, random_bytes()?);
        let tokens = Tokens { run: Token::new(run), benchmarks: Token::new(benchmarks) };
        let token = benchmarks.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = Line { token, channel: ready.channel, ways };
        write_initrd(plan, &ready, &tokens.run, provisioning, directory)?;
        let share = plan.samba.as_ref();
        let share =
            share.map(|programs| samba::Server::start(programs, directory, guardian, reporter));
        let share = share.transpose()?;
        let drives = plan.drives(directory);
        drives.iter().try_for_each(Drive::create)?;
        trial::open_drives(&plan.program.path, &drives, directory, guardian)?;
        let devices = plan.devices(directory, ready.device, portals.forwards());
        let argv = command_line::argv(&plan.program.path, &devices);
        let control = ControlSender::default();
        let (monitor, meter) = (Arc::default(), Waiting::default());
        let listeners =
            [watch_console(directory, reporter)?, watch_monitor(directory, reporter, &monitor)?];
        let on_arrival = on_arrival(reporter, &control, &portals, &meter);
        (ready.listen)(tokens, on_arrival)?;
        // The library must be there before anything boots: without it nothing can be measured.
        let ready_for = |starting: Starting| starting.ready(data_digest(&plan.spec), reporter);
        let initiator = initiator.map(ready_for).transpose()?;
        let spawned = Instant::now();
        let qemu = process::spawn(&argv, ready.inherited, directory, guardian)?;
        let mut reaped = vec![reap_qemu(qemu, listeners, reporter)?];
        if let Some(helper) = ready.helper {
            reaped.push(reap_helper(helper, reporter)?);
        }
        let share_portal = plan.share_portal;
        Ok(Self {
            guardian: None,
            argv,
            spawned,
            control,
            portals,
            share_portal,
            line,
            meter,
            monitor,
            initiator,
            share,
            reporter: reporter.clone(),
            reaped,
        })
    }

    /// Sends the guest all that describes a provisioning, and then what is to be done with it.
    pub fn provision(&self, provisioning: &Provisioning, request: &Request<'_>) {
        each_request(provisioning, &mut |item| send(&self.control, item));
        send(&self.control, request);
    }

    /// Runs a program on the host; its end is told, and so is that it could not be started.
    pub fn command(&self, command: HostCommand) {
        let benchmark = command.benchmark;
        let started = match &self.guardian {
            Some(guardian) => command::start(command, guardian, &self.reporter),
            None => Err(Error::environment("the run is ending")),
        };
        if let Err(error) = started {
            let (outcome, output) = (Err(error.to_string()), String::new());
            self.reporter.tell(What::CommandEnded { benchmark, outcome, output });
        }
    }

    /// Asks the guest to serve for a benchmark, which begins once it has dialled.
    pub fn measure(&self, across: Across) {
        let Across { number, asked } = across;
        let own = asked.values.iter().cloned();
        let parameters = own.chain(self.line.parameters(number)).collect();
        let ask = Ask::Benchmark { number, workload: asked.workload, parameters };
        let (ways, reporter) = (self.line.ways.clone(), self.reporter.clone());
        let meter = Meter { number, asked, ways, reporter };
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) = Some(meter);
        self.ask(&ask);
    }

    /// Asks the guest. A channel that is gone is noticed by who reads it.
    pub fn ask(&self, ask: &Ask) {
        match (ask, &self.share) {
            (Ask::Benchmark { number, workload, parameters }, Some(share))
                if *workload == lunlab_bench::smb::WORKLOAD.name =>
            {
                // Only here, so that nothing that is kept or shown has a password.
                let parameters = [parameters.clone(), share.parameters()].concat();
                let ask = Ask::Benchmark { number: *number, workload, parameters };
                send(&self.control, &ask.request());
            }
            _ => send(&self.control, &ask.request()),
        }
    }

    /// The last that the share's server said.
    #[must_use]
    pub fn share_log(&self) -> Vec<String> {
        self.share.as_ref().map(samba::Server::log_tail).unwrap_or_default()
    }

    /// Takes connections to the portals from now on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn serve_portals(&self) -> Result<(), Error> {
        let control = Arc::clone(&self.control);
        let ask: portal::Ask = Arc::new(move |stream, portal| {
            let (address, port) = (&*portal.ip().to_string(), portal.port());
            send(&control, &Request::OpenStream { stream, address, port });
        });
        self.portals.serve(self.share_portal, &ask)
    }

    /// Drops the connection that waits for a stream the guest could not open.
    pub fn refuse(&self, stream: u32) {
        self.portals.refuse(stream);
    }

    /// Gives the initiator a job. One that is gone has said so.
    pub fn job(&self, job: Job) {
        if let Some(initiator) = &self.initiator {
            let _gone = initiator.send(job);
        }
    }

    /// Ends QEMU at once, by its monitor; where that is not there, by the guardian's kill.
    pub fn quit(&mut self) {
        let monitor = self.monitor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let told = monitor.is_some_and(|mut monitor| monitor.quit().is_ok());
        if !told {
            self.release();
        }
    }

    /// Ends every process that is left and removes the runtime directory.
    pub fn release(&mut self) {
        // Its pipes would keep the initiator's thread waiting.
        self.initiator = None;
        self.share = None;
        if let Some(guardian) = self.guardian.take() {
            guardian.finish();
        }
    }

    /// As [`Machine::release`], and waits until nothing is left.
    pub fn finish(mut self) {
        self.release();
        for reaper in self.reaped.drain(..) {
            // A reaper only waits and tells; there is nothing it could fail with.
            let _ended = reaper.join();
        }
    }
}

fn send(control: &ControlSender, request: &Request<'_>) {
    let mut buffer = [0; lunlab_protocol::frame::MAX_PAYLOAD];
    let mut control = control.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(sender), Ok(payload)) = (control.as_mut(), encode(request, &mut buffer)) {
        let _gone = sender.send(payload);
    }
}

/// Bytes nobody can guess.
///
/// # Errors
/// When the kernel has none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    // getrandom(2) gives up to 256 bytes whole.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map(|_| bytes)
        .map_err(|errno| Error::environment(format!("getrandom: {errno}")))
}

fn write_initrd(
    plan: &Plan,
    ready: &Ready,
    token: &Token,
    provisioning: &Provisioning,
    directory: &Path,
) -> Result<(), Error> {
    let bytes = segment::write(token, ready.channel, &plan.modules, provisioning);
    let file = GuestFile { path: segment::PATH, mode: 0o600, bytes: &bytes };
    crate::image::write_initrd(&plan.base, &[file], &Plan::initrd(directory))
}

fn thread(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|error| Error::environment(format!("start a thread for {name}: {error}")))
}

/// Listens on a socket of the run's directory for the one connection QEMU makes; `body` gets
/// nothing when the listener given back is shut down before.
fn connection(
    path: &Path,
    name: &'static str,
    body: impl FnOnce(Option<UnixStream>) + Send + 'static,
) -> Result<UnixListener, Error> {
    let failed = |error| Error::environment(format!("bind {}: {error}", path.display()));
    let listener = UnixListener::bind(path).map_err(failed)?;
    let waiting = listener.try_clone().map_err(failed)?;
    thread(name, move || body(waiting.accept().ok().map(|(stream, _)| stream)))?;
    Ok(listener)
}

fn watch_console(directory: &Path, reporter: &Reporter) -> Result<UnixListener, Error> {
    let reporter = reporter.clone();
    connection(&Plan::console(directory), "console", move |stream| {
        if let Some(stream) = stream {
            read_lines(stream, |line| reporter.tell_of_guest(What::Console(line)));
        }
        reporter.tell(What::ConsoleClosed);
    })
}

/// Reads lines of bytes that may be anything; one that is too long comes in pieces.
fn read_lines(stream: impl Read, mut take: impl FnMut(String)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                take(text.trim_end_matches(['\n', '\r']).to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn watch_monitor(
    directory: &Path,
    reporter: &Reporter,
    monitor: &Arc<Mutex<Option<qmp::Monitor>>>,
) -> Result<UnixListener, Error> {
    let (reporter, monitor) = (reporter.clone(), Arc::clone(monitor));
    connection(&Plan::monitor(directory), "monitor", move |stream| {
        let Some(stream) = stream else { return };
        let Ok(writing) = stream.try_clone().and_then(qmp::Monitor::new) else { return };
        *monitor.lock().unwrap_or_else(PoisonError::into_inner) = Some(writing);
        qmp::read(stream, |event| reporter.tell(What::Qmp(event)));
    })
}

fn reap_qemu(
    mut qemu: Child,
    listeners: [UnixListener; 2],
    reporter: &Reporter,
) -> Result<std::thread::JoinHandle<()>, Error> {
    let reporter = reporter.clone();
    let stderr = qemu.stderr.take();
    thread("qemu", move || {
        let words = stderr.map(process::read_words).unwrap_or_default();
        let ended = match qemu.wait() {
            Ok(status) => Ended { status: status.to_string(), good: status.success(), words },
            Err(error) => Ended { status: format!("wait: {error}"), good: false, words },
        };
        // A QEMU that ended before it connected left somebody waiting for it.
        for listener in listeners {
            let _nobody_waits = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
        }
        reporter.tell(What::QemuEnded(ended));
    })
}

fn reap_helper(
    mut helper: Child,
    reporter: &Reporter,
) -> Result<std::thread::JoinHandle<()>, Error> {
    let reporter = reporter.clone();
    thread("vsock helper", move || {
        let status = helper.wait().map_or_else(|error| error.to_string(), |s| s.to_string());
        reporter.tell(What::HelperEnded(status));
    })
}

/// Sends each stream the guest dials to where it belongs.
fn on_arrival(
    reporter: &Reporter,
    control: &ControlSender,
    portals: &Arc<Portals>,
    meter: &Waiting,
) -> transport::OnArrival {
    let (reporter, control, portals) = (reporter.clone(), Arc::clone(control), Arc::clone(portals));
    let meter = Arc::clone(meter);
    Arc::new(move |arrival| match arrival {
        Arrival::Stream(CONTROL, stream) => open_control(stream, &control, &reporter),
        Arrival::Stream(number, stream) if number >= BENCHMARKS => {
            let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            let waits = meter.take_if(|meter| BENCHMARKS | meter.number == number);
            drop(meter);
            match waits {
                // This thread is the stream's own.
                Some(meter) => meter.run(stream),
                None => stream.abort.abort(),
            }
        }
        Arrival::Stream(number, stream) => portals.connect(number, stream),
        // A guest that gave up on a connection and made another.
        Arrival::Refused(Refusal::Stream(lunlab_stream::Error::Closed)) => {
            reporter.tell(What::HungUp("it was closed without a hello".to_owned()));
        }
        Arrival::Refused(refusal) => {
            let version = matches!(refusal, Refusal::Version { .. });
            reporter.tell(What::Refused { why: refusal.to_string(), version });
        }
        Arrival::Failed(why) => reporter.tell(What::ControlLost(why)),
    })
}

/// The first control stream is the run's; another is reset.
fn open_control(stream: Stream, control: &ControlSender, reporter: &Reporter) {
    let Stream { sender, mut receiver, abort } = stream;
    {
        let mut control = control.lock().unwrap_or_else(PoisonError::into_inner);
        if control.is_some() {
            return abort.abort();
        }
        *control = Some(sender);
    }
    reporter.tell(What::ControlOpened);
    let mut unfinished = None;
    let why = loop {
        match receiver.receive(Some(Instant::now() + SILENCE)) {
            Ok(Received::Payload(payload)) => {
                unfinished = None;
                reporter.tell_of_guest(What::Message(payload.to_vec()));
            }
            Ok(Received::End) => break "the agent ended it".to_owned(),
            // Never the end of a run, but worth knowing when its deadline passes.
            Err(lunlab_stream::Error::Silent(partial)) => {
                if std::mem::replace(&mut unfinished, partial) != partial {
                    reporter.tell(What::Unfinished(partial));
                }
            }
            Err(error) => break error.to_string(),
        }
    };
    reporter.tell(What::ControlLost(why));
}

/// An initiator whose process loads its library while the machine is put together.
struct Starting(Initiator);

impl Starting {
    fn spawn(guardian: &Guardian) -> Result<Self, Error> {
        let mut command = own_command()?;
        command.arg(INITIATOR_SUBCOMMAND).stderr(Stdio::null());
        Initiator::spawn(guardian.guard(&mut command)).map(Self).map_err(initiator_error)
    }

    fn ready(self, data_digest: Digest, reporter: &Reporter) -> Result<Sender<Job>, Error> {
        let mut initiator = self.0;
        let loaded = initiator.ready(INITIATOR).map_err(initiator_error)?;
        loaded.offers(data_digest).map_err(|failure| initiator_error(failure.into()))?;
        let (jobs, next) = std::sync::mpsc::channel::<Job>();
        let reporter = reporter.clone();
        thread("initiator", move || {
            for job in next {
                if let Err(problem) = carry_out(&mut initiator, &job, &reporter) {
                    return reporter.tell(What::InitiatorEnded(problem));
                }
            }
        })?;
        Ok(jobs)
    }
}

fn initiator_error(error: crate::initiator::InitiatorError) -> Error {
    let converted = if error.is_environment() {
        Error::environment(error.to_string())
    } else {
        Error::internal(error.to_string())
    };
    match error.hint() {
        Some(hint) => converted.with_hint(hint),
        None => converted,
    }
}

/// Passes the reports of one job on, its last one included.
fn carry_out(initiator: &mut Initiator, job: &Job, reporter: &Reporter) -> Result<(), String> {
    use crate::initiator::Report;
    initiator.send(job).map_err(|error| error.to_string())?;
    loop {
        // The child has deadlines of its own for everything it waits for.
        let next = initiator.next_report("a report", Duration::from_secs(3600));
        let Some(received) = next.map_err(|error| error.to_string())? else { continue };
        let last = matches!(received.report, Report::Done { .. } | Report::Failed(_));
        reporter.tell_at(received.at, What::Initiator(received.report));
        if last {
            return Ok(());
        }
    }
}
