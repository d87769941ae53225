//! A log file that cannot grow without bound: its beginning and its end are kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Writes the first bytes of a log as they come, and what follows round and round in a ring behind
/// them, so that a run that is killed leaves all this had. [`CappedLog::finish`] puts the ring in
/// order.
#[derive(Debug)]
pub struct CappedLog {
    path: PathBuf,
    file: File,
    head: u64,
    tail: u64,
    written: u64,
    /// Bytes that came after an error.
    unwritten: u64,
    fault: Option<String>,
    marker: fn(u64) -> String,
}

/// What became of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSummary {
    /// The file's name.
    pub name: String,
    /// How many bytes came.
    pub bytes: u64,
    /// How many of them are not in the file.
    pub left_out: u64,
    /// Why the log ends early; null when it does not.
    pub fault: Option<String>,
}

impl CappedLog {
    /// Creates the file, which keeps at most `head` bytes from the start and `tail` from the end;
    /// `marker` is the line that says how many are missing between them.
    ///
    /// # Errors
    /// When the file exists or cannot be made.
    pub fn create(
        path: &Path,
        head: u64,
        tail: u64,
        marker: fn(u64) -> String,
    ) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let path = path.to_owned();
        Ok(Self { path, file, head, tail, written: 0, unwritten: 0, fault: None, marker })
    }

    /// Appends to the log.
    ///
    /// # Errors
    /// The first time that writing fails, for the caller to say so; after that the rest is counted
    /// and dropped, because a log with a hole in it misleads.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.fault.is_some() {
            self.unwritten = self.unwritten.saturating_add(length(bytes));
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (at, room) = self.place();
            let count = rest.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at(count);
            if room == 0 {
                self.written = self.written.saturating_add(length(rest));
                return Ok(());
            }
            if let Err(error) = self.file.write_all_at(now, at) {
                self.fault = Some(error.to_string());
                self.unwritten = length(rest);
                return Err(error);
            }
            self.written = self.written.saturating_add(length(now));
            rest = later;
        }
        Ok(())
    }

    /// Where the next byte goes, and how many fit there in one piece.
    fn place(&self) -> (u64, u64) {
        if self.written < self.head {
            return (self.written, self.head - self.written);
        }
        let in_ring = (self.written - self.head).checked_rem(self.tail).unwrap_or(0);
        (self.head + in_ring, self.tail - in_ring)
    }

    /// Ends the log: what wrapped around is put in order, whole lines on both sides of the marker.
    #[must_use]
    pub fn finish(mut self) -> LogSummary {
        let left_out = if self.written > self.head + self.tail {
            self.unroll().unwrap_or_else(|error| {
                self.fault.get_or_insert(error.to_string());
                self.written - self.head - self.tail
            })
        } else {
            0
        };
        LogSummary {
            name: self.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: self.written.saturating_add(self.unwritten),
            left_out: left_out.saturating_add(self.unwritten),
            fault: self.fault,
        }
    }

    fn unroll(&self) -> io::Result<u64> {
        let head = self.read(0, self.head)?;
        let (start, older) = self.place();
        let mut tail = self.read(start, older)?;
        tail.extend(self.read(self.head, self.tail - older)?);
        let head = &head[..last_line_end(&head)];
        let tail = &tail[first_line_start(&tail)..];
        let left_out = self.written - length(head) - length(tail);
        let marker = (self.marker)(left_out);
        replace(&self.path, &[head, marker.as_bytes(), tail])?;
        Ok(left_out)
    }

    fn read(&self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// Writes a file anew: whole or not at all.
pub(super) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    put(path, |temporary| write(temporary, parts)?.sync_all())
}

/// The same without waiting for the disk: what the machine's end may lose, and that of a process does not.
pub(super) fn replace_soon(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    put(path, |temporary| write(temporary, parts).map(drop))
}

fn put(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = write(&temporary).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing more can be done about a leftover than to try; the first error is the one to tell.
        drop(fs::remove_file(&temporary));
    }
    written
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    Ok(file)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Just behind the last line break, or the end where there is none.
fn last_line_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1)
}

/// Just behind the first line break, or the start where there is none.
fn first_line_start(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker(left_out: u64) -> String {
        format!("[{left_out}]\n")
    }

    fn logged(head: u64, tail: u64, pieces: &[&[u8]]) -> (String, LogSummary) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let mut log = CappedLog::create(&path, head, tail, marker).unwrap();
        pieces.iter().for_each(|piece| log.push(piece).unwrap());
        let summary = log.finish();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        (fs::read_to_string(&path).unwrap(), summary)
    }

    #[test]
    fn a_log_that_fits_is_kept_as_it_came() {
        let (text, summary) = logged(4, 4, &[b"ab", b"cdefg", b"h"]);
        assert_eq!(text, "abcdefgh");
        let name = "x.log".to_owned();
        assert_eq!(summary, LogSummary { name, bytes: 8, left_out: 0, fault: None });
    }

    #[test]
    fn the_middle_of_a_longer_one_is_left_out_in_whole_lines() {
        let (text, summary) = logged(5, 6, &[b"1\n2\n3", b"\n4\n5\n6\n7\n", b"8\n9\n"]);
        assert_eq!(text, "1\n2\n[10]\n8\n9\n");
        assert_eq!((summary.bytes, summary.left_out), (18, 10));
    }

    #[test]
    fn an_error_is_told_once_and_ends_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = CappedLog::create(&directory.path().join("x"), 4, 4, marker).unwrap();
        log.push(b"ab").unwrap();
        // Every write to this device fails as on a full disk.
        log.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(log.push(b"cd").unwrap_err().kind(), io::ErrorKind::StorageFull);
        log.push(b"efg").unwrap();
        let summary = log.finish();
        assert_eq!((summary.bytes, summary.left_out), (7, 5));
        assert!(summary.fault.unwrap().contains("No space left"));
    }

    proptest! {
        #[test]
        fn head_and_tail_are_those_of_what_came(
            text in "[a-c\n]{0,60}", cut in 1usize..7, head in 0u64..9, tail in 0u64..9,
        ) {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let (kept, summary) = logged(head, tail, &pieces);
            prop_assert_eq!(summary.bytes, text.len() as u64);
            if summary.left_out == 0 {
                prop_assert_eq!(kept, text);
            } else {
                let marker = marker(summary.left_out);
                let (before, after) = kept.split_once(&marker).unwrap();
                prop_assert!(text.starts_with(before) && text.ends_with(after));
                prop_assert_eq!(length(before.as_bytes()) + length(after.as_bytes()) + summary.left_out, length(text.as_bytes()));
                prop_assert!(before.len() as u64 <= head && after.len() as u64 <= tail);
            }
        }
    }
}
