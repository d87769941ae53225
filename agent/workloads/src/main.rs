//! `lunlab-workloads NUMBER NAME [KEY=VALUE]…`

use lunlab_bench::workload::{Stopped, Values};
use lunlab_protocol::event::Event;
use lunlab_protocol::frame::MAX_PAYLOAD;
use lunlab_stream::pipe;
use lunlab_workloads::counters;
use lunlab_workloads::reporter::{Count, Reporter};
use std::io::stdout;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let number = words.next().and_then(|word| word.parse().ok());
    let (Some(number), Some(name)) = (number, words.next()) else {
        return ExitCode::from(2);
    };
    let values: Option<Values> = words.map(pair).collect();
    let counts = values.as_ref().is_some_and(|values| values.flag("count"));
    let (mut output, mut buffer) = (stdout(), Box::new([0; MAX_PAYLOAD]));
    let mut send = |event: &Event<'_>| {
        // A parent that is gone wants to hear nothing.
        let _nobody_listens = pipe::send(&mut output, event, &mut buffer);
    };
    let mut reporter = Reporter::new(number, counts.then_some(counters::count as Count), &mut send);
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
