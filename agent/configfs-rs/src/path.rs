//! Paths below a configfs root that cannot leave it.

use std::fmt;

use crate::invalid::Invalid;

const MAX_COMPONENT: usize = 255;
const MAX_PATH: usize = 2048;

/// A path relative to the root of a tree: one or more names, none of them empty, `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreePath(String);

/// A name that is one path component by construction: a literal of this crate or a checked newtype.
pub(crate) trait Component: fmt::Display {}

impl Component for &'static str {}

impl TreePath {
    /// Checks a path that came from outside.
    pub fn new(path: &str) -> Result<TreePath, Invalid> {
        if path.len() > MAX_PATH {
            return Err(Invalid::new("path", path, format!("is longer than {MAX_PATH} bytes")));
        }
        path.split('/').try_for_each(|component| check_component(path, component))?;
        Ok(TreePath(path.to_owned()))
    }

    /// Adds one component that came from outside.
    pub fn child(&self, component: &str) -> Result<TreePath, Invalid> {
        TreePath::new(&format!("{self}/{component}"))
    }

    /// Adds one component that is known to be one.
    pub(crate) fn join(&self, component: impl Component) -> TreePath {
        TreePath(format!("{self}/{component}"))
    }

    /// Starts a path with a literal.
    pub(crate) fn start(component: &'static str) -> TreePath {
        TreePath(component.to_owned())
    }

    /// Gives the whole path, without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Gives the path of the directory this one is in, unless that is the root.
    pub fn parent(&self) -> Option<TreePath> {
        self.0.rsplit_once('/').map(|(parent, _)| TreePath(parent.to_owned()))
    }
}

fn check_component(path: &str, component: &str) -> Result<(), Invalid> {
    let problem = match component {
        "" => "has an empty component or a slash at an end",
        "." | ".." => "has a component that is . or ..",
        long if long.len() > MAX_COMPONENT => "has a component longer than 255 bytes",
        odd if odd.chars().any(char::is_control) => "contains a control character",
        _ => return Ok(()),
    };
    Err(Invalid::new("path", path, problem))
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_leaves_the_tree() {
        let core = TreePath::new("target/core").unwrap();
        for outside in ["", ".", "..", "a/../../b", "/etc", "a//b", "a/", "a\nb", "a\0b"] {
            assert!(TreePath::new(outside).is_err(), "{outside:?}");
            assert!(core.child(outside).is_err(), "child {outside:?}");
        }
    }

    #[test]
    fn name_and_parent_split_at_the_last_slash() {
        let path = TreePath::new("target/core/fileio_0").unwrap();
        assert_eq!(path.name(), "fileio_0");
        assert_eq!(path.parent(), Some(TreePath::new("target/core").unwrap()));
        assert_eq!(TreePath::new("target").unwrap().parent(), None);
    }
}
