//! `lunlab import`: targetcli's saved configuration as a spec.

use crate::cli::Import;
use crate::error::Error;
use crate::saveconfig::{self, Imported, Options, SavedSecret};
use crate::spec::{Base, Spec};
use crate::{escape, output};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// The directory of secrets that a spec names when nobody says where they are.
const SECRETS: &str = "secrets";

/// Imports a file: the spec to stdout or a file, what could not be carried over to stderr.
pub(super) fn import(import: Import) -> Result<u8, Error> {
    let text = read(&import.file)?;
    let options = Options {
        all: import.all,
        disk_size: import.disk_size,
        secrets: secrets_in_spec(&import)?,
    };
    let imported = saveconfig::import(&text, &options).map_err(|error| {
        let message = format!("{}: {error}", import.file.display());
        error.hint().map_or(Error::usage(&message), |hint| Error::usage(&message).with_hint(hint))
    })?;
    if let Some(directory) = &import.secrets {
        write_secrets(directory, &imported.secrets)?;
    }
    let read_by_somebody = match &import.output {
        Some(path) => write_spec(path, &imported.spec).map(|()| true)?,
        None => output::text(&imported.spec),
    };
    if read_by_somebody {
        tell(&imported, &import, &options);
    }
    Ok(0)
}

fn read(file: &Path) -> Result<String, Error> {
    let refused = |problem: &dyn std::fmt::Display| {
        Error::usage(format!("read {}: {problem}", file.display()))
    };
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| refused(&error))?)
    };
    source.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| refused(&error))?;
    if bytes.len() > usize::try_from(MAX_FILE).unwrap_or(usize::MAX) {
        return Err(refused(&"larger than 64 MiB, which no saveconfig.json is"));
    }
    String::from_utf8(bytes).map_err(|_not_text| refused(&"no saveconfig.json: not UTF-8"))
}

/// The directory of the spec.
fn spec_directory(import: &Import) -> &Path {
    let parent = import.output.as_deref().and_then(Path::parent);
    parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How the spec names the directory of the secrets: from its own directory where it is below that.
fn secrets_in_spec(import: &Import) -> Result<String, Error> {
    let Some(directory) = &import.secrets else { return Ok(SECRETS.to_owned()) };
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Error::usage(format!("--secrets {}: {error}", path.display())))
    };
    let (directory, spec) = (absolute(directory)?, absolute(spec_directory(import))?);
    let named = directory.strip_prefix(&spec).unwrap_or(&directory);
    named.to_str().map(str::to_owned).ok_or_else(|| {
        Error::usage(format!("--secrets {}: a spec is UTF-8, this path is not", named.display()))
    })
}

/// Writes each secret to a file of its own, which only its owner may read. One that is there
/// already stays; if it holds something else, nothing is overwritten.
fn write_secrets(directory: &Path, secrets: &[SavedSecret]) -> Result<(), Error> {
    if secrets.is_empty() {
        return Ok(());
    }
    let failed = |path: &Path, error: std::io::Error| {
        Error::environment(format!("write {}: {error}", path.display()))
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed(directory, error))?;
    for secret in secrets {
        let path = directory.join(&secret.file);
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(secret.reveal().as_bytes()).map_err(|error| failed(&path, error))?
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && holds(&path, secret) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::usage(format!(
                    "{} is there already and holds something else",
                    path.display()
                ))
                .with_hint("move it away, or name another directory with --secrets"));
            }
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Ok(())
}

fn holds(path: &Path, secret: &SavedSecret) -> bool {
    let private = fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0);
    private && fs::read(path).is_ok_and(|bytes| bytes == secret.reveal().as_bytes())
}

/// Puts the whole spec in place at once.
fn write_spec(path: &Path, text: &str) -> Result<(), Error> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let write = || {
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(directory.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| {
        Error::environment(format!("write {}: {error}", path.display()))
    })
}

/// Says what is not as it was, which files are missing, and what `lunlab check` would say.
fn tell(imported: &Imported, import: &Import, options: &Options) {
    for note in &imported.notes {
        output::progress(&format!("note: {}", escape::terminal(&note.to_string())));
    }
    if import.secrets.is_none() {
        for secret in &imported.secrets {
            let path = PathBuf::from(&options.secrets).join(&secret.file);
            output::progress(&format!(
                "to make: {}, mode 0600, with what is at {}",
                path.display(),
                secret.place
            ));
        }
        if !imported.secrets.is_empty() {
            output::progress("hint: --secrets DIR makes them");
            return;
        }
    }
    let home = std::env::home_dir();
    let environment = Base::process_environment;
    let base = Base { directory: spec_directory(import), home: home.as_deref(), environment };
    if let Err(faults) = Spec::parse(&imported.spec, base) {
        output::progress("the spec is not yet one that lunlab runs:");
        let name = import.output.as_deref().unwrap_or(Path::new("stdout"));
        output::progress(&faults.render(&name.display().to_string()));
    }
}
