//! CHAP credentials: names go into the spec, secrets into files beside it.

use std::fmt;

use super::document::Item;
use super::reader::Object;

/// A secret of the file and where the spec looks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct SavedSecret {
    /// The file's name below the directory of the secrets.
    pub file: String,
    /// Where in the saved configuration it is.
    pub place: String,
    value: String,
}

impl SavedSecret {
    /// The secret itself, for the file that is to hold it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for SavedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedSecret").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The secrets met so far.
pub(super) struct Secrets {
    directory: String,
    found: Vec<SavedSecret>,
    missing: usize,
}

impl Secrets {
    pub(super) fn new(directory: &str) -> Self {
        Self { directory: directory.to_owned(), found: Vec::new(), missing: 0 }
    }

    pub(super) fn into_vec(self) -> Vec<SavedSecret> {
        self.found
    }

    /// Credentials for somebody who is asked for some that are not in the file, as the value of a
    /// spec's `chap`; and the variable of the environment that is to hold the secret.
    pub(super) fn missing(&mut self) -> (Item, String) {
        self.missing += 1;
        let variable = format!("LUNLAB_CHAP_{}", self.missing);
        let entry = |key: &str, value: &str| (key.to_owned(), value.into());
        let entries = vec![entry("userid", "lunlab"), entry("password_env", &variable)];
        (Item::Inline(entries), variable)
    }

    /// Keeps a secret; gives the path the spec has for it.
    fn keep(&mut self, file: String, place: String, value: String) -> String {
        let path = match self.directory.as_str() {
            "" => file.clone(),
            directory => format!("{}/{file}", directory.trim_end_matches('/')),
        };
        self.found.push(SavedSecret { file, place, value });
        path
    }
}

/// Takes the credentials of an object, as the value of a spec's `chap`. `prefix` begins their keys,
/// `owner` the names of their files. Those that nobody is asked for are left out.
pub(super) fn chap(
    object: &mut Object<'_>,
    prefix: &str,
    owner: &str,
    secrets: &mut Secrets,
    asked_for: bool,
) -> Option<Item> {
    let userid_key = format!("{prefix}userid");
    let one_way = Pair::take(object, &userid_key, &format!("{prefix}password"));
    let mutual =
        Pair::take(object, &format!("{prefix}mutual_userid"), &format!("{prefix}mutual_password"));
    if !asked_for {
        if one_way.is_some() || mutual.is_some() {
            object.note_at(
                &userid_key,
                "nobody is asked for these credentials, as authentication is off: left out",
            );
        }
        return None;
    }
    let Some(one_way) = one_way else {
        if mutual.is_some() {
            object.note_at(&userid_key, "mutual CHAP without one-way CHAP: left out");
        }
        return None;
    };
    let mut entries = one_way.entries("", format!("{owner}.password"), secrets);
    if let Some(mutual) = mutual {
        let file = format!("{owner}.mutual-password");
        entries.extend(mutual.entries("mutual_", file, secrets));
    }
    Some(Item::Inline(entries))
}

/// A name and the secret that goes with it.
struct Pair {
    userid: String,
    password: String,
    place: String,
}

impl Pair {
    fn take(object: &mut Object<'_>, userid_key: &str, password_key: &str) -> Option<Self> {
        let present = |text: &String| !text.is_empty();
        let userid = object.text(userid_key).filter(present);
        let password = object.text(password_key).filter(present);
        match (userid, password) {
            (Some(userid), Some(password)) => {
                Some(Self { userid, password, place: object.at(password_key) })
            }
            (None, None) => None,
            (Some(_), None) => {
                object.note_at(userid_key, "a name without a password: left out");
                None
            }
            (None, Some(_)) => {
                object.note_at(password_key, "a password without a name: left out");
                None
            }
        }
    }

    fn entries(self, prefix: &str, file: String, secrets: &mut Secrets) -> Vec<(String, Item)> {
        let path = secrets.keep(file, self.place, self.password);
        vec![
            (format!("{prefix}userid"), self.userid.into()),
            (format!("{prefix}password_file"), path.into()),
        ]
    }
}
