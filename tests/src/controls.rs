//! A slowdown of known size: null_blk that answers by a timer.

use serde_json::Value;

/// A spec whose reads take `completion_ns` and little else: few are on their way at once, so that a
/// slow or busy host hardly shows.
#[must_use]
pub fn spec(completion_ns: f64) -> String {
    format!(
        "[[storage_object]]\n\
         name = \"timed\"\n\
         backstore = \"block\"\n\
         size = \"64M\"\n\
         device = \"null_blk\"\n\
         device_parameters = {{ irqmode = 2, completion_nsec = {completion_ns:.0} }}\n\
         [[target]]\n\
         wwn = \"iqn.2024-05.org.example:timed\"\n\
         [[target.tpg]]\n\
         luns = [{{ lun = 0, storage_object = \"timed\" }}]\n\
         [[benchmark]]\n\
         workload = \"iscsi-randread\"\n\
         queue_depth = 4\n\
         seconds = 2\n"
    )
}

/// The row of a comparison that shows it: the median latency.
#[must_use]
pub fn row(comparison: &Value) -> Option<&Value> {
    comparison["rows"].as_array()?.iter().find(|row| row["series"] == "latency p50")
}
