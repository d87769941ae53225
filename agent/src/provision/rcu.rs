//! Grace periods that do not wait for a tick.

use std::fs;

/// The kernel's switch (kernel/ksysfs.c); kernels without RCU callbacks have none.
const SWITCH: &str = "/sys/kernel/rcu_expedited";

/// While it lives, RCU's grace periods are expedited.
///
/// LIO waits for one with every LUN, mapped LUN and ACL that comes or goes, and the waits are most of the time that many
/// of them take. What is measured runs after this is dropped, with the kernel as it was.
pub(super) struct Expedited(Option<String>);

impl Expedited {
    pub(super) fn begin() -> Self {
        let before = fs::read_to_string(SWITCH).ok();
        // A kernel that refuses takes its time.
        let _refused = fs::write(SWITCH, "1");
        Self(before)
    }
}

impl Drop for Expedited {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _refused = fs::write(SWITCH, before.trim());
        }
    }
}
