//! SHA-256 of many messages at once where they end alike: one message in each lane of the processor's vectors.
//!
//! What a block adds to the rounds, its message schedule, depends on the block alone. Messages that have the same block
//! share it: it is made once, and every round takes one word of it for all lanes.

use fearless_simd::{Level, Simd, SimdBase as _, dispatch, u32x16};

/// Messages of one vector.
const WIDTH: usize = 16;
/// Vectors taken at once: while one waits for a result the processor works on the other.
const VECTORS: usize = 2;
/// Messages taken at once.
pub const LANES: usize = WIDTH * VECTORS;

/// A state of SHA-256.
pub(super) type State = [u32; 8];

/// The state it begins with (FIPS 180-4, 5.3.3).
pub(super) const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The schedule of one block: for each round the word of the message and the round's constant.
pub(super) type Schedule = [u32; 64];

/// Makes the schedule of a block (FIPS 180-4, 6.2.2).
#[must_use]
pub(super) fn schedule(block: &[u8; 64]) -> Schedule {
    let mut words = [0_u32; 64];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for t in 16..64 {
        let (near, far) = (words[t - 2], words[t - 15]);
        let near = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
        let far = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
        words[t] = near.wrapping_add(words[t - 7]).wrapping_add(far).wrapping_add(words[t - 16]);
    }
    words.iter_mut().zip(CONSTANTS).for_each(|(word, k)| *word = word.wrapping_add(k));
    words
}

/// Takes the same blocks into every state.
pub(super) fn compress(states: &mut [State; LANES], blocks: &[Schedule]) {
    dispatch!(Level::new(), simd => rounds(simd, states, blocks));
}

/// One variable of the rounds, of all messages.
type Variable<S> = [u32x16<S>; VECTORS];

#[inline(always)]
fn rounds<S: Simd>(simd: S, states: &mut [State; LANES], blocks: &[Schedule]) {
    let mut state: [Variable<S>; 8] = std::array::from_fn(|word| {
        std::array::from_fn(|vector| {
            let lanes: [u32; WIDTH] =
                std::array::from_fn(|lane| states[vector * WIDTH + lane][word]);
            u32x16::from_slice(simd, &lanes)
        })
    });
    for schedule in blocks {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        // After eight rounds every variable has its own name again: nothing is moved meanwhile.
        for words in schedule.as_chunks::<8>().0 {
            let [k0, k1, k2, k3, k4, k5, k6, k7] = words.map(|word| u32x16::splat(simd, word));
            round([&a, &b, &c], &mut d, [&e, &f, &g], &mut h, k0);
            round([&h, &a, &b], &mut c, [&d, &e, &f], &mut g, k1);
            round([&g, &h, &a], &mut b, [&c, &d, &e], &mut f, k2);
            round([&f, &g, &h], &mut a, [&b, &c, &d], &mut e, k3);
            round([&e, &f, &g], &mut h, [&a, &b, &c], &mut d, k4);
            round([&d, &e, &f], &mut g, [&h, &a, &b], &mut c, k5);
            round([&c, &d, &e], &mut f, [&g, &h, &a], &mut b, k6);
            round([&b, &c, &d], &mut e, [&f, &g, &h], &mut a, k7);
        }
        for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            word.iter_mut().zip(new).for_each(|(word, new)| *word += new);
        }
    }
    for (word, vectors) in state.iter().enumerate() {
        for (lanes, vector) in states.as_chunks_mut::<WIDTH>().0.iter_mut().zip(vectors) {
            let mut values = [0; WIDTH];
            vector.store_slice(&mut values);
            lanes.iter_mut().zip(values).for_each(|(state, value)| state[word] = value);
        }
    }
}

/// One round (FIPS 180-4, 6.2.2, step 3), which leaves `d` and `h` as the new e and a.
#[inline(always)]
fn round<S: Simd>(
    [a, b, c]: [&Variable<S>; 3],
    d: &mut Variable<S>,
    [e, f, g]: [&Variable<S>; 3],
    h: &mut Variable<S>,
    k: u32x16<S>,
) {
    for i in 0..VECTORS {
        let sum1 = rotated::<S, 6>(e[i]) ^ rotated::<S, 11>(e[i]) ^ rotated::<S, 25>(e[i]);
        let choice = (e[i] & f[i]) ^ (!e[i] & g[i]);
        let first = (h[i] + k) + choice + sum1;
        let sum0 = rotated::<S, 2>(a[i]) ^ rotated::<S, 13>(a[i]) ^ rotated::<S, 22>(a[i]);
        let majority = (a[i] & b[i]) | (c[i] & (a[i] | b[i]));
        d[i] += first;
        h[i] = first + (sum0 + majority);
    }
}

#[inline(always)]
fn rotated<S: Simd, const BITS: u32>(x: u32x16<S>) -> u32x16<S> {
    (x >> BITS) | (x << (32 - BITS))
}

/// The constants of the rounds (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const CONSTANTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::block_api::compress256;

    #[test]
    fn every_lane_gets_what_one_message_alone_gets() {
        let mut states: [State; LANES] = std::array::from_fn(|lane| {
            START.map(|word| word.wrapping_mul(2 * u32::try_from(lane).unwrap() + 1))
        });
        let blocks: Vec<[u8; 64]> = (0..5)
            .map(|seed| {
                let mut words = crate::pattern::words(seed).flat_map(u64::to_le_bytes);
                std::array::from_fn(|_| words.next().unwrap())
            })
            .collect();
        let mut alone = states;
        alone.iter_mut().for_each(|state| compress256(state, &blocks));
        let schedules: Vec<_> = blocks.iter().map(schedule).collect();
        compress(&mut states, &schedules);
        assert_eq!(states, alone);
    }
}
