//! What PID 1 is to do, from whoever asks: the host, a signal, the channel's end.

use crate::channel::{Link, Requests};
use crate::provision::Collector;
use lunlab_protocol::event::Event;
use lunlab_protocol::message::decode;
use lunlab_protocol::request::{Provocation, Request};
use lunlab_stream::Received;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Something to do.
#[derive(Debug)]
pub enum Command {
    /// Work that may hit a bug of the kernel: for the worker thread.
    Work(crate::serve::Work),
    /// Dial the host and connect the stream to this portal of the guest.
    OpenStream {
        /// The stream's number.
        stream: u32,
        /// The portal.
        portal: SocketAddr,
    },
    /// Make something go wrong.
    Provoke(Provocation),
    /// Tear down, report, power off.
    Finish,
    /// The host has the last message.
    Acknowledge,
    /// The channel broke: nobody is left to report to.
    HostGone(String),
}

/// Where commands are put.
#[derive(Clone)]
pub struct Queue(Sender<Command>);

/// Where PID 1 takes them from.
pub struct Commands(Receiver<Command>);

/// A queue and its end.
#[must_use]
pub fn queue() -> (Queue, Commands) {
    let (sender, receiver) = channel();
    (Queue(sender), Commands(receiver))
}

impl Queue {
    /// Adds a command.
    pub fn push(&self, command: Command) {
        // Only a PID 1 on its way to power-off has dropped the other end.
        let _ending = self.0.send(command);
    }
}

impl Commands {
    /// The next command, or `None` at the deadline.
    #[must_use]
    pub fn next_before(&self, deadline: Instant) -> Option<Command> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.0.recv_timeout(left) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // Every sender is gone, which only a bug can cause: be slow rather than spin.
                std::thread::sleep(left.min(Duration::from_secs(1)));
                None
            }
        }
    }
}

/// Turns requests into commands.
pub struct Translator<'a> {
    queue: &'a Queue,
    link: &'a Link,
    collector: Collector,
}

impl<'a> Translator<'a> {
    /// A translator with nothing described yet.
    #[must_use]
    pub fn new(queue: &'a Queue, link: &'a Link) -> Self {
        Self { queue, link, collector: Collector::default() }
    }

    /// Acts on one request. What this agent does not know is told to the host and left.
    pub fn take(&mut self, request: &Request<'_>) {
        use crate::serve::Work;
        match request {
            // Both were dealt with before the first command.
            Request::Channel(_)
            | Request::Module(lunlab_protocol::request::Module { channel: true, .. }) => {}
            Request::Module(module) => {
                let (path, parameters) = (module.path.to_owned(), module.parameters.to_owned());
                self.work(Work::Load { path, parameters });
            }
            Request::Device(device) => self.collector.device(device),
            Request::Network { address, prefix, gateway } => {
                self.collector.network(address, *prefix, gateway);
            }
            Request::Step(step) => self.collector.step(step),
            Request::LoopbackDisk(disk) => self.collector.disk(disk),
            Request::Provision => {
                let collected = std::mem::take(&mut self.collector);
                self.work(Work::Provision(collected.finish()));
            }
            Request::Change => {
                let collected = std::mem::take(&mut self.collector);
                self.work(Work::Change(collected.finish()));
            }
            Request::Read { number, path, .. } => {
                self.work(Work::Read { number: *number, path: (*path).to_owned() });
            }
            Request::OpenStream { stream, address, port } => match address.parse::<IpAddr>() {
                Ok(address) => {
                    let portal = SocketAddr::new(address, *port);
                    self.queue.push(Command::OpenStream { stream: *stream, portal });
                }
                Err(_) => {
                    let problem = format!("no address: {address}");
                    self.link.tell(&Event::StreamFailed { stream: *stream, problem: &problem });
                }
            },
            Request::Benchmark(benchmark) => {
                self.work(Work::Benchmark(crate::workload::Job::new(benchmark)));
            }
            Request::Provoke(code) => match Provocation::from_code(*code) {
                Some(Provocation::Oops) => self.work(Work::Oops),
                Some(provocation) => self.queue.push(Command::Provoke(provocation)),
                None => self.note(&format!("unknown provocation {code} (ignored)")),
            },
            Request::Finish => self.queue.push(Command::Finish),
            Request::Acknowledge => self.queue.push(Command::Acknowledge),
        }
    }

    fn work(&self, work: crate::serve::Work) {
        self.queue.push(Command::Work(work));
    }

    fn note(&self, text: &str) {
        self.link.tell(&Event::Note { text });
    }
}

/// Reads requests until the channel ends.
pub fn read(mut requests: Requests, queue: &Queue, link: &Link) {
    let mut translator = Translator::new(queue, link);
    let problem = loop {
        match requests.receive(None) {
            Ok(Received::Payload(payload)) => match decode::<Request<'_>>(payload) {
                Ok(request) => translator.take(&request),
                Err(error) => translator.note(&format!("a request was not understood: {error}")),
            },
            Ok(Received::End) => break "the host ended the channel".to_owned(),
            Err(error) => break format!("channel: {error}"),
        }
    };
    queue.push(Command::HostGone(problem));
}
