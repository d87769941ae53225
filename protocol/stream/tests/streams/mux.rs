//! Many streams on one port.

use crate::pair::{
    Port, RoguePort, bounded, broken, mux_frame, next, noise, payloads, read_all, shortly, soon,
    to_end,
};
use lunlab_protocol::frame::FrameError;
use lunlab_protocol::mux::{self, Kind, MAX_DATA, MuxError, WINDOW};
use lunlab_stream::{Error, Received, Transmit};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread::spawn;

fn window() -> usize {
    usize::try_from(WINDOW).unwrap()
}

#[test]
fn a_stream_nobody_reads_does_not_stop_another() {
    bounded(|| {
        let port = Port::new();
        let (mut lazy, mut bulk) = port.open(1);
        let (mut guest, mut host) = port.open(2);
        let sending = spawn(move || {
            bulk.sender.send(&noise(1, 4 * window())).unwrap();
            bulk.sender.end().unwrap();
            bulk
        });
        for round in 0..200 {
            host.sender.send(&noise(round, 10_000)).unwrap();
            let mut got = 0;
            while got < 10_000 {
                got += next(&mut *guest.receiver).len();
            }
            guest.sender.send(b"got it").unwrap();
            assert_eq!(next(&mut *host.receiver), b"got it");
        }
        assert!(!sending.is_finished(), "more than the window was sent to one who does not read");
        assert!(to_end(&mut *lazy.receiver) == noise(1, 4 * window()));
        drop(sending.join().unwrap());
    });
}

#[test]
fn many_streams_at_once_keep_apart() {
    bounded(|| {
        let port = Port::new();
        let streams: Vec<_> = (1..=64).map(|number| (number, port.open(number))).collect();
        let size = |seed: u64| usize::from_le_bytes(noise(seed, 8).try_into().unwrap()) % 400_000;
        let mut threads = Vec::new();
        for (number, (guest, host)) in streams {
            let (there, back) = (u64::from(number), 1000 + u64::from(number));
            for (stream, sends, gets) in [(guest, there, back), (host, back, there)] {
                threads.push(spawn(move || {
                    let (mut sender, mut receiver) = (stream.sender, stream.receiver);
                    let sending = spawn(move || {
                        sender.send(&noise(sends, size(sends))).unwrap();
                        sender.end().unwrap();
                    });
                    assert!(to_end(&mut *receiver) == noise(gets, size(gets)), "stream {number}");
                    sending.join().unwrap();
                }));
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_sender_stops_at_its_credit() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        let sending = spawn(move || stream.sender.send(&noise(1, 2 * window())));
        let first = take(&mut port, window());
        assert!(first.iter().all(|piece| piece.len() <= MAX_DATA));
        assert!(first.concat() == noise(1, window()));
        port.rogue.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        assert!(port.rogue.read(&mut [0]).is_err(), "bytes beyond the credit");
        port.rogue.set_read_timeout(None).unwrap();
        port.send(1, &Kind::Credit(1));
        assert_eq!(take(&mut port, 1).concat(), &noise(1, 2 * window())[window()..=window()]);
        port.send(1, &Kind::Credit(WINDOW));
        take(&mut port, window() - 1);
        sending.join().unwrap().unwrap();
    });
}

/// Reads data frames of stream 1 until they hold `bytes` bytes.
fn take(port: &mut RoguePort, bytes: usize) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    while pieces.iter().map(Vec::len).sum::<usize>() < bytes {
        let mut header = [0; 2];
        port.rogue.read_exact(&mut header).unwrap();
        let mut payload = vec![0; u16::from_le_bytes(header).into()];
        port.rogue.read_exact(&mut payload).unwrap();
        match mux::decode(&payload).unwrap() {
            (1, Kind::Data(data)) => pieces.push(data.to_vec()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), bytes);
    pieces
}

#[test]
fn a_peer_that_overdraws_its_credit_is_cut_off() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        let mut other = port.open(2);
        let flood = mux_frame(1, &Kind::Data(&[7; MAX_DATA]));
        let mut rogue = port.rogue.try_clone().unwrap();
        // Until the port is closed in the rogue's face.
        while rogue.write_all(&flood).is_ok() {}
        let error = port.ended();
        assert!(matches!(error, Error::Mux(MuxError::Credit)), "{error:?}");
        let mut kept = 0;
        while let Ok(Received::Payload(bytes)) = stream.receiver.receive(soon()) {
            kept += bytes.len();
        }
        assert_eq!(kept, window() / MAX_DATA * MAX_DATA);
        assert!(matches!(broken(&mut *stream.receiver), Error::Closed));
        assert!(matches!(broken(&mut *other.receiver), Error::Closed));
    });
}

/// What ends the reader of a port on which a peer first opens stream 1, then says this.
fn ended_by(said: &[(u32, Kind<'_>)]) -> Error {
    let mut port = RoguePort::new();
    let _stream = port.open(1);
    for (stream, kind) in said {
        port.send(*stream, kind);
    }
    port.ended()
}

#[test]
fn a_rogue_peer_ends_its_port() {
    bounded(|| {
        let error = ended_by(&[(1, Kind::Credit(1))]);
        assert!(matches!(error, Error::Mux(MuxError::Credit)), "credit for nothing: {error:?}");
        let error = ended_by(&[(1, Kind::Open)]);
        assert!(matches!(error, Error::Mux(MuxError::Open(1))), "opened twice: {error:?}");
        let error = ended_by(&[(1, Kind::End), (1, Kind::Data(b"x"))]);
        assert!(matches!(error, Error::Frame(FrameError::AfterEnd)), "after the end: {error:?}");
        let many: Vec<_> = (2..5000).map(|number| (number, Kind::Open)).collect();
        let error = opened_without_bound(&many);
        assert!(matches!(error, Error::Mux(MuxError::Open(1025))), "too many: {error:?}");
    });
}

fn opened_without_bound(said: &[(u32, Kind<'_>)]) -> Error {
    let mut port = RoguePort::new();
    let _stream = port.open(1);
    let bytes: Vec<u8> = said.iter().flat_map(|(n, kind)| mux_frame(*n, kind)).collect();
    // The port is closed while this is being written.
    drop(port.rogue.write_all(&bytes));
    port.ended()
}

#[test]
fn bytes_that_are_no_mux_frames_end_the_port() {
    bounded(|| {
        for (bytes, expected) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), "a frame of 17735 bytes where 16382 is the most"),
            (vec![5, 0, 1, 0, 0, 0, 9], "a mux frame of unknown kind 9"),
            (vec![2, 0, 1, 0], "a mux frame of 2 bytes"),
            (vec![0, 0], "closed without an end of stream"),
            (vec![0xff, 0xff], "reset by the peer"),
        ] {
            let mut port = RoguePort::new();
            let mut stream = port.open(1);
            port.rogue.write_all(&bytes).unwrap();
            assert!(matches!(broken(&mut *stream.receiver), Error::Closed));
            assert_eq!(port.ended().to_string(), expected);
        }
    });
}

#[test]
fn frames_for_a_stream_nobody_has_are_passed_over() {
    bounded(|| {
        let mut port = RoguePort::new();
        for kind in [Kind::Data(b"x"), Kind::End, Kind::Reset, Kind::Credit(9)] {
            port.send(77, &kind);
        }
        let mut stream = port.open(1);
        port.send(1, &Kind::Data(b"here"));
        assert_eq!(next(&mut *stream.receiver), b"here");
    });
}

#[test]
fn a_frame_that_comes_in_halves_holds_up_but_does_not_break() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        let bytes = mux_frame(1, &Kind::Data(b"slowly"));
        let (head, tail) = bytes.split_at(9);
        port.rogue.write_all(head).unwrap();
        let silent = stream.receiver.receive(shortly());
        assert!(matches!(silent, Err(Error::Silent(None))), "{silent:?}");
        port.rogue.write_all(tail).unwrap();
        assert_eq!(next(&mut *stream.receiver), b"slowly");
    });
}

#[test]
fn a_number_is_opened_once() {
    bounded(|| {
        let port = Port::new();
        let (mut guest, mut host) = port.open(7);
        let again = port.guest.open(7).map(|_| ());
        assert!(matches!(again, Err(Error::Mux(MuxError::Open(7)))), "{again:?}");
        guest.sender.send(b"not disturbed").unwrap();
        assert_eq!(next(&mut *host.receiver), b"not disturbed");
        host.sender.send(b"nor here").unwrap();
        assert_eq!(next(&mut *guest.receiver), b"nor here");
    });
}

#[test]
fn a_dropped_stream_resets_its_peer_and_no_other() {
    bounded(|| {
        let port = Port::new();
        let (guest, mut host) = port.open(1);
        let (mut other, mut others_host) = port.open(2);
        drop(guest);
        assert!(matches!(broken(&mut *host.receiver), Error::Reset));
        assert!(matches!(host.sender.send(b"x"), Err(Error::Reset)));
        other.sender.send(b"alive").unwrap();
        assert_eq!(next(&mut *others_host.receiver), b"alive");
    });
}

#[test]
fn a_dropped_stream_gives_its_place_back() {
    bounded(|| {
        let port = Port::new();
        for number in 0..3000 {
            let (mut guest, mut host) = port.open(number);
            guest.sender.end().unwrap();
            host.sender.end().unwrap();
            assert_eq!(to_end(&mut *guest.receiver), b"");
            assert_eq!(to_end(&mut *host.receiver), b"");
        }
    });
}

#[test]
fn a_stream_that_ended_both_ways_is_dropped_without_a_word() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        port.send(1, &Kind::Data(b"bye"));
        port.send(1, &Kind::End);
        stream.sender.end().unwrap();
        assert_eq!(to_end(&mut *stream.receiver), b"bye");
        drop(stream);
        port.rogue.shutdown(Shutdown::Write).unwrap();
        let rogue = port.rogue.try_clone().unwrap();
        port.ended();
        let said = payloads(&read_all(rogue));
        let said: Vec<_> = said.iter().map(|payload| mux::decode(payload).unwrap()).collect();
        assert!(!said.contains(&(1, Kind::Reset)), "{said:?}");
        assert!(said.contains(&(1, Kind::End)), "{said:?}");
    });
}

#[test]
fn nothing_is_sent_after_the_end() {
    bounded(|| {
        let port = Port::new();
        let (mut guest, mut host) = port.open(1);
        guest.sender.end().unwrap();
        let after = guest.sender.send(b"x");
        assert!(matches!(after, Err(Error::Frame(FrameError::AfterEnd))), "{after:?}");
        assert_eq!(to_end(&mut *host.receiver), b"");
    });
}

/// Sends for as long as it can; what ends it must be the port's closing, however fast the peer reads.
fn without_end(sender: &mut dyn Transmit) -> Error {
    loop {
        if let Err(error) = sender.send(&[0; 4096]) {
            return error;
        }
    }
}

#[test]
fn a_port_that_closes_ends_every_stream() {
    bounded(|| {
        let mut port = Port::new();
        let streams: Vec<_> = (1..=8).map(|number| port.open(number)).collect();
        let waiting: Vec<_> = streams
            .into_iter()
            .flat_map(|(mut guest, mut host)| {
                let mut sender = guest.sender;
                [
                    spawn(move || broken(&mut *guest.receiver)),
                    spawn(move || without_end(&mut *sender)),
                    spawn(move || broken(&mut *host.receiver)),
                ]
            })
            .collect();
        assert!(port.close().iter().all(|error| matches!(error, Error::Closed)));
        for thread in waiting {
            let error = thread.join().unwrap();
            assert!(matches!(error, Error::Closed), "{error:?}");
        }
        let late = port.guest.open(99).map(|_| ());
        assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    });
}

#[test]
fn what_came_before_a_port_closed_is_still_handed_out() {
    bounded(|| {
        let mut port = RoguePort::new();
        let mut stream = port.open(1);
        port.send(1, &Kind::Data(b"one"));
        port.send(1, &Kind::Data(b"two"));
        port.rogue.shutdown(Shutdown::Both).unwrap();
        assert!(matches!(port.ended(), Error::Closed));
        assert_eq!(next(&mut *stream.receiver), b"one");
        assert_eq!(next(&mut *stream.receiver), b"two");
        assert!(matches!(broken(&mut *stream.receiver), Error::Closed));
    });
}

#[test]
fn a_port_no_longer_read_opens_nothing() {
    bounded(|| {
        let mut port = RoguePort::new();
        port.rogue.write_all(&[3, 0, 1, 2, 3]).unwrap();
        let rogue = port.rogue.try_clone().unwrap();
        let mux = std::mem::replace(&mut port.mux, RoguePort::new().mux);
        port.ended();
        let late = mux.open(1).map(|_| ());
        assert!(matches!(late, Err(Error::Closed)), "{late:?}");
        assert_eq!(read_all(rogue), b"");
    });
}
