//! Error numbers by their names, as the guest tells them.

use configfs_rs::Errno;
use std::io;

/// How the standard library ends what it says of an error number.
const MARK: &str = "(os error ";

/// Puts the name of each error number in the place of the C library's words for it: `EADDRINUSE` instead of
/// `Address already in use (os error 98)`.
///
/// It works on the text because errors come wrapped in those of libraries, of which nothing but the text can be had.
#[must_use]
pub fn by_name(text: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        let number = after.split_once(')').and_then(|(number, after)| {
            let number: i32 = number.parse().ok()?;
            let words = io::Error::from_raw_os_error(number).to_string();
            let said = before.strip_suffix(words.split_once(MARK)?.0)?;
            Some((said, Errno::new(number).name()?, after))
        });
        rest = if let Some((said, name, after)) = number {
            named.extend([said, name]);
            after
        } else {
            named.extend([before, MARK]);
            after
        };
    }
    named + rest
}

#[cfg(test)]
mod tests {
    use super::by_name;
    use std::io::Error;

    #[test]
    fn every_error_number_in_a_text_has_its_name() {
        for number in (1..133).filter(|number| ![41, 58].contains(number)) {
            let name = configfs_rs::Errno::new(number).to_string();
            let error = Error::from_raw_os_error(number);
            assert_eq!(
                by_name(&format!("a: {error}; b: {error}.")),
                format!("a: {name}; b: {name}.")
            );
        }
    }

    #[test]
    fn what_only_looks_like_one_stays_as_it_is() {
        for text in
            ["", "x", "(os error ", "(os error 2)", "No such (os error 2)", "y (os error 99999)"]
        {
            assert_eq!(by_name(text), text);
        }
    }
}
