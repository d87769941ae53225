//! The `key=value` strings of `.modinfo`, each ended by a NUL (`include/linux/moduleparam.h`).

use super::canonical_name;

/// What a module says about the modules it needs, by canonical names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// It cannot be loaded without these.
    pub(super) depends: Vec<String>,
    /// To be loaded before it, where they exist.
    pub(super) before: Vec<String>,
    /// To be loaded after it, where they exist.
    pub(super) after: Vec<String>,
}

impl Needs {
    pub(super) fn parse(modinfo: &[u8]) -> Self {
        let mut needs = Self::default();
        for (key, value) in records(modinfo) {
            match key {
                "depends" => needs.depends.extend(value.split(',').filter_map(name)),
                "softdep" => needs.add_softdep(value),
                _ => {}
            }
        }
        needs
    }

    /// `pre: a b post: c`, in any order and number (`modprobe.d(5)`).
    fn add_softdep(&mut self, value: &str) {
        let mut list = None;
        for word in value.split_whitespace() {
            match word {
                "pre:" => list = Some(&mut self.before),
                "post:" => list = Some(&mut self.after),
                word => {
                    if let Some(list) = &mut list {
                        list.extend(name(word));
                    }
                }
            }
        }
    }
}

/// The records that are text; what is not is no name of a module.
pub(super) fn records(modinfo: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let strings = modinfo.split(|byte| *byte == 0);
    strings.filter_map(|string| str::from_utf8(string).ok()?.split_once('='))
}

fn name(word: &str) -> Option<String> {
    let word = word.trim();
    (!word.is_empty()).then(|| canonical_name(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_by_kind() {
        let modinfo = b"license=GPL\0depends=scsi-common,target_core_mod\0\0\
            softdep=pre: crc32c sha3-generic post: extra\0softdep=post: last pre: first\0name=x\0";
        let needs = Needs::parse(modinfo);
        assert_eq!(needs.depends, ["scsi_common", "target_core_mod"]);
        assert_eq!(needs.before, ["crc32c", "sha3_generic", "first"]);
        assert_eq!(needs.after, ["extra", "last"]);
    }

    #[test]
    fn nothing_is_needed_where_nothing_is_said() {
        for modinfo in [&b""[..], b"depends=\0", b"depends\0softdep=\0", b"\xff=\xff", b"softdep=a"]
        {
            assert_eq!(Needs::parse(modinfo), Needs::default(), "{modinfo:?}");
        }
    }
}
