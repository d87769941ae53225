//! The agent inside this program.

use crate::error::Error;

static AGENT: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/agent.rs"));

/// The agent's executable, as `make build` embedded it.
///
/// # Errors
/// Environment, when the program was built by a bare `cargo build`.
pub fn agent_image() -> Result<&'static [u8], Error> {
    AGENT.ok_or_else(|| {
        Error::environment("this lunlab was built without its agent").with_hint("run `make build`")
    })
}
