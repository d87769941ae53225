//! Which dialect client and server agreed on, by what the client says of its connections.

use lunlab_bench::smb::dialect;
use lunlab_bench::workload::Stopped;

const DEBUG_DATA: &str = "/proc/fs/cifs/DebugData";

/// What stands before a dialect's number there, in every version of the client that speaks SMB 2.1.
const LABEL: &str = "Dialect 0x";

/// Gives the dialect of every connection there is, if that is the one that was asked for.
pub(super) fn check_dialect(vers: &str) -> Result<u16, Stopped> {
    let text = std::fs::read_to_string(DEBUG_DATA)
        .map_err(|error| Stopped::Failed(format!("read {DEBUG_DATA}: {error}")))?;
    agreed(&text, vers).map_err(|why| Stopped::Failed(format!("{DEBUG_DATA}: {why}")))
}

fn agreed(debug_data: &str, vers: &str) -> Result<u16, String> {
    let asked = dialect(vers).ok_or_else(|| format!("vers = {vers:?}: not known"))?;
    let mut found = debug_data.split(LABEL).skip(1).map(number).peekable();
    if found.peek().is_none() {
        return Err("it names no dialect".to_owned());
    }
    match found.find(|dialect| *dialect != Some(asked)) {
        None => Ok(asked),
        Some(other) => {
            let other = other.map_or("one without a number".to_owned(), |n| format!("{n:#06x}"));
            Err(format!("vers={vers} is {asked:#06x}, and the dialect is {other}"))
        }
    }
}

fn number(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u16::from_str_radix(&text[..end], 16).ok()
}

#[cfg(test)]
mod tests {
    use super::agreed;

    #[test]
    fn only_the_dialect_that_was_asked_for_will_do() {
        let one = "Servers:\n1) ConnectionId: 0x1 Hostname: 10.0.2.4\nNumber of credits: 389,1,1 Dialect 0x311 signed\nTCP status: 1\n";
        assert_eq!(agreed(one, "3.1.1"), Ok(0x311));
        for (text, vers, words) in [
            (one, "3.0", "vers=3.0 is 0x0300, and the dialect is 0x0311"),
            (one, "9", "vers = \"9\""),
            ("Servers: <NONE>\n", "2.1", "names no dialect"),
            ("Dialect 0x210\nDialect 0x302", "2.1", "the dialect is 0x0302"),
            ("Dialect 0x", "2.1", "without a number"),
            ("Dialect 0xfffff", "2.1", "without a number"),
        ] {
            let error = agreed(text, vers).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
