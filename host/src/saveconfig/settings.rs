//! Attributes and parameters: which of them a spec has to say, and how it writes them.

use configfs_rs::lio::rule::{Group, Kind};

use super::document::Item;
use super::reader::{Object, Setting};

/// What is known of a group when its settings are read.
pub(super) struct Known<'a> {
    /// The group, for what LIO takes and has by itself.
    pub(super) group: Group,
    /// What a setting is when the spec does not say, where that is not LIO's own value.
    pub(super) unset: &'a dyn Fn(&str) -> Option<&'static str>,
    /// Keep what is no different from that.
    pub(super) all: bool,
}

/// Takes the settings below a key.
pub(super) fn take(object: &mut Object<'_>, key: &str) -> Vec<Setting> {
    object.object(key).map(|mut group| group.settings()).unwrap_or_default()
}

/// Takes one setting out of a list.
pub(super) fn remove(settings: &mut Vec<Setting>, name: &str) -> Option<String> {
    let index = settings.iter().position(|setting| setting.name == name)?;
    Some(settings.remove(index).value)
}

/// What a list of settings becomes in a spec: the entries of a table, and whether some of them are
/// unknown to lunlab.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) entries: Vec<(String, Item)>,
    pub(super) unknown: bool,
}

impl Known<'_> {
    /// Keeps what a spec has to say; the rest is noted unless it makes no difference.
    pub(super) fn keep(&self, settings: Vec<Setting>, object: &Object<'_>) -> Kept {
        let mut kept = Kept::default();
        for setting in settings {
            self.keep_one(setting, object, &mut kept);
        }
        kept
    }

    fn keep_one(&self, setting: Setting, object: &Object<'_>, kept: &mut Kept) {
        let Setting { place, name, value } = setting;
        let Some(rule) = self.group.rule(&name) else {
            if self.all {
                kept.entries.push((name, Item::Text(value)));
                kept.unknown = true;
            } else {
                object.note_place(place, "lunlab does not know it: left out (--all keeps it)");
            }
            return;
        };
        let unset = (self.unset)(&name).or(rule.default);
        let is_unset = |value: &str| unset == Some(value);
        match rule.check(&value) {
            Ok(normal) if is_unset(&normal) && !self.all => {}
            Ok(normal) => kept.entries.push((name, item(rule.kind, normal))),
            Err(_) if is_unset(&value) => {}
            Err(problem) => object.note_place(place, format!("{value:?} {problem}: left out")),
        }
    }
}

/// A value that the kernel takes, as a spec writes it.
fn item(kind: Kind, value: String) -> Item {
    match (kind, value.parse()) {
        (Kind::Boolean, _) => Item::Boolean(value == "1"),
        (Kind::Number(..) | Kind::ZeroOr(..) | Kind::OneOf(_), Ok(number)) => Item::Integer(number),
        _ => Item::Text(value),
    }
}
