//! Workload `digest`: the SHA-256 of a stretch of data.

use sha2::{Digest as _, Sha256};

use crate::workload::{Kind, Parameter, Run, Series, VIA, Workload, independent};

/// As specs know it.
pub const WORKLOAD: Workload = Workload {
    name: "digest",
    about: "the SHA-256 of a storage object's data, read in the guest past the page cache",
    parameters: &[
        Parameter::new("storage_object", "the name of one", Kind::StorageObject, ""),
        Parameter::new("via", "through a loopback target, or past LIO", Kind::Word(VIA), ""),
        Parameter::new("offset", "from which byte", RANGE, ""),
        Parameter::new("length", "how many bytes; all that follow when left out", RANGE, ""),
    ],
    series: Series::Always(&[]),
    rule: independent,
    run: Run::Driver,
};

pub(crate) const RANGE: Kind = Kind::Size { least: 0, most: 1 << 50 };

/// Takes data piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Takes the next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Gives the digest of all pieces, in lower-case hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Gives the digest of `length` bytes of the pattern of [`crate::pattern`] from `offset` on, which must be a multiple of
/// its block.
pub fn of_pattern(seed: u64, offset: u64, length: u64) -> String {
    let mut digest = Digest::default();
    let mut piece = [0; 64 * crate::pattern::BLOCK];
    let (mut at, mut left) = (offset, length);
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        crate::pattern::fill(seed, at, &mut piece[..count]);
        digest.add(&piece[..count]);
        at = at.saturating_add(count as u64);
        left -= count as u64;
    }
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_digest_however_it_is_cut() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for pieces in [&["abc"][..], &["a", "", "bc"]] {
            let mut digest = Digest::default();
            pieces.iter().for_each(|piece| digest.add(piece.as_bytes()));
            assert_eq!(digest.finish(), known);
        }
    }

    #[test]
    fn the_digest_of_a_pattern_is_that_of_its_bytes() {
        let mut bytes = vec![0; 100_000];
        crate::pattern::fill(9, 4096, &mut bytes);
        let mut digest = Digest::default();
        digest.add(&bytes);
        assert_eq!(of_pattern(9, 4096, 100_000), digest.finish());
        assert_eq!(of_pattern(9, 4096, 0), Digest::default().finish());
    }
}
