//! Plans a changed spec for a guest that runs; what that guest cannot have any more is named, all of it. Pure.

use crate::kernel::features::Contents;
use crate::portal::PortalAddress;
use crate::run::needs::{parameters, wanted_by};
use crate::spec::{DeviceKind, Spec, format_size};
use crate::target::difference::addresses;
use crate::target::{Provisioning, Seed};

/// A guest that runs.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    /// What it was booted for.
    pub boot: &'a Spec,
    /// What is known of its kernel.
    pub contents: &'a Contents,
    /// The modules it has loaded, by canonical names.
    pub loaded: &'a [&'a str],
    /// The portals that were bound before it booted; there are no others.
    pub bound: &'a [PortalAddress],
    /// What its serials are drawn from.
    pub seed: Seed,
}

/// A changed spec, planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Replanned {
    /// What is to stand, or what is wrong with that.
    pub provisioning: Result<Provisioning, String>,
    /// What the guest cannot have, each by its name.
    pub refusals: Vec<String>,
}

impl Guest<'_> {
    /// Plans a changed spec in place of what stands.
    #[must_use]
    pub fn replan(&self, spec: &Spec, standing: (&Spec, &Provisioning)) -> Replanned {
        let mut refusals = self.out_of_reach(spec);
        refusals.extend(self.more_brd(spec, standing.1));
        refusals.extend(self.more_memory(spec));
        let (addresses, refused) = addresses(self.bound, standing, spec);
        refusals.extend(refused);
        let provisioning = Provisioning::new(spec, &addresses, self.seed);
        Replanned { provisioning: provisioning.map_err(|error| error.to_string()), refusals }
    }

    /// What needs a module that was not loaded at boot: the guest has no other.
    fn out_of_reach(&self, spec: &Spec) -> Vec<String> {
        let mut refusals = Vec::new();
        for (name, features) in wanted_by(spec) {
            let causes =
                features.iter().filter_map(|each| self.contents.out_of_reach(each, self.loaded));
            refusals.extend(causes.map(|cause| format!("{name} needs {cause}")));
        }
        refusals
    }

    /// A kernel that runs out of memory for a ramdisk takes the guest with it.
    fn more_memory(&self, spec: &Spec) -> Option<String> {
        let (needed, has) = (spec.memory_needed(), self.boot.memory_bytes());
        // What the spec says itself it was checked against.
        (spec.machine.memory.is_none() && needed > has).then(|| {
            let (needed, has) = (format_size(needed), format_size(has));
            format!("the ramdisks need {needed} of memory, and the guest was booted with {has}")
        })
    }

    /// How many brd there are and how large is settled by parameters of their module.
    fn more_brd(&self, spec: &Spec, standing: &Provisioning) -> Vec<String> {
        if parameters(spec).of("brd") == parameters(self.boot).of("brd") {
            return Vec::new();
        }
        let new = spec.storage_objects.iter().filter(|object| {
            let brd = object.device.as_ref().is_some_and(|device| device.kind == DeviceKind::Brd);
            brd && !standing.devices.iter().any(|device| device.name == object.name)
        });
        let refusal = |name| {
            format!(
                "storage object {name} cannot get a brd: their number and size are settled at boot"
            )
        };
        new.map(|object| refusal(&object.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Guest, Replanned};
    use crate::kernel::features::Contents;
    use crate::spec::{Base, Spec};
    use crate::target::{Provisioning, Seed, portals, shown_addresses};
    use lunlab_initramfs::modules::ModuleTree;
    use std::path::Path;

    const IQN: &str = "iqn.2024-05.org.example:one";

    fn spec(text: &str) -> Spec {
        let environment = |_: &str| Some("good-secret-0001".into());
        Spec::parse(text, Base { directory: Path::new("/"), home: None, environment }).unwrap()
    }

    fn object(name: &str, rest: &str) -> String {
        format!("[[storage_object]]\nname = \"{name}\"\nsize = \"64M\"\n{rest}\n")
    }

    /// A ramdisk that is exported at one portal, and what else there is.
    fn exported(objects: &str, rest: &str) -> String {
        let ramdisk = object("a", "backstore = \"ramdisk\"");
        format!(
            "{ramdisk}{objects}[[target]]\nwwn = \"{IQN}\"\n[[target.tpg]]\n\
             luns = [{{ lun = 0, storage_object = \"a\" }}]\nportals = [\"127.0.0.1:3260\"{rest}]\n"
        )
    }

    /// A kernel with these modules and loop and MD5 built in, booted for `old` and what `loaded` names, in which `new` is to stand.
    fn replanned(old: &str, loaded: &[&str], new: &str) -> Replanned {
        let directory = tempfile::tempdir().unwrap();
        for module in ["target_core_file", "target_core_iblock", "null_blk", "brd", "tcm_loop"] {
            std::fs::write(directory.path().join(format!("{module}.ko")), "").unwrap();
        }
        let builtin = ["loop", "md5", "crc32c_generic", "iscsi_target_mod", "sd_mod"];
        let builtin: String = builtin.iter().map(|name| format!("kernel/{name}.ko\n")).collect();
        std::fs::write(directory.path().join("modules.builtin"), builtin).unwrap();
        let tree = ModuleTree::open(directory.path()).unwrap();
        let contents = Contents { release: "6.1.7".into(), tree: Some(tree), config: None };
        let old = spec(old);
        let standing = Provisioning::shown(&old).unwrap();
        let bound = shown_addresses(&portals(&old));
        let guest =
            Guest { boot: &old, contents: &contents, loaded, bound: &bound, seed: Seed([0; 16]) };
        guest.replan(&spec(new), (&old, &standing))
    }

    #[test]
    fn what_needs_a_module_that_was_not_loaded_is_named_with_it() {
        let base = exported("", "");
        let block = |device: &str| format!("backstore = \"block\"\ndevice = \"{device}\"");
        let loopback = "[[target]]\nfabric = \"loopback\"\nwwn = \"naa.5001405000000001\"\n\
            [[target.tpg]]\nluns = [{ lun = 0, storage_object = \"a\" }]\n";
        let null_blk =
            "storage object n needs null_blk (module null_blk), which was not loaded at boot";
        let iblock = "storage object n needs iblock (module target_core_iblock), which was not loaded at boot";
        for (loaded, new, expected) in [
            (&[][..], exported(&object("n", &block("null_blk")), ""), &[null_blk, iblock][..]),
            (&["null_blk"], exported(&object("n", &block("null_blk")), ""), &[iblock]),
            (
                &["null_blk", "target_core_iblock"],
                exported(&object("n", &block("null_blk")), ""),
                &[],
            ),
            (&[], exported(&object("n", &block("loop")), ""), &[iblock]),
            (
                &["target_core_iblock"],
                exported(&object("n", &block("zram")), ""),
                &[
                    "storage object n needs zram compression (module lzo_rle, CONFIG_CRYPTO_LZO), which kernel 6.1.7 has not got",
                    "storage object n needs zram (module zram, CONFIG_ZRAM), which kernel 6.1.7 has not got",
                ],
            ),
            (
                &[],
                base.clone() + loopback,
                &[
                    "target naa.5001405000000001 needs loopback (module tcm_loop), which was not loaded at boot",
                ],
            ),
            (&[], base.clone() + "chap = { userid = \"u\", password_env = \"X\" }\n", &[]),
            (
                &["target_core_iblock", "brd"],
                exported(&object("n", &block("brd")), ""),
                &["storage object n cannot get a brd: their number and size are settled at boot"],
            ),
        ] {
            assert_eq!(replanned(&base, loaded, &new).refusals, expected, "{new}");
        }
    }

    #[test]
    fn all_that_cannot_be_is_named_at_once() {
        let new = exported(&object("f", "backstore = \"fileio\""), ", \"127.0.0.1:1\", \"[::1]\"");
        let replanned = replanned(&exported("", ""), &[], &new);
        let at = format!("of {IQN} cannot be added while the guest runs");
        let expected = [
            "storage object f needs fileio (module target_core_file), which was not loaded at boot"
                .to_owned(),
            format!(
                "target {IQN} needs IPv6 (module ipv6, CONFIG_IPV6), which kernel 6.1.7 has not got"
            ),
            format!("portal 127.0.0.1:1 {at}"),
            format!("portal [::1] {at}"),
        ];
        assert_eq!(replanned.refusals, expected);
        assert!(replanned.provisioning.is_ok(), "{replanned:?}");
    }

    #[test]
    fn a_ramdisk_that_the_guest_has_no_memory_for_is_refused() {
        let ramdisk = |size| {
            let text = exported(&object("r", "backstore = \"ramdisk\""), "");
            replanned(&exported("", ""), &[], &text.replacen("64M", size, 2)).refusals
        };
        assert_eq!(ramdisk("128M"), [""; 0]);
        let refusals = ramdisk("1G").join("\n");
        assert!(refusals.starts_with("the ramdisks need "), "{refusals}");
    }

    #[test]
    fn a_brd_that_was_there_at_boot_may_come_again() {
        let brd = |name| object(name, "backstore = \"block\"\ndevice = \"brd\"");
        let both = exported(&(brd("x") + &brd("y")), "");
        let loaded = ["brd", "target_core_iblock"];
        assert_eq!(replanned(&both, &loaded, &both).refusals, [""; 0]);
        // One that stays needs none.
        assert_eq!(replanned(&both, &loaded, &exported(&brd("x"), "")).refusals, [""; 0]);
    }
}
