//! `/etc/ld.so.cache`, as ldconfig writes it (glibc's `sysdeps/generic/dl-cache.h`).

use std::path::PathBuf;

/// What the newer format begins with; older ones have it after their own entries.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// The paths that the cache has for a name, in its order; none where it is not what it should be.
pub(super) fn paths(cache: &[u8], name: &str) -> Vec<PathBuf> {
    let Some(start) = cache.windows(MAGIC.len()).position(|window| window == MAGIC) else {
        return Vec::new();
    };
    let table = &cache[start..];
    let entries = number(table, MAGIC.len()).unwrap_or_default();
    let entries = table.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY).take(entries);
    let of_name = entries.filter(|entry| text(table, entry, 4) == Some(name));
    of_name.filter_map(|entry| text(table, entry, 8)).map(PathBuf::from).collect()
}

/// The machine's own byte order; lunlab runs on little-endian ones.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

fn text<'a>(table: &'a [u8], entry: &[u8], at: usize) -> Option<&'a str> {
    let text = table.get(number(entry, at)?..)?;
    let end = text.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&text[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let mut table = MAGIC.to_vec();
        table.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
        table.resize(HEADER, 0);
        let base = HEADER + ENTRY * entries.len();
        for (name, path) in entries {
            let mut put = |text: &str| {
                let at = u32::try_from(base + strings.len()).unwrap();
                strings.extend([text.as_bytes(), b"\0"].concat());
                at.to_le_bytes()
            };
            let (name, path) = (put(name), put(path));
            table.extend([&[3, 3, 0, 0], &name[..], &path[..], &[0; 12]].concat());
        }
        table.extend(strings);
        table
    }

    #[test]
    fn a_name_has_all_its_paths_in_order_after_an_old_table_too() {
        let new = cache(&[("a.so", "/x/a.so"), ("b.so", "/x/b.so"), ("a.so", "/y/a.so")]);
        for before in ["", "ld.so-1.7.0\0 and old entries"] {
            let cache = [before.as_bytes(), &new].concat();
            assert_eq!(paths(&cache, "a.so"), [PathBuf::from("/x/a.so"), "/y/a.so".into()]);
            assert_eq!(paths(&cache, "c.so"), Vec::<PathBuf>::new());
        }
    }

    #[test]
    fn what_is_cut_short_or_lies_about_its_size_has_fewer() {
        let whole = cache(&[("a.so", "/x/a.so"), ("b.so", "/x/b.so")]);
        for end in 0..whole.len() {
            assert!(paths(&whole[..end], "b.so").is_empty(), "{end}");
        }
        let mut lies = whole.clone();
        lies[MAGIC.len()..MAGIC.len() + 4].fill(0xff);
        assert_eq!(paths(&lies, "a.so"), [PathBuf::from("/x/a.so")]);
        lies[HEADER + 8..HEADER + 12].fill(0xff);
        assert_eq!(paths(&lies, "a.so"), Vec::<PathBuf>::new());
    }
}
