//! Where the dynamic loader looks for what an object needs.

use super::linked::{Linked, Machine};
use super::{ClosureError, Contents, Files, cache, plain};
use object::elf;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where ldconfig keeps what it found.
const CACHE: &str = "/etc/ld.so.cache";

/// A program or library that is loaded.
pub(super) struct Object {
    /// Where it is in the guest.
    pub(super) path: PathBuf,
    pub(super) linked: Linked,
    /// Its directory on the host and in the guest, which `$ORIGIN` stands for.
    origin: Place,
    /// What it was loaded for, whose RPATH counts too.
    parent: Option<Rc<Ancestor>>,
}

/// What is left of an object for those it needs.
struct Ancestor {
    rpath: Vec<Place>,
    parent: Option<Rc<Self>>,
}

/// A directory or file by its paths on the host and in the guest. They differ where a program is
/// started by a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: PathBuf,
    guest: PathBuf,
}

impl Place {
    fn same(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { guest: path.clone(), host: path }
    }

    fn parent(&self) -> Self {
        let directory = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        Self { host: directory(&self.host), guest: directory(&self.guest) }
    }

    fn join(&self, name: &str) -> Self {
        Self { host: self.host.join(name), guest: self.guest.join(name) }
    }
}

/// A library that was found.
pub(super) struct Need {
    pub(super) library: Object,
    pub(super) bytes: Vec<u8>,
}

impl Object {
    pub(super) fn program(path: PathBuf, canonical: &Path, linked: Linked) -> Self {
        let origin = Place { host: canonical.to_owned(), guest: path.clone() }.parent();
        Self { path, linked, origin, parent: None }
    }
}

/// The loader of one program.
pub(super) struct Search<'a, F> {
    files: &'a F,
    machine: Machine,
    cache: Vec<u8>,
    default: Vec<Place>,
    /// The loader's own files that the guest's must find as well.
    pub(super) configuration: Contents,
}

impl<'a, F: Files> Search<'a, F> {
    pub(super) fn new(program: &Object, interpreter: &Path, files: &'a F) -> Self {
        let machine = program.linked.machine;
        let mut configuration = Contents::new();
        let mut keep = |path: PathBuf| {
            let bytes = files.read(&path).unwrap_or_default();
            if !bytes.is_empty() {
                configuration.insert(path, bytes.clone());
            }
            bytes
        };
        let (cache, default) = match musl_path(interpreter) {
            Some(path) => (Vec::new(), musl_directories(&keep(path))),
            None => (keep(CACHE.into()), glibc_directories(machine)),
        };
        let default = default.into_iter().map(Place::same).collect();
        Self { files, machine, cache, default, configuration }
    }

    /// Every file that a loader may take for a name: one, or several of the cache for different processors.
    pub(super) fn find(&self, name: &str, object: &Object) -> Result<Vec<Need>, ClosureError> {
        let rpath = self.directories(object, object.linked.rpath.as_deref());
        let own = self.directories(object, object.linked.runpath.as_deref());
        let ancestor = Rc::new(Ancestor {
            // With a RUNPATH the RPATH counts for nobody.
            rpath: if object.linked.runpath.is_some() { Vec::new() } else { rpath },
            parent: object.parent.clone(),
        });
        let inherited = || std::iter::successors(Some(&ancestor), |each| each.parent.as_ref());
        let first = match object.linked.runpath {
            Some(_) => own,
            None => inherited().flat_map(|each| each.rpath.clone()).collect(),
        };
        let open = |place| self.open(place, &ancestor);
        if name.contains('/') {
            let found = self.expand(name, &object.origin).into_iter().find_map(open);
            return found.map(|need| vec![need]).ok_or_else(|| missing(name, object, &[]));
        }
        if let Some(need) = first.iter().map(|place| place.join(name)).find_map(open) {
            return Ok(vec![need]);
        }
        if object.linked.no_default {
            return Err(missing(name, object, &first));
        }
        let cached = cache::paths(&self.cache, name).into_iter().map(Place::same);
        let cached: Vec<Need> = cached.filter_map(open).collect();
        if !cached.is_empty() {
            return Ok(cached);
        }
        let found = self.default.iter().map(|place| place.join(name)).find_map(open);
        let places = || [first.as_slice(), &self.default].concat();
        found.map(|need| vec![need]).ok_or_else(|| missing(name, object, &places()))
    }

    /// What is there and fits; the loader goes on where a file is for another machine.
    fn open(&self, place: Place, parent: &Rc<Ancestor>) -> Option<Need> {
        let bytes = self.files.read(&place.host).ok()?;
        let linked = Linked::parse(&bytes).ok().filter(|linked| linked.machine == self.machine)?;
        let (path, origin) = (plain(&place.guest), place.parent());
        let parent = Some(Rc::clone(parent));
        Some(Need { library: Object { path, linked, origin, parent }, bytes })
    }

    fn directories(&self, object: &Object, path: Option<&str>) -> Vec<Place> {
        let texts = path.unwrap_or_default().split(':').filter(|text| !text.is_empty());
        texts.flat_map(|text| self.expand(text, &object.origin)).collect()
    }

    /// All that a path with dynamic string tokens may stand for.
    fn expand(&self, text: &str, origin: &Place) -> Vec<Place> {
        let (triple, platform) = names(self.machine);
        let debian = format!("lib/{triple}");
        let alternatives: &[&str] =
            if has_token(text, "LIB") { &[&debian, "lib64", "lib"] } else { &[""] };
        let alternatives = alternatives.iter().map(|lib| {
            let path = |origin: &Path| {
                let text = replace(text, "ORIGIN", &origin.to_string_lossy());
                PathBuf::from(replace(&replace(&text, "LIB", lib), "PLATFORM", platform))
            };
            Place { host: path(&origin.host), guest: path(&origin.guest) }
        });
        // What is relative is so to the directory a program is started in: nobody can tell.
        alternatives.filter(|place| place.host.is_absolute()).collect()
    }
}

fn has_token(text: &str, token: &str) -> bool {
    replace(text, token, "") != text
}

/// `$TOKEN` and `${TOKEN}`.
fn replace(text: &str, token: &str, by: &str) -> String {
    text.replace(&format!("${{{token}}}"), by).replace(&format!("${token}"), by)
}

fn missing(name: &str, object: &Object, places: &[Place]) -> ClosureError {
    let mut places: Vec<String> =
        places.iter().map(|place| place.host.display().to_string()).collect();
    places.push(CACHE.to_owned());
    let places = places.join(", ");
    ClosureError::Missing { name: name.to_owned(), needed_by: object.path.clone(), places }
}

/// Debian's name for a machine's libraries, and the loader's for the machine.
fn names(machine: Machine) -> (&'static str, &'static str) {
    match elf::Machine(machine.number) {
        elf::EM_X86_64 if machine.is_64 => ("x86_64-linux-gnu", "x86_64"),
        elf::EM_X86_64 => ("x86_64-linux-gnux32", "x86_64"),
        elf::EM_386 => ("i386-linux-gnu", "i686"),
        elf::EM_AARCH64 => ("aarch64-linux-gnu", "aarch64"),
        elf::EM_ARM => ("arm-linux-gnueabihf", "v7l"),
        elf::EM_RISCV => ("riscv64-linux-gnu", "riscv64"),
        _ => ("", ""),
    }
}

/// Those of Debian's glibc, then those of everybody else's.
fn glibc_directories(machine: Machine) -> Vec<String> {
    let (triple, _) = names(machine);
    let debian = [format!("/lib/{triple}"), format!("/usr/lib/{triple}")];
    let wide = ["/lib64", "/usr/lib64"].iter().filter(|_| machine.is_64);
    let others = wide.chain(&["/lib", "/usr/lib"]).map(|path| (*path).to_owned());
    debian.into_iter().chain(others).collect()
}

/// The file with musl's search path, where the loader is musl's (`ldso/dynlink.c`).
fn musl_path(interpreter: &Path) -> Option<PathBuf> {
    let name = interpreter.file_name()?.to_str()?;
    let machine = name.strip_prefix("ld-musl-")?.strip_suffix(".so.1")?;
    Some(PathBuf::from(format!("/etc/ld-musl-{machine}.path")))
}

fn musl_directories(path: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(path);
    let text = if text.trim().is_empty() { "/lib:/usr/local/lib:/usr/lib".into() } else { text };
    let directories = text.split([':', '\n']).filter(|directory| !directory.is_empty());
    directories.map(str::to_owned).collect()
}
