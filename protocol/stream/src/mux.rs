//! Many streams on one descriptor, as [`lunlab_protocol::mux`] lays them out.
//!
//! One thread reads the descriptor and hands data to the streams; it never writes, so it cannot be
//! stopped by a peer that does not read. Senders wait for credit, then for their turn to write.

use crate::direct::{Receiver, Sender};
use crate::{Abort, Error, Receive, Received, Stream, Transmit};
use lunlab_protocol::frame::FrameError;
use lunlab_protocol::mux::{Credit, Kind, MAX_DATA, MuxError, decode, encode};
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Streams one port may have at a time; each may hold a window of bytes that nobody has taken.
const MAX_STREAMS: usize = 1024;

/// One end of a port that carries many streams.
pub struct Mux {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Mutex<Sender>,
    /// `None` once the port is closed.
    streams: Mutex<Option<BTreeMap<u32, Arc<Lane>>>>,
}

/// What is known of one stream.
#[derive(Default)]
struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inbox: Inbox,
    /// What this end may still send.
    to_send: Credit,
    /// What the peer may still send.
    to_receive: Credit,
    /// The peer has ended its direction.
    ended: bool,
    /// This end has ended its direction.
    end_sent: bool,
    over: Option<Over>,
}

/// How a stream came to be over in both directions.
#[derive(Clone, Copy)]
enum Over {
    Reset,
    /// The port closed.
    Closed,
}

impl From<Over> for Error {
    fn from(over: Over) -> Self {
        match over {
            Over::Reset => Self::Reset,
            Over::Closed => Self::Closed,
        }
    }
}

/// Pieces in the order they came, side by side in one buffer: a peer that sends its window byte by
/// byte costs little more memory than one that sends it at once.
#[derive(Default)]
struct Inbox {
    bytes: VecDeque<u8>,
    lengths: VecDeque<u16>,
}

impl Inbox {
    fn push(&mut self, piece: &[u8]) -> Result<(), MuxError> {
        let length = u16::try_from(piece.len()).map_err(|_| MuxError::Length(piece.len()))?;
        self.lengths.push_back(length);
        self.bytes.extend(piece);
        Ok(())
    }

    /// Moves the oldest piece to `to` and says how long it is.
    fn pop(&mut self, to: &mut Vec<u8>) -> Option<u16> {
        let length = self.lengths.pop_front()?;
        to.resize(length.into(), 0);
        self.bytes.read_exact(to).ok()?;
        Some(length)
    }
}

/// A poisoned lock only means that another thread panicked between two statements; the state is
/// whole at each of them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mux {
    /// Takes the descriptor. Run the reader in a thread of its own.
    #[must_use]
    pub fn new(fd: OwnedFd) -> (Self, Reader) {
        let fd = Arc::new(fd);
        let shared = Arc::new(Shared {
            writer: Mutex::new(Sender::new(Arc::clone(&fd))),
            streams: Mutex::new(Some(BTreeMap::new())),
        });
        let reader = Reader { receiver: Receiver::new(fd), shared: Arc::clone(&shared) };
        (Self { shared }, reader)
    }

    /// Opens a stream; the guest's part. A number is used once in a port's life: frames of the
    /// stream that had it before may still be on the way.
    ///
    /// # Errors
    /// When a stream of this number is open, or the port is gone.
    pub fn open(&self, number: u32) -> Result<Stream, Error> {
        let stream = self.shared.add(number)?;
        self.shared.write(number, &Kind::Open)?;
        Ok(stream)
    }
}

impl Shared {
    fn add(self: &Arc<Self>, number: u32) -> Result<Stream, Error> {
        let lane = Arc::new(Lane::default());
        let mut streams = lock(&self.streams);
        let streams = streams.as_mut().ok_or(Error::Closed)?;
        if streams.len() >= MAX_STREAMS || streams.contains_key(&number) {
            return Err(MuxError::Open(number).into());
        }
        streams.insert(number, Arc::clone(&lane));
        Ok(Handle { number, lane, shared: Arc::clone(self) }.into_stream())
    }

    fn find(&self, number: u32) -> Option<Arc<Lane>> {
        lock(&self.streams).as_ref()?.get(&number).cloned()
    }

    fn forget(&self, number: u32) {
        if let Some(streams) = lock(&self.streams).as_mut() {
            streams.remove(&number);
        }
    }

    fn write(&self, number: u32, kind: &Kind<'_>) -> Result<(), Error> {
        let (header, credit) = encode(number, kind);
        let body = match kind {
            Kind::Data(data) => *data,
            Kind::Credit(_) => credit.as_slice(),
            Kind::Open | Kind::End | Kind::Reset => &[],
        };
        lock(&self.writer).send_parts(&[header.as_slice(), body])
    }
}

/// Reads the port and hands out what comes.
pub struct Reader {
    receiver: Receiver,
    shared: Arc<Shared>,
}

impl Reader {
    /// Reads until the port closes or breaks, then closes it and ends every stream. `opened` gets
    /// each stream the peer opens; it must not wait.
    ///
    /// # Errors
    /// Always, with what ended it.
    pub fn run(mut self, mut opened: impl FnMut(u32, Stream)) -> Error {
        loop {
            let step = match self.receiver.receive(None) {
                Ok(Received::Payload(payload)) => hand_out(&self.shared, payload, &mut opened),
                Ok(Received::End) => Err(Error::Closed),
                Err(error) => Err(error),
            };
            if let Err(error) = step {
                self.close();
                return error;
            }
        }
    }

    fn close(&self) {
        self.receiver.shut_down();
        let streams = lock(&self.shared.streams).take().unwrap_or_default();
        for lane in streams.values() {
            lane.change(|state| *state.over.get_or_insert(Over::Closed));
        }
    }
}

fn hand_out(
    shared: &Arc<Shared>,
    payload: &[u8],
    opened: &mut impl FnMut(u32, Stream),
) -> Result<(), Error> {
    let (number, kind) = decode(payload)?;
    if kind == Kind::Open {
        opened(number, shared.add(number)?);
        return Ok(());
    }
    // A stream this end has dropped may still have data on the way: nobody wants it.
    let Some(lane) = shared.find(number) else { return Ok(()) };
    lane.change(|state| state.take_in(&kind))
}

impl State {
    fn take_in(&mut self, kind: &Kind<'_>) -> Result<(), Error> {
        match kind {
            Kind::Data(_) if self.ended => return Err(FrameError::AfterEnd.into()),
            Kind::Data(data) => {
                self.to_receive.spend(data.len())?;
                self.inbox.push(data)?;
            }
            Kind::Credit(bytes) => self.to_send.grant(*bytes)?,
            Kind::End => self.ended = true,
            Kind::Reset | Kind::Open => self.over = Some(Over::Reset),
        }
        Ok(())
    }
}

impl Lane {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut lock(&self.state));
        self.changed.notify_all();
        outcome
    }

    /// Ends both directions from this end. Whether the peer does not know of it yet.
    fn finish(&self) -> bool {
        self.change(|state| {
            let known = state.over.is_some() || state.ended && state.end_sent;
            state.over.get_or_insert(Over::Reset);
            !known
        })
    }

    /// Waits until `ready` gives something; the stream being over is an error.
    fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Error> {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = ready(&mut state) {
                return Ok(outcome);
            }
            if let Some(over) = state.over {
                return Err(over.into());
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::Silent(None));
                    }
                    let woken = self.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// What the two halves hold; with the last of them the stream goes.
struct Handle {
    number: u32,
    lane: Arc<Lane>,
    shared: Arc<Shared>,
}

impl Handle {
    fn into_stream(self) -> Stream {
        let abort =
            LaneAbort { number: self.number, lane: self.lane.clone(), shared: self.shared.clone() };
        let handle = Arc::new(self);
        Stream {
            sender: Box::new(LaneSender(Arc::clone(&handle))),
            receiver: Box::new(LaneReceiver { handle, current: Vec::new() }),
            abort: Arc::new(abort),
        }
    }

    fn write(&self, kind: &Kind<'_>) -> Result<(), Error> {
        self.shared.write(self.number, kind)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let open = self.lane.finish();
        self.shared.forget(self.number);
        // A stream dropped in mid-life must not leave its peer waiting.
        if open {
            let _gone = self.write(&Kind::Reset);
        }
    }
}

struct LaneSender(Arc<Handle>);

impl Transmit for LaneSender {
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if lock(&self.0.lane.state).end_sent {
            return Err(FrameError::AfterEnd.into());
        }
        while !bytes.is_empty() {
            let want = bytes.len().min(MAX_DATA);
            let n = self.0.lane.wait(None, |state| {
                let credit = usize::try_from(state.to_send.left()).unwrap_or(0).min(want);
                (state.over.is_none() && credit > 0 && state.to_send.spend(credit).is_ok())
                    .then_some(credit)
            })?;
            let (now, later) = bytes.split_at(n);
            self.0.write(&Kind::Data(now))?;
            bytes = later;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let over = self.0.lane.change(|state| {
            state.end_sent = true;
            state.over
        });
        over.map_or_else(|| self.0.write(&Kind::End), |over| Err(over.into()))
    }
}

struct LaneReceiver {
    handle: Arc<Handle>,
    current: Vec<u8>,
}

impl Receive for LaneReceiver {
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Received<'_>, Error> {
        let lane = &self.handle.lane;
        let next = lane.wait(deadline, |state| match state.inbox.pop(&mut self.current) {
            None if state.ended => Some(None),
            next => next.map(Some),
        })?;
        let Some(length) = next.map(u32::from) else { return Ok(Received::End) };
        let more = lane.change(|state| {
            state.to_receive.grant(length)?;
            Ok::<_, Error>(!state.ended && state.over.is_none())
        })?;
        if more {
            // When the port is gone, what came before is still handed out.
            let _gone = self.handle.write(&Kind::Credit(length));
        }
        Ok(Received::Payload(&self.current))
    }

    fn is_ready(&self) -> bool {
        !lock(&self.handle.lane.state).inbox.lengths.is_empty()
    }
}

/// Does not keep the stream alive.
struct LaneAbort {
    number: u32,
    lane: Arc<Lane>,
    shared: Arc<Shared>,
}

impl Abort for LaneAbort {
    fn abort(&self) {
        if self.lane.finish() {
            let _gone = self.shared.write(self.number, &Kind::Reset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Kind, State};
    use lunlab_protocol::mux::{MuxError, WINDOW};

    #[test]
    fn a_window_sent_byte_by_byte_costs_little_memory() {
        let window = usize::try_from(WINDOW).unwrap();
        let mut state = State::default();
        for _ in 0..window {
            state.take_in(&Kind::Data(&[7])).unwrap();
        }
        let over = state.take_in(&Kind::Data(&[7]));
        assert!(matches!(over, Err(Error::Mux(MuxError::Credit))), "{over:?}");
        assert_eq!(state.inbox.bytes.len(), window);
        let held = state.inbox.bytes.capacity() + 2 * state.inbox.lengths.capacity();
        assert!(held <= 8 * window, "{held} bytes held");
    }
}
