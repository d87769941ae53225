//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use crate::listing::Filter;

pub(crate) const HELP: &str = "\
usage: conformance [OPTIONS]

Runs libiscsi's iscsi-test-cu, one test a process, against a target on each backstore, and
compares what each test comes to with the baseline of that kernel and backstore.

  --backstore NAME[,NAME…]  which of tests/conformance/*.toml to boot (all)
  --filter PATTERN[,…]      FAMILY[.SUITE[.TEST]], with * and ? (all)
  --kernel K                as `lunlab up --kernel`
  --jobs N                  how many machines at once, each with a target of its own (half the
                            processors)
  --deadline SECONDS        when one test counts as hung (60)
  --update                  write the baseline instead of comparing with it
  --output DIR              what each test left, and the results of the machines
                            (target/conformance)
  --baseline DIR            where the baseline is (tests/conformance/baseline/KERNEL)
  --url URL                 a target that is there already; needs --baseline and one --backstore,
                            after which the baseline is called

Exit codes: 0 as the baseline says; 1 something differs, or a kernel or its target did not come
to a good end; 2 it could not be run; 130 interrupted.

$LUNLAB names the lunlab that holds the targets.
";

#[derive(Debug)]
pub(crate) struct Arguments {
    /// Empty for all.
    pub(crate) backstores: Vec<String>,
    pub(crate) filter: Filter,
    pub(crate) kernel: Option<String>,
    pub(crate) jobs: usize,
    pub(crate) deadline: Duration,
    pub(crate) update: bool,
    pub(crate) output: Option<PathBuf>,
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) url: Option<String>,
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--backstore" => {
                    arguments.backstores = value()?.split(',').map(str::to_owned).collect();
                }
                "--filter" => arguments.filter = Filter::new(&value()?),
                "--kernel" => arguments.kernel = Some(value()?),
                "--jobs" => arguments.jobs = count(&word, &value()?)?,
                "--deadline" => arguments.deadline = seconds(&word, &value()?)?,
                "--update" => arguments.update = true,
                "--output" => arguments.output = Some(value()?.into()),
                "--baseline" => arguments.baseline = Some(value()?.into()),
                "--url" => arguments.url = Some(value()?),
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        arguments.checked()
    }

    fn checked(self) -> Result<Self, String> {
        if self.url.is_none() {
            return Ok(self);
        }
        match (self.backstores.len(), &self.baseline, &self.kernel) {
            (_, _, Some(_)) => Err("--url has a kernel already: no --kernel".to_owned()),
            (1, Some(_), _) => Ok(self),
            _ => Err("--url needs --baseline and one --backstore".to_owned()),
        }
    }
}

impl Default for Arguments {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            backstores: Vec::new(),
            filter: Filter::default(),
            kernel: None,
            jobs: (processors / 2).max(1),
            deadline: Duration::from_secs(60),
            update: false,
            output: None,
            baseline: None,
            url: None,
        }
    }
}

fn count(word: &str, text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("{word} {text}: no count"))
}

fn seconds(word: &str, text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // No test needs an hour; and a sum with the time of day must not overflow.
    let duration = duration.filter(|duration| *duration <= Duration::from_secs(3600));
    duration.ok_or_else(|| format!("{word} {text}: not seconds, at most 3600"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Arguments;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_are_taken_as_they_are_meant() {
        let arguments =
            parse("--backstore fileio,block --filter SCSI.Read* --jobs 3 --deadline 0.5 --update")
                .unwrap();
        assert_eq!(arguments.backstores, ["fileio", "block"]);
        assert!(arguments.filter.matches("SCSI.Read10.Simple"));
        assert_eq!((arguments.jobs, arguments.update), (3, true));
        assert_eq!(arguments.deadline, Duration::from_millis(500));
    }

    #[test]
    fn what_is_not_meant_is_refused() {
        for bad in [
            "--jobs 0",
            "--jobs many",
            "--deadline 0",
            "--deadline -1",
            "--deadline nan",
            "--deadline 1e300",
            "--filter",
            "more",
            "--url iscsi://a/b/0",
            "--url iscsi://a/b/0 --backstore fileio",
            "--url iscsi://a/b/0 --backstore fileio --baseline d --kernel debian",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("--url iscsi://a/b/0 --backstore fileio --baseline d").is_ok());
    }
}
