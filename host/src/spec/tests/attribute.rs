//! What a bad spec is told of attributes and parameters.

use super::{exported, object, refused};

#[test]
fn attributes_and_parameters_are_refused_with_place_and_way_out() {
    refused(&[
        (
            object("fileio", "attributes = { block_size = 513 }"),
            r#"s.toml:5:29: storage_object[0].attributes.block_size: 513 is not 512, 1024, 2048 or 4096
  hint: leave it out for the kernel's own"#,
        ),
        (
            object("fileio", "attributes = { block_size = 8192 }"),
            r#"s.toml:5:29: storage_object[0].attributes.block_size: 8192 is not 512, 1024, 2048 or 4096
  hint: leave it out for the kernel's own"#,
        ),
        (
            r#"[[storage_object]]
name = "a"
backstore = "fileio"
size = 67109376
attributes = { block_size = 4096 }"#
                .to_owned(),
            r#"s.toml:5:29: storage_object[0].attributes.block_size: the size, 67109376 bytes, is not a multiple of 4096
  hint: make the size one"#,
        ),
        (
            object(
                "block",
                r#"device = "zram"
attributes = { block_size = 512 }"#,
            ),
            r#"s.toml:6:29: storage_object[0].attributes.block_size: 512 is less than the device's 4096, on which I/O would fail
  hint: leave it out for the device's"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
device_parameters = { blocksize = 4096 }
attributes = { block_size = 1024 }"#,
            ),
            r#"s.toml:7:29: storage_object[0].attributes.block_size: 1024 is less than the device's 4096, on which I/O would fail
  hint: leave it out for the device's"#,
        ),
        (
            object("ramdisk", "attributes = { emulate_tpu = true }"),
            r#"s.toml:5:30: storage_object[0].attributes.emulate_tpu: 1 is not possible on a ramdisk, which cannot unmap
  hint: backstore = "fileio""#,
        ),
        (
            object("ramdisk", r#"attributes = { emulate_tpws = 1, unmap_zeroes_data = "yes" }"#),
            r#"s.toml:5:31: storage_object[0].attributes.emulate_tpws: 1 is not possible on a ramdisk, which cannot unmap
  hint: backstore = "fileio"
s.toml:5:54: storage_object[0].attributes.unmap_zeroes_data: 1 is not possible on a ramdisk, which cannot unmap
  hint: backstore = "fileio""#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"
attributes = { emulate_tpu = true }"#,
            ),
            r#"s.toml:6:30: storage_object[0].attributes.emulate_tpu: 1 is not possible on this null_blk, which cannot discard
  hint: device_parameters = { memory_backed = true, discard = true }"#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
attributes = { emulate_write_cache = true }"#,
            ),
            r#"s.toml:6:38: storage_object[0].attributes.emulate_write_cache: 1 is not possible on block, whose write cache is its device's
  hint: leave it out"#,
        ),
        (
            object("fileio", "attributes = { emulate_write_cache = false }"),
            r#"s.toml:5:38: storage_object[0].attributes.emulate_write_cache: 0 hides the write cache of a buffered fileio, of which initiators must know
  hint: mode = "write-through""#,
        ),
        (
            object("fileio", "attributes = { queue_depth = 0 }"),
            r#"s.toml:5:30: storage_object[0].attributes.queue_depth: 0 is not a number from 1 to 4294967295
  hint: leave it out for the kernel's own"#,
        ),
        (
            object("fileio", "attributes = { queue_depth = 129 }"),
            r#"s.toml:5:30: storage_object[0].attributes.queue_depth: 129 is more than the 128 that fileio has
  hint: leave it out"#,
        ),
        (
            object("fileio", "attributes = { optimal_sectors = 16385 }"),
            r#"s.toml:5:34: storage_object[0].attributes.optimal_sectors: 16385 is more than 16384, the blocks of 8M, fileio's most
  hint: leave it out"#,
        ),
        (
            object("fileio", "attributes = { hw_block_size = 512 }"),
            r#"s.toml:5:32: storage_object[0].attributes.hw_block_size: 512 cannot be set, hw_block_size can only be read
  hint: leave it out"#,
        ),
        (
            object("fileio", "attributes = { emulate_rest_reord = 1 }"),
            r#"s.toml:5:37: storage_object[0].attributes.emulate_rest_reord: 1 is not 0
  hint: leave it out for LIO's own, 0"#,
        ),
        (
            object("fileio", "attributes = { alua_support = 0 }"),
            r#"s.toml:5:31: storage_object[0].attributes.alua_support: 0 is not 1
  hint: leave it out for LIO's own, 1"#,
        ),
        (
            object("fileio", "attributes = { pi_prot_type = 2 }"),
            r#"s.toml:5:31: storage_object[0].attributes.pi_prot_type: 2 is not 0, 1 or 3
  hint: leave it out for LIO's own, 0"#,
        ),
        (
            object(
                "fileio",
                r#"device = "brd"
attributes = { pi_prot_type = 1 }"#,
            ),
            r#"s.toml:6:31: storage_object[0].attributes.pi_prot_type: 1 is not possible, a device stores no protection information
  hint: a ramdisk, or a fileio without a device"#,
        ),
        (
            object("fileio", "attributes = { pi_prot_format = 1 }"),
            r#"s.toml:5:33: storage_object[0].attributes.pi_prot_format: 1 needs a pi_prot_type to format for
  hint: pi_prot_type = 1"#,
        ),
        (
            object("ramdisk", "attributes = { pi_prot_type = 1, pi_prot_format = true }"),
            r#"s.toml:5:51: storage_object[0].attributes.pi_prot_format: 1 is not possible, a ramdisk cannot be formatted
  hint: leave it out"#,
        ),
        (
            r#"[[storage_object]]
name = "sixteen-letters0"
backstore = "fileio"
size = "64M"
attributes = { emulate_model_alias = true }"#
                .to_owned(),
            r#"s.toml:5:38: storage_object[0].attributes.emulate_model_alias: 1 makes the name the model, of 15 bytes at most, and it has 16
  hint: take a shorter name, or product"#,
        ),
        (
            object("fileio", "attributes = { emulate_tp = true }"),
            r#"s.toml:5:16: storage_object[0].attributes.emulate_tp: unknown attribute, docs/spec.md lists those lunlab knows
  hint: did you mean "emulate_tpu"? if this kernel has it: allow_unknown_attributes = true beside it"#,
        ),
        (
            object("fileio", "attributes = { xyzzy = 1 }"),
            r#"s.toml:5:16: storage_object[0].attributes.xyzzy: unknown attribute, docs/spec.md lists those lunlab knows
  hint: if this kernel has it: allow_unknown_attributes = true beside it"#,
        ),
        (
            object(
                "fileio",
                r#"attributes = { "a/b" = 1 }
allow_unknown_attributes = true"#,
            ),
            r#"s.toml:5:16: storage_object[0].attributes."a/b": is not a name, 1 to 64 of A-Z, a-z, 0-9 and `_` are
  hint: write it as the kernel does"#,
        ),
        (
            object("fileio", "attributes = { emulate_tas = 2 }"),
            r#"s.toml:5:30: storage_object[0].attributes.emulate_tas: 2 is not true or false
  hint: leave it out for LIO's own, 1"#,
        ),
        (
            object("fileio", "attributes = { emulate_ua_intlck_ctrl = 3 }"),
            r#"s.toml:5:41: storage_object[0].attributes.emulate_ua_intlck_ctrl: 3 is not 0, 1 or 2
  hint: leave it out for LIO's own, 0"#,
        ),
        (
            object("fileio", "attributes = { max_unmap_lba_count = 4294967296 }"),
            r#"s.toml:5:38: storage_object[0].attributes.max_unmap_lba_count: 4294967296 is not a number from 0 to 4294967295
  hint: leave it out for the kernel's own"#,
        ),
        (
            object("fileio", r#"attributes = { block_size = "010" }"#),
            r#"s.toml:5:29: storage_object[0].attributes.block_size: "010" is not 512, 1024, 2048 or 4096
  hint: leave it out for the kernel's own"#,
        ),
        (
            object("fileio", "attributes = { block_size = [512] }"),
            r#"s.toml:5:29: storage_object[0].attributes.block_size: this is a list, true or false, a whole number or a string is needed
  hint: such as attributes = { emulate_caw = false }"#,
        ),
        (
            object("fileio", "attributes = { authentication = 1 }"),
            r#"s.toml:5:16: storage_object[0].attributes.authentication: unknown here, docs/spec.md lists those lunlab knows
  hint: it is an attribute of a [[target.tpg]]"#,
        ),
        (
            exported("attributes = { authentication = 2 }"),
            r#"s.toml:9:33: target[0].tpg[0].attributes.authentication: 2 is not true or false
  hint: leave it out, chap = { … } decides it"#,
        ),
        (
            exported("attributes = { default_cmdsn_depth = 513 }"),
            r#"s.toml:9:38: target[0].tpg[0].attributes.default_cmdsn_depth: 513 is not a number from 1 to 512
  hint: leave it out for LIO's own, 64"#,
        ),
        (
            exported("attributes = { login_timeout = 31 }"),
            r#"s.toml:9:32: target[0].tpg[0].attributes.login_timeout: 31 is not a number from 5 to 30
  hint: leave it out for LIO's own, 15"#,
        ),
        (
            exported("attributes = { netif_timeout = 1 }"),
            r#"s.toml:9:32: target[0].tpg[0].attributes.netif_timeout: 1 is not a number from 2 to 15
  hint: leave it out for LIO's own, 2"#,
        ),
        (
            exported("attributes = { default_erl = 3 }"),
            r#"s.toml:9:30: target[0].tpg[0].attributes.default_erl: 3 is not a number from 0 to 2
  hint: leave it out for LIO's own, 0"#,
        ),
        (
            exported("attributes = { fabric_prot_type = 2 }"),
            r#"s.toml:9:35: target[0].tpg[0].attributes.fabric_prot_type: 2 is not 0, 1 or 3
  hint: leave it out for LIO's own, 0"#,
        ),
        (
            exported("attributes = { MaxBurstLength = 512 }"),
            r#"s.toml:9:16: target[0].tpg[0].attributes.MaxBurstLength: unknown here, docs/spec.md lists those lunlab knows
  hint: it belongs in parameters"#,
        ),
        (
            exported("parameters = { authentication = 0 }"),
            r#"s.toml:9:16: target[0].tpg[0].parameters.authentication: unknown here, docs/spec.md lists those lunlab knows
  hint: it belongs in attributes"#,
        ),
        (
            exported("attributes = { emulate_tpu = 1 }"),
            r#"s.toml:9:16: target[0].tpg[0].attributes.emulate_tpu: unknown here, docs/spec.md lists those lunlab knows
  hint: it is an attribute of a [[storage_object]]"#,
        ),
        (
            exported("attributes = { cache_dynamic_acls = 0 }"),
            r#"s.toml:9:37: target[0].tpg[0].attributes.cache_dynamic_acls: 0 is ignored by the kernel in demo mode, where it stays 1
  hint: leave it out"#,
        ),
        (
            exported(r#"parameters = { AuthMethod = "None" }"#),
            r#"s.toml:9:29: target[0].tpg[0].parameters.AuthMethod: "None" cannot be set, AuthMethod follows the attribute authentication and is not set by itself
  hint: leave it out, chap = { … } decides it"#,
        ),
        (
            exported(r#"parameters = { MaxBurstLength = "8192junk" }"#),
            r#"s.toml:9:33: target[0].tpg[0].parameters.MaxBurstLength: "8192junk" is not a number from 512 to 16777215
  hint: leave it out for LIO's own, 262144"#,
        ),
        (
            exported("parameters = { MaxBurstLength = 511 }"),
            r#"s.toml:9:33: target[0].tpg[0].parameters.MaxBurstLength: 511 is not a number from 512 to 16777215
  hint: leave it out for LIO's own, 262144"#,
        ),
        (
            exported(r#"parameters = { ImmediateData = "Maybe" }"#),
            r#"s.toml:9:32: target[0].tpg[0].parameters.ImmediateData: "Maybe" is not Yes or No
  hint: leave it out for LIO's own, Yes"#,
        ),
        (
            exported(r#"parameters = { InitialR2T = "Irrelevant" }"#),
            r#"s.toml:9:29: target[0].tpg[0].parameters.InitialR2T: "Irrelevant" is not Yes or No
  hint: leave it out for LIO's own, Yes"#,
        ),
        (
            exported(r#"parameters = { TargetAlias = "a,b" }"#),
            r#"s.toml:9:30: target[0].tpg[0].parameters.TargetAlias: "a,b" is not 1 to 255 printable characters without a comma
  hint: leave it out for LIO's own, LIO Target"#,
        ),
        (
            exported(r#"parameters = { HeaderDigest = "MD5" }"#),
            r#"s.toml:9:31: target[0].tpg[0].parameters.HeaderDigest: "MD5" is not None, CRC32C, or both parted by a comma
  hint: leave it out for LIO's own, CRC32C,None"#,
        ),
        (
            exported("parameters = { MaxConnections = 0 }"),
            r#"s.toml:9:33: target[0].tpg[0].parameters.MaxConnections: 0 is not a number from 1 to 65535
  hint: leave it out for LIO's own, 1"#,
        ),
        (
            exported(r#"parameters = { IFMarkInt = "Reject" }"#),
            r#"s.toml:9:28: target[0].tpg[0].parameters.IFMarkInt: "Reject" cannot be set, IFMarkInt is of markers, which RFC 7143 removed and LIO only stores
  hint: leave it out"#,
        ),
        (
            exported("parameters = { DefaultTime2Wait = 3601 }"),
            r#"s.toml:9:35: target[0].tpg[0].parameters.DefaultTime2Wait: 3601 is not a number from 0 to 3600
  hint: leave it out for LIO's own, 2"#,
        ),
        (
            exported("parameters = { FirstBurst = 1 }"),
            r#"s.toml:9:16: target[0].tpg[0].parameters.FirstBurst: unknown attribute, docs/spec.md lists those lunlab knows
  hint: did you mean "FirstBurstLength"? if this kernel has it: allow_unknown_attributes = true beside it"#,
        ),
        (
            exported("parameters = { FirstBurstLength = 8192, MaxBurstLength = 4096 }"),
            r#"s.toml:9:35: target[0].tpg[0].parameters.FirstBurstLength: FirstBurstLength, 8192, is more than MaxBurstLength, 4096
  hint: FirstBurstLength = 4096"#,
        ),
        (
            exported("parameters = { MaxBurstLength = 4096 }"),
            r#"s.toml:9:33: target[0].tpg[0].parameters.MaxBurstLength: FirstBurstLength, 65536, is more than MaxBurstLength, 4096
  hint: FirstBurstLength = 4096"#,
        ),
        (
            exported("parameters = { FirstBurstLength = 262145 }"),
            r#"s.toml:9:35: target[0].tpg[0].parameters.FirstBurstLength: FirstBurstLength, 262145, is more than MaxBurstLength, 262144
  hint: FirstBurstLength = 262144"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
attributes = { nopin_timeout = 2 }"#,
            ),
            r#"s.toml:11:32: target[0].tpg[0].acl[0].attributes.nopin_timeout: 2 is not 0 or a number from 3 to 60
  hint: leave it out for LIO's own, 15"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
attributes = { dataout_timeout = 61 }"#,
            ),
            r#"s.toml:11:34: target[0].tpg[0].acl[0].attributes.dataout_timeout: 61 is not a number from 2 to 60
  hint: leave it out for LIO's own, 3"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
attributes = { authentication = 2 }"#,
            ),
            r#"s.toml:11:33: target[0].tpg[0].acl[0].attributes.authentication: 2 is not -1, 0 or 1
  hint: leave it out for LIO's own, -1"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
attributes = { login_timeout = 5 }"#,
            ),
            r#"s.toml:11:16: target[0].tpg[0].acl[0].attributes.login_timeout: unknown here, docs/spec.md lists those lunlab knows
  hint: it is an attribute of a [[target.tpg]]"#,
        ),
        (
            object(
                "block",
                "device = \"null_blk\"\ndevice_parameters = { hw_queue_depth = 16 }\nattributes = { queue_depth = 33 }",
            ),
            r#"s.toml:7:30: storage_object[0].attributes.queue_depth: 33 is more than the 32 that null_blk has
  hint: leave it out"#,
        ),
        (
            object(
                "block",
                "device = \"null_blk\"\ndevice_parameters = { hw_queue_depth = 16, no_sched = true }\nattributes = { queue_depth = 17 }",
            ),
            r#"s.toml:7:30: storage_object[0].attributes.queue_depth: 17 is more than the 16 that null_blk has
  hint: leave it out"#,
        ),
        (
            object(
                "block",
                "device = \"null_blk\"\ndevice_parameters = { max_sectors = 64 }\nattributes = { optimal_sectors = 128 }",
            ),
            r#"s.toml:7:34: storage_object[0].attributes.optimal_sectors: 128 is more than 64, the max_sectors of the device
  hint: leave it out"#,
        ),
        (
            object("block", "device = \"brd\"\nattributes = { queue_depth = 129 }"),
            r#"s.toml:6:30: storage_object[0].attributes.queue_depth: 129 is more than the 128 that brd has
  hint: leave it out"#,
        ),
    ]);
}
