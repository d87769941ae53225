//! Both ends of every kind of stream in one process, over Unix socket pairs.
//!
//! Nothing here sleeps. What must arrive is waited for up to [`pair::soon`]; what must not arrive
//! is a deadline of a few milliseconds, and the deadline is then the event.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod direct;
mod either;
mod handshake;
mod mux;
mod pair;
mod splice;
