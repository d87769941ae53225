//! What a bad spec is told of workloads.

use super::{exported, object, refused, with_disk0};

#[test]
fn workloads_are_refused_with_place_and_way_out() {
    refused(&[
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
target = "iqn.2024-05.org.example:two""#,
            ),
            r#"s.toml:11:10: benchmark[0].target: there is no target of iscsi "iqn.2024-05.org.example:two", only "iqn.2024-05.org.example:one"
  hint: did you mean "iqn.2024-05.org.example:one"?"#,
        ),
        (
            r#"[[benchmark]]
workload = "iscsi-randread"
target = "one""#
                .to_owned(),
            "s.toml:2:12: benchmark[0].workload: iscsi-randread needs a [[target]] with a LUN, there is no target",
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            "s.toml:11:12: benchmark[0].workload: iscsi-randread needs a [[target]] with a LUN, there is no target",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
tpg = 2"#,
            ),
            "s.toml:11:7: benchmark[0].tpg: the target has no TPG 2, only 1",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
portal = "127.0.0.1:3260""#,
            ),
            "s.toml:11:10: benchmark[0].portal: the TPG has no portal 127.0.0.1:3260, its portals: 127.0.0.1",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
portal = "localhost""#,
            ),
            r#"s.toml:11:10: benchmark[0].portal: "localhost" names a host, LIO takes numeric addresses only: 127.0.0.1:3260 or [::1]:3260"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
initiator = "me""#,
            ),
            r#"s.toml:11:13: benchmark[0].initiator: iSCSI name "me": does not begin with iqn., eui. or naa.
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            exported(
                r#"enable = false
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            "s.toml:11:12: benchmark[0].workload: its TPG is not enabled, nobody can log in",
        ),
        (
            exported(
                r#"portals = []
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            "s.toml:10:1: benchmark[0].portal: the TPG has no portal, its portals: none",
        ),
        (
            exported(
                r#"demo_mode = "off"
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            r#"s.toml:10:1: benchmark[0].initiator: "iqn.2026-01.org.lunlab:initiator" has no ACL and demo_mode is off, it could not log in"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"

[[benchmark]]
workload = "iscsi-randread"
initiator = "iqn.2024-05.org:x""#,
            ),
            r#"s.toml:14:13: benchmark[0].initiator: "iqn.2024-05.org:x" has no ACL and demo_mode is off, it could not log in"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = [{ mapped_lun = 5, lun = 0 }]
[[benchmark]]
workload = "iscsi-randread"
lun = 0"#,
            ),
            r#"s.toml:14:7: benchmark[0].lun: "iqn.2024-05.org.example:host" sees no LUN 0, only 5"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = []
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            r#"s.toml:13:12: benchmark[0].workload: "iqn.2024-05.org.example:host" sees no LUN to read"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
header_digest = "md5""#,
            ),
            r#"s.toml:11:17: benchmark[0].header_digest: "md5" is unknown, one of none, crc32c is needed"#,
        ),
        (
            exported(
                r#"parameters = { HeaderDigest = "None" }
[[benchmark]]
workload = "iscsi-randread"
header_digest = "crc32c""#,
            ),
            r#"s.toml:12:17: benchmark[0].header_digest: "crc32c" is not offered, the TPG's HeaderDigest is None
  hint: header_digest = "none""#,
        ),
        (
            exported(
                r#"parameters = { DataDigest = "CRC32C" }
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            r#"s.toml:10:1: benchmark[0].data_digest: "none" is not offered, the TPG's DataDigest is CRC32C
  hint: data_digest = "crc32c""#,
        ),
        (
            with_disk0(
                r#"attributes = { block_size = 4096 }
[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
[[benchmark]]
workload = "iscsi-randread"
block_size = 512"#,
            ),
            "s.toml:12:14: benchmark[0].block_size: 512 bytes is not a multiple of LUN 0's blocks of 4K",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
chap = { userid = "u", password_env = "SHORT" }"#,
            ),
            r#"s.toml:11:39: benchmark[0].chap.password_env: the secret of "u" has 11 bytes, 12 to 255 are needed
  hint: openssl rand -hex 16 makes a good one"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest""#,
            ),
            r#"s.toml:9:1: benchmark[0].storage_object: missing, the name of one is needed
s.toml:9:1: benchmark[0].via: missing, loopback or backing is needed"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk1"
via = "backing""#,
            ),
            r#"s.toml:11:18: benchmark[0].storage_object: there is no storage object "disk1", only "disk0"
  hint: did you mean "disk0"?"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "loopback""#,
            ),
            r#"s.toml:12:7: benchmark[0].via: no target of the fabric loopback exports "disk0""#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "sg""#,
            ),
            r#"s.toml:12:7: benchmark[0].via: "sg" is unknown, one of loopback, backing is needed"#,
        ),
        (
            object(
                "ramdisk",
                r#"
[[benchmark]]
workload = "digest"
storage_object = "a"
via = "backing""#,
            ),
            r#"s.toml:9:7: benchmark[0].via: a ramdisk has nothing under it that the guest could open
  hint: via = "loopback", with a target of that fabric"#,
        ),
        (
            object(
                "block",
                r#"device = "null_blk"

[[benchmark]]
workload = "pattern"
storage_object = "a"
via = "backing""#,
            ),
            r#"s.toml:9:18: benchmark[0].storage_object: "a" stores nothing that could be read again"#,
        ),
        (
            object(
                "block",
                r#"device = "brd"
read_only = true
[[benchmark]]
workload = "pattern"
storage_object = "a"
via = "backing""#,
            ),
            r#"s.toml:9:18: benchmark[0].storage_object: "a" is read-only"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "backing"
offset = "64M""#,
            ),
            "s.toml:13:10: benchmark[0].offset: 64M is not within the storage object's 64M",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "backing"
offset = 100
length = 0"#,
            ),
            r#"s.toml:13:10: benchmark[0].offset: 100 bytes is not a multiple of 512
s.toml:14:10: benchmark[0].length: 0 is nothing, leave it out for all that follows"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "backing"
offset = "1M"
length = "64M""#,
            ),
            "s.toml:14:10: benchmark[0].length: 64M is more than follows, which is 63M of 64M",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "backing"
length = 100
seed = 1"#,
            ),
            r#"s.toml:13:10: benchmark[0].length: 100 bytes is not a multiple of 512
s.toml:14:1: benchmark[0].seed: unknown key, known here: workload, storage_object, via, offset, length"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "pattern"
storage_object = "disk0"
via = "backing"
seed = -1"#,
            ),
            "s.toml:13:8: benchmark[0].seed: -1 is out of range, a whole number from 0 to 18446744073709551615 is needed",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command""#,
            ),
            r#"s.toml:9:1: benchmark[0].command: missing, a list such as ["sh", "-c", "…"] is needed"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = []"#,
            ),
            r#"s.toml:11:11: benchmark[0].command: empty, a program is needed, such as ["sh", "-c", "…"]"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = "ls""#,
            ),
            r#"s.toml:11:11: benchmark[0].command: "ls" is a string, a list of words is needed"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = ["sh", "a\u0000b"]"#,
            ),
            "s.toml:11:18: benchmark[0].command[1]: has a NUL, which no argument can have",
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = ["sh"]
timeout = "0s""#,
            ),
            "s.toml:12:11: benchmark[0].timeout: 0ms is out of range, 1ms to 168h is allowed",
        ),
    ]);
}
