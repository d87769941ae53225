//! Series that are numbered, such as `serial/peer 3`: each by its number, with a curve for what stands before.

use super::curve::{Curve, figure};
use super::html::{Figure, section, side_by_side};
use super::lanes::{Group, Lane};
use super::role::{Role, SERIES};

/// Fewer of them make no curve.
const LEAST: usize = 3;

/// A name taken apart: `serial`, `peer`, 3.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbered<'a> {
    before: &'a str,
    what: &'a str,
    number: u32,
}

fn apart(name: &str) -> Option<Numbered<'_>> {
    let (words, number) = name.rsplit_once(' ')?;
    let (before, what) = words.rsplit_once('/').unwrap_or(("", words));
    let number = number.parse().ok().filter(|_| !what.is_empty())?;
    Some(Numbered { before, what, number })
}

/// Whether a series of a group is shown by its number.
pub(super) fn is_numbered(name: &str, group: &Group) -> bool {
    let Some(one) = apart(name) else { return false };
    let all = group.series().into_iter().filter_map(|(name, _)| apart(name));
    all.filter(|other| (other.before, other.what) == (one.before, one.what)).count() >= LEAST
}

/// The section.
pub(super) fn numbered(groups: &[Group], lanes: &[Lane]) -> String {
    let figures: Vec<Figure> = groups.iter().flat_map(|group| of_group(group, lanes)).collect();
    section("numbered", "One by one", &side_by_side(&figures))
}

fn of_group(group: &Group, lanes: &[Lane]) -> Vec<Figure> {
    let series = group.series().into_iter().filter(|(name, _)| is_numbered(name, group));
    let apart: Vec<_> = series.filter_map(|name| Some((apart(name.0)?, name))).collect();
    let mut kinds: Vec<(&str, &str)> = apart.iter().map(|(one, name)| (one.what, name.1)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of_kind = |(what, unit): (&str, &str)| {
        let of: Vec<_> = apart
            .iter()
            .copied()
            .filter(|(one, name)| (one.what, name.1) == (what, unit))
            .collect();
        let curves = curves(group, lanes, &of);
        let title = format!("{}: by {what}", group.label);
        curves
            .chunks(SERIES)
            .filter_map(|some| figure(title.clone(), what, unit, some))
            .collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

fn curves(group: &Group, lanes: &[Lane], of: &[(Numbered, (&str, &str))]) -> Vec<Curve> {
    let mut befores: Vec<&str> = Vec::new();
    for (one, _) in of {
        if !befores.contains(&one.before) {
            befores.push(one.before);
        }
    }
    let mut curves = Vec::new();
    for before in befores {
        for (n, lane) in lanes.iter().enumerate() {
            let of = of.iter().filter(|(one, _)| one.before == before);
            let mut points: Vec<_> = of
                .filter_map(|(one, name)| {
                    Some((f64::from(one.number), one.number.to_string(), group.estimate(n, *name)?))
                })
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let lane = if lanes.len() > 1 { lane.label.as_str() } else { "" };
            let words: Vec<&str> =
                [lane, before].into_iter().filter(|word| !word.is_empty()).collect();
            let role = Role::Series(curves.len());
            curves.push(Curve { label: words.join(", "), role, points });
        }
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_a_number_or_are_no_such_names() {
        let found = apart("serial/peer 3").unwrap();
        assert_eq!((found.before, found.what, found.number), ("serial", "peer", 3));
        assert_eq!(apart("disk 12").map(|one| (one.before, one.number)), Some(("", 12)));
        for name in ["8 MB", "p99", "serial/first peer", "sha2/1024", " 3", "a/ 3", "x -1"] {
            assert_eq!(apart(name), None, "{name}");
        }
    }
}
