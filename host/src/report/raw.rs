//! The raw JSON, attached.

use super::Run;
use super::html::{push, text};
use sha2::{Digest, Sha256};

/// What makes the link a download: the only script of a page, which works without it as well.
const SCRIPT: &str = include_str!("download.js");

/// The last section: the documents as they were read, and a link that saves them.
pub(super) fn attachment(runs: &[Run]) -> String {
    let mut html = String::from(
        "<section id=\"raw\">\n<h2>Raw results</h2>\n<p>The result documents, every sample among \
         them, are inside this file: <a id=\"download\" href=\"#documents\">save them as JSON</a>.</p>\n",
    );
    let documents: Vec<&str> = runs.iter().map(|run| run.json.trim()).collect();
    let name = match runs {
        [run] => format!("{}.json", run.document.run_id),
        _ => "lunlab-results.json".to_owned(),
    };
    let json = match documents.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(",\n")),
    };
    push(
        &mut html,
        format_args!(
            "<script type=\"application/json\" id=\"documents\" data-name=\"{}\">\n{}\n</script>\n",
            text(&name),
            inert(&json)
        ),
    );
    push(&mut html, format_args!("<script>{SCRIPT}</script>\n</section>\n"));
    html
}

/// JSON in which nothing ends or begins an element: `<` is only ever within its strings.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// What a page may do: nothing but style itself and run that one script.
pub(super) fn policy() -> String {
    let digest = base64(&Sha256::digest(SCRIPT.as_bytes()));
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'")
}

/// Base 64 of RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let whole = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let digit = usize::try_from(whole >> (18 - 6 * n) & 63).unwrap_or(0);
            let padding = usize::try_from(n).is_ok_and(|n| n > three.len());
            text.push(if padding { '=' } else { char::from(DIGITS[digit]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn json_cannot_end_its_element_and_stays_the_same_json() {
        let value = serde_json::json!({"</script><!--": "<script>&"});
        let inert = inert(&value.to_string());
        assert!(!inert.contains('<'), "{inert}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&inert).unwrap(), value);
    }
}
