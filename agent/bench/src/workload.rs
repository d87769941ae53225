//! What a workload is: a name, parameters that can be checked before anything boots, and what it tells while it runs.

use std::fmt;
use std::time::Duration;

use crate::sampling::Budget;

/// A workload, as specs and results know it.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// One sentence: what it measures.
    pub about: &'static str,
    /// Its parameters, beside those of [`Budget::PARAMETERS`] where it takes samples.
    pub parameters: &'static [Parameter],
    /// The series that checks can name, and their units.
    pub series: Series,
    /// What its values must be to each other, beside what each may be by itself.
    pub rule: Rule,
    /// What runs it.
    pub run: Run,
}

/// Which series a workload has.
#[derive(Clone, Copy, Debug)]
pub enum Series {
    /// The same whatever its values are: names and units. None where it takes no samples.
    Always(&'static [(&'static str, &'static str)]),
    /// Those that its values make.
    Of(fn(&Values) -> Vec<(String, &'static str)>),
}

impl Series {
    /// Names and units with these values.
    #[must_use]
    pub fn with(self, values: &Values) -> Vec<(String, &'static str)> {
        let owned = |(name, unit): &(&str, &'static str)| ((*name).to_owned(), *unit);
        match self {
            Self::Always(series) => series.iter().map(owned).collect(),
            Self::Of(series) => series(values),
        }
    }
}

/// Judges values that are good each by itself.
pub type Rule = fn(&Values) -> Result<(), Wrong>;

/// The rule of values that have nothing to do with each other.
///
/// # Errors
/// None.
pub const fn independent(_values: &Values) -> Result<(), Wrong> {
    Ok(())
}

/// Values that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The parameters, the one that should change first.
    pub keys: [&'static str; 2],
    /// What is wrong, with both values.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Wrong> for Stopped {
    fn from(wrong: Wrong) -> Self {
        Self::Failed(wrong.message)
    }
}

/// What runs a workload.
#[derive(Clone, Copy)]
pub enum Run {
    /// A function that needs nothing but the processor.
    Here(fn(&Values, &mut dyn Observer) -> Result<(), Stopped>),
    /// A driver of that name, in the program that opens devices and sockets.
    Driver,
    /// Both ends of the channel: a driver of that name in the guest, and the host, which measures.
    Across,
    /// The host by itself, with machines like the run's.
    Host,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::Driver => "Driver",
            Self::Across => "Across",
            Self::Host => "Host",
        })
    }
}

/// One parameter of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its key in a spec.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is when nothing is said, as in a spec. Empty where there is none: a word, a text or a
    /// storage object is needed then, and any other may be left out.
    pub default: &'static str,
    /// Whether the workload takes several values at once, commas between them. A list given for
    /// another parameter is a sweep: a benchmark for each value.
    pub many: bool,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number.
    Number {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
    },
    /// Bytes: `4K` in a spec.
    Size {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
    },
    /// A time: `5s` in a spec, milliseconds among [`Values`].
    Time {
        /// The least.
        least: Duration,
        /// The greatest.
        most: Duration,
    },
    /// A part of a hundred: `1%` or `0.5%` in a spec.
    Percent,
    /// One of these.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text,
    /// A file of the host's, relative to the spec. The workload finds a copy at the path it is given.
    File,
    /// The name of a storage object. With it the workload is given `path`, which is where the guest
    /// finds it by way of the parameter `via`.
    StorageObject,
}

/// The values a workload is run with, by name; defaults are filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(String, String)>);

impl FromIterator<(String, String)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Values {
    /// The text of a value; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A number, bytes, or milliseconds.
    ///
    /// # Errors
    /// Where there is none, or what is there is no whole number.
    pub fn number(&self, name: &str) -> Result<u64, Stopped> {
        parse(name, self.text(name))
    }

    /// As [`Values::number`], and 0 where there is none.
    ///
    /// # Errors
    /// Where what is there is no whole number.
    pub fn number_or_zero(&self, name: &str) -> Result<u64, Stopped> {
        if self.text(name).is_empty() { Ok(0) } else { self.number(name) }
    }

    /// All values of a parameter that takes several.
    ///
    /// # Errors
    /// Where one is no whole number.
    pub fn numbers(&self, name: &str) -> Result<Vec<u64>, Stopped> {
        let text = self.text(name);
        text.split(',').filter(|one| !one.is_empty()).map(|one| parse(name, one)).collect()
    }

    /// All words of a parameter that takes several.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).split(',').filter(|word| !word.is_empty())
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// A percentage as a part of one: 0.01 for 1 %.
    ///
    /// # Errors
    /// Where there is none.
    pub fn part(&self, name: &str) -> Result<f64, Stopped> {
        let text = self.text(name);
        let millionths = text.strip_suffix('%').and_then(millionths);
        millionths.map(|n| f64::from(n) / 1e6).ok_or_else(|| no_number(name, text))
    }

    /// How long to measure, and how well.
    ///
    /// # Errors
    /// A value that is missing or no number.
    pub fn budget(&self) -> Result<Budget, Stopped> {
        Budget::of(self)
    }
}

/// A percentage such as `0.5` in parts of a million; PID 1 has no room for what parses any float.
fn millionths(percent: &str) -> Option<u32> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
    let digits = |text: &str| text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.is_empty() {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let part = part.bytes().chain(std::iter::repeat(b'0')).take(4);
    let part = part.fold(0, |part, digit| part * 10 + u32::from(digit - b'0'));
    Some(whole * 10_000 + part)
}

fn parse(name: &str, text: &str) -> Result<u64, Stopped> {
    text.trim().parse().map_err(|_| no_number(name, text))
}

fn no_number(name: &str, text: &str) -> Stopped {
    Stopped::Failed(format!("{name} = {text:?}: no number"))
}

/// Takes what a workload has to say, and can count what a part of it does.
pub trait Observer {
    /// Takes what is said.
    fn tell(&mut self, told: Told<'_>);

    /// A part of the workload begins. What the processor and the kernel do is counted until
    /// [`Observer::end`], where that was asked for.
    fn begin(&mut self, region: &str, whose: Whose) {
        let _nobody_counts = (region, whose);
    }

    /// The part that began last is over.
    fn end(&mut self) {}

    /// Runs a part of the workload that tells nothing meanwhile, and counts it.
    fn region(&mut self, name: &str, body: &mut dyn FnMut()) {
        self.begin(name, Whose::Own);
        body();
        self.end();
    }
}

/// Whose work a region counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The workload's, in all its threads.
    Own,
    /// That of the programs it starts in the region, from their first instruction on.
    Programs,
}

impl<F: FnMut(Told<'_>)> Observer for F {
    fn tell(&mut self, told: Told<'_>) {
        self(told);
    }
}

/// What a workload says while it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told<'a> {
    /// A number.
    Sample {
        /// What was measured: `sha2 32 B`.
        series: &'a str,
        /// Its unit, of [`crate::unit`].
        unit: &'a str,
        /// The number.
        value: f64,
    },
    /// Something that is no sample: a digest, a count, how a number came about.
    Finding {
        /// What it is.
        name: &'a str,
        /// What was found.
        text: &'a str,
    },
    /// Requests whose latency lay in one bucket of a histogram.
    Bucket {
        /// Which requests: `read`.
        series: &'a str,
        /// The bucket's upper end in nanoseconds.
        up_to_ns: u64,
        /// How many requests.
        count: u64,
    },
    /// What a counter of the processor's or the kernel's came to, over a region.
    Counter {
        /// Which part of the workload.
        region: &'a str,
        /// Which counter: `instructions`.
        counter: &'a str,
        /// What it came to, or why it is not known.
        value: Result<u64, &'a str>,
    },
    /// How far it is.
    Progress {
        /// From 0 to 1.
        done: f64,
        /// What is left, by its own reckoning.
        left: Duration,
    },
}

/// Why a workload came to no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It cannot run here, for this reason: no result, and no failure either.
    Skipped(String),
    /// It went wrong, or found a wrong result.
    Failed(String),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(why) => write!(f, "skipped: {why}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Stopped {}

/// How the guest gets at a storage object: through LIO, or past it.
pub const VIA: &[&str] = &["loopback", "backing"];

impl Parameter {
    /// A parameter of one value.
    #[must_use]
    pub const fn new(
        name: &'static str,
        about: &'static str,
        kind: Kind,
        default: &'static str,
    ) -> Self {
        Self { name, about, kind, default, many: false }
    }

    /// Whether a spec must give it.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        let by_name = matches!(self.kind, Kind::Word(_) | Kind::Text | Kind::StorageObject);
        self.default.is_empty() && by_name
    }
}

impl Workload {
    /// Every parameter it takes.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        // What takes no samples needs no budget for them, and boots are counted.
        let budget = if self.has_budget() { Budget::PARAMETERS } else { &[] };
        // What both ends do is in no region of one program.
        let is_across = matches!(self.run, Run::Across);
        let budget = budget.iter().filter(move |one| !is_across || one.name != "count");
        self.parameters.iter().chain(budget)
    }

    /// Whether it takes samples, of any series.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        !matches!(self.series, Series::Always([]))
    }

    const fn has_budget(&self) -> bool {
        self.is_sampled() && !matches!(self.run, Run::Host)
    }

    /// Judges values together that are good each by itself.
    ///
    /// # Errors
    /// The first that do not go together.
    pub fn check(&self, values: &Values) -> Result<(), Wrong> {
        if self.has_budget() {
            Budget::check(values)?;
        }
        (self.rule)(values)
    }

    /// The defaults of every parameter, as in a spec: to be overlaid by what was asked.
    #[must_use]
    pub fn defaults(&self) -> Vec<(&'static str, &'static str)> {
        self.all_parameters().map(|parameter| (parameter.name, parameter.default)).collect()
    }

    /// The values it is run with in a test: small, and then what is given.
    #[cfg(test)]
    pub(crate) fn values_for_tests(&self, given: &[(&str, &str)]) -> Values {
        let quick = [
            ("warm_up", "0"),
            ("sample_time", "1"),
            ("samples_min", "3"),
            ("samples_max", "3"),
            ("budget", "1"),
        ];
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        // What stands first is found first.
        given.iter().chain(&quick).chain(&self.defaults()).map(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let values =
            values(&[("a", "7"), ("b", "1,2,3"), ("c", "true"), ("d", "0.5%"), ("e", "x")]);
        assert_eq!(values.number("a"), Ok(7));
        assert_eq!(values.numbers("b"), Ok(vec![1, 2, 3]));
        assert_eq!(values.numbers("nothing"), Ok(vec![]));
        assert!(values.flag("c") && !values.flag("a"));
        assert_eq!(values.part("d"), Ok(0.005));
        for (text, expected) in
            [("1", Some(10_000)), ("2.25", Some(22_500)), ("100", Some(1_000_000))]
        {
            assert_eq!(millionths(text), expected, "{text}");
        }
        for text in ["", ".5", "1.23456", "-1", "1e3", "x"] {
            assert_eq!(millionths(text), None, "{text}");
        }
        assert_eq!(values.number("e").unwrap_err().to_string(), "e = \"x\": no number");
    }
}
