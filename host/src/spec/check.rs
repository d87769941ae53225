//! Checks of a benchmark: `iops >= 1000`, `p99 <= 20ms`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use super::fault::{nearest, quoted};

/// What a metric counts, and so which units its bound may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A plain number.
    Number,
    /// A time, kept in nanoseconds.
    Time,
}

/// Something a workload measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in checks and results.
    pub name: Cow<'static, str>,
    /// What it counts.
    pub dimension: Dimension,
}

const fn number(name: &'static str) -> Metric {
    Metric { name: Cow::Borrowed(name), dimension: Dimension::Number }
}

const fn time(name: &'static str) -> Metric {
    Metric { name: Cow::Borrowed(name), dimension: Dimension::Time }
}

/// What `iscsi-randread` measures: requests and megabytes (10^6) per second, request latencies.
pub const ISCSI_RANDREAD_METRICS: &[Metric] = &[
    number("iops"),
    number("mb_per_s"),
    time("p50"),
    time("p90"),
    time("p99"),
    time("p99.9"),
    time("p99.99"),
    time("max"),
];

/// How a metric is compared with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `>`
    Above,
    /// `<`
    Below,
}

/// The operators as they are written, the longer before those they begin with.
const OPERATORS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

/// The units of a time, in nanoseconds; the longer before those they end with.
const TIME_UNITS: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];

/// One parsed check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The expression as written.
    pub text: String,
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what: nanoseconds for times.
    pub bound: f64,
}

/// Whether a check holds for what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It holds; with the value found.
    Holds(f64),
    /// It does not hold; with the value found.
    DoesNotHold(f64),
    /// The metric was not measured, so nothing can be said. Never to be taken for a pass.
    NotMeasured,
}

/// Why an expression is not a check.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// There is no operator, or nothing on one side of it.
    #[error("{0} is not a check, a metric, an operator (>= <= > < ==) and a value are")]
    Form(String, &'static str),
    /// This workload does not measure that.
    #[error("{metric} in {check} is not measured by this workload, {known} are")]
    UnknownMetric {
        /// The whole check, quoted.
        check: String,
        /// What was asked for, quoted.
        metric: String,
        /// What there is.
        known: String,
        /// The likeliest of them.
        nearest: Option<String>,
    },
    /// The value is not a number.
    #[error("{0} in {1} is not a number")]
    Value(String, String),
    /// A time without a unit, or with one there is not.
    #[error("{value} in {check} has no unit of time, {metric} takes ns, us, ms or s")]
    TimeUnit {
        /// The whole check, quoted.
        check: String,
        /// The value, quoted.
        value: String,
        /// The metric it bounds.
        metric: String,
    },
    /// A unit on something that has none.
    #[error("{value} in {check} has a unit, {metric} is a plain number")]
    NumberUnit {
        /// The whole check, quoted.
        check: String,
        /// The value, quoted.
        value: String,
        /// The metric it bounds.
        metric: String,
    },
}

impl CheckError {
    /// The metric that was probably meant, or what a check looks like.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownMetric { nearest: Some(metric), .. } => {
                format!("did you mean {metric:?}?")
            }
            Self::UnknownMetric { nearest: None, .. } => "name one of them".to_owned(),
            Self::Form(_, example) => format!("such as {example:?}"),
            Self::Value(..) => "a bound is a number such as 1000, or with a unit 20ms".to_owned(),
            Self::TimeUnit { metric, .. } => format!("such as \"{metric} <= 20ms\""),
            Self::NumberUnit { metric, .. } => format!("such as \"{metric} >= 1000\""),
        }
    }
}

impl Check {
    /// Reads `metric operator value[unit]`, the metric being one of `metrics`.
    ///
    /// # Errors
    /// When the expression has another form, or names what the workload does not measure.
    pub fn parse(text: &str, metrics: &[Metric]) -> Result<Self, CheckError> {
        let (name, comparison, value) = split(text).ok_or_else(|| form_error(text, metrics))?;
        let metric = metrics
            .iter()
            .find(|metric| metric.name == name)
            .ok_or_else(|| unknown_metric(text, name, metrics))?;
        let bound = parse_bound(text, value, metric)?;
        let metric = metric.clone();
        Ok(Self { text: text.to_owned(), metric, comparison, bound })
    }

    /// Compares with what was measured, by metric name; times in nanoseconds.
    #[must_use]
    pub fn evaluate(&self, measured: &BTreeMap<String, f64>) -> Outcome {
        match measured.get(&*self.metric.name) {
            None => Outcome::NotMeasured,
            Some(&found) if self.holds(found) => Outcome::Holds(found),
            Some(&found) => Outcome::DoesNotHold(found),
        }
    }

    /// What was found, in words: `p99 is 31.5ms, p99 <= 20ms was asked for`.
    #[must_use]
    pub fn describe(&self, outcome: Outcome) -> String {
        let name = &self.metric.name;
        match outcome {
            Outcome::NotMeasured => format!("{name} was not measured, {} was asked for", self.text),
            Outcome::Holds(found) | Outcome::DoesNotHold(found) => {
                let found = format_value(found, self.metric.dimension);
                format!("{name} is {found}, {} was asked for", self.text)
            }
        }
    }

    /// Not-a-number compares with nothing, so it never holds.
    #[expect(clippy::float_cmp, reason = "`==` is what the user asked for")]
    fn holds(&self, found: f64) -> bool {
        match self.comparison {
            Comparison::AtLeast => found >= self.bound,
            Comparison::AtMost => found <= self.bound,
            Comparison::Equal => found == self.bound,
            Comparison::Above => found > self.bound,
            Comparison::Below => found < self.bound,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A measured value with the unit a person would choose.
#[must_use]
pub fn format_value(value: f64, dimension: Dimension) -> String {
    let (unit, scale) = match dimension {
        Dimension::Number => ("", 1.0),
        Dimension::Time => {
            let largest = TIME_UNITS.iter().rev().find(|(_, scale)| value >= *scale);
            *largest.unwrap_or(&TIME_UNITS[0])
        }
    };
    let text = format!("{:.2}", value / scale);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    let at = text.find(['<', '>', '='])?;
    let (name, rest) = text.split_at(at);
    let (operator, comparison) = OPERATORS.iter().find(|(written, _)| rest.starts_with(written))?;
    let (name, value) = (name.trim(), rest[operator.len()..].trim());
    (!name.is_empty() && !value.is_empty()).then_some((name, *comparison, value))
}

fn form_error(text: &str, metrics: &[Metric]) -> CheckError {
    let times = metrics.iter().all(|metric| metric.dimension == Dimension::Time);
    CheckError::Form(quoted(text), if times { "sha2 <= 500ns" } else { "iops >= 1000" })
}

fn unknown_metric(check: &str, name: &str, metrics: &[Metric]) -> CheckError {
    let names = metrics.iter().map(|metric| &*metric.name);
    CheckError::UnknownMetric {
        check: quoted(check),
        metric: quoted(name),
        known: names.clone().collect::<Vec<_>>().join(", "),
        nearest: nearest(name, names).map(str::to_owned),
    }
}

fn parse_bound(check: &str, text: &str, metric: &Metric) -> Result<f64, CheckError> {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (value, unit) = text.split_at(digits);
    // Rust would also read "inf", "nan" and exponents; none of them is a bound anyone means.
    let bound: f64 = value.parse().map_err(|_| CheckError::Value(quoted(text), quoted(check)))?;
    match metric.dimension {
        Dimension::Number if unit.is_empty() => Ok(bound),
        Dimension::Number => Err(CheckError::NumberUnit {
            check: quoted(check),
            value: quoted(text),
            metric: metric.name.to_string(),
        }),
        Dimension::Time => TIME_UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim_start())
            .map(|(_, scale)| bound * scale)
            .ok_or(CheckError::TimeUnit {
                check: quoted(check),
                value: quoted(text),
                metric: metric.name.to_string(),
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str, measured: &[(&str, f64)]) -> Outcome {
        let measured = measured.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Check::parse(text, ISCSI_RANDREAD_METRICS).unwrap().evaluate(&measured)
    }

    #[test]
    fn each_operator_compares_as_written() {
        for (operator, below, equal, above) in [
            (">=", false, true, true),
            ("<=", true, true, false),
            ("==", false, true, false),
            (">", false, false, true),
            ("<", true, false, false),
        ] {
            for (found, holds) in [(999.0, below), (1000.0, equal), (1001.0, above)] {
                let expected =
                    if holds { Outcome::Holds(found) } else { Outcome::DoesNotHold(found) };
                let text = format!("iops {operator} 1000");
                assert_eq!(outcome(&text, &[("iops", found)]), expected, "{found} {operator}");
            }
        }
    }

    #[test]
    fn times_are_compared_in_nanoseconds() {
        assert_eq!(outcome("p99<=20ms", &[("p99", 2e7)]), Outcome::Holds(2e7));
        assert_eq!(outcome("p99.9 < 1.5 us", &[("p99.9", 1500.0)]), Outcome::DoesNotHold(1500.0));
        assert_eq!(outcome("max <= 1s", &[("max", 1e9)]), Outcome::Holds(1e9));
        assert_eq!(outcome("p50 >= 7ns", &[("p50", 7.0)]), Outcome::Holds(7.0));
    }

    #[test]
    fn what_was_not_measured_never_holds() {
        assert_eq!(outcome("iops >= 0", &[("p99", 1.0)]), Outcome::NotMeasured);
        let nan = outcome("iops >= 0", &[("iops", f64::NAN)]);
        assert!(matches!(nan, Outcome::DoesNotHold(value) if value.is_nan()));
    }

    #[test]
    fn bad_expressions_say_what_is_wrong() {
        for (text, message) in [
            (
                "iops",
                "\"iops\" is not a check, a metric, an operator (>= <= > < ==) and a value are",
            ),
            (
                "iops = 3",
                "\"iops = 3\" is not a check, a metric, an operator (>= <= > < ==) and a value are",
            ),
            (
                ">= 3",
                "\">= 3\" is not a check, a metric, an operator (>= <= > < ==) and a value are",
            ),
            (
                "p98 <= 1ms",
                "\"p98\" in \"p98 <= 1ms\" is not measured by this workload, iops, mb_per_s, p50, p90, p99, p99.9, \
                 p99.99, max are",
            ),
            ("iops >= many", "\"many\" in \"iops >= many\" is not a number"),
            ("iops >= -1", "\"-1\" in \"iops >= -1\" is not a number"),
            ("iops >= inf", "\"inf\" in \"iops >= inf\" is not a number"),
            ("iops >= 1.2.3", "\"1.2.3\" in \"iops >= 1.2.3\" is not a number"),
            (
                "iops >= 1000ms",
                "\"1000ms\" in \"iops >= 1000ms\" has a unit, iops is a plain number",
            ),
            ("p99 <= 20", "\"20\" in \"p99 <= 20\" has no unit of time, p99 takes ns, us, ms or s"),
            (
                "p99 <= 20min",
                "\"20min\" in \"p99 <= 20min\" has no unit of time, p99 takes ns, us, ms or s",
            ),
        ] {
            let error = Check::parse(text, ISCSI_RANDREAD_METRICS).unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn an_unknown_metric_suggests_the_nearest() {
        let hint = |text| Check::parse(text, ISCSI_RANDREAD_METRICS).unwrap_err().hint();
        assert_eq!(hint("iop >= 1"), "did you mean \"iops\"?");
        assert_eq!(hint("bananas >= 1"), "name one of them");
    }

    #[test]
    fn descriptions_use_readable_units() {
        let check = Check::parse("p99 <= 20ms", ISCSI_RANDREAD_METRICS).unwrap();
        assert_eq!(
            check.describe(Outcome::DoesNotHold(31_540_000.0)),
            "p99 is 31.54ms, p99 <= 20ms was asked for"
        );
        assert_eq!(
            check.describe(Outcome::NotMeasured),
            "p99 was not measured, p99 <= 20ms was asked for"
        );
        assert_eq!(format_value(0.5, Dimension::Time), "0.5ns");
        assert_eq!(format_value(100.0, Dimension::Number), "100");
    }
}
