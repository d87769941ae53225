//! What a change makes of a target, thing by thing, in words: `+ LUN 3 → disk2 on iqn…`. Pure.

use super::Provisioning;
use configfs_rs::Change;
use configfs_rs::lio::rule::rule_at;
use configfs_rs::plan::{Step, Undo};
use std::collections::{BTreeMap, BTreeSet};

/// A line for each thing that goes (`-`), comes (`+`), or stays and is another (`~`), in that order; what belongs to a thing that
/// goes or comes as a whole is not told of by itself. What is secret is `…`.
#[must_use]
pub fn lines(old: &Provisioning, new: &Provisioning, change: &Change) -> Vec<String> {
    let (before, after) = (Tree::of(&old.steps), Tree::of(&new.steps));
    let gone = change.undo.iter().filter_map(|undo| match undo {
        Undo::RemoveDirectory { path } => Some(path.as_str()),
        _ => None,
    });
    let made = change.steps.iter().filter_map(|step| match step {
        Step::MakeDirectory { path } => Some(path.as_str()),
        _ => None,
    });
    let (gone, made): (BTreeSet<&str>, BTreeSet<&str>) = (gone.collect(), made.collect());
    let moved = |from: &[Step], on: &BTreeSet<&str>, off: &BTreeSet<&str>, tree: &Tree<'_>| {
        let paths = directories(from).filter(|path| on.contains(path) && !off.contains(path));
        paths.filter_map(|path| Some(noun(path)?.shown(tree.links.get(path)))).collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    lines.extend(marked('-', moved(&old.steps, &gone, &made, &before)));
    lines.extend(marked('-', machinery(old, new)));
    lines.extend(marked('+', machinery(new, old)));
    lines.extend(marked('+', moved(&new.steps, &made, &gone, &after)));
    let anew: BTreeSet<&str> = gone.intersection(&made).copied().collect();
    let again = directories(&new.steps).filter(|path| anew.contains(path));
    let links = |path: &str| (before.links.get(path), after.links.get(path));
    let again = again.filter_map(|path| Some(noun(path)?.made_anew(links(path))));
    lines.extend(marked('~', again.collect()));
    let comparison = Attributes { before, after, gone: &gone, made: &made };
    lines.extend(marked('~', comparison.lines(change)));
    lines
}

fn marked(mark: char, texts: Vec<String>) -> impl Iterator<Item = String> {
    texts.into_iter().map(move |text| format!("{mark} {text}"))
}

fn directories(steps: &[Step]) -> impl Iterator<Item = &str> {
    steps.iter().filter_map(|step| match step {
        Step::MakeDirectory { path } => Some(path.as_str()),
        _ => None,
    })
}

/// Devices and disks that only `these` have.
fn machinery(these: &Provisioning, those: &Provisioning) -> Vec<String> {
    let devices = these.devices.iter().filter(|device| !those.devices.contains(device));
    let devices = devices.map(|device| format!("device {} {}", device.kind.name(), device.name));
    let named = |name: &String| those.disks.iter().any(|disk| disk.name == *name);
    let disks = these.disks.iter().filter(|disk| !named(&disk.name));
    devices.chain(disks.map(|disk| format!("disk {}", disk.name))).collect()
}

/// A plan, to be looked up in.
struct Tree<'a> {
    /// What a link in a group leads to, by the group.
    links: BTreeMap<&'a str, &'a str>,
    attributes: BTreeMap<&'a str, Shown<'a>>,
}

/// A value to compare, and as it may be seen.
#[derive(PartialEq)]
struct Shown<'a> {
    value: &'a str,
    words: String,
}

impl<'a> Tree<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let mut tree = Self { links: BTreeMap::new(), attributes: BTreeMap::new() };
        for step in steps {
            match step {
                Step::Link { target, at } => {
                    let (group, _) = at.as_str().rsplit_once('/').unwrap_or_default();
                    tree.links.insert(group, target.as_str());
                }
                Step::WriteAttribute { path, value, .. } => {
                    let shown = Shown { value: value.expose(), words: value.to_string() };
                    tree.attributes.insert(path.as_str(), shown);
                }
                Step::MakeDirectory { .. } | Step::CreateFile { .. } => {}
            }
        }
        tree
    }
}

/// What a directory of the target tree is: `LUN 3`, where it is: `iqn…`.
struct Noun {
    what: String,
    of: Option<String>,
}

impl Noun {
    fn placed(&self, what: &str) -> String {
        self.of.as_ref().map_or_else(|| what.to_owned(), |of| format!("{what} on {of}"))
    }

    fn shown(&self, link: Option<&&str>) -> String {
        let to = link.map(|target| format!(" → {}", last(target)));
        self.placed(&format!("{}{}", self.what, to.unwrap_or_default()))
    }

    fn made_anew(&self, links: (Option<&&str>, Option<&&str>)) -> String {
        match links {
            (Some(old), Some(new)) if last(old) != last(new) => {
                format!("{}: {} → {}", self.placed(&self.what), last(old), last(new))
            }
            _ => format!("{}: made anew", self.shown(links.1)),
        }
    }
}

/// The last part of a path, a LUN as its number.
fn last(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("lun_").map_or_else(|| name.to_owned(), |lun| format!("LUN {lun}"))
}

/// Nothing for groups that nobody asks for by themselves, such as all of a fabric.
fn noun(path: &str) -> Option<Noun> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let at = |what: String, of: String| Some(Noun { what, of: Some(of) });
    match parts.as_slice() {
        ["core", hba, name] => Some(Noun { what: storage_object(hba, name), of: None }),
        ["core", _, name, "alua", group] => at(format!("ALUA group {group}"), (*name).to_owned()),
        ["iscsi" | "loopback", wwn] => Some(Noun { what: format!("target {wwn}"), of: None }),
        [_, wwn, tag] if tag.starts_with("tpgt_") => at(tpg_words(tag), (*wwn).to_owned()),
        [_, wwn, tag, "lun", lun] => at(last(lun), tpg(wwn, tag)),
        [_, wwn, tag, "np", portal] => at(format!("portal {portal}"), tpg(wwn, tag)),
        [_, wwn, tag, "acls", initiator] => at(format!("ACL {initiator}"), tpg(wwn, tag)),
        [_, wwn, tag, "acls", initiator, lun] if lun.starts_with("lun_") => {
            at(format!("mapped {} of {initiator}", last(lun)), tpg(wwn, tag))
        }
        _ => None,
    }
}

fn storage_object(hba: &str, name: &str) -> String {
    let backstore = hba.rsplit_once('_').map_or(hba, |(kind, _)| kind);
    let backstore = if backstore == "rd_mcp" { "ramdisk" } else { backstore };
    format!("storage object {name} ({backstore})")
}

fn tpg_words(tag: &str) -> String {
    format!("TPG {}", tag.trim_start_matches("tpgt_"))
}

/// A TPG; the first goes without saying.
fn tpg(wwn: &str, tag: &str) -> String {
    if tag == "tpgt_1" { wwn.to_owned() } else { format!("{wwn} {}", tpg_words(tag)) }
}

struct Attributes<'a> {
    before: Tree<'a>,
    after: Tree<'a>,
    gone: &'a BTreeSet<&'a str>,
    made: &'a BTreeSet<&'a str>,
}

impl Attributes<'_> {
    /// A line for each that has another value, of groups that were there and are.
    fn lines(&self, change: &Change) -> Vec<String> {
        let reset = change.undo.iter().filter_map(|undo| match undo {
            Undo::WriteAttribute { path, value } => Some((path.as_str(), value)),
            _ => None,
        });
        let written = change.steps.iter().filter_map(|step| match step {
            Step::WriteAttribute { path, value, .. } => Some((path.as_str(), value)),
            _ => None,
        });
        let reset = reset.filter(|(path, _)| self.within(self.gone, path).is_none());
        let reset = reset.map(|(path, value)| {
            (
                path,
                value.expose(),
                if value.expose() == NULL { "none".to_owned() } else { value.to_string() },
            )
        });
        let written = written.filter(|(path, _)| self.was_there(path));
        let written = written.map(|(path, value)| (path, value.expose(), value.to_string()));
        // One that a new plan sets after the old one's is set back is told of once.
        let all: BTreeMap<&str, (&str, String)> =
            reset.chain(written).map(|(path, value, words)| (path, (value, words))).collect();
        let lines = all.into_iter().filter_map(|(path, new)| self.line(path, &new));
        let dropped = self.dropped();
        lines.chain(dropped).collect()
    }

    /// What was set in a group that is made anew and is not set any more.
    fn dropped(&self) -> impl Iterator<Item = String> {
        let gone = self.before.attributes.iter().filter(|(path, _)| {
            let remade =
                self.within(self.gone, path).is_some_and(|group| self.made.contains(group));
            remade && !self.after.attributes.contains_key(*path)
        });
        gone.filter_map(|(path, _)| self.line(path, &own(path)))
    }

    fn line(&self, path: &str, (new, words): &(&str, String)) -> Option<String> {
        let own = own(path);
        let old = self.before.attributes.get(path).map(|old| (old.value, old.words.clone()));
        let (old, old_words) = old.unwrap_or(own);
        (old != *new).then(|| format!("{}: {old_words} → {words}", attribute_name(path)))
    }

    /// Whether the group of an attribute is no new one, or is made anew.
    fn was_there(&self, path: &str) -> bool {
        self.within(self.made, path).is_none_or(|group| self.gone.contains(group))
    }

    /// The innermost of these groups that a path is in.
    fn within<'b>(&self, groups: &BTreeSet<&'b str>, path: &str) -> Option<&'b str> {
        let ends = path.rmatch_indices('/').filter_map(|(at, _)| path.get(..at));
        ends.into_iter().find_map(|group| groups.get(group).copied())
    }
}

/// How LIO prints credentials that there are none of.
const NULL: &str = "NULL";

/// What LIO has by itself.
fn own(path: &str) -> (&'static str, String) {
    let own = rule_at(path).and_then(|rule| rule.default);
    let words = own.filter(|own| !own.is_empty()).unwrap_or("LIO's own");
    let words = if words == NULL { "none" } else { words };
    (own.unwrap_or_default(), words.to_owned())
}

/// `attrib emulate_tpu of storage object disk0 (fileio)`.
fn attribute_name(path: &str) -> String {
    let mut ends = path.rmatch_indices('/').map(|(at, _)| path.split_at(at));
    let known = ends.find_map(|(group, rest)| Some((noun(group)?, rest)));
    match known {
        Some((noun, rest)) if !path.contains("/discovery_auth/") => {
            let rest = rest.trim_start_matches('/').replace('/', " ");
            format!("{rest} of {}", noun.placed(&noun.what))
        }
        _ => path.trim_start_matches("target/iscsi/").replace('/', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{block, object, planned, spec};
    use super::lines;
    use configfs_rs::difference;

    const IQN: &str = "iqn.2024-05.org.example:one";

    /// A fileio and a ramdisk, LUNs that export them, and what else is in the TPG.
    fn text(luns: &str, rest: &str) -> String {
        let objects =
            object("a", "backstore = \"fileio\"") + &object("b", "backstore = \"ramdisk\"");
        format!(
            "{objects}[[target]]\nwwn = \"{IQN}\"\n[[target.tpg]]\nluns = [{luns}]\n\
             portals = [\"127.0.0.1:3260\"]\ndemo_mode = \"off\"\n{rest}"
        )
    }

    fn between(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (planned(&spec(old)), planned(&spec(new)));
        lines(&old, &new, &difference(&old.steps, &new.steps).unwrap())
    }

    const A: &str = "{ lun = 0, storage_object = \"a\" }";
    const B: &str = "{ lun = 0, storage_object = \"b\" }";

    #[test]
    fn what_changes_is_named_thing_by_thing() {
        let both = format!("{A}, {}", B.replace("lun = 0", "lun = 3"));
        let acl = "[[target.tpg.acl]]\ninitiator = \"iqn.2024-05.org.example:i\"\n";
        let protect = "mapped_luns = [{ mapped_lun = 0, lun = 0, write_protect = true }]\n";
        let attribute = "attributes = { login_timeout = 20 }\n";
        let parameter = "parameters = { MaxConnections = 2 }\n";
        let chap = "chap = { userid = \"anyone\", password_env = \"X\" }\n";
        let loopback = "[[target]]\nfabric = \"loopback\"\nwwn = \"naa.5001405000000001\"\n\
            [[target.tpg]]\nluns = [{ lun = 0, storage_object = \"b\" }]\n";
        let (base, acl_name) = (text(A, ""), "iqn.2024-05.org.example:i");
        for (new, expected) in [
            (text(&both, ""), vec![format!("+ LUN 3 → b on {IQN}")]),
            (text(B, ""), vec![format!("~ LUN 0 on {IQN}: a → b")]),
            (
                text(A, acl),
                vec![
                    format!("+ ACL {acl_name} on {IQN}"),
                    format!("+ mapped LUN 0 of {acl_name} → LUN 0 on {IQN}"),
                ],
            ),
            (
                text(A, attribute),
                vec![format!("~ attrib login_timeout of TPG 1 on {IQN}: 15 → 20")],
            ),
            (text(A, parameter), vec![format!("~ param MaxConnections of TPG 1 on {IQN}: 1 → 2")]),
            (
                base.clone() + &block("c", "device = \"null_blk\""),
                vec!["+ device null_blk c".into(), "+ storage object c (iblock)".into()],
            ),
            (
                base.clone() + loopback,
                vec![
                    "+ disk loopback~naa.5001405000000001~1~0".into(),
                    "+ target naa.5001405000000001".into(),
                    "+ TPG 1 on naa.5001405000000001".into(),
                    "+ LUN 0 → b on naa.5001405000000001".into(),
                ],
            ),
        ] {
            assert_eq!(between(&base, &new), expected, "{new}");
        }
        // And the other way round.
        let (with, protected) = (text(A, acl), text(A, &(acl.to_owned() + protect)));
        assert_eq!(
            between(&with, &protected),
            [format!("~ write_protect of mapped LUN 0 of {acl_name} on {IQN}: 0 → 1")]
        );
        assert_eq!(
            between(&with, &base),
            [
                format!("- ACL {acl_name} on {IQN}"),
                format!("- mapped LUN 0 of {acl_name} → LUN 0 on {IQN}"),
            ]
        );
        assert_eq!(
            between(&text(A, attribute), &base),
            [format!("~ attrib login_timeout of TPG 1 on {IQN}: 20 → 15")]
        );
        let secret = between(&base, &text(A, chap));
        assert!(secret.iter().all(|line| !line.contains("good-secret")), "{secret:?}");
        let password = format!("~ auth password of TPG 1 on {IQN}: none → …");
        assert!(secret.contains(&password), "{secret:?}");
    }

    #[test]
    fn what_has_not_changed_is_not_named() {
        let same = text(A, "");
        assert_eq!(between(&same, &format!("# moved\n{same}")), [""; 0]);
    }
}
