//! What is written to an attribute.

use std::fmt;

use crate::invalid::Invalid;

/// The longest value one `write(2)` carries whole: configfs cuts at a page less one byte (`fs/configfs/file.c`).
pub const MAX_VALUE: usize = 4095;

/// A value of 1 to 4095 bytes without control characters; one marked secret never prints.
///
/// Control characters are refused because many stores split at a newline, and some keep it as part of the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    text: String,
    secret: bool,
}

impl Value {
    /// Checks a value that may be shown.
    pub fn new(text: impl Into<String>) -> Result<Value, Invalid> {
        let text = text.into();
        match problem(&text) {
            None => Ok(Value { text, secret: false }),
            Some(problem) => Err(Invalid::new("attribute value", &text, problem)),
        }
    }

    /// Checks a value that is never shown: errors, steps and read-back print `…` for it.
    pub fn secret(text: impl Into<String>) -> Result<Value, Invalid> {
        let text = text.into();
        match problem(&text) {
            None => Ok(Value { text, secret: true }),
            Some(problem) => Err(Invalid::new("attribute value", "…", problem)),
        }
    }

    /// Takes a value that this crate put together from checked parts.
    pub(crate) fn from_checked(text: String) -> Value {
        debug_assert_eq!(problem(&text), None, "unchecked value {text:?}");
        Value { text, secret: false }
    }

    /// Gives the text itself, secret or not.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Says whether the value must never be shown.
    pub fn is_secret(&self) -> bool {
        self.secret
    }
}

fn problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty, which no attribute can be set to".to_owned());
    }
    if text.len() > MAX_VALUE {
        return Some(format!("is {} bytes, limit {MAX_VALUE}", text.len()));
    }
    text.chars().any(char::is_control).then(|| "contains a control character".to_owned())
}

impl From<bool> for Value {
    fn from(on: bool) -> Value {
        Value::from_checked(u8::from(on).to_string())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::from_checked(number.to_string())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "…" } else { &self.text })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_one_write_carries_is_a_value() {
        assert!(Value::new("x".repeat(4095)).is_ok());
        assert!(Value::new("x".repeat(4096)).is_err());
        assert!(Value::new("").is_err());
        assert!(Value::new("a\nb").is_err());
        assert!(Value::new("a\0").is_err());
    }

    #[test]
    fn a_secret_never_prints_even_when_refused() {
        let secret = Value::secret("hunter2hunter2").unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "… Value(…)");
        let refused = Value::secret("hunter2\n").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
}
