//! Grace periods that do not wait for a tick.

use std::fs;

/// The kernel's switch (kernel/ksysfs.c); kernels without RCU callbacks have none.
const SWITCH: &str = "/sys/kernel/rcu_expedited";

/// While it lives, RCU's grace periods are expedited.
///
/// LIO waits for one with every LUN, mapped LUN and ACL that comes or goes, and the waits are most of the time that many
/// of them take. What is measured runs after this is dropped, with the kernel as it was.
pub(super) struct Expedited {
    switch: &'static str,
    before: Option<String>,
}

impl Expedited {
    pub(super) fn begin() -> Self {
        Self::by(SWITCH)
    }

    fn by(switch: &'static str) -> Self {
        let before = fs::read_to_string(switch).ok();
        // A kernel that refuses takes its time.
        let _refused = before.is_some().then(|| fs::write(switch, "1"));
        Self { switch, before }
    }
}

impl Drop for Expedited {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _refused = fs::write(self.switch, before.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Expedited;
    use std::fs;
    use std::path::Path;

    #[test]
    fn what_was_set_before_is_set_again() {
        let directory = tempfile::tempdir().unwrap();
        let switch: &'static str =
            directory.path().join("rcu_expedited").display().to_string().leak();
        for before in ["0", "1"] {
            fs::write(switch, format!("{before}\n")).unwrap();
            let expedited = Expedited::by(switch);
            assert_eq!(fs::read_to_string(switch).unwrap(), "1");
            drop(expedited);
            assert_eq!(fs::read_to_string(switch).unwrap(), before);
        }
        fs::remove_file(switch).unwrap();
        drop(Expedited::by(switch));
        assert!(!Path::new(switch).exists(), "a kernel without the switch gets none");
    }
}
