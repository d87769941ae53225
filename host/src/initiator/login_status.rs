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
pub(super) fn hint(status: u16, with_chap: bool) -> Option<&'static str> {
    Some(match status {
        0x0200 => "the two sides agree on no value for a key, a digest perhaps",
        0x0201 if with_chap => {
            "check the user id and the password against those of the ACL, or in demo mode of the \
             TPG; for discovery, of [discovery]"
        }
        0x0201 => "the target asks for CHAP: give credentials, or turn authentication off",
        0x0202 => {
            "there is no ACL for this initiator's name: add one, or let the TPG generate node ACLs"
        }
        0x0203 => "check the target's name",
        0x0207 => "the target may want authentication: it found no credentials in the login",
        // LIO answers a login to an unknown target name like this too, not with 0x0203
        0x0301 => "check the target's name, and that the target and its TPG exist and are enabled",
        0x0302 => "look for failed allocations in the kernel log",
        _ => return None,
    })
}

/// What libiscsi says when it is the target that did not prove itself, in other words and with a
/// way out.
pub(super) fn unproven(text: &str) -> Option<(&'static str, &'static str)> {
    let has = |part| text.contains(part);
    if has("Invalid CHAP_R") || has("Wrong size of CHAP_R") {
        let hint = "check the mutual password against that of the ACL or the TPG";
        Some(("the target proved another secret than the mutual one", hint))
    } else if has("Wrong CHAP targetname") {
        let hint = "check the mutual user id against that of the ACL or the TPG";
        Some(("the target authenticated itself as somebody else", hint))
    } else if has("did not return CHAP_") {
        let hint = "give the ACL or the TPG mutual credentials, or ask for none";
        Some(("the target did not authenticate itself", hint))
    } else if has("NUL not found") {
        let hint = "libiscsi up to 1.19 also takes the padding of an answer for text (docs/lio.md)";
        Some(("libiscsi found a key without an end in the target's answer", hint))
    } else {
        None
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
            assert!(hint(status, true).is_some(), "{status:#06x}");
        }
        let unavailable = hint(0x0301, false).unwrap();
        assert!(unavailable.contains("name"), "0x0301 is LIO's unknown target too");
        assert_eq!(hint(0x0205, false), None);
    }

    #[test]
    fn credentials_that_are_wrong_and_ones_that_are_missing_have_different_hints() {
        assert!(hint(0x0201, true).unwrap().contains("password"));
        assert!(hint(0x0201, false).unwrap().contains("asks for CHAP"));
    }

    #[test]
    fn a_target_that_does_not_prove_itself_is_told_by_how() {
        let causes = [
            "Authentication failed. Invalid CHAP_R response from the target",
            "Failed to log in to target. Wrong CHAP targetname received: other",
            "Failed to log in to target. It did not return CHAP_N during SECNEG.",
            "NUL not found after offset 53 when parsing login data",
        ]
        .map(|text| unproven(text).unwrap().0);
        assert!(causes[0].contains("secret") && causes[1].contains("somebody else"), "{causes:?}");
        assert!(causes[2].contains("did not authenticate"), "{causes:?}");
        assert!(causes[3].contains("without an end"), "{causes:?}");
        assert_eq!(unproven("Connection refused(111)"), None);
    }
}
