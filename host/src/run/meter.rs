//! What is measured across the channel by the host's own clock: the workload `channel`.
//!
//! The guest's program is given addresses to serve at, and a token of its own for the stream it dials: the run's stays with PID 1.
//! Once that stream is there, so is all else, and [`Meter::run`] measures. Where it ends the stream, the guest's program ends too.

use crate::portal::{Asked, PortalAddress};
use crate::run::happening::What;
use crate::run::queue::Reporter;
use crate::spec::{Benchmark, Measured, Network, Spec, USER_NETWORK_ADDRESS};
use lunlab_bench::channel::{ALL, NIC, PORTAL, Path, STREAM, measure};
use lunlab_bench::workload::{Observer, Run, Stopped, Told, Values};
use lunlab_protocol::event::Event;
use lunlab_protocol::frame::MAX_PAYLOAD;
use lunlab_protocol::hello::BENCHMARKS;
use lunlab_protocol::message::encode;
use lunlab_protocol::request::Channel;
use lunlab_stream::Stream;
use lunlab_stream::bytes::Bytes;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long no byte may move before a way counts as broken.
const STALL: Duration = Duration::from_secs(20);

/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_millis(500);

/// A way to the guest by TCP, and what it is called.
pub type Way = (&'static str, PortalAddress);

/// The addresses that benchmarks across the channel need, beside those of the target's portals.
#[must_use]
pub fn asked(spec: &Spec) -> Vec<(&'static str, Asked)> {
    if !crosses(spec) {
        return Vec::new();
    }
    let portal = (PORTAL, (IpAddr::V4(Ipv4Addr::LOCALHOST), None));
    let nic = (NIC, (IpAddr::V4(USER_NETWORK_ADDRESS), None));
    [portal].into_iter().chain((spec.network == Network::User).then_some(nic)).collect()
}

/// Whether a benchmark is measured across the channel.
#[must_use]
pub fn crosses(spec: &Spec) -> bool {
    let across = |benchmark: &Benchmark| match benchmark {
        Benchmark::Measured(asked) => matches!(asked.run(), Some(Run::Across)),
        Benchmark::IscsiRandread(_) | Benchmark::HostCommand(_) => false,
    };
    spec.benchmarks.iter().any(across)
}

/// What the guest's program is told, beside the workload's own parameters.
pub struct Line {
    /// The token of benchmarks' streams, in hexadecimal digits.
    pub token: String,
    /// How to reach the host.
    pub channel: Channel,
    /// What there is beside the stream.
    pub ways: Vec<Way>,
}

impl Line {
    /// The parameters that tell a guest's program of it.
    #[must_use]
    pub fn parameters(&self, number: u32) -> Vec<(String, String)> {
        let stream = (BENCHMARKS | number).to_string();
        let port = match self.channel {
            Channel::Vsock { port } => port.to_string(),
            Channel::VirtioSerial => String::new(),
        };
        let ways = self.ways.iter().map(|(name, way)| (*name, way.guest.to_string()));
        let all = [("stream", stream), ("token", self.token.clone()), ("port", port)];
        all.into_iter().chain(ways).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// A benchmark that waits for the guest's stream.
pub struct Meter {
    /// The benchmark.
    pub number: u32,
    /// What it is run with.
    pub asked: Measured,
    /// What there is beside the stream.
    pub ways: Vec<Way>,
    /// Whom it tells.
    pub reporter: Reporter,
}

impl Meter {
    /// Measures, and tells what went wrong if something did.
    pub fn run(self, stream: Stream) {
        let mut told = Teller { number: self.number, reporter: &self.reporter, last: None };
        let values: Values = self.asked.values.iter().cloned().collect();
        let outcome = self.paths(&values, &mut told).and_then(|paths| {
            let mut bytes = Bytes::new(stream);
            self.measure(&values, &paths, &mut bytes, &mut told)?;
            // The last bytes of both sides are through, so nothing is left on the way.
            bytes.end().map_err(|error| Stopped::Failed(format!("end the stream: {error}")))
        });
        if let Err(stopped) = outcome {
            let (benchmark, problem) = (self.number, stopped.to_string());
            self.reporter.tell(What::MeterFailed { benchmark, problem });
        }
    }

    /// The paths to measure; what is not there is told.
    fn paths(
        &self,
        values: &Values,
        told: &mut dyn Observer,
    ) -> Result<Vec<&'static str>, Stopped> {
        let wanted: Vec<&str> = values.words("paths").collect();
        let has = |path: &str| path == STREAM || self.ways.iter().any(|(name, _)| *name == path);
        let wants = |path: &&&str| wanted.contains(&ALL) || wanted.contains(*path);
        let paths = [STREAM, PORTAL, NIC];
        for path in paths.iter().filter(wants).filter(|path| !has(path)) {
            let text = format!("{path}: the spec has no network with mode = \"user\"");
            told.tell(Told::Finding { name: "left out", text: &text });
        }
        Ok(paths.iter().filter(wants).filter(|path| has(path)).copied().collect())
    }

    fn measure(
        &self,
        values: &Values,
        paths: &[&'static str],
        stream: &mut Bytes,
        told: &mut dyn Observer,
    ) -> Result<(), Stopped> {
        let mut watch = Watch::default();
        let breaker = stream.breaker();
        watch.breaks.push(Box::new(move || breaker.abort()));
        let mut stream = Some(stream);
        let mut ways = Vec::new();
        for path in paths {
            let io: Box<dyn lunlab_bench::channel::exchange::Duplex + '_> =
                match stream.take_if(|_| *path == STREAM) {
                    Some(stream) => Box::new(watch.over(stream)),
                    None => Box::new(self.connect(path, &mut watch)?),
                };
            ways.push(Path { name: path, io });
        }
        let (stalled, _watching) = watch.begin(STALL)?;
        let outcome = measure(values, ways, told);
        outcome.map_err(|stopped| stalled.explain(stopped))
    }

    fn connect(&self, path: &str, watch: &mut Watch) -> Result<Watched<TcpStream>, Stopped> {
        let way = self.ways.iter().find(|(name, _)| *name == path);
        let address = way.map(|(_, address)| address.host);
        let tcp = address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)).and_then(connect);
        let failed = |error: io::Error| Stopped::Failed(format!("connect {path}: {error}"));
        let tcp = tcp.map_err(failed)?;
        let other = tcp.try_clone().map_err(failed)?;
        watch.breaks.push(Box::new(move || drop(other.shutdown(Shutdown::Both))));
        Ok(watch.over(tcp))
    }
}

/// Messages are small and wait for each other: none waits for an acknowledgement (Nagle).
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true).map(|()| tcp)
}

/// Turns what is measured into what the guest would have told.
struct Teller<'a> {
    number: u32,
    reporter: &'a Reporter,
    /// When it was last said how far it is.
    last: Option<Instant>,
}

impl Observer for Teller<'_> {
    fn tell(&mut self, told: Told<'_>) {
        let benchmark = self.number;
        let event = match told {
            Told::Sample { series, unit, value } => {
                Event::Sample { benchmark, series, unit, value }
            }
            Told::Finding { name, text } => Event::Finding { benchmark, name, text },
            Told::Bucket { series, up_to_ns, count } => {
                Event::LatencyBucket { benchmark, series, up_to_ns, count }
            }
            Told::Progress { done, left } => {
                if self.last.is_some_and(|last| last.elapsed() < PROGRESS) {
                    return;
                }
                self.last = Some(Instant::now());
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 1000"
                )]
                let permille = (done.clamp(0.0, 1.0) * 1000.0) as u32;
                let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                Event::Progress { benchmark, permille, left_ms }
            }
            // Nothing is counted here.
            Told::Counter { .. } => return,
        };
        let mut buffer = [0; MAX_PAYLOAD];
        // What is told here is far below a frame.
        if let Ok(payload) = encode(&event, &mut buffer) {
            self.reporter.tell(What::Measured(payload.to_vec()));
        }
    }
}

/// Breaks all ways off when no byte moves any more: one that was lost would be waited for for ever.
#[derive(Default)]
struct Watch {
    moved: Arc<AtomicU64>,
    breaks: Vec<Box<dyn Fn() + Send>>,
}

/// Whether, and with how many bytes, it came to that.
struct Stalled(Arc<AtomicU64>);

impl Watch {
    fn over<T>(&self, io: T) -> Watched<T> {
        Watched { io, moved: Arc::clone(&self.moved) }
    }

    /// Watches until the sender is dropped; this is how long no byte may move.
    fn begin(self, limit: Duration) -> Result<(Stalled, Sender<()>), Stopped> {
        let (watching, end) = channel::<()>();
        let told = Arc::new(AtomicU64::new(0));
        let stalled = Arc::clone(&told);
        let body = move || {
            let mut seen = self.moved.load(Ordering::Relaxed);
            while end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let now = self.moved.load(Ordering::Relaxed);
                if now == seen {
                    told.store(now.max(1), Ordering::Relaxed);
                    return self.breaks.iter().for_each(|end| end());
                }
                seen = now;
            }
        };
        let thread = std::thread::Builder::new().name("stall".into()).spawn(body);
        thread.map_err(|error| Stopped::Failed(format!("start a thread: {error}")))?;
        Ok((Stalled(stalled), watching))
    }
}

impl Stalled {
    fn explain(&self, stopped: Stopped) -> Stopped {
        match (self.0.load(Ordering::Relaxed), stopped) {
            (0, stopped) => stopped,
            (moved, stopped) => Stopped::Failed(format!(
                "no byte moved for {} s: one was lost on the way, or the guest hangs; {moved} had by then ({stopped})",
                STALL.as_secs()
            )),
        }
    }
}

/// Counts the bytes that move.
struct Watched<T> {
    io: T,
    moved: Arc<AtomicU64>,
}

impl<T> Watched<T> {
    fn count(&self, outcome: io::Result<usize>) -> io::Result<usize> {
        outcome.inspect(|count| {
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            self.moved.fetch_add(count, Ordering::Relaxed);
        })
    }
}

impl<T: Read> Read for Watched<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = self.io.read(buffer);
        self.count(outcome)
    }
}

impl<T: Write> Write for Watched<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.io.write(bytes);
        self.count(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_byte_that_never_comes_breaks_the_way_off_and_is_told() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let mut watch = Watch::default();
        let other = here.try_clone().unwrap();
        watch.breaks.push(Box::new(move || drop(other.shutdown(Shutdown::Both))));
        let mut watched = watch.over(here);
        let (stalled, _watching) = watch.begin(Duration::from_millis(50)).unwrap();
        there.write_all(b"abc").unwrap();
        let error = watched.read_exact(&mut [0; 4]).unwrap_err();
        let told = stalled.explain(Stopped::Failed(error.to_string())).to_string();
        assert!(
            told.contains("no byte moved for 20 s") && told.contains("; 3 had by then"),
            "{told}"
        );
    }

    #[test]
    fn what_went_wrong_by_itself_is_told_as_it_is() {
        let (stalled, _watching) = Watch::default().begin(STALL).unwrap();
        let wrong = Stopped::Failed("wrong".to_owned());
        assert_eq!(stalled.explain(wrong.clone()), wrong);
    }
}
