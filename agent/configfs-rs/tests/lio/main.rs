//! The planner and what carries it out, together.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod change;
mod descriptions;
mod dice;
mod fake_root;
mod faults;
mod laws;
mod model;
mod provision;
