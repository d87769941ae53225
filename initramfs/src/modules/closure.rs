//! From the modules asked for to all modules in the order they are to be loaded.

use super::modinfo::Needs;
use super::{Error, Module, ModuleTree, Presence, canonical_name};
use crate::elf;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;

impl ModuleTree {
    /// The modules asked for and all they need, read and decompressed, each after those it depends
    /// on, else in the order of the request.
    ///
    /// What is built in needs no module and is left out; so are soft dependencies that do not
    /// exist. Where soft dependencies contradict hard ones, the hard ones decide the order.
    ///
    /// # Errors
    ///
    /// A module that the kernel has not got, or that cannot be read.
    pub fn closure(&self, names: &[impl AsRef<str>]) -> Result<Vec<Module>, Error> {
        let names: Vec<_> = names.iter().map(|name| canonical_name(name.as_ref())).collect();
        let mut found = find_all(self, &names)?;
        let order = Order::of(&names, &found);
        let modules = order.into_iter().filter_map(|name| {
            let Found { path, bytes, .. } = found.remove(&name)?;
            Some(Module { name, path, bytes })
        });
        Ok(modules.collect())
    }
}

struct Found {
    path: PathBuf,
    bytes: Vec<u8>,
    needs: Needs,
}

/// Reads every module that the ones named lead to.
fn find_all(tree: &ModuleTree, names: &[String]) -> Result<HashMap<String, Found>, Error> {
    let mut found = HashMap::new();
    let mut queue: VecDeque<_> = names.iter().map(|name| (name.clone(), None)).collect();
    while let Some((name, needed_by)) = queue.pop_front() {
        if found.contains_key(&name) {
            continue;
        }
        let path = match tree.presence(&name) {
            Presence::Builtin => continue,
            Presence::Absent => return Err(tree.absent(name, needed_by)),
            Presence::Module(path) => path,
        };
        let module = read(path)?;
        let soft = module.needs.before.iter().chain(&module.needs.after);
        let soft = soft.filter(|soft| tree.presence(soft) != Presence::Absent);
        let needed = module.needs.depends.iter().chain(soft);
        queue.extend(needed.map(|needed| (needed.clone(), Some(name.clone()))));
        found.insert(name, module);
    }
    Ok(found)
}

fn read(path: PathBuf) -> Result<Found, Error> {
    let bytes = super::tree::read_module(&path)?;
    let needs = match elf::modinfo(&bytes) {
        Ok(modinfo) => Needs::parse(modinfo),
        Err(problem) => return Err(Error::NotAModule { path, problem }),
    };
    Ok(Found { path, bytes, needs })
}

/// A walk over the modules found, depth first.
struct Order<'a> {
    found: &'a HashMap<String, Found>,
    started: HashSet<&'a str>,
    /// Started, and waiting for what they need.
    waiting: Vec<&'a str>,
    /// Soft dependencies that need a module which was waiting when their turn came.
    deferred: VecDeque<&'a str>,
    order: Vec<String>,
}

impl<'a> Order<'a> {
    fn of(names: &'a [String], found: &'a HashMap<String, Found>) -> Vec<String> {
        let (started, order) = (HashSet::new(), Vec::new());
        let mut walk =
            Order { found, started, waiting: Vec::new(), deferred: VecDeque::new(), order };
        for name in names {
            walk.visit(name);
            while let Some(name) = walk.deferred.pop_front() {
                walk.visit(name);
            }
        }
        walk.order
    }

    fn visit(&mut self, name: &'a str) {
        // What was not found is built in, or a soft dependency that does not exist.
        let Some(module) = self.found.get(name) else { return };
        if !self.started.insert(name) {
            return;
        }
        self.waiting.push(name);
        for soft in &module.needs.before {
            self.visit_soft(soft);
        }
        for needed in &module.needs.depends {
            self.visit(needed);
        }
        self.waiting.pop();
        self.order.push(name.to_owned());
        for soft in &module.needs.after {
            self.visit_soft(soft);
        }
    }

    fn visit_soft(&mut self, name: &'a str) {
        if self.needs_waiting(name) {
            self.deferred.push_back(name);
        } else {
            self.visit(name);
        }
    }

    /// Whether hard dependencies lead from a module to one that is waiting.
    fn needs_waiting(&self, name: &'a str) -> bool {
        let mut seen = HashSet::from([name]);
        let mut queue = vec![name];
        while let Some(name) = queue.pop() {
            if self.waiting.contains(&name) {
                return true;
            }
            let needed = self.found.get(name).map_or(&[][..], |module| &module.needs.depends);
            queue.extend(needed.iter().map(String::as_str).filter(|needed| seen.insert(*needed)));
        }
        false
    }
}
