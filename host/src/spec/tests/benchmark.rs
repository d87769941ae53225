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
            r#"s.toml:2:12: benchmark[0].workload: iscsi-randread needs a [[target]] of iscsi with a LUN, there is none
  hint: add a [[target]], or take the benchmark out"#,
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
            r#"s.toml:11:12: benchmark[0].workload: iscsi-randread needs a [[target]] of iscsi with a LUN, there is none
  hint: add a [[target]], or take the benchmark out"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
tpg = 2"#,
            ),
            r#"s.toml:11:7: benchmark[0].tpg: the target has no TPG 2, only 1
  hint: name one of them, or leave it out for the first"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
portal = "127.0.0.1:3260""#,
            ),
            r#"s.toml:11:10: benchmark[0].portal: the TPG has no portal 127.0.0.1:3260, only 127.0.0.1
  hint: name one of them, or leave it out for the first"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
portal = "localhost""#,
            ),
            r#"s.toml:11:10: benchmark[0].portal: "localhost" names a host, LIO takes numeric addresses only: 127.0.0.1:3260 or [::1]:3260
  hint: such as portal = "127.0.0.1:3260""#,
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
            r#"s.toml:11:12: benchmark[0].workload: iscsi-randread could not log in, its TPG is not enabled
  hint: enable = true in that TPG"#,
        ),
        (
            exported(
                r#"portals = []
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            r#"s.toml:10:1: benchmark[0].portal: the TPG has no portal at which it could be reached
  hint: give the TPG one: portals = ["127.0.0.1"]"#,
        ),
        (
            exported(
                r#"demo_mode = "off"
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            r#"s.toml:10:1: benchmark[0].initiator: "iqn.2026-01.org.lunlab:initiator" has no ACL and demo_mode is off, it could not log in
  hint: give the TPG an [[target.tpg.acl]] of that name, or demo_mode = "writable""#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"

[[benchmark]]
workload = "iscsi-randread"
initiator = "iqn.2024-05.org:x""#,
            ),
            r#"s.toml:14:13: benchmark[0].initiator: "iqn.2024-05.org:x" has no ACL and demo_mode is off, it could not log in
  hint: name the initiator of an ACL, or add an [[target.tpg.acl]]"#,
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
            r#"s.toml:14:7: benchmark[0].lun: "iqn.2024-05.org.example:host" sees no LUN 0, only 5
  hint: leave it out for the lowest it sees, or add it to luns or mapped_luns"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = []
[[benchmark]]
workload = "iscsi-randread""#,
            ),
            r#"s.toml:13:12: benchmark[0].workload: iscsi-randread reads a LUN, and "iqn.2024-05.org.example:host" sees none
  hint: give its ACL mapped_luns, or the TPG luns"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "iscsi-randread"
header_digest = "md5""#,
            ),
            r#"s.toml:11:17: benchmark[0].header_digest: "md5" is unknown, one of none, crc32c is needed
  hint: such as header_digest = "crc32c""#,
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
            r#"s.toml:12:14: benchmark[0].block_size: 512 bytes is not a multiple of LUN 0's blocks of 4K
  hint: block_size = "4K""#,
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
  hint: add storage_object = "disk0"
s.toml:9:1: benchmark[0].via: missing, loopback or backing is needed
  hint: add via = "backing""#,
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
            r#"s.toml:12:7: benchmark[0].via: "loopback" needs a target of that fabric, none exports "disk0"
  hint: add a [[target]] with fabric = "loopback" and a LUN of it, or via = "backing""#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "sg""#,
            ),
            r#"s.toml:12:7: benchmark[0].via: "sg" is unknown, one of loopback, backing is needed
  hint: such as via = "backing""#,
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
            r#"s.toml:9:7: benchmark[0].via: "backing" opens what is under it, and a ramdisk has nothing there
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
            r#"s.toml:9:18: benchmark[0].storage_object: "a" stores nothing that could be read again
  hint: give it device_parameters = { memory_backed = true }"#,
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
            r#"s.toml:9:18: benchmark[0].storage_object: "a" is read-only
  hint: name one without read_only = true"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "digest"
storage_object = "disk0"
via = "backing"
offset = "64M""#,
            ),
            r#"s.toml:13:10: benchmark[0].offset: 64M is not within the storage object's 64M
  hint: leave it out for the beginning"#,
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
  hint: a multiple of 512
s.toml:14:10: benchmark[0].length: 0 is nothing, at least one block is needed
  hint: leave it out for all that follows"#,
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
            r#"s.toml:14:10: benchmark[0].length: 64M is more than follows, which is 63M of 64M
  hint: leave it out for all that follows"#,
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
  hint: a multiple of 512
s.toml:14:1: benchmark[0].seed: unknown key, known here: workload, storage_object, via, offset, length
  hint: leave it out"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "pattern"
storage_object = "disk0"
via = "backing"
seed = -1"#,
            ),
            r#"s.toml:13:8: benchmark[0].seed: -1 is out of range, a whole number from 0 to 18446744073709551615 is needed
  hint: such as seed = 1"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command""#,
            ),
            r#"s.toml:9:1: benchmark[0].command: missing, a list such as ["sh", "-c", "…"] is needed
  hint: add command = ["sh", "-c", "echo $LUNLAB_URL_0"]"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = []"#,
            ),
            r#"s.toml:11:11: benchmark[0].command: empty, a program is needed, such as ["sh", "-c", "…"]
  hint: such as command = ["sh", "-c", "echo $LUNLAB_URL_0"]"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = "ls""#,
            ),
            r#"s.toml:11:11: benchmark[0].command: "ls" is a string, a list of words is needed
  hint: such as command = ["sh", "-c", "echo $LUNLAB_URL_0"]"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = ["sh", "a\u0000b"]"#,
            ),
            r#"s.toml:11:18: benchmark[0].command[1]: "a\0b" has a NUL, which no argument can have
  hint: such as command = ["sh", "-c", "echo $LUNLAB_URL_0"]"#,
        ),
        (
            exported(
                r#"[[benchmark]]
workload = "host-command"
command = ["sh"]
timeout = "0s""#,
            ),
            r#"s.toml:12:11: benchmark[0].timeout: 0ms is out of range, 1ms to 168h is allowed
  hint: such as timeout = "60s""#,
        ),
    ]);
}
