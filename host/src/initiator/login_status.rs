//! Login status codes in words (RFC 7143 11.13.5), and what they mean when LIO sends them.

/// What the target says, as one phrase.
pub(super) fn words(status: u16) -> &'static str {
    match status {
        0x0101 => "the target moved temporarily",
        0x0102 => "the target moved for good",
        0x0100..=0x01ff => "the target moved",
        0x0200 => "initiator error",
        0x0201 => "authentication failed",
        0x0202 => "the initiator is not allowed to log in",
        0x0203 => "there is no such target",
        0x0204 => "the target was removed",
        0x0205 => "the protocol version is not supported",
        0x0206 => "too many connections",
        0x0207 => "a parameter is missing",
        0x0208 => "the connection cannot join the session",
        0x0209 => "the session type is not supported",
        0x020a => "the session does not exist",
        0x020b => "a request is not valid during login",
        0x0300 => "target error",
        0x0301 => "service unavailable",
        0x0302 => "the target is out of resources",
        _ => "a status no standard defines",
    }
}

/// What to look at, for the codes LIO is known to send.
pub(super) fn hint(status: u16) -> Option<&'static str> {
    match status {
        0x0201 => {
            Some("give the credentials the TPG or the ACL asks for, or turn authentication off")
        }
        0x0202 => Some("add an ACL for this initiator, or let the TPG generate node ACLs"),
        0x0203 => Some("check the target's name"),
        0x0207 => Some("the target may want authentication: it found no credentials in the login"),
        // LIO answers a login to an unknown target name like this too, not with 0x0203
        0x0301 => {
            Some("check the target's name, and that the target and its TPG exist and are enabled")
        }
        0x0302 => Some("look for failed allocations in the kernel log"),
        _ => None,
    }
}

/// The status in libiscsi's words for a refused login, which end in it as `(769)`.
pub(super) fn from_error_text(text: &str) -> Option<u16> {
    let refused = text.split_once("log in to target. Status:")?.1;
    let number = refused.trim_end().strip_suffix(')')?.rsplit_once('(')?.1;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_found_in_the_librarys_words() {
        let text = "Failed to log in to target. Status: Service unavailable(769)";
        assert_eq!(from_error_text(text), Some(0x0301));
        let nested = "Failed to log in to target. Status: Target moved (unknown)(256)\n";
        assert_eq!(from_error_text(nested), Some(0x0100));
        assert_eq!(from_error_text("Failed to log in to target. Status: x(99999)"), None);
        assert_eq!(from_error_text("Connection refused(111)"), None);
    }

    #[test]
    fn codes_lio_sends_have_words_and_a_way_out() {
        for status in [0x0201, 0x0202, 0x0203, 0x0207, 0x0301, 0x0302] {
            assert_ne!(words(status), words(0xffff), "{status:#06x}");
            assert!(hint(status).is_some(), "{status:#06x}");
        }
        assert!(hint(0x0301).unwrap().contains("name"), "0x0301 is LIO's unknown target too");
        assert_eq!(hint(0x0205), None);
    }
}
