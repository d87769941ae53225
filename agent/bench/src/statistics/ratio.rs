//! By how much one side is more than the other, and how sure that is.
//!
//! Samples of one boot are not independent: what the boot was dealt (where its memory lies, what
//! else the host did) is in all of them. So runs are resampled whole (Davison and Hinkley, "Bootstrap
//! methods and their application", 1997, §3.8), and the samples within all runs besides: runs that
//! happen to agree are no better than their samples.

use super::bootstrap::{Generator, RESAMPLES, float, middle_95, resampled_median};
use super::{Summary, sorted};

/// What is allowed for boots that differ, each way, where neither side has enough runs to show it.
pub const ALLOWANCE: f64 = 0.1;

/// The same where a run has a single number, such as a tail's percentile: a factor of 2. Nothing
/// within the run says how it varies, and tails vary by tens of percents from boot to boot.
pub const ALLOWANCE_OF_ONE: f64 = 1.0;

/// So many degrees of freedom has what is presumed of boots: the fewest there are, as machines differ.
const PRESUMED: usize = 1;

/// How many runs of a side show how boots differ: two may agree by chance.
pub const ENOUGH: usize = 3;

/// The samples of one run each.
pub type Runs = [Vec<f64>];

/// How the runs of two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// The sides were measured each by itself.
    Apart,
    /// The first run of one side was made beside the first of the other, and so on: what changed in
    /// the machine meanwhile is in both.
    Pairs,
}

/// One side over another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Of one side: the trimmed mean of its runs' medians.
    pub a: f64,
    /// Of the other.
    pub b: f64,
    /// `b / a`.
    pub ratio: f64,
    /// The ratio's 95 % interval.
    pub interval: (f64, f64),
}

impl Ratio {
    /// Compares two sides; `None` where a side has no runs, a run no samples, or a median is not a positive number.
    ///
    /// The interval is the wider of two bootstraps on the logarithm: of runs, and of the samples
    /// within them. A bootstrap of few runs is too narrow (Hesterberg, "What teachers should know
    /// about the bootstrap", 2015, §5.2), so that one is widened as Student's t widens a normal
    /// interval. Where one side has one run, its boot is taken to vary as the other side's do.
    ///
    /// One or two runs would be widened nearly without bound. So where a side has fewer than
    /// [`ENOUGH`], what is presumed of boots bounds it, or the allowance where that is more:
    /// [`ALLOWANCE`], or [`ALLOWANCE_OF_ONE`]; where both have fewer, the bound takes its place.
    #[must_use]
    pub fn of(a: &Runs, b: &Runs, design: Design) -> Option<Ratio> {
        let (a, b) = (Side::of(a)?, Side::of(b)?);
        let pairs = design == Design::Pairs && a.runs.len() == b.runs.len() && a.runs.len() > 1;
        let (log_a, log_b) = (centre(a.medians.clone()), centre(b.medians.clone()));
        let log = log_b - log_a;
        let mut generator = Generator::new(2);
        let of_samples = interval(log, || b.resample(&mut generator) - a.resample(&mut generator));
        let of_runs = interval(log, || draw(&a, &b, pairs, &mut generator));
        let wider = widening(a.runs.len(), b.runs.len(), pairs);
        let allowance = allowance(&a, &b);
        let presumed = presumed(&a, &b, pairs, allowance);
        let enough = [a.runs.len() >= ENOUGH, b.runs.len() >= ENOUGH];
        let reach = |samples: f64, runs: f64| {
            let bound = samples + presumed.max(allowance);
            match enough {
                [false, false] => bound,
                [true, true] => samples.max(runs * wider),
                _ => samples.max((runs * wider).min(bound)),
            }
        };
        let (below, above) = (reach(of_samples.0, of_runs.0), reach(of_samples.1, of_runs.1));
        let interval = ((log - below).exp(), (log + above).exp());
        Some(Ratio { a: log_a.exp(), b: log_b.exp(), ratio: log.exp(), interval })
    }
}

/// How far below and above `log` 95 % of what is drawn lies.
fn interval(log: f64, mut draw: impl FnMut() -> f64) -> (f64, f64) {
    let draws = (0..RESAMPLES).map(|_| draw()).collect();
    let (low, high) = middle_95(&sorted(draws));
    ((log - low).max(0.0), (high - log).max(0.0))
}

struct Side {
    /// Each run's samples, sorted.
    runs: Vec<Vec<f64>>,
    /// The logarithm of each run's median.
    medians: Vec<f64>,
}

impl Side {
    fn of(runs: &Runs) -> Option<Self> {
        let medians: Option<Vec<f64>> = runs
            .iter()
            .map(|samples| Some(Summary::of(samples)?.median).filter(|median| *median > 0.0))
            .collect();
        let medians: Vec<f64> = medians?.into_iter().map(f64::ln).collect();
        let runs = runs.iter().map(|samples| sorted(samples.clone())).collect();
        Some(Self { runs, medians }).filter(|side| !side.runs.is_empty())
    }

    /// The centre of all runs with their samples resampled.
    fn resample(&self, generator: &mut Generator) -> f64 {
        // Where half of a resample is not positive it has no logarithm.
        let log = |run: &Vec<f64>| resampled_median(run, generator).max(f64::MIN_POSITIVE).ln();
        centre(self.runs.iter().map(log).collect())
    }

    /// How far a run of this side, drawn at random, is from its centre: more for few runs, whose
    /// centre is drawn towards each.
    fn deviation(&self, generator: &mut Generator) -> f64 {
        let count = float(self.runs.len());
        let drawn = self.medians[generator.below(self.runs.len())];
        (drawn - centre(self.medians.clone())) * (count / (count - 1.0)).sqrt()
    }
}

/// The logarithm of the ratio of resampled runs.
fn draw(a: &Side, b: &Side, pairs: bool, generator: &mut Generator) -> f64 {
    let mut runs = |count: usize| (0..count).map(|_| generator.below(count)).collect();
    let of_a: Vec<usize> = runs(a.runs.len());
    let of_b = if pairs { of_a.clone() } else { runs(b.runs.len()) };
    let log = |side: &Side, runs: Vec<usize>| {
        centre(runs.into_iter().map(|run| side.medians[run]).collect())
    };
    let log = log(b, of_b) - log(a, of_a);
    match (a.runs.len(), b.runs.len()) {
        (1, 2..) => log + b.deviation(generator),
        (2.., 1) => log + a.deviation(generator),
        _ => log,
    }
}

/// The mean without the least and the greatest fifth: a boot that met a disturbance does not move
/// it far, and it needs hardly more runs than the mean.
fn centre(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    let trimmed = values.len() / 5;
    let kept = &values[trimmed..values.len() - trimmed];
    kept.iter().sum::<f64>() / float(kept.len())
}

/// By how much the bootstrap's interval is too narrow for so few runs.
fn widening(a: usize, b: usize, pairs: bool) -> f64 {
    let (freedom, least) = match (a, b) {
        (1, 1) => return 1.0,
        (1, n) | (n, 1) => (n - 1, n),
        (n, _) if pairs => (n - 1, n),
        (n, m) => (n + m - 2, n.min(m)),
    };
    let least = float(least);
    student(freedom) / 1.96 * (least / (least - 1.0)).sqrt()
}

/// What is allowed for boots that differ, as a logarithm.
fn allowance(a: &Side, b: &Side) -> f64 {
    let single = a.runs.iter().chain(&b.runs).any(|samples| samples.len() == 1);
    (1.0 + if single { ALLOWANCE_OF_ONE } else { ALLOWANCE }).ln()
}

/// How far 95 % of ratios lie when boots vary as the runs do, and as is presumed: by so much that one
/// run against one gives the allowance.
///
/// The presumption is a scaled inverse χ² distribution of the variance with [`PRESUMED`] degrees of
/// freedom, so this is Student's t with those and the runs' own (Gelman et al., "Bayesian Data
/// Analysis", 3rd edition, §3.2).
fn presumed(a: &Side, b: &Side, pairs: bool, allowance: f64) -> f64 {
    let of_ratio = (allowance / student(PRESUMED)).powi(2);
    let (of_one, squares, own, parts) = if pairs {
        let ratios: Vec<f64> = b.medians.iter().zip(&a.medians).map(|(b, a)| b - a).collect();
        (of_ratio, squares(&ratios), ratios.len() - 1, 1.0 / float(ratios.len()))
    } else {
        let (n, m) = (a.medians.len(), b.medians.len());
        let squares = squares(&a.medians) + squares(&b.medians);
        (of_ratio / 2.0, squares, n + m - 2, 1.0 / float(n) + 1.0 / float(m))
    };
    let freedom = PRESUMED + own;
    let variance = float(PRESUMED).mul_add(of_one, squares) / float(freedom);
    student(freedom) * (variance * parts).sqrt()
}

/// The sum of the squares of what values, which are not none, are off their mean.
fn squares(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / float(values.len());
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// The 97.5 % quantile of Student's t with so many degrees of freedom, from the table; beyond it, as nearly as 2.4 / n.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 12] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];
    let beyond = || 1.96 + 2.5 / float(freedom);
    freedom.checked_sub(1).and_then(|n| TABLE.get(n).copied()).unwrap_or_else(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs around `median`: each boot is off by a normal part with deviation `boot`, each of its 20 samples by one with `sample`.
    fn runs(
        generator: &mut Generator,
        median: f64,
        count: usize,
        boot: f64,
        sample: f64,
    ) -> Vec<Vec<f64>> {
        let mut run = || {
            let off = generator.normal() * boot;
            (0..20).map(|_| median * (off + generator.normal() * sample).exp()).collect()
        };
        (0..count).map(|_| run()).collect()
    }

    #[test]
    fn the_interval_holds_the_true_ratio_about_95_times_in_100() {
        let few = [
            (1, 4, 0.02, 0.01, Design::Apart),
            (3, 3, 0.02, 0.01, Design::Apart),
            (2, 5, 0.02, 0.01, Design::Apart),
            (3, 3, 0.02, 0.01, Design::Pairs),
            (4, 4, 0.15, 0.05, Design::Pairs),
            (4, 4, 0.02, 0.01, Design::Pairs),
            (5, 5, 0.02, 0.05, Design::Pairs),
            (8, 8, 0.0, 0.02, Design::Apart),
        ];
        for (n, m, boot, sample, design) in few {
            let mut generator = Generator::new(99);
            let held = (0..100)
                .filter(|_| {
                    let a = runs(&mut generator, 100.0, n, boot, sample);
                    let b = runs(&mut generator, 110.0, m, boot, sample);
                    let (low, high) = Ratio::of(&a, &b, design).unwrap().interval;
                    low <= 1.1 && 1.1 <= high
                })
                .count();
            assert!(held >= 89, "{n} and {m} runs, {design:?}: {held} of 100");
        }
    }

    #[test]
    fn pairs_take_out_what_both_sides_share() {
        let mut generator = Generator::new(5);
        let shared: Vec<f64> = (0..8).map(|n| 100.0 * 1.1_f64.powi(n)).collect();
        let mut side = |factor: f64| -> Vec<Vec<f64>> {
            let run = |base: &f64| runs(&mut generator, base * factor, 1, 0.002, 0.002).concat();
            shared.iter().map(run).collect()
        };
        let (a, b) = (side(1.0), side(1.1));
        let width = |design| {
            let (low, high) = Ratio::of(&a, &b, design).unwrap().interval;
            assert!(low <= 1.1 && 1.1 <= high, "{low} {high}");
            high - low
        };
        assert!(width(Design::Pairs) * 10.0 < width(Design::Apart));
    }

    #[test]
    fn one_run_a_side_or_two_show_nothing_of_how_boots_differ() {
        for (count, samples, allowed) in
            [(1, 20, 1.1), (2, 20, 1.1), (3, 20, 1.0), (1, 1, 2.0), (2, 1, 2.0), (3, 1, 1.0)]
        {
            let samples = vec![vec![100.0; samples]; count];
            let alone = Ratio::of(&samples, &samples, Design::Pairs).unwrap();
            let (low, high) = alone.interval;
            assert_eq!((alone.a, alone.ratio), (100.0_f64.ln().exp(), 1.0));
            assert!((low * allowed - 1.0).abs() < 1e-9, "{count}: {low}");
            assert!((high / allowed - 1.0).abs() < 1e-9, "{count}: {high}");
        }
    }

    #[test]
    fn more_runs_say_hardly_less() {
        let boot = |median: f64| vec![median; 20];
        let (a0, a1, b0, b1) = (boot(100.0), boot(105.0), boot(80.0), boot(83.0));
        let width = |a: &Runs, b: &Runs, design| {
            let (low, high) = Ratio::of(a, b, design).unwrap().interval;
            (high / low).ln() / 2.0
        };
        let one = width(std::slice::from_ref(&a0), std::slice::from_ref(&b0), Design::Apart);
        let all = [a0, a1, boot(103.0), b0, b1, boot(81.0)];
        for design in [Design::Apart, Design::Pairs] {
            for (n, m) in [(2, 1), (1, 2), (2, 2), (1, 3), (3, 1), (2, 3), (3, 3)] {
                let width = width(&all[..n], &all[3..3 + m], design);
                assert!(width < one * 1.5, "{n} against {m}, {design:?}: {width}, one: {one}");
            }
        }
        // Of two runs that differ by a fifth, Student's t alone would make it a factor of 10 each way.
        let (low, high) =
            Ratio::of(&[boot(100.0), boot(80.0)], &[boot(80.0)], Design::Apart).unwrap().interval;
        assert!((0.4..0.8).contains(&low) && (1.0..1.7).contains(&high), "{low} {high}");
    }

    #[test]
    fn single_numbers_of_few_runs_differ_only_when_by_far() {
        for (count, factor, found) in
            [(1, 1.9, false), (1, 2.1, true), (2, 0.55, false), (2, 0.45, true)]
        {
            let (a, b) = (vec![vec![10.0]; count], vec![vec![10.0 * factor]; count]);
            let (low, high) = Ratio::of(&a, &b, Design::Pairs).unwrap().interval;
            assert_eq!(low > 1.0 || high < 1.0, found, "{count} runs, {factor}: {low} {high}");
        }
    }

    #[test]
    fn runs_that_agree_are_no_better_than_their_samples() {
        let run: Vec<f64> = (90..=110).map(f64::from).collect();
        let runs = vec![run; 4];
        let (low, high) = Ratio::of(&runs, &runs, Design::Pairs).unwrap().interval;
        assert!(low < 0.98 && high > 1.02, "{low} {high}");
    }

    #[test]
    fn what_has_no_ratio_has_none() {
        let one = [vec![1.0]];
        for bad in [vec![], vec![vec![]], vec![vec![0.0]], vec![vec![-1.0]], vec![vec![f64::NAN]]] {
            assert_eq!(Ratio::of(&one, &bad, Design::Apart), None, "{bad:?}");
            assert_eq!(Ratio::of(&bad, &one, Design::Apart), None, "{bad:?}");
        }
        let mixed = [vec![-1.0, 0.0, 5.0, 6.0, 7.0]];
        let ratio = Ratio::of(&one, &mixed, Design::Apart).unwrap();
        assert!(ratio.interval.0 >= 0.0 && ratio.interval.1.is_finite());
    }
}
