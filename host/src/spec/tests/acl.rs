//! What a bad spec is told of acls and mapped luns.

use super::{exported, refused, with_disk0};

#[test]
fn acls_and_mapped_luns_are_refused_with_place_and_way_out() {
    refused(&[
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05""#,
            ),
            r#"s.toml:10:13: target[0].tpg[0].acl[0].initiator: iSCSI name "iqn.2024-05": has no domain after the date
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
            ),
            r#"s.toml:10:13: target[0].tpg[0].acl[0].initiator: iSCSI name "iqn.2024-05.org:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…: is 224 bytes, limit 223
  hint: a name looks like iqn.2015-04.org.example:disk0"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"

[[target.tpg.acl]]
initiator = "iqn.2024-05.org.EXAMPLE:host""#,
            ),
            r#"s.toml:13:13: target[0].tpg[0].acl[1].initiator: "iqn.2024-05.org.example:host" is the initiator of another ACL already (target[0].tpg[0].acl[0].initiator, line 10)
  hint: put both into one"#,
        ),
        (
            exported("[[target.tpg.acl]]"),
            r#"s.toml:9:1: target[0].tpg[0].acl[0].initiator: missing, a name such as "iqn.2024-05.org.example:host" is needed
  hint: add initiator = "iqn.2024-05.org.example:host""#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
cmdsn_depth = 0"#,
            ),
            r#"s.toml:11:15: target[0].tpg[0].acl[0].cmdsn_depth: 0 is out of range, a whole number from 1 to 512 is needed
  hint: such as cmdsn_depth = 64"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
cmdsn_depth = 513"#,
            ),
            r#"s.toml:11:15: target[0].tpg[0].acl[0].cmdsn_depth: 513 is out of range, a whole number from 1 to 512 is needed
  hint: such as cmdsn_depth = 64"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
tag = """#,
            ),
            r#"s.toml:11:7: target[0].tpg[0].acl[0].tag: ACL tag "": is empty
  hint: such as tag = "host a""#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
tag = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
            ),
            r#"s.toml:11:7: target[0].tpg[0].acl[0].tag: ACL tag "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": is 64 bytes, limit 63
  hint: such as tag = "host a""#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
tag = "NULL""#,
            ),
            r#"s.toml:11:7: target[0].tpg[0].acl[0].tag: ACL tag "NULL": begins with NULL, which clears it
  hint: such as tag = "host a""#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
tag = "a ""#,
            ),
            r#"s.toml:11:7: target[0].tpg[0].acl[0].tag: ACL tag "a ": has a blank at an end
  hint: such as tag = "host a""#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = [{ mapped_lun = 0, lun = 3 }]"#,
            ),
            r#"s.toml:11:40: target[0].tpg[0].acl[0].mapped_luns[0].lun: this TPG has no LUN 3, only 0
  hint: add it to luns"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = [{ mapped_lun = 0, lun = 0 }, { mapped_lun = 1, lun = 0 }]"#,
            ),
            r#"s.toml:11:69: target[0].tpg[0].acl[0].mapped_luns[1].lun: 0 is a LUN mapped to this initiator already (target[0].tpg[0].acl[0].mapped_luns[0].lun, line 11)
  hint: map each LUN once"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }, { lun = 1, storage_object = "disk0" }]
[[target.tpg.acl]]
initiator = "iqn.2024-05.org"
mapped_luns = [{ mapped_lun = 0, lun = 0 }, { mapped_lun = 0, lun = 1 }]"#,
            ),
            r#"s.toml:11:60: target[0].tpg[0].acl[0].mapped_luns[1].mapped_lun: 0 is the number of another mapped LUN of this initiator already (target[0].tpg[0].acl[0].mapped_luns[0].mapped_lun, line 11)
  hint: take another number"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = [{ mapped_lun = 256, lun = 0 }]"#,
            ),
            r#"s.toml:11:31: target[0].tpg[0].acl[0].mapped_luns[0].mapped_lun: 256 is out of range, a whole number from 0 to 255 is needed
  hint: such as mapped_lun = 0"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = [{ lun = 0 }]"#,
            ),
            r#"s.toml:11:16: target[0].tpg[0].acl[0].mapped_luns[0].mapped_lun: missing, a number is needed
  hint: add mapped_lun = 0"#,
        ),
        (
            exported(
                r#"[[target.tpg.acl]]
initiator = "iqn.2024-05.org.example:host"
mapped_luns = [{ mapped_lun = 0, lun = 0, read_only = true }]"#,
            ),
            r#"s.toml:11:43: target[0].tpg[0].acl[0].mapped_luns[0].read_only: unknown key, known here: mapped_lun, lun, write_protect
  hint: here it is called write_protect"#,
        ),
    ]);
}
