//! Both ends of every kind of stream in one process, over Unix socket pairs.
//!
//! Nothing here sleeps. What must arrive is waited for up to [`pair::soon`]; what must not arrive
//! is a deadline of a few milliseconds, and the deadline is then the event.

mod direct;
mod either;
mod handshake;
mod mux;
mod pair;
mod splice;
