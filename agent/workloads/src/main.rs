//! `lunlab-workloads NUMBER NAME [KEY=VALUE]…`

use lunlab_bench::smb::given;
use lunlab_bench::workload::{Stopped, Values};
use lunlab_protocol::event::Event;
use lunlab_protocol::frame::MAX_PAYLOAD;
use lunlab_stream::pipe;
use lunlab_workloads::counters::Counters;
use lunlab_workloads::reporter::Reporter;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::io::{ErrorKind, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    // What a workload found without one who hears of it would be lost, and disturb whatever is measured next.
    let _where_that_is_known = set_parent_process_death_signal(Some(Signal::KILL));
    let mut words = std::env::args().skip(1);
    let number = words.next().and_then(|word| word.parse().ok());
    let (Some(number), Some(name)) = (number, words.next()) else {
        return ExitCode::from(2);
    };
    // The one value that is not among the words.
    let password = std::env::var(given::PASSWORD_VARIABLE).ok();
    let password = password.map(|value| Some((given::PASSWORD.to_owned(), value)));
    let values: Option<Values> = words.map(pair).chain(password).collect();
    let counts = values.as_ref().is_some_and(|values| values.flag("count"));
    let (mut output, mut buffer) = (stdout(), Box::new([0; MAX_PAYLOAD]));
    let mut send = |event: &Event<'_>| {
        let sent = pipe::send(&mut output, event, &mut buffer);
        if sent.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            // It was gone before this process asked to be told of it.
            std::process::exit(1);
        }
    };
    // Before any thread or program begins, so that all of them are counted.
    let counters = counts.then(Counters::open);
    let mut reporter = Reporter::new(number, counters, &mut send);
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
