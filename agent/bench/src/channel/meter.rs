//! The host's end: takes the samples of every way side by side.

use super::NIC;
use super::exchange::{Duplex, Exchange};
use crate::sampling::{Budget, Variant, calls_for, sample};
use crate::statistics::{Summary, median_interval};
use crate::storage::latency::Latencies;
use crate::unit;
use crate::workload::{Observer, Stopped, Told, Values};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// One way to the guest, where its end serves.
pub struct Path<'a> {
    /// What its series begin with.
    pub name: &'static str,
    /// The way itself.
    pub io: Box<dyn Duplex + 'a>,
}

/// What is measured of a way.
#[derive(Clone, Copy)]
enum What {
    RoundTrip(u32),
    ToGuest,
    ToHost,
}

/// One way, and how long its round trips took, by series.
struct Way<'a> {
    name: &'static str,
    exchange: RefCell<Exchange<'a>>,
    trips: RefCell<BTreeMap<String, Latencies>>,
}

impl<'a> Way<'a> {
    fn new(path: Path<'a>) -> Self {
        let exchange = RefCell::new(Exchange::new(path.io));
        Self { name: path.name, exchange, trips: RefCell::default() }
    }

    /// What makes so many round trips and gives what each took, for a series of them.
    fn trips_of(
        &self,
        size: u32,
        series: &str,
    ) -> impl FnMut(u32) -> Result<Vec<Duration>, Stopped> + use<'_, 'a> {
        let series = series.to_owned();
        move |count| {
            let mut all = self.trips.borrow_mut();
            let trips = all.entry(series.clone()).or_default();
            let mut took = Vec::new();
            let each = |time| {
                trips.add(time);
                took.push(time);
            };
            let outcome = self.exchange.borrow_mut().round_trips(size, count, each);
            outcome.map(|()| took).map_err(|error| stopped(&series, &error))
        }
    }
}

/// So many round trips go before those that are measured, and are the least of a sample: its median is of some.
const WARM: u32 = 9;

/// Measures each way with these values, in rounds that have them all.
///
/// # Errors
/// Where a way breaks, or bytes do not come as they were sent.
pub fn measure(
    values: &Values,
    paths: Vec<Path<'_>>,
    observer: &mut dyn Observer,
) -> Result<(), Stopped> {
    let plan = Plan::of(values)?;
    // Borrowed by the variants, so they live here.
    let ways: Vec<Way<'_>> = paths.into_iter().map(Way::new).collect();
    let mut variants = Vec::new();
    for what in &plan.what {
        for way in &ways {
            variants.push(plan.variant(way, *what)?);
        }
    }
    let start = Instant::now();
    while start.elapsed() < plan.budget.warm_up {
        for variant in &mut variants {
            (variant.sample)()?;
        }
    }
    // What was warming up is no latency of what is measured.
    ways.iter().for_each(|way| way.trips.borrow_mut().clear());
    let mut kept = Kept { observer, samples: BTreeMap::new() };
    let budget = Budget { warm_up: Duration::ZERO, ..plan.budget };
    let outcome = sample(&budget, &mut variants, &mut kept);
    drop(variants);
    let Kept { observer, samples } = kept;
    for way in &ways {
        way.trips.borrow().iter().for_each(|(series, trips)| trips.tell(series, observer));
    }
    outcome?;
    tell_ratios(&samples, observer);
    Ok(())
}

/// The values, as they are used.
struct Plan {
    what: Vec<What>,
    bulk: u32,
    block: u32,
    budget: Budget,
}

impl Plan {
    fn of(values: &Values) -> Result<Self, Stopped> {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut sizes: Vec<u32> = values.numbers("size")?.into_iter().map(number).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let trips = sizes.into_iter().map(What::RoundTrip);
        Ok(Self {
            what: trips.chain([What::ToGuest, What::ToHost]).collect(),
            bulk: number(values.number("bulk")?),
            block: number(values.number("block_size")?),
            budget: values.budget()?,
        })
    }

    fn variant<'a>(&self, way: &'a Way<'_>, what: What) -> Result<Variant<'a>, Stopped> {
        let (series, wanted) = (series(way.name, what), self.budget.sample_time);
        if let What::RoundTrip(size) = what {
            let mut trips = way.trips_of(size, &series);
            trips(WARM)?;
            let count = calls_for(wanted, &mut |count| Ok(trips(count)?.iter().sum()))?.max(WARM);
            return Ok(Variant::new(series, unit::NANOSECONDS, move || {
                let mut took = trips(count)?;
                took.sort_unstable();
                Ok(took.get(took.len() / 2).map_or(f64::NAN, |took| took.as_secs_f64() * 1e9))
            }));
        }
        let (bulk, block) = (self.bulk, self.block);
        let name = series.clone();
        let mut transfers = move |count| {
            let mut exchange = way.exchange.borrow_mut();
            let mut all = Duration::ZERO;
            for _ in 0..count {
                let took = match what {
                    What::ToGuest => exchange.send(bulk, block),
                    _ => exchange.fetch(bulk, block),
                };
                all += took.map_err(|error| stopped(&name, &error))?;
            }
            Ok(all)
        };
        transfers(1)?;
        let count = calls_for(wanted, &mut transfers)?;
        let megabytes = f64::from(count) * f64::from(bulk) / 1e6;
        Ok(Variant::new(series, unit::MEGABYTES, move || {
            Ok(megabytes / transfers(count)?.as_secs_f64().max(1e-9))
        }))
    }
}

/// A series of round trips: that of one byte has no size in its name.
pub(super) fn trips(way: &str, size: u64) -> String {
    match size {
        1 => format!("{way}/round trip"),
        _ => format!("{way}/round trip/{size}"),
    }
}

fn series(way: &str, what: What) -> String {
    match what {
        What::RoundTrip(size) => trips(way, size.into()),
        What::ToGuest => format!("{way}/to guest"),
        What::ToHost => format!("{way}/to host"),
    }
}

fn stopped(series: &str, error: &io::Error) -> Stopped {
    Stopped::Failed(format!("{series}: {error}"))
}

/// Passes on what is told and keeps the samples.
struct Kept<'a> {
    observer: &'a mut dyn Observer,
    samples: BTreeMap<String, Vec<f64>>,
}

impl Observer for Kept<'_> {
    fn tell(&mut self, told: Told<'_>) {
        if let Told::Sample { series, value, .. } = told {
            self.samples.entry(series.to_owned()).or_default().push(value);
        }
        self.observer.tell(told);
    }
}

/// Tells how each way stands to the NIC, round by round.
fn tell_ratios(samples: &BTreeMap<String, Vec<f64>>, observer: &mut dyn Observer) {
    for (series, of) in samples {
        let Some((way, what)) = series.split_once('/').filter(|(way, _)| *way != NIC) else {
            continue;
        };
        let Some(nic) = samples.get(&format!("{NIC}/{what}")) else { continue };
        let ratios: Vec<f64> = of.iter().zip(nic).map(|(of, nic)| of / nic).collect();
        let Some(summary) = Summary::of(&ratios) else { continue };
        let interval = median_interval(&ratios).map_or_else(String::new, |(low, high)| {
            format!(", 95 % interval {low:.3} to {high:.3}")
        });
        let name = format!("{way}/{what} of {NIC}'s");
        let text = format!("{:.3} times{interval}", summary.median);
        observer.tell(Told::Finding { name: &name, text: &text });
    }
}

#[cfg(test)]
mod tests {
    use super::super::WORKLOAD;
    use super::super::exchange::tests::{Fault, pair};
    use super::*;

    const GOOD: (Fault, usize) = (Fault::None, 0);

    type Samples = BTreeMap<String, Vec<f64>>;
    type Findings = BTreeMap<String, String>;

    fn measured(
        values: &[(&str, &str)],
        paths: Vec<Path<'_>>,
    ) -> (Result<(), Stopped>, Samples, Findings, BTreeMap<String, u64>) {
        let values = WORKLOAD.values_for_tests(values);
        let (mut samples, mut findings) = (Samples::new(), Findings::new());
        let mut trips = BTreeMap::new();
        let outcome = measure(&values, paths, &mut |told: Told<'_>| match told {
            Told::Sample { series, value, .. } => {
                samples.entry(series.to_owned()).or_default().push(value);
            }
            Told::Finding { name, text } => drop(findings.insert(name.to_owned(), text.to_owned())),
            Told::Bucket { series, count, .. } => {
                *trips.entry(series.to_owned()).or_default() += count;
            }
            _ => {}
        });
        (outcome, samples, findings, trips)
    }

    fn path(name: &'static str) -> Path<'static> {
        Path { name, io: Box::new(pair(GOOD, GOOD)) }
    }

    const SMALL: [(&str, &str); 3] = [("size", "1,64"), ("bulk", "65536"), ("block_size", "4096")];

    #[test]
    fn every_way_has_all_series_and_stands_beside_the_nic() {
        let (outcome, samples, findings, trips) =
            measured(&SMALL, vec![path("stream"), path("nic")]);
        assert_eq!(outcome, Ok(()));
        let kinds = ["round trip", "round trip/64", "to guest", "to host"];
        for way in ["stream", "nic"] {
            for kind in kinds {
                let of = &samples[&format!("{way}/{kind}")];
                assert!(of.len() == 3 && of.iter().all(|value| *value > 0.0), "{way}/{kind}");
            }
            assert!(trips[&format!("{way}/round trip")] >= 3, "{trips:?}");
        }
        let expected: Vec<String> =
            kinds.iter().map(|kind| format!("stream/{kind} of nic's")).collect();
        assert_eq!(findings.keys().cloned().collect::<Vec<_>>(), expected);
        for kind in kinds {
            let ratio = |n: usize| {
                samples[&format!("stream/{kind}")][n] / samples[&format!("nic/{kind}")][n]
            };
            let mut ratios: Vec<f64> = (0..3).map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            let told = &findings[&format!("stream/{kind} of nic's")];
            assert_eq!(*told, format!("{:.3} times", ratios[1]));
        }
    }

    #[test]
    fn each_declared_series_of_a_way_is_taken() {
        let (_, samples, _, _) = measured(&SMALL, vec![path("portal")]);
        let given: Vec<_> = [("paths", "portal")].iter().chain(&SMALL).copied().collect();
        let declared = WORKLOAD.series.with(&WORKLOAD.values_for_tests(&given)).into_iter();
        let is_percentile = |name: &str| {
            crate::storage::latency::PARTS.iter().any(|part| name.ends_with(&format!("_{part}")))
        };
        let declared = declared.map(|(name, _)| name).filter(|name| !is_percentile(name));
        assert!(declared.eq(samples.keys().cloned()), "{samples:?}");
    }

    #[test]
    fn a_wrong_byte_fails_it_by_the_name_of_the_way_and_keeps_what_was_sampled() {
        // Far enough for the first rounds to be over.
        let io = Box::new(pair((Fault::Changed, 5_000_000), GOOD));
        let broken = Path { name: "nic", io };
        let values =
            [SMALL.as_slice(), &[("samples_min", "9999"), ("samples_max", "9999")]].concat();
        let (outcome, samples, findings, _) = measured(&values, vec![path("portal"), broken]);
        let told = outcome.unwrap_err().to_string();
        assert!(told.starts_with("nic/") && told.ends_with("wrong"), "{told}");
        assert!(!samples.is_empty() && findings.is_empty());
    }
}
