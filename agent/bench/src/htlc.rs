//! Workload `htlc`: the hashing of payment channels with hashed timelock contracts, by updates a second.

mod channel;
mod hmac;

pub use channel::{Channel, WrongPreimage};
pub use hmac::Hmac;

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::sampling::{Variant, calls_for, sample};
use crate::sighash::cpus;
use crate::unit;
use crate::workload::{
    Kind, Observer, Parameter, Run, Series, Stopped, Told, Values, Workload, independent,
};

/// The workload.
pub const WORKLOAD: Workload = Workload {
    name: "htlc",
    about: "channel updates a second: preimage checks, keys by HMAC-SHA-512 and commitment hashing, on one and all CPUs",
    parameters: &[Parameter {
        name: "contracts",
        about: "hashed timelock contracts of a channel",
        kind: Kind::Number { least: 1, most: 10_000 },
        default: "10",
        many: false,
    }],
    series: Series::Always(&[
        ("updates on one CPU", unit::PER_SECOND),
        ("updates on all CPUs", unit::PER_SECOND),
        ("preimage", unit::NANOSECONDS),
        ("key", unit::NANOSECONDS),
        ("commitment", unit::NANOSECONDS),
    ]),
    rule: independent,
    run: Run::Here(run),
};

/// States that are checked against another library's before anything is measured.
const CHECKED: u32 = 16;

fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let budget = values.budget()?;
    let contracts = usize::try_from(values.number("contracts")?).unwrap_or(usize::MAX);
    let channels: Vec<_> =
        (0..cpus() as u64).map(|number| Channel::open(number, contracts)).collect();
    channels.iter().try_for_each(check)?;
    for (name, text) in [
        ("digests", format!("{CHECKED} states of each channel are as another library gives them")),
        ("CPUs", channels.len().to_string()),
        (
            "contracts",
            format!("{contracts} a channel: each update checks, derives and pays to every one"),
        ),
    ] {
        observer.tell(Told::Finding { name, text: &text });
    }
    let mut one = channels[..1].to_vec();
    let mut all = channels.clone();
    let parts = channels[0].clone();
    let calls = calls_for(budget.sample_time, &mut |calls| updates(&mut one, calls))?;
    let mut outcome = Ok(Duration::ZERO);
    observer.region("updates", &mut || outcome = updates(&mut one, calls));
    outcome?;
    let mut variants = vec![
        rate("updates on one CPU", calls, &mut one),
        rate("updates on all CPUs", calls, &mut all),
    ];
    variants.extend(stages(&parts, contracts, budget.sample_time)?);
    sample(&budget, &mut variants, observer)
}

/// Updates a second of all channels together, so many of each.
fn rate<'a>(series: &str, calls: u32, channels: &'a mut [Channel]) -> Variant<'a> {
    let updates_of_all = f64::from(calls) * channels.len() as f64;
    Variant::new(series, unit::PER_SECOND, move || {
        Ok(updates_of_all / updates(channels, calls)?.as_secs_f64())
    })
}

/// Updates each channel so often, on a CPU of its own, and checks the last state of each.
fn updates(channels: &mut [Channel], calls: u32) -> Result<Duration, Stopped> {
    let update = |channel: &mut Channel| {
        (0..calls).try_fold([0; 32], |_, state| channel.update(black_box(state)))
    };
    let start = Instant::now();
    let last: Vec<_> = match &mut *channels {
        // no thread to start and to wait for
        [only] => vec![update(only)],
        all => std::thread::scope(|scope| {
            let threads: Vec<_> =
                all.iter_mut().map(|channel| scope.spawn(move || update(channel))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        }),
    };
    let took = start.elapsed();
    let state = calls.saturating_sub(1);
    let right = channels.iter().map(|channel| Ok(channel.expected(state)));
    if !last.into_iter().eq(right) {
        return Err(Stopped::Failed(format!("htlc: wrong commitment in state {state}")));
    }
    Ok(took)
}

/// What an update is made of, each for itself: nanoseconds for one contract, and for the commitment.
fn stages<'a>(
    channel: &'a Channel,
    contracts: usize,
    sample_time: Duration,
) -> Result<[Variant<'a>; 3], Stopped> {
    let preimages = move |_| {
        black_box(black_box(channel).check_preimages().is_ok());
    };
    let keys = move |state| {
        for contract in 0..contracts {
            black_box(black_box(channel).key(state, contract));
        }
    };
    let mut own = channel.clone();
    let commitment = move |state| {
        black_box(own.commit(black_box(state)));
    };
    Ok([
        stage("preimage", contracts, sample_time, preimages)?,
        stage("key", contracts, sample_time, keys)?,
        stage("commitment", 1, sample_time, commitment)?,
    ])
}

fn stage<'a>(
    series: &str,
    contracts: usize,
    sample_time: Duration,
    mut work: impl FnMut(u32) + 'a,
) -> Result<Variant<'a>, Stopped> {
    let mut time = move |calls| {
        let start = Instant::now();
        (0..calls).for_each(&mut work);
        Ok(start.elapsed())
    };
    let calls = calls_for(sample_time, &mut time)?;
    let each = f64::from(calls) * contracts as f64;
    Ok(Variant::new(series, unit::NANOSECONDS, move || Ok(time(calls)?.as_secs_f64() * 1e9 / each)))
}

fn check(channel: &Channel) -> Result<(), Stopped> {
    let mut channel = channel.clone();
    for state in 0..CHECKED {
        if channel.update(state) != Ok(channel.expected(state)) {
            return Err(Stopped::Failed(format!("htlc: wrong commitment in state {state}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn every_series_that_is_promised_is_told() {
        let trial = Trial::of(&WORKLOAD, &[("contracts", "3")]).unwrap();
        for series in trial.series() {
            assert!(trial.median(series) > 0.0, "{series}");
        }
        assert_eq!(trial.regions, ["updates"]);
    }

    #[test]
    fn more_contracts_take_longer() {
        let updates = |contracts| {
            let trial = Trial::of(&WORKLOAD, &[("contracts", contracts)]).unwrap();
            trial.median("updates on one CPU")
        };
        assert!(updates("1") > 5.0 * updates("100"));
    }

    #[test]
    fn a_wrong_result_is_a_failure_and_no_number() {
        let mut channels = [Channel::open(0, 4), Channel::open(1, 4)];
        assert!(updates(&mut channels, 3).is_ok());
        channels[1].spoil(2);
        let wrong = Stopped::Failed("htlc: wrong commitment in state 2".into());
        assert_eq!(updates(&mut channels, 3), Err(wrong));
        assert!(check(&channels[1]).is_err());
    }
}
