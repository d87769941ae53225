//! CHAP for the plain initiator (RFC 1994, RFC 7143 12.1), with the target's answers kept byte for byte.

use md5::{Digest, Md5};

use crate::plain_initiator::{Pdu, Session};

/// Security negotiation goes on.
const SECURITY: u8 = 0x00;
/// From security to operational negotiation.
const TO_OPERATIONAL: u8 = 0x81;
/// What the target is asked to prove itself with, and its identifier.
const CHALLENGE: [u8; 16] = *b"prove it, target";
const IDENTIFIER: u8 = 77;

/// Who logs in, and whom it expects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chap<'a> {
    pub(crate) userid: &'a str,
    pub(crate) password: &'a str,
    /// The target's name and secret; without, it need not prove anything.
    pub(crate) mutual: Option<(&'a str, &'a str)>,
}

impl Session {
    /// Proves who we are, and asks the target to; its answers, or its login status if it refuses.
    pub(crate) fn authenticate(
        &mut self,
        chap: &Chap<'_>,
        who: &[(&str, &str)],
    ) -> Result<Answers, u16> {
        let method = self.login(SECURITY, &[who, &[("AuthMethod", "CHAP")]].concat())?;
        let challenge = self.login(SECURITY, &[("CHAP_A", "5")])?;
        assert_eq!(value(&challenge, "CHAP_A"), "5", "MD5");
        let identifier = value(&challenge, "CHAP_I").parse().expect("an identifier");
        let ours = response(identifier, chap.password, &bytes(value(&challenge, "CHAP_C")));
        let (identifier, theirs) = (IDENTIFIER.to_string(), hex(&CHALLENGE));
        let mut keys = vec![("CHAP_N", chap.userid), ("CHAP_R", &ours)];
        if chap.mutual.is_some() {
            keys.extend([("CHAP_I", &*identifier), ("CHAP_C", &*theirs)]);
        }
        let proof = self.login(TO_OPERATIONAL, &keys)?;
        Ok(Answers { method, challenge, proof })
    }
}

/// What the target says in security negotiation: what it wants, its challenge, and who it is.
pub(crate) struct Answers {
    pub(crate) method: Pdu,
    pub(crate) challenge: Pdu,
    pub(crate) proof: Pdu,
}

impl Answers {
    /// Whether the target has proved to have this name and this secret.
    pub(crate) fn prove(&self, (userid, password): (&str, &str)) -> bool {
        value(&self.proof, "CHAP_N") == userid
            && value(&self.proof, "CHAP_R") == response(IDENTIFIER, password, &CHALLENGE)
    }
}

/// The value of a key, which ends in a NUL.
#[track_caller]
fn value<'p>(pdu: &'p Pdu, key: &str) -> &'p str {
    let text = std::str::from_utf8(&pdu.data).expect("a login's text");
    assert!(text.is_empty() || text.ends_with('\0'), "{text:?}");
    let found = text.split('\0').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {key} in {text:?}"))
}

/// MD5 of identifier, secret and challenge.
fn response(identifier: u8, password: &str, challenge: &[u8]) -> String {
    let digest = Md5::new_with_prefix([identifier]).chain_update(password).chain_update(challenge);
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[track_caller]
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.strip_prefix("0x").expect("a hexadecimal value");
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

#[test]
fn a_response_is_md5_of_identifier_secret_and_challenge() {
    // printf 'Msecret-of-twelveprove it, target' | md5sum
    assert_eq!(
        response(b'M', "secret-of-twelve", &CHALLENGE),
        "0xca5c813e5bbfc55f600f024462cb2d71"
    );
    assert_eq!(bytes("0x00ff1a"), [0, 0xff, 0x1a]);
}
