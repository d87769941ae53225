//! What the kernel says when storage under a target fails: no fault of the kernel's, but the reason of an initiator's.

use super::{FACILITY_KERNEL, LINE_MAX};
use configfs_rs::Errno;

/// How many lines are kept.
const MOST: usize = 5;

/// What such lines contain: those of fileio and iblock (drivers/target/target_core_{file,iblock}.c), the loop device, the block layer.
const SAID: [&str; 4] =
    ["fd_do_rw() ", "loop: Write error at byte offset", "I/O error, dev ", "bio error: "];

/// The first failures of storage.
#[derive(Clone, Debug, Default)]
pub struct StorageErrors {
    lines: Vec<String>,
}

impl StorageErrors {
    /// Takes a record of the kernel's log.
    pub fn push(&mut self, priority: u32, text: &str) {
        let said = SAID.iter().any(|part| text.contains(part));
        if said && priority >> 3 == FACILITY_KERNEL && self.lines.len() < MOST {
            self.lines.push(text.chars().take(LINE_MAX).collect());
        }
    }

    /// The lines, in their order.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The first line, and what the number means that it ends in: an error by its name, or bytes of a write that had more.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        let first = self.lines.first()?;
        let number =
            first.rsplit_once(" returned ").and_then(|(_, number)| number.trim().parse().ok());
        let meaning = number.map(|number: i32| match number {
            ..0 => Errno::new(number.saturating_neg()).to_string(),
            _ => "a short write, as storage that is full makes them".to_owned(),
        });
        Some(meaning.map_or_else(|| first.clone(), |meaning| format!("{first} ({meaning})")))
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, StorageErrors};

    fn of(lines: &[(u32, &str)]) -> StorageErrors {
        let mut errors = StorageErrors::default();
        lines.iter().for_each(|(priority, line)| errors.push(*priority, line));
        errors
    }

    #[test]
    fn the_first_failure_is_told_with_its_error_by_name() {
        for (line, told) in [
            ("fd_do_rw() write returned -28", "fd_do_rw() write returned -28 (ENOSPC)"),
            (
                "fd_do_rw() write returned 4096",
                "fd_do_rw() write returned 4096 (a short write, as storage that is full makes them)",
            ),
            ("I/O error, dev zram0, sector 8 op 0x1", "I/O error, dev zram0, sector 8 op 0x1"),
        ] {
            let errors =
                of(&[(6, "zram0: detected capacity change"), (3, line), (3, "fd_do_rw() x")]);
            assert_eq!(errors.first().as_deref(), Some(told));
        }
    }

    #[test]
    fn what_a_program_says_is_not_the_kernels_and_lines_are_bounded() {
        assert_eq!(of(&[(8 + 3, "fd_do_rw() write returned -28")]).first(), None);
        let long = format!("I/O error, dev {}", "x".repeat(10_000));
        let many = of(&vec![(3, long.as_str()); 100]);
        assert_eq!(many.lines().len(), MOST);
        assert!(many.lines().iter().all(|line| line.len() <= super::LINE_MAX));
    }
}
