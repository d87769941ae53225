//! The page of one or more results: data in, one self-contained HTML file or CSV out.
//!
//! Nothing here reads or writes a file. A section is a function from the runs to HTML, and gives
//! nothing where there is nothing to show; text that is not lunlab's own is escaped in `html`.

mod axis;
mod csv;
mod curve;
mod forest;
mod header;
mod html;
mod lanes;
mod latency;
mod measured;
mod numbered;
mod page;
mod plot;
mod quantity;
mod raw;
mod role;
mod scaling;
pub mod sparkline;
mod sweep;
mod throughput;
mod timeline;

#[cfg(test)]
mod tests;

pub use csv::csv;
pub use forest::Comparison;
pub use page::page;

use crate::result::Document;

/// Which of the two things compared a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// What is compared with.
    A,
    /// What is compared.
    B,
}

/// A result as a page shows it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the page calls it.
    pub label: String,
    /// Its side, where two are compared.
    pub side: Option<Side>,
    /// Whether it was cut short: its directory is still `.incomplete`.
    pub incomplete: bool,
    /// The document.
    pub document: Document,
    /// The document's own text, with keys that this version may not know.
    pub json: String,
}
