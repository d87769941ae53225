//! Workload `digest`: the SHA-256 of `length` bytes of `path` from `offset` on, read past the page
//! cache. A length of 0 goes to the end.

use crate::direct::Direct;
use lunlab_bench::digest::Digest;
use lunlab_bench::workload::{Observer, Stopped, Told, Values};
use rustix::fs::OFlags;

pub(super) fn run(values: &Values, observer: &mut dyn Observer) -> Result<(), Stopped> {
    let (offset, length) = (values.number_or_zero("offset")?, values.number_or_zero("length")?);
    let file = Direct::open(values.text("path"), OFlags::RDONLY).map_err(Stopped::Failed)?;
    let range = file.range(offset, length).map_err(Stopped::Failed)?;
    let mut digest = Digest::default();
    file.read(range, |piece| digest.add(piece)).map_err(Stopped::Failed)?;
    observer.tell(Told::Finding { name: "sha256", text: &digest.finish() });
    observer.tell(Told::Finding { name: "bytes", text: &range.length.to_string() });
    observer.tell(Told::Finding { name: "read", text: file.way() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;

    #[test]
    fn a_digest_is_that_of_the_range() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "xxabcyy").unwrap();
        let path = file.path().to_str().unwrap();
        let found = findings("digest", &[("path", path), ("offset", "2"), ("length", "3")]);
        let found = found.unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found[0], ("sha256".into(), sha256.into()));
        assert_eq!(found[1], ("bytes".into(), "3".into()));
    }

    #[test]
    fn what_is_not_there_is_told() {
        let range = [("path", "/nowhere/at/all"), ("offset", "0"), ("length", "0")];
        let error = findings("digest", &range).unwrap_err();
        assert_eq!(error.to_string(), "open /nowhere/at/all: ENOENT");
    }
}
