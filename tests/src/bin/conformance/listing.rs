//! Which tests there are, as `iscsi-test-cu --list` tells, and which of them are asked for.

/// Families that are run. `ALL` and `LINUX` are the same tests once more.
const FAMILIES: [&str; 2] = ["SCSI", "iSCSI"];

/// The names `FAMILY.SUITE.TEST` in a listing, in its order.
pub(crate) fn tests(listing: &str) -> Vec<String> {
    let ours = |line: &&str| {
        let mut parts = line.split('.');
        parts.next().is_some_and(|family| FAMILIES.contains(&family)) && parts.count() == 2
    };
    listing.lines().map(str::trim).filter(ours).map(str::to_owned).collect()
}

/// Patterns of names: `FAMILY[.SUITE[.TEST]]` with `*` and `?`, as the tool's own `--test` has
/// them. Without any, everything is meant.
#[derive(Debug, Default, Clone)]
pub(crate) struct Filter(Vec<String>);

impl Filter {
    /// Patterns between commas.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.split(',').filter(|each| !each.is_empty()).map(str::to_owned).collect())
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// Whether everything is meant.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut patterns = pattern.splitn(3, '.');
    name.splitn(3, '.').all(|part| patterns.next().is_none_or(|pattern| glob(pattern, part)))
}

fn glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let pattern_rest = &pattern[first.len_utf8()..];
    if first == '*' {
        let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        return ends.any(|at| glob(pattern_rest, &text[at..]));
    }
    let mut letters = text.chars();
    letters.next().is_some_and(|letter| first == '?' || letter == first)
        && glob(pattern_rest, letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Filter, tests};

    const LISTING: &str = include_str!("fixtures/list.txt");

    #[test]
    fn both_families_are_listed_whole_and_no_test_twice() {
        let mut tests = tests(LISTING);
        let of = |family: &str| tests.iter().filter(|name| name.starts_with(family)).count();
        assert_eq!((of("SCSI."), of("iSCSI."), tests.len()), (215, 15, 230));
        assert_eq!(tests[0], "SCSI.CompareAndWrite.Simple");
        tests.sort();
        tests.dedup();
        assert_eq!(tests.len(), 230);
    }

    #[test]
    fn a_filter_means_what_the_tool_means_by_it() {
        let chosen = |filter: &str| {
            let filter = Filter::new(filter);
            tests(LISTING).into_iter().filter(|name| filter.matches(name)).count()
        };
        assert_eq!(chosen(""), 230);
        assert_eq!(chosen("iSCSI"), 15);
        assert_eq!(chosen("SCSI.Read10"), 6);
        assert_eq!(chosen("SCSI.Read10.Simple"), 1);
        assert_eq!(chosen("*.Read1?.Simple"), 3);
        assert_eq!(chosen("SCSI.Read10.*o*s,iSCSI.iSCSITMF"), 3);
        assert_eq!(chosen("Read10"), 0);
        assert_eq!(chosen("SCSI.Read10.Simple.More"), 0);
    }
}
