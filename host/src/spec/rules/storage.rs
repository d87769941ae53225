//! Benchmarks of the workload `storage`: what its requests need of a storage object.

use lunlab_bench::storage::{MEMORY, VERIFIED_BLOCKS};

use super::{Finding, not_a_multiple, top};
use crate::spec::fault::KeyPath;
use crate::spec::quantity::format_size;
use crate::spec::{Measured, StorageObject};

pub(super) fn check(
    asked: &Measured,
    object: (&StorageObject, KeyPath),
    path: &KeyPath,
    findings: &mut Vec<Finding>,
) {
    let (object, object_path) = object;
    let number = |key: &str| asked.value(key).parse::<u64>().unwrap_or_default();
    let (size, depth) = (number("block_size").max(1), number("queue_depth").max(1));
    let block = object.block_size().max(1);
    let shown = format_size(size);
    let mut refuse = |key: &str, message: String, given: &[&str], way_out: &str| {
        let mut given: Vec<KeyPath> = given.iter().map(|key| path.key(key)).collect();
        given.extend([object_path.clone(), top("disk")]);
        findings.push(Finding::new(path.key(key), message).given(given).way_out(way_out));
    };
    if !size.is_multiple_of(block) {
        let way_out = format!("a multiple of {}", format_size(block));
        return refuse("block_size", not_a_multiple(size, block), &["storage_object"], &way_out);
    }
    let in_flight = size.saturating_mul(depth);
    if in_flight > MEMORY {
        let most = (MEMORY / size).max(1);
        let (all, bound) = (format_size(in_flight), format_size(MEMORY));
        let message =
            format!("{depth} requests of {shown} are {all} in flight, at most {bound} is allowed");
        return refuse("queue_depth", message, &["block_size"], &format!("at most {most}"));
    }
    let left = object.size.saturating_sub(number("offset"));
    let region = asked.value("length").parse().unwrap_or(left).min(left);
    let blocks = region / size;
    let keys = ["block_size", "offset", "length", "storage_object"];
    if region > 0 && blocks < depth {
        let room = format_size(region);
        let message = format!(
            "{depth} requests of {shown} at a time do not fit in {room}, each has a block of its own"
        );
        let way_out = match blocks {
            0 => "use more of the storage object, or smaller blocks".to_owned(),
            _ => format!("at most {blocks}, or use more of the storage object"),
        };
        refuse("queue_depth", message, &keys, &way_out);
    } else if asked.value("verify") == "true" && blocks > VERIFIED_BLOCKS {
        let message =
            format!("{blocks} blocks are too many to verify, {VERIFIED_BLOCKS} is the most");
        let most = format_size(VERIFIED_BLOCKS.saturating_mul(size));
        refuse("verify", message, &keys, &format!("length = {most:?}, or larger blocks"));
    }
}
