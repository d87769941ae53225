//! Sizes and durations as a spec writes them.

use std::time::Duration;

/// One KiB, MiB, GiB and TiB in bytes, with the letter that stands for each.
const SIZE_UNITS: [(&str, u64); 4] =
    [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];

/// The units a duration may be written in, in milliseconds.
const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// What a size may look like, for messages.
pub(super) const SIZE_FORM: &str =
    "a size is a whole number of K, M, G or T, or of bytes, up to 64 bits";

/// What a duration may look like, for messages.
pub(super) const DURATION_FORM: &str = "a duration is a whole number of ms, s, m or h";

/// Why a text is not a size or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// It is not a whole number with a known unit.
    Malformed,
    /// The number stands alone where a unit is needed.
    NoUnit,
    /// It is larger than can be counted.
    TooLarge,
}

/// Reads a size in bytes: `4096`, `64M`. K, M, G and T are powers of 1024.
///
/// # Errors
/// When the text has another form, or the number of bytes is beyond 64 bits.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "" => 1,
        unit => factor(&SIZE_UNITS, unit)?,
    };
    multiply(number, factor)
}

/// Reads a duration: `500ms`, `60s`, `10m`, `1h`. The unit is not optional.
///
/// # Errors
/// When the text has another form, or is beyond 64 bits of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split_unit(text);
    if unit.is_empty() && !number.is_empty() {
        return Err(QuantityError::NoUnit);
    }
    multiply(number, factor(&DURATION_UNITS, unit)?).map(Duration::from_millis)
}

/// Writes a size the way a spec would: in the largest unit that divides it.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .rev()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// Writes a duration the way a spec would: in the largest unit that divides it.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    DURATION_UNITS
        .iter()
        .rev()
        .find(|(_, factor)| ms > 0 && ms.is_multiple_of(u128::from(*factor)))
        .map_or_else(
            || format!("{ms}ms"),
            |(unit, factor)| format!("{}{unit}", ms / u128::from(*factor)),
        )
}

/// The size that was probably meant by what is none: `64 MiB`, `64mb`.
pub(super) fn mend_size(text: &str) -> Option<String> {
    let (number, unit) = split_unit(text);
    let unit = unit.trim().to_ascii_uppercase();
    let letter = unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(&unit);
    let meant = format!("{number}{letter}");
    (meant != text && parse_size(&meant).is_ok()).then_some(meant)
}

/// The duration that was probably meant by what is none: `10 s`, `5min`, `60`.
pub(super) fn mend_duration(text: &str) -> Option<String> {
    let (number, unit) = split_unit(text);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hour" | "hours" | "hr" | "h" => "h",
        "msec" | "msecs" | "millis" | "ms" => "ms",
        _ => return None,
    };
    let meant = format!("{number}{unit}");
    (meant != text && parse_duration(&meant).is_ok()).then_some(meant)
}

/// Splits leading digits from what follows them.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

fn factor(units: &[(&str, u64)], unit: &str) -> Result<u64, QuantityError> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or(QuantityError::Malformed)
}

fn multiply(number: &str, factor: u64) -> Result<u64, QuantityError> {
    if number.is_empty() {
        return Err(QuantityError::Malformed);
    }
    // Digits only, so the one way to fail is to be too large.
    let number: u64 = number.parse().map_err(|_| QuantityError::TooLarge)?;
    number.checked_mul(factor).ok_or(QuantityError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("512"), Ok(512));
        assert_eq!(parse_size("4K"), Ok(4096));
        assert_eq!(parse_size("64M"), Ok(67_108_864));
        assert_eq!(parse_size("3G"), Ok(3_221_225_472));
        assert_eq!(parse_size("2T"), Ok(2_199_023_255_552));
        assert_eq!(parse_size("0"), Ok(0));
    }

    #[test]
    fn sizes_beyond_64_bits_are_too_large_and_do_not_wrap() {
        for text in ["16777216T", "18446744073709551616", "99999999999999999999999K"] {
            assert_eq!(parse_size(text), Err(QuantityError::TooLarge), "{text}");
        }
        assert_eq!(parse_size("16777215T"), Ok(16_777_215 << 40));
    }

    #[test]
    fn other_forms_are_malformed() {
        for text in ["", "M", "64 M", " 64M", "64MB", "64m", "-1", "+1", "1.5G", "0x10", "1_000"] {
            assert_eq!(parse_size(text), Err(QuantityError::Malformed), "{text:?}");
        }
        for text in ["", "s", "1.5s", "10 s", "-1s", "5min", "1d", "1h30m"] {
            assert_eq!(parse_duration(text), Err(QuantityError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn what_was_meant_is_guessed_or_not() {
        let size = |text| mend_size(text).unwrap_or_default();
        assert_eq!(["64MB", "64 MiB", "64m", "1kb"].map(size), ["64M", "64M", "64M", "1K"]);
        assert_eq!(["64", "64X", "1.5G", "", "-1", "99999999T"].map(size), [""; 6]);
        let time = |text| mend_duration(text).unwrap_or_default();
        assert_eq!(
            ["60", "10 s", "5min", "1H", "3 msec"].map(time),
            ["60s", "10s", "5m", "1h", "3ms"]
        );
        assert_eq!(["1.5s", "1d", "", "10us"].map(time), [""; 4]);
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse_duration("60"), Err(QuantityError::NoUnit));
        assert_eq!(parse_duration("9999999999999999999h"), Err(QuantityError::TooLarge));
    }

    #[test]
    fn quantities_are_written_in_the_largest_unit_that_divides_them() {
        for text in ["1", "1000", "4K", "64M", "1536M", "1G", "2T"] {
            assert_eq!(parse_size(text).map(format_size).as_deref(), Ok(text));
        }
        for text in ["1ms", "1500ms", "90s", "10m", "2h"] {
            assert_eq!(parse_duration(text).map(format_duration).as_deref(), Ok(text));
        }
        assert_eq!(format_size(0), "0");
    }
}
