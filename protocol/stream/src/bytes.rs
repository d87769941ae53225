//! A stream as bytes that are read and written, without the bounds of payloads.

use crate::{Abort, Error, Receive, Received, Stream, Transmit};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// A stream for whoever reads and writes bytes.
pub struct Bytes {
    sender: Box<dyn Transmit>,
    receiver: Box<dyn Receive>,
    abort: Arc<dyn Abort>,
    /// The payload that was received last, and how much of it was read.
    payload: Vec<u8>,
    read: usize,
}

impl Bytes {
    /// Takes a stream whose handshake is done.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        let Stream { sender, receiver, abort } = stream;
        Self { sender, receiver, abort, payload: Vec::new(), read: 0 }
    }

    /// What breaks it off from another thread.
    #[must_use]
    pub fn breaker(&self) -> Arc<dyn Abort> {
        Arc::clone(&self.abort)
    }

    /// Says that nothing more will be sent, and waits until the peer has said so too: nothing is on
    /// the way then.
    ///
    /// # Errors
    /// When the stream breaks before.
    pub fn end(mut self) -> Result<(), Error> {
        self.sender.end()?;
        while self.receiver.receive(None)? != Received::End {}
        Ok(())
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.payload.len() {
            self.payload.clear();
            self.read = 0;
            match self.receiver.receive(None).map_err(io::Error::other)? {
                Received::End => return Ok(0),
                Received::Payload(bytes) => self.payload.extend_from_slice(bytes),
            }
        }
        let left = self.payload.get(self.read..).unwrap_or(&[]);
        let count = left.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.read += count;
        Ok(count)
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sender.send(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
