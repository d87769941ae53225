//! Workload `relay`: sends a block to peers in network namespaces, and times when each has it.

mod netlink;
mod network;
mod peer;

use configfs_rs::Errno;
use lunlab_bench::relay::difference::Sent;
use lunlab_bench::relay::{BURST, Uplink, orphan_rate};
use lunlab_bench::sampling::{Budget, Variant, sample};
use lunlab_bench::statistics::Summary;
use lunlab_bench::unit;
use lunlab_bench::workload::{Observer, Stopped, Told, Values};
use network::{Network, SENDER};
use peer::Arrival;
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Bytes in a sender's socket, which the kernel doubles. A whole block in one would come before all others, however fair the uplink is.
const SEND_BUFFER: usize = 16 * 1024;

/// What takes more than this of the arithmetic bound was not held up by the uplink, and says nothing of another one.
const HELD_UP: f64 = 2.0;

/// The uplink of a home line, for which orphan rates are told as well.
const HOME: Uplink = Uplink { rate: 1_000_000 };

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let (budget, uplink) = (values.budget()?, Uplink { rate: values.number("rate")? });
    let peers = u8::try_from(values.number("peers")?).unwrap_or(u8::MAX);
    let (lacking, surplus) = (values.part("lacking")?, values.part("surplus")?);
    let network = Network::new(uplink, peers)?;
    let sent = Sent::new(values.number("block_size")?, lacking, surplus);
    let relay = Relay::new(&network, uplink, sent)?;
    relay.tell_conditions(observer);
    let sends: Vec<Sending<'_>> =
        values.words("mode").map(|mode| Sending::new(&relay, mode)).collect::<Result<_, _>>()?;
    let samples = take_samples(&budget, &sends, observer)?;
    sends.iter().for_each(|send| send.tell(&samples, observer));
    // One more of each, as nothing is to be told within a region.
    let counted = if values.flag("count") { &sends[..] } else { &[] };
    counted.iter().try_for_each(|send| send.count(observer))
}

/// Samples by series.
type Samples = BTreeMap<String, Vec<f64>>;

fn take_samples(
    budget: &Budget,
    sends: &[Sending<'_>],
    observer: &mut dyn Observer,
) -> Result<Samples, Stopped> {
    let mut samples = Samples::new();
    let mut variants: Vec<Variant<'_>> = sends.iter().flat_map(Sending::variants).collect();
    sample(budget, &mut variants, &mut |told: Told<'_>| {
        if let Told::Sample { series, value, .. } = told {
            samples.entry(series.to_owned()).or_default().push(value);
        }
        observer.tell(told);
    })?;
    Ok(samples)
}

/// A sender with a connection to each peer.
struct Relay {
    sent: Sent,
    digest: [u8; 32],
    uplink: Uplink,
    /// In the peers' order.
    connections: Vec<TcpStream>,
    arrivals: Receiver<Arrival>,
    patience: Duration,
}

impl Relay {
    fn new(network: &Network, uplink: Uplink, sent: Sent) -> Result<Self, Stopped> {
        let peers = network.peers.len();
        let bound = uplink.seconds(peers as u64 * sent.bytes.len() as u64);
        let patience = Duration::from_secs_f64(30.0 + 10.0 * bound);
        let listener = network.sender.inside(|| {
            TcpListener::bind((SENDER, 0)).map_err(|error| failed(&format!("listen: {error}")))
        })?;
        let address = listener.local_addr().map_err(|error| failed(&error.to_string()))?;
        let (told, arrivals) = channel();
        let mut connections = Vec::new();
        for (number, namespace) in network.peers.iter().enumerate() {
            let stream = namespace.inside(|| connect(address, patience))?;
            let (connection, _) =
                listener.accept().map_err(|error| failed(&format!("accept: {error}")))?;
            connections.push(be_patient(connection, patience)?);
            let (mempool, told) = (sent.mempool(number), told.clone());
            // It ends with the connection.
            std::thread::spawn(move || peer::take(number, &stream, &mempool, &told));
        }
        Ok(Self { digest: sent.digest(), sent, uplink, connections, arrivals, patience })
    }

    fn tell_conditions(&self, observer: &mut dyn Observer) {
        let (bytes, transactions) = (self.sent.bytes.len(), self.sent.transactions());
        let text = format!("{bytes} bytes, {transactions} transactions");
        observer.tell(Told::Finding { name: "block", text: &text });
        let rate = self.uplink.rate;
        let text = format!("{rate} bit/s by a token bucket of {BURST} bytes");
        observer.tell(Told::Finding { name: "uplink", text: &text });
    }

    /// Sends the block to all; seconds until each peer had it, and the bytes sent to each.
    fn send(&self, way: Way) -> Result<(Vec<f64>, Vec<u64>), Stopped> {
        let start = Instant::now();
        let bytes: Result<Vec<u64>, String> = match way {
            Way::Serial => {
                self.connections.iter().map(|to| peer::give_whole(to, &self.sent)).collect()
            }
            Way::AllAtOnce => self.to_all(peer::give_whole),
            Way::Difference => self.to_all(peer::give_difference),
        };
        // What a peer has to say of it says more than that the connection ended.
        let mut seconds = vec![0.0; self.connections.len()];
        for _ in 0..if bytes.is_ok() { seconds.len() } else { 1 } {
            let arrival = self.arrivals.recv_timeout(self.patience);
            let (peer, outcome) = match (arrival, &bytes) {
                (Ok(arrival), _) => arrival,
                (Err(_), Err(problem)) => return Err(failed(problem)),
                (Err(error), Ok(_)) => return Err(failed(&error.to_string())),
            };
            let of_peer = |what: String| failed(&format!("peer {}: {what}", peer + 1));
            let (arrival, digest) = outcome.map_err(of_peer)?;
            if digest != self.digest {
                return Err(of_peer("a block with another digest than the sender's".to_owned()));
            }
            seconds[peer] = (arrival - start).as_secs_f64();
        }
        let bytes = bytes.map_err(|problem| failed(&problem))?;
        self.check(&seconds, &bytes)?;
        Ok((seconds, bytes))
    }

    fn to_all(
        &self,
        give: fn(&TcpStream, &Sent) -> Result<u64, String>,
    ) -> Result<Vec<u64>, String> {
        let sent = &self.sent;
        std::thread::scope(|scope| {
            let each = self.connections.iter();
            let each = each.map(|to| scope.spawn(move || give(to, sent)));
            let threads: Vec<_> = each.collect();
            let ended = |_| Err("a thread ended without a word".to_owned());
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
        })
    }

    /// What comes sooner than the uplink allows did not come through it: nothing is measured then.
    fn check(&self, seconds: &[f64], bytes: &[u64]) -> Result<(), Stopped> {
        self.uplink.undercut(seconds, bytes).map_or(Ok(()), |(arrival, earliest)| {
            Err(failed(&format!(
                "a block came after {arrival:.6} s, and the uplink needs {earliest:.6} s: the token bucket filter let too much pass"
            )))
        })
    }
}

fn failed(what: &str) -> Stopped {
    Stopped::Failed(what.to_owned())
}

fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream, Stopped> {
    let stream = TcpStream::connect_timeout(&address, patience)
        .map_err(|error| failed(&format!("connect to {address}: {error}")))?;
    // A peer waits for the next block as long as it takes.
    be_prompt(&stream)?;
    Ok(stream)
}

/// Small requests go at once.
fn be_prompt(stream: &TcpStream) -> Result<(), Stopped> {
    stream.set_nodelay(true).map_err(|error| failed(&format!("TCP_NODELAY: {error}")))
}

fn be_patient(stream: TcpStream, patience: Duration) -> Result<TcpStream, Stopped> {
    be_prompt(&stream)?;
    set_socket_send_buffer_size(&stream, SEND_BUFFER)
        .map_err(|errno| failed(&format!("SO_SNDBUF: {}", Errno::from(errno))))?;
    stream.set_read_timeout(Some(patience)).map_err(|error| failed(&error.to_string()))?;
    stream.set_write_timeout(Some(patience)).map_err(|error| failed(&error.to_string()))?;
    Ok(stream)
}

#[derive(Clone, Copy)]
enum Way {
    AllAtOnce,
    Serial,
    Difference,
}

/// One way of sending the block, and what it last came to.
struct Sending<'a> {
    relay: &'a Relay,
    mode: String,
    way: Way,
    latest: RefCell<Vec<f64>>,
    bytes: Cell<u64>,
}

impl<'a> Sending<'a> {
    fn new(relay: &'a Relay, mode: &str) -> Result<Self, Stopped> {
        let way = match mode {
            "all-at-once" => Way::AllAtOnce,
            "serial" => Way::Serial,
            "iblt" => Way::Difference,
            _ => return Err(failed(&format!("mode = {mode:?}: not known"))),
        };
        Ok(Self {
            relay,
            mode: mode.to_owned(),
            way,
            latest: RefCell::default(),
            bytes: Cell::new(0),
        })
    }

    /// A series for each peer, and for the first and the last to have the block. One sending gives a sample of each: the first series
    /// sends, the others look at what that came to.
    fn variants(&self) -> Vec<Variant<'_>> {
        let sends = Variant::new(self.series("first peer"), unit::MILLISECONDS, || {
            let (seconds, bytes) = self.relay.send(self.way)?;
            self.bytes.set(bytes.iter().sum());
            let first = seconds.iter().copied().fold(f64::INFINITY, f64::min);
            *self.latest.borrow_mut() = seconds;
            Ok(first * 1e3)
        });
        let last = self.looks("last peer", |all| all.iter().copied().fold(0.0, f64::max));
        let peers = 0..self.relay.connections.len();
        let each = peers.map(|n| self.looks(&format!("peer {}", n + 1), move |all| all[n]));
        [sends, last].into_iter().chain(each).collect()
    }

    fn looks(&self, name: &str, of: impl Fn(&[f64]) -> f64 + 'static) -> Variant<'_> {
        let sample = move || Ok(of(&self.latest.borrow()) * 1e3);
        Variant::new(self.series(name), unit::MILLISECONDS, sample)
    }

    /// Sends it once more, counting what sender and peers do for that.
    fn count(&self, observer: &mut dyn Observer) -> Result<(), Stopped> {
        let mut outcome = Ok(());
        observer.region(&self.mode, &mut || outcome = self.relay.send(self.way).map(drop));
        outcome
    }

    fn series(&self, name: &str) -> String {
        format!("{}/{name}", self.mode)
    }

    /// Tells how near it came to the arithmetic bound, and what that costs a miner.
    fn tell(&self, samples: &Samples, observer: &mut dyn Observer) {
        let median = |name| {
            let samples = samples.get(&self.series(name))?;
            Some(Summary::of(samples)?.median / 1e3)
        };
        let (Some(first), Some(last)) = (median("first peer"), median("last peer")) else { return };
        let mut tell = |name: &str, text: &str| {
            observer.tell(Told::Finding { name: &format!("{} {name}", self.mode), text });
        };
        let (block, bytes) = (self.relay.sent.bytes.len() as u64, self.bytes.get());
        let copies = block * self.relay.connections.len() as u64;
        let percent = bytes as f64 / copies as f64 * 100.0;
        tell("sent", &format!("{bytes} bytes, {percent:.1} % of whole copies"));
        let bound = self.relay.uplink.seconds(bytes);
        let over = last / bound;
        tell(
            "bound",
            &format!(
                "{:.3} ms for all that was sent; the last peer took {over:.3} of it",
                bound * 1e3
            ),
        );
        tell("orphan rate", &format!("{:.4} % (first peer)", orphan_rate(first) * 100.0));
        if matches!(self.way, Way::Difference) {
            // Its time is the processor's too, which another uplink would not change.
            return;
        }
        if over > HELD_UP {
            tell("orphan rate at 1 Mbit/s", "not told: something else than the uplink held it up");
            return;
        }
        for megabytes in [1, 8] {
            let scale = HOME.seconds(megabytes * 1_000_000) / self.relay.uplink.seconds(block);
            let (first, last) = (first * scale, last * scale);
            let rate = orphan_rate(first) * 100.0;
            let name = format!("orphan rate of {megabytes} MB at 1 Mbit/s");
            tell(
                &name,
                &format!(
                    "{rate:.1} % (first peer after {first:.1} s, last {last:.1} s, by proportion)"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests;
