//! The keys of every table.

/// A table of a spec and the keys it may have.
pub(crate) struct Table {
    /// How its header or its key is written.
    pub(crate) place: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [&'static str],
}

macro_rules! tables {
    ($($name:ident = $place:literal: [$($key:literal),+ $(,)?];)+) => {
        $(pub(super) const $name: &[&str] = &[$($key),+];)+

        /// Every table with its keys.
        pub(crate) const TABLES: &[Table] =
            &[$(Table { place: $place, keys: $name }),+];
    };
}

tables! {
    ROOT = "the spec": [
        "kernel", "machine", "channel", "network", "disk", "storage_object", "discovery", "target",
        "benchmark", "run",
    ];
    KERNEL = "[kernel]": ["image", "modules", "module_parameters", "cmdline"];
    MACHINE = "[machine]": ["cpus", "memory", "accelerator"];
    CHANNEL = "[channel]": ["transport"];
    NETWORK = "[network]": ["mode"];
    DISK = "[[disk]]": [
        "serial", "bus", "size", "image", "format", "snapshot", "read_only", "cache", "aio",
    ];
    STORAGE_OBJECT = "[[storage_object]]": [
        "name", "backstore", "size", "nullio", "mode", "device", "disk", "device_parameters",
        "delay", "flakey", "read_only", "serial", "vendor", "product", "revision", "attributes",
        "allow_unknown_attributes", "alua_group",
    ];
    DELAY = "delay": ["read", "write"];
    FLAKEY = "flakey": ["up", "down", "error_writes", "drop_writes"];
    ALUA_GROUP = "[[storage_object.alua_group]]": [
        "name", "id", "access_state", "access_type", "preferred", "nonop_delay_msecs",
        "trans_delay_msecs", "implicit_trans_secs", "write_metadata", "support_transitioning",
        "support_offline", "support_lba_dependent", "support_unavailable", "support_standby",
        "support_active_optimized", "support_active_nonoptimized",
    ];
    DISCOVERY = "[discovery]": ["chap"];
    CHAP = "chap": [
        "userid", "password_file", "password_env", "mutual_userid", "mutual_password_file",
        "mutual_password_env",
    ];
    TARGET = "[[target]]": ["fabric", "wwn", "nexus", "cmd_completion_affinity", "tpg"];
    TPG = "[[target.tpg]]": [
        "tag", "enable", "luns", "portals", "attributes", "parameters",
        "allow_unknown_attributes", "chap", "demo_mode", "acl",
    ];
    LUN = "luns": ["lun", "storage_object", "alua_group"];
    ACL = "[[target.tpg.acl]]": [
        "initiator", "mapped_luns", "cmdsn_depth", "tag", "attributes",
        "allow_unknown_attributes", "chap",
    ];
    MAPPED_LUN = "mapped_luns": ["mapped_lun", "lun", "write_protect"];
    ISCSI_RANDREAD = "[[benchmark]]": [
        "workload", "block_size", "queue_depth", "seconds", "region", "lun", "target", "tpg",
        "portal", "initiator", "chap", "header_digest", "data_digest", "check",
    ];
    HOST_COMMAND = "[[benchmark]]": ["workload", "command", "timeout"];
    RUN = "[run]": ["boot_timeout", "timeout"];
}

/// Those of [`ISCSI_RANDREAD`] that say where it logs in.
pub(in crate::spec) const LOGIN: &[&str] =
    &["target", "tpg", "portal", "initiator", "lun", "chap", "header_digest", "data_digest"];

/// Keys that would carry a secret; where one of [`CHAP`] is known they are refused by name.
pub(in crate::spec) const SECRETS: [&str; 2] = ["password", "mutual_password"];

/// What some call a key that has another name here: by the end of the table's name.
const SYNONYMS: [(&str, &str, &str); 8] = [
    ("mapped_luns", "read_only", "write_protect"),
    ("luns", "read_only", "write_protect, in the mapped_luns of an ACL"),
    ("storage_object", "path", "device = \"disk\" with a [[disk]] that has image"),
    ("storage_object", "file", "device = \"disk\" with a [[disk]] that has image"),
    ("storage_object", "image", "device = \"disk\" with a [[disk]] that has image"),
    ("target", "luns", "luns below [[target.tpg]]"),
    ("acl", "luns", "mapped_luns"),
    ("acl", "wwn", "initiator"),
];

/// What a key of the table `here` is called, that goes by another name elsewhere.
pub(in crate::spec) fn synonym_of(here: &str, key: &str) -> Option<&'static str> {
    let table = here.rsplit('.').next()?;
    let same = |(known, word, _): &&(&str, &str, &str)| *known == table && *word == key;
    SYNONYMS.iter().find(same).map(|(_, _, meant)| *meant)
}

/// The tables in which `key` is known, of those with a header.
pub(in crate::spec) fn places_of(key: &str) -> Vec<&'static str> {
    let headed = TABLES.iter().filter(|table| table.place.starts_with('['));
    let mut places: Vec<_> =
        headed.filter(|table| table.keys.contains(&key)).map(|table| table.place).collect();
    places.dedup();
    places
}
