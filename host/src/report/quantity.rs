//! Numbers as people read them.

/// From here on rates have prefixes.
const LONG: f64 = 1e6;

/// Nanoseconds in a unit of time; `None` for other units.
pub(super) fn nanoseconds(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1.0),
        "us" | "µs" => Some(1e3),
        "ms" => Some(1e6),
        "s" => Some(1e9),
        _ => None,
    }
}

/// The unit in which values up to `most` of `unit` are shown, and how many of `unit` it is.
pub(super) fn display_unit(unit: &str, most: f64) -> (f64, String) {
    let most = most.abs();
    if let Some(ns) = nanoseconds(unit) {
        let steps = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
        let found = steps.into_iter().find(|(least, _)| most * ns >= *least);
        let (least, word) = found.unwrap_or((1.0, "ns"));
        return (least / ns, word.to_owned());
    }
    let prefixes: &[(f64, &str)] = match unit {
        "1/s" => &[(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
        "MB/s" => &[(1e3, "GB/s"), (1.0, "MB/s")],
        _ => &[],
    };
    let found = prefixes.iter().find(|(least, _)| most >= *least * 10.0);
    found.map_or((1.0, unit.to_owned()), |(factor, word)| (*factor, (*word).to_owned()))
}

/// A value with its unit: `4.19 ms`, `7464 /s`.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    let is_rate = unit.ends_with("/s");
    if nanoseconds(unit).is_some() || is_rate && value.abs() >= LONG {
        let (factor, unit) = display_unit(unit, value);
        return format!("{} {unit}", number(value / factor));
    }
    match unit {
        "" | "ratio" => number(value),
        "1/s" => format!("{} /s", number(value)),
        unit => format!("{} {unit}", number(value)),
    }
}

/// Two values with the unit that suits the greater: `4.1 to 4.3 ms`.
pub(super) fn range((low, high): (f64, f64), unit: &str) -> String {
    let (factor, shown) = match nanoseconds(unit) {
        Some(_) => display_unit(unit, high),
        None if high.abs() >= LONG => display_unit(unit, high),
        None => (1.0, unit.trim_start_matches('1').to_owned()),
    };
    let words = format!("{} to {} {shown}", number(low / factor), number(high / factor));
    words.trim_end_matches("ratio").trim_end().to_owned()
}

/// A number with four significant digits, whole ones whole, in powers of ten only where it is
/// otherwise too long.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        1e7.. => format!("{value:.3e}"),
        1000.0.. => format!("{value:.0}"),
        100.0.. => trimmed(format!("{value:.1}")),
        10.0.. => trimmed(format!("{value:.2}")),
        1.0.. => trimmed(format!("{value:.3}")),
        0.001.. => trimmed(format!("{value:.4}")),
        _ => format!("{value:.2e}"),
    }
}

/// A part of one as a percentage.
pub(super) fn percent(part: f64) -> String {
    if part.is_finite() { format!("{:.1} %", part * 100.0) } else { "–".to_owned() }
}

fn trimmed(digits: String) -> String {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_suits_them() {
        for (value, unit, shown) in [
            (4_190_000.0, "ns", "4.19 ms"),
            (12.0, "us", "12 µs"),
            (0.5, "ms", "500 µs"),
            (2.5, "s", "2.5 s"),
            (0.0, "ns", "0 ns"),
            (7464.2, "1/s", "7464 /s"),
            (1.03e9, "1/s", "1030 M/s"),
            (1.03e9, "", "1.030e9"),
            (30.62, "MB/s", "30.62 MB/s"),
            (0.98765, "ratio", "0.9877"),
            (f64::NAN, "MB/s", "– MB/s"),
        ] {
            assert_eq!(quantity(value, unit), shown);
        }
    }

    #[test]
    fn a_range_has_one_unit() {
        for (ends, unit, shown) in [
            ((900_000.0, 1_100_000.0), "ns", "0.9 to 1.1 ms"),
            ((5572.0, 5704.0), "1/s", "5572 to 5704 /s"),
            ((0.98, 1.02), "ratio", "0.98 to 1.02"),
        ] {
            assert_eq!(range(ends, unit), shown);
        }
    }

    #[test]
    fn axes_have_one_unit_for_all_their_ticks() {
        assert_eq!(display_unit("ns", 5e6), (1e6, "ms".into()));
        assert_eq!(display_unit("1/s", 74_640.0), (1e3, "k/s".into()));
        assert_eq!(display_unit("1/s", 7464.0), (1.0, "/s".into()));
        assert_eq!(display_unit("bananas", 1e9), (1.0, "bananas".into()));
    }
}
