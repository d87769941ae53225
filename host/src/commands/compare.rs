//! `lunlab compare`.

use crate::cli::{self, Format};
use crate::compare::{Comparison, Limits, compare};
use crate::error::Error;
use crate::output;
use crate::result::locate;
use std::path::Path;

/// Compares what was named.
pub(super) fn run(command: &cli::Compare) -> Result<u8, Error> {
    let (a, b) = sides(command)?;
    let read = |words: &[String]| locate::read_all(words, &command.results);
    let limits = Limits::new(command.judging.margin, command.judging.fail_on);
    conclude(&compare(&read(&a)?, &read(&b)?, limits), command.format)
}

/// Shows a comparison; gives the exit code.
pub(super) fn conclude(comparison: &Comparison, format: Format) -> Result<u8, Error> {
    let text = match format {
        Format::Human => comparison.table(),
        Format::Json => comparison
            .to_json()
            .map_err(|error| Error::internal(format!("write the comparison: {error}")))?,
    };
    let _nobody_reads = output::text(&text);
    if !comparison.compared() && !comparison.failed {
        let error = Error::environment("compare: there is nothing that both sides have");
        return Err(error.with_hint("the reasons are in the table"));
    }
    Ok(u8::from(comparison.failed))
}

/// What is A and what is B: two words, or those after --a and --b, or the directory of an `ab`.
fn sides(command: &cli::Compare) -> Result<(Vec<String>, Vec<String>), Error> {
    let way_out =
        "write two of them, or --a and --b as often as needed: lunlab compare last~1 last";
    let refuse = |message: &str| Err(Error::usage(message).with_hint(way_out));
    match (command.sides.as_slice(), command.a.is_empty(), command.b.is_empty()) {
        ([a, b], true, true) => Ok((vec![a.clone()], vec![b.clone()])),
        ([], false, false) => Ok((command.a.clone(), command.b.clone())),
        ([], true, true) => refuse("compare: no results are named"),
        ([], ..) => refuse("compare: only one side is named"),
        ([both], true, true) => {
            let side = |name| Path::new(both).join(name);
            if !side("a").is_dir() || !side("b").is_dir() {
                return refuse("compare: only one side is named");
            }
            let words = |name| side(name).to_str().map(|word| vec![word.to_owned()]);
            Ok((words("a").unwrap_or_default(), words("b").unwrap_or_default()))
        }
        _ => refuse("compare: sides are named both by their place and by --a or --b"),
    }
}
