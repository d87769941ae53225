//! Workload `pattern`: writes the pattern of `seed` to `length` bytes of `path` from `offset` on,
//! past the page cache, and makes it durable. A length of 0 goes to the end.

use super::direct::Direct;
use super::{Job, Tell, Told};
use lunlab_bench::pattern::{BLOCK, fill};
use rustix::fs::OFlags;

pub(super) fn run(job: &Job, tell: Tell<'_>) -> Result<(), String> {
    let path = job.parameter("path").ok_or("no path is given")?;
    let (seed, offset, length) =
        (job.number("seed")?, job.number("offset")?, job.number("length")?);
    if [offset, length].iter().any(|bytes| !bytes.is_multiple_of(BLOCK as u64)) {
        return Err(format!("offset {offset} and length {length} must be multiples of {BLOCK}"));
    }
    let file = Direct::open(path, OFlags::RDWR)?;
    let range = file.range(offset, length)?;
    file.write(range, |at, piece| fill(seed, at, piece))?;
    tell(Told::Finding { name: "bytes", text: &range.length.to_string() });
    tell(Told::Finding { name: "written", text: file.way() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, job};
    use lunlab_bench::digest::of_pattern;

    #[test]
    fn what_is_written_has_the_patterns_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let path = file.path().to_str().unwrap();
        let range = [("path", path), ("offset", "8192"), ("length", "520192")];
        let written = findings(&job("pattern", &[range.as_slice(), &[("seed", "7")]].concat()));
        assert_eq!(written.unwrap()[0], ("bytes".into(), "520192".into()));
        let found = findings(&job("digest", &range)).unwrap();
        assert_eq!(found[0].1, of_pattern(7, 8192, 520_192));
        assert_eq!(std::fs::read(path).unwrap()[..8192], [0; 8192]);
    }

    #[test]
    fn half_a_block_is_refused() {
        for range in [("offset", "100"), ("length", "513")] {
            let error = findings(&job("pattern", &[("path", "/dev/null"), range])).unwrap_err();
            assert!(error.contains("multiples of 512"), "{error}");
        }
    }
}
