//! What a bad spec is told of portals.

use super::{exported, refused};

#[test]
fn portals_are_refused_with_place_and_way_out() {
    refused(&[
        (
            exported(r#"portals = ["localhost:3260"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: "localhost:3260" names a host, LIO takes numeric addresses only: 127.0.0.1:3260 or [::1]:3260
  hint: such as portals = ["127.0.0.1:3260"]"#,
        ),
        (
            exported(r#"portals = ["127.0.0.1:0"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: "127.0.0.1:0" has the port "0", 1 to 65535 without leading zeros is allowed
  hint: such as portals = ["127.0.0.1:3260"]"#,
        ),
        (
            exported(r#"portals = ["127.0.0.1:65536"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: "127.0.0.1:65536" has the port "65536", 1 to 65535 without leading zeros is allowed
  hint: such as portals = ["127.0.0.1:3260"]"#,
        ),
        (
            exported(r#"portals = ["127.0.0.1:03260"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: "127.0.0.1:03260" has the port "03260", 1 to 65535 without leading zeros is allowed
  hint: such as portals = ["127.0.0.1:3260"]"#,
        ),
        (
            exported(r#"portals = ["::1"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: "::1" is an IPv6 address without brackets, write [::1] or [::1]:3260
  hint: [::1] or [::1]:3260"#,
        ),
        (
            exported(r#"portals = ["[fe80::1%eth0]:3260"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: "[fe80::1%eth0]:3260" names a zone, the guest has no link-local addresses
  hint: [::1]:3260, or an address of the guest's own"#,
        ),
        (
            exported(r#"portals = ["192.168.1.1:3260", "127.0.0.1"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: 192.168.1.1:3260: the guest has no such address, it has 127.0.0.0/8, ::1
  hint: 127.0.0.1, or 0.0.0.0 for all it has"#,
        ),
        (
            exported(r#"portals = ["10.0.2.15:3260"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: 10.0.2.15:3260: the guest has no such address, it has 127.0.0.0/8, ::1
  hint: [network] mode = "user" gives it that address"#,
        ),
        (
            exported(r#"portals = ["[fe80::1]:3260"]"#),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: [fe80::1]:3260: the guest has no such address, it has 127.0.0.0/8, ::1
  hint: 127.0.0.1, or 0.0.0.0 for all it has"#,
        ),
        (
            r#"[network]
mode = "user"
[[storage_object]]
name = "disk0"
backstore = "fileio"
size = "64M"
[[target]]
wwn = "iqn.2024-05.org.example:one"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
portals = ["10.0.2.16"]"#
                .to_owned(),
            r#"s.toml:11:12: target[0].tpg[0].portals[0]: 10.0.2.16: the guest has no such address, it has 127.0.0.0/8, ::1, 10.0.2.15
  hint: 127.0.0.1, or 0.0.0.0 for all it has"#,
        ),
        (
            exported(r#"portals = "127.0.0.1""#),
            r#"s.toml:9:11: target[0].tpg[0].portals: "127.0.0.1" is a string, a list of portals is needed
  hint: such as portals = ["127.0.0.1:3260"]"#,
        ),
        (
            exported("portals = [3260]"),
            r#"s.toml:9:12: target[0].tpg[0].portals[0]: 3260 is an integer, a portal is needed
  hint: such as portals = ["127.0.0.1:3260"]"#,
        ),
        (
            exported(r#"portals = ["127.0.0.1:3260", "127.0.0.1:3260"]"#),
            r#"s.toml:9:30: target[0].tpg[0].portals[1]: 127.0.0.1:3260 is a portal of this target already (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            exported(r#"portals = ["0.0.0.0:3260", "[::]:3260"]"#),
            r#"s.toml:9:28: target[0].tpg[0].portals[1]: [::]:3260 cannot be listened on beside 0.0.0.0:3260 (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            exported(r#"portals = ["127.0.0.1:3260", "0.0.0.0:3260"]"#),
            r#"s.toml:9:30: target[0].tpg[0].portals[1]: 0.0.0.0:3260 cannot be listened on beside 127.0.0.1:3260 (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            exported(r#"portals = ["[::]:3260", "127.0.0.1:3260"]"#),
            r#"s.toml:9:25: target[0].tpg[0].portals[1]: 127.0.0.1:3260 cannot be listened on beside [::]:3260 (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            exported(
                r#"portals = ["127.0.0.1:3260"]
[[target.tpg]]
tag = 2
luns = [{ lun = 0, storage_object = "disk0" }]
portals = ["127.0.0.1:3260"]"#,
            ),
            r#"s.toml:13:12: target[0].tpg[1].portals[0]: 127.0.0.1:3260 is a portal of this target already (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            exported(
                r#"portals = ["0.0.0.0:3260"]
[[target]]
wwn = "iqn.2024-05.org.example:two"
[[target.tpg]]
luns = [{ lun = 0, storage_object = "disk0" }]
portals = ["127.0.0.1:3260"]"#,
            ),
            r#"s.toml:14:12: target[1].tpg[0].portals[0]: 127.0.0.1:3260 cannot be listened on beside 0.0.0.0:3260 (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            exported(
                r#"portals = ["0.0.0.0:3260"]
[[target.tpg]]
tag = 2
luns = [{ lun = 0, storage_object = "disk0" }]
portals = ["0.0.0.0:3260"]"#,
            ),
            r#"s.toml:13:12: target[0].tpg[1].portals[0]: 0.0.0.0:3260 is a portal of this target already (target[0].tpg[0].portals[0], line 9)
  hint: take another port, or none and a free one is chosen"#,
        ),
        (
            r#"[network]
mode = "tap""#
                .to_owned(),
            r#"s.toml:2:8: network.mode: "tap" is unknown, one of none, user is needed
  hint: such as mode = "user""#,
        ),
    ]);
}
