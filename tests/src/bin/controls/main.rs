//! `make controls`: whether `lunlab ab` can be believed.
//!
//! The same kernel against itself, again and again, must be called the same; one whose null_blk
//! takes a tenth longer must be called worse, by what it is. Both have the same budget.

mod trial;

use std::io::Write;
use std::process::ExitCode;

use trial::{Experiment, Trial};

/// What a trial may fail with: shown, and the end of the program.
type Failure = Box<dyn std::error::Error>;

const HELP: &str = "\
usage: controls [--same N] [--slower N] [--runs N] [--completion MS]

  --same N          trials of the same against itself (20); 18 in 20 must be the same, and at most
                    one may be better or worse
  --slower N        trials of a tenth more completion time (10); 9 in 10 must be worse, by that
  --runs N          runs a side in each trial (4)
  --completion MS   null_blk's completion time (20)

LUNLAB names the lunlab to try. Exit codes: 0 as it must be, 1 not so, 2 usage.
";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            say(&format!("controls: {problem}\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    match arguments.carry_out() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("controls: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "{text}");
}

#[derive(Debug, PartialEq)]
struct Arguments {
    same: usize,
    slower: usize,
    runs: usize,
    completion_ms: usize,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { same: 20, slower: 10, runs: 4, completion_ms: 20 };
        while let Some(word) = words.next() {
            let into = match word.as_str() {
                "--same" => &mut arguments.same,
                "--slower" => &mut arguments.slower,
                "--runs" => &mut arguments.runs,
                "--completion" => &mut arguments.completion_ms,
                _ => return Err(format!("unknown argument {word}")),
            };
            let text = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            *into = text.parse().map_err(|_| format!("{word} {text}: no count"))?;
        }
        let counted = arguments.runs > 0 && arguments.completion_ms > 0;
        counted.then_some(arguments).ok_or_else(|| "a count is 0".to_owned())
    }

    /// Makes all trials; gives whether they came out as they must.
    fn carry_out(&self) -> Result<bool, Failure> {
        let experiment = Experiment::new(self.runs, self.completion_ms)?;
        let trials = |count: usize, slower| -> Result<Vec<Trial>, Failure> {
            (1..=count)
                .map(|n| {
                    let trial = experiment.trial(slower)?;
                    say(&format!("{n} of {count}: {trial}"));
                    Ok(trial)
                })
                .collect()
        };
        say("the same against itself:");
        let same = trials(self.same, false)?;
        say("a tenth more completion time:");
        let slower = trials(self.slower, true)?;
        let called = |word: &str| same.iter().filter(|trial| trial.judgement == word).count();
        let (alike, different) = (called("same"), called("better") + called("worse"));
        let found = slower.iter().filter(|trial| trial.is_worse_as_expected()).count();
        say(&format!("called the same: {alike} of {}; better or worse: {different}", self.same));
        say(&format!("found, with its size: {found} of {}", self.slower));
        Ok(alike * 20 >= self.same * 18 && different <= 1 && found * 10 >= self.slower * 9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_nonsense_is_refused() {
        let parse = |words: &[&str]| Arguments::parse(words.iter().map(|&word| word.to_owned()));
        assert_eq!(parse(&[]).unwrap().same, 20);
        assert_eq!(parse(&["--runs", "7", "--slower", "0"]).unwrap().runs, 7);
        for words in [&["--runs", "0"][..], &["--runs"], &["--runs", "x"], &["--what"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
