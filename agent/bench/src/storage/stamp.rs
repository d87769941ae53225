//! What a block holds in verify mode: in every 16 bytes where they belong and which writing they are of.
//!
//! A block read from the wrong place, an old one, a torn one and one of zeros all differ from what
//! is expected, and the message says in what.

/// Bytes of one record: its address and its generation.
const RECORD: usize = 16;

/// Fills a block that stands at `address` of the device.
pub fn fill(block: &mut [u8], address: u64, generation: u64) {
    let mut at = address;
    for record in block.chunks_mut(RECORD) {
        record.copy_from_slice(&bytes(at, generation)[..record.len()]);
        at = at.wrapping_add(RECORD as u64);
    }
}

/// Checks a block that was read at `address`.
///
/// # Errors
/// The first record that is another, in words.
pub fn check(block: &[u8], address: u64, generation: u64) -> Result<(), String> {
    let mut at = address;
    for record in block.chunks(RECORD) {
        if record != &bytes(at, generation)[..record.len()] {
            return Err(describe(record, at, generation));
        }
        at = at.wrapping_add(RECORD as u64);
    }
    Ok(())
}

fn bytes(address: u64, generation: u64) -> [u8; RECORD] {
    // Generations begin with 1, so that zeros are never what is expected.
    (u128::from(generation) << 64 | u128::from(address)).to_le_bytes()
}

fn describe(record: &[u8], address: u64, generation: u64) -> String {
    let expected = format!("data at byte {address}: generation {generation} was written there");
    let Ok(found) = <[u8; RECORD]>::try_from(record) else {
        return format!("{expected}, something else was read");
    };
    let found = u128::from_le_bytes(found);
    let (own, of) = (found >> 64, found & u128::from(u64::MAX));
    if found == 0 {
        format!("{expected}, zeros were read")
    } else if of == u128::from(address) {
        format!("{expected}, generation {own} was read")
    } else {
        format!(
            "{expected}, bytes {found:032x} were read (address {of}, generation {own} if they are ours)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_is_good_and_nothing_else_is() {
        let mut block = vec![0; 4096];
        fill(&mut block, 8192, 3);
        assert_eq!(check(&block, 8192, 3), Ok(()));
        for (address, generation, words) in [
            (8192, 4, "generation 4 was written there, generation 3 was read"),
            (0, 3, "address 8192, generation 3 if they are ours"),
        ] {
            let error = check(&block, address, generation).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let zeros = check(&[0; 512], 512, 1).unwrap_err();
        assert_eq!(zeros, "data at byte 512: generation 1 was written there, zeros were read");
    }

    #[test]
    fn every_single_bit_counts() {
        let mut block = vec![0; 512];
        fill(&mut block, 512, 1);
        for bit in 0..512 * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&block, 512, 1).is_err(), "bit {bit}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
