//! What a bad spec is told of disks of qemu.

use super::{disk, refused};

#[test]
fn disks_of_qemu_are_refused_with_place_and_way_out() {
    refused(&[
        (
            disk(""),
            r#"s.toml:1:1: disk[0].size: missing, a size such as "1G", or image, is needed
  hint: add size = "1G""#,
        ),
        (
            r#"[[disk]]
serial = "a b"
size = "1G""#
                .to_owned(),
            r#"s.toml:2:10: disk[0].serial: "a b" is not a serial for a disk, 1 to 20 of A-Z, a-z, 0-9, `.`, `_` and `-` are
  hint: such as serial = "scratch0""#,
        ),
        (
            r#"[[disk]]
serial = "aaaaaaaaaaaaaaaaaaaaa"
size = "1G""#
                .to_owned(),
            r#"s.toml:2:10: disk[0].serial: "aaaaaaaaaaaaaaaaaaaaa" is not a serial for a disk, 1 to 20 of A-Z, a-z, 0-9, `.`, `_` and `-` are
  hint: such as serial = "scratch0""#,
        ),
        (
            r#"[[disk]]
size = "1G""#
                .to_owned(),
            r#"s.toml:1:1: disk[0].serial: missing, a name such as "scratch0" is needed
  hint: add serial = "scratch0""#,
        ),
        (
            r#"[[disk]]
serial = "x"
size = "1G"
[[disk]]
serial = "x"
size = "2G""#
                .to_owned(),
            r#"s.toml:5:10: disk[1].serial: "x" is the serial of another disk already (disk[0].serial, line 2)
  hint: take another serial"#,
        ),
        (
            disk("size = 100"),
            r#"s.toml:3:8: disk[0].size: 100 is out of range, 1M to 16T is allowed
  hint: such as size = "1G""#,
        ),
        (
            disk("size = 1048577"),
            r#"s.toml:3:8: disk[0].size: 1048577 bytes is not a multiple of 512
  hint: such as size = "1G""#,
        ),
        (
            disk(
                r#"size = "1G"
format = "raw""#,
            ),
            r#"s.toml:4:10: disk[0].format: "raw" is for an image, this disk is scratch
  hint: leave it out"#,
        ),
        (
            disk(
                r#"size = "1G"
snapshot = true"#,
            ),
            r#"s.toml:4:12: disk[0].snapshot: true is for an image, this disk is scratch
  hint: leave it out"#,
        ),
        (
            disk(r#"image = "no/such.raw""#),
            r#"s.toml:3:9: disk[0].image: "no/such.raw": there is no such file
  hint: name the image's file; a scratch disk needs none: size = "1G""#,
        ),
        (
            disk(r#"image = "/""#),
            r#"s.toml:3:9: disk[0].image: "/": this is neither a regular file nor a block device
  hint: name the image's file; a scratch disk needs none: size = "1G""#,
        ),
        (
            disk(r#"image = "/dev/null""#),
            r#"s.toml:3:9: disk[0].image: "/dev/null": this is neither a regular file nor a block device
  hint: name the image's file; a scratch disk needs none: size = "1G""#,
        ),
        (
            disk(
                r#"size = "1G"
image = "/""#,
            ),
            r#"s.toml:3:8: disk[0].size: "1G" is for a scratch disk, an image has a size of its own
  hint: leave it out
s.toml:4:9: disk[0].image: "/": this is neither a regular file nor a block device
  hint: name the image's file; a scratch disk needs none: size = "1G""#,
        ),
        (
            disk(
                r#"size = "1G"
bus = "ide""#,
            ),
            r#"s.toml:4:7: disk[0].bus: "ide" is unknown, one of virtio-blk, virtio-scsi, nvme is needed
  hint: such as bus = "virtio-blk""#,
        ),
        (
            disk(
                r#"size = "1G"
aio = "native""#,
            ),
            r#"s.toml:4:7: disk[0].aio: native needs a cache of none or directsync, not writeback
  hint: cache = "none""#,
        ),
        (
            disk(
                r#"size = "1G"
cache = "wb""#,
            ),
            r#"s.toml:4:9: disk[0].cache: "wb" is unknown, one of writeback, none, writethrough, directsync, unsafe is needed
  hint: such as cache = "writeback""#,
        ),
        (
            disk(
                r#"size = "1G"
read_only = "yes""#,
            ),
            r#"s.toml:4:13: disk[0].read_only: "yes" is a string, true or false is needed
  hint: such as read_only = true"#,
        ),
        (
            r#"[[disk]]
serial = "d0"
size = "1G"
[[disk]]
serial = "d1"
size = "1G"
[[disk]]
serial = "d2"
size = "1G"
[[disk]]
serial = "d3"
size = "1G"
[[disk]]
serial = "d4"
size = "1G"
[[disk]]
serial = "d5"
size = "1G"
[[disk]]
serial = "d6"
size = "1G"
[[disk]]
serial = "d7"
size = "1G"
[[disk]]
serial = "d8"
size = "1G"
[[disk]]
serial = "d9"
size = "1G"
[[disk]]
serial = "d10"
size = "1G"
[[disk]]
serial = "d11"
size = "1G"
[[disk]]
serial = "d12"
size = "1G"
[[disk]]
serial = "d13"
size = "1G"
[[disk]]
serial = "d14"
size = "1G"
[[disk]]
serial = "d15"
size = "1G"
[[disk]]
serial = "d16"
size = "1G""#
                .to_owned(),
            r#"s.toml:49:1: disk[16]: there are 17, at most 16 are allowed
  hint: leave the rest out, or take loop or brd devices"#,
        ),
    ]);
}
