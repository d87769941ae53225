//! HMAC-SHA-512 with one key and many messages, and the hashing of BIP-32 key derivation.

use sha2::{Digest as _, Sha512};

/// A key, hashed once: what is left for a message is two blocks of the four.
#[derive(Clone, Debug)]
pub struct Hmac {
    inner: Sha512,
    outer: Sha512,
}

impl Hmac {
    /// Takes a key of at most one block, 128 bytes (RFC 2104).
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let padded = |pad: u8| {
            let mut block = [pad; 128];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            Sha512::new_with_prefix(block)
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// Authenticates the message that these parts make.
    #[must_use]
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut inner = self.inner.clone();
        parts.iter().for_each(|part| inner.update(part));
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// The hashing part of hardened derivation (BIP-32, CKDpriv), where this is the HMAC of the chain code: what is added
    /// to the secret key, and the new chain code.
    #[must_use]
    pub fn derive(&self, secret: &[u8; 32], index: u32) -> ([u8; 32], [u8; 32]) {
        let both = self.of(&[&[0], secret, &(index | HARDENED).to_be_bytes()]);
        let (mut left, mut right) = ([0; 32], [0; 32]);
        left.copy_from_slice(&both[..32]);
        right.copy_from_slice(&both[32..]);
        (left, right)
    }
}

const HARDENED: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn it_gives_the_published_values() {
        // RFC 4231, test case 2, in one part and in two.
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        let jefe = Hmac::new(b"Jefe");
        assert_eq!(hex(&jefe.of(&[b"what do ya want for nothing?"])), expected);
        assert_eq!(hex(&jefe.of(&[b"what do ya", b" want for nothing?"])), expected);
    }

    #[test]
    fn keys_are_derived_as_published() {
        // BIP-32, test vector 1: the master key of the seed 00 to 0f, and its first hardened child.
        let seed: Vec<u8> = (0..16).collect();
        let master = Hmac::new(b"Bitcoin seed").of(&[&seed]);
        assert_eq!(
            hex(&master),
            "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35\
             873dff81c02f525623fd1fe5167eac3a55a049de3d314bb42ee227ffed37d508"
        );
        let (_, chain_code) = Hmac::new(&master[32..]).derive(master[..32].try_into().unwrap(), 0);
        assert_eq!(
            hex(&chain_code),
            "47fdacbd0f1097043b78c63c20c34ef4ed9a111d980047ad16282c7ae6236141"
        );
    }
}
