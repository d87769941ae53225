//! Attributes and parameters to set, in the order in which the kernel takes them.

use crate::lio::name::AttributeName;
use crate::lio::rule::{self, Group};
use crate::value::Value;

/// What to write into one group, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(AttributeName, Value)>);

impl Attributes {
    /// Sets nothing: the kernel's defaults stand.
    pub fn new() -> Attributes {
        Attributes::default()
    }

    /// Sets `name`; a value set before is replaced.
    pub fn set(&mut self, name: AttributeName, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Gives the value set for `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value)
    }

    /// Gives all of them as they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Gives the value set for `name` as what the kernel reads it for.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        rule::boolean(self.get(name)?.expose())
    }

    /// Gives the value set for `name` as a number; a boolean is 0 or 1.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?.expose();
        rule::number(value).or_else(|| rule::boolean(value).map(i64::from))
    }

    /// Puts values as the kernel prints them; those that are unknown or wrong stay.
    pub(crate) fn normalise(&mut self, group: Group) {
        for (name, value) in &mut self.0 {
            let rule = group.rule(name.as_str());
            if let Some(Ok(normal)) = rule.map(|rule| rule.check(value.expose())) {
                *value = Value::from_checked(normal);
            }
        }
    }

    /// Gives all of them in the order to write them in: as they were set, but with those first that the kernel lets
    /// overwrite others, and those last that depend on others.
    pub fn in_order(&self) -> Vec<(&AttributeName, &Value)> {
        let mut ordered: Vec<_> = self.0.iter().map(|(name, value)| (name, value)).collect();
        ordered.sort_by_key(|(name, _)| rank(name.as_str()));
        ordered
    }
}

/// Storing `block_size` recomputes the limits that `optimal_sectors` is checked against, `pi_prot_format` needs a type,
/// and storing `generate_node_acls` sets `cache_dynamic_acls`.
fn rank(name: &str) -> u8 {
    match name {
        "block_size" | "pi_prot_type" => 0,
        "optimal_sectors" | "cache_dynamic_acls" | "pi_prot_format" => 2,
        _ => 1,
    }
}

impl FromIterator<(AttributeName, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (AttributeName, Value)>>(pairs: I) -> Attributes {
        let mut attributes = Attributes::new();
        pairs.into_iter().for_each(|(name, value)| attributes.set(name, value));
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_again_replaces() {
        let mut attributes = Attributes::new();
        attributes.set(AttributeName::literal("authentication"), Value::from(false));
        attributes.set(AttributeName::literal("authentication"), Value::from(true));
        assert_eq!(attributes.in_order().len(), 1);
        assert_eq!(attributes.get("authentication"), Some(&Value::from(true)));
    }

    #[test]
    fn what_overwrites_others_is_written_first() {
        let names = ["optimal_sectors", "emulate_tpu", "block_size", "is_nonrot"];
        let attributes: Attributes =
            names.map(|name| (AttributeName::literal(name), Value::from(1))).into_iter().collect();
        let order: Vec<_> = attributes.in_order().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(order, ["block_size", "emulate_tpu", "is_nonrot", "optimal_sectors"]);
    }
}
