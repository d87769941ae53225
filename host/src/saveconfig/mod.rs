//! targetcli's saved configuration (`/etc/target/saveconfig.json`), from and to a spec.
//!
//! The form is what rtslib-fb 2.1.73 to 2.2 writes and reads: `docs/saveconfig.md` has each key and
//! what becomes of it. [`import`] never fails for what a file says, only for what is no such file:
//! whatever a spec cannot say comes back as a [`Note`].

mod document;
mod export;
mod extension;
mod import;
mod portal;
mod reader;
#[cfg(test)]
mod round_trip;
mod secret;
mod settings;
mod settle;
mod storage_object;
mod target;
#[cfg(test)]
mod tests;
mod write;

pub use export::{Chosen, Exported, export};
pub use import::{ImportError, Imported, Options, import};
pub use reader::Note;
pub use secret::SavedSecret;
