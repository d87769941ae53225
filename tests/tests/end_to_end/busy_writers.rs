//! Writers that go on while their LUN is reset, and log in again in between.

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use lunlab_tests::DEADLINE;

use crate::plain_initiator::Session;

/// What one command writes.
pub(crate) const PIECE: usize = 4096;
/// How much of its region a writer writes, over and over.
const SHARE: usize = 16 * PIECE;
const ROUNDS: u8 = 3;
/// There is a reset whenever so many writes were acknowledged.
const PACE: usize = 8;

/// Writes to the beginning of each region, each with an initiator of its own, while another resets
/// the LUN; `data` is then what must be there. How many commands failed and were given again.
///
/// A command that a reset ended may have been carried out or not; given again until it is
/// acknowledged, it has been. If it comes late, after what was written later, the data differs.
pub(crate) fn write_through_resets(
    data: &mut [u8],
    regions: usize,
    log_in: impl Fn() -> Session + Sync,
) -> usize {
    let length = data.len() / regions;
    let (acknowledged, acknowledgements) = channel();
    thread::scope(|scope| {
        let mut writers = Vec::new();
        for (n, region) in (0u8..).zip(data.chunks_mut(length)) {
            let (log_in, acknowledged) = (&log_in, acknowledged.clone());
            let from = usize::from(n) * length;
            let writer = Writer { n, from, share: &mut region[..SHARE], acknowledged };
            writers.push(scope.spawn(move || writer.write(log_in)));
        }
        drop(acknowledged);
        let mut session = log_in();
        for (n, ()) in acknowledgements.iter().enumerate() {
            if n % PACE == 0 {
                assert_eq!(session.reset_lun(), 0);
            }
        }
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    })
}

struct Writer<'a> {
    n: u8,
    /// Where its share begins on the LUN.
    from: usize,
    share: &'a mut [u8],
    acknowledged: Sender<()>,
}

impl Writer<'_> {
    fn write(self, log_in: impl Fn() -> Session) -> usize {
        let mut failures = 0;
        for round in 0..ROUNDS {
            let mut session = log_in();
            for (n, piece) in (0u8..).zip(self.share.chunks_mut(PIECE)) {
                piece.fill(round << 6 | self.n << 4 | n);
                let at = self.from + usize::from(n) * PIECE;
                failures += write_until_acknowledged(&mut session, at, piece);
                self.acknowledged.send(()).unwrap();
            }
        }
        failures
    }
}

/// Writes what belongs `at` so many bytes from the LUN's beginning; how often that failed before.
pub(crate) fn write_until_acknowledged(session: &mut Session, at: usize, piece: &[u8]) -> usize {
    let block = session.block_size();
    let address = u32::try_from(at / block).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut failures = 0;
    while session.write(address, piece, block) != 0 {
        assert!(Instant::now() < deadline, "write at {at}: {failures} failures");
        failures += 1;
    }
    failures
}
