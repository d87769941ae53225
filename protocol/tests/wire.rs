//! The bytes on the wire, one file per protocol version.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "wire/v1.rs"]
mod v1;
