//! QEMU's monitor: what it says of the machine's end, and `quit` (docs/interop/qmp-spec.rst).

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

/// The longest line that is read; QEMU's greeting and events are a fraction of it.
const LINE: u64 = 64 * 1024;

/// What QEMU reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpEvent {
    /// The machine is going down: `guest-shutdown`, `guest-reset`, `guest-panic`, `host-qmp-quit`…
    Shutdown(String),
    /// The guest told of its panic.
    GuestPanicked,
    /// The machine was stopped (by an internal error of the accelerator, among others).
    Stopped,
}

/// Reads one line of the monitor; `None` for answers and events of no concern here.
#[must_use]
pub fn parse(line: &str) -> Option<QmpEvent> {
    let message: Value = serde_json::from_str(line).ok()?;
    match message.get("event")?.as_str()? {
        "SHUTDOWN" => {
            let reason = message.pointer("/data/reason").and_then(Value::as_str);
            Some(QmpEvent::Shutdown(reason.unwrap_or("unknown").to_owned()))
        }
        "GUEST_PANICKED" => Some(QmpEvent::GuestPanicked),
        "STOP" => Some(QmpEvent::Stopped),
        _ => None,
    }
}

/// The sending half of the monitor.
pub struct Monitor(UnixStream);

impl Monitor {
    /// Takes the connection and leaves negotiation mode. Commands before QEMU's greeting are
    /// buffered by the socket and read in order.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        let mut monitor = Self(stream);
        monitor.execute("qmp_capabilities")?;
        Ok(monitor)
    }

    /// Ends QEMU at once.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn quit(&mut self) -> std::io::Result<()> {
        self.execute("quit")
    }

    fn execute(&mut self, command: &str) -> std::io::Result<()> {
        writeln!(self.0, "{{\"execute\":\"{command}\"}}")
    }
}

/// Reads events until the monitor closes.
pub fn read(stream: UnixStream, mut take: impl FnMut(QmpEvent)) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE).read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if let Some(event) = parse(&line) {
                    take(event);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{QmpEvent, parse};

    #[test]
    fn the_end_of_the_machine_is_told_with_its_reason() {
        let line = r#"{"timestamp":{"seconds":1,"microseconds":2},"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-reset"}}"#;
        assert_eq!(parse(line), Some(QmpEvent::Shutdown("guest-reset".into())));
        assert_eq!(parse(r#"{"event":"STOP"}"#), Some(QmpEvent::Stopped));
    }

    #[test]
    fn answers_and_junk_are_no_events() {
        for line in ["", "{}", r#"{"return":{}}"#, r#"{"event":7}"#, "[1", r#"{"event":"RESUME"}"#]
        {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
