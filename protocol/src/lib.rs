//! What the host and the agent say to each other: types, framing and version policy.
//!
//! Everything here is pure: no std, no alloc, no input or output, no clock. Messages borrow from
//! the frame they arrived in, so the frame's bound ([`frame::MAX_FRAME`]) bounds every field.
//!
//! A *stream* carries [`frame`]s both ways. Its first frame each way is a [`hello::Hello`]. Stream
//! 0 is control: host to guest it carries [`request::Request`]s, guest to host
//! [`event::Event`]s, one a frame. Any other stream carries plain bytes in its frames.

#![no_std]

pub mod event;
pub mod frame;
pub mod hello;
pub mod message;
pub mod mux;
pub mod request;
pub mod target;
pub mod version;
