//! Parameters of modules, whether they are loaded or built in.

use std::collections::BTreeMap;

use lunlab_initramfs::modules::{Presence, canonical_name};

use super::features::Contents;
use crate::error::Error;

/// Parameters by module. Where one is set twice the kernel keeps the later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Adds parameters of a module, such as `nr_devices=0`, as modprobe would take them.
    pub fn set(&mut self, module: &str, parameters: &str) {
        let text = self.0.entry(canonical_name(module)).or_default();
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(parameters);
    }

    /// What a module is loaded with.
    #[must_use]
    pub fn of(&self, module: &str) -> &str {
        self.0.get(&canonical_name(module)).map_or("", String::as_str)
    }

    /// What the kernel command line needs for those that are not among the modules `loaded`, by canonical names: `null_blk.nr_devices=0`.
    ///
    /// # Errors
    /// Usage, for a module that is there and not loaded; environment, for one that the kernel has not got.
    pub fn kernel_args(&self, contents: &Contents, loaded: &[&str]) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        for (module, text) in &self.0 {
            if loaded.contains(&module.as_str()) {
                continue;
            }
            check_builtin(contents, module)?;
            all.extend(words(text).into_iter().map(|word| format!("{module}.{word}")));
        }
        Ok(all)
    }
}

fn check_builtin(contents: &Contents, module: &str) -> Result<(), Error> {
    let Some(tree) = &contents.tree else { return Ok(()) };
    match tree.presence(module) {
        Presence::Module(_) => Err(Error::usage(format!(
            "kernel.module_parameters has module {module}, which this run does not load"
        ))
        .with_hint(format!("kernel.modules = [\"{module}\"] loads it"))),
        Presence::Absent if tree.lists_builtin() => Err(Error::environment(format!(
            "kernel {} has no module {module}, which kernel.module_parameters has",
            contents.release
        ))),
        Presence::Builtin | Presence::Absent => Ok(()),
    }
}

/// Splits parameters as the kernel does: at spaces that are not between double quotes (lib/cmdline.c, `next_arg`).
fn words(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = text.split(|c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    parts.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Parameters, words};
    use crate::error::Category;
    use crate::kernel::features::Contents;
    use lunlab_initramfs::modules::ModuleTree;

    fn contents(builtin: &str) -> (tempfile::TempDir, Contents) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("kernel")).unwrap();
        std::fs::write(directory.path().join("kernel/null_blk.ko"), "").unwrap();
        std::fs::write(directory.path().join("modules.builtin"), builtin).unwrap();
        let tree = ModuleTree::open(directory.path()).unwrap();
        (directory, Contents { release: "6.1".into(), tree: Some(tree), config: None })
    }

    fn parameters(all: &[(&str, &str)]) -> Parameters {
        let mut parameters = Parameters::default();
        all.iter().for_each(|(module, text)| parameters.set(module, text));
        parameters
    }

    #[test]
    fn what_is_loaded_is_given_its_own_and_what_is_built_in_the_kernel_s() {
        let all =
            [("null-blk", "nr_devices=0"), ("brd", "rd_nr=2 x=\"a b\""), ("null_blk", "bs=4")];
        let all = parameters(&all);
        assert_eq!(all.of("null_blk"), "nr_devices=0 bs=4");
        assert_eq!(all.of("loop"), "");
        let (_kept, contents) = contents("kernel/drivers/block/brd.ko\n");
        let args = all.kernel_args(&contents, &["null_blk"]).unwrap();
        assert_eq!(args, ["brd.rd_nr=2", "brd.x=\"a b\""]);
    }

    #[test]
    fn a_module_that_is_not_loaded_or_not_there_is_named() {
        let (_kept, known) = contents("kernel/x.ko\n");
        let all = parameters(&[("null_blk", "bs=4")]);
        let error = all.kernel_args(&known, &[]).unwrap_err();
        assert_eq!(error.category(), Category::Usage);
        assert!(error.to_string().contains("null_blk, which this run does not load"), "{error}");
        assert_eq!(error.hint(), Some("kernel.modules = [\"null_blk\"] loads it"));
        let absent = parameters(&[("brd", "rd_nr=2")]);
        let error = absent.kernel_args(&known, &[]).unwrap_err();
        assert_eq!(error.category(), Category::Environment);
        // Where nothing says what is built in, it is tried.
        let (_kept, unknown) = contents("");
        assert_eq!(absent.kernel_args(&unknown, &[]).unwrap(), ["brd.rd_nr=2"]);
    }

    #[test]
    fn quoted_spaces_part_nothing() {
        assert_eq!(words("  a=1 b=\"x y\"\tc "), ["a=1", "b=\"x y\"", "c"]);
        assert!(words(" ").is_empty());
    }
}
