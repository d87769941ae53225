//! An exported file in its place.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use super::Exported;
use crate::error::Error;

impl Exported {
    /// Writes the file at once, readable by its owner only. What is there already stays, unless it
    /// is to be replaced by `force`.
    ///
    /// # Errors
    /// Usage when there is a file already, environment when it cannot be written.
    pub fn write(&self, path: &Path, force: bool) -> Result<(), Error> {
        let failed = |error: &std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::usage(format!("export to {}: there is a file already", path.display()))
                    .with_hint("--force replaces it")
            }
            _ => Error::environment(format!("export to {}: {error}", path.display())),
        };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        // Its mode is 0600 from the beginning.
        let mut file = NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
        let written = file.write_all(self.text().as_bytes());
        written.and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
        let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
        placed.map(drop).map_err(|error| failed(&error.error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::Exported;
    use crate::error::Category;

    #[test]
    fn a_file_is_its_owners_and_replaced_only_by_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("saveconfig.json");
        let export =
            |name: &str| Exported { document: json!({ "b": name, "a": 1 }), notes: vec![] };
        export("one").write(&path, false).unwrap();
        let text = "{\n  \"a\": 1,\n  \"b\": \"one\"\n}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let refused = export("two").write(&path, false).unwrap_err();
        assert_eq!(refused.category(), Category::Usage);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        export("two").write(&path, true).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("two"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let nowhere = directory.path().join("no/such");
        assert_eq!(
            export("x").write(&nowhere, false).unwrap_err().category(),
            Category::Environment
        );
    }
}
