//! Secrets, which are kept apart from the spec, and where they came from.

use std::fmt;
use std::path::PathBuf;

/// A text that nobody is to see: nothing here prints it, [`Secret::reveal`] hands it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    source: SecretSource,
}

/// Where a secret was read; a spec that is copied refers to it still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
}

impl Secret {
    /// Keeps a secret.
    #[must_use]
    pub fn new(text: String, source: SecretSource) -> Self {
        Self { text, source }
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Where it was read.
    #[must_use]
    pub fn source(&self) -> &SecretSource {
        &self.source
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let source = SecretSource::Environment("CHAP".into());
        let secret = Secret::new("canary-canary".into(), source);
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "… … …");
        assert_eq!(secret.reveal(), "canary-canary");
    }
}
