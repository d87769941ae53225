//! What the kernel said meanwhile: the records of `/dev/kmsg` since a mark.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

/// The lines kept are the last of them: the cause of a failure is logged next to it.
const MAX_LINES: usize = 64;

/// Bytes kept of one line.
const MAX_LINE: usize = 1024;

/// Reads before giving up on a log that grows as fast as it is read.
const MAX_READS: usize = 4096;

/// The longest record `/dev/kmsg` gives (`CONSOLE_EXT_LOG_MAX`, `kernel/printk/internal.h`).
const MAX_RECORD: usize = 8192;

/// The kernel's log, or nothing where it cannot be opened: then there are simply no lines.
#[derive(Debug)]
pub struct KernelLog {
    file: Option<OwnedFd>,
}

impl KernelLog {
    /// Opens `/dev/kmsg` without ever waiting on it.
    pub fn open() -> KernelLog {
        KernelLog::open_at(Path::new("/dev/kmsg"))
    }

    /// Opens another file in the format of `/dev/kmsg`.
    pub fn open_at(path: &Path) -> KernelLog {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        KernelLog { file: rustix::fs::open(path, flags, Mode::empty()).ok() }
    }

    /// Forgets all records up to now. A log that cannot is not read any further.
    pub fn mark(&mut self) {
        self.file.take_if(|file| rustix::fs::seek(file, SeekFrom::End(0)).is_err());
    }

    /// Gives the kernel's own lines since the mark, at most the last 64, and moves the mark past them.
    pub fn lines(&mut self) -> Vec<String> {
        let Some(file) = &self.file else { return Vec::new() };
        let mut lines = Vec::new();
        let mut record = [0; MAX_RECORD];
        for _ in 0..MAX_READS {
            match rustix::io::read(file, &mut record) {
                Ok(0) => break,
                Ok(length) => lines.extend(kernel_lines(&record[..length])),
                // The record was overwritten before it was read: the next read gives the oldest that is left.
                Err(Errno::PIPE | Errno::INTR) => {}
                Err(_) => break,
            }
            lines.drain(..lines.len().saturating_sub(MAX_LINES));
        }
        lines
    }
}

/// Gives the texts of records of the kernel's own facility (`Documentation/ABI/testing/dev-kmsg`); lines that begin with
/// a blank are a record's dictionary.
fn kernel_lines(records: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(records);
    text.lines().filter_map(kernel_line).map(|line| line.chars().take(MAX_LINE).collect()).collect()
}

fn kernel_line(record: &str) -> Option<&str> {
    let (prefix, line) = record.split_once(';')?;
    let priority: u32 = prefix.split(',').next()?.parse().ok()?;
    // The low three bits are the level; facility 0 is the kernel's.
    (priority >> 3 == 0).then_some(line)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn only_lines_after_the_mark_and_of_the_kernel_are_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsg");
        std::fs::write(&path, "6,1,5,-;before\n").unwrap();
        let mut log = KernelLog::open_at(&path);
        log.mark();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "3,2,6,-;kernel_bind() failed: -98\n SUBSYSTEM=net\n12,3,7,-;a program\n")
            .unwrap();
        assert_eq!(log.lines(), ["kernel_bind() failed: -98"]);
        assert_eq!(log.lines(), [""; 0]);
    }

    #[test]
    fn a_flood_keeps_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kmsg");
        let flood: String = (0..5000).map(|i| format!("4,{i},1,-;line {i}\n")).collect();
        std::fs::write(&path, flood).unwrap();
        let lines = KernelLog::open_at(&path).lines();
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.last().unwrap(), "line 4999");
    }

    #[test]
    fn garbage_and_absence_give_no_lines() {
        for garbage in ["", ";", "x;y", "99999999999,1;z", "\u{0};\n\n", " KEY=value"] {
            assert!(kernel_lines(garbage.as_bytes()).is_empty(), "{garbage:?}");
        }
        let mut log = KernelLog::open_at(Path::new("/nonexistent/kmsg"));
        log.mark();
        assert!(log.lines().is_empty());
    }
}
