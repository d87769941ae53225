//! Walking through a saved configuration: what is taken is remembered, and what is left over, of
//! another kind than expected or beyond what a spec can say becomes a [`Note`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::document::Item;

/// Something that could not be carried over, or that became something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where in the file: `targets[0].tpgs[0].portals[1].iser`.
    pub place: String,
    /// What became of it, and why. Never a secret.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// The notes of one import.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<Note>>);

impl Notes {
    pub(super) fn add(&self, place: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Note { place: place.into(), message: message.into() });
    }

    pub(super) fn into_vec(self) -> Vec<Note> {
        self.0.into_inner()
    }
}

/// One object of the file, of which members are taken one by one.
pub(super) struct Object<'a> {
    place: String,
    members: BTreeMap<&'a str, &'a Value>,
    notes: &'a Notes,
}

impl<'a> Object<'a> {
    /// The object at a place; a note, and nothing, when it is none.
    pub(super) fn new(place: String, value: &'a Value, notes: &'a Notes) -> Option<Self> {
        let Some(members) = value.as_object() else {
            notes.add(place, format!("an object is expected, this is {}: left out", kind(value)));
            return None;
        };
        // Python's None stands for what is not there.
        let members = members.iter().filter(|(_, value)| !value.is_null());
        Some(Self { place, members: members.map(|(k, v)| (k.as_str(), v)).collect(), notes })
    }

    /// Where one of its members is.
    pub(super) fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Notes something about the object.
    pub(super) fn note(&self, message: impl Into<String>) {
        self.notes.add(self.place.clone(), message);
    }

    /// Notes something about a member.
    pub(super) fn note_at(&self, key: &str, message: impl Into<String>) {
        self.notes.add(self.at(key), message);
    }

    /// Notes something about a place below the object.
    pub(super) fn note_place(&self, place: String, message: impl Into<String>) {
        self.notes.add(place, message);
    }

    /// Takes a member of whatever kind.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a Value> {
        self.members.remove(key)
    }

    /// Takes a string.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.converted(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// Takes a whole number, which a string may hold.
    pub(super) fn number(&mut self, key: &str) -> Option<u64> {
        self.converted(key, "a whole number", |value| match value {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_u64(),
        })
    }

    /// Takes a truth value, for which 0 and 1 may stand.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.converted(key, "true or false", |value| match value {
            Value::String(text) => match text.trim() {
                "0" => Some(false),
                "1" => Some(true),
                _ => None,
            },
            Value::Number(number) => match number.as_u64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            value => value.as_bool(),
        })
    }

    /// Takes an object.
    pub(super) fn object(&mut self, key: &str) -> Option<Object<'a>> {
        let value = self.take(key)?;
        Object::new(self.at(key), value, self.notes)
    }

    /// Takes a list of objects; what in it is none is noted.
    pub(super) fn objects(&mut self, key: &str) -> Vec<Object<'a>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.note_at(key, format!("a list is expected, this is {}: left out", kind(value)));
            return Vec::new();
        };
        let each = items.iter().enumerate();
        each.filter_map(|(index, item)| {
            Object::new(format!("{}[{index}]", self.at(key)), item, self.notes)
        })
        .collect()
    }

    /// Takes all that is left, as settings by name; what is no value of a setting is noted.
    pub(super) fn settings(&mut self) -> Vec<Setting> {
        let members = std::mem::take(&mut self.members);
        let settings = members.into_iter().filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(value) => u8::from(*value).to_string(),
                _ => {
                    let message = format!("a setting is not {}: left out", kind(value));
                    self.note_at(name, message);
                    return None;
                }
            };
            Some(Setting { place: self.at(name), name: name.to_owned(), value: text })
        });
        settings.collect()
    }

    /// Takes all that is left as objects by name.
    pub(super) fn members(&mut self) -> Vec<(String, Object<'a>)> {
        let members = std::mem::take(&mut self.members);
        let object = |(name, value): (&str, &'a Value)| {
            Some((name.to_owned(), Object::new(self.at(name), value, self.notes)?))
        };
        members.into_iter().filter_map(object).collect()
    }

    /// Takes all that is left as TOML.
    pub(super) fn items(&mut self) -> Vec<(String, Item)> {
        let members = std::mem::take(&mut self.members);
        let item = |(name, value): (&str, &Value)| match Item::from_json(value) {
            Some(item) => Some((name.to_owned(), item)),
            None => {
                self.note_at(name, format!("nothing in a spec is {}: left out", kind(value)));
                None
            }
        };
        members.into_iter().filter_map(item).collect()
    }

    /// Notes whatever was not taken.
    pub(super) fn finish(self) {
        for key in self.members.keys() {
            self.note_at(key, "lunlab does not know this key: left out");
        }
    }

    fn converted<T>(
        &mut self,
        key: &str,
        expected: &str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let converted = convert(value);
        if converted.is_none() {
            let found = if value.is_string() { "a string that holds none" } else { kind(value) };
            self.note_at(key, format!("{expected} is expected, this is {found}: left out"));
        }
        converted
    }
}

/// One attribute or parameter, its value as the kernel would be given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Where in the file.
    pub(super) place: String,
    /// Its name.
    pub(super) name: String,
    /// Its value.
    pub(super) value: String,
}

/// What kind of value something is. Values themselves are not shown: they may be secrets.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_u64() => "a number",
        Value::Number(number) if number.is_i64() => "a negative number",
        Value::Number(_) => "a number that is not whole, or too large",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::{Notes, Object};
    use serde_json::json;

    #[test]
    fn what_is_left_over_or_of_another_kind_is_noted_with_its_place() {
        let notes = Notes::default();
        let value = json!({
            "a": "text", "b": 7, "c": "8", "d": 1e30, "e": [{}, 3, "x"], "f": null, "g": "secret",
            "h": "many", "i": "yes", "j": 7, "k": "x", "l": "x", "m": -1,
        });
        let mut object = Object::new("x[0]".into(), &value, &notes).unwrap();
        assert_eq!(object.text("a").as_deref(), Some("text"));
        assert_eq!((object.number("b"), object.number("c")), (Some(7), Some(8)));
        assert_eq!(object.number("d"), None);
        assert_eq!(object.objects("e").len(), 1);
        assert_eq!(object.text("f"), None);
        assert_eq!((object.number("h"), object.number("m")), (None, None));
        assert_eq!((object.flag("i"), object.text("j")), (None, None));
        assert!(object.object("k").is_none() && object.objects("l").is_empty());
        object.finish();
        let notes: Vec<_> = notes.into_vec().iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "x[0].d: a whole number is expected, this is a number that is not whole, or too \
                 large: left out",
                "x[0].e[1]: an object is expected, this is a number: left out",
                "x[0].e[2]: an object is expected, this is a string: left out",
                "x[0].h: a whole number is expected, this is a string that holds none: left out",
                "x[0].m: a whole number is expected, this is a negative number: left out",
                "x[0].i: true or false is expected, this is a string that holds none: left out",
                "x[0].j: a string is expected, this is a number: left out",
                "x[0].k: an object is expected, this is a string: left out",
                "x[0].l: a list is expected, this is a string: left out",
                "x[0].g: lunlab does not know this key: left out",
            ]
        );
    }
}
