//! The run's private directory: sockets, the initrd with the run's token.

use crate::error::Error;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Unix socket paths end at 107 bytes (unix(7)); ours need this many after the directory.
const ROOM_FOR_NAMES: usize = 24;

/// Makes a new directory, 0700, below `$XDG_RUNTIME_DIR` or the system's temporary directory.
///
/// It is the guardian's to remove.
///
/// # Errors
/// When it cannot be made, or its path is too long for sockets in it.
pub fn create() -> Result<PathBuf, Error> {
    let base = base(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    let directory = tempfile::Builder::new()
        .prefix("lunlab-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(&base)
        .map_err(|error| {
            Error::environment(format!("make a runtime directory in {}: {error}", base.display()))
                .with_hint("set XDG_RUNTIME_DIR to a directory of your own that is writable")
        })?;
    if directory.path().as_os_str().len() + ROOM_FOR_NAMES > 107 {
        return Err(Error::environment(format!(
            "runtime directory {}: too long a path for sockets in it",
            directory.path().display()
        ))
        .with_hint("set XDG_RUNTIME_DIR to a shorter path"));
    }
    Ok(directory.keep())
}

/// `$XDG_RUNTIME_DIR` where it is ours alone, else the temporary directory: the run's own
/// directory is made with an unguessable name and mode 0700 in either.
fn base(xdg: Option<PathBuf>) -> PathBuf {
    xdg.filter(|path| is_private(path)).unwrap_or_else(std::env::temp_dir)
}

fn is_private(path: &Path) -> bool {
    path.is_absolute()
        && std::fs::metadata(path).is_ok_and(|found| {
            found.is_dir()
                && found.uid() == rustix::process::geteuid().as_raw()
                && found.mode() & 0o077 == 0
        })
}

#[cfg(test)]
mod tests {
    use super::{base, create};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_runtime_directory_is_ours_alone() {
        let path = create().unwrap();
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o777, 0o700);
        std::fs::remove_dir(path).unwrap();
    }

    #[test]
    fn a_shared_or_missing_xdg_directory_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let mode = |bits| std::fs::Permissions::from_mode(bits);
        std::fs::set_permissions(directory.path(), mode(0o755)).unwrap();
        assert_eq!(base(Some(directory.path().into())), std::env::temp_dir());
        std::fs::set_permissions(directory.path(), mode(0o700)).unwrap();
        assert_eq!(base(Some(directory.path().into())), directory.path());
        assert_eq!(base(Some("/does/not/exist".into())), std::env::temp_dir());
        assert_eq!(base(None), std::env::temp_dir());
    }
}
