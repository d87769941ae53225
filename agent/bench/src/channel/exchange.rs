//! What travels: orders of the host's end, and the bytes they are about.
//!
//! An order has 16 bytes: what, how many bytes, how many times or from which offset, and how many bytes at once; all
//! little endian. Every byte that travels is known to both ends by where it stands, and the offset changes from one
//! exchange to the next: bytes that are lost, changed, doubled or of an exchange before do not pass for others.

use crate::statistics::Generator;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::time::{Duration, Instant};

/// The most bytes of one transfer: both ends hold it in memory.
pub const MOST: u64 = 16 << 20;

/// Offsets are below this.
const OFFSETS: u32 = 4096;

/// Bytes both ways.
pub trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

/// What the guest's end is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Give back each of so many messages of this size.
    Echo { size: u32, count: u32 },
    /// Take so many bytes, say so at once, and then how many of them are right.
    Take { size: u32, offset: u32 },
    /// Send so many bytes.
    Give { size: u32, offset: u32, block: u32 },
}

impl Order {
    fn encode(self) -> [u8; 16] {
        let words = match self {
            Self::Echo { size, count } => [0, size, count, 0],
            Self::Take { size, offset } => [1, size, offset, 0],
            Self::Give { size, offset, block } => [2, size, offset, block],
        };
        let mut bytes = [0; 16];
        for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: [u8; 16]) -> Result<Self> {
        let mut words = [0; 4];
        for (word, from) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*from);
        }
        let order = match words {
            [0, size, count, _] => Self::Echo { size, count },
            [1, size, offset, _] => Self::Take { size, offset },
            [2, size, offset, block] => Self::Give { size, offset, block },
            _ => return Err(wrong(format!("no order begins with {bytes:?}"))),
        };
        let [_, size, offset, _] = words;
        let is_echo = matches!(order, Self::Echo { .. });
        if u64::from(size) > MOST || (!is_echo && offset >= OFFSETS) {
            return Err(wrong(format!("{order:?} is out of bounds")));
        }
        Ok(order)
    }

    /// The next one; `None` where the host's end has no more.
    fn read(from: &mut dyn Duplex) -> Result<Option<Self>> {
        let mut bytes = [0; 16];
        let (first, rest) = bytes.split_at_mut(1);
        let ended = loop {
            match from.read(first) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other? == 0,
            }
        };
        if ended {
            return Ok(None);
        }
        from.read_exact(rest)?;
        Self::decode(bytes).map(Some)
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn bytes(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The bytes that both ends know, as many as were needed so far.
struct Known {
    bytes: Vec<u8>,
    generator: Generator,
}

impl Known {
    fn new() -> Self {
        Self { bytes: Vec::new(), generator: Generator::new(0) }
    }

    fn at(&mut self, offset: u32, size: u32) -> &[u8] {
        let (from, to) = (bytes(offset), bytes(offset) + bytes(size));
        while self.bytes.len() < to {
            self.bytes.extend(self.generator.next().to_le_bytes());
        }
        &self.bytes[from..to]
    }
}

/// How many bytes are right before the first that is not.
fn right(found: &[u8], expected: &[u8]) -> usize {
    if found == expected {
        return found.len();
    }
    found.iter().zip(expected).take_while(|(found, expected)| found == expected).count()
}

/// A buffer of which a part of any size within bounds can be had.
#[derive(Default)]
struct Buffer(Vec<u8>);

impl Buffer {
    fn of(&mut self, size: u32) -> &mut [u8] {
        let size = bytes(size);
        if self.0.len() < size {
            self.0.resize(size, 0);
        }
        &mut self.0[..size]
    }
}

/// The guest's end: does what it is told until there is nothing more.
///
/// # Errors
/// When bytes cannot be moved, or what comes is no order.
pub fn serve(io: &mut dyn Duplex) -> Result<()> {
    let (mut known, mut buffer) = (Known::new(), Buffer::default());
    while let Some(order) = Order::read(io)? {
        match order {
            Order::Echo { size, count } => {
                let message = buffer.of(size);
                for _ in 0..count {
                    io.read_exact(message)?;
                    io.write_all(message)?;
                }
            }
            Order::Take { size, offset } => {
                let taken = buffer.of(size);
                io.read_exact(taken)?;
                io.write_all(&[1])?;
                let right = right(taken, known.at(offset, size));
                io.write_all(&u64::try_from(right).unwrap_or(u64::MAX).to_le_bytes())?;
            }
            Order::Give { size, offset, block } => {
                write_blocks(io, known.at(offset, size), block)?;
            }
        }
    }
    Ok(())
}

fn write_blocks(io: &mut dyn Duplex, all: &[u8], block: u32) -> Result<()> {
    all.chunks(bytes(block.max(1))).try_for_each(|block| io.write_all(block))
}

/// The host's end, which measures.
pub(super) struct Exchange<'a> {
    io: Box<dyn Duplex + 'a>,
    known: Known,
    buffer: Buffer,
    offset: u32,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(io: Box<dyn Duplex + 'a>) -> Self {
        Self { io, known: Known::new(), buffer: Buffer::default(), offset: 0 }
    }

    /// Another offset than the last.
    fn next_offset(&mut self) -> u32 {
        self.offset = (self.offset + 8) % OFFSETS;
        self.offset
    }

    /// Sends so many messages of this size, each once the one before is back; `each` is told how long each was away. One more goes
    /// before them: it finds cold what another way has used meanwhile.
    pub(super) fn round_trips(
        &mut self,
        size: u32,
        count: u32,
        mut each: impl FnMut(Duration),
    ) -> Result<()> {
        self.io.write_all(&Order::Echo { size, count: count.saturating_add(1) }.encode())?;
        for n in 0..=count {
            let offset = self.next_offset();
            let (sent, back) = (self.known.at(offset, size), self.buffer.of(size));
            let start = Instant::now();
            self.io.write_all(sent)?;
            self.io.read_exact(back)?;
            let took = start.elapsed();
            let right = right(back, sent);
            if right < sent.len() {
                return Err(wrong(format!("message {n} came back with byte {right} wrong")));
            }
            if n > 0 {
                each(took);
            }
        }
        Ok(())
    }

    /// Sends so many bytes, and gives how long it took until the guest said that it had them.
    pub(super) fn send(&mut self, size: u32, block: u32) -> Result<Duration> {
        let offset = self.next_offset();
        let sent = self.known.at(offset, size);
        let (mut taken, mut right) = ([0; 1], [0; 8]);
        let start = Instant::now();
        self.io.write_all(&Order::Take { size, offset }.encode())?;
        write_blocks(&mut *self.io, sent, block)?;
        self.io.read_exact(&mut taken)?;
        let took = start.elapsed();
        self.io.read_exact(&mut right)?;
        match (taken, u64::from_le_bytes(right)) {
            ([1], right) if right == u64::from(size) => Ok(took),
            ([1], right) => Err(wrong(format!("byte {right} of {size} came to the guest wrong"))),
            _ => Err(wrong("the guest's answer is none".to_owned())),
        }
    }

    /// Asks for so many bytes, and gives how long it took until they were here.
    pub(super) fn fetch(&mut self, size: u32, block: u32) -> Result<Duration> {
        let offset = self.next_offset();
        let expected = self.known.at(offset, size);
        let found = self.buffer.of(size);
        let start = Instant::now();
        self.io.write_all(&Order::Give { size, offset, block }.encode())?;
        self.io.read_exact(found)?;
        let took = start.elapsed();
        match right(found, expected) {
            right if right == found.len() => Ok(took),
            right => Err(wrong(format!("byte {right} of {size} came to the host wrong"))),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// What goes wrong on the way.
    #[derive(Clone, Copy)]
    pub(in crate::channel) enum Fault {
        None,
        Lost,
        Changed,
        Doubled,
    }

    /// A way on which one byte of those that are read is wrong.
    pub(in crate::channel) struct Faulty {
        io: UnixStream,
        fault: Fault,
        at: usize,
    }

    impl Read for Faulty {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let n = self.io.read(buffer)?;
            let (at, fault) = (self.at, self.fault);
            self.at = at.saturating_sub(n);
            match fault {
                Fault::Changed if at < n => buffer[at] ^= 1,
                Fault::Lost if at < n => {
                    buffer.copy_within(at + 1..n, at);
                    self.fault = Fault::None;
                    return Ok(n - 1);
                }
                Fault::Doubled if at + 1 < n => {
                    buffer.copy_within(at..n - 1, at + 1);
                }
                _ => return Ok(n),
            }
            self.fault = Fault::None;
            Ok(n)
        }
    }

    impl Write for Faulty {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.io.write(bytes)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// A host's end whose guest's end serves in a thread; the fault is at a byte that the one reads or the other.
    pub(in crate::channel) fn pair(host: (Fault, usize), guest: (Fault, usize)) -> Faulty {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let faulty = |io, (fault, at)| Faulty { io, fault, at };
        let mut there = faulty(there, guest);
        std::thread::spawn(move || serve(&mut there));
        faulty(here, host)
    }

    const GOOD: (Fault, usize) = (Fault::None, 0);

    #[test]
    fn every_order_is_carried_out_and_takes_time() {
        let mut exchange = Exchange::new(Box::new(pair(GOOD, GOOD)));
        let mut trips = Vec::new();
        for size in [1, 5, 4096] {
            exchange.round_trips(size, 10, |took| trips.push(took)).unwrap();
        }
        assert!(trips.len() == 30 && trips.iter().all(|took| *took > Duration::ZERO));
        for (size, block) in [(100_000, 65_536), (4096, 1), (1 << 20, 1000)] {
            assert!(exchange.send(size, block).unwrap() > Duration::ZERO);
            assert!(exchange.fetch(size, block).unwrap() > Duration::ZERO);
        }
    }

    #[test]
    fn a_byte_that_is_lost_changed_or_doubled_is_noticed_either_way() {
        for (fault, at, told) in [
            (Fault::Changed, 3000, "wrong"),
            (Fault::Doubled, 3000, "wrong"),
            // One that is missing is waited for, in vain.
            (Fault::Lost, 3000, "unavailable"),
        ] {
            let mut exchange = Exchange::new(Box::new(pair(GOOD, (fault, at))));
            let error = exchange.send(8192, 4096).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            let mut exchange = Exchange::new(Box::new(pair((fault, at), GOOD)));
            let error = exchange.fetch(8192, 4096).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_lost_byte_is_not_made_up_for_by_the_next_transfer() {
        let mut exchange = Exchange::new(Box::new(pair((Fault::Lost, 8191), GOOD)));
        assert!(exchange.fetch(8192, 4096).is_err());
    }

    #[test]
    fn a_message_that_comes_back_wrong_is_noticed() {
        let mut exchange = Exchange::new(Box::new(pair((Fault::Changed, 5), GOOD)));
        let error = exchange.round_trips(4, 3, |_| ()).unwrap_err().to_string();
        assert_eq!(error, "message 1 came back with byte 1 wrong");
    }

    #[test]
    fn what_is_no_order_ends_the_guest_s_end_and_allocates_nothing() {
        let huge = Order::Take { size: u32::MAX, offset: 0 }.encode();
        let far = Order::Give { size: 1, offset: OFFSETS, block: 1 }.encode();
        for bytes in [[9; 16], huge, far] {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            here.write_all(&bytes).unwrap();
            let error = serve(&mut there).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        }
    }

    #[test]
    fn orders_are_read_as_they_were_written() {
        for order in [
            Order::Echo { size: 1, count: u32::MAX },
            Order::Take { size: 1 << 20, offset: 8 },
            Order::Give { size: 7, offset: 4088, block: 65_536 },
        ] {
            assert_eq!(Order::decode(order.encode()).unwrap(), order);
        }
    }
}
