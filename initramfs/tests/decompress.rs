//! What the system's compressors write, this crate reads.

#![cfg(test)]

use lunlab_initramfs::decompress::{Compression, Error, decompress};
use proptest::prelude::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// Each format as the kernel's own build produces it (`scripts/Makefile.lib`).
const COMPRESSORS: [(Compression, &[&str]); 5] = [
    (Compression::Gzip, &["gzip", "-n", "-f", "-9"]),
    (Compression::Xz, &["xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB"]),
    (Compression::Xz, &["xz", "--check=crc64"]),
    (Compression::Lz4Legacy, &["lz4", "-l", "-9", "-q"]),
    (Compression::Zstd, &["zstd", "-22", "--ultra", "-q"]),
];
const LIMIT: u64 = 64 << 20;

fn compress(command: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{} must be installed: {e}", command[0]));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    output.stdout
}

/// Bytes that compress, but not to nothing.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0] & 0x3f
    })
    .take(length)
    .collect()
}

#[test]
fn what_the_kernels_compressors_write_is_detected_and_read() {
    for length in [1, 1000, 3 << 20] {
        let input = sample(length);
        for (kind, command) in COMPRESSORS {
            let compressed = compress(command, &input);
            assert_eq!(Compression::detect(&compressed), kind);
            assert!(decompress(kind, &compressed, LIMIT).unwrap() == input, "{command:?} {length}");
        }
    }
}

#[test]
fn bytes_after_the_stream_are_ignored() {
    let input = sample(100_000);
    for (kind, command) in COMPRESSORS {
        for trailer in [&100_000_u32.to_le_bytes()[..], &[0; 4], &[0xff; 7], &[9], &[0; 4096]] {
            let mut payload = compress(command, &input);
            payload.extend_from_slice(trailer);
            let output = decompress(kind, &payload, LIMIT);
            assert!(output.unwrap() == input, "{command:?} {trailer:?}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_short_is_an_error() {
    let input = sample(100_000);
    for (kind, command) in COMPRESSORS {
        let compressed = compress(command, &input);
        for length in [6, 7, 100, compressed.len() / 2, compressed.len() - 1] {
            let cut = decompress(kind, &compressed[..length], LIMIT);
            assert!(matches!(cut, Err(Error::Truncated(_))), "{command:?} {length}: {cut:?}");
        }
    }
}

#[test]
fn more_than_the_limit_is_an_error_and_exactly_the_limit_is_not() {
    let input = vec![0; 20 << 20];
    for (kind, command) in COMPRESSORS.into_iter().chain([(Compression::None, &["cat"][..])]) {
        let compressed = compress(command, &input);
        let over = decompress(kind, &compressed, (20 << 20) - 1);
        assert!(matches!(over, Err(Error::TooLarge { .. })), "{command:?}");
        assert!(decompress(kind, &compressed, 20 << 20).unwrap() == input, "{command:?}");
    }
}

#[test]
fn lz4_of_whole_blocks_ends_at_the_size_of_a_bzimage_payload() {
    for blocks in [1, 2] {
        let input = sample(blocks * (8 << 20));
        let mut payload = compress(&["lz4", "-l", "-q"], &input);
        payload.extend_from_slice(&u32::try_from(input.len()).unwrap().to_le_bytes());
        assert!(decompress(Compression::Lz4Legacy, &payload, LIMIT).unwrap() == input);
    }
}

#[test]
fn an_xz_dictionary_beyond_the_memory_limit_is_refused() {
    let huge = compress(&["xz", "--lzma2=preset=0,dict=1GiB"], b"small");
    let refused = decompress(Compression::Xz, &huge, LIMIT);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
}

#[test]
fn a_zstd_window_beyond_the_memory_limit_is_refused() {
    let huge = compress(&["zstd", "-q", "--ultra", "--long=30"], &sample(200_000));
    let refused = decompress(Compression::Zstd, &huge, LIMIT);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
}

proptest! {
    #[test]
    fn any_bytes_give_bounded_output_or_an_error(
        start in 0..COMPRESSORS.len(),
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut input = compress_magic(start);
        input.extend_from_slice(&bytes);
        if let Ok(output) = decompress(COMPRESSORS[start].0, &input, 10_000) {
            prop_assert!(output.len() <= 10_000);
        }
    }
}

/// The first bytes of a real stream, so that noise reaches beyond the magic number.
fn compress_magic(index: usize) -> Vec<u8> {
    let magics: [&[u8]; 5] = [
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3],
        &[0xfd, b'7', b'z', b'X', b'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        &[2, 0x21, 0x4c, 0x18],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    magics[index].to_vec()
}
