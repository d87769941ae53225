//! CHAP: who has to prove what.

use crate::invalid::Invalid;
use crate::value::Value;

/// A name and the secret that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    userid: Value,
    password: Value,
}

impl Credentials {
    /// Checks a name of 1 to 223 and a secret of 12 to 255 characters, both of printable ASCII without blanks.
    ///
    /// RFC 7143 section 9.2.1 asks for 96 random bits at least. LIO cuts at 255 bytes without a word, keeps a newline as
    /// part of the secret, and takes what begins with `NULL` for none.
    pub fn new(userid: &str, password: &str) -> Result<Credentials, Invalid> {
        if let Some(problem) = problem(userid, 1, 223) {
            return Err(Invalid::new("CHAP userid", userid, problem));
        }
        if let Some(problem) = problem(password, 12, 255) {
            return Err(Invalid::new("CHAP password", "…", problem));
        }
        let password = Value::secret(password)?;
        Ok(Credentials { userid: Value::from_checked(userid.to_owned()), password })
    }

    /// Gives the name.
    pub fn userid(&self) -> &Value {
        &self.userid
    }

    /// Gives the secret.
    pub fn password(&self) -> &Value {
        &self.password
    }
}

fn problem(text: &str, least: usize, most: usize) -> Option<String> {
    if !(least..=most).contains(&text.len()) {
        return Some(format!("is {} bytes, not {least} to {most}", text.len()));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some("has a character that is not printable ASCII, or a blank".to_owned());
    }
    text.starts_with("NULL").then(|| "begins with NULL, which LIO takes for none".to_owned())
}

/// What the initiator proves to the target and, where it is mutual, the target to the initiator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    credentials: Credentials,
    mutual: Option<Credentials>,
}

impl Chap {
    /// Lets the initiator prove itself.
    pub fn one_way(credentials: Credentials) -> Chap {
        Chap { credentials, mutual: None }
    }

    /// Lets the target prove itself too; its secret must be another one (RFC 7143 section 9.2.1).
    pub fn mutual(credentials: Credentials, mutual: Credentials) -> Result<Chap, Invalid> {
        if credentials.password == mutual.password {
            let problem = "is the same both ways, which initiators refuse";
            return Err(Invalid::new("CHAP password", "…", problem));
        }
        Ok(Chap { credentials, mutual: Some(mutual) })
    }

    /// Gives the attributes of an `auth` group in the order to write them in.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, &Value)> {
        let mut pairs =
            vec![("userid", &self.credentials.userid), ("password", &self.credentials.password)];
        if let Some(mutual) = &self.mutual {
            pairs.push(("userid_mutual", &mutual.userid));
            pairs.push(("password_mutual", &mutual.password));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_lio_would_cut_keep_or_drop_are_refused_and_never_shown() {
        for (userid, password) in [
            ("", "twelve-bytes"),
            ("u", "eleven-byte"),
            ("u", &"x".repeat(256)),
            ("u", "a secret with blanks"),
            ("u", "hunter2hunter2\n"),
            ("u", "NULLNULLNULL"),
            ("NULL", "twelve-bytes"),
            (&"u".repeat(224), "twelve-bytes"),
        ] {
            let refused = Credentials::new(userid, password).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
        let fine = Credentials::new("u", "twelve-bytes").unwrap();
        assert!(!format!("{fine:?}").contains("twelve"));
    }

    #[test]
    fn both_ways_need_two_secrets() {
        let one = Credentials::new("in", "twelve-bytes").unwrap();
        let same = Credentials::new("out", "twelve-bytes").unwrap();
        assert!(Chap::mutual(one.clone(), same).is_err());
        let other = Credentials::new("out", "other-twelve-bytes").unwrap();
        let names: Vec<_> = Chap::mutual(one, other)
            .unwrap()
            .attributes()
            .into_iter()
            .map(|(name, value)| (name, value.is_secret()))
            .collect();
        let expected = [
            ("userid", false),
            ("password", true),
            ("userid_mutual", false),
            ("password_mutual", true),
        ];
        assert_eq!(names, expected);
    }
}
