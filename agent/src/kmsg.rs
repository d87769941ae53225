//! Forwards the kernel log from its first record (Documentation/ABI/testing/dev-kmsg).

use crate::channel::Link;
use lunlab_protocol::event::Event;
use lunlab_protocol::message::cut;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Larger than any record the kernel gives (kernel/printk/printk.c, `PRINTK_MESSAGE_MAX`).
const RECORD: usize = 8 * 1024;

/// The most text of one record that is forwarded.
const TEXT: usize = 4 * 1024;

/// Records told to the host in one go.
const BATCH: usize = 32;

/// A record of the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Facility (shifted left by three) and level.
    pub priority: u32,
    /// Its number.
    pub sequence: u64,
    /// Its time, in microseconds.
    pub timestamp_us: u64,
    /// The first line, without the dictionary that follows it.
    pub text: &'a str,
}

/// Takes a record apart: `priority,sequence,timestamp,flags[,…];text`.
#[must_use]
pub fn parse(record: &str) -> Option<Record<'_>> {
    let (head, body) = record.split_once(';')?;
    let mut fields = head.split(',');
    Some(Record {
        priority: fields.next()?.parse().ok()?,
        sequence: fields.next()?.parse().ok()?,
        timestamp_us: fields.next()?.parse().ok()?,
        text: cut(body.lines().next().unwrap_or(""), TEXT),
    })
}

/// Counts what was overwritten before it was read.
#[derive(Default)]
pub struct Losses {
    expected: u64,
}

impl Losses {
    /// Takes the next record's number and gives how many are missing before it.
    pub fn before(&mut self, sequence: u64) -> u64 {
        let missing = sequence.saturating_sub(self.expected);
        self.expected = sequence.saturating_add(1);
        missing
    }
}

/// Reads the log and tells the host.
pub struct Forwarder {
    fd: OwnedFd,
    link: Arc<Link>,
    losses: Mutex<Losses>,
}

impl Forwarder {
    /// Opens the log at its first record.
    ///
    /// # Errors
    /// open(2)'s.
    pub fn open(link: &Arc<Link>) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = open("/dev/kmsg", flags, Mode::empty())?;
        Ok(Self { fd, link: Arc::clone(link), losses: Mutex::default() })
    }

    /// Forwards for ever.
    pub fn run(&self) {
        loop {
            self.drain();
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            let _readable_or_interrupted = poll(&mut fds, None);
        }
    }

    /// Forwards what is there now.
    pub fn drain(&self) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffers = vec![[0; RECORD]; BATCH];
        loop {
            let mut texts = Vec::with_capacity(BATCH);
            for buffer in &mut buffers {
                match self.next(buffer) {
                    Some(text) => texts.push(text),
                    None => break,
                }
            }
            let events = describe(&texts, &mut losses);
            if events.is_empty() {
                return;
            }
            self.link.tell_each(&events);
        }
    }

    /// The next record, if there is one. A record that was overwritten meanwhile shows as EPIPE
    /// once; its number is missed in the next one.
    fn next<'b>(&self, buffer: &'b mut [u8; RECORD]) -> Option<&'b str> {
        let n = loop {
            match read(&self.fd, &mut *buffer) {
                Ok(n) => break n,
                Err(Errno::PIPE | Errno::INTR) => {}
                Err(_) => return None,
            }
        };
        let bytes = buffer.get(..n)?;
        // The kernel escapes what is not printable ASCII, so this keeps everything.
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => bytes.get(..error.valid_up_to()).and_then(|b| str::from_utf8(b).ok()),
        }
    }
}

fn describe<'a>(texts: &[&'a str], losses: &mut Losses) -> Vec<Event<'a>> {
    let mut events = Vec::with_capacity(texts.len());
    for record in texts.iter().filter_map(|text| parse(text)) {
        let records = losses.before(record.sequence);
        if records > 0 {
            events.push(Event::KmsgLost { records });
        }
        let Record { priority, sequence, timestamp_us, text } = record;
        events.push(Event::Kmsg { sequence, timestamp_us, priority, text });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::{Losses, Record, describe, parse};
    use lunlab_protocol::event::Event;

    #[test]
    fn a_record_is_taken_apart_and_its_dictionary_left() {
        let record = "6,339,5140900,-,caller=T1;NET: Registered; family\n SUBSYSTEM=net\n";
        assert_eq!(
            parse(record),
            Some(Record {
                priority: 6,
                sequence: 339,
                timestamp_us: 5_140_900,
                text: "NET: Registered; family"
            })
        );
    }

    #[test]
    fn what_is_no_record_is_left_out() {
        for junk in ["", ";", "6,1;x", "a,b,c,-;x", "no semicolon"] {
            assert_eq!(parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn losses_are_counted_from_the_first_record_on() {
        let mut losses = Losses::default();
        assert_eq!(losses.before(3), 3);
        assert_eq!(losses.before(4), 0);
        assert_eq!(losses.before(7), 2);
    }

    #[test]
    fn a_gap_is_told_before_the_record_after_it() {
        let mut losses = Losses::default();
        let events = describe(&["6,0,1,-;a\n", "6,5,2,-;b\n"], &mut losses);
        assert!(matches!(
            events.as_slice(),
            [Event::Kmsg { .. }, Event::KmsgLost { records: 4 }, Event::Kmsg { sequence: 5, .. }]
        ));
    }
}
