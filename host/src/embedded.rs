//! The guest's programs inside this one, as `make build` embedded them.

use crate::error::Error;

static AGENT: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/agent.rs"));

static WORKLOADS: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/workloads.rs"));

/// The agent's executable.
///
/// # Errors
/// Environment, when the program was built by a bare `cargo build`.
pub fn agent() -> Result<&'static [u8], Error> {
    AGENT.ok_or_else(|| lacking("its agent"))
}

/// The executable that runs workloads.
///
/// # Errors
/// As for [`agent`].
pub fn workloads() -> Result<&'static [u8], Error> {
    WORKLOADS.ok_or_else(|| lacking("the program that runs workloads"))
}

fn lacking(what: &str) -> Error {
    Error::environment(format!("this lunlab was built without {what}"))
        .with_hint("run `make build`")
}
