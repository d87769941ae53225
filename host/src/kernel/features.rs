//! What a run needs of a kernel, as features with alternatives, and what a kernel has.

use lunlab_initramfs::modules::{ModuleTree, Presence};

use super::config::{KernelConfig, Setting};
use super::{Kernel, ModulesDir};
use crate::cache::Cache;
use crate::error::Error;

/// One way to have a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alternative {
    /// Names the code has had as a module, any one of which will do; none for code that cannot be a module.
    pub modules: &'static [&'static str],
    /// The symbol that configures it.
    pub symbol: &'static str,
    /// The first version in which it will do.
    pub since: (u32, u32),
    /// The first version in which it no longer will.
    pub until: (u32, u32),
}

/// Something a kernel must have, or had better have, built in or as a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name in messages.
    pub name: &'static str,
    /// Whether the channel to the host needs it: loaded before all else.
    pub channel: bool,
    /// Whether a kernel without it will do as well: what needs it selects it where it is apart.
    pub optional: bool,
    /// Any one of these will do; the first that is there is taken.
    pub alternatives: &'static [Alternative],
}

impl Feature {
    /// The kernels that can have it.
    fn since(&self) -> String {
        let since = self.alternatives.iter().map(|one| one.since).min();
        let (major, minor) = since.unwrap_or_default();
        format!("Linux {major}.{minor} or later")
    }
}

const fn by(modules: &'static [&'static str], symbol: &'static str) -> Alternative {
    Alternative { modules, symbol, since: (0, 0), until: NEVER }
}

/// A version that no kernel will have.
const NEVER: (u32, u32) = (u32::MAX, 0);

const fn feature(name: &'static str, alternatives: &'static [Alternative]) -> Feature {
    Feature { name, channel: false, optional: false, alternatives }
}

const fn optional(name: &'static str, alternatives: &'static [Alternative]) -> Feature {
    Feature { optional: true, ..feature(name, alternatives) }
}

const fn channel(name: &'static str, alternatives: &'static [Alternative]) -> Feature {
    Feature { channel: true, ..feature(name, alternatives) }
}

/// What every run needs; none of it can be a module.
pub const BASE: [Feature; 9] = [
    feature("initramfs", &[by(&[], "CONFIG_BLK_DEV_INITRD")]),
    feature("ELF programs", &[by(&[], "CONFIG_BINFMT_ELF")]),
    feature("kernel log", &[by(&[], "CONFIG_PRINTK")]),
    feature("devtmpfs", &[by(&[], "CONFIG_DEVTMPFS")]),
    feature("tmpfs", &[by(&[], "CONFIG_TMPFS")]),
    feature("proc", &[by(&[], "CONFIG_PROC_FS")]),
    feature("sysfs", &[by(&[], "CONFIG_SYSFS")]),
    feature("networking", &[by(&[], "CONFIG_NET")]),
    feature("TCP/IP", &[by(&[], "CONFIG_INET")]),
];
/// Direct I/O on a tmpfs. Before, `open` refuses it there, and LIO, which does not ask, jumps to nowhere.
pub const TMPFS_DIRECT_IO: Feature =
    feature("direct I/O on tmpfs", &[Alternative { since: (6, 6), ..by(&[], "CONFIG_TMPFS") }]);
/// Virtio devices on PCI, which every channel uses.
pub const VIRTIO_PCI: Feature = channel("virtio-pci", &[by(&["virtio_pci"], "CONFIG_VIRTIO_PCI")]);
/// The guest's end of vsock.
pub const VSOCK: Feature =
    channel("vsock", &[by(&["vmw_vsock_virtio_transport"], "CONFIG_VIRTIO_VSOCKETS")]);
/// Virtio-serial ports.
pub const VIRTIO_SERIAL: Feature =
    channel("virtio-serial", &[by(&["virtio_console"], "CONFIG_VIRTIO_CONSOLE")]);
/// A network interface.
pub const VIRTIO_NET: Feature = feature("virtio-net", &[by(&["virtio_net"], "CONFIG_VIRTIO_NET")]);
/// The file system that LIO is configured through.
pub const CONFIGFS: Feature = feature("configfs", &[by(&["configfs"], "CONFIG_CONFIGFS_FS")]);
/// LIO's core, the ramdisk backstore included.
pub const TARGET: Feature = feature("target", &[by(&["target_core_mod"], "CONFIG_TARGET_CORE")]);
/// The fileio backstore.
pub const FILEIO: Feature = feature("fileio", &[by(&["target_core_file"], "CONFIG_TCM_FILEIO")]);
/// The block backstore.
pub const IBLOCK: Feature = feature("iblock", &[by(&["target_core_iblock"], "CONFIG_TCM_IBLOCK")]);
/// The iSCSI fabric.
pub const ISCSI_TARGET: Feature =
    feature("iscsi target", &[by(&["iscsi_target_mod"], "CONFIG_ISCSI_TARGET")]);
/// The loopback fabric.
pub const LOOPBACK: Feature = feature("loopback", &[by(&["tcm_loop"], "CONFIG_LOOPBACK_TARGET")]);
/// CRC32C, which every iSCSI login asks the crypto API for, digests or not (`iscsi_login_setup_crypto`).
///
/// No module depends on it, and there is no modprobe in the guest to load it when asked. The generic code comes first: the one for
/// SSE 4.2 does not load on every CPU model. Newer kernels call the library instead, and then the target's Kconfig no longer selects
/// the crypto API's; where it does select it, it is there and is found first.
pub const CRC32C: Feature = feature(
    "crc32c",
    &[
        by(&["crc32c_generic", "crc32c_cryptoapi", "crc32c"], "CONFIG_CRYPTO_CRC32C"),
        by(&["crc32c_intel"], "CONFIG_CRYPTO_CRC32C_INTEL"),
        Alternative { since: (6, 14), ..by(&["crc32"], "CONFIG_CRC32") },
    ],
);
/// MD5, which CHAP asks the crypto API for (drivers/target/iscsi/iscsi_target_auth.c).
pub const MD5: Feature = feature("md5", &[by(&["md5"], "CONFIG_CRYPTO_MD5")]);
/// IPv6, for a portal of that family.
pub const IPV6: Feature = feature("IPv6", &[by(&["ipv6"], "CONFIG_IPV6")]);
/// Virtio disks.
pub const VIRTIO_BLK: Feature = feature("virtio-blk", &[by(&["virtio_blk"], "CONFIG_VIRTIO_BLK")]);
/// The virtio SCSI host.
pub const VIRTIO_SCSI: Feature =
    feature("virtio-scsi", &[by(&["virtio_scsi"], "CONFIG_SCSI_VIRTIO")]);
/// NVMe controllers on PCI.
pub const NVME: Feature = feature("nvme", &[by(&["nvme"], "CONFIG_BLK_DEV_NVME")]);
/// Block devices for SCSI disks, those of the loopback fabric included: without udev nothing else loads it.
pub const SCSI_DISK: Feature = feature("SCSI disks", &[by(&["sd_mod"], "CONFIG_BLK_DEV_SD")]);
/// The null block device.
pub const NULL_BLK: Feature = feature("null_blk", &[by(&["null_blk"], "CONFIG_BLK_DEV_NULL_BLK")]);
/// The block layer's ramdisk.
pub const BRD: Feature = feature("brd", &[by(&["brd"], "CONFIG_BLK_DEV_RAM")]);
/// Compressed ramdisks.
pub const ZRAM: Feature = feature("zram", &[by(&["zram"], "CONFIG_ZRAM")]);
/// Block devices over files.
pub const LOOP: Feature = feature("loop", &[by(&["loop"], "CONFIG_BLK_DEV_LOOP")]);
/// Device-mapper.
pub const DEVICE_MAPPER: Feature =
    feature("device-mapper", &[by(&["dm_mod"], "CONFIG_BLK_DEV_DM")]);
/// Device-mapper's delay.
pub const DM_DELAY: Feature = feature("dm-delay", &[by(&["dm_delay"], "CONFIG_DM_DELAY")]);
/// Device-mapper's flakey.
pub const DM_FLAKEY: Feature = feature("dm-flakey", &[by(&["dm_flakey"], "CONFIG_DM_FLAKEY")]);

/// The CIFS client.
pub const CIFS: Feature = feature("CIFS", &[by(&["cifs"], "CONFIG_CIFS")]);
/// What it asks the crypto API for, as nothing in the guest loads what is asked for: to log in, to sign by each dialect, and, from 3.0
/// on, to be able to encrypt. Its Kconfig selects what it needs; newer kernels call libraries instead, of which it depends.
pub const CIFS_CRYPTO: [Feature; 12] = [
    optional("md4", &[by(&["md4"], "CONFIG_CRYPTO_MD4")]),
    optional("md5", &[by(&["md5"], "CONFIG_CRYPTO_MD5")]),
    optional("hmac", &[by(&["hmac"], "CONFIG_CRYPTO_HMAC")]),
    optional("sha256", &[by(&["sha256_generic", "sha256"], "CONFIG_CRYPTO_SHA256")]),
    optional("sha512", &[by(&["sha512_generic", "sha512"], "CONFIG_CRYPTO_SHA512")]),
    optional("aes", &[by(&["aes_generic", "aes"], "CONFIG_CRYPTO_AES")]),
    optional("cmac", &[by(&["cmac"], "CONFIG_CRYPTO_CMAC")]),
    optional("ctr", &[by(&["ctr"], "CONFIG_CRYPTO_CTR")]),
    optional("ghash", &[by(&["ghash_generic", "ghash"], "CONFIG_CRYPTO_GHASH")]),
    optional("ccm", &[by(&["ccm"], "CONFIG_CRYPTO_CCM")]),
    optional("gcm", &[by(&["gcm"], "CONFIG_CRYPTO_GCM")]),
    optional("ecb", &[by(&["ecb"], "CONFIG_CRYPTO_ECB")]),
];

/// Network namespaces.
pub const NET_NAMESPACES: Feature = feature("network namespaces", &[by(&[], "CONFIG_NET_NS")]);
/// Pairs of virtual Ethernet devices.
pub const VETH: Feature = feature("veth", &[by(&["veth"], "CONFIG_VETH")]);
/// The token bucket filter.
pub const TOKEN_BUCKET: Feature =
    feature("token bucket filter", &[by(&["sch_tbf"], "CONFIG_NET_SCH_TBF")]);

/// Compressions of zram's, by the names that `comp_algorithm` takes.
///
/// Before 6.12 zram asks the crypto API for them, and nothing in the guest loads what is not there; since then they are part of it
/// (drivers/block/zram/zcomp.c).
const ZRAM_COMPRESSIONS: [(&str, &[Alternative; 2]); 7] = [
    ("lzo", &[crypto(&["lzo"], "CONFIG_CRYPTO_LZO"), own("CONFIG_ZRAM_BACKEND_LZO")]),
    ("lzo-rle", &[crypto(&["lzo_rle"], "CONFIG_CRYPTO_LZO"), own("CONFIG_ZRAM_BACKEND_LZO")]),
    ("lz4", &[crypto(&["lz4"], "CONFIG_CRYPTO_LZ4"), own("CONFIG_ZRAM_BACKEND_LZ4")]),
    ("lz4hc", &[crypto(&["lz4hc"], "CONFIG_CRYPTO_LZ4HC"), own("CONFIG_ZRAM_BACKEND_LZ4HC")]),
    ("zstd", &[crypto(&["zstd"], "CONFIG_CRYPTO_ZSTD"), own("CONFIG_ZRAM_BACKEND_ZSTD")]),
    ("842", &[crypto(&["842"], "CONFIG_CRYPTO_842"), own("CONFIG_ZRAM_BACKEND_842")]),
    (
        "deflate",
        &[crypto(&["deflate"], "CONFIG_CRYPTO_DEFLATE"), own("CONFIG_ZRAM_BACKEND_DEFLATE")],
    ),
];

const fn crypto(modules: &'static [&'static str], symbol: &'static str) -> Alternative {
    Alternative { until: (6, 12), ..by(modules, symbol) }
}

const fn own(symbol: &'static str) -> Alternative {
    Alternative { since: (6, 12), ..by(&[], symbol) }
}

/// What the agent sets where the spec names no compression (`agent/src/device/zram.rs`): before 6.12 the kernel's own default may be
/// in a module that nothing would load, since then it is part of zram.
pub const ZRAM_COMPRESSION: Feature = feature(
    "zram compression",
    &[
        crypto(&["lzo_rle"], "CONFIG_CRYPTO_LZO"),
        Alternative { since: (6, 12), ..by(&["zram"], "CONFIG_ZRAM") },
    ],
);

/// A compression of zram's; nothing for one that is not known here.
#[must_use]
pub fn zram_compression(algorithm: &str) -> Option<Feature> {
    let (_, alternatives) = ZRAM_COMPRESSIONS.iter().find(|(name, _)| *name == algorithm)?;
    Some(feature("zram compression", *alternatives))
}

/// What is known of a kernel's contents.
#[derive(Debug)]
pub struct Contents {
    /// The release, in messages and for its version.
    pub release: String,
    /// Its modules and what its build lists as built in.
    pub tree: Option<ModuleTree>,
    /// Its configuration.
    pub config: Option<KernelConfig>,
}

/// How a kernel has a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Have {
    BuiltIn,
    Module(&'static str),
    Absent,
    /// Nothing tells: it is tried.
    Unknown,
}

impl Kernel {
    /// Lists the modules and reads the configuration.
    ///
    /// # Errors
    /// Environment, when one of them cannot be read.
    pub fn contents(&self, cache: &Cache) -> Result<Contents, Error> {
        let open =
            |dir: &ModulesDir| ModuleTree::open(dir.path()).map_err(|error| module_error(&error));
        Ok(Contents {
            release: self.release.clone(),
            tree: self.modules.as_ref().map(open).transpose()?,
            config: self.read_config(cache)?,
        })
    }
}

pub(super) fn module_error(error: &lunlab_initramfs::modules::Error) -> Error {
    let plain = Error::environment(error.to_string());
    match error.hint() {
        Some(hint) => plain.with_hint(hint),
        None => plain,
    }
}

impl Contents {
    /// The features of `wanted` that the kernel lacks.
    #[must_use]
    pub fn missing(&self, wanted: &[Feature]) -> Vec<Feature> {
        let is_missing =
            |feature: &&Feature| !feature.optional && self.have(feature) == Have::Absent;
        wanted.iter().filter(is_missing).copied().collect()
    }

    /// What cannot be known of the kernel before it is tried, in a sentence.
    #[must_use]
    pub fn doubt(&self, wanted: &[Feature]) -> Option<String> {
        let drivers = wanted.iter().filter(|feature| {
            let may_be_module = feature.alternatives.iter().any(|one| !one.modules.is_empty());
            may_be_module && !feature.optional && self.have(feature) == Have::Unknown
        });
        let names: Vec<&str> = drivers.map(|feature| feature.name).collect();
        (!names.is_empty()).then(|| {
            format!(
                "nothing tells whether kernel {} has {}{}; tried as if it had",
                self.release,
                names.join(", "),
                self.ignorance()
            )
        })
    }

    fn tells_what_is_built_in(&self) -> bool {
        self.config.is_some() || self.tree.as_ref().is_some_and(ModuleTree::lists_builtin)
    }

    /// The modules that give the kernel the features it does not have built in, in their order.
    ///
    /// # Errors
    /// Environment, naming every feature that is missing.
    pub fn modules_for(&self, wanted: &[Feature]) -> Result<Vec<&'static str>, Error> {
        let missing = self.missing(wanted);
        if !missing.is_empty() {
            return Err(self.missing_error(&missing));
        }
        let modules = wanted.iter().filter_map(|feature| match self.have(feature) {
            Have::Module(name) => Some(name),
            _ => None,
        });
        Ok(modules.collect())
    }

    /// Why a guest that runs with these modules `loaded`, by canonical names, cannot have a feature any more; nothing where it has it, or
    /// where nothing tells.
    #[must_use]
    pub fn out_of_reach(&self, feature: &Feature, loaded: &[&str]) -> Option<String> {
        let mut names = self.usable(feature).flat_map(|one| one.modules);
        if feature.optional || names.any(|name| loaded.contains(name)) {
            return None;
        }
        match self.have(feature) {
            Have::BuiltIn | Have::Unknown => None,
            Have::Module(name) => {
                Some(format!("{} (module {name}), which was not loaded at boot", feature.name))
            }
            Have::Absent => Some(format!(
                "{}, which kernel {} has not got",
                self.describe(feature),
                self.release
            )),
        }
    }

    fn have(&self, feature: &Feature) -> Have {
        let all: Vec<Have> = self.usable(feature).map(|one| self.have_alternative(one)).collect();
        let sure = all.iter().find(|have| matches!(have, Have::BuiltIn | Have::Module(_)));
        let unsure = all.iter().find(|have| **have == Have::Unknown);
        sure.or(unsure).cloned().unwrap_or(Have::Absent)
    }

    /// The alternatives that a kernel of this version can have.
    fn usable(&self, feature: &Feature) -> impl Iterator<Item = &'static Alternative> {
        let version = version(&self.release);
        feature.alternatives.iter().filter(move |one| (one.since..one.until).contains(&version))
    }

    fn have_alternative(&self, one: &Alternative) -> Have {
        let presence = |name: &&str| self.tree.as_ref().map(|tree| tree.presence(name));
        if one.modules.iter().any(|name| presence(name) == Some(Presence::Builtin)) {
            return Have::BuiltIn;
        }
        let module =
            one.modules.iter().find(|name| matches!(presence(name), Some(Presence::Module(_))));
        if let Some(name) = module {
            return Have::Module(name);
        }
        match &self.config {
            Some(config) if config.setting(one.symbol) == Setting::BuiltIn => Have::BuiltIn,
            None if one.modules.is_empty() || !self.tells_what_is_built_in() => Have::Unknown,
            _ => Have::Absent,
        }
    }

    fn missing_error(&self, missing: &[Feature]) -> Error {
        let list: Vec<_> = missing.iter().map(|feature| self.describe(feature)).collect();
        let noun = if missing.len() == 1 { "feature" } else { "features" };
        let message = format!(
            "kernel {} lacks {} {noun} that this run needs: {}{}",
            self.release,
            missing.len(),
            list.join("; "),
            self.ignorance()
        );
        Error::environment(message).with_hint(self.missing_hint(missing))
    }

    /// What could not be looked into, so that something said to be missing may yet be there.
    fn ignorance(&self) -> &'static str {
        match (&self.tree, &self.config) {
            (None, None) => " (it has neither modules nor a configuration to look in)",
            (None, Some(_)) => " (it has no modules directory)",
            (Some(tree), None) if !tree.lists_builtin() => {
                " (nothing says what is built in: no modules.builtin, no configuration)"
            }
            _ => "",
        }
    }

    fn missing_hint(&self, missing: &[Feature]) -> String {
        let symbols = missing.iter().filter_map(|feature| self.usable(feature).next());
        let settings: Vec<_> = symbols
            .map(|one| format!("{}={}", one.symbol, if one.modules.is_empty() { "y" } else { "m" }))
            .collect();
        let where_modules = match self.tree {
            Some(_) => "",
            None => ", or name its modules with --modules DIR",
        };
        let build = format!("build it with {}{where_modules}", settings.join(" "));
        let build = (!settings.is_empty()).then_some(build);
        let too_old = missing.iter().filter(|feature| self.usable(feature).next().is_none());
        let newer = too_old.map(|feature| format!("take {} for {}", feature.since(), feature.name));
        build.into_iter().chain(newer).collect::<Vec<_>>().join("; ")
    }

    /// `vsock (module vmw_vsock_virtio_transport, CONFIG_VIRTIO_VSOCKETS)`
    fn describe(&self, feature: &Feature) -> String {
        let way = |one: &Alternative| match one.modules.first() {
            Some(module) => format!("module {module}, {}", one.symbol),
            None => one.symbol.to_owned(),
        };
        let mut ways: Vec<_> = self.usable(feature).map(way).collect();
        if ways.is_empty() {
            ways.push(feature.since());
        }
        format!("{} ({})", feature.name, ways.join(", or "))
    }
}

/// The first two numbers of a release; a part that is no number counts as 0.
fn version(release: &str) -> (u32, u32) {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::config::Origin;
    use super::*;
    use std::fs;

    fn tree(files: &[&str], builtin: Option<&str>) -> (tempfile::TempDir, ModuleTree) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("kernel")).unwrap();
        for file in files {
            fs::write(dir.path().join("kernel").join(file), "").unwrap();
        }
        if let Some(text) = builtin {
            fs::write(dir.path().join("modules.builtin"), text).unwrap();
        }
        let tree = ModuleTree::open(dir.path()).unwrap();
        (dir, tree)
    }

    fn contents(release: &str, tree: Option<ModuleTree>, config: Option<&str>) -> Contents {
        let config = config.map(|text| KernelConfig::parse(text, Origin::Embedded));
        Contents { release: release.into(), tree, config }
    }

    #[test]
    fn a_feature_is_satisfied_built_in_or_by_any_name_of_its_module() {
        for (file, name) in [
            ("crc32c_generic.ko", "crc32c_generic"),
            ("crc32c-cryptoapi.ko.xz", "crc32c_cryptoapi"),
            ("crc32c-intel.ko.zst", "crc32c_intel"),
        ] {
            let (_dir, tree) = tree(&[file], None);
            assert_eq!(contents("6.1", Some(tree), None).modules_for(&[CRC32C]).unwrap(), [name]);
        }
        let (_dir, listed) = tree(&[], Some("kernel/crypto/crc32c_generic.ko\n"));
        assert!(contents("6.1", Some(listed), None).modules_for(&[CRC32C]).unwrap().is_empty());
        let configured = contents("6.1", None, Some("CONFIG_CRYPTO_CRC32C=y\n"));
        assert!(configured.modules_for(&[CRC32C]).unwrap().is_empty());
    }

    #[test]
    fn what_was_not_loaded_at_boot_is_out_of_reach_unless_it_is_built_in() {
        let (_dir, tree) = tree(&["brd.ko", "crc32c-intel.ko"], Some("kernel/drivers/loop.ko\n"));
        let contents = contents("6.1.7", Some(tree), None);
        for (feature, loaded, expected) in [
            (BRD, &["brd"][..], None),
            (BRD, &[], Some("brd (module brd), which was not loaded at boot")),
            (CRC32C, &["crc32c_generic"], None),
            (LOOP, &[], None),
            (ZRAM, &[], Some("zram (module zram, CONFIG_ZRAM), which kernel 6.1.7 has not got")),
        ] {
            let found = contents.out_of_reach(&feature, loaded);
            assert_eq!(found.as_deref(), expected, "{}", feature.name);
        }
    }

    #[test]
    fn the_crc32c_library_will_do_only_where_the_target_calls_it() {
        let config = Some("CONFIG_CRC32=y\n");
        assert_eq!(contents("6.13.9", None, config).missing(&[CRC32C]), [CRC32C]);
        assert_eq!(contents("6.17.1-x", None, config).missing(&[CRC32C]), []);
    }

    #[test]
    fn what_only_newer_kernels_have_is_told_by_their_version() {
        let of = |release| contents(release, None, Some("CONFIG_TMPFS=y\n"));
        assert_eq!(of("6.6.0").missing(&[TMPFS_DIRECT_IO]), []);
        let error = of("6.5.13-amd64").modules_for(&[TMPFS_DIRECT_IO]).unwrap_err();
        assert!(error.to_string().contains("direct I/O on tmpfs (Linux 6.6 or later)"), "{error}");
        let hint = error.hint().unwrap();
        assert_eq!(hint, "take Linux 6.6 or later for direct I/O on tmpfs");
    }

    #[test]
    fn all_that_is_missing_is_named_with_module_and_symbol() {
        let (_dir, tree) = tree(&["virtio_pci.ko"], Some(""));
        let contents = contents("6.1.7", Some(tree), Some("CONFIG_TMPFS=y\nCONFIG_TCM_FILEIO=m\n"));
        let wanted = [VIRTIO_PCI, VSOCK, FILEIO, BASE[4], BASE[8]];
        let error = contents.modules_for(&wanted).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("6.1.7 lacks 3 features"), "{text}");
        assert!(text.contains("vsock (module vmw_vsock_virtio_transport, CONFIG_VIRTIO_VSOCKETS)"));
        assert!(text.contains("fileio (module target_core_file, CONFIG_TCM_FILEIO)"), "{text}");
        assert!(text.contains("TCP/IP (CONFIG_INET)") && !text.contains("virtio-pci"), "{text}");
        assert!(error.hint().unwrap().contains("CONFIG_TCM_FILEIO=m CONFIG_INET=y"));
        assert_eq!(error.category(), crate::error::Category::Environment);
    }

    #[test]
    fn a_kernel_nothing_is_known_of_is_tried_and_that_is_said() {
        let bare = contents("6.1", None, None);
        assert_eq!(bare.missing(&[VIRTIO_PCI, CONFIGFS, BASE[0]]), []);
        assert_eq!(bare.modules_for(&[VSOCK]).unwrap(), Vec::<&str>::new());
        let doubt = bare.doubt(&[BASE[0], VIRTIO_PCI, VSOCK]).unwrap();
        assert!(doubt.contains("virtio-pci, vsock (it has neither modules"), "{doubt}");
        let (_dir, unlisted) = tree(&[], None);
        assert_eq!(contents("6.1", Some(unlisted), None).missing(&[VSOCK]), []);
    }

    #[test]
    fn what_is_known_to_be_absent_is_missing() {
        let (_dir, listed) = tree(&[], Some("kernel/fs/x.ko\n"));
        let known = contents("6.1", Some(listed), None);
        assert_eq!(known.missing(&[VSOCK]), [VSOCK]);
        assert_eq!(known.doubt(&[VSOCK]), None);
        let configured = contents("6.1", None, Some("CONFIG_VIRTIO_VSOCKETS=m\n"));
        assert_eq!(configured.missing(&[VSOCK]), [VSOCK]);
    }

    #[test]
    fn zram_compresses_by_the_crypto_api_until_it_has_its_own() {
        let lzo = [zram_compression("lzo-rle").unwrap()];
        let (_dir, tree) = tree(&["lzo-rle.ko"], Some("kernel/crypto/deflate.ko\n"));
        let old = contents("6.11.9", Some(tree), Some("CONFIG_ZRAM_BACKEND_LZO=y\n"));
        assert_eq!(old.modules_for(&lzo).unwrap(), ["lzo_rle"]);
        let deflate = [zram_compression("deflate").unwrap()];
        assert!(old.modules_for(&deflate).unwrap().is_empty());
        let new = Contents { release: "6.12.0".into(), ..old };
        assert!(new.modules_for(&lzo).unwrap().is_empty());
        let error = new.modules_for(&deflate).unwrap_err();
        assert!(error.to_string().contains("zram compression (CONFIG_ZRAM_BACKEND_DEFLATE)"));
        let hint = error.hint().unwrap();
        assert_eq!(hint, "build it with CONFIG_ZRAM_BACKEND_DEFLATE=y");
        assert_eq!(zram_compression("rot13"), None);
    }

    #[test]
    fn the_compression_that_nobody_named_is_any_that_newer_kernels_have() {
        let config = Some("CONFIG_ZRAM=m\nCONFIG_ZRAM_BACKEND_ZSTD=y\n");
        let of = |release| {
            let (_dir, tree) = tree(&["zram.ko"], Some(""));
            contents(release, Some(tree), config).missing(&[ZRAM_COMPRESSION])
        };
        assert_eq!(of("6.12.0"), []);
        assert_eq!(of("6.11.0"), [ZRAM_COMPRESSION]);
    }

    #[test]
    fn versions_are_read_from_any_release() {
        assert_eq!(version("6.1.0-56-cloud-amd64"), (6, 1));
        assert_eq!(version("7.0-rc1+"), (7, 0));
        assert_eq!(version("x"), (0, 0));
    }
}
