//! The kernel that `make setup` put into the cache.

use std::path::PathBuf;

/// lunlab's cache.
///
/// # Panics
/// When neither `$XDG_CACHE_HOME` nor `$HOME` is set.
#[must_use]
pub fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let cache = cache.map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache")
    });
    cache.join("lunlab")
}

/// The default kernel, as set-up unpacked it.
#[derive(Debug)]
pub struct Debian {
    /// Its release name.
    pub release: String,
    /// Its bzImage.
    pub image: PathBuf,
    /// Its modules directory, without a modules.dep.
    pub modules: PathBuf,
}

/// Finds the default kernel.
///
/// # Panics
/// When set-up has not put it there.
#[must_use]
pub fn debian() -> Debian {
    let root = cache().join("kernels/default");
    let root = root.canonicalize().unwrap_or_else(|error| {
        panic!("{}: {error}\nhint: `make setup` puts a kernel there", root.display())
    });
    let release = root.file_name().and_then(|name| name.to_str()).expect("a release").to_owned();
    let first = |places: [PathBuf; 3]| {
        places.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{places:?}")).clone()
    };
    let modules = |prefix: &str| root.join(prefix).join("lib/modules").join(&release);
    let image = first([
        root.join(format!("boot/vmlinuz-{release}")),
        modules("").join("vmlinuz"),
        modules("usr").join("vmlinuz"),
    ]);
    let modules = first([modules(""), modules("usr"), modules("usr/local")]);
    Debian { release, image, modules }
}
