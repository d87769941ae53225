//! A stream that has a descriptor to itself: a connected vsock or Unix socket, or the virtio-serial
//! port that carries control.

use crate::{Abort, Error, Receive, Received, Stream, Transmit, time_left};
use lunlab_protocol::frame::{Decoder, END, Frame, HEADER, MAX_PAYLOAD, RESET, header, is_whole};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, IoSlice, retry_on_intr, write, writev};
use rustix::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Bytes read at once: a few frames, so that bulk needs few calls.
const READ_SIZE: usize = 64 * 1024;

/// Bytes written at once, two or more frames of bulk.
///
/// A guest's vsock sends what it is given at once as one packet. Of more than 32 KiB, less a socket
/// buffer's overhead, Linux has made several descriptors since 6.17 and in late 6.12
/// (net/vmw_vsock/virtio_transport_common.c, `virtio_transport_alloc_skb`), and vhost-device-vsock
/// 0.3.0 takes the first only: the stream would stall.
const WRITE: usize = 31 * 1024;

/// The payload of a frame of bulk.
const PIECE: usize = WRITE / 2 - HEADER;

/// Makes a stream of a connected descriptor in blocking mode.
#[must_use]
pub fn stream(fd: OwnedFd) -> Stream {
    let fd = Arc::new(fd);
    Stream {
        sender: Box::new(Sender { fd: Arc::clone(&fd) }),
        abort: Arc::new(Breaker { fd: Arc::downgrade(&fd) }),
        receiver: Box::new(Receiver::new(fd)),
    }
}

/// Writes frames to a descriptor.
pub(crate) struct Sender {
    fd: Arc<OwnedFd>,
}

impl Sender {
    pub(crate) fn new(fd: Arc<OwnedFd>) -> Self {
        Self { fd }
    }

    /// Writes one frame whose payload is in pieces.
    pub(crate) fn send_parts(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        let head = header(parts.iter().map(|part| part.len()).sum())?;
        let mut all = Vec::with_capacity(parts.len() + 1);
        all.push(IoSlice::new(&head));
        all.extend(parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)));
        write_all(&self.fd, &mut all)
    }

    /// Writes frames, as many at once as [`WRITE`] allows.
    fn send_frames<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> Result<(), Error> {
        let mut frames = Vec::with_capacity(WRITE);
        for payload in payloads {
            let head = header(payload.len())?;
            if frames.len() + HEADER + payload.len() > WRITE {
                write_all(&self.fd, &mut [IoSlice::new(&frames)])?;
                frames.clear();
            }
            frames.extend_from_slice(&head);
            frames.extend_from_slice(payload);
        }
        match frames.as_slice() {
            [] => Ok(()),
            last => write_all(&self.fd, &mut [IoSlice::new(last)]),
        }
    }
}

impl Transmit for Sender {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // What fits one frame stays one.
        let piece = if bytes.len() <= MAX_PAYLOAD { MAX_PAYLOAD } else { PIECE };
        self.send_frames(bytes.chunks(piece))
    }

    fn send_each(&mut self, payloads: &[&[u8]]) -> Result<(), Error> {
        self.send_frames(payloads.iter().copied())
    }

    fn end(&mut self) -> Result<(), Error> {
        write_all(&self.fd, &mut [IoSlice::new(&END)])
    }
}

fn write_all(fd: &OwnedFd, mut parts: &mut [IoSlice<'_>]) -> Result<(), Error> {
    while !parts.is_empty() {
        let n = retry_on_intr(|| writev(fd, parts))?;
        if n == 0 {
            return Err(Error::Closed);
        }
        IoSlice::advance_slices(&mut parts, n);
    }
    Ok(())
}

/// Reads frames from a descriptor.
pub(crate) struct Receiver {
    fd: Arc<OwnedFd>,
    decoder: Box<Decoder>,
    buffer: Vec<u8>,
    /// What of `buffer` was read and not decoded yet.
    unread: std::ops::Range<usize>,
}

impl Receiver {
    pub(crate) fn new(fd: Arc<OwnedFd>) -> Self {
        let buffer = vec![0; READ_SIZE];
        Self { fd, decoder: Box::new(Decoder::new()), buffer, unread: 0..0 }
    }

    /// Closes the transport in both directions, where it can be: a character device cannot.
    pub(crate) fn shut_down(&self) {
        let _best_effort = rustix::net::shutdown(&*self.fd, Shutdown::Both);
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or(&[])
    }

    /// Reads more, waiting for it at most until the deadline.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        if deadline.is_some() && !wait_readable(&self.fd, deadline)? {
            return Err(Error::Silent(self.decoder.partial()));
        }
        match retry_on_intr(|| rustix::io::read(&*self.fd, &mut self.buffer))? {
            0 => Err(Error::Closed),
            n => {
                self.unread = 0..n;
                Ok(())
            }
        }
    }
}

impl Receive for Receiver {
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Received<'_>, Error> {
        loop {
            let mut input = self.buffer.get(self.unread.clone()).unwrap_or(&[]);
            let before = input.len();
            self.decoder.feed(&mut input)?;
            self.unread.start += before - input.len();
            // Handed out below: a borrow that is returned cannot live on in the loop. The frame
            // that ended the stream stays current, so that asking again does not wait.
            if self.decoder.current().is_some() {
                break;
            }
            self.fill(deadline)?;
        }
        match self.decoder.current() {
            Some(Frame::Payload(payload)) => Ok(Received::Payload(payload)),
            Some(Frame::End) => Ok(Received::End),
            Some(Frame::Reset) | None => Err(Error::Reset),
        }
    }

    fn is_ready(&self) -> bool {
        self.decoder.partial().is_none() && is_whole(self.unread())
    }
}

/// Waits until there is something to read, or the peer closed; false when the deadline passes.
fn wait_readable(fd: &OwnedFd, deadline: Option<Instant>) -> Result<bool, Error> {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    match retry_on_intr(|| poll(&mut fds, time_left(deadline).as_ref())) {
        Ok(n) => Ok(n > 0),
        Err(errno) => Err(errno.into()),
    }
}

/// Does not keep the descriptor open.
struct Breaker {
    fd: Weak<OwnedFd>,
}

impl Abort for Breaker {
    fn abort(&self) {
        let Some(fd) = self.fd.upgrade() else { return };
        // Best effort: a peer that does not read, or is gone, learns it by the shutdown. Sent in
        // one piece or not at all; between a frame's pieces it is garbage, which ends it as well.
        let _sent = retry_on_intr(|| {
            match rustix::net::send(
                &*fd,
                &RESET,
                rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL,
            ) {
                Err(Errno::NOTSOCK) => write(&*fd, &RESET),
                other => other,
            }
        });
        let _closed = rustix::net::shutdown(&*fd, Shutdown::Both);
    }
}
