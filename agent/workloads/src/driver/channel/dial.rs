//! Dials the host by the run's transport, past PID 1: what is measured ends here.

use lunlab_bench::workload::Values;
use lunlab_protocol::hello::{Hello, Token};
use lunlab_protocol::request::BENCHMARKS_PORT;
use lunlab_stream::handshake::dial;
use lunlab_stream::mux::Mux;
use lunlab_stream::{Stream, direct};
use rustix::fs::{Mode, OFlags, open};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// How long the host may take to answer, and a port to appear.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at what ports there are.
const LOOK: Duration = Duration::from_millis(5);

/// The host's CID (include/uapi/linux/vm_sockets.h).
const HOST_CID: u32 = 2;

/// The stream that the host has given a number.
pub(super) fn stream(values: &Values) -> Result<Stream, String> {
    let number = values.number("stream").map_err(|stopped| stopped.to_string())?;
    let number = u32::try_from(number).map_err(|_| format!("no stream has the number {number}"))?;
    let token = token(values.text("token")).ok_or("the token is none")?;
    let mut stream = match values.text("port") {
        "" => over_virtio_serial(number)?,
        port => over_vsock(port)?,
    };
    let hello = Hello::ours(number, token);
    let greeted = dial(&mut stream, &hello, Some(Instant::now() + PATIENCE));
    greeted.map_err(|refusal| refusal.to_string()).map(|_version| stream)
}

/// Reads 64 hexadecimal digits.
fn token(text: &str) -> Option<Token> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.iter().map(byte).collect();
    Some(Token::new(bytes?.try_into().ok()?))
}

fn over_vsock(port: &str) -> Result<Stream, String> {
    let failed = |why: String| format!("connect vsock {HOST_CID}:{port}: {why}");
    let number = port.parse().map_err(|_| failed("no port".to_owned()))?;
    let connected = vsock::VsockStream::connect_with_cid_port(HOST_CID, number);
    let connected = connected.map_err(|error| failed(error.to_string()))?;
    Ok(direct::stream(OwnedFd::from(connected)))
}

/// A stream on a port for benchmarks, laid out as on PID 1's: that one can be opened once only.
fn over_virtio_serial(number: u32) -> Result<Stream, String> {
    let failed = |why: String| format!("virtio-serial port {BENCHMARKS_PORT}: {why}");
    let path = find_port().ok_or_else(|| failed("there is none".to_owned()))?;
    let port = open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let port = port.map_err(|errno| failed(format!("open {path}: {errno}")))?;
    let (mux, reader) = Mux::new(port);
    // The host opens nothing: the guest always dials.
    let reading = thread::Builder::new()
        .name("streams".into())
        .spawn(move || reader.run(|_, stream| stream.abort.abort()));
    reading.map_err(|error| failed(error.to_string()))?;
    mux.open(number).map_err(|error| failed(error.to_string()))
}

/// The driver learns of ports one by one, so this may be the first to look for the last.
fn find_port() -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ports = std::fs::read_dir("/sys/class/virtio-ports").ok()?;
        let found = ports.flatten().find(|entry| {
            let name = std::fs::read_to_string(entry.path().join("name"));
            name.is_ok_and(|name| name.trim_end() == BENCHMARKS_PORT)
        });
        if let Some(entry) = found {
            return Some(format!("/dev/{}", entry.file_name().display()));
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_64_digits() {
        assert_eq!(
            token(&"0aff".repeat(16)),
            Some(Token::new([0x0a, 0xff].repeat(16).try_into().unwrap()))
        );
        for text in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &"0".repeat(63), &"é".repeat(32)]
        {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
