//! The page put together.

use super::html::text;
use super::lanes::{groups, lanes};
use super::{
    Comparison, Run, forest, header, latency, measured, numbered, raw, role, scaling, sweep,
    throughput, timeline,
};

const STYLE: &str = include_str!("style.css");

/// One HTML file that needs nothing else.
#[must_use]
pub fn page(runs: &[Run], comparison: Option<&Comparison>) -> String {
    let lanes = lanes(runs);
    let groups = groups(&lanes);
    let parts = [
        header::header(runs, comparison),
        comparison.map(forest::forest).unwrap_or_default(),
        header::runs(runs),
        header::checks(runs),
        // A comparison says itself what makes it doubtful.
        if comparison.is_some() { String::new() } else { measured::remarks(&groups, &lanes) },
        sweep::sweep(&groups, &lanes),
        scaling::scaling(&groups, &lanes),
        numbered::numbered(&groups, &lanes),
        measured::measured(&groups, &lanes),
        timeline::timeline(&lanes),
        latency::latency(&groups, &lanes),
        throughput::throughput(&groups, &lanes),
        measured::parameters_table(&groups),
        raw::attachment(runs),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <title>{}</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        raw::policy(),
        text(&format!("lunlab: {}", header::title(runs))),
        role::style(),
        parts.concat(),
    )
}
