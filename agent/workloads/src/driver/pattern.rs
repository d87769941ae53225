//! Workload `pattern`: writes the pattern of `seed` to `length` bytes of `path` from `offset` on,
//! past the page cache, and makes it durable. A length of 0 goes to the end.

use crate::direct::Direct;
use lunlab_bench::pattern::{BLOCK, fill};
use lunlab_bench::workload::{Observer, Stopped, Told, Values};
use rustix::fs::OFlags;

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let (seed, offset, length) = (
        values.number("seed")?,
        values.number_or_zero("offset")?,
        values.number_or_zero("length")?,
    );
    if [offset, length].iter().any(|bytes| !bytes.is_multiple_of(BLOCK as u64)) {
        let words = format!("offset {offset} and length {length} must be multiples of {BLOCK}");
        return Err(Stopped::Failed(words));
    }
    let file = Direct::open(values.text("path"), OFlags::RDWR).map_err(Stopped::Failed)?;
    let range = file.range(offset, length).map_err(Stopped::Failed)?;
    file.write(range, |at, piece| fill(seed, at, piece)).map_err(Stopped::Failed)?;
    observer.tell(Told::Finding { name: "bytes", text: &range.length.to_string() });
    observer.tell(Told::Finding { name: "written", text: file.way() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use lunlab_bench::digest::of_pattern;

    #[test]
    fn what_is_written_has_the_patterns_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let path = file.path().to_str().unwrap();
        let range = [("path", path), ("offset", "8192"), ("length", "520192")];
        let written = findings("pattern", &[range.as_slice(), &[("seed", "7")]].concat());
        assert_eq!(written.unwrap()[0], ("bytes".into(), "520192".into()));
        let found = findings("digest", &range).unwrap();
        assert_eq!(found[0].1, of_pattern(7, 8192, 520_192));
        assert_eq!(std::fs::read(path).unwrap()[..8192], [0; 8192]);
    }

    #[test]
    fn half_a_block_is_refused() {
        for (offset, length) in [("100", "0"), ("0", "513")] {
            let range = [("path", "/dev/null"), ("offset", offset), ("length", length)];
            let error = findings("pattern", &[range.as_slice(), &[("seed", "0")]].concat());
            let error = error.unwrap_err().to_string();
            assert!(error.contains("multiples of 512"), "{error}");
        }
    }
}
