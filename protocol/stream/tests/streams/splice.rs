//! Two real TCP connections with a stream between them, as the portal has it.

use crate::pair::{Port, Transport, bounded, noise};
use lunlab_stream::splice::splice;
use rustix::net::sockopt::set_socket_linger;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// An initiator's connection on the host and the target's in the guest, and all that joins them.
struct Portal {
    initiator: TcpStream,
    target: TcpStream,
    splices: [JoinHandle<()>; 2],
    port: Option<Port>,
}

impl Portal {
    fn new(transport: Transport) -> Self {
        let pair = transport.pair();
        let (initiator, accepted) = connection();
        let (dialled, target) = connection();
        let splices = [(accepted, pair.host), (dialled, pair.guest)]
            .map(|(tcp, stream)| spawn(move || splice(&tcp, stream).unwrap()));
        Self { initiator, target, splices, port: pair.port }
    }
}

/// Waits until both splices came to their end by themselves.
fn join(splices: [JoinHandle<()>; 2]) {
    for thread in splices {
        thread.join().unwrap();
    }
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (dialled, listener.accept().unwrap().0)
}

fn on_each(test: impl Fn(Portal) + Copy + Send + 'static) {
    for transport in Transport::ALL {
        bounded(move || test(Portal::new(transport)));
    }
}

fn read_to_end(mut tcp: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    tcp.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Closes so that the peer sees a reset.
fn reset(tcp: TcpStream) {
    set_socket_linger(&tcp, Some(Duration::ZERO)).unwrap();
    drop(tcp);
}

#[track_caller]
fn assert_reset(mut tcp: &TcpStream) {
    match tcp.read(&mut [0; 1]) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        Ok(n) => panic!("{n} bytes where a reset was expected"),
    }
}

#[test]
fn a_half_close_crosses_both_splices_while_the_answer_flows() {
    on_each(|mut portal| {
        portal.initiator.write_all(&noise(1, 300_000)).unwrap();
        portal.initiator.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(&portal.target) == noise(1, 300_000));
        let mut target = portal.target.try_clone().unwrap();
        let answering = spawn(move || {
            target.write_all(&noise(2, 1_000_000)).unwrap();
            target.shutdown(Shutdown::Write).unwrap();
        });
        assert!(read_to_end(&portal.initiator) == noise(2, 1_000_000));
        answering.join().unwrap();
        join(portal.splices);
    });
}

#[test]
fn a_half_close_crosses_the_other_way_too() {
    on_each(|mut portal| {
        portal.target.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&portal.initiator), b"");
        portal.initiator.write_all(&noise(3, 1_000_000)).unwrap();
        portal.initiator.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(&portal.target) == noise(3, 1_000_000));
        join(portal.splices);
    });
}

#[test]
fn requests_and_answers_cross_one_by_one() {
    on_each(|mut portal| {
        for round in 0..200_u32 {
            let mut there = [0; 4];
            portal.initiator.write_all(&round.to_le_bytes()).unwrap();
            portal.target.read_exact(&mut there).unwrap();
            assert_eq!(there, round.to_le_bytes());
            portal.target.write_all(&[there, there].concat()).unwrap();
            let mut back = [0; 8];
            portal.initiator.read_exact(&mut back).unwrap();
            assert_eq!(back, *[there, there].concat());
        }
    });
}

#[test]
fn a_reset_by_the_target_reaches_the_initiator() {
    on_each(|portal| {
        reset(portal.target);
        assert_reset(&portal.initiator);
        join(portal.splices);
    });
}

#[test]
fn a_reset_by_the_initiator_reaches_the_target() {
    on_each(|portal| {
        reset(portal.initiator);
        assert_reset(&portal.target);
        join(portal.splices);
    });
}

#[test]
fn a_reset_crosses_after_a_half_close() {
    on_each(|portal| {
        portal.initiator.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&portal.target), b"");
        reset(portal.target);
        assert_reset(&portal.initiator);
        join(portal.splices);
    });
}

#[test]
fn a_port_that_closes_resets_the_initiator() {
    bounded(|| {
        let mut portal = Portal::new(Transport::Mux);
        portal.port.as_mut().unwrap().close();
        assert_reset(&portal.initiator);
        assert_reset(&portal.target);
        join(portal.splices);
    });
}
