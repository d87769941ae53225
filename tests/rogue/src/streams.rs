//! Misdeeds on streams beside a control that behaves, and the two ways of half-closing one.

use crate::Failure;
use crate::control::NO_VERSIONS;
use crate::misdeed::OnStreams;
use lunlab_agent::boot::uptime_us;
use lunlab_agent::channel::{Dialler, Link, Requests};
use lunlab_agent::{network, portal};
use lunlab_protocol::event::Event;
use lunlab_protocol::hello::{CONTROL, Hello, Token};
use lunlab_protocol::message::decode;
use lunlab_protocol::request::Request;
use lunlab_stream::{Received, Stream};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A number the host cannot have given yet.
const UNASKED: u32 = 4_000_000;

/// What travels after the other end has ended its direction.
const BULK: usize = 1024 * 1024;

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(2);

/// Does them, then claims a target and behaves until the host wants no more.
pub(crate) fn misbehave(
    misdeeds: &[OnStreams],
    dialler: Dialler,
    link: Link,
    requests: Requests,
    token: &Token,
) -> Result<(), Failure> {
    let (dialler, link) = (Arc::new(dialler), Arc::new(link));
    network::loopback_up().map_err(std::io::Error::from)?;
    let mut kept = Vec::new();
    for (misdeed, number) in misdeeds.iter().zip(UNASKED..) {
        if matches!(misdeed, OnStreams::Flood) {
            flood(&link);
        } else {
            kept.push(bad_stream(*misdeed, &dialler, number, token)?);
        }
    }
    link.tell(&Event::TargetReady { steps: 0 });
    serve(requests, &dialler, &link)
}

fn bad_stream(
    misdeed: OnStreams,
    dialler: &Dialler,
    number: u32,
    token: &Token,
) -> Result<Stream, Failure> {
    let mut stream = dialler.dial(number)?;
    let hello = |number| Hello::ours(number, token.clone());
    match misdeed {
        OnStreams::ControlTwice => stream.sender.send(&hello(CONTROL).encode())?,
        OnStreams::Unasked => stream.sender.send(&hello(number).encode())?,
        OnStreams::WrongToken => {
            let token = Token::new([0; 32]);
            stream.sender.send(&Hello { token, ..hello(number) }.encode())?;
        }
        OnStreams::WrongVersion => {
            let hello = Hello { versions: NO_VERSIONS, ..hello(number) };
            stream.sender.send(&hello.encode())?;
        }
        OnStreams::Garbage => stream.sender.send(&[0xa5; 100])?,
        OnStreams::Ended => stream.sender.end()?,
        OnStreams::Mute | OnStreams::Flood => return Ok(stream),
    }
    // Only the host ends it: when that is seen, it has been noticed.
    while let Ok(Received::Payload(_)) = stream.receiver.receive(None) {}
    Ok(stream)
}

fn flood(link: &Link) {
    let text = "x".repeat(100);
    let until = Instant::now() + FLOOD;
    let mut sequence = 0;
    while Instant::now() < until {
        let records: Vec<Event<'_>> = (sequence..sequence + 64)
            .map(|sequence| Event::Kmsg { sequence, timestamp_us: 0, priority: 6, text: &text })
            .collect();
        link.tell_each(&records);
        sequence += 64;
    }
    link.tell(&Event::Note { text: &format!("flooded with {sequence} records") });
}

/// Answers requests as the agent would, but for the target, which is [`half_close`].
fn serve(mut requests: Requests, dialler: &Arc<Dialler>, link: &Arc<Link>) -> Result<(), Failure> {
    let connections = Connections::default();
    let mut listening = false;
    loop {
        let Received::Payload(payload) = requests.receive(None)? else { return Ok(()) };
        match decode::<Request<'_>>(payload) {
            Ok(Request::OpenStream { stream, port, .. }) => {
                let portal = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                if !std::mem::replace(&mut listening, true) {
                    listen(port, Arc::clone(link), Arc::clone(&connections))?;
                }
                portal::open(dialler, link, stream, portal)?;
            }
            Ok(Request::Finish) => {
                let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
                connections.drain(..).for_each(|connection| drop(connection.join()));
                let uptime_us = uptime_us();
                link.tell_each(&[Event::Heartbeat { uptime_us }, Event::Finished]);
            }
            Ok(Request::Acknowledge) => return Ok(()),
            _ => {}
        }
    }
}

/// What the server is still busy with.
type Connections = Arc<Mutex<Vec<JoinHandle<()>>>>;

fn listen(port: u16, link: Arc<Link>, connections: Connections) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let link = Arc::clone(&link);
            let connection = std::thread::spawn(move || {
                let text = match half_close(tcp) {
                    Ok(text) => text,
                    Err(error) => format!("half-close failed: {error}"),
                };
                link.tell(&Event::Note { text: &text });
            });
            connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    });
    Ok(())
}

/// The client's first byte says who ends first: `c` the client, then a megabyte goes to it; `s`
/// this server, after a megabyte, and what comes then is counted.
fn half_close(mut tcp: TcpStream) -> std::io::Result<String> {
    let mut who = [0];
    tcp.read_exact(&mut who)?;
    let mut received = Vec::new();
    if who == *b"c" {
        tcp.read_to_end(&mut received)?;
    }
    tcp.write_all(&pattern(BULK))?;
    tcp.shutdown(Shutdown::Write)?;
    if who == *b"s" {
        tcp.read_to_end(&mut received)?;
    }
    let state = if received == pattern(received.len()) { "intact" } else { "damaged" };
    let who = String::from_utf8_lossy(&who).into_owned();
    Ok(format!("half-close {who}: {} bytes received, {state}", received.len()))
}

/// Bytes that show any loss, repetition or exchange: no two stretches of 4 KiB are alike.
fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(length).collect()
}
