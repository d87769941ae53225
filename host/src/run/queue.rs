//! The way from the threads of a run to its loop: what happens in order, and what the guest sends
//! only so far ahead.

use crate::run::happening::{Happening, What};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may wait of the guest's making: messages of at most a frame, console lines of at most
/// 16 KiB. A guest that sends faster waits, as its transport makes it.
const AHEAD: usize = 1024;

/// Where happenings are put.
#[derive(Clone)]
pub struct Reporter {
    sender: Sender<Queued>,
    gate: Arc<Gate>,
}

/// Where the loop takes them.
pub struct Happenings {
    receiver: Receiver<Queued>,
}

struct Queued {
    happening: Happening,
    /// Held while what the guest made waits.
    _permit: Option<Permit>,
}

/// A queue.
#[must_use]
pub fn queue() -> (Reporter, Happenings) {
    let (sender, receiver) = channel();
    (Reporter { sender, gate: Arc::default() }, Happenings { receiver })
}

impl Reporter {
    /// Tells of something that happens now.
    pub fn tell(&self, what: What) {
        self.tell_at(Instant::now(), what);
    }

    /// Tells of something that happened then.
    pub fn tell_at(&self, at: Instant, what: What) {
        self.put(Happening { at, what }, None);
    }

    /// Tells of something the guest made, now; waits while too much of that is waiting.
    pub fn tell_of_guest(&self, what: What) {
        let happening = Happening { at: Instant::now(), what };
        let permit = Gate::enter(&self.gate);
        self.put(happening, Some(permit));
    }

    fn put(&self, happening: Happening, permit: Option<Permit>) {
        // A run that is over listens to nobody.
        let _over = self.sender.send(Queued { happening, _permit: permit });
    }
}

impl Happenings {
    /// The next one; `None` when nothing happens for so long.
    #[must_use]
    pub fn next(&self, wait: Duration) -> Option<Happening> {
        self.receiver.recv_timeout(wait).ok().map(|queued| queued.happening)
    }

    /// Those that wait.
    pub fn waiting(&self) -> impl Iterator<Item = Happening> + '_ {
        self.receiver.try_iter().map(|queued| queued.happening)
    }
}

#[derive(Default)]
struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
}

struct Permit(Arc<Gate>);

impl Gate {
    fn enter(gate: &Arc<Self>) -> Permit {
        let inside = gate.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |inside: &mut usize| *inside >= AHEAD;
        let waited = gate.left.wait_while(inside, full);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        Permit(Arc::clone(gate))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.inside.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD, queue};
    use crate::run::happening::What;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_guest_gets_only_so_far_ahead_and_loses_nothing() {
        let (reporter, happenings) = queue();
        let sent = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..AHEAD * 3 {
                    reporter.tell_of_guest(What::Message(Vec::new()));
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
            for taken in 0..AHEAD * 3 {
                assert!(sent.load(Ordering::SeqCst) <= taken + AHEAD);
                happenings.next(LONG).unwrap();
            }
        });
        assert!(happenings.waiting().next().is_none());
    }

    #[test]
    fn what_the_host_sees_never_waits_behind_a_full_gate() {
        let (reporter, happenings) = queue();
        (0..AHEAD).for_each(|_| reporter.tell_of_guest(What::Message(Vec::new())));
        reporter.tell(What::ConsoleClosed);
        assert!(matches!(happenings.waiting().last().unwrap().what, What::ConsoleClosed));
    }
}
