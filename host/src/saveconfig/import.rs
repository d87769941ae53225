//! A saved configuration becomes a spec.

use std::fmt;

use serde_json::Value;

use super::document::Table;
use super::extension::Extension;
use super::reader::{Note, Notes, Object};
use super::secret::{SavedSecret, Secrets, chap};
use super::settle::settle;
use super::storage_object::StorageObjects;
use super::target::{self, Surroundings};
use crate::spec::Network;

/// The members by which a saved configuration is known.
const MEMBERS: [&str; 3] = ["storage_objects", "targets", "fabric_modules"];

/// The only fabric whose discovery has credentials.
const DISCOVERY_FABRIC: &str = "iscsi";

/// What an import is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Keep settings that are what they would be without being set.
    pub all: bool,
    /// How large a disk becomes when the file does not say, in bytes.
    pub disk_size: u64,
    /// The directory of the secrets, as the spec is to name it.
    pub secrets: String,
}

/// What came out of an import.
#[derive(Debug)]
pub struct Imported {
    /// The spec.
    pub spec: String,
    /// All that is not as it was.
    pub notes: Vec<Note>,
    /// The files the spec refers to.
    pub secrets: Vec<SavedSecret>,
}

/// Why a file cannot be imported at all.
#[derive(Debug, PartialEq, Eq)]
pub enum ImportError {
    /// It is not JSON: what, and where.
    NotJson(String),
    /// It is JSON of something else.
    NotSaveconfig,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(problem) => write!(f, "no saveconfig.json: {problem}"),
            Self::NotSaveconfig => {
                write!(f, "no saveconfig.json: it has none of {}", MEMBERS.join(", "))
            }
        }
    }
}

impl std::error::Error for ImportError {}

impl ImportError {
    /// What would help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            "`targetcli saveconfig FILE` writes one; the usual place is \
             /etc/target/saveconfig.json (or /etc/rtslib-fb-target/saveconfig.json)"
                .to_owned(),
        )
    }
}

/// Turns a saved configuration into a spec.
///
/// # Errors
/// When the text is no saved configuration.
pub fn import(text: &str, options: &Options) -> Result<Imported, ImportError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| ImportError::NotJson(error.to_string()))?;
    if !MEMBERS.iter().any(|member| value[*member].is_array()) {
        return Err(ImportError::NotSaveconfig);
    }
    let notes = Notes::default();
    let mut secrets = Secrets::new(&options.secrets);
    let tables = Object::new(String::new(), &value, &notes)
        .map(|root| tables(root, options, &mut secrets))
        .unwrap_or_default();
    let tables = settle(tables, &notes);
    let mut spec = "# Imported by lunlab from a saveconfig.json.\n".to_owned();
    tables.iter().for_each(|table| spec += &format!("\n{table}"));
    Ok(Imported { spec, notes: notes.into_vec(), secrets: secrets.into_vec() })
}

fn tables(mut root: Object<'_>, options: &Options, secrets: &mut Secrets) -> Vec<Table> {
    let Extension { network, disks, storage_objects, targets: extra } = Extension::take(&mut root);
    let mut objects = StorageObjects::new(disks, storage_objects);
    for object in root.objects(MEMBERS[0]) {
        objects.read(object, options);
    }
    let fabrics = root.objects(MEMBERS[2]);
    let discovery = fabrics.into_iter().filter_map(|fabric| discovery(fabric, secrets));
    let discovery: Vec<_> = discovery.collect();
    let own_address = network.as_deref() == Some(Network::User.name());
    let surroundings = Surroundings { objects: &objects, own_address, extra, options };
    let targets = target::read(root.objects(MEMBERS[1]), surroundings, secrets);
    root.finish();
    let mut mode = Table::new("[network]");
    mode.set_some("mode", network);
    let network = Some(mode).filter(|table| !table.is_empty());
    [network.into_iter().collect(), objects.into_tables(), discovery, targets].concat()
}

/// Discovery's credentials, the only thing of a fabric that is saved.
fn discovery(mut fabric: Object<'_>, secrets: &mut Secrets) -> Option<Table> {
    let name = fabric.text("name");
    if name.as_deref() != Some(DISCOVERY_FABRIC) {
        fabric.note(match name.filter(|name| !name.is_empty()) {
            Some(name) => {
                format!("settings of the fabric {name:?} have no place in a spec: left out")
            }
            None => "settings of a fabric without a name: left out".to_owned(),
        });
        return None;
    }
    let enabled = fabric.flag("discovery_enable_auth").unwrap_or(false);
    let mut chap = chap(&mut fabric, "discovery_", "discovery", secrets, enabled);
    if enabled && chap.is_none() {
        let (missing, variable) = secrets.missing();
        chap = Some(missing);
        fabric.note(format!(
            "discovery wants credentials and the file has none: the name is lunlab, the secret that \
             of {variable} in the environment"
        ));
    }
    let mut table = Table::new("[discovery]");
    table.set_some("chap", chap);
    fabric.finish();
    (!table.is_empty()).then_some(table)
}
