//! What a bad spec is told of targets tpgs and luns.

use super::{exported, refused, with_disk0};

#[test]
fn targets_tpgs_and_luns_are_refused_with_place_and_way_out() {
    refused(&[
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-13.org.example"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-13.org.example": has month 13, not 01 to 12
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.ex_ample"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05.org.ex_ample": has '_' in its domain (a-z 0-9 - are allowed)
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:a b"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05.org.example:a b": has ' ' after the colon (a-z 0-9 . : - are allowed)
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:a/b"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05.org.example:a/b": has '/' after the colon (a-z 0-9 . : - are allowed)
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "disk"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "disk": does not begin with iqn., eui. or naa.
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "discovery_auth"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "discovery_auth": does not begin with iqn., eui. or naa.
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "eui.1234"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "eui.1234": has not 16 hexadecimal digits after its type
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "naa.600140500000000"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "naa.600140500000000": has not 16 or 32 hexadecimal digits after its type
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "naa.9001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "naa.9001405000000001": has an NAA type that is not 1, 2, 3 or 5, those of 16 digits
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05.org:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…: is 224 bytes, limit 223
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05": has no domain after the date
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.24-05.org"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.24-05.org": has "24-05" where the date YYYY-MM belongs
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org:"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05.org:": has nothing after the colon
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.örg"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:6:7: target[0].wwn: iSCSI name "iqn.2024-05.örg": has 'ö' in its domain (a-z 0-9 - are allowed)
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            exported(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:10:7: target[1].wwn: "iqn.2024-05.org.example:one" is the name of another target already (target[0].wwn, line 6)
  hint: take another name"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
tag = 1
luns = [{ lun = 0, storage_object = "disk0" }]
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:10:1: target[0].tpg[1].tag: 1 is the tag of another TPG of this target already (target[0].tpg[0].tag, line 8)
  hint: take another tag"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
tag = 65536
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:7: target[0].tpg[0].tag: 65536 is out of range, a whole number from 1 to 65535 is needed
  hint: such as tag = 1"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
tag = 0
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:7: target[0].tpg[0].tag: 0 is out of range, a whole number from 1 to 65535 is needed
  hint: such as tag = 1"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
tag = "1"
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:7: target[0].tpg[0].tag: "1" is a string, a whole number from 1 to 65535 is needed
  hint: such as tag = 1"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example"
tpg = []"#,
            ),
            r#"s.toml:7:7: target[0].tpg: empty, a [[target.tpg]] is needed
  hint: such as [[target.tpg]] on a line of its own below the target, its keys below that"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
nexus = "naa.5001405000000002"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:9: target[0].nexus: "naa.5001405000000002" is for loopback only, this target is of iscsi
  hint: leave it out"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
cmd_completion_affinity = 1
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:27: target[0].cmd_completion_affinity: there is no CPU 1, the machine has 1, counted from 0
  hint: such as cmd_completion_affinity = -1"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
cmd_completion_affinity = -3
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:27: target[0].cmd_completion_affinity: -3 is out of range, a whole number from -2 to 1023 is needed
  hint: such as cmd_completion_affinity = -1"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
fabric = "vhost"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:10: target[0].fabric: "vhost" is unknown, one of iscsi, loopback is needed
  hint: such as fabric = "iscsi""#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "iqn.2024-05.org.example:x"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:7: target[0].wwn: NAA name "iqn.2024-05.org.example:x": does not begin with naa.
  hint: a name looks like naa.5001405d1b2e3f4a"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:7: target[0].wwn: NAA name "naa.5001405": has not 16 hexadecimal digits after its type
  hint: a name looks like naa.5001405d1b2e3f4a"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.60014050000000000000000000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:7:7: target[0].wwn: NAA name "naa.60014050000000000000000000000001": has not 16 hexadecimal digits after its type
  hint: a name looks like naa.5001405d1b2e3f4a"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
tag = 32
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:9:7: target[0].tpg[0].tag: 32 is out of range, a whole number from 0 to 31 is needed
  hint: such as tag = 1"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
portals = ["127.0.0.1"]
parameters = {}
enable = true"#,
            ),
            r#"s.toml:10:11: target[0].tpg[0].portals: this is for iscsi only, this target is of loopback
  hint: leave it out
s.toml:11:14: target[0].tpg[0].parameters: this is for iscsi only, this target is of loopback
  hint: leave it out
s.toml:12:10: target[0].tpg[0].enable: true is for iscsi only, this target is of loopback
  hint: leave it out"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org""#,
            ),
            r#"s.toml:10:1: target[0].tpg[0].acl: this is for iscsi only, this target is of loopback
  hint: leave it out"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
attributes = { authentication = 0 }"#,
            ),
            r#"s.toml:10:16: target[0].tpg[0].attributes.authentication: unknown here, docs/spec.md lists those lunlab knows
  hint: it is an attribute of targets of the fabric iscsi"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
nexus = "iqn.2024-05.org"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:9: target[0].nexus: NAA name "iqn.2024-05.org": does not begin with naa.
  hint: a name looks like naa.5001405d1b2e3f4a"#,
        ),
        (
            with_disk0(
                r#"[[target]]
fabric = "loopback"
wwn = "naa.5001405000000001"
cmd_completion_affinity = 0
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:27: target[0].cmd_completion_affinity: 0 is for iscsi only, this target is of loopback
  hint: leave it out"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 256, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:17: target[0].tpg[0].luns[0].lun: 256 is out of range, a whole number from 0 to 255 is needed
  hint: such as lun = 0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }, { lun = 0, storage_object = "disk0" }]"#,
            ),
            r#"s.toml:8:56: target[0].tpg[0].luns[1].lun: 0 is the number of another LUN already (target[0].tpg[0].luns[0].lun, line 8)
  hint: take another number"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk1" }]"#,
            ),
            r#"s.toml:8:37: target[0].tpg[0].luns[0].storage_object: there is no storage object "disk1", only "disk0"
  hint: did you mean "disk0"?"#,
        ),
        (
            r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]"#
                .to_owned(),
            r#"s.toml:4:37: target[0].tpg[0].luns[0].storage_object: there is no storage object "disk0", a [[storage_object]] of that name is needed
  hint: such as storage_object = "disk0""#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }, 7]"#,
            ),
            r#"s.toml:8:48: target[0].tpg[0].luns[1]: 7 is an integer, a table is needed
  hint: such as luns = [{ lun = 0, storage_object = "disk0" }]"#,
        ),
        (
            exported(r#"demo_mode = "on""#),
            r#"s.toml:9:13: target[0].tpg[0].demo_mode: "on" is unknown, one of writable, read-only, off is needed
  hint: such as demo_mode = "read-only""#,
        ),
        (
            exported(
                r#"demo_mode = "off"
attributes = { generate_node_acls = 1 }"#,
            ),
            r#"s.toml:10:37: target[0].tpg[0].attributes.generate_node_acls: 1 contradicts demo_mode = "off", which sets it
  hint: leave the attribute out"#,
        ),
        (
            exported(
                r#"demo_mode = "writable"
attributes = { demo_mode_write_protect = 1 }"#,
            ),
            r#"s.toml:10:42: target[0].tpg[0].attributes.demo_mode_write_protect: 1 contradicts demo_mode = "writable", which sets it
  hint: leave the attribute out"#,
        ),
    ]);
}
