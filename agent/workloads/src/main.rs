//! `lunlab-workloads NUMBER NAME [KEY=VALUE]…`

use lunlab_bench::workload::{Stopped, Values};
use lunlab_workloads::reporter::Reporter;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let number = words.next().and_then(|word| word.parse().ok());
    let (Some(number), Some(name)) = (number, words.next()) else {
        return ExitCode::from(2);
    };
    let mut reporter = Reporter::new(number);
    let values: Option<Values> = words.map(pair).collect();
    let outcome = match values {
        Some(values) => lunlab_workloads::run(&name, &values, &mut reporter),
        None => Err(Stopped::Failed("a parameter is not KEY=VALUE".to_owned())),
    };
    reporter.ended(&outcome);
    ExitCode::from(u8::from(matches!(outcome, Err(Stopped::Failed(_)))))
}

fn pair(word: String) -> Option<(String, String)> {
    let (key, value) = word.split_once('=')?;
    Some((key.to_owned(), value.to_owned()))
}
