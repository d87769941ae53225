//! Axes: what range they have, where their ticks are and what stands beside them.

use super::quantity::{display_unit, number};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use std::ops::Range;

/// Beyond this, sums and differences of numbers could overflow.
const FAR: f64 = 1e100;

/// The longest time that is shown, in nanoseconds: what 64 bits hold of them.
const LONGEST: f64 = 18_446_744_073_709_551_616.0;

/// An axis. Ticks are in the order of their places.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What is shown, as places.
    pub(super) range: Range<f64>,
    /// Places and their labels.
    pub(super) ticks: Vec<(f64, String)>,
    /// What it shows and in which unit.
    pub(super) title: String,
    logarithmic: bool,
}

impl Axis {
    /// A linear axis of quantities; it begins at 0 where that costs no more than half of it.
    pub(super) fn linear(values: &[f64], name: &str, unit: &str) -> Self {
        let (low, high) = extent(values);
        let least = high.abs().max(low.abs()) * 0.1;
        let pad = ((high - low) * 0.15).max(least / 2.0);
        let pad = if pad > 0.0 { pad } else { 1.0 };
        let from_zero = low >= 0.0 && low <= high * 0.5;
        let range = if from_zero { 0.0..high + pad } else { low - pad..high + pad };
        Self::nice(range, name, unit)
    }

    /// A linear axis that begins at 0, without room beyond the greatest value.
    pub(super) fn from_zero(most: f64, name: &str, unit: &str) -> Self {
        let (_, most) = extent(&[most]);
        Self::nice(0.0..if most > 0.0 { most } else { 1.0 }, name, unit)
    }

    /// A linear axis from 0 to `most`, with room at both ends for what is drawn there.
    pub(super) fn with_room(most: f64, title: &str) -> Self {
        let axis = Self::from_zero(most, title, "");
        let room = axis.range.end * 0.03;
        Self { range: -room..axis.range.end + room, ..axis }
    }

    /// An axis of quantities: logarithmic where the greatest is so much more than the least that it would not be seen.
    pub(super) fn wide(values: &[f64], unit: &str) -> Self {
        let (low, high) = extent(values);
        let decades = (high / low).log10();
        if low <= 0.0 || !(1.5..=30.0).contains(&decades) {
            return Self::linear(values, "", unit);
        }
        let (factor, shown) = display_unit(unit, high);
        let range = (low / factor).log10() - 0.1..(high / factor).log10() + 0.1;
        let factors: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 3.0] };
        let mut ticks = Vec::new();
        for exponent in -40..=40 {
            for step in factors.iter().map(|step| step * 10f64.powi(exponent)) {
                if range.contains(&step.log10()) {
                    ticks.push(((step * factor).log10(), number(step)));
                }
            }
        }
        let every = ticks.len().div_ceil(8).max(1);
        let ticks = ticks.into_iter().step_by(every).collect();
        let range = range.start + factor.log10()..range.end + factor.log10();
        Self { range, ticks, title: shown, logarithmic: true }
    }

    /// A linear axis as far to one side of 0 as to the other.
    pub(super) fn around_zero(most: f64, name: &str, unit: &str) -> Self {
        let (_, most) = extent(&[most]);
        let most = if most > 0.0 { most } else { 1.0 };
        Self::nice(-most..most, name, unit)
    }

    fn nice(range: Range<f64>, name: &str, unit: &str) -> Self {
        let (factor, unit) = display_unit(unit, range.end.abs().max(range.start.abs()));
        let ticks = nice_ticks(range.start / factor, range.end / factor)
            .into_iter()
            .map(|tick| (tick * factor, number(tick)))
            .collect();
        Self { range, ticks, title: titled(name, &unit), logarithmic: false }
    }

    /// A logarithmic axis of times in nanoseconds, with a tick at each 1, 10, 100 of a unit, or
    /// at 2 and 5 as well where those are few.
    pub(super) fn times(values: &[f64], name: &str) -> Self {
        let (low, high) = extent(values);
        let low = low.clamp(1.0, LONGEST);
        let high = high.clamp(low * 2.0, LONGEST * 2.0);
        let range = low.log10() - 0.02..high.log10() + 0.02;
        let decades = range.end - range.start;
        let factors: &[f64] = match decades {
            0.0..0.8 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            0.8..2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let mut ticks = Vec::new();
        for exponent in 0..=20 {
            for factor in factors {
                let place = (factor * 10f64.powi(exponent)).log10();
                if range.contains(&place) {
                    ticks.push((place, time_tick(factor * 10f64.powi(exponent))));
                }
            }
        }
        Self { range, ticks, title: name.to_owned(), logarithmic: true }
    }

    /// An axis with ticks at given values; logarithmic where they span much.
    pub(super) fn at(labelled: &[(f64, String)], name: &str) -> Self {
        let values: Vec<f64> = labelled.iter().map(|(value, _)| *value).collect();
        let (low, high) = extent(&values);
        let logarithmic = low > 0.0 && high / low >= 16.0;
        let mut axis =
            Self { range: 0.0..1.0, ticks: Vec::new(), title: name.to_owned(), logarithmic };
        let (low, high) = (axis.place(low), axis.place(high));
        let pad = if high > low { (high - low) * 0.05 } else { 1.0 };
        axis.range = low - pad..high + pad;
        axis.ticks =
            labelled.iter().map(|(value, label)| (axis.place(*value), label.clone())).collect();
        axis.ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        axis.ticks.dedup_by(|a, b| a.0 == b.0);
        axis
    }

    /// Names from top to bottom; the first is around 0, the next around -1.
    pub(super) fn rows(names: &[String]) -> Self {
        let places = (0..names.len()).map(|n| -as_float(n));
        let mut ticks: Vec<(f64, String)> = places.zip(names.iter().cloned()).collect();
        ticks.reverse();
        let range = 0.5 - as_float(names.len())..0.5;
        Self { range, ticks, title: String::new(), logarithmic: false }
    }

    /// Where a value is.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = finite(value);
        if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }
}

/// As plotters sees it, in places.
impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (place - self.range.start) / (self.range.end - self.range.start);
        let length = f64::from(to.saturating_sub(from));
        #[expect(clippy::cast_possible_truncation, reason = "no further out than a plot is long")]
        let along = (part.clamp(-1.0, 2.0) * length).round() as i32;
        from.saturating_add(along)
    }

    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        let ticks = self.ticks.iter().map(|(place, _)| *place);
        if hint.weight().allow_light_points() { Vec::new() } else { ticks.collect() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// A whole number as a float; those of plots are far below what one cannot hold.
pub(super) fn as_float(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

/// The least and the greatest finite value; 0 to 0 without one.
fn extent(values: &[f64]) -> (f64, f64) {
    let known = values.iter().copied().filter(|value| value.is_finite()).map(finite);
    known
        .fold(None, |so_far: Option<(f64, f64)>, value| {
            Some(so_far.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })
        .unwrap_or((0.0, 0.0))
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value.clamp(-FAR, FAR) } else { 0.0 }
}

fn titled(name: &str, unit: &str) -> String {
    match (name, unit) {
        (name, "" | "ratio") => name.to_owned(),
        ("", unit) => unit.to_owned(),
        (name, unit) => format!("{name} ({unit})"),
    }
}

/// Between three and seven ticks at multiples of 1, 2 or 5 of a power of ten.
fn nice_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(power);
    let first = (low / step).ceil();
    (0..10u32)
        .map(|n| (first + f64::from(n)) * step)
        .take_while(|tick| *tick <= high + step * 1e-9)
        .collect()
}

fn time_tick(ns: f64) -> String {
    super::quantity::quantity(ns, "ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_range() {
        let axis = Axis::linear(&[7000.0, 7900.0], "", "1/s");
        assert_eq!(labels(&axis), ["7000", "7500", "8000"]);
        assert!(axis.ticks.iter().all(|(place, _)| axis.range.contains(place)), "{axis:?}");
        let zero = Axis::linear(&[1.0, 10.0], "latency", "ms");
        assert_eq!((zero.range.start, zero.title.as_str()), (0.0, "latency (ms)"));
    }

    #[test]
    fn no_values_make_an_axis_that_cannot_be_drawn_on() {
        for values in [
            &[][..],
            &[0.0],
            &[5.0, 5.0],
            &[-3.0],
            &[1e308, -1e308],
            &[f64::NAN, f64::INFINITY],
            &[1e-300, 2e-300],
        ] {
            let at: Vec<_> = values.iter().map(|value| (*value, "x".to_owned())).collect();
            for axis in [Axis::linear(values, "", "ms"), Axis::times(values, ""), Axis::at(&at, "")]
            {
                let Range { start, end } = axis.range;
                assert!(start < end && (end - start).is_finite(), "{values:?} {axis:?}");
                assert!(axis.ticks.len() < 30, "{axis:?}");
            }
        }
    }

    #[test]
    fn times_have_ticks_of_one_two_and_five_or_of_decades() {
        assert_eq!(
            labels(&Axis::times(&[90e3, 6e6], "")),
            ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms"]
        );
        assert_eq!(labels(&Axis::times(&[900.0, 6e6], "")), ["1 µs", "10 µs", "100 µs", "1 ms"]);
    }

    #[test]
    fn quantities_far_apart_have_a_tick_at_each_power_of_ten() {
        let axis = Axis::wide(&[0.6, 1900.0], "MB/s");
        assert_eq!((labels(&axis), axis.title.as_str()), (vec!["1", "10", "100", "1000"], "MB/s"));
        assert!((axis.place(100.0) - 2.0).abs() < 1e-9 && axis.range.contains(&axis.place(0.6)));
        let rates = Axis::wide(&[900.0, 90e3], "1/s");
        assert_eq!(
            (labels(&rates), rates.title.as_str()),
            (vec!["1", "3", "10", "30", "100"], "k/s")
        );
        for linear in [&[5.0, 9.0][..], &[0.0, 1e9], &[-1.0, 1e9], &[]] {
            assert_eq!(Axis::wide(linear, "ms"), Axis::linear(linear, "", "ms"), "{linear:?}");
        }
    }

    #[test]
    fn a_sweep_over_powers_of_two_is_even() {
        let at: Vec<_> = [4.0, 16.0, 64.0].map(|value| (value, value.to_string())).into();
        let axis = Axis::at(&at, "block_size");
        let [a, b, c] = [0, 1, 2].map(|n| axis.ticks[n].0);
        assert!((b - a - (c - b)).abs() < 1e-9);
    }
}
