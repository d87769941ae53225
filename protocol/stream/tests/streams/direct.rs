//! Streams with a descriptor of their own.

use crate::pair::{broken, frame, next, noise, payloads, read_all, shortly, soon};
use lunlab_protocol::frame::{END, FrameError, MAX_PAYLOAD, RESET};
use lunlab_stream::{Error, Stream, direct};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io::Write;
use std::os::unix::net::UnixStream;

/// A stream and the raw socket at its other end.
fn raw() -> (Stream, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    (direct::stream(ours.into()), peer)
}

#[test]
fn what_is_longer_than_a_frame_is_split() {
    let (mut stream, peer) = raw();
    let bytes = noise(1, 2 * MAX_PAYLOAD + 1);
    stream.sender.send(&bytes[..MAX_PAYLOAD]).unwrap();
    stream.sender.send(&bytes[MAX_PAYLOAD..]).unwrap();
    stream.sender.send(&[]).unwrap();
    drop(stream);
    let sent = payloads(&read_all(peer));
    assert_eq!(sent.len(), 3, "one that fits, one in two");
    assert!(sent.concat() == bytes);
}

/// What is written at once is a packet on the guest's vsock: one of these keeps the borders.
#[test]
fn no_write_is_larger_than_a_packet_in_one_piece() {
    let kinds = SocketType::SEQPACKET;
    let (ours, peer) = socketpair(AddressFamily::UNIX, kinds, SocketFlags::empty(), None).unwrap();
    let mut stream = direct::stream(ours);
    let bytes = noise(2, 100_000);
    stream.sender.send(&bytes).unwrap();
    let records: Vec<&[u8]> = bytes.chunks(777).collect();
    stream.sender.send_each(&records).unwrap();
    drop(stream);
    let (mut all, mut buffer, mut writes) = (Vec::new(), vec![0; 1 << 20], 0);
    loop {
        match rustix::io::read(&peer, &mut buffer).unwrap() {
            0 => break,
            n => {
                assert!(n <= 31 * 1024, "{n} bytes at once");
                all.extend_from_slice(&buffer[..n]);
                writes += 1;
            }
        }
    }
    assert!(payloads(&all).concat() == [bytes.as_slice(), bytes.as_slice()].concat());
    assert!(writes <= 8, "{writes} writes are not as few as can be");
}

#[test]
fn a_payload_that_is_no_frame_is_refused() {
    let (mut stream, peer) = raw();
    let empty = stream.sender.send_each(&[b"one", b""]);
    assert!(matches!(empty, Err(Error::Frame(FrameError::Payload(0)))), "{empty:?}");
    let long = stream.sender.send_each(&[&[0; MAX_PAYLOAD + 1]]);
    assert!(matches!(long, Err(Error::Frame(FrameError::Payload(_)))), "{long:?}");
    drop(stream);
    assert_eq!(read_all(peer), b"", "nothing of a refused batch is sent");
}

#[test]
fn silence_in_mid_frame_says_how_much_is_there() {
    let (mut stream, mut peer) = raw();
    for (byte, partial) in frame(b"abcdef").into_iter().zip([(1, 2), (2, 8), (3, 8), (4, 8)]) {
        peer.write_all(&[byte]).unwrap();
        match stream.receiver.receive(shortly()) {
            Err(Error::Silent(Some(there))) => assert_eq!(there, partial),
            other => panic!("{other:?}"),
        }
    }
    // Silence is not death: the rest may still come.
    peer.write_all(b"cdef").unwrap();
    assert_eq!(next(&mut *stream.receiver), b"abcdef");
}

#[test]
fn silence_between_frames_is_told_apart() {
    let (mut stream, mut peer) = raw();
    peer.write_all(&frame(b"whole")).unwrap();
    assert_eq!(next(&mut *stream.receiver), b"whole");
    let silent = stream.receiver.receive(shortly());
    assert!(matches!(silent, Err(Error::Silent(None))), "{silent:?}");
}

#[test]
fn a_peer_that_closes_did_not_end_its_stream() {
    for bytes in [vec![], vec![5], frame(b"half")[..4].to_vec(), frame(b"whole")] {
        let (mut stream, mut peer) = raw();
        peer.write_all(&bytes).unwrap();
        drop(peer);
        let error = broken(&mut *stream.receiver);
        assert!(matches!(error, Error::Closed), "{error:?}");
        let sent = stream.sender.send(b"x");
        assert!(matches!(sent, Err(Error::Closed)), "{sent:?}");
    }
}

#[test]
fn bytes_after_the_end_are_an_error() {
    let (mut stream, mut peer) = raw();
    peer.write_all(&[END.as_slice(), &frame(b"more")].concat()).unwrap();
    assert!(stream.receiver.receive(soon()).is_ok());
    let after = stream.receiver.receive(soon());
    assert!(matches!(after, Err(Error::Frame(FrameError::AfterEnd))), "{after:?}");
}

#[test]
fn a_length_that_no_frame_has_is_an_error_before_its_bytes_come() {
    let (mut stream, mut peer) = raw();
    peer.write_all(b"GE").unwrap();
    let error = stream.receiver.receive(soon());
    assert!(matches!(error, Err(Error::Frame(FrameError::Length(0x4547)))), "{error:?}");
}

#[test]
fn a_reset_is_one_frame_then_the_close() {
    let (stream, peer) = raw();
    stream.abort.abort();
    assert_eq!(read_all(peer), RESET);
}

#[test]
fn an_end_is_one_frame() {
    let (mut stream, peer) = raw();
    stream.sender.end().unwrap();
    drop(stream);
    assert_eq!(read_all(peer), END);
}
