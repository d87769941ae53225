//! Text from elsewhere made safe: to be shown, to be part of a spec.

use std::fmt::Write;

/// One line of foreign text with nothing in it that a terminal would act on: control characters
/// (escape sequences begin with one, and a line break would let a guest forge a line of ours) and
/// those that turn the direction of writing around are shown by their codes. Tabs stay.
#[must_use]
pub fn terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let code = u32::from(c);
        let written = match code {
            _ if c == '\t' => write!(shown, "{c}"),
            0..0x100 if c.is_control() => write!(shown, "\\x{code:02x}"),
            _ if turns_direction(c) => write!(shown, "\\u{{{code:x}}}"),
            _ => write!(shown, "{c}"),
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    shown
}

/// A basic string of TOML (1.0, "String"): quotes, backslashes and control characters are escaped.
#[must_use]
pub fn toml(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The Unicode controls of bidirectional text, and the line and paragraph separators.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_acts_on_comes_through() {
        for (text, shown) in [
            ("plain ü 漢\ttab", "plain ü 漢\ttab"),
            ("\u{1b}[31mred\u{1b}[0m", "\\x1b[31mred\\x1b[0m"),
            ("a\r\nb\u{7}\u{0}\u{7f}", "a\\x0d\\x0ab\\x07\\x00\\x7f"),
            ("\u{9b}31m", "\\x9b31m"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(terminal(text), shown);
        }
    }
}
