//! What sender and peers say to each other over TCP: frames of a kind, a length and so many bytes.

use lunlab_bench::relay::difference::{Mempool, Sent};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::Sender;
use std::time::Instant;

/// Nobody here sends more.
const MOST: u32 = 64 << 20;

/// A block as it is.
const WHOLE: u8 = 0;
/// [`Sent::offer`].
const OFFER: u8 = 1;
/// Short names of transactions, and those.
const REQUEST: u8 = 2;
const ANSWER: u8 = 3;
/// The block is there.
const THANKS: u8 = 4;

/// When a peer had a block, and its digest; or what went wrong.
pub(super) type Arrival = (usize, Result<(Instant, [u8; 32]), String>);

/// Takes blocks until the sender ends.
pub(super) fn take(peer: usize, stream: &TcpStream, mempool: &Mempool, arrivals: &Sender<Arrival>) {
    loop {
        let outcome = match take_one(stream, mempool) {
            Ok(None) => return,
            Ok(Some(arrival)) => Ok(arrival),
            Err(problem) => Err(problem),
        };
        let ends = outcome.is_err();
        if arrivals.send((peer, outcome)).is_err() || ends {
            return;
        }
        // The sender hears of what goes wrong by the other way.
        let _told = write_frame(stream, THANKS, &[]);
    }
}

/// A block and when it was there, known to be that of its header; nothing once there is no sender.
fn take_one(stream: &TcpStream, mempool: &Mempool) -> Result<Option<(Instant, [u8; 32])>, String> {
    let Some((kind, length)) = read_head(stream)? else { return Ok(None) };
    match kind {
        WHOLE => {
            let digest = digest_of(stream, length)?;
            Ok(Some((Instant::now(), digest)))
        }
        OFFER => {
            let offer = read_body(stream, length)?;
            let pending = mempool.request(&offer)?;
            write_frame(stream, REQUEST, &pending.request)?;
            let block = pending.complete(&read_frame(stream, ANSWER)?)?;
            let arrival = Instant::now();
            Ok(Some((arrival, Sha256::digest(block).into())))
        }
        _ => Err(format!("a frame of kind {kind}")),
    }
}

/// Hashed as it comes, so that nothing is left to do when the last byte is there.
fn digest_of(mut stream: &TcpStream, length: u32) -> Result<[u8; 32], String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 16 * 1024];
    let mut left = usize::try_from(length).unwrap_or(usize::MAX);
    while left > 0 {
        let most = left.min(buffer.len());
        match stream.read(&mut buffer[..most]).map_err(|error| format!("receive: {error}"))? {
            0 => return Err(format!("receive: it ends {left} bytes before its end")),
            count => {
                hasher.update(&buffer[..count]);
                left -= count;
            }
        }
    }
    Ok(hasher.finalize().into())
}

/// Sends a block as it is, and waits until it is there. Gives the bytes sent.
pub(super) fn give_whole(stream: &TcpStream, sent: &Sent) -> Result<u64, String> {
    write_frame(stream, WHOLE, &sent.bytes)?;
    read_frame(stream, THANKS)?;
    Ok(sent.bytes.len() as u64)
}

/// Sends what a peer lacks of a block, and waits until it is put together. Gives the bytes sent.
pub(super) fn give_difference(stream: &TcpStream, sent: &Sent) -> Result<u64, String> {
    write_frame(stream, OFFER, &sent.offer)?;
    let request = read_frame(stream, REQUEST)?;
    let answer = sent.answer(&request).ok_or("a peer asked for what is not in the block")?;
    write_frame(stream, ANSWER, &answer)?;
    read_frame(stream, THANKS)?;
    Ok((sent.offer.len() + answer.len()) as u64)
}

fn write_frame(mut stream: &TcpStream, kind: u8, bytes: &[u8]) -> Result<(), String> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MOST);
    let length = length.ok_or("a frame that is too long")?;
    let head = [&[kind][..], &length.to_le_bytes()].concat();
    let failed = |error| format!("send: {error}");
    stream.write_all(&head).map_err(failed)?;
    stream.write_all(bytes).map_err(failed)
}

/// The bytes of the next frame, which must be of this kind.
fn read_frame(stream: &TcpStream, kind: u8) -> Result<Vec<u8>, String> {
    match read_head(stream)? {
        Some((found, length)) if found == kind => read_body(stream, length),
        Some((found, _)) => Err(format!("a frame of kind {found} instead of {kind}")),
        None => Err("the other end has gone".to_owned()),
    }
}

/// Kind and length; nothing where the stream ends before.
fn read_head(mut stream: &TcpStream) -> Result<Option<(u8, u32)>, String> {
    let failed = |error| format!("receive: {error}");
    let mut kind = [0];
    if stream.read(&mut kind).map_err(failed)? == 0 {
        return Ok(None);
    }
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(failed)?;
    let length = u32::from_le_bytes(length);
    if length > MOST {
        Err(format!("a frame of {length} bytes"))
    } else {
        Ok(Some((kind[0], length)))
    }
}

fn read_body(mut stream: &TcpStream, length: u32) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    stream.read_exact(&mut bytes).map_err(|error| format!("receive: {error}"))?;
    Ok(bytes)
}
