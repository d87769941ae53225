//! A slowdown of known size: null_blk that answers by a timer.

use serde_json::Value;

/// A spec whose reads take `completion_ns` and little else: few are on their way at once, so that a
/// slow or busy host hardly shows. The guest measures them, by the clock that times them.
#[must_use]
pub fn spec(completion_ns: f64) -> String {
    format!(
        "[[storage_object]]\n\
         name = \"timed\"\n\
         backstore = \"block\"\n\
         size = \"64M\"\n\
         device = \"null_blk\"\n\
         device_parameters = {{ irqmode = 2, completion_nsec = {completion_ns:.0} }}\n\
         [[benchmark]]\n\
         workload = \"storage\"\n\
         storage_object = \"timed\"\n\
         via = \"backing\"\n\
         queue_depth = 4\n\
         budget = \"2s\"\n\
         precision = \"0%\"\n"
    )
}

/// The row of a comparison that shows it: the median latency.
#[must_use]
pub fn row(comparison: &Value) -> Option<&Value> {
    comparison["rows"].as_array()?.iter().find(|row| row["series"] == "latency p50")
}
