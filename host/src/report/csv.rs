//! Samples as CSV (RFC 4180, with line feeds): a line for each.

use super::Run;
use super::html::push;
use super::lanes::parameters;

const HEAD: &str = "run,workload,parameters,series,unit,index,value,at_ms\n";

/// Every sample of the runs.
#[must_use]
pub fn csv(runs: &[Run]) -> String {
    let mut csv = String::from(HEAD);
    for run in runs {
        for benchmark in &run.document.benchmarks {
            for series in &benchmark.series {
                let named = [
                    &run.document.run_id,
                    &benchmark.workload,
                    &parameters(&benchmark.parameters),
                    &series.name,
                    &series.unit,
                ];
                let named = named.map(|each| field(each)).join(",");
                for (n, value) in series.samples.iter().enumerate() {
                    let at = series.at_ms.get(n).map_or_else(String::new, |at| format!("{at:.3}"));
                    push(&mut csv, format_args!("{named},{n},{value},{at}\n"));
                }
            }
        }
    }
    csv
}

/// A field: quoted where it must be.
fn field(text: &str) -> String {
    let text = crate::escape::terminal(text);
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
