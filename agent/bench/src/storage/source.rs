//! Where requests come from, and who carries them out.

use std::time::{Duration, Instant};

use super::access::Request;
use super::marks::Marks;
use crate::workload::{Observer, Stopped, Told};

/// Says what comes next, and hears what is over.
pub trait Source {
    /// The next request, on a block that is not busy; nothing when it is to end.
    fn next(&mut self, busy: &dyn Fn(u64) -> bool) -> Option<Request>;

    /// A request is over.
    fn done(&mut self, read: bool, latency: Duration);

    /// All that were over at that moment were told.
    fn looked(&mut self, now: Instant);
}

/// Keeps requests in flight.
pub trait Engine {
    /// Why it came to no end.
    type Error: From<Stopped>;

    /// What its blocks hold.
    fn marks(&mut self) -> &mut Marks;

    /// Does what a source says until it says no more and all is over.
    ///
    /// # Errors
    /// A request that failed, or a block that holds what was not written there.
    fn drive(&mut self, source: &mut dyn Source) -> Result<(), Self::Error>;
}

/// Every block once, in order.
pub struct Pass<'a> {
    next: u64,
    over: u64,
    blocks: u64,
    read: bool,
    began: Instant,
    observer: &'a mut dyn Observer,
}

impl<'a> Pass<'a> {
    /// Over so many blocks.
    pub fn new(blocks: u64, read: bool, observer: &'a mut dyn Observer) -> Self {
        Self { next: 0, over: 0, blocks, read, began: Instant::now(), observer }
    }
}

impl Source for Pass<'_> {
    fn next(&mut self, _busy: &dyn Fn(u64) -> bool) -> Option<Request> {
        let block = self.next;
        self.next += 1;
        (block < self.blocks).then_some(Request { block, read: self.read })
    }

    fn done(&mut self, _read: bool, _latency: Duration) {
        self.over += 1;
    }

    fn looked(&mut self, now: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "how far it is, roughly")]
        let done = self.over as f64 / self.blocks.max(1) as f64;
        let left = (now - self.began).as_secs_f64() * (1.0 / done.max(1e-3) - 1.0);
        self.observer.tell(Told::Progress { done, left: Duration::from_secs_f64(left.max(0.0)) });
    }
}
