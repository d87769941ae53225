//! A whole description, checked across its parts.

use std::fmt;

use crate::lio::check;
use crate::lio::iscsi::{Discovery, Target};
use crate::lio::loopback;
use crate::lio::storage_object::StorageObject;

/// What a [`Configuration`] is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What is exported.
    pub storage_objects: Vec<StorageObject>,
    /// Who exports it over iSCSI.
    pub targets: Vec<Target>,
    /// Who exports it to this machine itself.
    pub loopback_targets: Vec<loopback::Target>,
    /// Who may discover the iSCSI targets; else everybody.
    pub discovery: Option<Discovery>,
    /// What becomes of attributes that this crate has no rule for.
    pub unknown_attributes: UnknownAttributes,
}

/// What becomes of attributes that this crate has no rule for: newer kernels have some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownAttributes {
    /// Each is a fault.
    #[default]
    Refuse,
    /// Each is written as it is, and is one of the [doubts](Configuration::doubts).
    Allow,
}

/// Storage objects and the targets that export them, free of contradictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    parts: Parts,
    doubts: Vec<Fault>,
}

/// Which part a fault is in; the numbers count from 0 in the vectors of [`Parts`], outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A storage object.
    StorageObject(usize),
    /// An ALUA group of a storage object.
    AluaGroup(usize, usize),
    /// An iSCSI target.
    Target(usize),
    /// A TPG of an iSCSI target.
    Tpg(usize, usize),
    /// A portal of a TPG.
    Portal(usize, usize, usize),
    /// A LUN of a TPG.
    TpgLun(usize, usize, usize),
    /// An ACL of a TPG.
    Acl(usize, usize, usize),
    /// A mapped LUN of an ACL.
    MappedLun(usize, usize, usize, usize),
    /// A loopback target.
    LoopbackTarget(usize),
    /// A TPG of a loopback target.
    LoopbackTpg(usize, usize),
    /// A LUN of a loopback TPG.
    LoopbackLun(usize, usize, usize),
}

/// What is wrong, or doubtful, in a description. Prints as one sentence that names the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The attribute or parameter it is about, where it is about one.
    pub attribute: Option<String>,
    /// The sentence.
    pub problem: String,
    /// A way out.
    pub hint: Option<&'static str>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Fault {}

impl Configuration {
    /// Checks a description, and puts the values of known attributes as the kernel prints them; an error has all faults.
    pub fn new(mut parts: Parts) -> Result<Configuration, Vec<Fault>> {
        let found = check::check(&parts);
        if !found.faults.is_empty() {
            return Err(found.faults);
        }
        check::normalise(&mut parts);
        Ok(Configuration { parts, doubts: found.doubts })
    }

    /// Gives the parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Gives what is no contradiction, and yet perhaps not meant.
    pub fn doubts(&self) -> &[Fault] {
        &self.doubts
    }
}
