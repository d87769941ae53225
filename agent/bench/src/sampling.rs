//! When to take samples, and when there are enough.
//!
//! Variants of one workload are measured side by side: each round takes a sample of every one, so
//! that what disturbs the machine disturbs them alike and their ratio is worth something.

use std::time::{Duration, Instant};

use crate::workload::{Kind, Observer, Parameter, Stopped, Told, Values, Wrong};

/// How long to measure, and how well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Running before the first sample: caches and clock frequency settle.
    pub warm_up: Duration,
    /// About how long one sample takes.
    pub sample_time: Duration,
    /// The least number of samples of each series.
    pub least: u32,
    /// The greatest.
    pub most: u32,
    /// When to stop though the interval is not tight yet.
    pub time: Duration,
    /// The interval is tight when half of it is at most this part of the median.
    pub precision: f64,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Budget {
    /// The parameters every workload has.
    pub const PARAMETERS: &[Parameter] = &[
        time("warm_up", "run for this long before the first sample", "100ms"),
        time("sample_time", "about how long one sample takes", "20ms"),
        count("samples_min", "the least number of samples of a series", "10"),
        count("samples_max", "the greatest number of samples of a series", "200"),
        time("budget", "stop after this long though the interval is not tight yet", "5s"),
        Parameter {
            name: "precision",
            about: "stop once half of the 95 % interval is at most this part of the median",
            kind: Kind::Percent,
            default: "1%",
            many: false,
        },
        Parameter::new(
            "count",
            "count cycles, cache misses, page faults and more over the measured region",
            Kind::Flag,
            "false",
        ),
    ];

    /// Whether there can be as many samples as are asked for.
    pub(crate) fn check(values: &Values) -> Result<(), Wrong> {
        let number = |name| values.number(name).unwrap_or_default();
        let (least, most) = (number("samples_min"), number("samples_max"));
        if least <= most {
            return Ok(());
        }
        Err(Wrong {
            keys: ["samples_min", "samples_max"],
            message: format!("samples_min = {least} is more than samples_max = {most}"),
            hint: format!("samples_min = {most} or less, or samples_max = {least} or more"),
        })
    }

    pub(crate) fn of(values: &Values) -> Result<Self, Stopped> {
        let milliseconds = |name| values.number(name).map(Duration::from_millis);
        let count = |name| {
            let number = values.number(name);
            number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
        };
        Ok(Self {
            warm_up: milliseconds("warm_up")?,
            sample_time: milliseconds("sample_time")?,
            least: count("samples_min")?,
            most: count("samples_max")?,
            time: milliseconds("budget")?,
            precision: values.part("precision")?,
        })
    }
}

const fn time(name: &'static str, about: &'static str, default: &'static str) -> Parameter {
    let kind = Kind::Time { least: Duration::ZERO, most: HOUR };
    Parameter { name, about, kind, default, many: false }
}

const fn count(name: &'static str, about: &'static str, default: &'static str) -> Parameter {
    let kind = Kind::Number { least: 2, most: 100_000 };
    Parameter { name, about, kind, default, many: false }
}

/// One series to be sampled.
pub struct Variant<'a> {
    /// Its name in results.
    pub series: String,
    /// The unit of its samples.
    pub unit: &'static str,
    /// Takes one sample.
    pub sample: Box<dyn FnMut() -> Result<f64, Stopped> + 'a>,
}

impl<'a> Variant<'a> {
    /// One series.
    pub fn new(
        series: impl Into<String>,
        unit: &'static str,
        sample: impl FnMut() -> Result<f64, Stopped> + 'a,
    ) -> Self {
        Self { series: series.into(), unit, sample: Box::new(sample) }
    }

    /// A series of nanoseconds for one call: `time` makes so many calls and gives what they took. The number is found such that a
    /// sample takes about the time the budget gives it.
    ///
    /// # Errors
    /// What the first calls came to.
    pub fn nanoseconds(
        series: impl Into<String>,
        budget: &Budget,
        mut time: impl FnMut(u32) -> Result<Duration, Stopped> + 'a,
    ) -> Result<Self, Stopped> {
        let calls = calls_for(budget.sample_time, &mut time)?;
        Ok(Self::new(series, crate::unit::NANOSECONDS, move || {
            Ok(time(calls)?.as_secs_f64() * 1e9 / f64::from(calls))
        }))
    }
}

/// Calls timed together are at most this many, so that a clock that stands still ends calibration.
const MAX_CALLS: u32 = 1 << 26;

/// Gives how many calls take about `wanted`: 1 to 2^26.
///
/// # Errors
/// What a call came to.
pub fn calls_for(
    wanted: Duration,
    time: &mut dyn FnMut(u32) -> Result<Duration, Stopped>,
) -> Result<u32, Stopped> {
    let mut calls = 1;
    loop {
        let took = time(calls)?;
        if took >= wanted / 4 || calls >= MAX_CALLS {
            let scaled = u128::from(calls) * wanted.as_nanos() / took.as_nanos().max(1);
            return Ok(u32::try_from(scaled).unwrap_or(MAX_CALLS).clamp(1, MAX_CALLS));
        }
        calls = calls.saturating_mul(2);
    }
}

/// Samples every variant, round by round, until each has a tight interval, the time is over, or
/// there are as many samples as may be.
///
/// # Errors
/// What a sample came to; those taken before were told.
pub fn sample(
    budget: &Budget,
    variants: &mut [Variant<'_>],
    observer: &mut dyn Observer,
) -> Result<(), Stopped> {
    let start = Instant::now();
    // What warms up is thrown away, but is what will be measured.
    while start.elapsed() < budget.warm_up {
        for variant in variants.iter_mut() {
            (variant.sample)()?;
        }
    }
    let mut rounds = Rounds::new(*budget, variants.len());
    loop {
        let mut values = Vec::with_capacity(variants.len());
        for variant in variants.iter_mut() {
            rounds.within(values.len(), observer);
            let value = (variant.sample)()?;
            observer.tell(Told::Sample { series: &variant.series, unit: variant.unit, value });
            values.push(value);
        }
        if rounds.enough(&values, observer) {
            return Ok(());
        }
    }
}

/// Judges after each round whether there are enough samples; for what runs on meanwhile and cannot
/// be called a sample at a time.
pub struct Rounds {
    budget: Budget,
    start: Instant,
    /// When it was last told how far it is.
    told: Instant,
    count: u32,
    taken: Vec<Vec<f64>>,
}

impl Rounds {
    /// The time begins; a round has a sample of each of so many series.
    #[must_use]
    pub fn new(budget: Budget, series: usize) -> Self {
        let start = Instant::now();
        Self { budget, start, told: start, count: 0, taken: vec![Vec::new(); series] }
    }

    /// Takes the samples of a round, tells how far it is, and gives whether that was the last.
    pub fn enough(&mut self, values: &[f64], observer: &mut dyn Observer) -> bool {
        self.count = self.count.saturating_add(1);
        for (taken, value) in self.taken.iter_mut().zip(values) {
            taken.push(*value);
        }
        let Budget { least, most, time, precision, .. } = self.budget;
        let spent = self.start.elapsed();
        self.tell(0, observer);
        let tight = || self.taken.iter().all(|taken| is_tight(taken, precision));
        self.count >= most || (self.count >= least && (spent >= time || tight()))
    }
}

impl Rounds {
    /// Tells how far it is with a round of which so many samples are taken, where it takes long.
    fn within(&mut self, samples: usize, observer: &mut dyn Observer) {
        if self.told.elapsed() >= LONG {
            self.tell(samples, observer);
        }
    }

    fn tell(&mut self, samples: usize, observer: &mut dyn Observer) {
        self.told = Instant::now();
        let series = u32::try_from(self.taken.len()).unwrap_or(u32::MAX).max(1);
        let part = u32::try_from(samples).unwrap_or(u32::MAX);
        let taken = u64::from(self.count) * u64::from(series) + u64::from(part);
        let (done, left) = self.budget.progress(self.start.elapsed(), taken, series);
        observer.tell(Told::Progress { done, left });
    }
}

/// A sample that takes longer is told of within its round.
const LONG: Duration = Duration::from_secs(1);

impl Budget {
    /// The part of one that is done, and the time left, when so many samples of all series took so long: until the time
    /// is over, yet with the least number of rounds and at most the greatest, each as long as those before.
    fn progress(&self, spent: Duration, samples: u64, series: u32) -> (f64, Duration) {
        let rounds = |count: u32| {
            let left = (u64::from(count) * u64::from(series)).saturating_sub(samples);
            spent.as_secs_f64() * left as f64 / samples.max(1) as f64
        };
        let time = self.time.saturating_sub(spent).as_secs_f64();
        let left = time.max(rounds(self.least)).min(rounds(self.most));
        let done = spent.as_secs_f64() / (spent.as_secs_f64() + left).max(1e-9);
        (done.min(1.0), Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))
    }

    /// Whether a series that was begun so long ago has enough samples.
    #[must_use]
    pub fn is_enough(&self, samples: &[f64], spent: Duration) -> bool {
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let good = || spent >= self.time || is_tight(samples, self.precision);
        count >= self.most || (count >= self.least && good())
    }
}

/// Whether half of the median's 95 % interval, by order statistics, is at most a part of it.
fn is_tight(samples: &[f64], precision: f64) -> bool {
    let Some((low, median, high)) = crate::statistics::order_interval(samples) else {
        return false;
    };
    (high - low) / 2.0 <= precision * median.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        warm_up: Duration::ZERO,
        sample_time: Duration::from_micros(50),
        least: 5,
        most: 40,
        time: HOUR,
        precision: 0.01,
    };

    fn taken(budget: &Budget, values: impl Fn(u32) -> f64) -> usize {
        let mut count = 0;
        let mut told = 0;
        let sample_one = || {
            count += 1;
            Ok(values(count))
        };
        sample(budget, &mut [Variant::new("x", "ns", sample_one)], &mut |told_now: Told<'_>| {
            told += usize::from(matches!(told_now, Told::Sample { .. }));
        })
        .unwrap();
        told
    }

    #[test]
    fn tight_samples_end_early_and_loose_ones_go_on() {
        let tight = taken(&BUDGET, |_| 100.0);
        assert!((5..15).contains(&tight), "{tight}");
        let loose = taken(&BUDGET, |n| f64::from(n % 7) * 50.0);
        assert_eq!(loose, 40);
    }

    #[test]
    fn time_ends_what_is_not_tight_but_the_least_is_taken() {
        let over = Budget { time: Duration::ZERO, ..BUDGET };
        assert_eq!(taken(&over, |n| f64::from(n % 7) * 50.0), 5);
    }

    #[test]
    fn what_is_left_is_the_time_but_the_least_number_of_rounds_and_at_most_the_greatest() {
        let budget = Budget { time: Duration::from_secs(10), least: 5, most: 40, ..BUDGET };
        for (spent, samples, done, left) in [
            (4, 30, 0.4, 6),
            // Two series: one round and a half took 30 s, and five are needed.
            (30, 3, 0.3, 70),
            (9, 78, 0.975, 0),
            (10, 20, 1.0, 0),
        ] {
            let told = budget.progress(Duration::from_secs(spent), samples, 2);
            assert!((told.0 - done).abs() < 1e-3, "{told:?}");
            assert_eq!(told.1.as_secs(), left, "{told:?}");
        }
    }

    #[test]
    fn variants_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let one = |name: &'static str| {
            let order = &order;
            Variant::new(name, "ns", move || {
                order.borrow_mut().push_str(name);
                Ok(1.0)
            })
        };
        let budget = Budget { least: 3, most: 3, ..BUDGET };
        sample(&budget, &mut [one("a"), one("b")], &mut |_: Told<'_>| {}).unwrap();
        assert_eq!(*order.borrow(), "ababab");
    }

    #[test]
    fn the_number_of_calls_fills_the_time_of_a_sample() {
        let mut each = |calls: u32| Ok(Duration::from_nanos(u64::from(calls) * 100));
        assert_eq!(calls_for(Duration::from_micros(1000), &mut each), Ok(10_000));
        let mut still = |_| Ok(Duration::ZERO);
        assert_eq!(calls_for(Duration::from_millis(1), &mut still), Ok(MAX_CALLS));
    }

    #[test]
    fn what_goes_wrong_ends_it_and_keeps_what_was_told() {
        let mut told = 0;
        let mut left = 3;
        let broken = Variant::new("x", "ns", || {
            left -= 1;
            if left == 0 { Err(Stopped::Failed("gone".into())) } else { Ok(1.0) }
        });
        let outcome = sample(&BUDGET, &mut [broken], &mut |now: Told<'_>| {
            told += u32::from(matches!(now, Told::Sample { .. }));
        });
        assert_eq!((outcome, told), (Err(Stopped::Failed("gone".into())), 2));
    }
}
