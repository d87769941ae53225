//! The run's private directory: sockets, the initrd with the run's token.

use crate::error::Error;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Unix socket paths end at 107 bytes (unix(7)); ours need this many after the directory.
const ROOM_FOR_NAMES: usize = 24;

/// A new path below `$XDG_RUNTIME_DIR` or the system's temporary directory, that no one can guess.
///
/// # Errors
/// When it is too long for sockets in it.
pub fn choose() -> Result<PathBuf, Error> {
    let base = base(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    let mut random = [0; 8];
    // getrandom(2) gives up to 256 bytes whole.
    getrandom(&mut random, GetRandomFlags::empty())
        .map_err(|errno| Error::environment(format!("getrandom: {errno}")))?;
    let path = base.join(format!("lunlab-{:016x}", u64::from_ne_bytes(random)));
    if path.as_os_str().len() + ROOM_FOR_NAMES > 107 {
        return Err(Error::environment(format!(
            "runtime directory {}: too long a path for sockets in it",
            path.display()
        ))
        .with_hint("set XDG_RUNTIME_DIR to a shorter path"));
    }
    Ok(path)
}

/// Makes a directory that was not there, 0700.
///
/// It is the guardian's to remove, which must run before: there would be a moment at which nobody
/// removed it.
///
/// # Errors
/// When it cannot be made, or is there.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(path).map_err(|error| {
        Error::environment(format!("make runtime directory {}: {error}", path.display()))
            .with_hint("set XDG_RUNTIME_DIR to a directory of your own that is writable")
    })
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
    use super::{base, choose, create};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_runtime_directory_is_ours_alone() {
        let path = choose().unwrap();
        assert_ne!(path, choose().unwrap());
        create(&path).unwrap();
        assert!(create(&path).is_err(), "one that is there is someone else's");
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
