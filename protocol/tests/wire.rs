//! The bytes on the wire, one file per protocol version.

#[path = "wire/v1.rs"]
mod v1;
