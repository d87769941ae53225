//! Everything a program of the host needs to start in a guest that has nothing.
//!
//! The search is the dynamic loader's (ld.so(8)): the interpreter, then all that is needed, breadth
//! first, by RPATH or RUNPATH, `/etc/ld.so.cache`, and the loader's own directories. The cache goes
//! along, so that the guest's loader looks where the host's did. A library for newer processors is
//! taken where the cache names it, and left out where only a `glibc-hwcaps` directory has it: the
//! plain one stands beside it.

mod cache;
mod linked;
mod search;

use linked::Linked;
use search::{Need, Object, Search};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Component, Path, PathBuf};

/// How many scripts may stand before a program (`fs/exec.c` gives up after five).
const SCRIPTS: usize = 5;

/// Where `env` looks for a program in a guest.
const PROGRAMS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The files of the system that a program comes from.
pub trait Files {
    /// What a file holds, symbolic links followed.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The path without symbolic links.
    ///
    /// # Errors
    /// Why there is none.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
}

/// This system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

impl Files for Host {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }
}

/// Why a program cannot be taken along.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// A file cannot be read.
    #[error("read {path}{}: {error}", for_whom(.needed_by.as_deref()))]
    Read {
        /// Which.
        path: PathBuf,
        /// What needs it, where it is not the program itself.
        needed_by: Option<PathBuf>,
        /// Why.
        error: io::Error,
    },
    /// A library is in none of the places where it would be looked for.
    #[error("find {name}, which {needed_by} needs: it is in none of {places}")]
    Missing {
        /// Its name.
        name: String,
        /// What needs it.
        needed_by: PathBuf,
        /// Where it was looked for.
        places: String,
    },
    /// A file is no program, or none that Linux starts.
    #[error("take {path} along: {problem}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

fn for_whom(needed_by: Option<&Path>) -> String {
    needed_by.map_or_else(String::new, |path| format!(", which {} needs", path.display()))
}

impl ClosureError {
    /// A way out.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { name, .. } => {
                Some(format!("install what has {name}; where it is there, run ldconfig"))
            }
            Self::Read { needed_by: Some(_), path, .. } => {
                Some(format!("install what has {}", path.display()))
            }
            _ => None,
        }
    }
}

/// Files by their absolute paths in the guest.
pub type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// A program and all that it needs to start: nothing but itself where it is static.
///
/// The program stands at `at`, and what is relative to it is found from there. Other files stand where the guest's loader will look for them, and none is a symbolic link. What a
/// program opens while it runs (`dlopen(3)`, plug-ins, data) is not known from its file.
///
/// # Errors
/// What is missing, and what needs it.
pub fn closure(program: &Path, at: &Path, files: &impl Files) -> Result<Contents, ClosureError> {
    let mut contents = Contents::new();
    add(program, at, files, &mut contents, SCRIPTS)?;
    Ok(contents)
}

fn add(
    program: &Path,
    at: &Path,
    files: &impl Files,
    contents: &mut Contents,
    scripts: usize,
) -> Result<(), ClosureError> {
    let bytes = read(program, None, files)?;
    let unusable = |problem| ClosureError::Unusable { path: program.to_owned(), problem };
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let left =
            scripts.checked_sub(1).ok_or_else(|| unusable("too many scripts, one by another"))?;
        for interpreter in
            interpreters(line, files).ok_or_else(|| unusable("it names no interpreter"))?
        {
            add(&interpreter, &interpreter, files, contents, left)?;
        }
        contents.insert(plain(at), bytes);
        return Ok(());
    }
    let linked = Linked::parse(&bytes).map_err(unusable)?;
    let origin = files.canonical(program).map_err(|error| unreadable(program, None, error))?;
    contents.insert(plain(at), bytes);
    if let Some(interpreter) = linked.interpreter.clone() {
        let object = Object::program(plain(at), &origin, linked);
        add_libraries(object, &interpreter, files, contents)?;
    }
    Ok(())
}

/// Breadth first, as the loader does it: a name that was met is not looked for again.
fn add_libraries(
    program: Object,
    interpreter: &Path,
    files: &impl Files,
    contents: &mut Contents,
) -> Result<(), ClosureError> {
    let bytes = read(interpreter, Some(&program.path), files)?;
    let search = Search::new(&program, interpreter, files);
    let mut met = BTreeSet::from_iter(
        interpreter.file_name().and_then(|name| name.to_str()).map(str::to_owned),
    );
    met.extend(Linked::parse(&bytes).ok().and_then(|linked| linked.soname));
    contents.insert(plain(interpreter), bytes);
    contents.extend(search.configuration.clone());
    let mut queue = VecDeque::from([program]);
    while let Some(object) = queue.pop_front() {
        for name in &object.linked.needed {
            if !met.insert(name.clone()) {
                continue;
            }
            for Need { library, bytes } in search.find(name, &object)? {
                met.extend(library.linked.soname.clone());
                contents.insert(library.path.clone(), bytes);
                queue.push_back(library);
            }
        }
    }
    Ok(())
}

/// The interpreter of a script, and where that is `env` the program it looks for.
fn interpreters(line: &[u8], files: &impl Files) -> Option<Vec<PathBuf>> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let interpreter = PathBuf::from(words.next()?);
    let mut found = vec![interpreter];
    if found[0].file_name().is_some_and(|name| name == "env") {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        let mut places = PROGRAMS.iter().map(|directory| Path::new(directory).join(name));
        found.push(places.find(|place| files.canonical(place).is_ok())?);
    }
    Some(found)
}

fn read(
    path: &Path,
    needed_by: Option<&Path>,
    files: &impl Files,
) -> Result<Vec<u8>, ClosureError> {
    files.read(path).map_err(|error| unreadable(path, needed_by, error))
}

fn unreadable(path: &Path, needed_by: Option<&Path>, error: io::Error) -> ClosureError {
    ClosureError::Read { path: path.to_owned(), needed_by: needed_by.map(Path::to_owned), error }
}

/// Without `.` and `..`: the guest has no symbolic links on the way, so that nothing else is meant.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    plain
}
