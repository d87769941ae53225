//! What a bad spec is told of alua groups.

use super::{object, refused, with_disk0};

#[test]
fn alua_groups_are_refused_with_place_and_way_out() {
    refused(&[
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
id = 1"#,
            ),
            r#"s.toml:5:1: storage_object[0].alua_group[0].name: missing, a name such as "standby" is needed
  hint: add name = "standby""#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g""#,
            ),
            r#"s.toml:5:1: storage_object[0].alua_group[0].id: missing, a number from 1 to 65535 is needed
  hint: add id = 16"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 0"#,
            ),
            r#"s.toml:7:6: storage_object[0].alua_group[0].id: 0 is out of range, a whole number from 1 to 65535 is needed
  hint: such as id = 16"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "default_tg_pt_gp"
id = 1"#,
            ),
            r#"s.toml:6:8: storage_object[0].alua_group[0].name: ALUA group name "default_tg_pt_gp": is taken
  hint: such as name = "standby""#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "a/b"
id = 1"#,
            ),
            r#"s.toml:6:8: storage_object[0].alua_group[0].name: ALUA group name "a/b": has a character beyond A-Z a-z 0-9 . _ -
  hint: such as name = "standby""#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "NULL"
id = 1"#,
            ),
            r#"s.toml:6:8: storage_object[0].alua_group[0].name: ALUA group name "NULL": begins with NULL
  hint: such as name = "standby""#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
[[storage_object.alua_group]]
name = "g"
id = 2"#,
            ),
            r#"s.toml:9:8: storage_object[0].alua_group[1].name: "g" is the name of another ALUA group already (storage_object[0].alua_group[0].name, line 6)
  hint: take another name"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 7
[[storage_object.alua_group]]
name = "h"
id = 7"#,
            ),
            r#"s.toml:10:6: storage_object[0].alua_group[1].id: 7 is the id of another ALUA group already (storage_object[0].alua_group[0].id, line 7)
  hint: take another id"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
access_state = "standbye""#,
            ),
            r#"s.toml:8:16: storage_object[0].alua_group[0].access_state: "standbye" is unknown, one of active-optimized, active-nonoptimized, standby, unavailable, lba-dependent, offline is needed
  hint: did you mean "standby"?"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
access_state = "standby"
access_type = "explicit""#,
            ),
            r#"s.toml:8:16: storage_object[0].alua_group[0].access_state: the kernel sets "standby" only where the access type is implicit
  hint: access_type = "implicit""#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
access_state = "lba-dependent""#,
            ),
            r#"s.toml:8:16: storage_object[0].alua_group[0].access_state: "lba-dependent" depends on the block and cannot be explicit
  hint: access_type = "implicit""#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
access_state = "standby"
support_standby = false"#,
            ),
            r#"s.toml:9:19: storage_object[0].alua_group[0].support_standby: false, yet the group is in this state, access_state = "standby"
  hint: leave it out"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
nonop_delay_msecs = 10001"#,
            ),
            r#"s.toml:8:21: storage_object[0].alua_group[0].nonop_delay_msecs: 10001 is out of range, a whole number from 0 to 10000 is needed
  hint: such as nonop_delay_msecs = 100"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
trans_delay_msecs = 30001"#,
            ),
            r#"s.toml:8:21: storage_object[0].alua_group[0].trans_delay_msecs: 30001 is out of range, a whole number from 0 to 30000 is needed
  hint: such as trans_delay_msecs = 0"#,
        ),
        (
            object(
                "fileio",
                r#"[[storage_object.alua_group]]
name = "g"
id = 1
implicit_trans_secs = 256"#,
            ),
            r#"s.toml:8:23: storage_object[0].alua_group[0].implicit_trans_secs: 256 is out of range, a whole number from 0 to 255 is needed
  hint: such as implicit_trans_secs = 0"#,
        ),
        (
            with_disk0(
                r#"[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0", alua_group = "standby" }]"#,
            ),
            r#"s.toml:8:59: target[0].tpg[0].luns[0].alua_group: there is no ALUA group of storage object "disk0" called "standby"
  hint: add a [[storage_object.alua_group]] of that name"#,
        ),
        (
            with_disk0(
                r#"[[storage_object.alua_group]]
name = "standby"
id = 1
[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0", alua_group = "standbi" }]"#,
            ),
            r#"s.toml:11:59: target[0].tpg[0].luns[0].alua_group: there is no ALUA group of storage object "disk0" called "standbi", only "standby"
  hint: did you mean "standby"?"#,
        ),
    ]);
}
