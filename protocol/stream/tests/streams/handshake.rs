//! The first frame each way: who is let in, and what the others learn.

use crate::pair::{
    RoguePort, bounded, broken, frame, next, on_each, payloads, read_all, shortly, soon,
};
use lunlab_protocol::frame::{END, FrameError, RESET};
use lunlab_protocol::hello::{BuildId, Hello, HelloError, Token};
use lunlab_protocol::mux::{self, Kind};
use lunlab_protocol::version::{CURRENT, VersionRange};
use lunlab_stream::handshake::{Refusal, answer, dial};
use lunlab_stream::{Error, direct};
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::spawn;

const TOKEN: [u8; 32] = *b"0123456789abcdefGHIJKLMNOPQRSTUV";

fn hello(stream: u32) -> Hello {
    Hello::ours(stream, Token::new(TOKEN))
}

fn wrong_hello() -> Hello {
    let mut token = TOKEN;
    token[31] ^= 1;
    Hello::ours(1, Token::new(token))
}

fn old_hello() -> Hello {
    Hello {
        versions: VersionRange { oldest: CURRENT + 7, newest: CURRENT + 9 },
        build: BuildId::new("9.8.7"),
        ..hello(1)
    }
}

/// The host's answer to a peer that sends these bytes and keeps its end open, and all bytes the
/// host sent.
fn answered(bytes: &[u8]) -> (Result<u32, Refusal>, Vec<u8>) {
    let (mut peer, host) = UnixStream::pair().unwrap();
    peer.write_all(bytes).unwrap();
    let mut host = direct::stream(host.into());
    let outcome = answer(&mut host, hello, shortly());
    drop(host);
    (outcome, read_all(peer))
}

fn holds_token(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| TOKEN.windows(4).any(|part| part == window))
}

#[test]
fn a_whole_handshake_then_bytes_both_ways() {
    on_each(|mut pair| {
        let mut guest = pair.guest;
        let dialling = spawn(move || {
            let version = dial(&mut guest, &hello(42), soon()).unwrap();
            guest.sender.send(b"from the guest").unwrap();
            assert_eq!(next(&mut *guest.receiver), b"from the host");
            version
        });
        assert_eq!(answer(&mut pair.host, hello, soon()).unwrap(), 42);
        pair.host.sender.send(b"from the host").unwrap();
        assert_eq!(next(&mut *pair.host.receiver), b"from the guest");
        assert_eq!(dialling.join().unwrap(), CURRENT);
    });
}

#[test]
fn a_guest_with_a_wrong_token_is_reset() {
    on_each(|mut pair| {
        let mut guest = pair.guest;
        let dialling = spawn(move || dial(&mut guest, &wrong_hello(), soon()));
        let refusal = answer(&mut pair.host, hello, soon());
        assert!(matches!(refusal, Err(Refusal::Token)), "{refusal:?}");
        let told = dialling.join().unwrap();
        assert!(matches!(told, Err(Refusal::Stream(Error::Reset))), "{told:?}");
    });
}

#[test]
fn who_has_no_token_learns_nothing() {
    for bytes in [
        frame(&wrong_hello().encode()),
        frame(&[0; 64]),
        frame(b"hello"),
        frame(&hello(1).encode())[..40].to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        vec![],
    ] {
        let (outcome, sent) = answered(&bytes);
        assert!(outcome.is_err());
        assert_eq!(sent, RESET, "after {outcome:?}");
    }
}

#[test]
fn who_has_no_token_learns_nothing_on_a_port() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        port.send(1, &Kind::Data(&wrong_hello().encode()));
        assert!(matches!(answer(&mut stream, hello, soon()), Err(Refusal::Token)));
        port.rogue.shutdown(Shutdown::Write).unwrap();
        let rogue = port.rogue.try_clone().unwrap();
        assert!(matches!(port.ended(), Error::Closed));
        let sent = read_all(rogue);
        assert!(!holds_token(&sent));
        let said = payloads(&sent);
        let said: Vec<_> = said.iter().map(|payload| mux::decode(payload).unwrap()).collect();
        assert_eq!(said, [(1, Kind::Credit(64)), (1, Kind::Reset)]);
    });
}

#[test]
fn the_right_token_is_answered_with_it() {
    let (outcome, sent) = answered(&frame(&hello(3).encode()));
    assert!(matches!(outcome, Ok(3)), "{outcome:?}");
    assert_eq!(sent, frame(&hello(3).encode()));
    assert!(holds_token(&sent), "the negative tests look for what they should");
}

#[test]
fn a_host_with_a_wrong_token_is_not_believed() {
    on_each(|mut pair| {
        pair.host.sender.send(&wrong_hello().encode()).unwrap();
        let refusal = dial(&mut pair.guest, &hello(1), soon());
        assert!(matches!(refusal, Err(Refusal::Token)), "{refusal:?}");
    });
}

#[test]
fn both_ends_report_versions_that_do_not_meet() {
    on_each(|mut pair| {
        let mut guest = pair.guest;
        let dialling = spawn(move || dial(&mut guest, &old_hello(), soon()).unwrap_err());
        let here = answer(&mut pair.host, hello, soon()).unwrap_err();
        let there = dialling.join().unwrap();
        match (&here, &there) {
            (
                Refusal::Version { theirs: guests, build },
                Refusal::Version { theirs: hosts, .. },
            ) => {
                assert_eq!((*guests, build.as_str()), (old_hello().versions, "9.8.7"));
                assert_eq!(*hosts, VersionRange::OURS);
            }
            other => panic!("{other:?}"),
        }
        let text = here.to_string();
        let (low, high) = (CURRENT + 7, CURRENT + 9);
        assert!(text.contains(&format!("version {low} to {high}")), "{text}");
        assert!(text.contains("9.8.7"), "{text}");
        assert!(matches!(broken(&mut *pair.host.receiver), Error::Reset | Error::Closed));
    });
}

#[test]
fn garbage_is_named_for_what_it_is() {
    let outcome = answered(&frame(&[0; 64])).0;
    assert!(matches!(outcome, Err(Refusal::Hello(HelloError::Magic))), "{outcome:?}");
    let outcome = answered(&frame(b"hello")).0;
    assert!(matches!(outcome, Err(Refusal::Hello(HelloError::Length(5)))), "{outcome:?}");
    let outcome = answered(b"GET / HTTP/1.1\r\n").0;
    let http = matches!(outcome, Err(Refusal::Stream(Error::Frame(FrameError::Length(_)))));
    assert!(http, "{outcome:?}");
}

#[test]
fn garbage_from_the_host_is_refused_too() {
    on_each(|mut pair| {
        pair.host.sender.send(b"hello").unwrap();
        let refusal = dial(&mut pair.guest, &hello(1), soon());
        assert!(matches!(refusal, Err(Refusal::Hello(HelloError::Length(5)))), "{refusal:?}");
    });
}

#[test]
fn a_silent_peer_is_given_up_at_the_deadline() {
    on_each(|mut pair| {
        let refusal = answer(&mut pair.host, hello, shortly());
        assert!(matches!(refusal, Err(Refusal::Stream(Error::Silent(None)))), "{refusal:?}");
        let told = broken(&mut *pair.guest.receiver);
        assert!(matches!(told, Error::Reset), "{told:?}");
    });
    on_each(|mut pair| {
        let refusal = dial(&mut pair.guest, &hello(1), shortly());
        assert!(matches!(refusal, Err(Refusal::Stream(Error::Silent(None)))), "{refusal:?}");
    });
}

#[test]
fn a_peer_silent_in_mid_frame_is_given_up_with_what_it_sent() {
    match answered(&frame(&hello(1).encode())[..40]).0 {
        Err(Refusal::Stream(Error::Silent(Some(partial)))) => assert_eq!(partial, (40, 66)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_that_ends_resets_or_closes_is_told_apart() {
    let outcome = answered(&END).0;
    assert!(matches!(outcome, Err(Refusal::Ended)), "{outcome:?}");
    let outcome = answered(&RESET).0;
    assert!(matches!(outcome, Err(Refusal::Stream(Error::Reset))), "{outcome:?}");
    let (peer, host) = UnixStream::pair().unwrap();
    drop(peer);
    let outcome = answer(&mut direct::stream(host.into()), hello, soon());
    assert!(matches!(outcome, Err(Refusal::Stream(Error::Closed))), "{outcome:?}");
}

#[test]
fn a_peer_that_ends_or_resets_on_a_port_is_told_apart() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        port.send(1, &Kind::End);
        let outcome = answer(&mut stream, hello, soon());
        assert!(matches!(outcome, Err(Refusal::Ended)), "{outcome:?}");
        let mut stream = port.open(2);
        port.send(2, &Kind::Reset);
        let outcome = answer(&mut stream, hello, soon());
        assert!(matches!(outcome, Err(Refusal::Stream(Error::Reset))), "{outcome:?}");
        let mut stream = port.open(3);
        port.rogue.shutdown(Shutdown::Both).unwrap();
        let outcome = answer(&mut stream, hello, soon());
        assert!(matches!(outcome, Err(Refusal::Stream(Error::Closed))), "{outcome:?}");
    });
}
