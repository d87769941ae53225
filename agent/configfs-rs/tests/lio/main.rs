//! The planner and what carries it out, together.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod descriptions;
mod fake_root;
mod laws;
mod provision;
