//! What a ratio and its interval amount to.

use lunlab_bench::unit::Better;
use serde::Serialize;

/// What is judged by, as parts of one: 0.05 is 5 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// What lies within is the same.
    pub margin: f64,
    /// What is worse by more than this for certain is a failure.
    pub fail_on: Option<f64>,
}

impl Limits {
    /// The margin when nobody says.
    pub const MARGIN: f64 = 0.05;

    /// Limits; without a margin it is 5 %, or what is a failure when that is less: nothing is the same and a failure.
    #[must_use]
    pub fn new(margin: Option<f64>, fail_on: Option<f64>) -> Self {
        let usual = fail_on.map_or(Self::MARGIN, |fail_on| Self::MARGIN.min(fail_on));
        Self { margin: margin.unwrap_or(usual), fail_on }
    }

    /// Says that the whole interval lies beyond what is allowed, where it does.
    #[must_use]
    pub fn worse(&self, (low, high): (f64, f64), unit: &str) -> Option<String> {
        let allowed = self.fail_on?;
        let worse = match Better::of(unit) {
            Some(Better::Lower) => low > 1.0 + allowed,
            Some(Better::Higher) => high < 1.0 - allowed,
            None => false,
        };
        worse.then(|| format!("worse by more than {}", percent(allowed)))
    }

    /// The reason why B does not measure what A did, if that is a failure here.
    #[must_use]
    pub fn lost(&self, lost: bool, reason: &str) -> Option<String> {
        (lost && self.fail_on.is_some()).then(|| format!("not measured in B as in A: {reason}"))
    }
}

/// A part of one as people write it: `5 %`, `0.5 %`.
pub(super) fn percent(part: f64) -> String {
    let percent = (part * 1e6).round() / 1e4;
    format!("{percent} %")
}

/// What a row amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// B is better than A.
    Better,
    /// B is worse than A.
    Worse,
    /// B differs from A, and neither way is better.
    Differs,
    /// The interval lies within the margin.
    Same,
    /// The interval is too wide for any of these.
    CannotTell,
    /// There are not two sides that could be compared.
    NotCompared,
}

impl Judgement {
    /// Judges an interval of B over A.
    #[must_use]
    pub fn of(interval: (f64, f64), unit: &str, limits: &Limits) -> Self {
        let (low, high) = interval;
        if low >= 1.0 - limits.margin && high <= 1.0 + limits.margin {
            return Self::Same;
        }
        if low <= 1.0 && high >= 1.0 {
            return Self::CannotTell;
        }
        match (Better::of(unit), low > 1.0) {
            (Some(Better::Lower), true) | (Some(Better::Higher), false) => Self::Worse,
            (Some(_), _) => Self::Better,
            (None, _) => Self::Differs,
        }
    }

    /// Its word in a table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Differs => "differs",
            Self::Same => "same",
            Self::CannotTell => "cannot tell",
            Self::NotCompared => "not compared",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_judged_by_where_all_of_it_lies() {
        use Judgement::{Better, CannotTell, Differs, Same, Worse};
        let limits = Limits::new(None, None);
        for (interval, unit, expected) in [
            ((0.96, 1.04), "ns", Same),
            ((1.01, 1.04), "ns", Same),
            ((0.94, 1.04), "ns", CannotTell),
            ((0.96, 1.06), "1/s", CannotTell),
            ((0.5, 2.0), "ns", CannotTell),
            ((1.02, 1.06), "ns", Worse),
            ((1.02, 1.06), "1/s", Better),
            ((0.85, 0.99), "ns", Better),
            ((0.85, 0.99), "MB/s", Worse),
            ((1.2, 1.3), "bytes", Differs),
        ] {
            assert_eq!(Judgement::of(interval, unit, &limits), expected, "{interval:?} {unit}");
        }
    }

    #[test]
    fn the_margin_is_never_wider_than_what_fails_unless_someone_says_so() {
        for (margin, fail_on, expected) in [
            (None, None, 0.05),
            (None, Some(0.03), 0.03),
            (None, Some(0.2), 0.05),
            (Some(0.1), Some(0.03), 0.1),
        ] {
            assert_eq!(Limits::new(margin, fail_on).margin, expected);
        }
    }
}
