//! Workload `digest`: the SHA-256 of `length` bytes of `path` from `offset` on, read past the page
//! cache. A length of 0 goes to the end.

use super::direct::Direct;
use super::{Job, Tell, Told};
use lunlab_bench::digest::Digest;
use rustix::fs::OFlags;

pub(super) fn run(job: &Job, tell: Tell<'_>) -> Result<(), String> {
    let file = Direct::open(job.parameter("path").ok_or("no path is given")?, OFlags::RDONLY)?;
    let range = file.range(job.number("offset")?, job.number("length")?)?;
    let mut digest = Digest::default();
    file.read(range, |piece| digest.add(piece))?;
    tell(Told::Finding { name: "sha256", text: &digest.finish() });
    tell(Told::Finding { name: "bytes", text: &range.length.to_string() });
    tell(Told::Finding { name: "read", text: file.way() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, job};

    #[test]
    fn a_digest_is_that_of_the_range() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "xxabcyy").unwrap();
        let path = file.path().to_str().unwrap();
        let found = findings(&job("digest", &[("path", path), ("offset", "2"), ("length", "3")]));
        let found = found.unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found[0], ("sha256".into(), sha256.into()));
        assert_eq!(found[1], ("bytes".into(), "3".into()));
    }

    #[test]
    fn without_a_path_there_is_no_digest() {
        assert_eq!(findings(&job("digest", &[])), Err("no path is given".into()));
    }
}
