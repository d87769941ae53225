//! What follows the text of a login's answers, made zero before libiscsi sees it.
//!
//! A PDU's data is padded to four bytes. The padding means nothing, but ought to be zero (RFC 7143 11.1).
//! LIO sends what an earlier answer left in its buffer; libiscsi up to 1.19 looks for keys in it, and gives up where it
//! finds no NUL. So while a login with CHAP lasts, its PDUs pass through here; then libiscsi gets its own
//! connection back, and what is measured is what it would be without. `docs/lio.md` has the whole story.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};

const HEADER: usize = 48;
const LOGIN_RESPONSE: u8 = 0x23;
/// Of a login's answer; LIO's have 8 KiB at most.
const DATA_MAX: usize = 1 << 16;

/// Stands between libiscsi and the target for as long as a login lasts.
pub(super) struct Filter {
    target: TcpStream,
    library: UnixStream,
    answer: Vec<u8>,
    /// The last answer was seen: what the target sends now is not read here.
    over: bool,
}

impl Filter {
    /// Between the target and a socket whose other end libiscsi has.
    pub(super) fn new(target: OwnedFd, library: UnixStream) -> io::Result<Self> {
        library.set_nonblocking(true)?;
        Ok(Self { target: target.into(), library, answer: Vec::new(), over: false })
    }

    /// What to wait for beside libiscsi's own descriptor.
    pub(super) fn descriptors(&self) -> [PollFd<'_>; 2] {
        let answers = if self.over { PollFlags::empty() } else { PollFlags::IN };
        [PollFd::new(&self.target, answers), PollFd::new(&self.library, PollFlags::IN)]
    }

    /// Passes on what is there; never waits.
    pub(super) fn pass(&mut self) -> io::Result<()> {
        self.pass_requests()?;
        while !self.over {
            let Some(bytes) = receive(&mut self.target, missing(&self.answer)?)? else { break };
            self.answer.extend(&bytes);
            if bytes.is_empty() {
                self.over = true;
                self.library.shutdown(Shutdown::Write)?;
            } else if missing(&self.answer)? == 0 {
                blank_padding(&mut self.answer);
                self.over = ends_login(&self.answer);
                self.library.write_all(&self.answer)?;
                self.answer.clear();
            }
        }
        Ok(())
    }

    fn pass_requests(&mut self) -> io::Result<()> {
        while let Some(bytes) = receive(&mut self.library, DATA_MAX)? {
            if bytes.is_empty() {
                break;
            }
            // One request at a time: the connection's buffer has room for it.
            self.target.write_all(&bytes)?;
        }
        Ok(())
    }

    /// The connection, of which nothing was read beyond the login.
    pub(super) fn into_target(self) -> OwnedFd {
        self.target.into()
    }
}

/// At most `limit` bytes; no bytes at the end of the stream, `None` while there is nothing.
fn receive(stream: &mut impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; limit.min(8192)];
    loop {
        match stream.read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes of a PDU's data, without the padding.
fn data_length(header: &[u8; HEADER]) -> usize {
    header[5..8].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
}

/// How many bytes are missing before the PDU that begins with these is whole.
fn missing(pdu: &[u8]) -> io::Result<usize> {
    let Some(header) = pdu.first_chunk() else { return Ok(HEADER - pdu.len()) };
    let data = data_length(header);
    if data > DATA_MAX {
        return Err(io::Error::other(format!("a login answer of {data} bytes")));
    }
    let additional = usize::from(header[4]) * 4;
    Ok((HEADER + additional + data.next_multiple_of(4)).saturating_sub(pdu.len()))
}

/// Clears what follows the data of a whole PDU.
fn blank_padding(pdu: &mut [u8]) {
    let Some(header) = pdu.first_chunk() else { return };
    let padding = data_length(header).wrapping_neg() % 4;
    let end = pdu.len();
    pdu[end.saturating_sub(padding)..].fill(0);
}

/// Whether no login goes on after this: it is refused, in full feature phase, or was never one.
fn ends_login(pdu: &[u8]) -> bool {
    let Some(header) = pdu.first_chunk::<HEADER>() else { return true };
    let full_feature = header[1] & 0x83 == 0x83;
    header[0] & 0x3f != LOGIN_RESPONSE || header[36] != 0 || full_feature
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answer(flags: u8, status: u8, text: &[u8], padding: &[u8]) -> Vec<u8> {
        let mut pdu = vec![0; HEADER];
        (pdu[0], pdu[1], pdu[36]) = (LOGIN_RESPONSE, flags, status);
        pdu[7] = text.len().try_into().unwrap();
        [&pdu, text, padding].concat()
    }

    /// Both ends of a connection that passes through a filter.
    fn filtered() -> (TcpStream, Filter, UnixStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ours.set_nonblocking(true).unwrap();
        let (filters, library) = UnixStream::pair().unwrap();
        let filter = Filter::new(ours.into(), filters).unwrap();
        (listener.accept().unwrap().0, filter, library)
    }

    /// Passes on until so many bytes are with the library, and gives them.
    fn pass(filter: &mut Filter, library: &mut UnixStream, length: usize) -> Vec<u8> {
        let mut got = vec![0; length];
        library.set_nonblocking(true).unwrap();
        let mut at = 0;
        while at < length {
            filter.pass().unwrap();
            match library.read(&mut got[at..]) {
                Ok(0) => break,
                Ok(more) => at += more,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        got.truncate(at);
        got
    }

    #[test]
    fn only_padding_is_cleared_and_requests_pass_unchanged() {
        let (mut target, mut filter, mut library) = filtered();
        library.write_all(b"any request\xff").unwrap();
        filter.pass().unwrap();
        let mut request = [0; 12];
        target.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"any request\xff");
        for (text, padding, seen) in [
            (&b"A=b\0c"[..], &b"xyz"[..], &[0; 3][..]),
            (b"AB=12345", b"", b""),
            (b"A=5\0Bb", b"\0x", b"\0\0"),
        ] {
            let sent = answer(0, 0, text, padding);
            target.write_all(&sent).unwrap();
            let got = pass(&mut filter, &mut library, sent.len());
            assert_eq!(got, answer(0, 0, text, seen), "{text:?}");
        }
    }

    #[test]
    fn what_follows_the_login_is_left_for_the_library_itself() {
        for last in [answer(0x87, 0, b"K=v\0", b""), answer(0, 2, b"", b"")] {
            let (mut target, mut filter, mut library) = filtered();
            target.write_all(&[&last[..], b"what comes next"].concat()).unwrap();
            assert_eq!(pass(&mut filter, &mut library, last.len()), last);
            filter.pass().unwrap();
            let mut connection = TcpStream::from(filter.into_target());
            connection.set_nonblocking(false).unwrap();
            let mut rest = [0; 15];
            connection.read_exact(&mut rest).unwrap();
            assert_eq!(&rest, b"what comes next");
        }
    }

    #[test]
    fn the_librarys_stream_ends_where_the_targets_does() {
        let (mut target, mut filter, mut library) = filtered();
        target.write_all(&[LOGIN_RESPONSE]).unwrap();
        drop(target);
        assert_eq!(pass(&mut filter, &mut library, HEADER), b"");
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let mut pdu = answer(0, 0, b"", b"");
        pdu[5] = 0xff;
        let error = missing(&pdu).unwrap_err();
        assert!(error.to_string().contains("16711680 bytes"), "{error}");
        for length in 0..HEADER {
            assert_eq!(missing(&pdu[..length]).unwrap(), HEADER - length);
        }
    }
}
