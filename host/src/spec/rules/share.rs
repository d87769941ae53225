//! Benchmarks that mount a share of the host's.

use super::{Finding, not_a_multiple, top};
use crate::spec::fault::KeyPath;
use crate::spec::quantity::format_size;
use crate::spec::{Measured, Network, Spec};

pub(super) fn check(spec: &Spec, asked: &Measured, path: &KeyPath, findings: &mut Vec<Finding>) {
    if spec.network != Network::User {
        let message = "\"smb\" mounts a share of the host's, and the guest has no network to it";
        let given = vec![top("network").key("mode")];
        let finding = Finding::new(path.key("workload"), message).given(given);
        findings.push(finding.way_out("add [network] with mode = \"user\""));
    }
    let size = |key| asked.value(key).parse::<u64>().unwrap_or_default();
    let (block, file) = (size("block_size").max(1), size("file_size"));
    if !file.is_multiple_of(block) {
        let message = format!("{}, which is block_size", not_a_multiple(file, block));
        let finding = Finding::new(path.key("file_size"), message);
        let finding = finding.given(vec![path.key("block_size")]);
        let whole = format_size(file.next_multiple_of(block));
        findings.push(finding.way_out(&format!("file_size = {whole:?}")));
    }
}
