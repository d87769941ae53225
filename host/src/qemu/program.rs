//! The QEMU program: where it is, and which.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{Cache, Record};
use crate::error::Error;
use crate::withheld::Withheld;

const NAME: &str = "qemu-system-x86_64";

/// A QEMU that was found and asked for its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its version in its own words, such as `7.2.22 (Debian 1:7.2+dfsg-7)`.
    pub version: String,
    /// What no run of it gets to see.
    pub withheld: Withheld,
}

impl Program {
    /// Finds `qemu-system-x86_64` on PATH; its version is remembered until the file changes.
    ///
    /// # Errors
    /// Environment, when it is not there or does not run.
    pub fn find(cache: &Cache, withheld: Withheld) -> Result<Self, Error> {
        Self::find_on(&std::env::var_os("PATH").unwrap_or_default(), cache, withheld)
    }

    /// Whether its TCG gets cmpxchg16b right. Before 8.0 the flags are wrong after it when others
    /// were pending (target/i386/tcg/mem_helper.c, `helper_cmpxchg16b_unlocked`). Linux has used it
    /// for every allocation since 6.4, where the CPU has it, and dies of that at random.
    #[must_use]
    pub fn emulates_cmpxchg16b(&self) -> bool {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_none_or(|major| major >= 8)
    }

    fn find_on(path: &OsStr, cache: &Cache, withheld: Withheld) -> Result<Self, Error> {
        let found =
            std::env::split_paths(path).map(|dir| dir.join(NAME)).find(|file| is_program(file));
        let found = found.and_then(|file| std::path::absolute(file).ok()).ok_or_else(|| {
            Error::environment(format!("{NAME} is not on PATH"))
                .with_hint("apt-get install qemu-system-x86")
        })?;
        let version = remembered_version(&found, cache, &withheld)?;
        Ok(Self { path: found, version, withheld })
    }
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn remembered_version(program: &Path, cache: &Cache, withheld: &Withheld) -> Result<String, Error> {
    let key = program.to_string_lossy();
    if let Some(version) =
        cache.recall("qemu", &key).and_then(|record| record.facts.first().cloned())
    {
        return Ok(version);
    }
    let mut record = Record::begin();
    record.depends_on(program);
    let version = ask_version(program, withheld)?;
    record.facts.push(version.clone());
    cache.record("qemu", &key, &record);
    Ok(version)
}

fn ask_version(program: &Path, withheld: &Withheld) -> Result<String, Error> {
    let asked = format!("{} --version", program.display());
    let output = withheld
        .keep_from(Command::new(program).arg("--version").stdin(Stdio::null()))
        .output()
        .map_err(|error| Error::environment(format!("{asked}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().and_then(|line| line.strip_prefix("QEMU emulator version "));
    version.map(str::to_owned).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("nothing it said is a version").to_owned();
        Error::environment(format!("{asked}: {}: {said}", output.status))
            .with_hint("apt-get install --reinstall qemu-system-x86")
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::error::Category;

    /// Another process writes the file: a thread of ours that forks meanwhile would make it busy.
    pub(crate) fn write_script(path: &Path, script: &str) {
        let source = tempfile::NamedTempFile::new().unwrap();
        fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        let installed =
            Command::new("install").args(["-m", "755"]).arg(source.path()).arg(path).status();
        assert!(installed.unwrap().success());
    }

    fn fake(dir: &Path, script: &str) {
        write_script(&dir.join(NAME), script);
    }

    #[test]
    fn absent_is_an_environment_error_that_names_the_package() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let error =
            Program::find_on(dir.path().as_os_str(), &cache, Withheld::default()).unwrap_err();
        assert_eq!(error.category(), Category::Environment);
        assert_eq!(error.hint(), Some("apt-get install qemu-system-x86"));
    }

    #[test]
    fn version_is_its_own_words_and_follows_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        for (version, emulates) in [("7.2.22 (Debian 1:7.2)", false), ("10.0.1", true)] {
            fake(dir.path(), &format!("echo 'QEMU emulator version {version}'; echo Copyright"));
            let program =
                Program::find_on(dir.path().as_os_str(), &cache, Withheld::default()).unwrap();
            assert_eq!(program.version, version);
            assert_eq!(program.emulates_cmpxchg16b(), emulates);
            assert_eq!(program.path, dir.path().join(NAME));
        }
        fake(dir.path(), "echo 'cannot open shared object' >&2; exit 127");
        let error =
            Program::find_on(dir.path().as_os_str(), &cache, Withheld::default()).unwrap_err();
        assert!(error.to_string().contains("cannot open shared object"), "{error}");
    }
}
