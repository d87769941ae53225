//! What the end-to-end tests share: start `lunlab`, wait for what it says, look at what it left.
//!
//! - [`Lunlab`] is a command line in a directory of its own; it is run to its [`Finished`] end,
//!   started to be watched as [`Running`], or held as an iSCSI target, [`Held`].
//! - [`Leftovers`] remembers the processes and ports of a run and says which outlived it.
//! - [`browser`] is headless Chromium.
//! - [`boots`] keeps more machines from booting at once than the host can bear.
//! - [`tools`] are the programs of others that the tests drive, [`clients`] those that are initiators;
//!   [`ports`] are free ones for portals.
//!
//! Nothing here sleeps: waits are for a line, a process's end or a condition of the kernel's, and
//! each has a deadline. What fails says why: standard error, and the console's last lines.

pub mod boots;
pub mod browser;
pub mod clients;
mod command;
pub mod controls;
mod finished;
mod held;
pub mod kernels;
mod leftovers;
pub mod ports;
mod rendezvous;
pub mod rtslib;
mod running;
pub mod tools;
mod watched;

pub use command::{Lunlab, write_program};
pub use finished::{Finished, Verdict};
pub use held::Held;
pub use leftovers::{Leftovers, Process, descendants};
pub use rendezvous::{Rendezvous, Standstill};
pub use running::Running;
pub use watched::Watched;

use std::path::PathBuf;
use std::time::Duration;

/// What anything here may take before it counts as stuck. A boot takes 2 to 4 s on a quiet
/// machine; busy ones are several times slower.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// What may pass between the end of a run and that of everything it started.
pub const GRACE: Duration = Duration::from_secs(2);

/// The program under test: `$LUNLAB`, else the release build of this workspace.
#[must_use]
pub fn program() -> PathBuf {
    built("LUNLAB", "target/release/lunlab")
}

/// The agent: `$LUNLAB_AGENT`, else where `make build` leaves it.
#[must_use]
pub fn agent() -> PathBuf {
    built("LUNLAB_AGENT", "target/agent/x86_64-unknown-linux-musl/agent/lunlab-agent")
}

/// Something that `make` built.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn built(variable: &str, place: &str) -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = std::env::var_os(variable).map_or_else(|| workspace.join(place), PathBuf::from);
    path.canonicalize().unwrap_or_else(|error| {
        panic!("{}: {error}\nhint: `make build` makes it, ${variable} names it", path.display())
    })
}
