//! Many streams on one descriptor, as [`lunlab_protocol::mux`] lays them out.
//!
//! One thread reads the descriptor and hands data to the streams; it never writes, so it cannot be
//! stopped by a peer that does not read. Senders wait for credit, then for their turn to write.

use crate::direct::{Receiver, Sender};
use crate::{Abort, Error, Receive, Received, Stream, Transmit};
use lunlab_protocol::mux::{Credit, Kind, MAX_DATA, MuxError, decode, encode};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// Streams one port may have at a time; more are reset.
const MAX_STREAMS: usize = 4096;

/// One end of a port that carries many streams.
pub struct Mux {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Mutex<Sender>,
    streams: Mutex<BTreeMap<u32, Weak<Lane>>>,
}

/// What is known of one stream.
struct Lane {
    number: u32,
    state: Mutex<State>,
    changed: Condvar,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct State {
    inbox: VecDeque<Vec<u8>>,
    /// What this end may still send.
    to_send: Credit,
    /// What the peer may still send.
    to_receive: Credit,
    /// The peer has ended its direction.
    ended: bool,
    /// This end has ended its direction.
    end_sent: bool,
    over: bool,
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
            streams: Mutex::new(BTreeMap::new()),
        });
        let reader = Reader { receiver: Receiver::new(fd), shared: Arc::clone(&shared) };
        (Self { shared }, reader)
    }

    /// Opens a stream; the guest's part.
    ///
    /// # Errors
    /// When the port is gone.
    pub fn open(&self, number: u32) -> Result<Stream, Error> {
        let lane = self.shared.add(number);
        self.shared.write(number, &Kind::Open)?;
        Ok(Lane::stream(&lane))
    }
}

impl Shared {
    fn add(self: &Arc<Self>, number: u32) -> Arc<Lane> {
        let lane = Arc::new(Lane {
            number,
            state: Mutex::default(),
            changed: Condvar::new(),
            shared: Arc::clone(self),
        });
        lock(&self.streams).insert(number, Arc::downgrade(&lane));
        lane
    }

    fn find(&self, number: u32) -> Option<Arc<Lane>> {
        lock(&self.streams).get(&number).and_then(Weak::upgrade)
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
    /// Reads until the port closes or breaks, then ends every stream. `opened` gets each stream
    /// the peer opens; it must not wait.
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
        let streams = std::mem::take(&mut *lock(&self.shared.streams));
        for lane in streams.values().filter_map(Weak::upgrade) {
            lane.change(|state| state.over = true);
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
        if shared.find(number).is_some() || lock(&shared.streams).len() >= MAX_STREAMS {
            return Err(Error::Mux(MuxError::Credit));
        }
        let lane = shared.add(number);
        opened(number, Lane::stream(&lane));
        return Ok(());
    }
    // A stream this end has dropped may still have data on the way: nobody wants it.
    let Some(lane) = shared.find(number) else { return Ok(()) };
    lane.take_in(&kind)
}

impl Lane {
    fn stream(lane: &Arc<Self>) -> Stream {
        Stream {
            sender: Box::new(LaneSender(Arc::clone(lane))),
            receiver: Box::new(LaneReceiver { lane: Arc::clone(lane), current: Vec::new() }),
            abort: Arc::new(LaneAbort(Arc::clone(lane))),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut lock(&self.state));
        self.changed.notify_all();
        outcome
    }

    fn take_in(&self, kind: &Kind<'_>) -> Result<(), Error> {
        self.change(|state| match kind {
            Kind::Data(data) => {
                state.to_receive.spend(data.len())?;
                state.inbox.push_back(data.to_vec());
                Ok(())
            }
            Kind::Credit(bytes) => Ok(state.to_send.grant(*bytes)?),
            Kind::End => {
                state.ended = true;
                Ok(())
            }
            Kind::Reset | Kind::Open => {
                state.over = true;
                Ok(())
            }
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
            if state.over {
                return Err(Error::Reset);
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

    fn forget(&self) {
        lock(&self.shared.streams).remove(&self.number);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // A stream dropped in mid-life must not leave its peer waiting.
        let open = {
            let state = lock(&self.state);
            !(state.over || state.ended && state.end_sent)
        };
        if open {
            let _gone = self.shared.write(self.number, &Kind::Reset);
        }
        self.forget();
    }
}

struct LaneSender(Arc<Lane>);

impl Transmit for LaneSender {
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let want = bytes.len().min(MAX_DATA);
            let n = self.0.wait(None, |state| {
                let credit = usize::try_from(state.to_send.left()).unwrap_or(0).min(want);
                (!state.over && credit > 0 && state.to_send.spend(credit).is_ok()).then_some(credit)
            })?;
            let (now, later) = bytes.split_at(n);
            self.0.shared.write(self.0.number, &Kind::Data(now))?;
            bytes = later;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        lock(&self.0.state).end_sent = true;
        self.0.shared.write(self.0.number, &Kind::End)
    }
}

struct LaneReceiver {
    lane: Arc<Lane>,
    current: Vec<u8>,
}

impl Receive for LaneReceiver {
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Received<'_>, Error> {
        let next = self.lane.wait(deadline, |state| match state.inbox.pop_front() {
            Some(data) => Some(Some(data)),
            None if state.ended => Some(None),
            None => None,
        })?;
        let Some(data) = next else { return Ok(Received::End) };
        let bytes = u32::try_from(data.len()).unwrap_or(0);
        lock(&self.lane.state).to_receive.grant(bytes)?;
        self.lane.shared.write(self.lane.number, &Kind::Credit(bytes))?;
        self.current = data;
        Ok(Received::Payload(&self.current))
    }

    fn is_ready(&self) -> bool {
        !lock(&self.lane.state).inbox.is_empty()
    }
}

struct LaneAbort(Arc<Lane>);

impl Abort for LaneAbort {
    fn abort(&self) {
        let first = self.0.change(|state| !std::mem::replace(&mut state.over, true));
        if first {
            let _gone = self.0.shared.write(self.0.number, &Kind::Reset);
        }
    }
}
