//! What holds for every stream, whatever carries it.

use crate::pair::{Transport, bounded, broken, next, noise, on_each, shortly, soon, to_end};
use lunlab_stream::{Error, Received};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use std::thread::spawn;

const MEGABYTE: usize = 1_000_000;

#[test]
fn one_direction_ends_while_the_other_flows() {
    on_each(|mut pair| {
        pair.guest.sender.send(b"last words").unwrap();
        pair.guest.sender.end().unwrap();
        assert_eq!(to_end(&mut *pair.host.receiver), b"last words");
        let mut sender = pair.host.sender;
        let sending = spawn(move || {
            sender.send(&noise(1, MEGABYTE)).unwrap();
            sender.end().unwrap();
        });
        assert!(to_end(&mut *pair.guest.receiver) == noise(1, MEGABYTE));
        sending.join().unwrap();
    });
}

#[test]
fn the_end_stays_the_end() {
    on_each(|mut pair| {
        pair.guest.sender.end().unwrap();
        for _ in 0..3 {
            assert_eq!(pair.host.receiver.receive(soon()).unwrap(), Received::End);
        }
    });
}

#[test]
fn both_directions_flow_at_once() {
    on_each(|pair| {
        let (mut there, mut back) = (pair.guest.sender, pair.host.sender);
        let sending = [
            spawn(move || there.send(&noise(1, MEGABYTE)).and_then(|()| there.end())),
            spawn(move || back.send(&noise(2, MEGABYTE)).and_then(|()| back.end())),
        ];
        let (mut guest, mut host) = (pair.guest.receiver, pair.host.receiver);
        let receiving = spawn(move || assert!(to_end(&mut *guest) == noise(2, MEGABYTE)));
        assert!(to_end(&mut *host) == noise(1, MEGABYTE));
        receiving.join().unwrap();
        for thread in sending {
            thread.join().unwrap().unwrap();
        }
    });
}

#[test]
fn payloads_sent_together_stay_apart() {
    on_each(|mut pair| {
        let payloads: Vec<_> = (1..=100).map(|n| noise(7, n)).collect();
        let together: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        pair.guest.sender.send_each(&together).unwrap();
        for payload in &payloads {
            assert_eq!(&next(&mut *pair.host.receiver), payload);
        }
    });
}

#[test]
fn nothing_sent_is_nothing_received() {
    on_each(|mut pair| {
        pair.guest.sender.send(b"").unwrap();
        let silent = pair.host.receiver.receive(shortly());
        assert!(matches!(silent, Err(Error::Silent(None))), "{silent:?}");
        pair.guest.sender.send(b"something").unwrap();
        assert_eq!(next(&mut *pair.host.receiver), b"something");
    });
}

#[test]
fn a_deadline_that_passed_still_gives_what_is_there() {
    on_each(|mut pair| {
        pair.guest.sender.send_each(&[b"one", b"two"]).unwrap();
        assert_eq!(next(&mut *pair.host.receiver), b"one");
        assert_eq!(next(&mut *pair.host.receiver), b"two");
        let past = shortly().map(|at| at - std::time::Duration::from_secs(1));
        let silent = pair.host.receiver.receive(past);
        assert!(matches!(silent, Err(Error::Silent(None))), "{silent:?}");
    });
}

#[test]
fn a_reset_follows_what_was_sent_before() {
    on_each(|mut pair| {
        pair.guest.sender.send(b"before").unwrap();
        pair.guest.abort.abort();
        pair.guest.abort.abort();
        assert_eq!(next(&mut *pair.host.receiver), b"before");
        let reset = pair.host.receiver.receive(soon());
        assert!(matches!(reset, Err(Error::Reset)), "{reset:?}");
    });
}

#[test]
fn a_reset_breaks_both_halves_of_both_ends() {
    on_each(|mut pair| {
        pair.guest.abort.abort();
        assert!(matches!(broken(&mut *pair.host.receiver), Error::Reset));
        let here = broken(&mut *pair.guest.receiver);
        assert!(matches!(here, Error::Reset | Error::Closed), "{here:?}");
        assert!(pair.guest.sender.send(b"more").is_err());
        assert!(pair.guest.sender.end().is_err());
        assert!(pair.host.sender.send(b"more").is_err());
        assert!(pair.host.sender.end().is_err());
    });
}

#[test]
fn a_reset_wakes_a_sender_whose_peer_does_not_read() {
    on_each(|pair| {
        let mut sender = pair.guest.sender;
        let sending = spawn(move || sender.send(&noise(1, 4 * MEGABYTE)));
        pair.guest.abort.abort();
        assert!(sending.join().unwrap().is_err());
    });
}

#[test]
fn a_reset_by_the_peer_wakes_a_sender() {
    on_each(|pair| {
        let mut sender = pair.guest.sender;
        let sending = spawn(move || sender.send(&noise(1, 4 * MEGABYTE)));
        pair.host.abort.abort();
        assert!(sending.join().unwrap().is_err());
    });
}

#[test]
fn a_reset_wakes_a_receiver() {
    on_each(|pair| {
        let mut receiver = pair.guest.receiver;
        let receiving = spawn(move || broken(&mut *receiver));
        pair.guest.abort.abort();
        let error = receiving.join().unwrap();
        assert!(matches!(error, Error::Reset | Error::Closed), "{error:?}");
    });
}

#[test]
fn a_stream_dropped_in_mid_life_breaks_for_its_peer() {
    on_each(|mut pair| {
        let abort = pair.guest.abort;
        drop((pair.guest.sender, pair.guest.receiver));
        let error = broken(&mut *pair.host.receiver);
        assert!(matches!(error, Error::Reset | Error::Closed), "{error:?}");
        abort.abort();
    });
}

#[test]
fn one_half_dropped_leaves_the_other() {
    on_each(|mut pair| {
        drop(pair.guest.receiver);
        pair.guest.sender.send(b"still here").unwrap();
        assert_eq!(next(&mut *pair.host.receiver), b"still here");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_arrive_as_they_were_sent(
        sends in vec((0..60_000_usize, any::<u64>()), 0..8), mux in any::<bool>(),
    ) {
        let expected: Vec<u8> =
            sends.iter().flat_map(|(length, seed)| noise(*seed, *length)).collect();
        let mut pair = if mux { Transport::Mux } else { Transport::Direct }.pair();
        let mut sender = pair.guest.sender;
        let sending = spawn(move || {
            sends.iter().try_for_each(|(length, seed)| sender.send(&noise(*seed, *length)))?;
            sender.end()
        });
        prop_assert_eq!(to_end(&mut *pair.host.receiver) == expected, true);
        prop_assert_eq!(sending.join().unwrap().is_ok(), true);
        drop(pair.port);
    }

    #[test]
    fn small_bytes_arrive_as_they_were_sent(
        payloads in vec(vec(any::<u8>(), 1..40), 0..40), mux in any::<bool>(),
    ) {
        bounded(move || {
            let mut pair = if mux { Transport::Mux } else { Transport::Direct }.pair();
            for payload in &payloads {
                pair.guest.sender.send(payload).unwrap();
            }
            pair.guest.sender.end().unwrap();
            for payload in &payloads {
                assert_eq!(&next(&mut *pair.host.receiver), payload);
            }
            assert_eq!(pair.host.receiver.receive(soon()).unwrap(), Received::End);
        });
    }
}
