//! Units of samples, and which way is better.

/// Nanoseconds.
pub const NANOSECONDS: &str = "ns";
/// Milliseconds.
pub const MILLISECONDS: &str = "ms";
/// Something a second: requests, updates.
pub const PER_SECOND: &str = "1/s";
/// 10^6 bytes a second.
pub const MEGABYTES: &str = "MB/s";
/// 10^9 bytes a second.
pub const GIGABYTES: &str = "GB/s";
/// One number over another.
pub const RATIO: &str = "ratio";

/// Which way a number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Times.
    Lower,
    /// Rates.
    Higher,
}

impl Better {
    /// Which way numbers of a unit are better; `None` where neither is.
    #[must_use]
    pub fn of(unit: &str) -> Option<Self> {
        match unit {
            "ns" | "us" | "ms" | "s" => Some(Self::Lower),
            _ if unit.ends_with("/s") => Some(Self::Higher),
            _ => None,
        }
    }

    /// Its word in results.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_better_lower_and_rates_higher() {
        for (unit, better) in [
            (NANOSECONDS, Some(Better::Lower)),
            (MILLISECONDS, Some(Better::Lower)),
            (PER_SECOND, Some(Better::Higher)),
            (MEGABYTES, Some(Better::Higher)),
            (GIGABYTES, Some(Better::Higher)),
            (RATIO, None),
            ("bytes", None),
        ] {
            assert_eq!(Better::of(unit), better, "{unit}");
        }
    }
}
