//! `chap = { … }`, and the secrets it refers to.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::keys::{CHAP, SECRETS};
use super::{shell_word, text};
use crate::errno::by_name;
use crate::spec::fault::quoted;
use crate::spec::reader::{Reader, Section};
use crate::spec::{Base, Chap, MutualChap, Secret, SecretSource};

/// More than any secret has, in bytes.
const SECRET_MAX: u64 = 4096;

/// A fault with its way out.
type Problem = (String, String);

/// Reads the credentials of a table, where it has any.
pub(super) fn read(section: &Section<'_>, base: Base<'_>, reader: &mut Reader<'_>) -> Option<Chap> {
    let section = section.section("chap", CHAP, reader)?;
    for key in SECRETS.into_iter().filter(|key| section.has(key)) {
        let message = "a secret does not belong in a spec, which is copied into results";
        let hint = format!("{key}_file = \"FILE\" or {key}_env = \"VARIABLE\"");
        reader.fault_with_hint(section.span_of(key), section.path.key(key), message, Some(hint));
    }
    let wants_mutual = ["mutual_userid", "mutual_password_file", "mutual_password_env"]
        .into_iter()
        .chain([SECRETS[1]])
        .any(|key| section.has(key));
    let (userid, password) = read_half(&section, "", base, reader);
    let mutual = wants_mutual.then(|| read_half(&section, "mutual_", base, reader));
    let mutual = mutual.map(|(userid, password)| MutualChap { userid, password });
    Some(Chap { userid, password, mutual })
}

fn read_half(
    section: &Section<'_>,
    prefix: &str,
    base: Base<'_>,
    reader: &mut Reader<'_>,
) -> (String, Secret) {
    let userid = format!("{prefix}userid");
    let [plain, file, variable] = ["", "_file", "_env"].map(|s| format!("{prefix}password{s}"));
    if !section.has(&userid) {
        section.missing(&userid, "a name that goes with the secret", reader);
    }
    if !section.has(&plain) && !section.has(&file) && !section.has(&variable) {
        section.missing(&file, &format!("a file with the secret, or {variable},"), reader);
    }
    let both = section.has(&file) && section.has(&variable);
    if both {
        let message = format!("the secret comes from {file} already, one of the two is needed");
        let (span, path) = (section.span_of(&variable), section.path.key(&variable));
        reader.fault_with_hint(span, path, message, Some("leave one of them out".to_owned()));
    }
    let mut of = |key: &str, source: &dyn Fn(&str) -> Result<Secret, Problem>| {
        let named = section.string(key, "a string", reader)?;
        source(named)
            .map_err(|(message, hint)| {
                let (span, path) = (section.span_of(key), section.path.key(key));
                reader.fault_with_hint(span, path, message, Some(hint));
            })
            .ok()
    };
    let from_file = of(&file, &|path| read_file(&base.join(path)));
    let from_variable = if both { None } else { of(&variable, &|name| read_variable(name, base)) };
    if let Some(SecretSource::File(path)) = from_file.as_ref().map(Secret::source) {
        reader.path(section.span_of(&file), path);
    }
    let secret = from_file.or(from_variable).unwrap_or_else(|| {
        for key in [&file, &variable] {
            reader.stand_in(section.path.key(key));
        }
        Secret::new(String::new(), SecretSource::Environment(String::new()))
    });
    (text(section, &userid, reader).unwrap_or_default(), secret)
}

fn read_file(path: &Path) -> Result<Secret, Problem> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let shown = quoted(&path.to_string_lossy());
    let word = shell_word(&path);
    let make = format!("umask 077; openssl rand -hex 16 > {word}");
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => make.clone(),
            _ => format!("a file of your own, mode 0600: {make}"),
        };
        (by_name(&format!("{shown} cannot be read: {error}")), hint)
    };
    // Opening a pipe would wait for its other end.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(nonblocking).open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err((format!("{shown} is not a regular file"), make));
    }
    if metadata.uid() != geteuid().as_raw() {
        let message = format!("{shown} belongs to another user, a secret's file must be your own");
        return Err((message, format!("sudo chown $USER {word}")));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & !0o600 != 0 {
        let message = format!("{shown} has mode {mode:04o}, others may use it; 0600 is needed");
        return Err((message, format!("chmod 600 {word}")));
    }
    let mut bytes = Vec::new();
    file.take(SECRET_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| (format!("the secret in {shown} is not text"), make))?;
    Ok(Secret::new(without_newline(text), SecretSource::File(path)))
}

/// A text editor ends the last line; the kernel would take that for part of the secret.
fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

fn read_variable(name: &str, base: Base<'_>) -> Result<Secret, Problem> {
    let named = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(named) {
        // Not shown: it may be the secret itself.
        let message = "this is not the name of a variable, 1 to 64 of A-Z, a-z, 0-9 and `_` are";
        let hint = "password_env = \"SECRET\", and export SECRET before lunlab is started";
        return Err((message.to_owned(), hint.to_owned()));
    }
    let value = (base.environment)(name).ok_or_else(|| {
        let message = format!("the variable {name} of the environment is not set");
        (message, format!("export {name} before lunlab is started"))
    })?;
    let text = value.into_string();
    let text = text.map_err(|_| {
        let hint = "openssl rand -hex 16 makes a good one".to_owned();
        (format!("the secret in {name} is not text"), hint)
    })?;
    Ok(Secret::new(text, SecretSource::Environment(name.to_owned())))
}
