//! The keys of every table.

/// A table of a spec and the keys it may have.
pub(in crate::spec) struct Table {
    /// How its header or its key is written.
    pub(in crate::spec) place: &'static str,
    /// Its keys.
    pub(in crate::spec) keys: &'static [&'static str],
}

macro_rules! tables {
    ($($name:ident = $place:literal: [$($key:literal),+ $(,)?];)+) => {
        $(pub(super) const $name: &[&str] = &[$($key),+];)+

        /// Every table with its keys.
        pub(in crate::spec) const TABLES: &[Table] =
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
    HASH = "[[benchmark]]": ["workload", "check"];
    DIGEST = "[[benchmark]]": ["workload", "storage_object", "via", "offset", "length"];
    PATTERN = "[[benchmark]]": ["workload", "storage_object", "via", "seed", "offset", "length"];
    HOST_COMMAND = "[[benchmark]]": ["workload", "command", "timeout"];
    RUN = "[run]": ["boot_timeout", "timeout"];
}

/// What some values look like, by table and key: the way out of a fault that has no better one.
const EXAMPLES: [(&str, &str); 25] = [
    ("kernel.module_parameters", "module_parameters = { null_blk = \"queue_mode=2\" }"),
    ("disk.serial", "serial = \"scratch0\""),
    ("disk.size", "size = \"1G\""),
    ("storage_object.name", "name = \"disk0\""),
    ("storage_object.size", "size = \"64M\""),
    ("storage_object.vendor", "vendor = \"LIO-ORG\""),
    ("storage_object.product", "product = \"test disk\""),
    ("storage_object.revision", "revision = \"1.0\""),
    ("storage_object.delay.read", "read = \"10ms\""),
    ("storage_object.delay.write", "write = \"10ms\""),
    ("storage_object.flakey.up", "up = \"10s\""),
    ("storage_object.flakey.down", "down = \"1s\""),
    ("storage_object.alua_group.name", "name = \"standby\""),
    ("storage_object.alua_group.id", "id = 16"),
    ("storage_object.alua_group.nonop_delay_msecs", "nonop_delay_msecs = 100"),
    ("storage_object.alua_group.trans_delay_msecs", "trans_delay_msecs = 0"),
    ("storage_object.alua_group.implicit_trans_secs", "implicit_trans_secs = 0"),
    ("target.cmd_completion_affinity", "cmd_completion_affinity = -1"),
    ("target.tpg.tag", "tag = 1"),
    ("target.tpg.luns.lun", "lun = 0"),
    ("target.tpg.portals", "portals = [\"127.0.0.1:3260\"]"),
    ("target.tpg.acl.cmdsn_depth", "cmdsn_depth = 64"),
    ("target.tpg.acl.tag", "tag = \"host a\""),
    ("target.tpg.acl.mapped_luns.mapped_lun", "mapped_lun = 0"),
    ("target.tpg.acl.mapped_luns.lun", "lun = 0"),
];

/// What the value of a key looks like; `key` is written as a table's name and the key.
pub(in crate::spec) fn example_of(key: &str) -> Option<&'static str> {
    EXAMPLES.iter().find(|(known, _)| *known == key).map(|(_, example)| *example)
}

/// Keys that would carry a secret; where one of [`CHAP`] is known they are refused by name.
pub(in crate::spec) const SECRETS: [&str; 2] = ["password", "mutual_password"];

/// The table in which `key` is known, of those with a header.
pub(in crate::spec) fn place_of(key: &str) -> Option<&'static str> {
    let headed = TABLES.iter().filter(|table| table.place.starts_with('['));
    headed.filter(|table| table.keys.contains(&key)).map(|table| table.place).next()
}
