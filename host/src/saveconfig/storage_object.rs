//! Saved storage objects: what holds their data here, and by which names they are known.

use std::collections::BTreeMap;

use configfs_rs::lio::AluaGroupName;
use configfs_rs::lio::rule::Group;

use super::document::{Item, Table};
use super::import::Options;
use super::reader::{Object, Setting};
use super::settings::{self, Known};
use crate::spec::{STORAGE_OBJECT_SIZE, format_size};

/// The longest name of a storage object.
const NAME_MAX: usize = 32;

/// The longest serial number of a disk that every bus can carry.
const DISK_SERIAL_MAX: usize = 20;

/// How many hexadecimal digits of a serial are in its NAA name (target_core_spc.c).
const NAA_DIGITS: usize = 25;

/// The longest serial (INQUIRY_VPD_SERIAL_LEN less a newline and a NUL).
const SERIAL_MAX: usize = 252;

/// The largest ramdisk: LIO counts its pages in an `int`.
const RAMDISK_MAX: u64 = ((1 << 31) - 1) * 4096;

/// Where an exported file says that files are: in a guest, where they begin empty anyway.
const GUEST_FILES: &str = "/run/lunlab/";

/// The group that the kernel makes itself, and that rtslib does not restore.
const KERNELS_OWN_GROUP: &str = "default_tg_pt_gp";

/// What follows the device under a storage object, and is the kernel's to know.
const OF_THE_DEVICE: [&str; 9] = [
    "emulate_write_cache",
    "is_nonrot",
    "max_unmap_block_desc_count",
    "max_unmap_lba_count",
    "max_write_same_len",
    "optimal_sectors",
    "queue_depth",
    "unmap_granularity",
    "unmap_granularity_alignment",
];

/// ALUA access states by their numbers in LIO, as a spec has them (SPC-4 section 5.15.2.4).
const ACCESS_STATES: [(u64, &str); 6] = [
    (0, "active-optimized"),
    (1, "active-nonoptimized"),
    (2, "standby"),
    (3, "unavailable"),
    (4, "lba-dependent"),
    (14, "offline"),
];

/// ALUA access types by their numbers in LIO, as a spec has them.
const ACCESS_TYPES: [(u64, &str); 4] =
    [(0, "none"), (1, "implicit"), (2, "explicit"), (3, "implicit-and-explicit")];

/// A plugin's name in a saved configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plugin {
    Fileio,
    Block,
    Ramdisk,
}

impl Plugin {
    fn name(self) -> &'static str {
        match self {
            Self::Fileio => "fileio",
            Self::Block => "block",
            Self::Ramdisk => "ramdisk",
        }
    }
}

/// A storage object that was carried over.
struct Carried {
    plugin: Plugin,
    saved_name: String,
    name: String,
    groups: Vec<String>,
}

/// What the file's storage objects became.
pub(super) struct StorageObjects {
    extra: BTreeMap<String, Vec<(String, Item)>>,
    carried: Vec<Carried>,
    disks: Vec<Table>,
    disk_serials: Vec<String>,
    serials: Vec<String>,
    tables: Vec<Table>,
}

impl StorageObjects {
    /// With what an extension says: whole disks, and more entries for storage objects.
    pub(super) fn new(disks: Vec<Table>, extra: BTreeMap<String, Vec<(String, Item)>>) -> Self {
        let [disk_serials, serials] = [Vec::new(), Vec::new()];
        Self { extra, carried: Vec::new(), disks, disk_serials, serials, tables: Vec::new() }
    }

    /// Reads one.
    pub(super) fn read(&mut self, mut object: Object<'_>, options: &Options) {
        let Some(plugin) = plugin(&mut object) else { return };
        let Some(saved_name) = object.text("name") else {
            object.note("a storage object without a name: left out");
            return;
        };
        let name = self.name(&saved_name, plugin, &object);
        let mut table = Table::new("[[storage_object]]");
        table.set("name", name.as_str());
        table.set("backstore", plugin.name());
        for (key, value) in self.extra.remove(&saved_name).unwrap_or_default() {
            table.set(&key, value);
        }
        let attributes = settings::take(&mut object, "attributes");
        let attributes = as_model(&name, attributes, &object, &mut table);
        let on_device = self.holding(plugin, &name, &attributes, &mut object, &mut table, options);
        let serial = object.text("wwn").filter(|serial| !serial.is_empty());
        table.set_some("serial", serial.and_then(|serial| self.serial(serial, &object)));
        set_attributes(plugin, on_device, attributes, &object, &mut table, options);
        let groups = object.objects("alua_tpgs").into_iter().filter_map(group).collect::<Vec<_>>();
        self.carried.push(Carried {
            plugin,
            saved_name,
            name,
            groups: groups.iter().map(|(name, _)| name.clone()).collect(),
        });
        self.tables.push(table);
        self.tables.extend(groups.into_iter().map(|(_, table)| table));
        // rtslib itself reads past these.
        let _ignored = (object.take("exists"), object.take("buffered_mode"));
        object.finish();
    }

    /// The storage object at a path such as `/backstores/fileio/disk0`: its name in the spec, and
    /// its ALUA groups.
    pub(super) fn at(&self, path: &str) -> Option<(&str, &[String])> {
        let (plugin, name) = path.strip_prefix("/backstores/")?.split_once('/')?;
        let same = |each: &&Carried| each.plugin.name() == plugin && each.saved_name == name;
        let carried = self.carried.iter().find(same)?;
        Some((&carried.name, &carried.groups))
    }

    /// All tables: disks first.
    pub(super) fn into_tables(self) -> Vec<Table> {
        [self.disks, self.tables].concat()
    }

    /// A name that a spec can have, unique among all: LIO's are unique for a plugin only.
    fn name(&self, saved: &str, plugin: Plugin, object: &Object<'_>) -> String {
        let taken = |name: &str| self.carried.iter().any(|each| each.name == name);
        let name = usable(saved, NAME_MAX, taken, plugin.name());
        if name != saved {
            object.note_at("name", format!("{saved:?} is called {name} here"));
        }
        name
    }

    fn serial(&mut self, serial: String, object: &Object<'_>) -> Option<String> {
        let digits = serial.chars().filter(char::is_ascii_hexdigit).take(NAA_DIGITS);
        let digits = digits.collect::<String>().to_ascii_lowercase();
        let printable = serial.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if digits.is_empty() || !printable || serial.len() > SERIAL_MAX {
            object.note_at("wwn", "no serial that initiators could tell apart: one is drawn");
            return None;
        }
        if self.serials.contains(&digits) {
            object.note_at("wwn", "another storage object has this serial already: one is drawn");
            return None;
        }
        self.serials.push(digits);
        Some(serial)
    }

    /// Sets what holds the data; says whether that is a device.
    fn holding(
        &mut self,
        plugin: Plugin,
        name: &str,
        attributes: &[Setting],
        object: &mut Object<'_>,
        table: &mut Table,
        options: &Options,
    ) -> bool {
        let unit = block_size(attributes).max(if plugin == Plugin::Ramdisk { 4096 } else { 512 });
        // rtslib gives the size of a block device as 0.
        let told = object.number("size").filter(|size| *size != 0);
        let size = size(told, unit, plugin, object, options);
        match plugin {
            Plugin::Ramdisk => {
                if told.is_none() {
                    note_size(size, object);
                }
                table.set("size", format_size(size));
                if object.flag("nullio") == Some(true) {
                    table.set("nullio", true);
                }
                false
            }
            Plugin::Fileio => self.fileio(name, size, told.is_some(), object, table, options),
            Plugin::Block => {
                let dev = object.text("dev").unwrap_or_default();
                if !table.has("device") {
                    self.disk(name, &dev, size, told.is_some(), object, table);
                }
                // It follows the device.
                object.flag("write_back");
                if object.flag("readonly") == Some(true) {
                    table.set("read_only", true);
                }
                true
            }
        }
    }

    fn fileio(
        &mut self,
        name: &str,
        size: u64,
        told: bool,
        object: &mut Object<'_>,
        table: &mut Table,
        options: &Options,
    ) -> bool {
        let aio = object.flag("aio") == Some(true);
        let buffered = object.flag("write_back") == Some(true);
        let dev = object.text("dev").unwrap_or_default();
        let on_device = table.has("device") || aio || dev.starts_with("/dev/");
        if table.has("device") {
            // The extension has said all.
        } else if on_device {
            if !dev.starts_with("/dev/") {
                let message = "the guest's files are on tmpfs, which has no asynchronous I/O: a \
                               disk is under it instead";
                object.note_at("aio", message);
            }
            self.disk(name, &dev, size, told, object, table);
        } else {
            if !dev.starts_with(GUEST_FILES) {
                let message =
                    "what is in this file of the host's stays there: the guest's begins empty";
                object.note_at("dev", format!("{}: {message}", or_unnamed(&dev)));
            }
            if !told {
                note_size(size, object);
            }
            table.set("size", format_size(size));
        }
        let mode = match (aio, buffered) {
            (true, _) => "async",
            (false, true) => "buffered",
            (false, false) => "write-through",
        };
        if options.all || mode != "buffered" {
            table.set("mode", mode);
        }
        on_device
    }

    /// Puts a disk of QEMU's under a storage object: a device of the host's is not the guest's.
    fn disk(
        &mut self,
        name: &str,
        dev: &str,
        size: u64,
        told: bool,
        object: &Object<'_>,
        table: &mut Table,
    ) {
        let taken = |serial: &str| self.disk_serials.iter().any(|known| known == serial);
        let serial = usable(name, DISK_SERIAL_MAX, taken, "disk");
        let unknown = if told { "" } else { ", and how large it is the file does not say" };
        object.note_at(
            "dev",
            format!(
                "{} is a device of the host's{unknown}: the disk {serial} of {} is under it, \
                 empty (with image = … in its [[disk]] it is a file or device of the host's)",
                or_unnamed(dev),
                format_size(size)
            ),
        );
        let mut disk = Table::new("[[disk]]");
        disk.set("serial", serial.as_str());
        disk.set("bus", "virtio-blk");
        disk.set("size", format_size(size));
        self.disks.push(disk);
        table.set("device", "disk");
        table.set("disk", serial.as_str());
        self.disk_serials.push(serial);
    }
}

/// What a path is called where the file has none.
fn or_unnamed(path: &str) -> &str {
    if path.is_empty() { "what it does not name" } else { path }
}

fn plugin(object: &mut Object<'_>) -> Option<Plugin> {
    let plugin = object.text("plugin");
    let why = match plugin.as_deref() {
        Some("fileio") => return Some(Plugin::Fileio),
        Some("block" | "iblock") => return Some(Plugin::Block),
        Some("ramdisk" | "rd_mcp") => return Some(Plugin::Ramdisk),
        Some("pscsi") => "pscsi passes a SCSI device of the host's through, which a guest has not",
        Some("user") => "user is served by a program of the host's, which a guest has not",
        Some(_) => "lunlab does not know this plugin",
        None => "a storage object without a plugin",
    };
    let name = object.text("name").map(|name| format!(" {name:?}")).unwrap_or_default();
    object.note(format!("{why}: the storage object{name} is left out"));
    None
}

/// Makes a name of what a spec allows, and appends to it until nobody has it.
fn usable(wanted: &str, longest: usize, taken: impl Fn(&str) -> bool, suffix: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    // The kernel has these two beside the storage objects of every backstore, and no file system
    // has directories of the others.
    let reserved = |name: &str| matches!(name, "" | "." | ".." | "hba_info" | "hba_mode");
    let free = |name: &String| !taken(name) && !reserved(name);
    let numbered = (2_u32..).map(|number| format!("-{suffix}{number}"));
    let endings = [String::new(), format!("-{suffix}")].into_iter().chain(numbered);
    let ended = |ending: String| {
        let room = longest.saturating_sub(ending.len());
        name.chars().take(room).chain(ending.chars()).collect::<String>()
    };
    endings.map(ended).find(free).unwrap_or_default()
}

fn block_size(attributes: &[Setting]) -> u64 {
    let told = attributes.iter().find(|setting| setting.name == "block_size");
    let told = told.and_then(|setting| setting.value.parse().ok());
    told.filter(|size| matches!(size, 512 | 1024 | 2048 | 4096)).unwrap_or(512)
}

/// The size a spec can have that is nearest to the saved one.
fn size(
    told: Option<u64>,
    unit: u64,
    plugin: Plugin,
    object: &Object<'_>,
    options: &Options,
) -> u64 {
    let (least, most) = (*STORAGE_OBJECT_SIZE.start(), *STORAGE_OBJECT_SIZE.end());
    let most = if plugin == Plugin::Ramdisk { most.min(RAMDISK_MAX) } else { most };
    let wanted = told.unwrap_or(options.disk_size);
    let size = wanted.clamp(least, most).next_multiple_of(unit);
    if told.is_some_and(|told| told != size) {
        object.note_at(
            "size",
            format!(
                "{wanted} bytes become {size}, as {unit} divides it and it \
            is from {} to {}",
                format_size(least),
                format_size(most)
            ),
        );
    }
    size
}

fn note_size(size: u64, object: &Object<'_>) {
    object.note_at("size", format!("the file does not say how large it is: {}", format_size(size)));
}

/// A name that is too long for a model: the kernel cuts it, a spec says what is left of it.
fn as_model(
    name: &str,
    attributes: Vec<Setting>,
    object: &Object<'_>,
    table: &mut Table,
) -> Vec<Setting> {
    let (alias, rest): (Vec<_>, Vec<_>) = attributes
        .into_iter()
        .partition(|each| each.name == "emulate_model_alias" && name.len() > MODEL_ALIAS);
    if alias.iter().any(|each| each.value != "0") {
        let product: String = name.chars().take(MODEL_ALIAS).collect();
        let note = format!("the name is too long for a model, the kernel cuts it to {product}");
        object.note_at("attributes.emulate_model_alias", note);
        table.set("product", product);
    }
    rest
}

fn set_attributes(
    plugin: Plugin,
    on_device: bool,
    attributes: Vec<Setting>,
    object: &Object<'_>,
    table: &mut Table,
    options: &Options,
) {
    let of_the_device =
        |setting: &Setting| on_device && OF_THE_DEVICE.contains(&setting.name.as_str());
    // Formatting is an act and no state: what is saved of it is always 0.
    let attributes: Vec<_> = attributes
        .into_iter()
        .filter(|setting| !of_the_device(setting) && setting.name != "pi_prot_format")
        .collect();
    let buffered = !attributes
        .iter()
        .any(|setting| setting.name == "emulate_write_cache" && setting.value == "0");
    let unset = |name: &str| unset(plugin, buffered, name);
    let known = Known { group: Group::StorageObjectAttribute, unset: &unset, all: options.all };
    let kept = known.keep(attributes, object);
    table.set_inline("attributes", kept.entries);
    if kept.unknown {
        table.set("allow_unknown_attributes", true);
    }
}

/// What INQUIRY has room for when the name of a storage object is its model, in bytes
/// (`dev_set_t10_wwn_model_alias`).
const MODEL_ALIAS: usize = 15;

/// What enabling sets by backstore (`fd_configure_device`, `rd_configure_device` and
/// `target_configure_device`).
fn unset(plugin: Plugin, buffered: bool, name: &str) -> Option<&'static str> {
    Some(match (name, plugin) {
        ("block_size", _) => "512",
        ("emulate_write_cache", Plugin::Fileio) if buffered => "1",
        ("emulate_write_cache", _) => "0",
        ("queue_depth", _) => "128",
        ("is_nonrot", Plugin::Ramdisk) => "1",
        ("is_nonrot", _) => "0",
        ("max_unmap_lba_count", Plugin::Fileio) => "8192",
        ("max_unmap_block_desc_count" | "unmap_granularity", Plugin::Fileio) => "1",
        ("max_write_same_len", Plugin::Fileio) => "4096",
        ("optimal_sectors", Plugin::Fileio) => "16384",
        ("optimal_sectors", Plugin::Ramdisk) => "4294967288",
        (
            "max_unmap_lba_count"
            | "max_unmap_block_desc_count"
            | "unmap_granularity"
            | "unmap_granularity_alignment"
            | "max_write_same_len",
            _,
        ) => "0",
        _ => return None,
    })
}

/// An ALUA group: its name and table.
fn group(mut group: Object<'_>) -> Option<(String, Table)> {
    let Some(name) = group.text("name") else {
        group.note("an ALUA group without a name: left out");
        return None;
    };
    if name == KERNELS_OWN_GROUP {
        return None;
    }
    if let Err(problem) = AluaGroupName::new(&name) {
        group.note_at("name", format!("{problem}: the ALUA group is left out"));
        return None;
    }
    let id = group.number("tg_pt_gp_id").and_then(|id| u16::try_from(id).ok());
    let Some(id) = id.filter(|id| *id != 0) else {
        group.note_at("tg_pt_gp_id", "not 1 to 65535: the ALUA group is left out");
        return None;
    };
    let mut table = Table::new("[[storage_object.alua_group]]");
    table.set("name", name.as_str());
    table.set("id", id);
    for (saved, key, words, unset) in [
        ("alua_access_state", "access_state", &ACCESS_STATES[..], 0),
        ("alua_access_type", "access_type", &ACCESS_TYPES[..], 3),
    ] {
        let code = group.number(saved).unwrap_or(unset);
        match words.iter().find(|(known, _)| *known == code) {
            Some((_, word)) => table.set(key, *word),
            None => group.note_at(saved, format!("{code} cannot be set: left out")),
        }
    }
    // How the state came about, which is no setting.
    let _status = group.take("alua_access_status");
    let rest = group.settings();
    let known = Known { group: Group::AluaGroup, unset: &|_| None, all: false };
    for (key, value) in known.keep(rest, &group).entries {
        table.set(key.strip_prefix("alua_").unwrap_or(&key), value);
    }
    Some((name, table))
}
