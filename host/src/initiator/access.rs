//! What a login may need beyond names: credentials, and digests.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::job::{Failure, FailureKind};

/// Longest user id or password in bytes: what libiscsi and LIO keep of one.
const CREDENTIAL_MAX: usize = 255;

/// What is shown in place of a secret.
pub(super) const MASK: &str = "***";

/// A password: shown by nothing, and written only into the line that gives the child its job.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// [`Secret`] has no `Serialize` of its own: a job is the only thing that may carry one.
fn revealed<S: serde::Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.reveal())
}

/// CHAP: who the initiator says it is, and, where it is mutual, whom it expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chap {
    /// The initiator's user id.
    pub userid: String,
    /// The initiator's secret.
    #[serde(serialize_with = "revealed")]
    pub password: Secret,
    /// What the target must prove to have; absent, it need not prove anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutual: Option<Mutual>,
}

/// The target's side of mutual CHAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutual {
    /// The target's user id.
    pub userid: String,
    /// The target's secret.
    #[serde(serialize_with = "revealed")]
    pub password: Secret,
}

impl Chap {
    /// Refuses what libiscsi would take for no credentials at all, or cut.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mutual = self.mutual.iter().map(|mutual| (&mutual.userid, &mutual.password));
        for (userid, password) in mutual.chain([(&self.userid, &self.password)]) {
            for (what, value) in [("user id", userid.as_str()), ("password", password.reveal())] {
                if !(1..=CREDENTIAL_MAX).contains(&value.len()) || value.contains('\0') {
                    let cause = format!("it has not 1 to {CREDENTIAL_MAX} bytes without NUL");
                    let attempted = format!("use a CHAP {what}");
                    return Err(Failure::new(FailureKind::Usage, attempted, cause));
                }
            }
        }
        Ok(())
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.password).chain(self.mutual.iter().map(|mutual| &mutual.password))
    }
}

/// Whether PDUs carry a CRC32C (RFC 7143 13.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// None where the target agrees, else CRC32C.
    #[default]
    Any,
    /// No digest, or no session.
    None,
    /// CRC32C, or no session.
    Crc32c,
}

impl Digest {
    pub(super) fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

/// Takes secrets out of a text that somebody else worded.
pub(super) fn mask<'s>(text: &str, secrets: impl IntoIterator<Item = &'s Secret>) -> String {
    let given = secrets.into_iter().filter(|secret| !secret.0.is_empty());
    given.fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), MASK))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-7f3a9d\"\\";

    fn chap() -> Chap {
        let mutual =
            Mutual { userid: "target".into(), password: Secret::new(format!("{CANARY}-mutual")) };
        Chap { userid: "user".into(), password: Secret::new(CANARY), mutual: Some(mutual) }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let shown = format!("{:?} {:#?}", chap(), chap());
        assert!(shown.contains("user") && shown.contains("target") && shown.contains(MASK));
        assert!(!shown.contains("canary"), "{shown}");
        let error = Chap { userid: String::new(), ..chap() }.check().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }

    #[test]
    fn the_jobs_line_does_carry_it() {
        let line = serde_json::to_string(&chap()).unwrap();
        assert!(line.contains("canary-7f3a9d"), "{line}");
        assert_eq!(serde_json::from_str::<Chap>(&line).unwrap(), chap());
    }

    #[test]
    fn secrets_are_taken_out_of_others_words() {
        let words = format!("got {CANARY} and {CANARY}-mutual");
        assert_eq!(mask(&words, chap().secrets()), "got *** and ***-mutual");
        assert_eq!(mask("nothing", [&Secret::new("")]), "nothing");
    }

    #[test]
    fn credentials_that_the_library_would_ignore_or_cut_are_refused() {
        assert_eq!(chap().check(), Ok(()));
        for bad in [String::new(), "x".repeat(256), "a\0b".into()] {
            for broken in [
                Chap { userid: bad.clone(), ..chap() },
                Chap { password: Secret::new(bad.clone()), ..chap() },
                Chap {
                    mutual: Some(Mutual { userid: bad.clone(), password: Secret::new("x") }),
                    ..chap()
                },
                Chap {
                    mutual: Some(Mutual { userid: "x".into(), password: Secret::new(bad) }),
                    ..chap()
                },
            ] {
                assert_eq!(broken.check().unwrap_err().kind, FailureKind::Usage, "{broken:?}");
            }
        }
    }
}
