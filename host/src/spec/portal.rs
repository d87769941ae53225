//! Portals as a spec writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::fault::quoted;
use super::target::PortalSpec;

/// Why a text is not a portal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortalError {
    /// Neither address nor host name.
    #[error("{0} is not a portal, write an address, or one with a port: 127.0.0.1:3260")]
    Form(String),
    /// A host name.
    #[error("{0} names a host, LIO takes numeric addresses only: 127.0.0.1:3260 or [::1]:3260")]
    Host(String),
    /// IPv6 without brackets.
    #[error("{0} is an IPv6 address without brackets, write {1}")]
    Brackets(String, String),
    /// A zone.
    #[error("{0} names a zone, the guest has no link-local addresses")]
    Zone(String),
    /// A port that is none.
    #[error("{0} has the port {1}, 1 to 65535 without leading zeros is allowed")]
    Port(String, String),
}

impl PortalError {
    /// The portal that was probably meant, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Brackets(_, meant) => Some(meant.clone()),
            Self::Zone(_) => Some("[::1]:3260, or an address of the guest's own".to_owned()),
            _ => None,
        }
    }
}

impl PortalSpec {
    /// Reads `address`, `address:port`, `[address]` or `[address]:port`.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<Self, PortalError> {
        if text.contains('%') {
            return Err(PortalError::Zone(quoted(text)));
        }
        if let Some(meant) = without_brackets(text) {
            return Err(PortalError::Brackets(quoted(text), meant));
        }
        let (address, port) = split(text).ok_or_else(|| PortalError::Form(quoted(text)))?;
        let port = port.map(|port| parse_port(text, port)).transpose()?;
        Ok(Self { address: parse_address(text, address)?, port })
    }
}

/// Splits at the last colon outside brackets.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if text.starts_with('[') {
        let (address, rest) = text.split_at(text.find(']')? + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Some((address, Some(port))),
            None => rest.is_empty().then_some((address, None)),
        };
    }
    match text.split_once(':') {
        Some((address, port)) if !address.is_empty() => Some((address, Some(port))),
        Some(_) => None,
        None => (!text.is_empty()).then_some((text, None)),
    }
}

/// What was probably meant by an IPv6 address without brackets, with a port or without one.
fn without_brackets(text: &str) -> Option<String> {
    if let Some((address, port)) = text.rsplit_once(':')
        && let (Ok(address), Ok(port)) = (address.parse::<Ipv6Addr>(), parse_port(text, port))
        && port >= 1000
    {
        return Some(format!("[{address}]:{port}"));
    }
    let address: Ipv6Addr = text.parse().ok()?;
    Some(format!("[{address}] or [{address}]:3260"))
}

fn parse_address(text: &str, address: &str) -> Result<IpAddr, PortalError> {
    if let Some(inner) = address.strip_prefix('[') {
        let inner = inner.trim_end_matches(']').parse::<Ipv6Addr>();
        return inner.map(IpAddr::V6).map_err(|_| PortalError::Form(quoted(text)));
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let numeric = address.chars().all(|c| c.is_ascii_digit() || c == '.');
    match address.parse::<Ipv4Addr>() {
        Ok(address) => Ok(IpAddr::V4(address)),
        Err(_) if !numeric && address.chars().all(is_host) => Err(PortalError::Host(quoted(text))),
        Err(_) => Err(PortalError::Form(quoted(text))),
    }
}

fn parse_port(text: &str, port: &str) -> Result<u16, PortalError> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    // LIO would read a leading zero as octal.
    let number = (digits && !port.starts_with('0')).then(|| port.parse().ok()).flatten();
    number.ok_or_else(|| PortalError::Port(quoted(text), quoted(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portals_are_written_as_they_are_read() {
        for text in ["127.0.0.1:3260", "127.0.0.1", "[::1]:3261", "0.0.0.0:1", "[::]:65535"] {
            assert_eq!(PortalSpec::parse(text).unwrap().to_string(), text);
        }
        let one = PortalSpec::parse("[0:0::1]").unwrap();
        assert_eq!((one.to_string().as_str(), one.port), ("[::1]", None));
    }

    #[test]
    fn each_wrong_portal_is_told_its_right_form() {
        for (text, message) in [
            ("", "\"\" is not a portal, write an address, or one with a port: 127.0.0.1:3260"),
            (
                ":3260",
                "\":3260\" is not a portal, write an address, or one with a port: 127.0.0.1:3260",
            ),
            (
                "localhost:3260",
                "\"localhost:3260\" names a host, LIO takes numeric addresses only: 127.0.0.1:3260 or [::1]:3260",
            ),
            ("::1", "\"::1\" is an IPv6 address without brackets, write [::1] or [::1]:3260"),
            ("::1:3260", "\"::1:3260\" is an IPv6 address without brackets, write [::1]:3260"),
            (
                "::1:2",
                "\"::1:2\" is an IPv6 address without brackets, write [::1:2] or [::1:2]:3260",
            ),
            (
                "[fe80::1%eth0]",
                "\"[fe80::1%eth0]\" names a zone, the guest has no link-local addresses",
            ),
            (
                "1.2.3.4:0",
                "\"1.2.3.4:0\" has the port \"0\", 1 to 65535 without leading zeros is allowed",
            ),
            (
                "1.2.3.4:65536",
                "\"1.2.3.4:65536\" has the port \"65536\", 1 to 65535 without leading zeros is allowed",
            ),
            (
                "1.2.3.4:03260",
                "\"1.2.3.4:03260\" has the port \"03260\", 1 to 65535 without leading zeros is allowed",
            ),
            (
                "1.2.3.4:",
                "\"1.2.3.4:\" has the port \"\", 1 to 65535 without leading zeros is allowed",
            ),
            (
                "1.2.3:1",
                "\"1.2.3:1\" is not a portal, write an address, or one with a port: 127.0.0.1:3260",
            ),
            (
                "[::1]3260",
                "\"[::1]3260\" is not a portal, write an address, or one with a port: 127.0.0.1:3260",
            ),
            (
                "[::1",
                "\"[::1\" is not a portal, write an address, or one with a port: 127.0.0.1:3260",
            ),
        ] {
            assert_eq!(PortalSpec::parse(text).unwrap_err().to_string(), message);
        }
    }
}
