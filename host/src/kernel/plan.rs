//! Which modules a run loads, and in which order.

use std::collections::HashSet;

use lunlab_initramfs::modules::{Module, Presence, canonical_name};

use super::features::{Contents, Feature, module_error};
use crate::error::Error;

/// Modules in the order they are to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModulePlan {
    /// What the channel to the host needs: loaded first, so that even an oops in loading the others is heard.
    pub channel: Vec<Module>,
    /// The rest.
    pub rest: Vec<Module>,
}

/// Plans the loading of what `features` and the modules named in `extra` need, without repeats.
///
/// # Errors
/// Environment: features that the kernel lacks (all of them named), a module of `extra` that it has not got, a module that cannot
/// be read, or one that was built for another kernel.
pub fn plan_modules(
    contents: &Contents,
    features: &[Feature],
    extra: &[String],
) -> Result<ModulePlan, Error> {
    let (channel, rest): (Vec<Feature>, Vec<Feature>) =
        features.iter().partition(|feature| feature.channel);
    let mut names = contents.modules_for(&[channel, rest].concat())?;
    let in_channel = features.iter().filter(|feature| feature.channel);
    let channel: HashSet<_> =
        contents.modules_for(&in_channel.copied().collect::<Vec<_>>())?.into_iter().collect();
    for name in extra {
        check_extra(contents, name)?;
    }
    names.extend(extra.iter().map(String::as_str));
    let Some(tree) = &contents.tree else {
        return Ok(ModulePlan::default());
    };
    let mut modules = tree.closure(&names).map_err(|error| module_error(&error))?;
    check_release(&contents.release, &modules)?;
    // The closure keeps to the request's order, so what the channel needs stands in front.
    let last = modules.iter().rposition(|module| channel.contains(module.name.as_str()));
    let rest = modules.split_off(last.map_or(0, |index| index + 1));
    Ok(ModulePlan { channel: modules, rest })
}

/// A kernel refuses modules of another release, or takes them for its own where only symbol versions are compared; neither says
/// anything about the kernel under test.
fn check_release(release: &str, modules: &[Module]) -> Result<(), Error> {
    let other = modules.iter().find_map(|module| {
        let built_for = module.release().filter(|built_for| *built_for != release)?;
        Some((module, built_for))
    });
    let Some((module, built_for)) = other else { return Ok(()) };
    let path = module.path.display();
    Err(Error::environment(format!(
        "module {} was built for kernel {built_for}, and this is {release}: {path}",
        module.name
    ))
    .with_hint("build kernel and modules together, or name this kernel's own with --modules DIR"))
}

fn check_extra(contents: &Contents, name: &str) -> Result<(), Error> {
    let found = contents.tree.as_ref().map(|tree| tree.presence(name));
    if matches!(found, Some(Presence::Builtin | Presence::Module(_))) {
        return Ok(());
    }
    let message = format!(
        "kernel {} has no module {}, which kernel.modules asks for",
        contents.release,
        canonical_name(name)
    );
    let hint = match found {
        Some(_) => "build it as a module, or take it out of kernel.modules",
        None => "no modules of this kernel were found: name them with --modules DIR",
    };
    Err(Error::environment(message).with_hint(hint))
}
