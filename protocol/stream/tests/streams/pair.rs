//! Two ends of a stream, and a port end that a test drives by hand.

use lunlab_protocol::frame::{Decoder, Frame, header};
use lunlab_protocol::mux::{self, Kind};
use lunlab_stream::mux::Mux;
use lunlab_stream::{Error, Receive, Received, Stream, direct};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// When to give up on what must come.
pub(crate) fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

/// When to be sure enough that nothing comes.
pub(crate) fn shortly() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(50))
}

/// Runs a test that might hang if the code were wrong.
#[track_caller]
pub(crate) fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let thread = spawn(move || {
        test();
        done.send(()).unwrap();
    });
    let hung = ended.recv_timeout(Duration::from_secs(60));
    assert_ne!(hung, Err(std::sync::mpsc::RecvTimeoutError::Timeout), "hung");
    thread.join().unwrap();
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Direct,
    Mux,
}

impl Transport {
    pub(crate) const ALL: [Self; 2] = [Self::Direct, Self::Mux];

    /// The guest's end and the host's.
    pub(crate) fn pair(self) -> Pair {
        match self {
            Self::Direct => {
                let (guest, host) = UnixStream::pair().unwrap();
                let (guest, host) = (direct::stream(guest.into()), direct::stream(host.into()));
                Pair { guest, host, port: None }
            }
            Self::Mux => {
                let port = Port::new();
                let (guest, host) = port.open(1);
                Pair { guest, host, port: Some(port) }
            }
        }
    }
}

/// Does the same on every transport, with the guest's end and the host's.
#[track_caller]
pub(crate) fn on_each(test: impl Fn(Pair) + Copy + Send + 'static) {
    for transport in Transport::ALL {
        bounded(move || test(transport.pair()));
    }
}

pub(crate) struct Pair {
    pub(crate) guest: Stream,
    pub(crate) host: Stream,
    /// The streams live no longer than their port.
    pub(crate) port: Option<Port>,
}

/// A port with a reader on each end.
pub(crate) struct Port {
    pub(crate) guest: Mux,
    opened: Receiver<(u32, Stream)>,
    socket: UnixStream,
    readers: Vec<JoinHandle<Error>>,
}

impl Port {
    pub(crate) fn new() -> Self {
        let (guest, host) = UnixStream::pair().unwrap();
        let socket = host.try_clone().unwrap();
        let (guest, guest_reader) = Mux::new(guest.into());
        let (_host, host_reader) = Mux::new(host.into());
        let (sender, opened) = channel();
        let readers = vec![
            spawn(move || guest_reader.run(|number, _| panic!("the host opened {number}"))),
            spawn(move || host_reader.run(|number, stream| sender.send((number, stream)).unwrap())),
        ];
        Self { guest, opened, socket, readers }
    }

    /// Opens a stream and gives the guest's end and the host's.
    pub(crate) fn open(&self, number: u32) -> (Stream, Stream) {
        let guest = self.guest.open(number).unwrap();
        let (opened, host) = self.opened.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(opened, number);
        (guest, host)
    }

    /// Closes the port, as when QEMU ends, and waits until both ends know.
    pub(crate) fn close(&mut self) -> Vec<Error> {
        self.socket.shutdown(Shutdown::Both).unwrap();
        self.readers.drain(..).map(|reader| reader.join().unwrap()).collect()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _closed_already = self.socket.shutdown(Shutdown::Both);
    }
}

/// A port whose other end the test drives by hand.
pub(crate) struct RoguePort {
    pub(crate) rogue: UnixStream,
    pub(crate) mux: Mux,
    pub(crate) opened: Receiver<(u32, Stream)>,
    reader: JoinHandle<Error>,
}

impl RoguePort {
    pub(crate) fn new() -> Self {
        let (rogue, ours) = UnixStream::pair().unwrap();
        let (mux, reader) = Mux::new(ours.into());
        let (sender, opened): (Sender<(u32, Stream)>, _) = channel();
        let reader = spawn(move || {
            reader.run(|number, stream| {
                // A test that looks at the reader's end only has hung up.
                drop(sender.send((number, stream)));
            })
        });
        Self { rogue, mux, opened, reader }
    }

    pub(crate) fn send(&mut self, stream: u32, kind: &Kind<'_>) {
        self.rogue.write_all(&mux_frame(stream, kind)).unwrap();
    }

    pub(crate) fn open(&mut self, stream: u32) -> Stream {
        self.send(stream, &Kind::Open);
        self.opened.recv_timeout(Duration::from_secs(20)).unwrap().1
    }

    /// What ended the reader.
    pub(crate) fn ended(self) -> Error {
        self.reader.join().unwrap()
    }
}

pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    [&header(payload.len()).unwrap(), payload].concat()
}

pub(crate) fn mux_frame(stream: u32, kind: &Kind<'_>) -> Vec<u8> {
    let (header, credit) = mux::encode(stream, kind);
    let body = match kind {
        Kind::Data(data) => *data,
        Kind::Credit(_) => credit.as_slice(),
        Kind::Open | Kind::End | Kind::Reset => &[],
    };
    frame(&[&header, body].concat())
}

/// The payloads in `bytes`, and how many of the bytes were frames with a payload.
pub(crate) fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    while let Some(Frame::Payload(payload)) = decoder.feed(&mut bytes).unwrap() {
        all.push(payload.to_vec());
    }
    all
}

pub(crate) fn read_all(mut socket: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The next payload.
#[track_caller]
pub(crate) fn next(receiver: &mut dyn Receive) -> Vec<u8> {
    match receiver.receive(soon()) {
        Ok(Received::Payload(bytes)) => bytes.to_vec(),
        other => panic!("a payload was expected, not {other:?}"),
    }
}

/// All bytes up to the end of the stream.
#[track_caller]
pub(crate) fn to_end(receiver: &mut dyn Receive) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match receiver.receive(soon()) {
            Ok(Received::Payload(bytes)) => all.extend_from_slice(bytes),
            Ok(Received::End) => return all,
            Err(error) => panic!("{error} after {} bytes", all.len()),
        }
    }
}

/// What broke the stream, after whatever still came.
#[track_caller]
pub(crate) fn broken(receiver: &mut dyn Receive) -> Error {
    loop {
        match receiver.receive(soon()) {
            Ok(Received::Payload(_)) => {}
            Ok(Received::End) => panic!("an orderly end"),
            Err(error) => return error,
        }
    }
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
