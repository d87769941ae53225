//! Does what the host asks, until it is told to finish.

use crate::boot::{BootError, Guest, microseconds, taint, uptime_us};
use crate::channel::{Dialler, Link};
use crate::command::{self, Command, Commands, Translator};
use crate::kmsg::Forwarder;
use crate::modules::ModuleError;
use crate::provision::{self, Provisioned, TEXT, Wanted};
use crate::workload::Job;
use crate::{modules, network, portal, power, provoke, signals};
use configfs_rs::kernel_log::KernelLog;
use lunlab_protocol::event::{Event, Phase, StepFailed};
use lunlab_protocol::message::cut;
use lunlab_protocol::request::Provocation;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Between signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What the teardown may take; then the guest powers off as it is.
const TEARDOWN: Duration = Duration::from_secs(10);

/// What the host may take to acknowledge the last message.
const ACKNOWLEDGE: Duration = Duration::from_secs(10);

/// How PID 1 ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Sync and power off.
    PowerOff,
    /// Return from main: a provoked end of PID 1.
    Exit,
}

/// What the worker thread does, one after the other. An oops in any of it ends that thread only.
#[derive(Debug)]
pub enum Work {
    /// Load a module.
    Load {
        /// Its path.
        path: String,
        /// Its parameters.
        parameters: String,
    },
    /// Set up the target.
    Provision(Result<Wanted, String>),
    /// Make what stands be this.
    Change(Result<Wanted, String>),
    /// Read a group of configfs.
    Read {
        /// The host's number for it.
        number: u32,
        /// Its path below the configfs root.
        path: String,
    },
    /// Run a workload.
    Benchmark(Job),
    /// Provoke an oops.
    Oops,
}

struct Server {
    link: Arc<Link>,
    dialler: Arc<Dialler>,
    kmsg: Option<Arc<Forwarder>>,
    work: Sender<Work>,
    provisioned: Arc<Mutex<Provisioned>>,
    hang: bool,
}

/// Serves the host.
///
/// # Errors
/// When a thread cannot be started.
pub fn serve(guest: Guest) -> Result<End, BootError> {
    let (queue, commands) = command::queue();
    let Guest { signals, segment, link, requests, dialler, kmsg } = guest;
    prepare(&link);
    let provisioned = Arc::new(Mutex::new(Provisioned::default()));
    let (work, jobs) = channel();
    let (worker_link, worker_state) = (Arc::clone(&link), Arc::clone(&provisioned));
    start("worker", move || Worker::new(worker_link, worker_state).run(&jobs))?;
    let mut translator = Translator::new(&queue, &link);
    segment.each_request(|request| translator.take(&request));
    let (reader_link, reader_queue) = (Arc::clone(&link), queue.clone());
    start("requests", move || command::read(requests, &reader_queue, &reader_link))?;
    start("signals", move || signals::run(&signals, &queue))?;
    Ok(Server { link, dialler, kmsg, work, provisioned, hang: false }.run(&commands))
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), BootError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map(|_detached| ())
        .map_err(BootError::Thread)
}

/// What a run wants of the kernel and can do without.
fn prepare(link: &Link) {
    let tolerate = |what: &str, problem: Option<String>| {
        if let Some(problem) = problem {
            link.tell(&Event::Note { text: &format!("{what}: {problem} (ignored)") });
        }
    };
    let sysrq = std::fs::write("/proc/sys/kernel/sysrq", "1");
    tolerate("write 1 to /proc/sys/kernel/sysrq", sysrq.err().map(|error| error.to_string()));
    // There is no modprobe to start; the kernel need not try (LIO would, for every backstore).
    let modprobe = std::fs::write("/proc/sys/kernel/modprobe", "\n");
    tolerate("clear /proc/sys/kernel/modprobe", modprobe.err().map(|error| error.to_string()));
    tolerate(
        "set the loopback interface up",
        network::loopback_up().err().map(|errno| errno.to_string()),
    );
}

impl Server {
    fn run(mut self, commands: &Commands) -> End {
        let mut beat = Instant::now() + HEARTBEAT;
        loop {
            let Some(command) = commands.next_before(beat) else {
                self.link.tell(&Event::Heartbeat { uptime_us: uptime_us() });
                beat = Instant::now() + HEARTBEAT;
                continue;
            };
            match command {
                Command::Work(work) => {
                    // A worker that met an oops takes nothing any more; the host has seen why.
                    let _dead = self.work.send(work);
                }
                Command::OpenStream { stream, portal } => self.open_stream(stream, portal),
                Command::Provoke(provocation) => {
                    if let Some(end) = self.provoke(provocation) {
                        return end;
                    }
                }
                Command::Finish if self.hang => {}
                Command::Finish => return self.finish(commands),
                Command::Acknowledge => {}
                Command::HostGone(problem) => {
                    power::say(&problem);
                    return End::PowerOff;
                }
            }
        }
    }

    fn open_stream(&self, stream: u32, portal: SocketAddr) {
        if let Err(error) = portal::open(&self.dialler, &self.link, stream, portal) {
            let problem = format!("start a thread for stream {stream}: {error}");
            self.link.tell(&Event::StreamFailed { stream, problem: &problem });
        }
    }

    fn provoke(&mut self, provocation: Provocation) -> Option<End> {
        match provocation {
            Provocation::Panic => {
                if let Err(error) = provoke::panic_kernel() {
                    let text = format!("write c to /proc/sysrq-trigger: {error}");
                    self.link.tell(&Event::Note { text: &text });
                }
            }
            // The worker's.
            Provocation::Oops => {}
            Provocation::Hang => self.hang = true,
            Provocation::AgentExit => return Some(End::Exit),
            Provocation::AgentPanic => panic!("provoked"),
        }
        None
    }

    /// Tears down within its time, says all there is to say, and waits until the host has it.
    fn finish(&self, commands: &Commands) -> End {
        let problem = self.tear_down();
        self.link.tell(&Event::TornDown { problem: &problem });
        self.link.tell(&Event::Phase { phase: Phase::TornDown.code(), uptime_us: uptime_us() });
        if let Some(kmsg) = &self.kmsg {
            kmsg.drain();
        }
        self.link.tell(&Event::Taint { bits: taint() });
        self.link.tell(&Event::Finished);
        let deadline = Instant::now() + ACKNOWLEDGE;
        while let Some(command) = commands.next_before(deadline) {
            if matches!(command, Command::Acknowledge | Command::HostGone(_)) {
                break;
            }
        }
        End::PowerOff
    }

    /// LIO waits uninterruptibly for sessions and their I/O: in a thread, with a deadline.
    fn tear_down(&self) -> String {
        let (done, outcome) = channel();
        let (provisioned, link) = (Arc::clone(&self.provisioned), Arc::clone(&self.link));
        let begun = start("teardown", move || {
            let _nobody_waits = done.send(provision::tear_down(&provisioned, &link));
        });
        if let Err(error) = begun {
            return error.to_string();
        }
        outcome.recv_timeout(TEARDOWN).unwrap_or_else(|_| {
            format!("teardown is not done after {} s; powering off as it is", TEARDOWN.as_secs())
        })
    }
}

struct Worker {
    link: Arc<Link>,
    provisioned: Arc<Mutex<Provisioned>>,
    /// A step failed: what builds on it is not tried.
    failed: bool,
    modules_reported: bool,
}

impl Worker {
    fn new(link: Arc<Link>, provisioned: Arc<Mutex<Provisioned>>) -> Self {
        Self { link, provisioned, failed: false, modules_reported: false }
    }

    fn run(mut self, jobs: &Receiver<Work>) {
        for work in jobs {
            match work {
                Work::Load { path, parameters } => self.load(&path, &parameters),
                Work::Provision(wanted) => {
                    self.modules_are_loaded();
                    if !self.failed {
                        provision::provision(wanted, &self.provisioned, &self.link);
                    }
                }
                Work::Change(wanted) => {
                    provision::change(wanted, &self.provisioned, &self.link);
                }
                Work::Read { number, path } => provision::read(number, &path, &self.link),
                Work::Benchmark(job) => job.run(&self.link),
                Work::Oops => provoke::oops(&self.link),
            }
        }
    }

    fn load(&mut self, path: &str, parameters: &str) {
        if self.failed {
            return;
        }
        let mut log = KernelLog::open();
        log.mark();
        match modules::load(path, parameters) {
            Ok(took) => {
                self.link.tell(&Event::ModuleLoaded { path, took_us: microseconds(took) });
            }
            Err(error) => self.refused(&error, &log.lines()),
        }
    }

    /// Tells what the kernel refused, in its own words too.
    fn refused(&mut self, error: &ModuleError, lines: &[String]) {
        self.failed = true;
        let step = StepFailed {
            step: 0,
            steps: 0,
            operation: error.operation,
            path: &error.path,
            value: "",
            errno: error.errno.raw_os_error(),
            cause: "",
            hint: "",
        };
        let mut events = vec![Event::StepFailed(step)];
        events.extend(lines.iter().map(|text| Event::StepKernelLine { text: cut(text, TEXT) }));
        events.push(Event::ProvisionFailed { undone: true });
        self.link.tell_each(&events);
    }

    fn modules_are_loaded(&mut self) {
        if !std::mem::replace(&mut self.modules_reported, true) {
            let uptime_us = uptime_us();
            self.link.tell(&Event::Phase { phase: Phase::Modules.code(), uptime_us });
        }
    }
}
