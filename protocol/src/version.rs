//! Which protocol versions this build speaks.
//!
//! The policy: the fixed layout of [`crate::hello::Hello`] and of the frame header never changes.
//! A variant is added at the end of its enum, never moved, altered or removed; a field is never
//! added to a variant that exists (postcard is positional). Each such addition raises [`CURRENT`]
//! by one and brings a file of golden bytes under `tests/wire/`. Before version 1.0 of lunlab
//! [`OLDEST`] may be raised freely; afterwards never silently.

/// The oldest version this build still speaks.
pub const OLDEST: u16 = 1;

/// The version this build speaks with an equal.
pub const CURRENT: u16 = 1;

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest one spoken.
    pub oldest: u16,
    /// The newest one spoken.
    pub newest: u16,
}

impl VersionRange {
    /// What this build speaks.
    pub const OURS: Self = Self { oldest: OLDEST, newest: CURRENT };

    /// The newest version both sides speak, if there is one.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u16> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

impl core::fmt::Display for VersionRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.oldest == self.newest {
            write!(f, "{}", self.newest)
        } else {
            write!(f, "{} to {}", self.oldest, self.newest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::VersionRange;

    fn range(oldest: u16, newest: u16) -> VersionRange {
        VersionRange { oldest, newest }
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(range(1, 3).common(range(2, 9)), Some(3));
        assert_eq!(range(2, 9).common(range(1, 3)), Some(3));
        assert_eq!(range(1, 1).common(range(1, 1)), Some(1));
    }

    #[test]
    fn ranges_apart_have_no_common_version() {
        assert_eq!(range(1, 2).common(range(3, 4)), None);
        assert_eq!(range(3, 4).common(range(1, 2)), None);
        assert_eq!(range(4, 3).common(range(3, 4)), None);
    }
}
